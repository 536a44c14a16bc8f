"""A cluster and an AWS account as they are found, for the tests of `irsa inventory`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from irsa_cli.discovery import Discovery
from irsa_cli.inventory.output import Finding, Inventory
from irsa_cli.inventory.take import take_inventory
from irsa_world.model import Association, AwsAccount, Cluster, Role, ServiceAccount
from tests.world import PODS, document, of_pods, of_tokens

NUMBER = "111122223333"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::{NUMBER}:oidc-provider/{ISSUER}"
CLUSTER_ARN = f"arn:aws:eks:us-west-2:{NUMBER}:cluster/prod"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
ROLE_ARN = "eks.amazonaws.com/role-arn"
# The kinds with a command, which test_fixes.py runs. Of the others, what to do is their owner's choice, or an edit of a
# trust policy that a command would replace whole.
WITH_A_COMMAND = {"not-annotated", "missing-role", "not-admitted", "missing-provider"}
EC2_TRUST = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}


def role_arn(name: str, number: str = NUMBER) -> str:
    return f"arn:aws:iam::{number}:role/{name}"


def trust(*conditions: Mapping[str, Any], provider: str = PROVIDER) -> dict[str, Any]:
    """Return a trust policy with a statement as AWS's page has it, for each of these conditions."""
    return document(*(of_tokens(provider, condition) for condition in conditions))


def page_trust(subject: str, issuer: str = ISSUER, provider: str = PROVIDER) -> dict[str, Any]:
    """Return the trust policy of AWS's page for a service account, `namespace:name`."""
    claims = {f"{issuer}:sub": f"system:serviceaccount:{subject}", f"{issuer}:aud": "sts.amazonaws.com"}
    return trust({"StringEquals": claims}, provider=provider)


def pods_trust(subject: str = "", actions: Iterable[str] = ("sts:AssumeRole", "sts:TagSession")) -> dict[str, Any]:
    """Return the trust policy of AWS's page for EKS Pod Identity, for a service account or without a condition."""
    statement = of_pods(CLUSTER_ARN, *subject.split(":")) if subject else PODS
    return document({**statement, "Action": [*actions]})


def both_trust(subject: str) -> dict[str, Any]:
    """Return the trust policy of a migration: for the tokens and for the association of a service account."""
    return document(*page_trust(subject)["Statement"], *pods_trust(subject)["Statement"])


def chained_trust(role_name: str, *actions: str, **condition: Any) -> dict[str, Any]:
    """Return the trust policy of a role that another one assumes."""
    statement = {"Effect": "Allow", "Principal": {"AWS": role_arn(role_name)}, "Action": [*actions]}
    return document({**statement, "Condition": condition})


def association(namespace: str, name: str, role_name: str, **more: Any) -> Association:
    return Association(CLUSTER_ARN, namespace, name, role_arn(role_name), f"a-{namespace}-{name}", **more)


def role(name: str, document: Mapping[str, Any], **more: Any) -> Role:
    return Role(role_arn(name), document, **{"last_used": NOW, **more})


def service_account(namespace: str, name: str, role_name: str = "", **annotations: str) -> ServiceAccount:
    found = {ROLE_ARN: role_arn(role_name)} if role_name else {}
    return ServiceAccount("prod", namespace, name, {**found, **annotations})


def discovery(
    service_accounts: Iterable[ServiceAccount] = (),
    roles: Iterable[Role] = (),
    client_ids: Mapping[str, tuple[str, ...]] | None = None,
    **more: Any,
) -> Discovery:
    found = {PROVIDER: ("sts.amazonaws.com",)} if client_ids is None else client_ids
    issuers, of_cluster = more.pop("eks_clusters", {}), {CLUSTER_ARN: tuple(more.pop("associations", ()))}
    return Discovery(
        (Cluster("prod", f"https://{ISSUER}", tuple(service_accounts), context="prod", arn=CLUSTER_ARN),),
        (AwsAccount(NUMBER, tuple(roles), found, issuers, associations=of_cluster),),
        **more,
    )


def taken(found: Discovery) -> Inventory:
    inventory = take_inventory(found, NOW)
    assert {each.kind for each in inventory.findings if each.fix} <= WITH_A_COMMAND
    return inventory


def of_kind(kind: str, found: Discovery) -> list[Finding]:
    return [each for each in taken(found).findings if each.kind == kind]
