"""What lint rules are given of IAM documents: the policies of a role, and their statements."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from irsa.rules.leaves import leaves
from irsa.rules.mistakes import Place
from irsa.rules.unknown import has_unknown

if TYPE_CHECKING:
    from irsa.evaluation.permissions import Permissions


class Statement(NamedTuple):
    """A statement of a policy document."""

    values: Mapping[str, Any]
    """Its elements, variables replaced, with a marker for what is not known."""
    written: Mapping[str, Any]
    """Its elements as they are in the document."""

    def items(self, element: str) -> Sequence[str]:
        """Return the values of an element that are known."""
        return strings(self.values.get(element))

    def placed(self, element: str) -> Iterator[tuple[Place, str]]:
        """Yield the same with their places in the statement."""
        value = self.values.get(element)
        yield from ((place, item) for place, item in leaves(value, (element,)) if isinstance(item, str))

    def is_known(self, element: str) -> bool:
        """Return whether all values of an element are known."""
        return not has_unknown(self.values.get(element))

    @property
    def allows(self) -> bool:
        """Whether it allows what it names."""
        return bool(self.values.get("Effect") == "Allow")


class Policies:
    """The documents of one role, which decide together.

    A Deny statement that is not known whole is not among them, nor is a managed policy that is attached by its ARN, nor
    a permissions boundary: what can't be seen silences nothing.
    """

    def __init__(self, documents: Sequence[Any], written: Sequence[Any] = ()) -> None:
        found = [
            ((index, *place), statement, document.get("Version"))
            for index, (document, as_written) in enumerate(zip(documents, written or documents, strict=True))
            for place, statement in statements(document, as_written)
            if statement.allows or not has_unknown(statement.values)
        ]
        self.statements = [(place, statement) for place, statement, _ in found]
        """Each with its place, which begins with the index of its document."""
        self.documents = [{"Version": version, "Statement": statement.values} for _, statement, version in found]

    @functools.cached_property
    def permissions(self) -> "Permissions":
        """What they give; its statements have the indexes of `statements`."""
        from irsa.evaluation.permissions import gives  # noqa: PLC0415 (most policies name their resources, and need none)

        return gives(self.documents)

    def give(self, action: str, arns: Sequence[str], index: int) -> bool:
        """Return whether a statement gives an action on every resource of a type, alone or where none does alone."""
        allowing = self.permissions.allowing(action)
        if index not in allowing or self.permissions.limited(index):
            return False
        everywhere = self.permissions.everywhere
        if everywhere(action, arns, [index]):
            return True
        return bool(everywhere(action, arns)) and not any(everywhere(action, arns, [each]) for each in allowing)


def statements(document: Any, written: Any) -> Iterator[tuple[Place, Statement]]:
    """Yield each statement of a document with its place."""
    several = document.get("Statement")
    if isinstance(several, dict):
        yield ("Statement",), Statement(several, written["Statement"])
    for index, each in enumerate(several if isinstance(several, list) else ()):
        if isinstance(each, dict):
            yield ("Statement", index), Statement(each, written["Statement"][index])


def strings(value: Any) -> Sequence[str]:
    """Return the strings of an element that may be one or a list."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
