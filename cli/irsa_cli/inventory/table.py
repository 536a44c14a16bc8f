"""An inventory as text: a table by service account or by role, then a line for each finding."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from irsa.evaluation import Decision
from irsa.rules.mistakes import LISTED, listed, named, visible
from irsa_cli.inventory.output import Finding, Inventory
from irsa_cli.report.text import FIX, aligned

View = Literal["service-account", "role"]
NONE = "-"
DECISIONS = (Decision.ALLOWED, Decision.CANNOT_DECIDE)


class Table(NamedTuple):
    """A table, and what is said below it: the parts of each line, and its style."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[tuple[Sequence[str], str]]


def plain(table: Table) -> list[str]:
    """Return a table and what is below it as lines for a pipe."""
    return [
        *(aligned(table.headings, table.rows) if table.rows else ()),
        *("; ".join(parts) for parts, _ in table.lines),
    ]


def table_of(inventory: Inventory, view: View) -> Table:
    """Return an inventory as a table; what has no row is counted in a line."""
    headings, rows, others = _BY[view](inventory)
    if len(inventory.clusters) == 1:
        # One column less to read.
        headings, rows = headings[1:], [row[1:] for row in rows]
    lines = [([""], ""), *(([each], "dim") for each in others)]
    lines += [(finding_parts(each, len(inventory.clusters) > 1), "bold red") for each in inventory.findings]
    lines += [([inventory.left_out], "dim")] if inventory.left_out else []
    lines += [([visible(f"not checked: {each}")], "yellow") for each in inventory.not_checked]
    return Table(headings, rows, [*lines, ([summary(inventory)], "bold")])


def _cell(groups: Iterable[Sequence[str]]) -> str:
    """Return the first names of sorted groups for a cell, and how many more there are."""
    groups = list(groups)
    first = list(itertools.islice(heapq.merge(*groups), LISTED))
    more = sum(map(len, groups)) - len(first)
    return listed(first) + (f", and {more:,} more" if more else "")


def _short(arns: Iterable[str], inventory: Inventory) -> dict[str, str]:
    """Return roles as they are named in a cell: without what all of them have in common in one AWS account."""
    if len(inventory.aws_accounts) > 1:
        return {arn: arn for arn in arns}
    number = inventory.aws_accounts[0].number if inventory.aws_accounts else ""
    return {arn: rest if (rest := _within(arn, number)) else arn for arn in arns}


def _within(arn: str, number: str) -> str:
    before, _, rest = arn.partition(":role/")
    return rest if before.endswith(f":iam::{number}") else ""


def _by_service_account(inventory: Inventory) -> tuple[list[str], list[list[str]], list[str]]:
    short = _short((each.role for each in inventory.admissions), inventory)
    # Many roles may admit the same service accounts: their names are put together once.
    of_group: dict[tuple[Decision, str, Sequence[str]], list[str]] = {}
    for each in inventory.admissions:
        group = each.decision, each.cluster, tuple(each.service_accounts)
        of_group.setdefault(group, []).append(short[each.role])
    admitting: dict[tuple[Decision, str, str], list[Sequence[str]]] = {}
    for (decision, cluster, service_accounts), roles in of_group.items():
        roles.sort()
        for name in service_accounts:
            admitting.setdefault((decision, cluster, name), []).append(roles)
    rows, others = [], Counter[str]()
    for service_account in inventory.service_accounts:
        name = f"{service_account.namespace}/{service_account.name}"
        found = [_cell(admitting.get((each, service_account.cluster, name), ())) for each in DECISIONS]
        if service_account.annotated_role or any(found):
            annotated = _short([service_account.annotated_role], inventory)[service_account.annotated_role]
            rows.append([named(service_account.cluster), named(name), named(annotated) if annotated else NONE, *found])
        else:
            others[service_account.cluster] += 1
    what = "other service accounts, which have no annotation and which no role admits"
    lines = [f"{named(cluster)}: {what}: {count:,}" for cluster, count in others.items()]
    return ["cluster", "service account", "annotated with", "may assume", "cannot decide"], rows, lines


def _by_role(inventory: Inventory) -> tuple[list[str], list[list[str]], list[str]]:
    admitted: dict[tuple[str, str], dict[Decision, list[Sequence[str]]]] = {}
    for each in inventory.admissions:
        of_role = admitted.setdefault((each.cluster, each.role), {})
        of_role.setdefault(each.decision, []).append(sorted(each.service_accounts))
    annotated: dict[tuple[str, str], list[str]] = {}
    for service_account in inventory.service_accounts:
        if service_account.annotated_role:
            place = service_account.cluster, service_account.annotated_role
            annotated.setdefault(place, []).append(f"{service_account.namespace}/{service_account.name}")
    by_role: dict[str, list[str]] = {}
    for cluster, role in dict.fromkeys((*admitted, *annotated)):
        by_role.setdefault(role, []).append(cluster)
    known = {each.arn: each for each in inventory.roles}
    short = _short({*by_role, *known}, inventory)
    missing = {each.role for each in inventory.findings if each.kind == "missing-role"}
    rows = []
    for role in sorted({*by_role, *known}):
        for cluster in sorted(by_role.get(role, [""])):
            of_role = admitted.get((cluster, role), {})
            cells = [
                named(cluster) if cluster else NONE,
                named(short[role]),
                *(_cell(of_role.get(each, ())) for each in DECISIONS),
                _cell([sorted(annotated.get((cluster, role), ()))]),
                known[role].last_used_text if role in known else "no such role" if role in missing else "not read",
            ]
            rows.append(cells)
    lines = []
    for aws_account in inventory.aws_accounts:
        here = sum(f":iam::{aws_account.number}:" in arn for arn in known)
        # Of those that --namespace left out, some trust a cluster.
        if aws_account.roles > here and not inventory.left_out:
            others = "other roles, which trust no cluster and which no annotation names"
            lines.append(f"{aws_account.number}: {others}: {aws_account.roles - here:,}")
    return ["cluster", "role", "may be assumed by", "cannot decide", "annotated", "last used"], rows, lines


_BY = {"service-account": _by_service_account, "role": _by_role}


def finding_parts(finding: Finding, several_clusters: bool) -> list[str]:
    """Return the parts of a finding's line: what it is about, what was found and expected, and the fix."""
    about = [named(each) for each in (finding.service_account, finding.role) if each]
    about = about or [named(finding.provider)]
    where = f" in {named(finding.cluster)}" if several_clusters and finding.cluster else ""
    parts = [f"{finding.kind}: {', '.join(about)}{where}: found {finding.found}", f"expected {finding.expected}"]
    parts += [f"{FIX}{finding.fix}"] if finding.fix else []
    return [visible(part) for part in parts]


def summary(inventory: Inventory) -> str:
    """Return the last line, which counts what there is."""
    kinds = Counter(each.kind for each in inventory.findings)
    counted = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or "none"
    roles = sum(each.roles for each in inventory.aws_accounts)
    places = (
        f"{_count(len(inventory.clusters), 'cluster')}, {_count(len(inventory.service_accounts), 'service account')}, "
        f"{_count(len(inventory.aws_accounts), 'AWS account')}, {_count(roles, 'role')}"
    )
    return f"{places}; findings: {counted}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
