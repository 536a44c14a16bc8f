"""The workflows: what they run is pinned, and who looks at a pull request's code before it gets credentials."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
PERMISSIONS = ROOT / "docs" / "permissions"
# A commit, and the version that a reader and an updating bot know it by.
PIN = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
GITHUB = "token.actions.githubusercontent.com"


def workflow(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return read


def document(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PERMISSIONS / name).read_text())
    return read


def actions_of(name: str) -> set[str]:
    listed = (statement["Action"] for statement in document(name)["Statement"])
    return {action for each in listed for action in ([each] if isinstance(each, str) else each)}


def used(file: Path) -> list[str]:
    """Return what each `uses:` of a workflow names, its comment included; those of this repository have no commit."""
    lines = re.findall(r"^\s*(?:-\s*)?uses:\s*(.*?)\s*$", file.read_text(), re.MULTILINE)
    return [line for line in lines if not line.startswith("./")]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_pinned_to_the_commit_of_a_release(file: Path) -> None:
    """Protects from a foreign commit: GitHub runs any commit of a repository's forks under the repository's name.

    The attack: `pulumi/actions@<merge commit of an outside pull request> # main` looked pinned, and was in no branch
    and no tag. Only the form can be tested offline; that the commit is the tag's is looked up when it changes.
    """
    pins = used(file)

    assert pins
    assert [pin for pin in pins if not PIN.fullmatch(pin)] == []


def test_the_pin_of_pulumis_action() -> None:
    """Protects the job with the credentials: this is the commit of the tag v7.0.0 of pulumi/actions.

    https://github.com/pulumi/actions/releases/tag/v7.0.0
    """
    (pin,) = {each for each in used(ROOT / ".github" / "workflows" / "preview.yml") if each.startswith("pulumi/")}

    assert pin == "pulumi/actions@8e5e406f4007fca908480587cb9893c07090f58d # v7.0.0"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_job_has_more_of_github_than_it_names(file: Path) -> None:
    """Protects the repository: the workflow's own token has no right that a job does not ask for, nor stays on disk.

    The attack: `pull_request_target` runs with the base repository's secrets for everybody's fork.
    """
    read = yaml.safe_load(file.read_text())
    steps = [step for job in read["jobs"].values() for step in job["steps"]]

    assert read["permissions"] == {}
    assert all("permissions" in job for job in read["jobs"].values())
    # YAML 1.1 reads the key `on` as true.
    assert "pull_request_target" not in read[True]
    for step in steps:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_credentials_wait_for_a_review() -> None:
    """Protects AWS and the state from a branch that anybody may push: its code gets nothing before the environment.

    The attack: a pull request whose program prints `PULUMI_ACCESS_TOKEN`, or writes with the role's credentials.
    """
    jobs = workflow("preview.yml")["jobs"]
    with_credentials = {
        name: job
        for name, job in jobs.items()
        if "secrets." in json.dumps(job) or job["permissions"].get("id-token") == "write"
    }

    assert {name: job.get("environment") for name, job in with_credentials.items()} == {"preview": "preview"}


@pytest.mark.parametrize(
    ("file", "context"),
    [("iam-preview-trust.json", "environment:preview"), ("iam-preview-trust-unreviewed.json", "pull_request")],
)
def test_the_trust_policy_of_the_preview_role_admits_one_repository(file: str, context: str) -> None:
    """Protects the role: one audience, and one subject that GitHub gives to this repository's previews alone.

    Ids keep a recycled name out: https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
    """
    (statement,) = document(file)["Statement"]

    assert statement["Principal"] == {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{GITHUB}"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"].keys() == {"StringEquals"}
    claims = statement["Condition"]["StringEquals"]
    assert claims.keys() == {f"{GITHUB}:aud", f"{GITHUB}:sub"}
    assert claims[f"{GITHUB}:aud"] == "sts.amazonaws.com"
    assert re.fullmatch(rf"repo:[\w.-]+@\d+/[\w.-]+@\d+:{context}", claims[f"{GITHUB}:sub"])


def test_the_preview_role_is_not_the_deployers() -> None:
    """Protects AWS from a preview: its role reads, which is a part of what the deployer's may, and has its own name.

    GetX, ListX and DescribeX are IAM's and EKS's reading actions:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    """
    reading = actions_of("iam-preview.json")

    assert [each for each in reading if not re.fullmatch(r"(iam:(Get|List)|eks:Describe)\w+", each)] == []
    assert reading < actions_of("iam-deployer.json")
    (sign_in,) = [
        step
        for step in workflow("preview.yml")["jobs"]["preview"]["steps"]
        if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@")
    ]
    assert sign_in["with"]["role-to-assume"] == "${{ vars.AWS_PREVIEW_ROLE_ARN }}"


@pytest.mark.parametrize("job", ["stacks", "preview"])
def test_what_is_installed_beside_credentials_has_a_hash(job: str) -> None:
    """Protects from another file under a known version: pip takes only what requirements-hashes.txt names.

    The attack: an index, or a mirror, serves another wheel of a pinned version to the job that has the credentials, or
    to the one that names its stacks.
    """
    commands = [
        command
        for step in workflow("preview.yml")["jobs"][job]["steps"]
        for command in step.get("run", "").splitlines()
        if "pip install" in command
    ]
    others, own = commands

    assert "--require-hashes -r requirements-hashes.txt" in others
    # Without these two, pip asks the index for what our packages are built with.
    assert {"--no-deps", "--no-build-isolation"} <= {*own.split()}


def test_no_stack_of_the_sandbox_is_previewed(tmp_path: Path) -> None:
    """Protects AWS: the step that lists the stacks is run, with what `pulumi stack init` makes of a sandbox stack.

    The error: it searched the files for `irsa:sandbox: true`, and Pulumi writes "true".
    """
    (step,) = [each for each in workflow("preview.yml")["jobs"]["stacks"]["steps"] if each.get("id") == "list"]
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text('config:\n  irsa:sandbox: "true"\n')
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  aws:region: us-west-2\n")
    (tmp_path / "Pulumi.stage.yaml").write_text("config: {}\n")
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    output = tmp_path / "output"
    environment = {**os.environ, "GITHUB_OUTPUT": str(output)}
    # The shell of a step: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#exit-codes-and-error-action-preference
    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=True, timeout=60)

    assert output.read_text() == 'stacks=["prod","stage"]\n'
    (tmp_path / "Pulumi.link.yaml").symlink_to("none")
    failed = subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=False, timeout=60)
    assert failed.returncode != 0


def test_the_hashes_are_of_the_pinned_versions() -> None:
    """Protects previews from stale versions: every pin of requirements.txt has its hashes, of the same version."""
    pinned = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    entries = (ROOT / "requirements-hashes.txt").read_text().replace("\\\n", " ").splitlines()
    hashed = {entry.split()[0]: entry for entry in entries if entry and not entry.startswith("#")}

    assert {*pinned} <= hashed.keys()
    for entry in hashed.values():
        assert re.fullmatch(r"[\w.-]+==\S+( +--hash=sha256:[0-9a-f]{64})+ *", entry)
    # What builds our own packages: a build without isolation finds it in the environment.
    assert any(name.startswith("hatchling==") for name in hashed)
