"""Who newly may assume a role of which that is dangerous: from a preview to the output and the exit code."""

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
    rows,
    statement,
    step,
    trust,
    update,
)
from tests.world import document

OTHER_ACCOUNT = "999988887777"
READS = inline(statement("s3:GetObject", "arn:aws:s3:::a/*"))
PODS = {"Service": "pods.eks.amazonaws.com"}


def trusting(*principals: Any, action: Any = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    """Return a trust policy for a service account, and for others."""
    others = [{"Effect": "Allow", "Principal": each, "Action": action, **more} for each in principals]
    return document(*trust("team-a:app")["Statement"], *others)


def aws(name: str) -> dict[str, str]:
    return {"AWS": name}


ROOT, NAMED = f"arn:aws:iam::{OTHER_ACCOUNT}:root", f"arn:aws:iam::{OTHER_ACCOUNT}:role/deploy"
OWN = f"arn:aws:iam::{ACCOUNT}:role/elsewhere"
EXTERNAL = {"Condition": {"StringEquals": {"sts:ExternalId": "x"}}}
GITHUB = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"}
BY_TOKEN = {"action": "sts:AssumeRoleWithWebIdentity"}
ONE, TWO = trusting(), trust("team-a:app", "team-a:web")


def dangerous(found: dict[str, Any]) -> list[str]:
    """Return who newly may assume a role, or what a role then trusts, where that is or may be dangerous."""
    those = [each for each in found["rows"] if each["danger"] and each["kind"] in {"session", "principals"}]
    return [each["who"] or each["sentence"].partition(" trusts ")[2].partition(" (")[0] for each in those]


PODS_NAME = PODS["Service"]


@pytest.mark.parametrize(
    ("before", "after", "of_harmless", "of_administrator"),
    [
        (ONE, TWO, [], ["team-a/web"]),
        (TWO, ONE, [], []),
        (ONE, trust("team-a:*"), [], ["team-a/*"]),
        (ONE, {**TWO, "Statement": [*TWO["Statement"], *ONE["Statement"]]}, [], ["team-a/web"]),
        (ONE, trusting(aws(ROOT)), [ROOT], [ROOT]),
        (ONE, trusting(aws(OTHER_ACCOUNT)), [OTHER_ACCOUNT], [OTHER_ACCOUNT]),
        (ONE, trusting(aws(NAMED)), [NAMED], [NAMED]),
        *((ONE, trusting(each), ["*"], ["*"]) for each in (aws("*"), "*")),
        (ONE, trusting({"AWS": [OWN, ROOT]}, **EXTERNAL), [f"{OWN}, {ROOT}"], [f"{OWN}, {ROOT}"]),
        (ONE, trusting(GITHUB, **BY_TOKEN), [GITHUB["Federated"]], [GITHUB["Federated"]]),
        (ONE, trusting(aws(OWN)), [], [OWN]),
        (ONE, trusting({"Service": "ec2.amazonaws.com"}), [], ["ec2.amazonaws.com"]),
        # Whoever may create an association in any cluster gets it.
        (ONE, trusting(PODS), [], [PODS_NAME]),
        # What is there already, in another order or spelling, is nobody new.
        (trusting(aws(ROOT)), trusting(aws(OTHER_ACCOUNT)), [], []),
        (trusting(aws(ROOT), aws(OWN)), trusting(aws(OWN), aws(ROOT)), [], []),
        (trusting(aws(ROOT)), ONE, [], []),
        # And wider is.
        (trusting(aws(ROOT), **EXTERNAL), trusting(aws(ROOT)), [ROOT], [ROOT]),
        (trusting(aws(NAMED)), trusting(aws(ROOT)), [ROOT], [ROOT]),
    ],
)
def test_who_newly_may_assume_it(
    before: Any, after: Any, of_harmless: list[str], of_administrator: list[str], diff_json: DiffJson
) -> None:
    """The attack: an administrator's role gets another service account, or an AWS account, in one line of a review."""
    for policy, expected in ((READS, of_harmless), (inline(statement()), of_administrator)):
        found = diff_json(update(role(before), role(after)), update(policy, policy), gate="dangerous")

        assert dangerous(found) == expected
        assert found["good"] is not bool(expected)


@pytest.mark.parametrize(
    ("policies", "stops"),
    [
        ([READS], False),
        ([], True),
        ([inline(statement("iam:PassRole", "arn:aws:iam::*:role/x"))], True),
        ([inline(statement("s3:*", "arn:aws:s3:::*"))], True),
        ([inline(statement("s3:*", "arn:aws:s3:::*"), statement("s3:Put*", "*", "Deny"))], True),
        ([inline(statement(), statement("*", "*", "Deny"))], False),
        ([READS, attached(ADMINISTRATOR)], True),
        # It was not read.
        ([READS, attached(READ_ONLY)], True),
        ([{**READS, "inputs": {**READS["inputs"], "policy": SECRET}}], True),
    ],
)
def test_what_the_role_may_do_decides(policies: list[Any], stops: bool, diff_json: DiffJson) -> None:
    stays = [update(each, each) for each in policies]
    found = diff_json(update(role(ONE), role(TWO)), *stays, gate="dangerous")

    assert found["good"] is not (stops and bool(policies))
    assert rows(found, "permission") == []


@pytest.mark.parametrize(("action", "stops"), [("s3:GetObject", False), ("s3:PutObject", True)])
def test_a_managed_policy_that_stays_is_read(action: str, stops: bool, diff_json: DiffJson) -> None:
    steps = update(role(ONE), role(TWO)), update(attached(READ_ONLY), attached(READ_ONLY))

    assert diff_json(*steps, managed={READ_ONLY: document(statement(action))}, gate="dangerous")["good"] is not stops


X, Y = (f"arn:aws:iam::{OTHER_ACCOUNT}:role/{name}" for name in "xy")


@pytest.mark.parametrize(
    ("before", "after", "then"),
    [(X, Y, [Y]), (X, None, [""]), (X, X, []), (None, X, [X])],
)
def test_by_another_target_role(before: Any, after: Any, then: list[str], diff_json: DiffJson) -> None:
    """The attack: the first role could assume both all along, and its Pods had credentials of one target role alone.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    both = role(document({"Effect": "Allow", "Principal": PODS, "Action": ["sts:AssumeRole", "sts:TagSession"]}))
    may = inline(statement(["sts:AssumeRole", "sts:TagSession"], [X, Y]))
    steps = update(both, both), update(may, may), update(*(association(targetRoleArn=each) for each in (before, after)))

    for gate in ("gains", "dangerous"):
        assert diff_json(*steps, gate=gate)["good"] is not bool(then)
    found = diff_json(*steps)
    assert [each["then"] for each in (*rows(found, "gains"), *rows(found, "mayGain"))] == then


BY_GITHUB = "token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("before", "after", "audience", "stops"),
    [
        ([], ["a"], None, True),
        (["a"], ["a", "b"], None, True),
        (["a"], ["a", "b"], "b", True),
        (["a", "b"], ["b", "a"], None, False),
    ],
)
def test_by_another_client_id(before: Any, after: Any, audience: Any, stops: bool, diff_json: DiffJson) -> None:
    """The attack: no trust policy changes, and the OIDC provider of no cluster lists a further audience, or is new.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
    """
    condition = {"Condition": {"StringEquals": {f"{BY_GITHUB}:aud": audience}}} if audience else {}
    trusts = role(trusting(GITHUB, **BY_TOKEN, **condition))
    old, new = (oidc_provider(*each, issuer=BY_GITHUB) for each in (before, after))
    steps = update(trusts, trusts), update(old, new) if before else create(new)

    for gate in ("gains", "dangerous"):
        assert diff_json(*steps, update(READS, READS), gate=gate)["good"] is not stops


def test_an_aws_account_of_a_role_that_is_imported(diff_json: DiffJson) -> None:
    """The attack: with a role of its own AWS account, the AWS account outside would be one of the stack's."""
    theirs = {**role(ONE, "z", "z"), "provider": "urn:pulumi:dev::irsa::pulumi:providers:aws::z::id"}
    theirs["outputs"] = {"arn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/z"}
    steps = update(role(ONE), role(trusting(aws(ROOT)))), update(READS, READS), step("import", None, theirs)

    assert dangerous(diff_json(*steps, gate="dangerous")) == [ROOT]


def test_by_a_role_that_trusts_the_first_one(diff_json: DiffJson) -> None:
    """The attack: the role itself may do nothing, and the administrator's role names it in its trust policy."""
    admin = role(trusting(aws(ROLE_ARN)), "admin", "admin")
    power = inline(statement(), role="admin")
    steps = update(role(ONE), role(TWO)), update(READS, READS), update(admin, admin), update(power, power)

    assert dangerous(diff_json(*steps, gate="dangerous")) == ["team-a/web"]


@pytest.mark.parametrize("order", [1, -1])
def test_two_new_roles_of_one_name(order: int, diff_json: DiffJson) -> None:
    """The attack: in another AWS account, which is not known either, a harmless role has the administrator's name."""
    steps = []
    for number, policy in enumerate((statement(), statement("s3:GetObject"))):
        account = {"provider": f"urn:pulumi:dev::irsa::pulumi:providers:aws::{number}::id"}
        each = create(role(trust(f"team-{number}:app"), "same", f"r{number}", **account))
        steps += [each, create({**inline(policy, role="same"), **account, "urn": f"{READS['urn']}{number}"})]
    found = diff_json(*steps[::order], gate="dangerous")

    assert dangerous(found) == ["team-0/app"]


def test_a_role_that_nobody_knows_has_the_name_of_a_harmless_one(diff_json: DiffJson) -> None:
    """The attack: an association of a role of another stack stands in a component, whose own role is harmless."""
    harmless = create({**role(TWO, "app"), "inputs": {"assumeRolePolicy": TWO, "namePrefix": "app-"}})
    unknown = {**association("new", roleArn=UNKNOWN), "parent": f"urn:pulumi:dev::irsa::my:index:App${COMPONENT}::app"}
    assert "web/new" in dangerous(diff_json(harmless, create(unknown), gate="dangerous"))


@pytest.mark.parametrize("gate", ["gains", "permissions", "dangerous"])
def test_a_state_that_was_not_read(gate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: what only the state has depends on what changes, such as a policy on a tag of its role."""
    file = tmp_path / "preview.json"
    file.write_text(digest([update(role(ONE), role(ONE))]))

    assert main(["diff", "--preview", str(file), "--fail-on", gate]) == 3
    assert capsys.readouterr().out.startswith("not compared: what the preview leaves out")
