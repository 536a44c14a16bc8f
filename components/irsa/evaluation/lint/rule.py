"""A lint rule: one function, whose name, docstring and danger are its entry."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Generic, NamedTuple, TypeVar

from irsa.rules.mistakes import Mistake, Place

# Each with its place in what the rule was given.
Warnings = Iterator[tuple[Place, Mistake]]
Judged = TypeVar("Judged")


class Danger(Mistake):
    """A warning that `irsa check` fails by, unless the stack file silences it for the binding, with a reason."""

    def __init__(self, found: str, allowed: str, fix: str) -> None:
        super().__init__(found, allowed, f"{fix}; or silence the rule for this binding, with a reason")


class LintRule(NamedTuple, Generic[Judged]):
    """A rule, which is called with what it judges."""

    warnings: Callable[[Judged], Warnings]
    """Yields its warnings. Its name is the rule's, and its docstring begins with when it warns, in one sentence."""
    danger: str
    """Which of its warnings `irsa check` fails by, in words."""
    judges: type
    """What it is given, as its parameter's annotation says: it runs for each of them."""

    def __call__(self, judged: Judged) -> Warnings:
        """Yield the warnings."""
        return self.warnings(judged)

    @property
    def description(self) -> str:
        """When it warns."""
        sentence = " ".join((self.warnings.__doc__ or "").partition("\n\n")[0].split()).removesuffix(".")
        return sentence[:1].lower() + sentence[1:]


def rule(danger: str = "") -> Callable[[Callable[[Judged], Warnings]], LintRule[Judged]]:
    """Make a function a lint rule; by default, `irsa check` fails by none of its warnings."""
    return lambda warnings: LintRule(warnings, danger, next(iter(warnings.__annotations__.values())))


def rules_of(*modules: ModuleType) -> dict[str, LintRule[Any]]:
    """Return the rules of modules by their names, in the order in which they stand there."""
    found = (each for module in modules for each in vars(module).values() if isinstance(each, LintRule))
    return {each.warnings.__name__.replace("_", "-"): each for each in found}
