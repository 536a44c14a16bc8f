"""An inventory as CSV: a row for each service account and role that have to do with each other."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import TextIO

from irsa.evaluation import Decision
from irsa.rules.mistakes import visible
from irsa_cli.inventory.output import Inventory

HEADINGS = (
    "cluster",
    "namespace",
    "name",
    "role",
    "annotated",
    "decision",
    "audiences",
    "managed",
    "reason",
    "associated",
    "guard",
)
# What is said of an annotated role that does not admit the service account, by the kind of finding that says why.
REFUSALS = {"not-admitted": "not admitted", "misspelled-subject": "not admitted", "missing-role": "no such role"}
OF_ASSOCIATIONS = {Decision.DENIED: "not admitted", Decision.CANNOT_DECIDE: Decision.CANNOT_DECIDE.value}
NOT_KNOWN = "not known"
# With these a cell would be a formula, also after what a spreadsheet may take for the end of a cell:
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = re.compile("(^|[;,\t\r\n])(?=[=+@\t\r\uff1d\uff0b\uff0d\uff20-])")


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
    refused = {
        (each.cluster, each.service_account, each.role): (REFUSALS[each.kind], each.found)
        for each in inventory.findings
        if each.kind in REFUSALS
    }
    associated = {
        (each.cluster, each.service_account): (each.target_role or each.role, each) for each in inventory.associations
    }
    for service_account in inventory.service_accounts:
        name = f"{service_account.namespace}/{service_account.name}"
        found = admitting.get((service_account.cluster, name), [])
        place = _cells(service_account.cluster, service_account.namespace, service_account.name)
        managed, guard = "yes" if service_account.managed else "no", service_account.guard or "none"
        annotated_role = service_account.annotated_role
        associated_role, association = associated.get((service_account.cluster, name), ("", None))
        by_association = "yes" if association and association.managed else "no"
        for role, (role_cell, decision, audiences, reason) in found:
            annotated, is_managed = ("yes", managed) if role == annotated_role else ("no", "no")
            is_managed = by_association if role == associated_role and is_managed == "no" else is_managed
            last = "yes" if role == associated_role else "no"
            yield *place, role_cell, annotated, decision, audiences, is_managed, reason, last, guard
        roles = {role for role, _ in found}
        if annotated_role and annotated_role not in roles:
            decision, reason = refused.get((service_account.cluster, name, annotated_role), (NOT_KNOWN, ""))
            last = "yes" if annotated_role == associated_role else "no"
            yield *place, *_cells(annotated_role), "yes", decision, "", managed, *_cells(reason), last, guard
        if association and associated_role not in {*roles, annotated_role}:
            decision = OF_ASSOCIATIONS.get(association.decision, NOT_KNOWN)
            yield (
                *place,
                *_cells(associated_role),
                "no",
                decision,
                "",
                by_association,
                *_cells(association.reason),
                "yes",
                guard,
            )
        if not (roles or annotated_role or association):
            yield *place, "", "no", "", "", "no", "", "no", guard


def _cells(*values: str) -> Sequence[str]:
    """Return values as cells of which none is a formula, and none drives a terminal."""
    return tuple(visible(FORMULA.sub(r"\1'", each)) for each in values)
