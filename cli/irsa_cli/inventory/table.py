"""An inventory as text: a message for each finding, then a table of service accounts."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from irsa.evaluation import Decision
from irsa.rules.mistakes import LISTED, listed, named
from irsa_cli.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_cli.inventory.chains import Steps
from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.findings.kinds import FAMILIES
from irsa_cli.inventory.output import NOT_READ, InventoriedAssociation, InventoriedServiceAccount, Inventory
from irsa_cli.report.message import Message, first_few
from irsa_cli.report.text import VERDICTS, Answer, counted

NONE = "-"
DECISIONS = (Decision.ALLOWED, Decision.CANNOT_DECIDE)
ADMITTED = ("may assume", "cannot decide")
THEN = ("then", "then, cannot decide")
OF_GUARDS = "docs/permissions/kubernetes-verify-guard.yaml"
# Between the role of an association and its target role.
TARGET = " -> "


class Table(NamedTuple):
    """Who has to do with a role.

    Attributes:
        headings: Those of the columns in which there is something; a single cluster has none.
        rows: The service accounts, each with its cells.
        others: How many service accounts have no row, and what was not read, each as one line.
    """

    headings: list[str]
    rows: list[tuple[InventoriedServiceAccount, list[str]]]
    others: list[str]


class Alike(NamedTuple):
    """Findings that say the same, and what each of them is about."""

    kind: str
    found: str
    expected: str
    fix: str
    names: list[str]


def answer_of(inventory: Inventory) -> Answer:
    """Return what is printed of an inventory; what has no row is counted below the table."""
    headings, rows, others = table_of(inventory)
    return Answer(
        summary(inventory),
        VERDICTS[FINDINGS if inventory.findings else COULD_NOT_LOOK if inventory.not_checked else GOOD],
        [*_messages(inventory), *((Message(f"not checked: {each}"), "yellow") for each in inventory.not_checked)],
        headings,
        [cells for _, cells in rows],
        [(Message(each), "dim") for each in (*others, inventory.left_out, read(inventory)) if each],
    )


def _cell(groups: Iterable[Sequence[str]]) -> str:
    """Return the first names of sorted groups for a cell, and how many more there are."""
    groups = list(groups)
    first = list(itertools.islice(heapq.merge(*groups), LISTED))
    more = sum(map(len, groups)) - len(first)
    return listed(first) + (f", and {more:,} more" if more else "")


def _short(arns: Iterable[str], inventory: Inventory) -> dict[str, str]:
    """Return roles as they are named in a cell: without what all of them have in common in one AWS account."""
    if len(inventory.aws_accounts) != 1:
        return {arn: arn for arn in arns}
    return {arn: arn.partition(f":iam::{inventory.aws_accounts[0].number}:role/")[2] or arn for arn in arns}


def table_of(inventory: Inventory) -> Table:
    """Return who has a row, and who is counted."""
    tagged = {each.id for each in inventory.associations if each.session_tags}
    steps = Steps(inventory.chains)
    of_tagged = Steps(inventory.chains, tagged=True) if tagged else steps
    in_turn: dict[tuple[str, str], dict[str, Decision]] = {}
    for each in inventory.admissions:
        of_each = of_tagged if each.association in tagged else steps
        for arn, decision in of_each.reached(each.role).items():
            for name in each.service_accounts:
                of_name = in_turn.setdefault((each.cluster, name), {})
                certain = decision is each.decision is Decision.ALLOWED
                of_name[arn] = Decision.ALLOWED if certain else of_name.get(arn, Decision.CANNOT_DECIDE)
    chained = {arn for each in inventory.chains for arn in (each.role, each.assumes)}
    associated = {(each.cluster, each.service_account): each for each in inventory.associations}
    further = {arn for each in inventory.associations for arn in (each.role, each.target_role)}
    short = _short(chained | further | {each.role for each in inventory.admissions}, inventory)
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
    not_read = {(each.cluster, each.service_account) for each in inventory.findings if each.kind == "unseen-account"}
    rows: list[tuple[InventoriedServiceAccount, list[str]]] = []
    others = Counter[str]()
    for service_account in inventory.service_accounts:
        name = f"{service_account.namespace}/{service_account.name}"
        found = [_cell(admitting.get((each, service_account.cluster, name), ())) for each in DECISIONS]
        if (service_account.cluster, name) in not_read:
            found[0] = ", ".join(filter(None, (found[0], NOT_READ)))
        association = associated.get((service_account.cluster, name))
        if service_account.annotated_role or association or any(found):
            annotated = _short([service_account.annotated_role], inventory)[service_account.annotated_role]
            then = _then(in_turn.get((service_account.cluster, name), {}), short)
            place = [named(service_account.cluster), named(name), named(annotated) if annotated else NONE]
            guard = "" if service_account.guard == NOT_READ else service_account.guard
            rows.append((service_account, [*place, _associated(association, short), *found, *then, guard]))
        else:
            others[service_account.cluster] += 1
    what = "other service accounts, which have no annotation and which no role trusts"
    lines = [f"{named(cluster)}: {what}: {count:,}" for cluster, count in others.items()]
    unread = {each.cluster for each in inventory.service_accounts if each.guard == NOT_READ}
    lines += [f"{named(each)}: guards were not read: {OF_GUARDS} allows it" for each in sorted(unread)]
    headings = ["cluster", "service account", "annotated with", "associated with", *ADMITTED, *THEN, "guard"]
    # Fewer columns to read: that of a single cluster, and those in which nobody has anything.
    first = 1 if len(inventory.clusters) == 1 else 0
    columns = [n for n in range(first, len(headings)) if any(cells[n] not in ("", NONE) for _, cells in rows)]
    return Table([headings[n] for n in columns], [(each, [cells[n] for n in columns]) for each, cells in rows], lines)


def _associated(association: InventoriedAssociation | None, short: Mapping[str, str]) -> str:
    """Return the cell with the role of an association, and its target role."""
    arns = (association.role, association.target_role) if association else ()
    return TARGET.join(named(short[arn]) for arn in arns if arn)


def _then(in_turn: Mapping[str, Decision], short: Mapping[str, str]) -> list[str]:
    """Return the cells with the roles that those of a service account may assume in turn."""
    cells = ([short[arn] for arn, each in in_turn.items() if each is wanted] for wanted in DECISIONS)
    return [_cell([sorted(each)]) if each else "" for each in cells]


def _messages(inventory: Inventory) -> Iterator[tuple[Message, str]]:
    """Yield the heading of each family of findings and a message for each; those that say the same share one."""
    for family, those in itertools.groupby(alike(inventory), lambda each: KINDS[each.kind].family):
        messages = [*those]
        yield Message(f"{FAMILIES[family]}: {counted(sum(len(each.names) for each in messages), 'finding')}"), "bold"
        for kind, found, expected, fix, names in messages:
            several = len(names) > 1
            heading = f"{kind}: {counted(len(names), 'finding') if several else names[0]}"
            where = [("where", each) for each in first_few(names)] if several else []
            yield Message(heading, [*where, ("found", found), ("expected", expected)], fix), "bold red"


def alike(inventory: Inventory) -> list[Alike]:
    """Return the findings in their order; those that say the same are one."""
    names: dict[tuple[str, str, str, str], list[str]] = {}
    for each in inventory.findings:
        about = [named(name) for name in (each.service_account, each.role) if name] or [named(each.provider)]
        cluster = f" in {named(each.cluster)}" if len(inventory.clusters) > 1 and each.cluster else ""
        texts = each.kind, each.found, each.expected, each.fix
        names.setdefault(texts, []).append(", ".join(about) + cluster)
    return [Alike(*texts, those) for texts, those in names.items()]


def summary(inventory: Inventory) -> str:
    """Return the first line: the findings by family, the worst first, and how many may assume a role."""
    families = Counter(KINDS[each.kind].family for each in inventory.findings)
    parts = ", ".join(f"{families[key]:,} {title.lower()}" for key, title in FAMILIES.items() if families[key])
    findings = f"{counted(len(inventory.findings), 'finding')}, worst first: {parts}" if parts else "no findings"
    groups = {
        (each.cluster, *each.service_accounts) for each in inventory.admissions if each.decision is Decision.ALLOWED
    }
    able = len({(cluster, name) for cluster, *names in groups for name in names})
    unknown = [f"{len(inventory.not_checked):,} not checked"] if inventory.not_checked else []
    everybody = f"{able:,} of {counted(len(inventory.service_accounts), 'service account')} may assume a role"
    return "; ".join([findings, *unknown, everybody])


def read(inventory: Inventory) -> str:
    """Return how much was read."""
    counts = {
        "cluster": len(inventory.clusters),
        "AWS account": len(inventory.aws_accounts),
        "role": sum(each.roles for each in inventory.aws_accounts),
    }
    return f"read: {', '.join(counted(count, what) for what, count in counts.items())}"
