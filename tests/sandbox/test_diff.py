import json
import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.output_schemas import check_output
from tests.sandbox.irsa_command import irsa
from tests.sandbox.live import allowing, assumable, create_role
from tests.sandbox.project import STACK, Project
from tests.sandbox.sessions import admitted, all_service_accounts, tokens
from tests.unit.irsa_cli.diff.previews import rows

pytestmark = pytest.mark.sandbox

AUDIENCES = ["sts.amazonaws.com"]
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"


def binding(name: str, **more: Any) -> dict[str, Any]:
    return {"serviceAccount": {"name": name}, "role": {"name": f"{name}-role"}, "policyArns": [], **more}


BEFORE = {
    "wide": binding(
        "wide",
        trust={"subjects": ["diff-a:worker"]},
        policy={"name": "wide-policy", "document": allowing("arn:aws:s3:::a/*", "arn:aws:s3:::b/*")},
    ),
    "narrow": binding("narrow", trust={"subjects": ["diff-a:*"]}),
    "gone": binding("gone"),
    "tagged": binding("tagged"),
}
AFTER = {
    "wide": binding(
        "wide",
        trust={"subjects": ["diff-a:*"]},
        policy={"name": "wide-policy", "document": allowing("arn:aws:s3:::a/*", "arn:aws:s3:::c/*")},
    ),
    "narrow": {**binding("narrow", trust={"subjects": ["diff-a:worker"]}), "policyArns": [SQS]},
    "new": {"serviceAccount": {"name": "builder", "namespace": "diff-a", "create": False}, "policyArns": []},
    "tagged": {**binding("tagged"), "role": {"name": "tagged-role", "tags": {"team": "payments"}}},
}
OURS = {*BEFORE, *AFTER}


def sessions(cloud: Any) -> set[tuple[str, str]]:
    """Return each existing service account with each role of the bindings of which STS gives it a session."""
    roles = [each for page in cloud.aws("iam").get_paginator("list_roles").paginate() for each in page["Roles"]]
    arns = [each["Arn"] for each in roles if each["RoleName"].partition("-")[0] in OURS]
    found = admitted(cloud, tokens(cloud, all_service_accounts(cloud.kubernetes()), AUDIENCES), arns)
    return {(service_account, arn.rpartition("/")[2]) for service_account, _, arn in found}


def rights(found: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(each["who"], each["role"]) for each in found}


def are_told(those: set[tuple[str, str]], told: set[tuple[str, str]]) -> bool:
    """Return whether each right is told by name or by a pattern, and none is told by name that is not among them."""
    every = ({one for one in told if one[1] == role and fnmatchcase(who, one[0])} for who, role in those)
    return all(every) and {each for each in told if "*" not in each[0]} <= those


def test_who_gains_and_who_loses_is_what_sts_then_says(
    cloud: Any, deploy: Callable[..., Project], tmp_path: Path
) -> None:
    cloud.kubectl("create", "namespace", "diff-a")
    for name in ("worker", "builder"):
        cloud.kubectl("create", "serviceaccount", name, "-n", "diff-a")
    project = deploy({"bindings": BEFORE})
    project.up()
    before = sessions(cloud)

    project.set({"bindings": AFTER})
    preview = tmp_path / "preview.json"
    preview.write_text(project.run("preview", "--json", "--stack", STACK).stdout)
    comment = tmp_path / "comment.md"
    answer = irsa(project, "diff", "--stack", STACK, "--preview", str(preview), "--markdown", str(comment))
    output = irsa(project, "diff", "--stack", STACK, "--preview", str(preview), "--json")
    gate = irsa(project, "diff", "--preview", str(preview), "--fail-on", "replaces", "--fail-on", "gains")
    project.up()
    after = sessions(cloud)

    assert (gate.returncode, gate.stderr.splitlines()[-2]) == (1, "irsa diff: stopped by --fail-on: gains")
    assert answer.returncode == output.returncode == 0, answer.stderr + output.stderr
    assert "not read" not in answer.stdout
    found = check_output("diff", output.stdout)
    gains, loses = rights(rows(found, "gains")), rights(rows(found, "loses"))
    assert are_told(named(after - before), named(gains))
    # Who is deleted has no token any more: its right goes with its role.
    assert are_told(named(before - after), named(loses))
    assert {("diff-a/*", "wide-role"), ("diff-a/*", "narrow-role")} <= gains | loses
    assert ("diff-a/worker", "narrow-role") not in loses

    assert answer.stdout.startswith("gains: ")
    # What a managed policy of AWS gives is known without a look at it.
    printed = answer.stdout.replace("\n+     ", " ")
    assert re.search(r"^\+ narrow-role gains sqs:.* on \*$", printed, re.MULTILINE), printed
    assert f"gains policy {SQS}" in printed
    assert "cannot tell" not in printed
    assert "`gains: " in comment.read_text()

    assert_repairs(cloud, project)


def named(those: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the rights of these bindings alone, with automatic names without their end, which each preview chooses."""
    known = {(who, role.rpartition("-")[0] if role.startswith("new-") else role) for who, role in those}
    return {(who, role) for who, role in known if role.partition("-")[0] in OURS}


def assert_repairs(cloud: Any, project: Project) -> None:
    """Assert that a refreshed diff shows what somebody did by hand: one role given to another, and one deleted."""
    iam = cloud.aws("iam")
    trusted = iam.get_role(RoleName="narrow-role")["Role"]["AssumeRolePolicyDocument"]
    moved = json.dumps(trusted).replace(":diff-a:worker", ":diff-a:builder")
    iam.update_assume_role_policy(RoleName="narrow-role", PolicyDocument=moved)
    iam.delete_role(RoleName="tagged-role")
    before = sessions(cloud)
    repair = irsa(project, "diff", "--stack", STACK, "--refresh", "--json")
    project.up("--refresh")
    after = sessions(cloud)

    assert repair.returncode == 0, repair.stderr
    found = check_output("diff", repair.stdout)
    assert (
        named(after - before)
        == rights(rows(found, "gains"))
        == {
            ("default/tagged", "tagged-role"),
            ("diff-a/worker", "narrow-role"),
        }
    )
    assert named(before - after) == rights(rows(found, "loses")) == {("diff-a/builder", "narrow-role")}


def test_a_role_that_may_assume_others(cloud: Any, deploy: Callable[..., Project]) -> None:
    """Protects reviewers: `assumeRoleArns`, as the engine previews it and as IAM then has it, is a role in turn.

    https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    iam, elsewhere = cloud.aws("iam"), "arn:aws:iam::444455556666:role/diff-elsewhere"
    own = create_role(iam, "diff-own", assumable("111122223333"))
    try:
        project = deploy({"bindings": {"chain": binding("chain")}})
        project.up()
        project.set({"bindings": {"chain": binding("chain", assumeRoleArns=[own, elsewhere])}})
        answer = irsa(project, "diff", "--stack", STACK, "--json")
        project.up()
        report = irsa(project, "inventory", "--stack", STACK, "--json")
    finally:
        iam.delete_role(RoleName="diff-own")

    gains = [each for each in rows(check_output("diff", answer.stdout), "permission") if each["role"] == "chain-role"]
    others = {arn for each in gains if "sts:AssumeRole" in each["actions"] for arn in each["resources"]}
    assert others == {own, elsewhere}
    assert all(each["danger"] == "dangerous" for each in gains)
    chains = [each for each in check_output("inventory", report.stdout)["chains"] if "/chain-role" in each["role"]]
    assert {each["assumes"]: each["decision"] for each in chains} == {own: "allowed", elsewhere: "cannot tell"}


def test_a_cluster_whose_oidc_provider_is_created(deploy: Callable[..., Project]) -> None:
    """Protects reviewers: docs/guides/clusters.md adds a cluster so, and the ARN of its provider is an output."""
    issuer = "oidc.eks.us-west-2.amazonaws.com/id/DIFFNEW"
    new = {"oidcIssuer": f"https://{issuer}", "createOidcProvider": True}
    role = {"role": {"name": "new-role"}, "trust": {"subjects": ["diff-a:worker"]}, "policyArns": []}
    project = deploy({"cluster": new, "bindings": {"new": role}})
    found = check_output("diff", irsa(project, "diff", "--stack", STACK, "--json").stdout)

    gains = [(each["who"], each["role"], each["where"]) for each in rows(found, "gains")]
    assert (gains, rows(found, "cannotTell")) == ([("diff-a/worker", "new-role", issuer)], [])
