"""Each capability of the stack file through the real engine, against the real API server and the AWS API.

Capabilities that do not exclude each other are bindings of one stack: deployed once, changed once, destroyed once.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.sandbox.irsa_command import ACCOUNT, ISSUER, PROVIDER, ROLE_ARN
from tests.sandbox.project import Project, counts
from tests.sandbox.sessions import admitted, tokens

pytestmark = pytest.mark.sandbox

Events = list[dict[str, Any]]
AWS_POLICIES = "arn:aws:iam::aws:policy/"
OWN = f"arn:aws:iam::{ACCOUNT}:policy/"


def document(*resources: str, action: str = "s3:GetObject") -> dict[str, Any]:
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for resource in resources]
    return {"Version": "2012-10-17", "Statement": statements}


def service_account(cloud: Any, name: str, namespace: str = "default") -> dict[str, Any]:
    answer = cloud.kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json")
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.fixture(scope="module")
def iam(cloud: Any) -> Any:
    return cloud.aws("iam")


def trust(iam: Any, role: str) -> Any:
    return iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]


def policy_document(iam: Any, arn: str) -> Any:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def attached(iam: Any, role: str) -> set[str]:
    return {each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]}


def of_tokens(effect: str, **conditions: str) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {operator: {f"{ISSUER}:sub": value} for operator, value in conditions.items()},
    }


PLUS_AND_PERCENT = "arn:aws:s3:::plus+/100%/*"
SEVERAL = [f"{AWS_POLICIES}Amazon{service}ReadOnlyAccess" for service in ("SQS", "S3", "SNS")]
LONG = [f"arn:aws:s3:::{'x' * 1400}-{index}" for index in range(5)]
STATEMENT = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
OTHER_ROLE = "arn:aws:iam::444455556666:role/other-account-role"
SUBJECTS = [f"team-a:service-account-of-some-length-{index}" for index in range(40)]
QUOTA = {"role": {"name": "quota-role"}, "trust": {"subjects": SUBJECTS}}
ANY = {"role": {"name": "any-role"}, "trust": {"subjects": ["*:*"]}}


def several(arns: list[str]) -> dict[str, Any]:
    return {"serviceAccount": {"name": "several"}, "role": {"name": "several-role"}, "policyArns": arns}


def long(resources: list[str]) -> dict[str, Any]:
    policy = {"name": "long", "document": document(*resources)}
    return {"serviceAccount": {"name": "long"}, "role": {"name": "long-role"}, "policy": policy}


BINDINGS: dict[str, dict[str, Any]] = {
    "app": {"serviceAccount": {"name": "app"}, "policy": {"file": "policies/my-policy.json"}},
    "kinds": {
        "serviceAccount": {"name": "kinds"},
        "role": {"name": "kinds-role"},
        "policy": {
            "name": "kinds-policy",
            "path": "/team/",
            "description": "Reads the bucket",
            "tags": {"team": "payments"},
            # IAM answers with documents percent-encoded by RFC 3986, where + is %2B and % is %25.
            "document": document("arn:${partition}:s3:::${bucket}/${aws:PrincipalTag/team}/*", PLUS_AND_PERCENT),
        },
        "policyArns": [SEVERAL[0], "arn:${partition}:iam::${account}:policy/existing-policy"],
        "inlinePolicies": {"inline": {"document": document("arn:aws:s3:::inline", action="s3:ListBucket")}},
    },
    "several": several(SEVERAL),
    "long": long(LONG),
    "conditions": {
        "serviceAccount": {"name": "conditions"},
        "role": {"name": "conditions-role"},
        "trust": {
            "subjects": ["team-?:worker", "team-a:*"],
            "conditions": {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
            "statements": [STATEMENT],
        },
    },
    # Two conditions of one statement, and a Deny within what another one lets in.
    "combined": {
        "serviceAccount": {"name": "combined"},
        "role": {"name": "combined-role"},
        "trust": {
            "statements": [
                of_tokens("Allow", StringLike="*:*-one:*", StringLikeIfExists="*:app-*:*"),
                of_tokens("Allow", StringLike="*:zone-z:*"),
                of_tokens("Deny", StringEquals="system:serviceaccount:zone-z:admin"),
            ]
        },
    },
    "any": {**ANY, "trust": {"subjects": ["*:*"], "anyServiceAccount": True}},
    "audience": {
        "serviceAccount": {"name": "audience"},
        "role": {"name": "audience-role"},
        "audience": "my-audience",
    },
    "chain": {
        "serviceAccount": {"name": "chain"},
        "role": {"name": "chain-role"},
        "assumeRoleArns": [OTHER_ROLE],
    },
    "by-hand": {
        "serviceAccount": {"name": "by-hand"},
        "role": {"name": "by-hand-role", "description": "by hand"},
        "policy": {"name": "by-hand-policy", "file": "policies/my-policy.json"},
        "import": ["role", "policy", "attachments", "serviceAccount"],
    },
    "full": {
        "serviceAccount": {
            "name": "full",
            "namespace": "team-b",
            "labels": {"app": "full"},
            "annotations": {"example.com/owner": "payments"},
            "imagePullSecrets": ["registry-credentials"],
            "automountServiceAccountToken": False,
            "stsRegionalEndpoints": True,
            "tokenExpiration": 90000,
        },
        "role": {"name": "full-role"},
    },
    "helm": {"role": {"name": "helm-role"}, "trust": {"subjects": ["team-a:app"]}},
    **{
        key: {"serviceAccount": {"name": key, "namespace": namespace, "createNamespace": True}}
        for key, namespace in (("one", "made"), ("two", "made"), ("three", "analytics"))
    },
    "retained": {
        "serviceAccount": {"name": "retained"},
        "role": {"name": "retained-role"},
        "retainOnDelete": True,
    },
}
VARIABLES = {"bucket": "filled"}


class Deployed(NamedTuple):
    """A stack with all bindings, and what happened in its first and second `up`."""

    stack: Project
    first: Events
    said: str
    """In the second `up`."""
    before: dict[str, Any]
    """The service account that was made by hand, as it was."""

    def happened(self, key: str) -> list[tuple[str, str]]:
        """Return what happened to each resource of a binding in the first `up`."""
        return sorted((each["op"], each["type"].rpartition(":")[2]) for each in of_binding(self.first, key))


def of_binding(events: Events, key: str) -> Events:
    """Return the events of a binding's resources, in whose names is a word that starts with its key."""
    return [each for each in events if re.search(rf"(?<![\w-]){key}(?![a-z])", each["urn"].rpartition("::")[2])]


def make_by_hand(iam: Any, cloud: Any) -> None:
    """Create a role, a policy and a service account as the page's commands make them."""
    claims = {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": "system:serviceaccount:default:by-hand"}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }
    page = document("arn:aws:s3:::my-pod-secrets-bucket")
    iam.create_policy(PolicyName="by-hand-policy", PolicyDocument=json.dumps(page, indent=2))
    assume = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
    iam.create_role(RoleName="by-hand-role", AssumeRolePolicyDocument=assume, Description="by hand")
    iam.attach_role_policy(RoleName="by-hand-role", PolicyArn=f"{OWN}by-hand-policy")
    cloud.kubectl("create", "serviceaccount", "by-hand")
    cloud.kubectl("annotate", "sa", "by-hand", f"{ROLE_ARN}=arn:aws:iam::{ACCOUNT}:role/by-hand-role")


@pytest.fixture(scope="module")
def deployed(cloud: Any, iam: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    make_by_hand(iam, cloud)
    before = service_account(cloud, "by-hand")["metadata"]
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER, ClientID="my-audience")
    stack = Project(
        cloud, tmp_path_factory.mktemp("capabilities") / "project", {"variables": VARIABLES, "bindings": BINDINGS}
    )
    first = stack.events("up", "--yes", "--skip-preview")
    said = stack.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")
    yield Deployed(stack, first, said, before)
    if stack.state():
        stack.destroy()
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER, ClientID="my-audience")


# --- Refused before anything is made ---------------------------------------------------------------------------------


def test_what_is_refused_before_anything_is_made(deploy: Callable[..., Project]) -> None:
    """Protects against a role for every Pod by accident, kubeflow#6687's quotas, and an audience that nobody admits.

    `*:*` is an error without its opt-in; the trust policy's 2,048 characters are reported until they are raised.
    """
    stack = deploy({"bindings": {"any": ANY}})
    assert "anyServiceAccount" in stack.refused("preview")
    stack.set({"bindings": {"quota": QUOTA}})
    said = stack.refused("preview")
    for words in ("characters of the trust policy", "2,048", "irsa:quotas.trustPolicySize"):
        assert words in said
    stack.set({"quotas": {"trustPolicySize": 3500}, "bindings": {"quota": QUOTA}})
    assert "more than 80% of a quota" in stack.pulumi("preview")
    stack.set({"bindings": {"audience": BINDINGS["audience"]}})
    said = stack.refused("preview")
    assert "does not list the audience my-audience" in said
    assert "add-client-id-to-open-id-connect-provider" in said


# --- permissions -----------------------------------------------------------------------------------------------------


def test_a_second_up_changes_nothing_and_warns_again(deployed: Deployed) -> None:
    assert {each["op"] for each in deployed.first} <= {"create", "import", "update", "read", "same"}
    assert "90,000 seconds is longer than the default of 86,400" in deployed.said


def test_policies_of_every_kind(deployed: Deployed, iam: Any) -> None:
    own = f"{OWN}team/kinds-policy"
    policy = iam.get_policy(PolicyArn=own)["Policy"]

    assert (policy["Path"], policy["Description"]) == ("/team/", "Reads the bucket")
    assert iam.list_policy_tags(PolicyArn=own)["Tags"] == [{"Key": "team", "Value": "payments"}]
    assert policy_document(iam, own) == document("arn:aws:s3:::filled/${aws:PrincipalTag/team}/*", PLUS_AND_PERCENT)
    assert attached(iam, "kinds-role") == {own, SEVERAL[0], f"{OWN}existing-policy"}
    inline = iam.get_role_policy(RoleName="kinds-role", PolicyName="inline")["PolicyDocument"]
    assert inline == document("arn:aws:s3:::inline", action="s3:ListBucket")


# --- trust -----------------------------------------------------------------------------------------------------------


def test_conditions_statements_and_wildcards(deployed: Deployed, iam: Any) -> None:
    """Protects terraform-aws-iam#426, #535, #200: own conditions and principals, wildcards under StringLike only."""
    assert trust(iam, "conditions-role") == [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", "aws:SourceVpc": "vpc-1"},
                "StringLike": {
                    f"{ISSUER}:sub": [
                        "system:serviceaccount:default:conditions",
                        "system:serviceaccount:team-?:worker",
                        "system:serviceaccount:team-a:*",
                    ]
                },
            },
        },
        STATEMENT,
    ]


def test_subjects_are_who_gets_a_session(deployed: Deployed, cloud: Any) -> None:
    output = deployed.stack.outputs()["bindings"]["combined"]
    accounts = ["app-one/worker", "app-two/worker", "zone-z/admin", "zone-z/worker", "default/combined"]
    for namespace in sorted({each.partition("/")[0] for each in accounts} - {"default"}):
        cloud.kubectl("create", "namespace", namespace)
    for namespace, _, name in (each.partition("/") for each in accounts[:-1]):
        cloud.kubectl("create", "serviceaccount", name, "-n", namespace)
    given = admitted(cloud, tokens(cloud, accounts, ["sts.amazonaws.com"]), [output["roleArn"]])

    assert output["subjects"] == ["app-*-one:*", "app-one:*", "default:combined", "zone-z:*"]
    assert output["deniedSubjects"] == ["zone-z:admin"]
    assert {each for each, _, _ in given} == {"app-one/worker", "zone-z/worker", "default/combined"}


def test_one_audience_setting_drives_all_three(deployed: Deployed, iam: Any, cloud: Any) -> None:
    assert trust(iam, "audience-role")[0]["Condition"]["StringEquals"][f"{ISSUER}:aud"] == "my-audience"
    annotations = service_account(cloud, "audience")["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/audience"] == "my-audience"


# --- role and service account ----------------------------------------------------------------------------------------


def test_what_exists_is_adopted(deployed: Deployed, cloud: Any) -> None:
    """Protects eksctl#7887 and the move to irsa: what was made by hand is imported, and nothing of it changes.

    A Kubernetes plugin may import the service account's name and namespace alone, and then claim what is declared: one
    update in place, whose values are those that it has.
    """
    claim = ("update", "ServiceAccount")
    assert [each for each in deployed.happened("by-hand") if each != claim] == [
        # The component itself is new; nothing in AWS or Kubernetes is.
        ("create", "ServiceAccountRole"),
        ("import", "Policy"),
        ("import", "Role"),
        ("import", "RolePolicyAttachment"),
        ("import", "ServiceAccount"),
    ]
    after = service_account(cloud, "by-hand")["metadata"]
    for key in ("uid", "annotations", "labels"):
        assert after.get(key) == deployed.before.get(key)


def test_every_setting_of_an_account(deployed: Deployed, cloud: Any) -> None:
    found = service_account(cloud, "full", "team-b")

    assert found["metadata"]["labels"] == {"app": "full"}
    assert found["metadata"]["annotations"] == {
        "example.com/owner": "payments",
        ROLE_ARN: f"arn:aws:iam::{ACCOUNT}:role/full-role",
        "eks.amazonaws.com/sts-regional-endpoints": "true",
        "eks.amazonaws.com/token-expiration": "90000",
    }
    assert found["imagePullSecrets"] == [{"name": "registry-credentials"}]
    assert found["automountServiceAccountToken"] is False


def test_a_namespace_is_created_once(deployed: Deployed) -> None:
    """Protects cdk-eks-blueprints#957: two bindings share a new namespace, and another one uses one that exists."""
    patches = deployed.stack.resources("NamespacePatch").values()
    assert sorted(each["outputs"]["metadata"]["name"] for each in patches) == ["analytics", "made"]


# --- Changed and destroyed -------------------------------------------------------------------------------------------


def test_policies_are_detached_and_grow_without_moves(deployed: Deployed, iam: Any) -> None:
    """Protects terraform-aws-eks#3552: over 6,144 characters make two policies; an added statement moves no other.

    Another order of existing policies moves nothing either; one less is one detachment.
    """

    def resources(policy: str) -> list[str]:
        return [statement["Resource"] for statement in policy_document(iam, f"{OWN}{policy}")["Statement"]]

    first, second = resources("long"), resources("long-2")
    assert first + second == LONG
    assert len(attached(iam, "long-role")) == 2
    more = [*LONG, "arn:aws:s3:::one-more"]
    changed = {**BINDINGS, "long": long(more), "several": several(SEVERAL[:0:-1])}
    deployed.stack.set({"variables": VARIABLES, "bindings": changed})
    events = deployed.stack.events("up", "--yes", "--skip-preview")

    assert {key: counts(of_binding(events, key)) for key in ("long", "several")} == {
        "long": {"update": 1},
        "several": {"delete": 1},
    }
    assert counts(events) == {"update": 1, "delete": 1}
    assert sorted([*resources("long"), *resources("long-2")]) == sorted(more)
    assert set(first) <= set(resources("long"))


def test_what_outlives_the_stack(deployed: Deployed, iam: Any, cloud: Any) -> None:
    deployed.stack.destroy()

    assert iam.get_role(RoleName="retained-role")
    assert service_account(cloud, "retained")
    for namespace in ("made", "analytics"):
        assert cloud.kubectl("get", "namespace", namespace).returncode == 0
    iam.delete_role(RoleName="retained-role")
    cloud.kubectl("delete", "sa", "retained")
