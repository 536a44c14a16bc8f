"""Inventories of any size: most roles are for one service account, some for many, and some are wrong."""

from datetime import UTC, datetime

from irsa_cli.inventory.output import Inventory
from irsa_world.model import Role
from tests.unit.irsa_cli.inventory.estates import (
    ISSUER,
    NOW,
    discovery,
    page_trust,
    role,
    service_account,
    taken,
    trust,
)

WRITTEN = datetime(2026, 11, 26, 0, 19, tzinfo=UTC)
TEAMS = ("payments", "search", "kube-system", "ml-training")


def inventory(service_accounts: int, roles: int) -> Inventory:
    subjects = [f"{TEAMS[number % len(TEAMS)]}:app-{number}" for number in range(service_accounts)]
    accounts = [
        service_account(namespace, name, f"role-{number}" if number < roles and number % 12 != 11 else "")
        for number, (namespace, _, name) in enumerate(subject.partition(":") for subject in subjects)
    ]
    # Of the others, an annotation names a role that is gone.
    found = [_role(number, subjects[number % service_accounts]) for number in range(roles) if number % 19 != 18]
    gap = "AWS account 999900001111: no permission for iam:ListRoles"
    return taken(discovery(accounts, found, not_checked=(gap,)))


def _role(number: int, subject: str) -> Role:
    document = page_trust("other:app" if number % 13 == 4 else subject)
    if number % 23 == 7:
        namespace, _, _ = subject.partition(":")
        audience = {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"}}
        document = trust({**audience, "StringLike": {f"{ISSUER}:sub": f"system:serviceaccount:{namespace}:*"}})
    elif number % 17 == 5:
        document["Statement"][0]["Condition"]["IpAddress"] = {"aws:SourceIp": "10.0.0.0/8"}
    return role(f"role-{number}", document, last_used=None if number % 29 == 9 else NOW)
