"""A cluster and an AWS account as they are found, for the tests of `irsa inventory`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from irsa_cli.inventory.output import Finding, Inventory
from irsa_cli.inventory.taking import take_inventory
from irsa_cli.live.model import Discovery, LiveAwsAccount, LiveCluster, LiveRole, LiveServiceAccount

NUMBER = "111122223333"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::{NUMBER}:oidc-provider/{ISSUER}"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
ROLE_ARN = "eks.amazonaws.com/role-arn"
EC2_TRUST = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}


def role_arn(name: str, number: str = NUMBER) -> str:
    return f"arn:aws:iam::{number}:role/{name}"


def trust(*conditions: Mapping[str, Any], provider: str = PROVIDER) -> dict[str, Any]:
    """Return a trust policy with a statement as AWS's page has it, for each of these conditions."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": condition,
            }
            for condition in conditions
        ],
    }


def page_trust(subject: str, issuer: str = ISSUER, provider: str = PROVIDER) -> dict[str, Any]:
    """Return the trust policy of AWS's page for a service account, `namespace:name`.

    https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    """
    claims = {f"{issuer}:sub": f"system:serviceaccount:{subject}", f"{issuer}:aud": "sts.amazonaws.com"}
    return trust({"StringEquals": claims}, provider=provider)


def role(name: str, document: Mapping[str, Any], **more: Any) -> LiveRole:
    return LiveRole(role_arn(name), document, **{"last_used": NOW, **more})


def service_account(namespace: str, name: str, role_name: str = "", **annotations: str) -> LiveServiceAccount:
    found = {ROLE_ARN: role_arn(role_name)} if role_name else {}
    return LiveServiceAccount("prod", namespace, name, {**found, **annotations})


def discovery(
    service_accounts: Iterable[LiveServiceAccount] = (),
    roles: Iterable[LiveRole] = (),
    client_ids: Mapping[str, tuple[str, ...]] | None = None,
    **more: Any,
) -> Discovery:
    found = {PROVIDER: ("sts.amazonaws.com",)} if client_ids is None else client_ids
    return Discovery(
        (LiveCluster("prod", f"https://{ISSUER}", tuple(service_accounts), context="prod"),),
        (LiveAwsAccount(NUMBER, tuple(roles), found, more.pop("eks_issuers", {})),),
        **more,
    )


def taken(found: Discovery, unused_days: int = 90) -> Inventory:
    return take_inventory(found, NOW, unused_days)


def of_kind(kind: str, found: Discovery, unused_days: int = 90) -> list[Finding]:
    return [each for each in taken(found, unused_days).findings if each.kind == kind]
