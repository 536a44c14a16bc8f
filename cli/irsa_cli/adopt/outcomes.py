"""What is added to a stack file, and what became of everything that was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from irsa_cli.adopt.owners import Owner


class Left(Exception):
    """Something that is not adopted, and why."""


class Outcome(StrEnum):
    """What became of a role or a service account that was chosen."""

    EXACT = "exact"
    TIDIED = "tidied"
    IMPORTED = "imported"
    ANNOTATED = "annotated only"
    DECLARED = "declared already"
    LEFT = "left"


class Item(NamedTuple):
    """What became of one of them.

    Attributes:
        outcome: What became of it.
        about: What it is.
        key: Its binding; empty where it has none.
        notes: Why, or how.
        owners: The tools that manage it.
    """

    outcome: Outcome
    about: str
    key: str = ""
    notes: tuple[str, ...] = ()
    owners: tuple[Owner, ...] = ()


@dataclass
class Adoption:
    """What is added to a stack file, and what is said of it.

    Attributes:
        clusters: New clusters by their keys; that of `irsa:cluster` has the key `cluster`.
        several: Whether they are keys of `irsa:clusters`.
        bindings: New bindings by their keys.
        variables: New variables.
        quotas: Quotas that AWS has raised.
        files: The text of policy files, by their names relative to the stack file's folder.
        items: What became of everything that was chosen.
    """

    clusters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    several: bool = False
    bindings: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)

    def say(self, outcome: Outcome, about: str, key: str = "", notes: tuple[str, ...] = (), **more: Any) -> None:
        """Add what became of something: see Item."""
        self.items.append(Item(outcome, about, key, notes, **more))

    def raise_quota(self, name: str, needed: int, present: object) -> None:
        """Raise a quota to what a role uses, unless the file allows that."""
        if isinstance(present, int) and needed > present:
            self.quotas[name] = max(needed, self.quotas.get(name, 0))
