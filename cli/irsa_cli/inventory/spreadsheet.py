"""An inventory as CSV: a row for each service account and role that have to do with each other."""

import csv
from collections.abc import Iterator, Sequence
from typing import TextIO

from irsa.rules.mistakes import visible
from irsa_cli.inventory.output import Inventory

HEADINGS = ("cluster", "namespace", "name", "role", "annotated", "decision", "audiences", "managed", "reason")
REFUSED = "not admitted"
# With these a cell would be a formula: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(inventory: Inventory, file: TextIO) -> None:
    """Write a heading and a row for each service account and role, and for each account without any role."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows(_rows(inventory))


def _rows(inventory: Inventory) -> Iterator[Sequence[str]]:
    admitting: dict[tuple[str, str], list[tuple[str, Sequence[str]]]] = {}
    for each in inventory.admissions:
        cells = _cells(each.role, each.decision.value, " ".join(each.audiences), each.reason)
        for name in each.service_accounts:
            admitting.setdefault((each.cluster, name), []).append((each.role, cells))
    for service_account in inventory.service_accounts:
        found = admitting.get((service_account.cluster, f"{service_account.namespace}/{service_account.name}"), [])
        place = _cells(service_account.cluster, service_account.namespace, service_account.name)
        managed = "yes" if service_account.managed else "no"
        for role, (role_cell, decision, audiences, reason) in found:
            annotated = role == service_account.annotated_role
            flags = ("yes", managed) if annotated else ("no", "no")
            yield *place, role_cell, flags[0], decision, audiences, flags[1], reason
        if service_account.annotated_role and service_account.annotated_role not in {role for role, _ in found}:
            yield *place, *_cells(service_account.annotated_role), "yes", REFUSED, "", managed, ""
        elif not found:
            yield *place, "", "no", "", "", "no", ""


def _cells(*values: str) -> Sequence[str]:
    """Return values as cells of which none is a formula, and none drives a terminal."""
    return tuple(visible(f"'{each}" if each.startswith(FORMULA) else each) for each in values)
