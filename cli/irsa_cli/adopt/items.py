"""What is chosen, what is added to a stack file, and what became of everything that was chosen."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, NamedTuple

from irsa.evaluation.patterns import matches
from irsa.rules.arns import Arn
from irsa.rules.mistakes import Mistake, named
from irsa_cli.adopt.owners import Owner
from irsa_world.model import Role, ServiceAccount
from irsa_world.sessions import Associated


class Left(Mistake):
    """Why something is not adopted."""

    def __init__(self, found: str) -> None:
        super().__init__(found, "", "")


class Present(Left):
    """Something is declared already: in a binding, by its key, or elsewhere, as the text says."""

    def __init__(self, key: str = "", where: str = "") -> None:
        super().__init__(where or f"binding {named(key)} declares it")
        self.key = key


class Fate(Enum):
    """What became of a role or a service account that was chosen: its style in the report, and its heading there."""

    EXACT = "green", "roles, exact: imported without a change"
    REWRITTEN = "yellow", "roles, rewritten: imported, with a trust policy in another spelling that admits the same"
    IMPORTED = "green", "service accounts, imported: `pulumi up` may show an update of them, which changes nothing"
    ANNOTATED = (
        "yellow",
        "service accounts, annotated only: not imported; only their annotation is declared",
    )
    DECLARED = "dim", "declared already: nothing to do"
    SKIPPED = "bold red", "skipped: not adopted, for the reason in each line"


class Item(NamedTuple):
    """What became of one of them: its binding, empty where it has none; why, or how; and the tools that manage it."""

    fate: Fate
    about: str
    key: str = ""
    notes: Sequence[str] = ()
    owners: Sequence[Owner] = ()


class AdoptedBinding(NamedTuple):
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


class Candidate(NamedTuple):
    """A role that may be chosen, None where it was not read, and its service accounts with their associations."""

    role_arn: str
    role: Role | None
    service_accounts: Mapping[ServiceAccount, Associated | None]


@dataclass(frozen=True)
class Choice:
    """What is adopted. Of one kind, any must hold; of different kinds, all must; a kind with nothing always holds.

    In names, `*` stands for any text and `?` for one character, as in a trust policy. Service accounts are
    `namespace/name`, roles names or ARNs, and tags keys and values of tags of the roles.
    """

    namespaces: Collection[str] = ()
    service_accounts: Collection[str] = ()
    roles: Collection[str] = ()
    tags: Collection[tuple[str, str]] = ()

    def has(self, candidate: Candidate) -> bool:
        """Return whether a role is chosen, with some of its service accounts or by itself."""
        arn, tags = candidate.role_arn, candidate.role.tags if candidate.role else {}
        if self.roles and not (_matches_one(self.roles, arn) or _matches_one(self.roles, Arn.name_in(arn))):
            return False
        if self.tags and not any(tags.get(key) == value for key, value in self.tags):
            return False
        by_itself = not self.namespaces and not self.service_accounts
        return by_itself or any(map(self.has_service_account, candidate.service_accounts))

    def has_service_account(self, service_account: ServiceAccount) -> bool:
        """Return whether a service account is chosen, as far as that depends on itself."""
        if self.namespaces and not _matches_one(self.namespaces, service_account.namespace):
            return False
        return not self.service_accounts or _matches_one(self.service_accounts, str(service_account))

    def without_effect(self, candidates: Collection[Candidate]) -> Iterator[str]:
        """Yield each option by which none of the candidates is chosen, as it was written."""
        for field in fields(self):
            for value in dict.fromkeys(getattr(self, field.name)):
                if not any(map(replace(self, **{field.name: [value]}).has, candidates)):
                    text = "=".join(value) if isinstance(value, tuple) else value
                    yield f"--{field.name.removesuffix('s').replace('_', '-')} {text}"


def _matches_one(patterns: Iterable[str], text: str) -> bool:
    return any(matches(text, each) for each in patterns)
