"""Who newly may assume a role of which that is dangerous: from a preview to the exit code of `--fail-on dangerous`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.main import main
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ADMINISTRATOR,
    COMPONENT,
    READ_ONLY,
    ROLE_ARN,
    SECRET,
    UNKNOWN,
    association,
    attached,
    create,
    digest,
    inline,
    oidc_provider,
    role,
    statement,
    step,
    trust,
    update,
    with_inputs,
)
from tests.world import document

OTHER_ACCOUNT = "999988887777"
READS, ALL = inline(statement("s3:GetObject", "arn:aws:s3:::a/*")), inline(statement())
PODS = {"Service": "pods.eks.amazonaws.com"}


def trusting(*principals: Any, action: Any = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    """Return a trust policy for a service account, and for others."""
    others = [{"Effect": "Allow", "Principal": each, "Action": action, **more} for each in principals]
    return document(*trust("team-a:app")["Statement"], *others)


def stays(*those: dict[str, Any]) -> list[Any]:
    return [update(each, each) for each in those]


ROOT, NUMBER, NAMED, OWN = (
    {"AWS": each}
    for each in (
        f"arn:aws:iam::{OTHER_ACCOUNT}:root",
        OTHER_ACCOUNT,
        f"arn:aws:iam::{OTHER_ACCOUNT}:role/deploy",
        f"arn:aws:iam::{ACCOUNT}:role/elsewhere",
    )
)
EXTERNAL = {"Condition": {"StringEquals": {"sts:ExternalId": "x"}}}
BY_GITHUB = "token.actions.githubusercontent.com"
GITHUB = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{BY_GITHUB}"}
BY_TOKEN = {"action": "sts:AssumeRoleWithWebIdentity"}
ONE, TWO = trusting(), trust("team-a:app", "team-a:web")
# The trust policy before and afterwards, and whether that is dangerous of a harmless role, and of an administrator's.
TRUST: Mapping[str, tuple[Any, Any, bool, bool]] = {
    "one more service account": (ONE, TWO, False, True),
    "one less": (TWO, ONE, False, False),
    "a namespace": (ONE, trust("team-a:*"), False, True),
    "another AWS account": (ONE, trusting(ROOT), True, True),
    "the number of another AWS account": (ONE, trusting(NUMBER), True, True),
    "a role outside": (ONE, trusting(NAMED), True, True),
    "everybody in AWS": (ONE, trusting({"AWS": "*"}), True, True),
    "everybody": (ONE, trusting("*"), True, True),
    "outside beside inside": (ONE, trusting({"AWS": [OWN["AWS"], ROOT["AWS"]]}, **EXTERNAL), True, True),
    "GitHub": (ONE, trusting(GITHUB, **BY_TOKEN), True, True),
    "a role of the AWS account": (ONE, trusting(OWN), False, True),
    "a service": (ONE, trusting({"Service": "ec2.amazonaws.com"}), False, True),
    # Whoever may create an association in any cluster gets it.
    "EKS Pod Identity": (ONE, trusting(PODS), False, True),
    # What is there already, in another order or spelling, is nobody new.
    "another spelling": (trusting(ROOT), trusting(NUMBER), False, False),
    "another order": (trusting(ROOT, OWN), trusting(OWN, ROOT), False, False),
    "another AWS account that goes": (trusting(ROOT), ONE, False, False),
    "a condition that goes": (trusting(ROOT, **EXTERNAL), trusting(ROOT), True, True),
    "from a role to its AWS account": (trusting(NAMED), trusting(ROOT), True, True),
}


@pytest.mark.parametrize("what", TRUST)
def test_who_newly_may_assume_it(what: str, diff_json: DiffJson) -> None:
    """The attack: an administrator's role gets another service account, or an AWS account, in one line of a review."""
    before, after, *dangerous = TRUST[what]

    for policy, is_dangerous in zip((READS, ALL), dangerous, strict=True):
        found = diff_json(update(role(before), role(after)), *stays(policy), gate="dangerous")
        assert found["exitCode"] == is_dangerous


ANOTHER = update(role(ONE), role(TWO))
WRITES, DENIED = statement("s3:*", "arn:aws:s3:::*"), statement("*", "*", "Deny")
OF_PODS = role(document({"Effect": "Allow", "Principal": PODS, "Action": ["sts:AssumeRole", "sts:TagSession"]}))
X, Y = (f"arn:aws:iam::{OTHER_ACCOUNT}:role/{name}" for name in "xy")
MAY = inline(statement(["sts:AssumeRole", "sts:TagSession"], [X, Y]))
ADMIN = role(trusting({"AWS": ROLE_ARN}), "admin", "admin")
THEIRS = {**role(ONE, "z", "z"), "provider": "urn:pulumi:dev::irsa::pulumi:providers:aws::z::id"}
THEIRS["outputs"] = {"arn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/z"}
HARMLESS = {**role(TWO, "app"), "inputs": {"assumeRolePolicy": TWO, "namePrefix": "app-"}}
OF_NOBODY = {**association("new", roleArn=UNKNOWN), "parent": f"urn:pulumi:dev::irsa::my:index:App${COMPONENT}::app"}


def by_target(before: Any, after: Any) -> list[Any]:
    """Return the steps by which an association has another target role, which its role could assume all along.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    return [*stays(OF_PODS, MAY), update(*(association(targetRoleArn=each) for each in (before, after)))]


def by_client_id(before: list[str], after: list[str], audience: str = "") -> list[Any]:
    """Return the steps by which the OIDC provider of no cluster lists another audience, and no trust policy changes.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
    """
    condition = {"Condition": {"StringEquals": {f"{BY_GITHUB}:aud": audience}}} if audience else {}
    old, new = (oidc_provider(*each, issuer=BY_GITHUB) for each in (before, after))
    trusts = role(trusting(GITHUB, **BY_TOKEN, **condition))
    return [*stays(trusts, READS), update(old, new) if before else create(new)]


CASES: Mapping[str, tuple[list[Any], int]] = {
    "a role that may pass roles": ([ANOTHER, *stays(inline(statement("iam:PassRole", "arn:aws:iam::*:role/x")))], 1),
    "a role that may write everything": ([ANOTHER, *stays(inline(WRITES))], 1),
    "another Deny": ([ANOTHER, *stays(inline(WRITES, statement("s3:Put*", "*", "Deny")))], 1),
    "everything is denied": ([ANOTHER, *stays(inline(statement(), DENIED))], 0),
    "an administrator by a managed policy": ([ANOTHER, *stays(READS, attached(ADMINISTRATOR))], 1),
    "a managed policy that was not read": ([ANOTHER, *stays(READS, attached(READ_ONLY))], 3),
    "a secret policy": ([ANOTHER, *stays(with_inputs(READS, policy=SECRET))], 3),
    "an association": ([*stays(OF_PODS, ALL), create(association("new"))], 1),
    "another target role": (by_target(X, Y), 3),
    "no target role": (by_target(X, None), 1),
    "a target role": (by_target(None, X), 3),
    "the same target role": (by_target(X, X), 0),
    "a new OIDC provider": (by_client_id([], ["a"]), 1),
    "another client ID": (by_client_id(["a"], ["a", "b"]), 1),
    "another client ID that is asked for": (by_client_id(["a"], ["a", "b"], "b"), 1),
    "another order of client IDs": (by_client_id(["a", "b"], ["b", "a"]), 0),
    # With a role of its own AWS account, the AWS account outside would be one of the stack's.
    "an imported role of another AWS account": (
        [update(role(ONE), role(trusting(ROOT))), *stays(READS), step("import", None, THEIRS)], 1),
    # The role itself may do nothing, and the administrator's role names it in its trust policy.
    "a role that another one trusts": ([ANOTHER, *stays(READS, ADMIN, inline(statement(), role="admin"))], 1),
    # An association of a role of another stack stands in a component, whose own role is harmless.
    "a role that nobody knows": ([create(HARMLESS), create(OF_NOBODY)], 3),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_which_role_it_is(what: str, diff_json: DiffJson) -> None:
    steps, code = CASES[what]

    assert diff_json(*steps, gate="dangerous")["exitCode"] == code


@pytest.mark.parametrize(("action", "code"), [("s3:GetObject", 0), ("s3:PutObject", 1)])
def test_a_managed_policy_that_stays_is_read(action: str, code: int, diff_json: DiffJson) -> None:
    found = diff_json(
        ANOTHER, *stays(attached(READ_ONLY)), managed={READ_ONLY: document(statement(action))}, gate="dangerous"
    )

    assert found["exitCode"] == code


@pytest.mark.parametrize("order", [1, -1])
def test_two_new_roles_of_one_name(order: int, diff_json: DiffJson) -> None:
    """The attack: in another AWS account, which is not known either, a harmless role has the administrator's name."""
    steps = []
    for number, policy in enumerate((statement(), statement("s3:GetObject"))):
        account = {"provider": f"urn:pulumi:dev::irsa::pulumi:providers:aws::{number}::id"}
        each = create(role(trust(f"team-{number}:app"), "same", f"r{number}", **account))
        steps += [each, create({**inline(policy, role="same"), **account, "urn": f"{READS['urn']}{number}"})]
    found = diff_json(*steps[::order], gate="dangerous")

    assert [each["who"] for each in found["rows"] if each["danger"] and each["who"]] == ["team-0/app"]


@pytest.mark.parametrize("gate", ["gains", "permissions", "dangerous"])
def test_a_state_that_was_not_read(gate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: what only the state has depends on what changes, such as a policy on a tag of its role."""
    file = tmp_path / "preview.json"
    file.write_text(digest([update(role(ONE), role(ONE))]))

    assert main(["diff", "--preview", str(file), "--fail-on", gate]) == 3
    assert capsys.readouterr().out.startswith("not compared: what the preview leaves out")
