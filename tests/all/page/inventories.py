"""Inventories of any size, as `irsa inventory --json` prints them, that look like those of a company."""

import random
from typing import Any

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/{}"
OPERATORS = (
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"
    "#Conditions_String"
)
AUDIENCE = "sts.amazonaws.com"
AWS_ACCOUNTS = ("111122223333", "444455556666", "777788889999")
TEAMS = (
    "payments", "search", "ingest", "checkout", "billing", "catalog", "identity", "monitoring", "ml-training",
    "ml-serving", "data-lake", "kube-system", "logging", "cert-manager", "external-dns", "argo-cd", "web", "mobile-api",
    "orders", "inventory", "shipping", "fraud", "reporting", "notifications", "media", "experiments", "sandbox",
    "batch", "etl", "warehouse",
)  # fmt: skip
APPS = ("api", "worker", "exporter", "sync", "cron", "loader", "indexer", "gateway", "backup", "controller")


def inventory(service_accounts: int, roles: int, clusters: tuple[str, ...] = ("prod", "staging")) -> dict[str, Any]:
    """Return an inventory of this size: most roles are for one service account, some for many, and some are wrong."""
    dice = random.Random(service_accounts)
    accounts = [_service_account(number, clusters, dice) for number in range(service_accounts)]
    arns = [_arn(number, accounts[number % service_accounts]) for number in range(roles)]
    admissions: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    for number, arn in enumerate(arns):
        own = accounts[number % service_accounts]
        peers = [
            _id(each) for each in accounts if (each["cluster"], each["namespace"]) == (own["cluster"], own["namespace"])
        ]
        if number % 23 == 7:
            found = (
                f"statement 1 (Team): StringLike sub system:serviceaccount:{own['namespace']}:* admits {len(peers):,}"
            )
            admissions.append(_admission(arn, own["cluster"], peers, f"StringLike sub {own['namespace']}:*"))
            findings.append(
                _finding("wide-trust", own["cluster"], role=arn, found=found, expected="one service account by name")
            )
        elif number % 17 == 5:
            reason = "statement 1: Condition StringEquals aws:SourceVpc is not in a token; STS may know it"
            admissions.append({**_admission(arn, own["cluster"], [_id(own)], reason), "decision": "cannot decide"})
        elif number % 29 == 9:
            neighbours = [_id(each) for each in accounts if each["cluster"] == own["cluster"]]
            alike = neighbours[number % 7 :: service_accounts // 8]
            admissions.append(_admission(arn, own["cluster"], [_id(own), *alike], "StringLike sub *-worker"))
            found = f"it admits {', '.join(alike[:3])}"
            findings.append(_finding("several-namespaces", own["cluster"], role=arn, found=found))
        elif number % 11 == 3:
            kind = "misspelled-subject" if number % 22 == 14 else "not-admitted"
            findings.append(
                _finding(kind, own["cluster"], own, arn, found="sub is system:serviceaccount:other:app",
                    expected=f"system:serviceaccount:{own['namespace']}:{own['name']}",
                    fix="")
            )  # fmt: skip
            own["annotatedRole"] = arn
        elif number % 13 == 4:
            findings.append(_finding("unused", "", role=arn, found="last used: not in 400 days",
                expected="a recent session", fix=f"aws iam get-role --role-name {arn.rpartition('/')[2]}"))  # fmt: skip
        else:
            sub = f"StringEquals sub system:serviceaccount:{own['namespace']}:{own['name']}"
            admissions.append(_admission(arn, own["cluster"], [_id(own)], sub))
            own["annotatedRole"] = own["annotatedRole"] or arn
    for each in accounts[9 :: max(40, service_accounts // 20)]:
        missing = f"arn:aws:iam::{AWS_ACCOUNTS[0]}:role/gone-{each['name']}"
        each["annotatedRole"] = missing
        fix = f"kubectl annotate serviceaccount {each['name']} -n {each['namespace']} eks.amazonaws.com/role-arn-"
        findings.append(_finding("missing-role", each["cluster"], each, missing, found="no such role", fix=fix))
    issuer = f"arn:aws:iam::{AWS_ACCOUNTS[0]}:oidc-provider/{ISSUER.format('OLD').removeprefix('https://')}"
    findings.append(
        {**_finding("orphaned-issuer", "", role=arns[0], found="no cluster has this issuer"), "provider": issuer}
    )
    return {
        "subcommand": "inventory",
        "good": False,
        "clusters": [
            {"name": name, "issuer": ISSUER.format(name.upper()),
                "serviceAccounts": sum(each["cluster"] == name for each in accounts)}
            for name in clusters
        ],
        "awsAccounts": [
            {"number": number, "roles": sum(f"::{number}:" in arn for arn in arns), "providers": []}
            for number in AWS_ACCOUNTS
            if any(f"::{number}:" in arn for arn in arns)
        ],
        "serviceAccounts": accounts,
        "roles": [_role(arn, number) for number, arn in enumerate(arns)],
        "admissions": admissions,
        "findings": findings,
        "notChecked": ["AWS account 999900001111: no permission for iam:ListRoles (3 service accounts name its roles)"],
    }  # fmt: skip


def _service_account(number: int, clusters: tuple[str, ...], dice: random.Random) -> dict[str, Any]:
    cluster = clusters[0 if len(clusters) == 1 or number % 10 < 7 else 1]
    team = min(int(dice.expovariate(0.16)), len(TEAMS) - 1)
    return {
        "cluster": cluster,
        "namespace": TEAMS[team],
        "name": APPS[number % len(APPS)] + (f"-{number // len(APPS)}" if number >= len(APPS) else ""),
        "annotatedRole": "",
        "audience": AUDIENCE,
        "managed": False,
    }


def _arn(number: int, account: dict[str, Any]) -> str:
    aws_account = AWS_ACCOUNTS[0 if number % 10 < 6 else 1 if number % 10 < 9 else 2]
    return f"arn:aws:iam::{aws_account}:role/{account['cluster']}-{account['namespace']}-{account['name']}"


def _role(arn: str, number: int) -> dict[str, Any]:
    used = "" if number % 13 == 4 else f"2026-{number % 9 + 1:02}-{number % 27 + 1:02}T10:00:00Z"
    known = number % 41 != 11
    text = (used.partition("T")[0] or "not in 400 days") if known else "not known"
    return {"arn": arn, "lastUsed": used, "lastUsedKnown": known, "lastUsedText": text, "managed": False}


def _id(account: dict[str, Any]) -> str:
    return f"{account['namespace']}/{account['name']}"


def _admission(arn: str, cluster: str, names: list[str], reason: str) -> dict[str, Any]:
    return {
        "role": arn,
        "cluster": cluster,
        "decision": "allowed",
        "audiences": [AUDIENCE],
        "reason": f"statement 1: StringEquals aud {AUDIENCE}, {reason}",
        "documentation": OPERATORS,
        "serviceAccounts": list(dict.fromkeys(names)),
    }


def _finding(
    kind: str,
    cluster: str,
    account: dict[str, Any] | None = None,
    role: str = "",
    *,
    found: str = "",
    expected: str = "",
    fix: str = "",
) -> dict[str, Any]:
    return {
        "kind": kind,
        "cluster": cluster,
        "serviceAccount": _id(account) if account else "",
        "role": role,
        "provider": "",
        "found": found,
        "expected": expected,
        "fix": fix,
    }
