"""What AWS and Kubernetes have now, and the documents by which somebody else than irsa puts it there."""

import json
from typing import Any

from tests.sandbox.irsa_command import PROVIDER
from tests.world import document, of_tokens

# Resources of more statements than the 6,144 characters of one policy hold.
LONG = [f"arn:aws:s3:::{'x' * 1400}-{index}" for index in range(5)]


def allowing(*resources: str, action: str = "s3:GetObject") -> dict[str, Any]:
    return document(*({"Effect": "Allow", "Action": action, "Resource": each} for each in resources))


def web_identity(
    *subjects: str, provider: str = PROVIDER, operator: str = "StringEquals", **conditions: Any
) -> dict[str, Any]:
    """Return a statement for service accounts, `namespace:name`."""
    issuer = provider.partition("oidc-provider/")[2]
    claims = [f"system:serviceaccount:{each}" for each in subjects]
    tested: dict[str, Any] = {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}}
    tested.setdefault(operator, {})[f"{issuer}:sub"] = claims[0] if len(claims) == 1 else claims
    return of_tokens(provider, {**tested, **conditions})


def assumable(principal: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}


def create_role(iam: Any, name: str, *statements: Any, **settings: Any) -> str:
    trust = json.dumps(document(*statements))
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **settings)["Role"]["Arn"])


def trust_of(iam: Any, role: str) -> Any:
    return iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]


def policy_document(iam: Any, arn: str) -> Any:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def attached(iam: Any, role: str) -> set[str]:
    return {each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]}


def service_account(cloud: Any, name: str, namespace: str = "default", *options: str) -> dict[str, Any]:
    answer = cloud.kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json", *options)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found
