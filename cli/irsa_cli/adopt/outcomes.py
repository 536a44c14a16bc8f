"""What is added to a stack file, and what became of everything that was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from irsa.rules.mistakes import Mistake
from irsa_cli.adopt.owners import Owner


class Left(Mistake):
    """Why something is not adopted."""

    def __init__(self, found: str) -> None:
        super().__init__(found, "", "")


class Present(Left):
    """Something is declared already: in a binding, by its key, or elsewhere, as the text says."""

    def __init__(self, key: str = "", where: str = "") -> None:
        super().__init__(where)
        self.key = key


class Outcome(Enum):
    """What became of a role or a service account that was chosen: its style in the report, and its heading there."""

    EXACT = "green", "roles, exact: imported, and nothing of them changes"
    REWRITTEN = "yellow", "roles, rewritten: imported, and the trust policy is rewritten; the same have access"
    IMPORTED = "green", "service accounts, imported: an update that `pulumi up` may show changes nothing of them"
    ANNOTATED = "yellow", "service accounts, annotated only: not imported; the annotation that they have is declared"
    DECLARED = "dim", "declared already: nothing to do"
    SKIPPED = "bold red", "skipped: not adopted, for the reason in each line"


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
        items: What became of everything that was chosen.
    """

    clusters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    several: bool = False
    bindings: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)

    def say(self, outcome: Outcome, about: str, key: str = "", notes: tuple[str, ...] = (), **more: Any) -> None:
        """Add what became of something: see Item."""
        self.items.append(Item(outcome, about, key, notes, **more))
