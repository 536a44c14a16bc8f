"""The workflows: what they run is pinned, and who looks at a pull request's code before it gets credentials."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflows import ACTIONS, ROOT, WORKFLOWS, steps_of, workflow
from tests.world import documented

GUIDE = ROOT / "docs" / "guides" / "ci.md"
*FIRST_JOBS, JOB_OF_A_PROGRAM = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
GITHUB = "token.actions.githubusercontent.com"
# Those that act for a stack, each in an environment of its own.
FOR_A_STACK = ("preview", "deploy", "drift")
JOBS = [(file, name) for file in WORKFLOWS for name in yaml.safe_load(file.read_text())["jobs"]]


def test_pulumi_is_of_the_version_of_its_sdk() -> None:
    """Protects the job with the credentials: what runs there is what a commit names, not what was released today.

    Without a version the action installs the newest: https://github.com/pulumi/actions#configuration
    """
    (version,) = {
        step["with"]["pulumi-version"]
        for file in ACTIONS
        for step in yaml.safe_load(file.read_text())["runs"]["steps"]
        if step.get("uses", "").startswith("pulumi/actions@")
    }

    assert f"pulumi=={version}" in (ROOT / "requirements.txt").read_text().splitlines()


@pytest.mark.parametrize(("file", "name"), JOBS, ids=lambda each: getattr(each, "name", each))
def test_credentials_wait_for_an_environment(file: Path, name: str) -> None:
    """Protects AWS and the state from a branch that anybody may push: its code gets nothing before the environment.

    The attack: a pull request whose program prints `PULUMI_ACCESS_TOKEN`, or writes with the role's credentials. What
    reviewers or the branch decide is the environment's, so that each workflow has one of its own for each stack.
    """
    job = yaml.safe_load(file.read_text())["jobs"][name]
    has_credentials = "secrets." in json.dumps(job) or job["permissions"].get("id-token") == "write"

    assert has_credentials == (name in (*FOR_A_STACK, "publish"))
    of = "package" if name == "publish" else "stack"
    assert job.get("environment") == (f"{file.stem}-${{{{ matrix.{of} }}}}" if has_credentials else None)


@pytest.mark.parametrize("name", FOR_A_STACK)
def test_secrets_are_given_to_few_steps(name: str) -> None:
    """Protects the secrets from what is installed: only a step that reads the state has them, never a whole job.

    The attack: a package's build, or an action, reads the environment of its process.
    """
    job = workflow(f"{name}.yml")["jobs"][name]
    holders = [step for step in steps_of(job) if "secrets." in json.dumps(step)]

    assert "secrets." not in json.dumps(job.get("env", {}))
    assert holders
    assert all(
        re.search(r"pulumi (preview|up|stack export)|irsa (check --live|verify|prove)", step["run"]) for step in holders
    )


@pytest.mark.parametrize("name", FOR_A_STACK)
def test_the_token_goes_to_no_server_of_a_pull_request(name: str) -> None:
    """Protects the token of Pulumi Cloud: beside it, the address is the environment's, and never empty.

    The attack: a pull request that only writes `backend: {url: https://evil.example}` into Pulumi.yaml. The variable
    comes first: https://www.pulumi.com/docs/iac/concepts/state-and-backends/#logging-into-and-out-of-state-backends
    """
    steps = steps_of(workflow(f"{name}.yml")["jobs"][name])
    addresses = {
        step["env"].get("PULUMI_BACKEND_URL") for step in steps if "PULUMI_ACCESS_TOKEN" in step.get("env", {})
    }

    assert addresses == {"${{ vars.PULUMI_BACKEND_URL || 'https://api.pulumi.com' }}"}


def test_a_label_is_for_one_commit() -> None:
    """The attack: a commit that is pushed after somebody reviewed the last one, and the label is there still.

    A job that `if` skips would turn a required check green, whichever label was set:
    https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/collaborating-on-repositories-with-code-quality-features/troubleshooting-required-status-checks
    """
    read = workflow("preview.yml")
    # YAML 1.1 has `on` as true.
    types = read[True]["pull_request"]["types"]  # type: ignore[index]
    unlabel, preview = (read["jobs"][each] for each in ("unlabel", "preview"))

    assert {"opened", "reopened", "synchronize", "labeled"} <= {*types}
    assert "github.event.action == 'synchronize'" in unlabel["if"]
    assert [each.get("uses") for each in unlabel["steps"]] == [None]
    assert "environment" not in unlabel
    assert "label" not in preview["if"] + read["jobs"]["stacks"]["if"]
    (step,) = [each for each in preview["steps"] if each.get("id") == "preview"]
    label = "github.event.action == 'labeled' && github.event.label.name == 'irsa-reviewed'"
    assert step["env"]["REVIEWED"] == f"${{{{ {label} }}}}"


def test_who_may_write_to_the_repository() -> None:
    rights = {
        (right, name)
        for file, name in JOBS
        for right, value in yaml.safe_load(file.read_text())["jobs"][name]["permissions"].items()
        if value == "write" and right != "id-token"
    }

    assert rights == {
        ("pull-requests", "preview"),
        ("pull-requests", "unlabel"),
        ("issues", "drift"),
        ("attestations", "publish"),
        ("contents", "release"),
    }


@pytest.mark.parametrize(
    ("file", "context"),
    [
        *((f"iam-{name}-trust.json", f"environment:{name}-prod") for name in FOR_A_STACK),
        ("iam-preview-trust-unreviewed.json", "pull_request"),
    ],
)
def test_each_trust_policy_admits_one_environment_of_one_repository(file: str, context: str) -> None:
    """Protects the role: one audience, and one subject that GitHub gives to one kind of job of this repository alone.

    Ids keep a recycled name out: https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
    """
    (statement,) = json.loads((ROOT / "docs" / "permissions" / file).read_text())["Statement"]

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
    reading = documented("iam-preview.json")

    assert [each for each in reading if not re.fullmatch(r"(iam:(Get|List)|eks:Describe)\w+", each)] == []
    assert reading < documented("iam-deployer.json")
    # Both also run `irsa verify`, each with its own role.
    assert documented("iam-verify.json") <= reading


@pytest.mark.parametrize("name", ["stacks", *FOR_A_STACK])
def test_what_is_installed_beside_credentials_has_a_hash(name: str) -> None:
    """Protects from another file under a known version: pip takes only what requirements-hashes.txt names.

    The attack: an index, or a mirror, serves another wheel of a pinned version to the job that has the credentials, or
    to the one that names its stacks.
    """
    commands = [
        command
        for step in steps_of(workflow(f"{name}.yml")["jobs"][name])
        for command in step.get("run", "").splitlines()
        if "pip install" in command
    ]
    others, own = commands

    assert "--require-hashes -r requirements-hashes.txt" in others
    # Without these two, pip asks the index for what our packages are built with.
    assert {"--no-deps", "--no-build-isolation"} <= {*own.split()}


def test_a_deployment_is_never_cancelled() -> None:
    """Protects the state: an engine that is killed leaves resources that no state has; one runs at a time."""
    assert workflow("deploy.yml")["jobs"]["deploy"]["concurrency"] == {
        "group": "deploy-${{ matrix.stack }}",
        "cancel-in-progress": False,
    }
    assert "concurrency" not in workflow("deploy.yml")


@pytest.mark.parametrize("name", ["deploy", "drift"])
def test_only_main_is_deployed_and_compared(name: str) -> None:
    jobs = workflow(f"{name}.yml")["jobs"]

    assert jobs["stacks"]["if"] == "github.ref == 'refs/heads/main'"
    assert jobs[name]["needs"] == "stacks"


@pytest.mark.parametrize("name", FOR_A_STACK)
def test_each_workflow_has_a_role_of_its_own(name: str) -> None:
    (sign_in,) = [step for step in workflow(f"{name}.yml")["jobs"][name]["steps"] if "role" in step.get("with", {})]

    assert sign_in["uses"] == "./.github/actions/access"
    assert sign_in["with"]["role"] == f"${{{{ vars.AWS_{name.upper()}_ROLE_ARN }}}}"


def test_the_guide_names_every_variable_and_secret() -> None:
    files = [*WORKFLOWS, *ACTIONS]
    read = {found for file in files for found in re.findall(r"\b(vars|secrets)\.(\w+)", file.read_text())}
    rows = re.findall(r"^\|.*\|$", GUIDE.read_text(), re.MULTILINE)
    named = {found for row in rows for found in re.findall(r"\b(variable|secret) `(\w+)`", row)}

    assert {("variable" if kind == "vars" else "secret", name) for kind, name in read} == named


@pytest.mark.parametrize("block", FIRST_JOBS, ids=("GitHub", "GitLab"))
def test_the_first_job_checks_a_project_of_the_template(block: str, tmp_path: Path) -> None:
    job = yaml.safe_load(block)
    check = job.get("check") or job["jobs"]["check"]
    install, command = check.get("script") or [step["run"] for step in check["steps"] if "run" in step]
    shutil.copytree(ROOT / "templates" / "irsa-stack", tmp_path, dirs_exist_ok=True)
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    run = functools.partial(subprocess.run, check=False, capture_output=True, text=True)

    answer = run(["bash", "-c", command], cwd=tmp_path, env=environment)

    assert install == "pip install -r requirements.txt"
    assert (answer.returncode, answer.stdout) == (0, "Pulumi.prod.yaml: good, 1 binding\n"), answer


def test_the_job_of_a_program_has_the_actions_of_the_workflows() -> None:
    used = {step["uses"] for step in yaml.safe_load(JOB_OF_A_PROGRAM)["jobs"]["check"]["steps"] if "uses" in step}
    pinned = "".join(file.read_text() for file in (*WORKFLOWS, *ACTIONS))
    assert used <= {f"{name}@{major}" for name, major in re.findall(r"uses: (\S+)@\w+ # (v\d+)\.", pinned)}


def test_each_stack_has_permission_files_of_its_own(tmp_path: Path) -> None:
    """The attack: the files of the second stack still name the AWS account of the first."""
    shutil.copytree(ROOT / "docs" / "permissions", tmp_path / "docs" / "permissions")
    commands = re.search(r"^\$ (mkdir .*)\n\$ (sed .*)$", GUIDE.read_text(), re.MULTILINE)
    assert commands
    for stack, account in (("prod", "222233334444"), ("staging", "444455556666")):
        words = {"prod": stack, "AWS_ACCOUNT": account, "STACK": stack, "OWNER_ID": "1", "OWNER": "me"}
        for command in commands.groups():
            written = functools.reduce(lambda text, word: re.sub(rf"\b{word}\b", words[word], text), words, command)
            # The words of the files stay.
            written = written.replace(f's/-{stack}"/', 's/-prod"/')
            subprocess.run(["bash", "-c", written], cwd=tmp_path, check=True)
    for stack, account in (("prod", "222233334444"), ("staging", "444455556666")):
        trust = json.loads((tmp_path / "permissions" / stack / "iam-deploy-trust.json").read_text())
        assert trust["Statement"][0]["Principal"]["Federated"].split(":")[4] == account
        assert f"-{stack}" in json.dumps(trust)
    assert "111122223333" in (tmp_path / "docs" / "permissions" / "iam-deploy-trust.json").read_text()
