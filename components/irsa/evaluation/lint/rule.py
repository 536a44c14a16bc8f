"""A lint rule, which is one function with its entry, and what it is given of IAM documents."""

import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from irsa.rules.leaves import items_of, leaves, list_of, strings_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.unknown import has_unknown

if TYPE_CHECKING:
    from irsa.evaluation.permissions import Permissions

# Each with its place in what the rule was given.
Warnings = Iterator[tuple[Place, Mistake]]


class Danger(Mistake):
    """A warning that `irsa check` fails by, unless the stack file silences it for the binding, with a reason."""

    def __init__(self, found: str, allowed: str, fix: str) -> None:
        super().__init__(found, allowed, f"{fix}; or silence the rule for this binding, with a reason")


class LintRule(NamedTuple):
    """A rule, which is called with what it judges."""

    warnings: Callable[[Any], Warnings]
    """Yields its warnings. Its name is the rule's. Its docstring has when it warns, in one sentence; then why; and keys
    of a binding or of a stack file that it warns of, below `Bad:`, and that it does not, below `Good:`."""
    danger: str
    """Which of its warnings `irsa check` fails by, in words."""
    judges: type
    """What it is given, as its parameter's annotation says: it runs for each of them."""

    def __call__(self, judged: Any) -> Warnings:
        """Yield the warnings."""
        return self.warnings(judged)

    @property
    def description(self) -> str:
        """When it warns."""
        sentence = " ".join(self._sections[0].partition("\n\n")[0].split()).removesuffix(".")
        return sentence[:1].lower() + sentence[1:]

    @property
    def why(self) -> str:
        """Why it warns, and the source of that."""
        return " ".join(self._sections[0].partition("\n\n")[2].split())

    @property
    def examples(self) -> Sequence[str]:
        """What it warns of, and what it does not, as YAML."""
        return self._sections[1:]

    @property
    def _sections(self) -> Sequence[str]:
        found = re.split(r"\n(?:Bad|Good):\n", inspect.cleandoc(self.warnings.__doc__ or ""))
        return [textwrap.dedent(each).strip() for each in found]


def rule(danger: str = "") -> Callable[[Callable[[Any], Warnings]], LintRule]:
    """Make a function a lint rule; by default, `irsa check` fails by none of its warnings."""
    return lambda warnings: LintRule(warnings, danger, next(iter(warnings.__annotations__.values())))


def rules_of(*modules: ModuleType) -> dict[str, LintRule]:
    """Return the rules of modules by their names, in the order in which they stand there."""
    found = (each for module in modules for each in vars(module).values() if isinstance(each, LintRule))
    return {each.warnings.__name__.replace("_", "-"): each for each in found}


class PolicyStatement(NamedTuple):
    """A statement of a policy document."""

    values: Mapping[str, Any]
    """Its elements, variables replaced, with a marker for what is not known."""
    written: Mapping[str, Any]
    """Its elements as they are in the document."""

    def items(self, element: str) -> Sequence[str]:
        """Return the values of an element that are known."""
        return strings_of(items_of(self.values.get(element)))

    def as_written(self, element: str) -> Sequence[str]:
        """Return them as they are in the document."""
        return strings_of(items_of(self.written.get(element)))

    def placed(self, element: str) -> Iterator[tuple[Place, str]]:
        """Yield the same with their places in the statement."""
        value = self.values.get(element)
        yield from ((place, item) for place, item in leaves(value, (element,)) if isinstance(item, str))

    @property
    def allows(self) -> bool:
        """Whether it allows what it names."""
        return bool(self.values.get("Effect") == "Allow")


class Policies:
    """The documents of one role, which decide together.

    A Deny statement that is not known whole is not among them, nor is a managed policy that is attached by its ARN, nor
    a permissions boundary: what can't be seen silences nothing. Nor is a Deny that a condition limits to those whom it
    names: nobody may be.
    """

    def __init__(self, documents: Sequence[Any], written: Sequence[Any] = ()) -> None:
        found = [
            ((index, *place), statement, document.get("Version"))
            for index, (document, as_written) in enumerate(zip(documents, written or documents, strict=True))
            for place, statement in statements(document, as_written)
            if statement.allows or not (has_unknown(statement.values) or _is_for_some(statement.values))
        ]
        self.statements = [(place, statement) for place, statement, _ in found]
        """Each with its place, which begins with the index of its document."""
        self.documents = [{"Version": version, "Statement": statement.values} for _, statement, version in found]

    @functools.cached_property
    def permissions(self) -> "Permissions":
        """What they give; its statements have the indexes of `statements`."""
        from irsa.evaluation.permissions import gives  # noqa: PLC0415 (most policies name their resources, and need none)

        return gives(self.documents)


def _is_for_some(values: Mapping[str, Any]) -> bool:
    """Return whether a condition names whom a statement is for, not whom it leaves out."""
    return not all("Not" in operator for operator in values.get("Condition") or ())


def statements(document: Any, written: Any) -> Iterator[tuple[Place, PolicyStatement]]:
    """Yield each statement of a document with its place."""
    several = document.get("Statement")
    if isinstance(several, dict):
        yield ("Statement",), PolicyStatement(several, written["Statement"])
    for index, each in enumerate(list_of(several)):
        if isinstance(each, dict):
            yield ("Statement", index), PolicyStatement(each, written["Statement"][index])
