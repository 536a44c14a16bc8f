"""An inventory as CSV: a row for each service account and role that have to do with each other."""

import csv
from collections.abc import Iterable, Iterator
from typing import TextIO

from irsa.rules.mistakes import visible
from irsa_cli.inventory.output import Admission, InventoriedServiceAccount, Inventory

HEADINGS = ("cluster", "namespace", "name", "role", "annotated", "decision", "audiences", "managed", "reason")
REFUSED = "not admitted"
# With these a cell would be a formula: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(inventory: Inventory, file: TextIO) -> None:
    """Write a heading and a row for each service account and role, and for each account without any role."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows(map(_cells, _rows(inventory)))


def _rows(inventory: Inventory) -> Iterator[list[str]]:
    admitting: dict[tuple[str, str], list[Admission]] = {}
    for each in inventory.admissions:
        for name in each.service_accounts:
            admitting.setdefault((each.cluster, name), []).append(each)
    for account in inventory.service_accounts:
        found = admitting.get((account.cluster, f"{account.namespace}/{account.name}"), [])
        for each in found:
            audiences = " ".join(each.audiences)
            yield _row(account, each.role, each.decision.value, audiences, each.reason)
        if account.annotated_role not in {each.role for each in found}:
            yield _row(account, account.annotated_role, REFUSED if account.annotated_role else "", "", "")


def _row(account: InventoriedServiceAccount, role: str, decision: str, audiences: str, reason: str) -> list[str]:
    annotated = "yes" if role and role == account.annotated_role else "no"
    managed = "yes" if account.managed and annotated == "yes" else "no"
    return [account.cluster, account.namespace, account.name, role, annotated, decision, audiences, managed, reason]


def _cells(row: Iterable[str]) -> list[str]:
    """Return a row in which no cell is a formula, and none drives a terminal."""
    return [visible(f"'{cell}" if cell.startswith(FORMULA) else cell) for cell in row]
