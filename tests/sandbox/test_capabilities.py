"""Each capability of the stack file through the real engine, against the real API server and the AWS API.

Every test deploys a stack of its own; where the second `up` says 0 changes, that is asserted too.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
ACCOUNT = "111122223333"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
ROLE_ARN_KEY = "eks.amazonaws.com/role-arn"


def document(*resources: str, action: str = "s3:GetObject") -> dict[str, Any]:
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for resource in resources]
    return {"Version": "2012-10-17", "Statement": statements}


def service_account(cloud: Any, name: str, namespace: str = "default") -> dict[str, Any]:
    answer = cloud.kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json")
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.fixture
def iam(cloud: Any) -> Any:
    return cloud.aws("iam")


def trust(iam: Any, role: str) -> Any:
    return iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]


# --- permissions -----------------------------------------------------------------------------------------------------


def test_three_lines_are_enough(deploy: Deploy, cloud: Any) -> None:
    """Protects the common case: a service account and a policy; the rest is defaults; a second up changes nothing."""
    binding = {"serviceAccount": {"name": "app"}, "policy": {"file": "policies/my-policy.json"}}
    stack = deploy({"bindings": {"app": binding}})

    assert stack.up() == {"create": 6}
    assert stack.up() == {}
    output = stack.outputs()["bindings"]["app"]
    assert (output["namespace"], output["serviceAccount"]) == ("default", "app")
    assert output["roleArn"].startswith(f"arn:aws:iam::{ACCOUNT}:role/app-")
    assert service_account(cloud, "app")["metadata"]["annotations"] == {ROLE_ARN_KEY: output["roleArn"]}


def test_policies_of_every_kind(deploy: Deploy, iam: Any) -> None:
    """Protects the policy step: managed with name, path, description and tags; AWS's own; existing; inline."""
    binding = {
        "serviceAccount": {"name": "app"},
        "role": {"name": "kinds-role"},
        "policy": {
            "name": "kinds-policy",
            "path": "/team/",
            "description": "Reads the bucket",
            "tags": {"team": "payments"},
            "document": document("arn:${partition}:s3:::${bucket}/${aws:PrincipalTag/team}/*"),
        },
        "policyArns": [
            "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess",
            "arn:${partition}:iam::${account}:policy/existing-policy",
        ],
        "inlinePolicies": {"inline": {"document": document("arn:aws:s3:::inline", action="s3:ListBucket")}},
    }
    stack = deploy({"variables": {"bucket": "filled"}, "bindings": {"app": binding}})
    stack.up()
    own = f"arn:aws:iam::{ACCOUNT}:policy/team/kinds-policy"
    policy = iam.get_policy(PolicyArn=own)["Policy"]
    version = iam.get_policy_version(PolicyArn=own, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    attached = {p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName="kinds-role")["AttachedPolicies"]}

    assert (policy["Path"], policy["Description"]) == ("/team/", "Reads the bucket")
    assert iam.list_policy_tags(PolicyArn=own)["Tags"] == [{"Key": "team", "Value": "payments"}]
    assert version["Document"] == document("arn:aws:s3:::filled/${aws:PrincipalTag/team}/*")
    assert attached == {
        own,
        "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess",
        f"arn:aws:iam::{ACCOUNT}:policy/existing-policy",
    }
    inline = iam.get_role_policy(RoleName="kinds-role", PolicyName="inline")["PolicyDocument"]
    assert inline == document("arn:aws:s3:::inline", action="s3:ListBucket")
    assert stack.up() == {}


def test_several_existing_policies_have_names_of_their_own(deploy: Deploy, iam: Any) -> None:
    """Guards against pulumi-aws-iam's defect: from the second policy ARN on, two resources of one name."""
    names = ["AmazonSQSReadOnlyAccess", "AmazonS3ReadOnlyAccess", "AmazonSNSReadOnlyAccess"]
    arns = [f"arn:aws:iam::aws:policy/{name}" for name in names]
    binding = {"serviceAccount": {"name": "app"}, "role": {"name": "several-role"}, "policyArns": arns}
    stack = deploy({"bindings": {"app": binding}})
    stack.up()

    assert stack.outputs()["bindings"]["app"]["policyArns"] == sorted(arns)
    stack.set({"bindings": {"app": {**binding, "policyArns": arns[:0:-1]}}})
    # Another order moves nothing; one less is one detachment.
    assert stack.up() == {"delete": 1}


def test_a_long_document_is_divided_and_grows_without_moves(deploy: Deploy, iam: Any) -> None:
    """Protects terraform-aws-eks#3552: over 6,144 characters make two policies; an added statement moves no other."""
    long = [f"arn:aws:s3:::{'x' * 1400}-{index}" for index in range(5)]
    binding: dict[str, Any] = {"serviceAccount": {"name": "app"}, "role": {"name": "long-role"}}
    stack = deploy({"bindings": {"app": {**binding, "policy": {"name": "long", "document": document(*long)}}}})
    stack.up()

    def resources(policy: str) -> list[str]:
        arn = f"arn:aws:iam::{ACCOUNT}:policy/{policy}"
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        return [statement["Resource"] for statement in found["Statement"]]

    first, second = resources("long"), resources("long-2")
    assert first + second == long
    assert len(iam.list_attached_role_policies(RoleName="long-role")["AttachedPolicies"]) == 2

    more = document(*long, "arn:aws:s3:::one-more")
    stack.set({"bindings": {"app": {**binding, "policy": {"name": "long", "document": more}}}})
    assert stack.up() == {"update": 1}
    assert sorted([*resources("long"), *resources("long-2")]) == sorted([*long, "arn:aws:s3:::one-more"])
    assert set(first) <= set(resources("long"))


def test_quotas_are_errors_before_anything_is_made(deploy: Deploy, iam: Any) -> None:
    """Protects kubeflow#6687: the trust policy's 2,048 characters are reported with the count, until raised."""
    subjects = [f"team-a:service-account-of-some-length-{index}" for index in range(40)]
    binding = {"role": {"name": "quota-role"}, "trust": {"subjects": subjects}}
    stack = deploy({"bindings": {"app": binding}})
    said = stack.refused("preview")

    assert "characters of the trust policy" in said
    assert "2,048" in said
    assert "irsa:quotas.trustPolicySize" in said
    stack.set({"quotas": {"trustPolicySize": 3500}, "bindings": {"app": binding}})
    assert "more than 80% of a quota" in stack.pulumi("preview")


# --- trust -----------------------------------------------------------------------------------------------------------


def test_conditions_statements_and_wildcards(deploy: Deploy, iam: Any) -> None:
    """Protects terraform-aws-iam#426, #535, #200: own conditions and principals, wildcards under StringLike only."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    binding = {
        "serviceAccount": {"name": "app"},
        "role": {"name": "conditions-role"},
        "trust": {
            "subjects": ["team-?:worker", "team-a:*"],
            "conditions": {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
            "statements": [statement],
        },
    }
    stack = deploy({"bindings": {"app": binding}})
    stack.up()

    assert trust(iam, "conditions-role") == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", "aws:SourceVpc": "vpc-1"},
                "StringLike": {
                    f"{ISSUER}:sub": [
                        "system:serviceaccount:default:app",
                        "system:serviceaccount:team-?:worker",
                        "system:serviceaccount:team-a:*",
                    ]
                },
            },
        },
        statement,
    ]
    assert stack.up() == {}


def test_every_account_of_the_cluster_only_when_asked_for(deploy: Deploy, iam: Any) -> None:
    """Protects against a role for every Pod by accident: `*:*` is an error without its opt-in."""
    stack = deploy({"bindings": {"app": {"role": {"name": "any-role"}, "trust": {"subjects": ["*:*"]}}}})

    assert "anyServiceAccount" in stack.refused("preview")
    wide = {"role": {"name": "any-role"}, "trust": {"subjects": ["*:*"], "anyServiceAccount": True}}
    stack.set({"bindings": {"app": wide}})
    stack.up()
    assert trust(iam, "any-role")[0]["Condition"]["StringLike"] == {f"{ISSUER}:sub": "system:serviceaccount:*:*"}


def test_one_audience_setting_drives_all_three(deploy: Deploy, iam: Any, cloud: Any) -> None:
    """Protects own audiences: trust and annotation follow one setting, which the provider's client ids must admit."""
    binding = {"serviceAccount": {"name": "app"}, "role": {"name": "audience-role"}, "audience": "my-audience"}
    stack = deploy({"bindings": {"app": binding}})
    said = stack.refused("preview")
    assert "does not list the audience my-audience" in said
    assert "add-client-id-to-open-id-connect-provider" in said

    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER, ClientID="my-audience")
    try:
        stack.up()
        assert trust(iam, "audience-role")[0]["Condition"]["StringEquals"][f"{ISSUER}:aud"] == "my-audience"
        assert service_account(cloud, "app")["metadata"]["annotations"]["eks.amazonaws.com/audience"] == "my-audience"
    finally:
        iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER, ClientID="my-audience")


def test_role_chaining(deploy: Deploy, iam: Any) -> None:
    """Protects the cross-account page's second way: the role may assume a role of another account."""
    target = "arn:aws:iam::444455556666:role/other-account-role"
    binding = {"serviceAccount": {"name": "app"}, "role": {"name": "chain-role"}, "assumeRoleArns": [target]}
    deploy({"bindings": {"app": binding}}).up()
    found = iam.get_role_policy(RoleName="chain-role", PolicyName="assume-roles")["PolicyDocument"]["Statement"]

    assert found == [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": [target]}]


# --- role ------------------------------------------------------------------------------------------------------------


def test_every_setting_of_a_role_and_the_defaults(deploy: Deploy, iam: Any) -> None:
    """Protects the role's settings and `irsa:defaults`: own values win, tags are joined."""
    defaults = {
        "path": "/irsa/",
        "tags": {"team": "payments", "stage": "dev"},
        "permissionsBoundary": "arn:aws:iam::aws:policy/AmazonS3FullAccess",
        "maxSessionDuration": 7200,
        "namespace": "team-a",
    }
    role = {
        "name": "settings-role",
        "description": "It has all",
        "tags": {"stage": "prod"},
        "forceDetachPolicies": True,
    }
    bindings = {
        "app": {"serviceAccount": {"name": "app"}, "role": role},
        "own": {
            "serviceAccount": {"name": "own"},
            "role": {"name": "own-role", "path": "/own/", "maxSessionDuration": 3600},
        },
        "prefix": {"serviceAccount": {"name": "prefix"}, "role": {"namePrefix": "prefixed-"}},
        "x" * 60: {"serviceAccount": {"name": "long"}},
    }
    stack = deploy({"defaults": defaults, "bindings": bindings})
    stack.up()
    found = iam.get_role(RoleName="settings-role")["Role"]

    assert (found["Path"], found["Description"], found["MaxSessionDuration"]) == ("/irsa/", "It has all", 7200)
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == {"team": "payments", "stage": "prod"}
    own = iam.get_role(RoleName="own-role")["Role"]
    assert (own["Path"], own["MaxSessionDuration"]) == ("/own/", 3600)
    outputs = stack.outputs()["bindings"]
    assert outputs["app"]["namespace"] == "team-a"
    assert outputs["prefix"]["roleArn"].startswith(f"arn:aws:iam::{ACCOUNT}:role/irsa/prefixed-")
    assert outputs["x" * 60]["roleArn"].startswith(f"arn:aws:iam::{ACCOUNT}:role/irsa/xxxx")
    assert stack.up() == {}
    # Somebody else's policy does not keep the role from going.
    iam.attach_role_policy(RoleName="settings-role", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")


def test_a_new_name_replaces_the_role(deploy: Deploy, iam: Any) -> None:
    """Protects replacement: the old role goes, the new one is attached and annotated."""
    binding = {"serviceAccount": {"name": "app"}, "policy": {"file": "policies/my-policy.json"}}
    stack = deploy({"bindings": {"app": {**binding, "role": {"name": "before-role"}}}})
    stack.up()
    stack.set({"bindings": {"app": {**binding, "role": {"name": "after-role"}}}})
    stack.up()

    names = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    assert "after-role" in names
    assert "before-role" not in names
    assert len(iam.list_attached_role_policies(RoleName="after-role")["AttachedPolicies"]) == 1
    assert service_account(stack.cloud, "app")["metadata"]["annotations"][ROLE_ARN_KEY].endswith("role/after-role")


def test_a_renamed_key_replaces_nothing(deploy: Deploy, iam: Any) -> None:
    """Protects `formerly`: a binding's key changes, its automatically named role and policy stay."""
    binding = {"serviceAccount": {"name": "app"}, "policy": {"file": "policies/my-policy.json"}}
    stack = deploy({"bindings": {"old": binding}})
    stack.up()
    before = stack.outputs()["bindings"]["old"]["roleArn"]
    stack.set({"bindings": {"new": {**binding, "formerly": "old"}}})

    assert stack.up() == {}
    assert stack.outputs()["bindings"]["new"]["roleArn"] == before


@pytest.fixture
def made_by_hand(iam: Any, cloud: Any) -> dict[str, Any]:
    """A role, a policy and a service account as the page's commands make them."""
    policy_arn = f"arn:aws:iam::{ACCOUNT}:policy/by-hand-policy"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                f"{ISSUER}:sub": "system:serviceaccount:default:by-hand",
            }
        },
    }
    page = document("arn:aws:s3:::my-pod-secrets-bucket")
    iam.create_policy(PolicyName="by-hand-policy", PolicyDocument=json.dumps(page, indent=2))
    assume = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
    iam.create_role(RoleName="by-hand-role", AssumeRolePolicyDocument=assume, Description="by hand")
    iam.attach_role_policy(RoleName="by-hand-role", PolicyArn=policy_arn)
    cloud.kubectl("create", "serviceaccount", "by-hand")
    cloud.kubectl("annotate", "sa", "by-hand", f"{ROLE_ARN_KEY}=arn:aws:iam::{ACCOUNT}:role/by-hand-role")
    return {
        "serviceAccount": {"name": "by-hand"},
        "role": {"name": "by-hand-role", "description": "by hand"},
        "policy": {"name": "by-hand-policy", "file": "policies/my-policy.json"},
        "import": ["role", "policy", "attachments", "serviceAccount"],
    }


def test_what_exists_is_adopted(deploy: Deploy, made_by_hand: dict[str, Any], cloud: Any) -> None:
    """Protects eksctl#7887 and the move to irsa: what was made by hand is imported, and nothing of it changes.

    A Kubernetes plugin may import the service account's name and namespace alone, and then claim what is declared: one
    update in place, whose values are those that it has.
    """
    before = service_account(cloud, "by-hand")["metadata"]
    stack = deploy({"bindings": {"adopted": made_by_hand}})
    planned = json.loads(stack.pulumi("preview", "--json"))["steps"]
    steps = sorted((step["op"], step["urn"].split("::")[2].rsplit(":", 1)[-1]) for step in planned)

    claim = ("update", "ServiceAccount")
    assert [step for step in steps if step != claim] == [
        # The component and the stack themselves are new; nothing in AWS or Kubernetes is.
        ("create", "ServiceAccountRole"),
        ("create", "Stack"),
        ("import", "Policy"),
        ("import", "Role"),
        ("import", "RolePolicyAttachment"),
        ("import", "ServiceAccount"),
    ]
    claimed = [step["detailedDiff"] for step in planned if step["op"] == "update"]
    assert claimed in ([], [{"metadata.annotations": {"kind": "add", "inputDiff": False}}])
    stack.up()
    after = service_account(cloud, "by-hand")["metadata"]
    for key in ("uid", "annotations", "labels"):
        assert after.get(key) == before.get(key)
    assert stack.up() == {}


def test_protected_and_retained(deploy: Deploy, iam: Any, cloud: Any) -> None:
    """Protects what must not go: `protect` refuses a destroy, `retainOnDelete` leaves everything behind."""
    kept = {"serviceAccount": {"name": "kept"}, "role": {"name": "kept-role"}}
    stack = deploy({"bindings": {"app": {**kept, "protect": True}}})
    stack.up()
    assert "protect" in stack.refused("destroy", "--yes", "--skip-preview")

    stack.set({"bindings": {"app": {**kept, "retainOnDelete": True}}})
    stack.up()
    stack.destroy()
    assert iam.get_role(RoleName="kept-role")
    assert service_account(cloud, "kept")
    iam.delete_role(RoleName="kept-role")
    cloud.kubectl("delete", "sa", "kept")


# --- service account -------------------------------------------------------------------------------------------------


def test_every_setting_of_an_account(deploy: Deploy, cloud: Any) -> None:
    """Protects a service account's settings: labels, annotations, pull secrets, automount, the webhook's own."""
    settings = {
        "name": "full",
        "namespace": "team-b",
        "labels": {"app": "full"},
        "annotations": {"example.com/owner": "payments"},
        "imagePullSecrets": ["registry-credentials"],
        "automountServiceAccountToken": False,
        "stsRegionalEndpoints": True,
        "tokenExpiration": 90000,
    }
    stack = deploy({"bindings": {"app": {"serviceAccount": settings, "role": {"name": "full-role"}}}})
    said = stack.pulumi("up", "--yes", "--skip-preview")
    found = service_account(cloud, "full", "team-b")

    assert "90,000 seconds is longer than the default of 86,400" in said
    assert found["metadata"]["labels"] == {"app": "full"}
    assert found["metadata"]["annotations"] == {
        "example.com/owner": "payments",
        ROLE_ARN_KEY: f"arn:aws:iam::{ACCOUNT}:role/full-role",
        "eks.amazonaws.com/sts-regional-endpoints": "true",
        "eks.amazonaws.com/token-expiration": "90000",
    }
    assert found["imagePullSecrets"] == [{"name": "registry-credentials"}]
    assert found["automountServiceAccountToken"] is False
    assert stack.up() == {}


def test_an_existing_account_is_not_taken_over(deploy: Deploy, cloud: Any) -> None:
    """Guards against eksctl's defect: it marks another's service account as its own, and deletes it later."""
    stack = deploy({"bindings": {"app": {"serviceAccount": {"name": "existing-service-account", "create": False}}}})
    stack.up()
    before = service_account(cloud, "existing-service-account")
    assert before["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}

    stack.destroy()
    after = service_account(cloud, "existing-service-account")["metadata"]
    assert after["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    assert ROLE_ARN_KEY not in after["annotations"]


def test_a_deleted_account_comes_back(deploy: Deploy, cloud: Any) -> None:
    """Protects eksctl#4941 and #5368: a deleted service account is created again, instead of `no tasks`."""
    stack = deploy({"bindings": {"app": {"serviceAccount": {"name": "deleted"}}}})
    stack.up()
    assert cloud.kubectl("delete", "sa", "deleted").returncode == 0

    stack.up("--refresh")
    assert ROLE_ARN_KEY in service_account(cloud, "deleted")["metadata"]["annotations"]


def test_role_only_gives_the_helm_values(deploy: Deploy) -> None:
    """Protects terraform-aws-iam#485: Helm makes the service account; the stack says what to set in its values."""
    stack = deploy({"bindings": {"app": {"role": {"name": "helm-role"}, "trust": {"subjects": ["team-a:app"]}}}})
    stack.up()

    annotations = {ROLE_ARN_KEY: f"arn:aws:iam::{ACCOUNT}:role/helm-role"}
    assert stack.outputs()["helmValues"] == {"app": {"serviceAccount": {"create": True, "annotations": annotations}}}
    assert not stack.resources("ServiceAccount")


def test_a_missing_namespace_is_created_once_and_kept(deploy: Deploy, cloud: Any) -> None:
    """Protects cdk-eks-blueprints#957: two bindings share a new namespace; it outlives the stack and is reused."""
    bindings = {
        name: {"serviceAccount": {"name": name, "namespace": "made", "createNamespace": True}}
        for name in ("one", "two")
    }
    stack = deploy({"bindings": bindings})
    stack.up()
    assert len(stack.resources("NamespacePatch")) == 1
    assert stack.up() == {}
    stack.destroy()
    assert cloud.kubectl("get", "namespace", "made").returncode == 0

    stack.set({"bindings": bindings})
    stack.up()
    stack.destroy()
    stack.set({"defaults": {"retainNamespaces": False}, "bindings": {"one": {
        "serviceAccount": {"name": "one", "namespace": "gone", "createNamespace": True}}}})  # fmt: skip
    stack.up()
    stack.destroy()
    assert cloud.kubectl("get", "namespace", "gone").returncode != 0


def test_a_missing_namespace_is_an_error_without_the_setting(deploy: Deploy, cloud: Any) -> None:
    """Protects the default: a misspelled namespace is not made."""
    stack = deploy({"bindings": {"app": {"serviceAccount": {"name": "app", "namespace": "nope"}}}})

    assert 'namespaces "nope" not found' in stack.refused("up", "--yes", "--skip-preview")
    assert cloud.kubectl("get", "namespace", "nope").returncode != 0
