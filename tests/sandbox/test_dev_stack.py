"""The dev stack through the real engine: deployed, drifted, repaired, unchanged, destroyed.

The tests of this file are one story and run in their order.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import ISSUER, PROVIDER, ROLE_ARN, not_good, report
from tests.sandbox.project import ROOT, STACK, Project

pytestmark = pytest.mark.sandbox

# The page's own documents, with the sandbox's region, account and cluster in its placeholders.
TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{ISSUER}:sub": "system:serviceaccount:default:my-service-account",
                    f"{ISSUER}:aud": "sts.amazonaws.com",
                }
            },
        }
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-pod-secrets-bucket"}],
}


@pytest.fixture(scope="module")
def stack(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    config = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    settings = {key.removeprefix("irsa:"): value for key, value in config.items() if key.startswith("irsa:")}
    project = Project(cloud, tmp_path_factory.mktemp("dev") / "project", settings)
    assert set(project.up()) == {"create"}
    yield project
    if project.state():
        project.destroy()


@pytest.fixture
def iam(cloud: Any) -> Any:
    return cloud.aws("iam")


def service_account(cloud: Any, name: str, namespace: str = "default") -> dict[str, Any]:
    answer = cloud.kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json")
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_the_roles_trust_policy_is_the_pages(stack: Project, iam: Any) -> None:
    role = iam.get_role(RoleName="my-role")["Role"]

    assert role["AssumeRolePolicyDocument"] == TRUST
    assert role["Description"] == "my-role-description"


def test_the_policy_is_attached(stack: Project, iam: Any) -> None:
    attached = iam.list_attached_role_policies(RoleName="my-role")["AttachedPolicies"]

    assert [policy["PolicyArn"] for policy in attached] == ["arn:aws:iam::111122223333:policy/my-policy"]


def test_the_policys_default_version_is_the_document(stack: Project, iam: Any) -> None:
    arn = "arn:aws:iam::111122223333:policy/my-policy"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]

    assert (policy["PolicyName"], policy["Path"], policy["DefaultVersionId"]) == ("my-policy", "/", "v1")
    assert version["Document"] == POLICY


def test_the_account_is_annotated(stack: Project, cloud: Any) -> None:
    """Protects the page's step 3.6: kubectl describe serviceaccount."""
    annotations = service_account(cloud, "my-service-account")["metadata"]["annotations"]

    assert annotations == {ROLE_ARN: "arn:aws:iam::111122223333:role/my-role"}


def test_an_existing_account_keeps_what_it_has(stack: Project, cloud: Any) -> None:
    """Protects eksctl#7887: a service account of Helm is annotated, and keeps labels, annotations and pull secrets."""
    existing = service_account(cloud, "existing-service-account")

    assert existing["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    assert existing["metadata"]["annotations"]["example.com/owner"] == "platform"
    assert existing["imagePullSecrets"] == [{"name": "registry-credentials"}]
    role = "arn:aws:iam::111122223333:role/existing-service-account-role"
    assert existing["metadata"]["annotations"][ROLE_ARN] == role


def test_drift_is_shown_and_repaired(stack: Project, iam: Any, cloud: Any) -> None:
    """Protects eksctl#4371 and #4941: what was changed by hand, in AWS or Kubernetes, is seen and fixed.

    A refresh takes it into the state, and hides none of it from verify.
    """
    iam.detach_role_policy(RoleName="my-role", PolicyArn="arn:aws:iam::111122223333:policy/my-policy")
    wider = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Condition": {}}]}
    iam.update_assume_role_policy(RoleName="reports-role", PolicyDocument=json.dumps(wider))
    assert cloud.kubectl("annotate", "sa", "my-service-account", f"{ROLE_ARN}-").returncode == 0
    foreign = f"{ROLE_ARN}=arn:aws:iam::111122223333:role/foreign"
    assert cloud.kubectl("annotate", "sa", "existing-service-account", "--overwrite", foreign).returncode == 0

    shown = stack.pulumi("refresh", "--yes", "--skip-preview")
    for seen in (
        r"RolePolicyAttachment +role/my-role/my-policy +deleted",
        r"iam:Role +role/reports-role +updated .*\[diff: .*assumeRolePolicy",
        r"ServiceAccount +default/my-service-account@\S+ +updated .*\[diff: .*metadata",
        r"ServiceAccountPatch +default/existing-service-account@\S+ +updated .*\[diff: .*metadata",
    ):
        assert re.search(seen, shown), shown
    code, checks = report(stack, "verify")
    found = {(check["binding"], check["check"]) for check in not_good(checks) if check["outcome"] == "finding"}
    assert (code, found) == (
        1,
        {
            ("my-service-account", "policies"),
            ("my-service-account", "service account"),
            ("reports", "trust"),
            ("existing-service-account", "service account"),
        },
    )

    # What another manager wrote on an existing account has to go before the stack may write there again.
    assert cloud.kubectl("annotate", "sa", "existing-service-account", f"{ROLE_ARN}-").returncode == 0
    assert stack.up() == {"create": 1, "update": 3}
    test_the_policy_is_attached(stack, iam)
    test_the_account_is_annotated(stack, cloud)
    test_an_existing_account_keeps_what_it_has(stack, cloud)


def test_what_was_repaired_stays(stack: Project) -> None:
    assert stack.up("--refresh") == {}


def test_a_missing_oidc_provider_is_reported(stack: Project, iam: Any) -> None:
    """Protects aws-load-balancer-controller#2315: issuer and creating command, no traceback."""
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    try:
        said = stack.refused("preview")
    finally:
        iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"])

    assert f"no IAM OIDC provider for https://{ISSUER}" in said
    assert "eksctl utils associate-iam-oidc-provider --cluster my-cluster --approve" in said


def test_without_the_sandbox_the_dev_stack_says_so(stack: Project, cloud: Any) -> None:
    variables = {name: value for name, value in cloud.environment().items() if name != "IRSA_SANDBOX"}
    answer = subprocess.run(
        ["pulumi", "preview", "--non-interactive"],
        cwd=stack.folder, env={**variables, **stack.variables, "AWS_ENDPOINT_URL": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert answer.returncode != 0
    assert f"stack '{STACK}' is for the sandbox only: run `make up` once" in answer.stdout + answer.stderr


def test_the_home_folder_is_left_alone(stack: Project, cloud: Any, tmp_path: Path) -> None:
    for command in (("kubectl", "get", "serviceaccounts"), ("pulumi", "stack", "ls"), ("irsa", "inventory")):
        answer = cloud.run(*command, folder=stack.folder, **{**stack.variables, "HOME": str(tmp_path)})
        assert answer.stdout, (command, answer.stderr)
    assert [*tmp_path.iterdir()] == []


def test_destroy_leaves_nothing_of_ours(stack: Project, iam: Any, cloud: Any) -> None:
    """Protects everything else: what the stack created is gone; an existing service account loses our annotation.

    Guards against eksctl's defect: it marks another's service account as its own, and deletes it later.
    """
    stack.destroy()

    roles = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    policies = {policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]}
    assert not roles & {
        "my-role",
        "team-a-role",
        "reports-role",
        "existing-policy-role",
        "existing-service-account-role",
    }
    assert not policies & {"my-policy", "reports-policy"}
    assert "existing-policy" in policies
    for name in ("my-service-account", "policy-reader"):
        assert cloud.kubectl("get", "sa", name).returncode != 0
    existing = service_account(cloud, "existing-service-account")
    assert existing["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    assert ROLE_ARN not in existing["metadata"]["annotations"]
    assert existing["metadata"]["annotations"]["example.com/owner"] == "platform"
    assert existing["imagePullSecrets"] == [{"name": "registry-credentials"}]
