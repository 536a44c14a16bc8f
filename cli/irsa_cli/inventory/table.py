"""An inventory as text: a message for each finding, then a table of service accounts."""

import functools
import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator

from irsa.evaluation import Decision
from irsa.rules.mistakes import LISTED, and_more, named
from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.findings.kinds import FAMILIES
from irsa_cli.inventory.output import NOT_READ, Inventory
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_world.message import Message, first_few
from irsa_world.report.text import VERDICTS, Section, counted

NONE = "-"
DECISIONS = (Decision.ALLOWED, Decision.CANNOT_TELL)
HEADINGS = ("cluster", "service account", "annotated with", "associated with", "may assume", "cannot tell")
OF_CHAINS = ("role", "sts:AssumeRole", "cannot tell")


def sections_of(inventory: Inventory) -> list[Section]:
    """Return what is printed of an inventory; what has no row is counted below the table."""
    # Of a single AWS account, the names of its roles are enough.
    common = f":iam::{next(iter(inventory.aws_accounts))}:role/" if len(inventory.aws_accounts) == 1 else "\n"

    @functools.cache
    def short(arn: str) -> str:
        return arn.partition(common)[2] or arn

    rows, others = _rows(inventory, short)
    chains = _chains(inventory, short)
    # Fewer columns to read: that of a single cluster, and those in which nobody has anything.
    first = 1 if len(inventory.clusters) == 1 else 0
    columns = [n for n in range(first, len(HEADINGS)) if any(row[n] not in ("", NONE) for row in rows)]
    what = "other service accounts, which have no annotation and which no role trusts"
    below = [f"{named(cluster)}: {what}: {count:,}" for cluster, count in others.items()]
    section = Section(
        summary(inventory),
        VERDICTS[FINDINGS if inventory.findings else COULD_NOT_LOOK if inventory.not_checked else GOOD],
        [*_messages(inventory), *(Message(f"not checked: {each}", style="yellow") for each in inventory.not_checked)],
        [HEADINGS[n] for n in columns],
        [[row[n] for n in columns] for row in rows],
        [Message(each, style="dim") for each in (*below, _read(inventory))],
    )
    return [section, *([Section("", "", headings=OF_CHAINS, rows=chains)] if chains else [])]


def _cell(names: Collection[str]) -> str:
    """Return the first names in alphabetical order for a cell, and how many more there are."""
    return ", ".join([*map(named, heapq.nsmallest(LISTED, names)), *and_more(len(names), LISTED)])


def _rows(inventory: Inventory, short: Callable[[str], str]) -> tuple[list[list[str]], Counter[str]]:
    """Return the cells of who has to do with a role, and how many others each cluster has."""
    admitting: dict[tuple[Decision, str, str], set[str]] = {}
    for admission in inventory.admissions:
        decision, cluster, role = admission.decision, admission.cluster, short(admission.role)
        for name in admission.service_accounts:
            admitting.setdefault((decision, cluster, name), set()).add(role)
    not_read = {(each.cluster, each.service_account) for each in inventory.findings if each.kind == "unseen-account"}
    rows, others = list[list[str]](), Counter[str]()
    annotated_roles = inventory.service_accounts.items()
    for key, arn in (((cluster, name), arn) for cluster, those in annotated_roles for name, arn in those.items()):
        found = [_cell(admitting.get((decision, *key), ())) for decision in DECISIONS]
        if key in not_read:
            found[0] = ", ".join(filter(None, (found[0], NOT_READ)))
        associated = inventory.associations.get(key[0], {}).get(key[1], ())
        if arn or associated or any(found):
            annotated = named(short(arn)) if arn else NONE
            by_association = " -> ".join(named(short(each)) for each in associated)
            rows.append([*map(named, key), annotated, by_association, *found])
        else:
            others[key[0]] += 1
    return rows, others


def _chains(inventory: Inventory, short: Callable[[str], str]) -> list[list[str]]:
    """Return the cells of the roles that may assume others."""
    found: dict[str, dict[Decision, list[str]]] = {}
    for each in inventory.chains:
        found.setdefault(each.role, {}).setdefault(each.decision, []).append(short(each.assumes))
    return [
        [named(short(arn)), *(_cell(others.get(decision, ())) for decision in DECISIONS)]
        for arn, others in found.items()
    ]


def _messages(inventory: Inventory) -> Iterator[Message]:
    """Yield the heading of each family of findings and a message for each; those that say the same share one."""
    families: dict[str, dict[tuple[str, str, str, str], list[str]]] = {}
    for each in inventory.findings:
        about = [named(name) for name in (each.service_account, each.role) if name] or [named(each.provider)]
        cluster = f" in {named(each.cluster)}" if len(inventory.clusters) > 1 and each.cluster else ""
        alike = families.setdefault(KINDS[each.kind].family, {})
        alike.setdefault((each.kind, each.found, each.expected, each.fix), []).append(", ".join(about) + cluster)
    for family, messages in families.items():
        yield Message(f"{FAMILIES[family]}: {counted(sum(map(len, messages.values())), 'finding')}", style="bold")
        for (kind, found, expected, fix), names in messages.items():
            several = len(names) > 1
            heading = f"{kind}: {counted(len(names), 'finding') if several else names[0]}"
            where = [("where", each) for each in first_few(names)] if several else []
            yield Message(heading, [*where, ("found", found), ("expected", expected)], fix, "bold red")


def summary(inventory: Inventory) -> str:
    """Return the first line: the findings by family, the worst first, and how many may assume a role."""
    families = Counter(KINDS[each.kind].family for each in inventory.findings)
    parts = ", ".join(f"{title.lower()} ({families[key]:,})" for key, title in FAMILIES.items() if families[key])
    findings = f"{counted(len(inventory.findings), 'finding')}, worst first: {parts}" if parts else "no findings"
    groups = {
        (each.cluster, *each.service_accounts) for each in inventory.admissions if each.decision is Decision.ALLOWED
    }
    able = len({(cluster, name) for cluster, *names in groups for name in names})
    unknown = [f"{len(inventory.not_checked):,} not checked"] if inventory.not_checked else []
    total = sum(map(len, inventory.service_accounts.values()))
    everybody = f"{able:,} of {counted(total, 'service account')} may assume a role"
    return "; ".join([findings, *unknown, everybody])


def _read(inventory: Inventory) -> str:
    """Return how much was read."""
    counts = {
        "cluster": len(inventory.clusters),
        "AWS account": len(inventory.aws_accounts),
        "role": sum(inventory.aws_accounts.values()),
    }
    return f"read: {', '.join(counted(count, what) for what, count in counts.items())}"
