"""Inventories of any size, taken of clusters and AWS accounts that look like those of a company."""

from datetime import UTC, datetime, timedelta
from typing import Any

from irsa_cli.discovery import Discovery
from irsa_cli.inventory.output import Inventory
from irsa_cli.inventory.work import take_inventory
from irsa_world.model import AwsAccount, Cluster, Role, ServiceAccount

NOW = datetime(2026, 11, 26, tzinfo=UTC)
WRITTEN = datetime(2026, 11, 26, 0, 19, tzinfo=UTC)
ISSUERS = {name: f"oidc.eks.us-west-2.amazonaws.com/id/{name.upper()}" for name in ("prod", "staging")}
AWS_ACCOUNTS = ("111122223333", "444455556666", "777788889999")
TEAMS = (
    *("payments", "search", "ingest", "checkout", "billing", "catalog", "identity", "monitoring", "ml-training"),
    *("ml-serving", "data-lake", "kube-system", "logging", "cert-manager", "external-dns", "argo-cd", "web", "orders"),
)
APPS = ("api", "worker", "exporter", "sync", "cron", "loader", "indexer", "gateway", "backup", "controller")


def inventory(service_accounts: int, roles: int) -> Inventory:
    """Return an inventory of this size: most roles are for one service account, some for many, and some are wrong."""
    accounts = [_service_account(number, roles) for number in range(service_accounts)]
    by_number: dict[str, list[Role]] = {number: [] for number in AWS_ACCOUNTS}
    for number in range(roles):
        # Of the others, an annotation names a role that is gone.
        if number % 19 != 18:
            by_number[_arn(number).split(":")[4]].append(_role(number, accounts[number % service_accounts]))
    clusters = [
        Cluster(name, f"https://{issuer}", tuple(each for each in accounts if each.cluster == name))
        for name, issuer in ISSUERS.items()
    ]
    found = [AwsAccount(number, tuple(those), _client_ids(number)) for number, those in by_number.items() if those]
    gap = "AWS account 999900001111: no permission for iam:ListRoles"
    return take_inventory(Discovery(tuple(clusters), tuple(found), not_checked=(gap,)), NOW)


def _arn(number: int) -> str:
    return (
        f"arn:aws:iam::{AWS_ACCOUNTS[number % 10 // 4]}:role/{TEAMS[number % len(TEAMS)]}-{APPS[number % 10]}-{number}"
    )


def _client_ids(number: str) -> dict[str, tuple[str, ...]]:
    return {f"arn:aws:iam::{number}:oidc-provider/{issuer}": ("sts.amazonaws.com",) for issuer in ISSUERS.values()}


def _service_account(number: int, roles: int) -> ServiceAccount:
    cluster, arn = "prod" if number % 10 < 7 else "staging", _arn(number)
    if number % 31 == 30:
        arn = arn.replace(arn.split(":")[4], "999900001111")
    annotations = {"eks.amazonaws.com/role-arn": arn} if number < roles and number % 12 != 11 else {}
    return ServiceAccount(cluster, TEAMS[number % len(TEAMS)], f"{APPS[number % 10]}-{number}", annotations)


def _role(number: int, account: ServiceAccount) -> Role:
    arn, issuer, subject = _arn(number), ISSUERS[account.cluster], f"{account.namespace}:{account.name}"
    operator, more = "StringEquals", {}
    if number % 23 == 7:
        operator, subject = "StringLike", f"{account.namespace}:*"
    elif number % 17 == 5:
        more = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    elif number % 13 == 4:
        subject = "other:app"
    claims = {f"{issuer}:sub": f"system:serviceaccount:{subject}", f"{issuer}:aud": "sts.amazonaws.com"}
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{arn.split(':')[4]}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {operator: claims, **more},
    }
    used = None if number % 29 == 9 else NOW - timedelta(days=number % 60)
    return Role(arn, {"Version": "2012-10-17", "Statement": [statement]}, NOW - timedelta(days=500), used)
