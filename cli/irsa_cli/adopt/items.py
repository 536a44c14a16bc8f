"""What is added to a stack file, and what became of everything that was chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from irsa.rules.mistakes import Mistake, named
from irsa_cli.adopt.owners import Owner


class Left(Mistake):
    """Why something is not adopted."""

    def __init__(self, found: str) -> None:
        super().__init__(found, "", "")


class Present(Left):
    """Something is declared already: in a binding, by its key, or elsewhere, as the text says."""

    def __init__(self, key: str = "", where: str = "") -> None:
        super().__init__(where or f"binding {named(key)} declares it")
        self.key = key


class Outcome(Enum):
    """What became of a role or a service account that was chosen: its style in the report, and its heading there."""

    EXACT = "green", "roles, exact: imported without a change"
    REWRITTEN = "yellow", "roles, rewritten: imported, and the trust policy is rewritten; the same have access"
    IMPORTED = "green", "service accounts, imported: `pulumi up` may show an update of them, which changes nothing"
    ANNOTATED = "yellow", "service accounts, annotated only: not imported; the annotation that they have is declared"
    DECLARED = "dim", "declared already: nothing to do"
    SKIPPED = "bold red", "skipped: not adopted, for the reason in each line"


class Item(NamedTuple):
    """What became of one of them: its binding, empty where it has none; why, or how; and the tools that manage it."""

    outcome: Outcome
    about: str
    key: str = ""
    notes: Sequence[str] = ()
    owners: Sequence[Owner] = ()


class Binding(NamedTuple):
    """A new binding: names for its key, the best first, and what is in it."""

    names: Sequence[str]
    settings: Mapping[str, Any]
    items: Sequence[Item]


@dataclass(frozen=True)
class Adoption:
    """What is added to a stack file, by the names of its settings, and what is said of it."""

    additions: Mapping[str, Mapping[str, Any]]
    items: Sequence[Item]

    @property
    def bindings(self) -> Mapping[str, Any]:
        """The new bindings by their keys."""
        return self.additions["bindings"]
