"""How long `irsa inventory` computes for 2,000 service accounts and 1,500 roles: python -m bench inventory."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.harness import in_turn, report
from bench.results import Figure
from irsa.rules.trust import trust_document
from irsa_cli.inventory.table import answer_of
from irsa_cli.inventory.taking import take_inventory
from irsa_cli.live.model import Discovery, LiveAwsAccount, LiveCluster, LiveRole, LiveServiceAccount
from irsa_cli.report.text import plain

TITLE = "irsa inventory"
DESCRIPTION = """\
2,000 service accounts in 50 namespaces against 1,500 roles, as they were read: the seconds of processor time from there
to the printed text. In the usual mix, each role is for one service account, every tenth for a namespace, every fiftieth
for several clusters, and a third is not for Kubernetes. In `*`, all 1,500 roles say StringLike system:serviceaccount:*.
In the others, all have a pattern of their own, or 16 statements for one service account each."""
SERVICE_ACCOUNTS, ROLES, NAMESPACES = 2_000, 1_500, 50
GOAL = 10
RUNS = 3
NUMBER = "111122223333"
ISSUERS = [f"oidc.eks.us-west-2.amazonaws.com/id/{name * 32}" for name in "AB"]
PROVIDERS = [f"arn:aws:iam::{NUMBER}:oidc-provider/{issuer}" for issuer in ISSUERS]
NOW = datetime(2026, 11, 26, tzinfo=UTC)
EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def subject(number: int) -> str:
    """Return a service account as `namespace:name`."""
    return f"team-{number % NAMESPACES}:app-{number}"


def usual(number: int) -> Mapping[str, Any]:
    if number % 3 == 2:  # noqa: PLR2004 (a third)
        return {"Version": "2012-10-17", "Statement": [EC2]}
    subjects = [f"team-{number % NAMESPACES}:*"] if number % 10 == 0 else [subject(number)]
    document: dict[str, Any] = json.loads(trust_document(PROVIDERS if number % 50 == 0 else PROVIDERS[:1], subjects))
    return document


def everybody(_: int) -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(trust_document(PROVIDERS[:1], ["*:*"]))
    document["Statement"][0]["Condition"] = {"StringLike": {f"{ISSUERS[0]}:sub": "system:serviceaccount:*"}}
    return document


def own_pattern(number: int) -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(trust_document(PROVIDERS[:1], [f"*:*pp-{number}*"]))
    return document


def statement_each(number: int) -> Mapping[str, Any]:
    single = [json.loads(trust_document(PROVIDERS[:1], [subject(number + more)])) for more in range(16)]
    return {"Version": "2012-10-17", "Statement": [each["Statement"][0] for each in single]}


CASES: Mapping[str, Callable[[int], Mapping[str, Any]]] = {
    "the usual mix": usual,
    "all roles `*`": everybody,
    "a pattern of its own for each role": own_pattern,
    "16 statements in each role": statement_each,
}


def found(trust: Callable[[int], Mapping[str, Any]]) -> Discovery:
    """Return what was read, with this trust policy for each role."""
    names = [f"arn:aws:iam::{NUMBER}:role/app-{number}" for number in range(SERVICE_ACCOUNTS)]
    roles = tuple(
        LiveRole(names[number], trust(number), NOW - timedelta(days=300), NOW - timedelta(days=number % 120))
        for number in range(ROLES)
    )
    cluster = LiveCluster("prod", f"https://{ISSUERS[0]}", tuple(_service_accounts(names)))
    client_ids = dict.fromkeys(PROVIDERS, ("sts.amazonaws.com",))
    return Discovery((cluster,), (LiveAwsAccount(NUMBER, roles, client_ids),))


def _service_accounts(roles: list[str]) -> Iterator[LiveServiceAccount]:
    for number, role in enumerate(roles):
        namespace, name = subject(number).split(":")
        annotations = {"eks.amazonaws.com/role-arn": role} if number % 4 else {}
        yield LiveServiceAccount("prod", namespace, name, annotations)


def processor_seconds(action: Callable[[], object]) -> float:
    """Return how many seconds of this process a call takes: the work is in one thread, and others may run beside it."""
    started = time.process_time()
    action()
    return time.process_time() - started


def measure() -> list[Figure]:
    discoveries = {name: found(trust) for name, trust in CASES.items()}

    def table(name: str) -> float:
        return processor_seconds(lambda: plain([answer_of(take_inventory(discoveries[name], NOW))]))

    times = in_turn({name: lambda name=name: table(name) for name in CASES}, RUNS)  # type: ignore[misc]
    return [Figure(f"irsa inventory, {name}", "s", tuple(values), GOAL) for name, values in times.items()]


def main() -> int:
    report("inventory", TITLE, DESCRIPTION, measure, {})
    return 0


if __name__ == "__main__":
    sys.exit(main())
