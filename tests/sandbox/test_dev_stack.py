"""The dev stack through the real engine: deployed, unchanged, changed, drifted, repaired, destroyed.

The tests of this file are one story and run in their order.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.sandbox

ROOT = Path(__file__).parents[2]
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
ROLE_ARN_KEY = "eks.amazonaws.com/role-arn"
# The page's own documents, with the sandbox's region, account and cluster in its placeholders.
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"},
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


class DevStack:
    """The dev stack, with settings that a test may change."""

    def __init__(self, cloud: Any, folder: Path) -> None:
        self.cloud = cloud
        self.config = folder / "Pulumi.dev.yaml"
        shutil.copy(ROOT / "Pulumi.dev.yaml", self.config)

    def pulumi(self, *arguments: str, good: bool = True) -> str:
        """Run a command on the stack and give all that it said."""
        config = () if arguments[0] == "stack" else ("--config-file", str(self.config))
        answer = self.cloud.pulumi(ROOT, *arguments, "--stack", "dev", *config)
        said = str(answer.stdout + answer.stderr)
        assert (answer.returncode == 0) == good, said
        return said

    def up(self, *arguments: str) -> dict[str, int]:
        """Deploy and give how many resources of which operation the engine counted."""
        self.pulumi("up", "--yes", "--skip-preview", *arguments)
        history = json.loads(self.pulumi("stack", "history", "--json", "--page-size", "1"))
        changes: dict[str, int] = history[0]["resourceChanges"]
        return changes

    def change(self, **values: Any) -> None:
        """Change `irsa:` settings."""
        document = yaml.safe_load(self.config.read_text())
        document["config"].update({f"irsa:{key}": value for key, value in values.items()})
        self.config.write_text(yaml.safe_dump(document, sort_keys=False))

    def bindings(self) -> dict[str, Any]:
        bindings: dict[str, Any] = yaml.safe_load(self.config.read_text())["config"]["irsa:bindings"]
        return bindings

    def service_account(self, name: str, namespace: str = "default") -> dict[str, Any]:
        answer = self.cloud.kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json")
        assert answer.returncode == 0, answer.stderr
        found: dict[str, Any] = json.loads(answer.stdout)
        return found


@pytest.fixture(scope="module")
def stack(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevStack]:
    """The dev stack in its first `up`."""
    dev = DevStack(cloud, tmp_path_factory.mktemp("dev"))
    dev.pulumi("stack", "init")
    dev.changes = dev.up()  # type: ignore[attr-defined]
    yield dev
    dev.pulumi("destroy", "--yes", "--skip-preview")
    dev.pulumi("stack", "rm", "--yes", "--preserve-config")


@pytest.fixture
def iam(cloud: Any) -> Any:
    return cloud.aws("iam")


def test_the_first_up_creates_everything(stack: Any) -> None:
    """Protects the main job: six bindings become 6 components, 2 policies, 5 roles, 5 attachments, 5 accounts."""
    kinds: dict[str, int] = {}
    for resource in json.loads(stack.pulumi("stack", "export"))["deployment"]["resources"]:
        kind = resource["type"].rsplit(":", 1)[-1]
        if not resource.get("external"):
            kinds[kind] = kinds.get(kind, 0) + 1

    assert set(stack.changes) <= {"create", "read"}
    assert {kind: kinds.get(kind) for kind in ("ServiceAccountRole", "Policy", "Role", "RolePolicyAttachment")} == {
        "ServiceAccountRole": 6,
        "Policy": 2,
        "Role": 5,
        "RolePolicyAttachment": 5,
    }
    assert (kinds["ServiceAccount"], kinds["ServiceAccountPatch"]) == (4, 1)


def test_the_second_up_changes_nothing(stack: Any) -> None:
    """Protects stable documents: the same settings are 0 changes, with and without a refresh."""
    assert set(stack.up()) <= {"same", "read"}
    assert set(stack.up("--refresh")) <= {"same", "read"}


def test_the_roles_trust_policy_is_the_pages(stack: Any, iam: Any) -> None:
    """Protects the page's step 3.1: aws iam get-role."""
    role = iam.get_role(RoleName="my-role")["Role"]

    assert role["AssumeRolePolicyDocument"] == TRUST
    assert role["Description"] == "my-role-description"


def test_the_policy_is_attached(stack: Any, iam: Any) -> None:
    """Protects the page's step 3.2: aws iam list-attached-role-policies."""
    attached = iam.list_attached_role_policies(RoleName="my-role")["AttachedPolicies"]

    assert [policy["PolicyArn"] for policy in attached] == ["arn:aws:iam::111122223333:policy/my-policy"]


def test_the_policys_default_version_is_the_document(stack: Any, iam: Any) -> None:
    """Protects the page's steps 3.4 and 3.5: aws iam get-policy, get-policy-version."""
    arn = "arn:aws:iam::111122223333:policy/my-policy"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]

    assert (policy["PolicyName"], policy["Path"], policy["DefaultVersionId"]) == ("my-policy", "/", "v1")
    assert version["Document"] == POLICY


def test_the_account_is_annotated(stack: Any) -> None:
    """Protects the page's step 3.6: kubectl describe serviceaccount."""
    service_account = stack.service_account("my-service-account")

    assert service_account["metadata"]["annotations"] == {ROLE_ARN_KEY: "arn:aws:iam::111122223333:role/my-role"}


def test_wildcards_and_several_accounts(stack: Any, iam: Any) -> None:
    """Protects the page's further cases: a whole namespace by StringLike, several accounts by a list."""

    def condition(role: str) -> Any:
        return iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]

    assert condition("team-a-role") == {
        "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"},
        "StringLike": {f"{ISSUER}:sub": "system:serviceaccount:team-a:*"},
    }
    assert condition("reports-role")["StringEquals"][f"{ISSUER}:sub"] == [
        "system:serviceaccount:analytics:report-reader",
        "system:serviceaccount:analytics:report-writer",
        "system:serviceaccount:team-b:worker",
    ]


def test_an_existing_account_keeps_what_it_has(stack: Any) -> None:
    """Protects eksctl#7887: a service account of Helm is annotated, and keeps labels, annotations and pull secrets."""
    service_account = stack.service_account("existing-service-account")

    assert service_account["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert service_account["metadata"]["annotations"]["example.com/owner"] == "platform"
    assert service_account["imagePullSecrets"] == [{"name": "registry-credentials"}]
    role = "arn:aws:iam::111122223333:role/existing-service-account-role"
    assert service_account["metadata"]["annotations"][ROLE_ARN_KEY] == role


def test_a_role_of_another_account_is_only_named(stack: Any) -> None:
    """Protects the page's cross-account case: the annotation carries the other account's ARN."""
    annotations = stack.service_account("other-account", "team-b")["metadata"]["annotations"]

    assert annotations == {ROLE_ARN_KEY: "arn:aws:iam::444455556666:role/other-account-role"}


def test_a_changed_subject_updates_the_role_in_place(stack: Any, iam: Any) -> None:
    """Protects eksctl#1497: the trust changes without a new role."""
    before = iam.get_role(RoleName="team-a-role")["Role"]["RoleId"]
    original = stack.bindings()
    stack.change(
        bindings={**original, "all-of-team-a": {**original["all-of-team-a"], "trust": {"subjects": ["team-a:x*"]}}}
    )
    changes = stack.up()

    role = iam.get_role(RoleName="team-a-role")["Role"]
    condition = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert role["RoleId"] == before
    assert condition["StringLike"] == {f"{ISSUER}:sub": "system:serviceaccount:team-a:x*"}
    assert changes.get("update") == 1
    assert set(changes) <= {"same", "read", "update"}

    stack.change(bindings=original)
    stack.up()


def test_drift_is_shown_and_repaired(stack: Any, iam: Any, cloud: Any) -> None:
    """Protects eksctl#4371 and #4941: what was changed by hand, in AWS or Kubernetes, is seen and fixed."""
    iam.detach_role_policy(RoleName="my-role", PolicyArn="arn:aws:iam::111122223333:policy/my-policy")
    wider: Any = {**TRUST["Statement"][0], "Condition": {}}  # type: ignore[dict-item]
    iam.update_assume_role_policy(RoleName="reports-role", PolicyDocument=json.dumps({**TRUST, "Statement": [wider]}))
    assert cloud.kubectl("annotate", "sa", "my-service-account", f"{ROLE_ARN_KEY}-").returncode == 0
    foreign = f"{ROLE_ARN_KEY}=arn:aws:iam::111122223333:role/foreign"
    assert cloud.kubectl("annotate", "sa", "existing-service-account", "--overwrite", foreign).returncode == 0

    shown = stack.pulumi("refresh", "--yes", "--skip-preview")
    for seen in (
        r"RolePolicyAttachment +role/my-role/my-policy +deleted",
        r"iam:Role +role/reports-role +updated .*\[diff: .*assumeRolePolicy",
        r"ServiceAccount +default/my-service-account@\S+ +updated .*\[diff: .*metadata",
        r"ServiceAccountPatch +default/existing-service-account@\S+ +updated .*\[diff: .*metadata",
    ):
        assert re.search(seen, shown), shown

    # What another manager wrote on an existing account has to go before the stack may write there again.
    assert cloud.kubectl("annotate", "sa", "existing-service-account", f"{ROLE_ARN_KEY}-").returncode == 0
    changes = stack.up()
    assert changes["create"] == 1
    assert changes["update"] == 3
    test_the_policy_is_attached(stack, iam)
    test_the_account_is_annotated(stack)
    test_wildcards_and_several_accounts(stack, iam)
    test_an_existing_account_keeps_what_it_has(stack)
    assert set(stack.up()) <= {"same", "read"}


def test_a_missing_account_is_an_error_and_not_created(stack: Any, cloud: Any) -> None:
    """Protects a misspelled name: a patch alone would create a service account that nobody uses."""
    original = stack.bindings()
    wrong = {"serviceAccount": {"name": "existing-servcie-account", "create": False}, "policyArns": []}
    stack.change(bindings={**original, "misspelled": wrong})
    said = stack.pulumi("preview", good=False)

    assert "default/existing-servcie-account" in said
    assert "does not exist" in said
    assert cloud.kubectl("get", "sa", "existing-servcie-account").returncode != 0
    stack.change(bindings=original)


def test_mistakes_are_one_clean_error(stack: Any) -> None:
    """Protects readers: every mistake with its YAML path, no traceback, before any provider is called."""
    original = stack.bindings()
    stack.change(bindings={**original, "bad": {"serviceAccount": {"name": "Bad"}, "polciy": {}}})
    said = stack.pulumi("preview", good=False)

    assert "irsa:bindings.bad.serviceAccount.name" in said
    assert "irsa:bindings.bad.polciy" in said
    assert "Traceback" not in said
    stack.change(bindings=original)


def test_a_missing_oidc_provider_is_reported(stack: Any, iam: Any) -> None:
    """Protects aws-load-balancer-controller#2315: issuer and creating command, no traceback."""
    arn = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    try:
        said = stack.pulumi("preview", good=False)
    finally:
        iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"])

    assert f"no IAM OIDC provider for the issuer https://{ISSUER}" in said
    assert "eksctl utils associate-iam-oidc-provider --cluster my-cluster --approve" in said
    assert "Traceback" not in said


def test_without_the_sandbox_the_dev_stack_says_so(stack: Any, cloud: Any) -> None:
    """Protects real accounts: the dev stack refuses to run where the sandbox is not."""
    variables = {name: value for name, value in cloud.environment().items() if name != "IRSA_SANDBOX"}
    answer = subprocess.run(
        ["pulumi", "preview", "--stack", "dev", "--config-file", str(stack.config), "--non-interactive"],
        cwd=ROOT, env={**variables, "AWS_ENDPOINT_URL": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert answer.returncode != 0
    assert "stack 'dev' is for the sandbox only: run `make up` once" in answer.stdout + answer.stderr


def test_destroy_leaves_nothing_of_ours(stack: Any, iam: Any, cloud: Any) -> None:
    """Protects everything else: what the stack created is gone; an existing service account loses our annotation."""
    stack.pulumi("destroy", "--yes", "--skip-preview")

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
    service_account = stack.service_account("existing-service-account")
    assert ROLE_ARN_KEY not in service_account["metadata"]["annotations"]
    assert service_account["metadata"]["annotations"]["example.com/owner"] == "platform"
    assert service_account["imagePullSecrets"] == [{"name": "registry-credentials"}]
