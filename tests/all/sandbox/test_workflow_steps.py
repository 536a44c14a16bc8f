"""The workflows' own commands, in their order, on the sandbox: what they deploy, and what they post to GitHub."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.failing_api import failing_aws
from tests.sandbox.guide import commands_of
from tests.sandbox.irsa_command import ACCOUNT, aws_iam
from tests.sandbox.project import ROOT, STACK, Project
from tests.sandbox.test_verify import access, grant
from tests.sandbox.workflow_run import Repository

pytestmark = pytest.mark.sandbox

GITHUB_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
SQS, S3 = (f"arn:aws:iam::aws:policy/Amazon{service}ReadOnlyAccess" for service in ("SQS", "S3"))
BINDING = {"serviceAccount": {"name": "reports"}, "role": {"name": "reports-role"}, "policyArns": [SQS]}
CHANGED = {**BINDING, "policyArns": [SQS, S3], "trust": {"subjects": ["team-b:worker"]}}
GUIDE = ROOT / "docs" / "guides" / "ci.md"
# The engine's warning where the plugin of January 2026 is installed.
OLDER_PLUGIN = re.compile(r"~ warning: resource plugin kubernetes is expected to have version .+\n(?:~     .+\n)*")
MARKER = f"<!-- irsa preview of {STACK} -->"


@pytest.fixture
def repository(cloud: Any, tmp_path: Path) -> Iterator[Repository]:
    project = Project(cloud, tmp_path / "project", {"bindings": {"reports": BINDING}})
    yield Repository(project, tmp_path)
    project.destroy()


@pytest.fixture(scope="module")
def users(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    tmp_path = tmp_path_factory.mktemp("users")
    reading = access(cloud, tmp_path, "ci-preview", "kubernetes-check-live.yaml")
    deploying = access(cloud, tmp_path, "ci-deploy", "kubernetes-check-live.yaml")
    for user, name in (("ci-preview", "preview"), ("ci-deploy", "deployer"), ("ci-deploy", "prove")):
        grant(cloud, user, f"kubernetes-{name}.yaml", namespace="default")
    return {"preview": reading, "deploy": deploying, "drift": reading}


def test_from_a_pull_request_to_drift(repository: Repository, users: dict[str, dict[str, str]], cloud: Any) -> None:
    deployed = repository.run("deploy", users["deploy"])
    assert deployed.failed == [], deployed.printed
    assert list(deployed.steps)[-3:] == ["Deploy", "Verify", "Prove"]
    assert "gains: default/reports -> reports-role;" in deployed.summary

    repository.project.set({"bindings": {"reports": {**CHANGED, "polciy": {}}}})
    refused = repository.run("preview", users["preview"])
    assert refused.failed == ["Check the stack file, without credentials"], refused.printed
    (comment,) = repository.record["comments"]
    assert comment["body"].startswith(f"{MARKER}\nNo preview of stack `{STACK}`")

    repository.project.set({"bindings": {"reports": CHANGED}})
    stopped = repository.run("preview", users["preview"])
    assert stopped.failed == ["Preview"], stopped.printed
    assert "irsa diff: stopped by --fail-on: gains\n" in stopped.printed
    previewed = repository.run("preview", users["preview"], reviewed=True)
    assert previewed.failed == [], previewed.printed
    (edited,) = repository.record["comments"]
    assert edited["id"] == comment["id"]
    assert edited["body"] in previewed.summary
    body = OLDER_PLUGIN.sub("", edited["body"])
    assert body.removeprefix(MARKER).partition("Preview of")[0].strip() == example()
    repository.project.set({"bindings": {"reports": BINDING}})

    widen(cloud, "default:mallory")
    drifted = repository.run("drift", users["drift"])
    assert drifted.failed == ["Compare"], drifted.printed
    (issue,) = repository.record["issues"]
    assert (issue["title"], issue["state"]) == (f"Stack {STACK} is not as declared", "open")
    assert "loses: default/mallory -> reports-role" in issue["body"]

    # A push deploys what its pull request showed, and leaves it; by hand, it is repaired.
    repaired = repository.run("deploy", users["deploy"], by_hand=True)
    assert repaired.failed == [], repaired.printed
    assert "AWS is read before" not in repaired.printed
    clean = repository.run("drift", users["drift"])
    assert clean.failed == [], clean.printed
    (closed,) = repository.record["issues"]
    assert (closed["number"], closed["state"], closed["state_reason"]) == (issue["number"], "closed", "completed")


def test_a_push_after_a_failed_deployment_reads_aws_first(
    repository: Repository, users: dict[str, dict[str, str]], cloud: Any
) -> None:
    """Protects the permission that somebody took away: the next run was green, and AWS had it still.

    https://github.com/pulumi/pulumi/issues/21458
    """
    wider = {**BINDING, "trust": {"subjects": ["default:worker"]}}
    repository.project.set({"bindings": {"reports": wider}})
    repository.project.up()
    repository.project.set({"bindings": {"reports": BINDING}})
    denied = (403, "AccessDenied", "User: ci is not authorized to perform: iam:UpdateAssumeRolePolicy")
    with failing_aws({"UpdateAssumeRolePolicy": denied}, cloud.aws_address) as address:
        failed = repository.run("deploy", {**users["deploy"], "AWS_ENDPOINT_URL": address})
    assert failed.failed == ["Deploy"], failed.printed
    again = repository.run("deploy", users["deploy"])

    assert again.failed == [], again.printed
    assert f"The last update of {STACK} failed: AWS is read before this one" in again.printed
    trust = json.dumps(cloud.aws("iam").get_role(RoleName="reports-role")["Role"]["AssumeRolePolicyDocument"])
    assert "default:worker" not in trust


def example() -> str:
    (found,) = re.findall(r"<!-- example -->\n(.*?)<!-- example end -->", GUIDE.read_text(), re.DOTALL)
    return str(found).strip().replace("stack `prod`", f"stack `{STACK}`").replace("stack prod:", f"stack {STACK}:")


def widen(cloud: Any, subject: str) -> None:
    iam = cloud.aws("iam")
    document = iam.get_role(RoleName="reports-role")["Role"]["AssumeRolePolicyDocument"]
    statement = document["Statement"][0]
    condition = json.loads(json.dumps(statement["Condition"]).replace("default:reports", subject))
    document["Statement"] = [statement, {**statement, "Condition": condition}]
    iam.update_assume_role_policy(RoleName="reports-role", PolicyDocument=json.dumps(document))


def test_the_guides_commands_create_the_roles_and_their_rights(cloud: Any) -> None:
    """Protects who sets up a fork: each command of the guide runs as it stands, in the guide's order.

    `gh` and `git` need a repository on GitHub, and there are no access entries of EKS behind the sandbox's AWS API.
    tests/unit/test_workflows.py runs `sed`; `make release-check` installs by the hashes that `uv` writes.
    """
    created = []
    for command in commands_of("ci"):
        # Of copies, `sed` changes the AWS account alone.
        words = [
            file_text(word.replace("file://permissions/prod/", "file://docs/permissions/"))
            for word in shlex.split(command)
        ]
        if words[:2] == ["aws", "iam"]:
            aws_iam(cloud, words[2:])
            created.append(words[2])
        elif words[0] == "kubectl":
            answer = cloud.run(*words, folder=ROOT)
            assert answer.returncode == 0, (command, answer.stderr)
        else:
            elsewhere = words[0] in ("gh", "git", "irsa", "mkdir", "rm", "sed", "uv")
            assert elsewhere or words[:3] == ["aws", "eks", "create-access-entry"], command
    iam = cloud.aws("iam")
    policies = iam.list_role_policies(RoleName="irsa-deploy-prod")["PolicyNames"]
    # `serviceaccounts/token` would ask about a service account of the name `token`.
    rights = (("irsa-deploy", "create", "--subresource=token"), ("irsa-deploy", "delete"), ("irsa-preview", "patch"))
    may = {
        namespace: [
            cloud.kubectl(
                *("auth", "can-i", verb, "serviceaccounts", *more),
                *("--as=somebody", f"--as-group={group}", "-n", namespace),
            ).stdout.strip()
            for group, verb, *more in rights
        ]
        for namespace in ("default", "kube-system")
    }
    for policy in policies:
        iam.delete_role_policy(RoleName="irsa-deploy-prod", PolicyName=policy)
    iam.delete_role(RoleName="irsa-deploy-prod")
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=GITHUB_PROVIDER)

    first = ["create-open-id-connect-provider", "create-policy", "create-role"]
    assert created == [*first, "put-role-policy", "put-role-policy"]
    assert {*policies} == {"deployer", "check-live"}
    # Service accounts of kube-system, and their tokens, are those of the whole cluster.
    assert may == {"default": ["yes"] * 3, "kube-system": ["no"] * 3}


def file_text(word: str) -> str:
    return (ROOT / word.removeprefix("file://")).read_text() if word.startswith("file://") else word
