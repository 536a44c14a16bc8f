"""An inventory as text: a table by service account or by role, then a line for each finding."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from irsa.evaluation import Decision
from irsa.rules.mistakes import LISTED, listed, named, visible
from irsa_cli.inventory.output import Finding, Inventory
from irsa_cli.report.text import aligned

View = Literal["service-account", "role"]
NONE = "-"


class Table(NamedTuple):
    """A table, and what is said below it, each line in its style."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[tuple[str, str]]


def plain(table: Table) -> list[str]:
    """Return a table and what is below it as lines for a pipe."""
    return [*(aligned(table.headings, table.rows) if table.rows else ()), *(text for text, _ in table.lines)]


def table_of(inventory: Inventory, view: View) -> Table:
    """Return an inventory as a table; what has no row is counted in a line."""
    headings, rows, others = _BY[view](inventory)
    if len(inventory.clusters) == 1:
        # One column less to read.
        headings, rows = headings[1:], [row[1:] for row in rows]
    lines = [("", ""), *((each, "dim") for each in others)]
    lines += [(finding_line(each, len(inventory.clusters) > 1), "bold red") for each in inventory.findings]
    lines += [(visible(f"not checked: {each}"), "yellow") for each in inventory.not_checked]
    return Table(headings, rows, [*lines, (summary(inventory), "bold")])


class _Names(NamedTuple):
    """Names for a cell: the first of them, and how many there are."""

    first: list[str]
    count: int

    def add(self, name: str) -> "_Names":
        if len(self.first) < LISTED:
            self.first.append(name)
        return _Names(self.first, self.count + 1)

    def __str__(self) -> str:
        more = f", and {self.count - len(self.first):,} more" if self.count > len(self.first) else ""
        return listed(self.first) + more


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
    admitting: dict[Decision, dict[tuple[str, str], _Names]] = {decision: {} for decision in Decision}
    short = _short((each.role for each in inventory.admissions), inventory)
    for each in inventory.admissions:
        names, role = admitting[each.decision], short[each.role]
        for service_account in each.service_accounts:
            place = each.cluster, service_account
            names[place] = (names.get(place) or _Names([], 0)).add(role)
    rows, others = [], Counter[str]()
    for account in inventory.service_accounts:
        place = account.cluster, f"{account.namespace}/{account.name}"
        found = [str(admitting[each].get(place, "")) for each in (Decision.ALLOWED, Decision.CANNOT_DECIDE)]
        if account.annotated_role or any(found):
            annotated = _short([account.annotated_role], inventory)[account.annotated_role]
            rows.append([named(account.cluster), named(place[1]), named(annotated) if annotated else NONE, *found])
        else:
            others[account.cluster] += 1
    lines = [
        f"{named(cluster)}: {count:,} more service accounts have no annotation, and no role admits them"
        for cluster, count in others.items()
    ]
    return ["cluster", "service account", "annotated with", "may assume", "cannot decide"], rows, lines


def _by_role(inventory: Inventory) -> tuple[list[str], list[list[str]], list[str]]:
    admitted: dict[tuple[str, str], dict[Decision, _Names]] = {}
    for each in inventory.admissions:
        of_role = admitted.setdefault((each.cluster, each.role), {})
        names = of_role.get(each.decision, _Names([], 0))
        room = max(0, LISTED - len(names.first))
        of_role[each.decision] = _Names(
            [*names.first, *each.service_accounts[:room]], names.count + len(each.service_accounts)
        )
    annotated: dict[tuple[str, str], _Names] = {}
    for account in inventory.service_accounts:
        if account.annotated_role:
            place = account.cluster, account.annotated_role
            name = f"{account.namespace}/{account.name}"
            annotated[place] = (annotated.get(place) or _Names([], 0)).add(name)
    by_role: dict[str, list[str]] = {}
    for cluster, role in dict.fromkeys((*admitted, *annotated)):
        by_role.setdefault(role, []).append(cluster)
    known = {each.arn: each for each in inventory.roles}
    short = _short({*by_role, *known}, inventory)
    rows = []
    for role in sorted({*by_role, *known}):
        for cluster in sorted(by_role.get(role, [""])):
            of_role = admitted.get((cluster, role), {})
            cells = [
                named(cluster) if cluster else NONE,
                named(short[role]),
                str(of_role.get(Decision.ALLOWED, "")),
                str(of_role.get(Decision.CANNOT_DECIDE, "")),
                str(annotated.get((cluster, role), "")),
                _last_used(known[role].last_used, known[role].last_used_known) if role in known else "no such role",
            ]
            rows.append(cells)
    lines = []
    for aws_account in inventory.aws_accounts:
        here = sum(f":iam::{aws_account.number}:" in arn for arn in known)
        if aws_account.roles > here:
            count = aws_account.roles - here
            lines.append(f"{aws_account.number}: {count:,} more roles trust no cluster, and no annotation names them")
    return ["cluster", "role", "may be assumed by", "cannot decide", "annotated", "last used"], rows, lines


def _last_used(last_used: str, known: bool) -> str:
    if not known:
        return "not known"
    return last_used.partition("T")[0] or "never"


_BY = {"service-account": _by_service_account, "role": _by_role}


def finding_line(finding: Finding, several_clusters: bool) -> str:
    """Return a finding as one line."""
    about = [named(each) for each in (finding.service_account, finding.role) if each]
    about = about or [named(finding.provider)]
    where = f" in {named(finding.cluster)}" if several_clusters and finding.cluster else ""
    parts = [f"{finding.kind}: {', '.join(about)}{where}: found {finding.found}", f"expected {finding.expected}"]
    parts += [f"fix: {finding.fix}"] if finding.fix else []
    return visible("; ".join(parts))


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
