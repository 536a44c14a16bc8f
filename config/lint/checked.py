"""What lint rules are given: a stack, its documents and their statements."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from config.models import Binding, Stack
from config.policy_sources import PolicySources
from config.quota_use import PlacedUsage
from config.trust_policies import JudgedTrust
from config.variables import CheckVariables
from irsa.rules.mistakes import Mistake, Place

# Each with its place in the settings, or in the statement.
Warnings = Iterator[tuple[Place, Mistake]]


class CheckedStack(NamedTuple):
    """The part of a stack file without mistakes, and what the rules need besides the bindings."""

    stack: Stack
    """The settings, with `irsa:defaults` merged into the bindings."""
    settings: Mapping[str, Any]
    """The settings as they are in the file."""
    complete: bool
    """Whether that part is the whole file."""
    used_variables: Set[str]
    """Names of the variables that documents and ARNs of the whole file use."""
    sources: PolicySources
    variables: CheckVariables
    quota_usages: Mapping[str, Sequence[PlacedUsage]]
    """By binding, for those whose documents have no mistake."""
    trusts: Mapping[str, JudgedTrust]
    """By binding, for those with statements of their own."""


class Statement(NamedTuple):
    """A statement of a policy document."""

    values: Mapping[str, Any]
    """Its elements, variables replaced by sample values."""
    written: Mapping[str, Any]
    """Its elements as they are in the document."""

    def items(self, element: str) -> Sequence[Any]:
        """Return the values of an element."""
        return items(self.values.get(element))

    @property
    def allows(self) -> bool:
        """Whether it allows what it names."""
        return bool(self.values.get("Effect") == "Allow")

    def place_of(self, element: str, index: int) -> Place:
        """Return the place of one of those values."""
        return (element, index) if isinstance(self.values.get(element), list) else (element,)


def documents(key: str, binding: Binding) -> Iterator[tuple[Place, Any]]:
    """Yield the documents of a binding's policies, each with the policy's place."""
    place: Place = ("bindings", key)
    if binding.policy and binding.policy.document:
        yield (*place, "policy"), binding.policy.document
    for name, source in binding.inline_policies.items():
        if source.document:
            yield (*place, "inlinePolicies", name), source.document


def statements(document: Any, sources: PolicySources) -> Iterator[tuple[Place, Statement]]:
    """Yield each statement of a document with its place."""
    written = document.get("Statement")
    if isinstance(written, dict):
        yield ("Statement",), Statement(sources.with_samples(written), written)
    for index, each in enumerate(written if isinstance(written, list) else ()):
        yield ("Statement", index), Statement(sources.with_samples(each), each)


def items(value: Any) -> Sequence[Any]:
    """Return the values of an element that may be one or a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
