"""The guides that begin with nothing: their commands as they stand, in one shell, on a copy of this repository."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import ApiError
from lightkube.resources.core_v1 import ServiceAccount

from sandbox.layout import CLUSTER
from sandbox.second_cluster import GREEN_CLUSTER, second_cluster
from tests.sandbox import guide
from tests.sandbox.kubeconfigs import kubeconfig_of
from tests.sandbox.project import ROOT
from tests.world import document

TEMPLATE = ROOT / "templates" / "irsa-stack"
pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

Follow = Callable[..., None]
# Guides that other tests follow, or that describe no task with commands of their own.
NOT_HERE = {
    "from-eksctl": "tests/all/sandbox/test_guides.py",
    "from-terraform": "tests/all/sandbox/test_guides.py",
    "scale": "settings of the engine",
    "recovery": "tests/all/faults/recovery.py",
    "troubleshooting": "a table of messages",
    "ci": "tests/all/sandbox/test_workflow_steps.py",
    "policy-pack": "tests/all/sandbox/test_policy_pack.py",
    "own-program": "tests/sandbox/test_package_consumer.py and the tests of the examples",
}
# By the start of a command that does not run here, what runs in its place.
# `pulumi install` would load all requirements anew: tests/all/sandbox/test_install.py tries an install.
INSTALL = {"pulumi install": 'ln -sfn "$WARM" .venv', ". .venv/bin/activate": ""}
# `pulumi login` writes into Pulumi's home, which all tests have in common: PULUMI_BACKEND_URL does the same.
LOGIN = {"pulumi login --local": ""}
AWS_CLI = {
    # No AWS CLI is installed here, and the kubeconfig has the context already.
    "aws eks update-kubeconfig ": "",
    # In the sandbox, nothing runs in a Pod.
    "kubectl run ": "",
}
BUCKET, KEY = "my-irsa-state", "alias/irsa-state"
S3 = f"s3://{BUCKET}?region=us-west-2"
# The sandbox's S3 has no host name for each bucket.
PATH_STYLE = f"{S3}&use_path_style=true"
BOTO3 = "python -c 'import boto3; client = lambda name: boto3.client(name, region_name=\"us-west-2\"); {}'"
BACKENDS = {
    "aws s3 mb ": BOTO3.format(
        f'client("s3").create_bucket(Bucket="{BUCKET}", '
        'CreateBucketConfiguration={"LocationConstraint": "us-west-2"})'
    ),
    "aws s3api put-bucket-versioning ": "",
    "key=$(aws kms create-key ": "key=$("
    + BOTO3.format('print(client("kms").create_key()["KeyMetadata"]["KeyId"])')
    + ")",
    "aws kms create-alias ": BOTO3.format(
        f'import sys; client("kms").create_alias(AliasName="{KEY}", TargetKeyId=sys.argv[1])'
    )
    + ' "$key"',
    f"pulumi login '{S3}'": f"export PULUMI_BACKEND_URL='{PATH_STYLE}'",
    # These need an account of Pulumi Cloud.
    "pulumi login": "",
    "pulumi org set-default ": "",
    "pulumi env run ": "",
    "pulumi stack init my-organization/prod": "",
}


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin" / "irsa"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    return folder


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def any_pod(line: str) -> str:
    """Return a line without what a ReplicaSet's name, and then its Pod's, end with by chance."""
    return re.sub(r"-[0-9a-z]{8,10}-[0-9a-z]{5}\b", "-HASH-ID", line)


@pytest.fixture
def follow(cloud: Any, tmp_path: Path) -> Iterator[Follow]:
    """Yield a function that follows a guide in a folder, and compares what the guide shows; its stack is destroyed."""
    (tmp_path / "state").mkdir()
    green = second_cluster(cloud.sandbox).kubeconfig
    contexts = {CLUSTER: cloud.environment()["KUBECONFIG"], **({GREEN_CLUSTER: str(green)} if green.exists() else {})}
    identity = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    variables = {
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_SKIP_CONFIRMATIONS": "true",
        "KUBECONFIG": kubeconfig_of(tmp_path, contexts),
        "HOME": str(tmp_path),
        "WARM": str(cloud.virtualenv),
        **identity,
    }
    followed = []

    def run(name: str, instead: Mapping[str, str], folder: Path, **more: str) -> None:
        # What fails in a preview alone would pass.
        assert "--skip-preview" not in str(instead)
        followed.append((folder, more))
        answer = cloud.run(
            "bash", "-c", guide.script(name, instead), folder=folder, timeout=600, **{**variables, **more}
        )
        said: str = answer.stdout + answer.stderr
        assert answer.returncode == 0, said
        assert "Traceback" not in said, said
        as_it_stands = [step for step in guide.steps(name) if guide.start_of(step, instead) is None]
        shown = [any_pod(line) for step in as_it_stands for line in step.printed.splitlines()]
        # The engine ends its lines with a space.
        printed = {any_pod(line).rstrip() for line in said.splitlines()}
        assert [line for line in shown if line not in printed] == []

    yield run
    cloud.kubectl("delete", "deployments", "--all", "-n", "default")
    for folder, more in followed:
        if (folder / "Pulumi.yaml").exists():
            cloud.pulumi(folder, "destroy", "--stack", "prod", "--yes", "--skip-preview", **{**variables, **more})


@pytest.fixture
def project(cloud: Any, origin: Path) -> Path:
    (origin / ".venv").symlink_to(cloud.virtualenv)
    return origin


def test_the_readme(follow: Follow, project: Path) -> None:
    follow(
        "../../README",
        {"git clone ": "", "cd irsa": "", "make ": "", ". .sandbox": "", "irsa prove --stack dev": ""},
        project,
    )


def test_the_first_role(follow: Follow, origin: Path, cloud: Any) -> None:
    follow("first-role", {"export IRSA=": "", **INSTALL, **LOGIN, **AWS_CLI}, origin.parent, IRSA=str(origin))

    example = yaml.safe_load((TEMPLATE / "Pulumi.prod.yaml").read_text())["config"]
    (shown,) = [step.text for step in guide.steps("first-role") if step.file]
    assert yaml.safe_load(shown)["config"] == example
    assert (origin.parent / "my-roles" / "Pulumi.prod.yaml").exists()
    with pytest.raises(ApiError, match="not found"):
        cloud.kubernetes().get(ServiceAccount, "my-app", namespace="default")


NEW = "components/irsa/rules/new_in_this_release.py"


def release(origin: Path) -> None:
    """Commit a next release, which adds a file, removes one, and changes those that a team has made its own."""
    (origin / NEW).write_text("")
    git(origin, "rm", "--quiet", "components/README.md")
    for changed in ("Pulumi.yaml", "policies/my-policy.json", ".github/workflows/preview.yml"):
        (origin / changed).write_text("changed by the release\n")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "--message", "The next release")


def test_a_repository_of_its_own_and_its_upgrade(follow: Follow, origin: Path, cloud: Any) -> None:
    follow("own-repository", {**BACKENDS, **INSTALL}, origin.parent)
    own = origin.parent / "my-roles"
    assert {"secretsprovider", "encryptedkey"} <= {*yaml.safe_load((own / "Pulumi.prod.yaml").read_text())}
    assert git(own, "log", "--format=%s").splitlines() == ["The stack prod", "Roles of staging and prod", "irsa"]

    release(origin)
    follow("upgrade", INSTALL, own, PULUMI_BACKEND_URL=PATH_STYLE)
    released = git(own, "show", "--name-status", "--format=", "HEAD~1").splitlines()
    assert released == ["D\tcomponents/README.md", f"A\t{NEW}"]
    assert git(own, "status", "--short") == ""


def test_several_clusters_and_one_less(follow: Follow, green: str, project: Path, cloud: Any) -> None:
    follow("clusters", {}, project)

    with pytest.raises(ApiError, match="not found"):
        cloud.kubernetes().get(ServiceAccount, "my-app", namespace="default")
    assert cloud.kubectl("get", "sa", "my-app", "--kubeconfig", green).returncode == 0


def test_a_file_of_a_team(follow: Follow, project: Path, cloud: Any) -> None:
    iam, everything = cloud.aws("iam"), {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    if "teams" not in {each["PolicyName"] for each in iam.list_policies(Scope="Local")["Policies"]}:
        iam.create_policy(PolicyName="teams", PolicyDocument=json.dumps(document(everything)))
    follow("teams", {}, project)
    (role,) = iam.list_roles(PathPrefix="/irsa/payments/")["Roles"]
    assert role["RoleName"].startswith("payments-api-")


def test_to_pod_identity_and_back(follow: Follow, project: Path) -> None:
    follow("pod-identity", {}, project)


def test_five_add_ons(follow: Follow, project: Path, cloud: Any) -> None:
    recipes = (guide.GUIDES / "add-ons.md").read_text().partition("## Five recipes\n")[2]
    bindings = recipes.partition("```yaml\n")[2].partition("```")[0]
    (project / "Pulumi.prod.yaml").write_text((TEMPLATE / "Pulumi.prod.yaml").read_text() + bindings)
    chart = f"PYTHONPATH={ROOT} {cloud.virtualenv}/bin/python -m tests.sandbox.chart"
    annotations = '{"eks.amazonaws.com/role-arn": "\'"$role"\'"}'
    add_on = f'{{"create": true, "name": "ebs-csi-controller-sa", "annotations": {annotations}}}'
    instead = {
        "irsa check ": "pulumi stack init prod && irsa check Pulumi.prod.yaml",
        # There is no Helm, and EKS is one without add-ons that run: the chart's service account is made.
        "helm upgrade --install external-dns ": f"{chart} external-dns external-dns.json",
        "helm upgrade --install aws-load-balancer-controller ": f"{chart} kube-system load-balancer.json",
        "helm upgrade --install karpenter ": f"{chart} kube-system karpenter.json",
        "aws eks create-addon ": f"echo '{add_on}' > ebs.json && {chart} kube-system ebs.json",
    }
    follow("add-ons", instead, project)


def test_changes_without_an_outage(follow: Follow, project: Path, cloud: Any) -> None:
    # That of the reader.
    assert cloud.kubectl("create", "deployment", "my-reports", "--image=app").returncode == 0
    follow("change-safely", {}, project)


def test_a_guard(follow: Follow, project: Path) -> None:
    # Nobody may, who has no role for it: then kubectl ends with 1.
    asked = "kubectl auth can-i update validatingadmissionpolicybindings --as jane --as-group developers"
    follow("guard", {asked: f"! {asked}"}, project)


def test_roles_in_other_accounts(follow: Follow, green: str, project: Path) -> None:
    follow("aws-accounts", {}, project)


def test_the_engine_says_what_troubleshooting_quotes(cloud: Any) -> None:
    section = (guide.GUIDES / "troubleshooting.md").read_text().partition("\n## Pulumi\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    # Without what the engine puts in: names, and one value or several; one row is irsa's own.
    parts = [
        max(re.split(r"'\w+'| value |[A-Z_]{4,}", row), key=len) for row in rows if "for the sandbox only" not in row
    ]
    pulumi = shutil.which("pulumi", path=cloud.environment()["PATH"])
    assert pulumi
    engine = Path(pulumi).read_bytes()
    assert len(parts) > 3
    assert [part for part in parts if part.encode() not in engine] == []


def test_every_guide_is_followed() -> None:
    tried = set(re.findall(r'follow\("([\w-]+)"', Path(__file__).read_text()))

    assert {page.stem for page in guide.GUIDES.glob("*.md")} - tried - {*NOT_HERE} == set()
