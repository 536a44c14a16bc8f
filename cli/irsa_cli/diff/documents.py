"""A unified diff of two policy documents in their normal form. Pure."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from irsa.evaluation import short_key
from irsa.evaluation.normal_form import Document, normal
from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import Mistake

ORDER = ("Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
Sign = Literal["-", "+", " "]
SIGNS: tuple[Sign, Sign] = ("-", "+")
BOTH: Sign = " "
PLACES = {element: place for place, element in enumerate(ORDER)}


@dataclass(frozen=True)
class Line:
    """A line of a document: whether it is only there before (`-`), only afterwards (`+`), or at both times."""

    sign: Sign
    text: str


def document_diff(before: Document | None, after: Document | None) -> list[Line] | None:
    """Return the lines that differ, and those beside them; None for what is no document.

    Of the statements, those are compared that only one side has; in a line of its own is each of their values.
    """
    # Where IAM ignores case, the first spelling is used for all.
    spelling: dict[str, str] = {}
    try:
        forms = [None if each is None else normal(each, spelling) for each in (before, after)]
    except (Mistake, RecursionError):
        return None
    old, new = (dict(zip(each.texts, each.statements, strict=True)) if each else {} for each in forms)
    both = [_differing(old, new), _differing(new, old)]
    # Such as a principal of nothing: no line of theirs differs, and yet they do.
    both = [[*old], [*new]] if both[0] == both[1] and old.keys() != new.keys() else both
    if all(forms) and len({each.version for each in forms if each}) > 1:
        both = [[f"Version: {each.version}", *lines] for each, lines in zip(forms, both, strict=True) if each]
    if not all(both):
        return [Line(sign, each) for sign, lines in zip(SIGNS, both, strict=True) for each in lines]
    diff = difflib.unified_diff(both[0], both[1], n=max(map(len, both)), lineterm="")
    # Three lines are about the files.
    return [Line(next(sign for sign in (*SIGNS, BOTH) if sign == each[0]), each[1:]) for each in [*diff][3:]]


def _differing(statements: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    return [line for text, each in statements.items() if text not in others for line in _lines(each)]


def _lines(statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values of a statement: its effect, and within that the others."""
    yield str(statement.get("Effect"))
    for element, value in sorted(statement.items(), key=lambda each: PLACES.get(each[0], len(PLACES))):
        if element == "Condition":
            yield from (f"  Condition {each}" for each in sorted(_conditions(value, _issuer(statement))))
        elif isinstance(value, Mapping):
            yield from (f"  {element} {type_}: {each}" for type_, names in value.items() for each in names)
        elif element != "Effect":
            yield from (f"  {element}: {each}" for each in (value if isinstance(value, list) else [value]))


def _conditions(conditions: Mapping[str, Mapping[str, Sequence[str]]], issuer: str) -> Iterable[str]:
    for operator, keys in conditions.items():
        for key, values in keys.items():
            claim = short_key(key, issuer)
            name = claim if claim in {"aud", "sub"} else key
            yield from (f"{operator} {name}: {each}" for each in values or [json.dumps(values)])


def _issuer(statement: Mapping[str, Any]) -> str:
    """Return the issuer of the statement's only OIDC provider; empty without one."""
    principal = statement.get("Principal")
    names = [name for of_type in principal.values() for name in of_type] if isinstance(principal, Mapping) else []
    try:
        return issuer_of_provider(names[0]) if len(names) == 1 else ""
    except Mistake:
        return ""
