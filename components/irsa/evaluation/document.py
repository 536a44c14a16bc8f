"""A trust policy as IAM reads it: its statements, or why IAM would refuse it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from irsa.evaluation.answers import DOCUMENTATION
from irsa.evaluation.patterns import matches
from irsa.rules.grammar import DEFAULT_VERSION, document_mistakes, split_operator
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, Place, path_of, shortened
from irsa.rules.policies import parse_object


class TrustDocumentError(Mistake):
    """A document that IAM would not accept as a trust policy; `place` says where, such as `Statement[0].Effect`."""

    def __init__(self, place: Place, mistake: Mistake) -> None:
        self.place = path_of(place)
        rule = "not-principal" if place[-1:] == ("NotPrincipal",) else "grammar"
        found, fix = f"{self.place}: {mistake.found}", f"{mistake.fix}; see {DOCUMENTATION[rule]}"
        super().__init__(*((found, mistake.allowed, fix) if place else (mistake.found, mistake.allowed, mistake.fix)))


class Condition(NamedTuple):
    """One key of a condition block, with its values, of which one must match."""

    operator: str
    key: str
    wanted: tuple[str, ...]

    @property
    def comparison(self) -> str:
        """How a string is compared with each value: `Equals`, `EqualsIgnoreCase` or `Like`; empty for no string."""
        operator = split_operator(self.operator)
        name = operator.name if operator else ""
        return name.removeprefix("String").removeprefix("Not") if name.startswith("String") else ""

    @property
    def negated(self) -> bool:
        """Whether none must match."""
        return "Not" in self.operator


class Statement(NamedTuple):
    """One statement; `action_element` is Action or NotAction, `principals` are types and names."""

    sid: str | None
    effect: Literal["Allow", "Deny"]
    principals: tuple[tuple[str, str], ...]
    action_element: Literal["Action", "NotAction"]
    actions: tuple[str, ...]
    conditions: tuple[Condition, ...]

    def covers(self, action: str) -> bool:
        """Return whether it is about an action. IAM ignores letter case in both the service's prefix and the name."""
        is_listed = any(matches(action.lower(), each.lower()) for each in self.actions)
        return is_listed == (self.action_element == "Action")


# The version of a trust policy, and its statements.
Parsed = tuple[str, Sequence[Statement]]


def parse(document: str | Mapping[str, Any]) -> tuple[str, list[Statement]]:
    """Return the version and the statements of a trust policy that is live, or was.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    try:
        read = parse_object(document) if isinstance(document, str) else document
    except Mistake as not_json:
        raise TrustDocumentError((), not_json) from not_json
    if not isinstance(read, Mapping):
        raise TrustDocumentError((), Mistake(shortened(read), "a JSON object", ""))
    for place, mistake in document_mistakes(read, live_trust=True):
        raise TrustDocumentError(place, mistake)
    return str(read.get("Version", DEFAULT_VERSION)), [statement_of(each) for each in items_of(read["Statement"])]


def statement_of(value: Mapping[str, Any]) -> Statement:
    """Return a statement that IAM accepts."""
    principal = {"*": "*"} if value["Principal"] == "*" else value["Principal"]
    action_element: Literal["Action", "NotAction"] = "Action" if "Action" in value else "NotAction"
    return Statement(
        value.get("Sid"),
        value["Effect"],
        tuple((type_, name) for type_, names in principal.items() for name in items_of(names)),
        action_element,
        tuple(items_of(value[action_element])),
        tuple(conditions_of(value)),
    )


def conditions_of(statement: Mapping[str, Any]) -> Iterator[Condition]:
    """Yield the conditions of a statement that IAM accepts."""
    for operator, keys in statement.get("Condition", {}).items():
        yield from (Condition(operator, key, tuple(map(_text, items_of(values)))) for key, values in keys.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
