"""Which statements of policy documents differ, and in what. Pure."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from irsa.evaluation import short_key
from irsa.evaluation.normal_form import Document, Normal, normal
from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import is_pattern

_OTHER_OPERATOR = {"StringEquals": "StringLike", "StringLike": "StringEquals"}


@dataclass(frozen=True, order=True)
class Element:
    """One value of a statement.

    Attributes:
        place: Where it stands: `Action`, `Resource`, `Condition StringEquals sub`.
        value: The value.
    """

    place: str
    value: str


@dataclass(frozen=True)
class StatementChange:
    """A statement of a policy document that differs.

    Attributes:
        statement: Its Sid, or its number in the document.
        effect: Allow or Deny.
        change: Whether it is added, removed or changed.
        added: The values that it gets.
        removed: The values that it loses.
    """

    statement: str
    effect: str
    change: Literal["added", "removed", "changed"]
    added: tuple[Element, ...] = ()
    removed: tuple[Element, ...] = ()


class _Statement(NamedTuple):
    label: str
    sid: str
    effect: str
    key: str
    elements: frozenset[Element]


def statement_changes(before: Document | None, after: Document | None) -> list[StatementChange] | None:
    """Return the statements that differ; None for what is not a policy document. Without a document, there are none."""
    # Where IAM ignores case, the first spelling is used for all.
    spelling: dict[str, str] = {}
    try:
        forms = [None if each is None else normal(each, spelling) for each in (before, after)]
    except (Mistake, RecursionError):
        return None
    old, new = map(_statements, forms)
    versions = [(Element("Version", each.version),) for each in forms if each]
    version = [
        StatementChange("", "", "changed", other, one) for one, other in itertools.pairwise(versions) if one != other
    ]
    lost = [each for key, each in old.items() if key not in new]
    got = [each for key, each in new.items() if key not in old]
    return [*version, *_changed(lost, got)]


def _statements(form: Normal | None) -> dict[str, _Statement]:
    found: dict[str, _Statement] = {}
    written = zip(form.sids, form.statements, form.texts, strict=True) if form else ()
    for number, (sid, statement, key) in enumerate(written, 1):
        elements = frozenset(_elements(statement))
        found.setdefault(key, _Statement(sid or str(number), sid, str(statement.get("Effect", "")), key, elements))
    return found


def _elements(statement: Mapping[str, Any]) -> Iterator[Element]:
    issuer = _issuer(statement)
    for element, value in statement.items():
        if element == "Condition":
            for operator, keys in value.items():
                for key, values in keys.items():
                    claim = short_key(key, issuer)
                    place = f"Condition {operator} {claim if claim in {'aud', 'sub'} else key}"
                    yield from (Element(place, each) for each in values or [""])
        elif isinstance(value, Mapping):
            yield from (Element(f"{element} {type_}", each) for type_, names in value.items() for each in names)
        else:
            yield from (Element(element, each) for each in (value if isinstance(value, list) else [value]))


def _issuer(statement: Mapping[str, Any]) -> str:
    """Return the issuer of the statement's only OIDC provider; empty without one."""
    principal = statement.get("Principal")
    names = [name for of_type in principal.values() for name in of_type] if isinstance(principal, Mapping) else []
    try:
        return issuer_of_provider(names[0]) if len(names) == 1 else ""
    except Mistake:
        return ""


def _changed(before: Sequence[_Statement], after: Sequence[_Statement]) -> Iterator[StatementChange]:
    """Yield the statements of a document that differ, those of one Sid together, and others in their order."""
    by_sid = {each.sid: each for each in after if each.sid}
    pairs = [(each, by_sid.pop(each.sid)) for each in before if each.sid in by_sid]
    lost, got = (
        [each for each in those if each.key not in {both[side].key for both in pairs}]
        for side, those in enumerate((before, after))
    )
    pairs += zip(lost, got, strict=False)
    for old, new in pairs:
        added, removed = map(_in_order, _without_alike(old.elements, new.elements))
        if not added and not removed:
            # Such as a principal of nothing: no value of theirs differs, and yet they do.
            added, removed = (Element("Statement", new.key),), (Element("Statement", old.key),)
        yield StatementChange(new.label, new.effect, "changed", added, removed)
    for each in lost[len(got) :]:
        yield StatementChange(each.label, each.effect, "removed", removed=_in_order(each.elements))
    for each in got[len(lost) :]:
        yield StatementChange(each.label, each.effect, "added", added=_in_order(each.elements))


def _without_alike(old: frozenset[Element], new: frozenset[Element]) -> tuple[set[Element], set[Element]]:
    """Return what is added and removed, without values for which StringEquals and StringLike are the same.

    A pattern turns the operator of all values of a key, since they stand in one condition.
    """
    added, removed = {*new} - old, {*old} - new
    # With both operators on one key, both must hold: then they are not the same.
    places = [{each.place for each in those} for those in (old, new)]
    alike = set()
    for each in removed:
        _, operator, key = [*each.place.split(" ", 2), "", ""][:3]
        other = Element(f"Condition {_OTHER_OPERATOR.get(operator, '')} {key}", each.value)
        if (
            other in added
            and not is_pattern(each.value)
            and not any({each.place, other.place} <= those for those in places)
        ):
            alike |= {each, other}
    rest = added - alike, removed - alike
    return rest if any(rest) else (added, removed)


ORDER = ("Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
PLACES = {element: place for place, element in enumerate(ORDER)}


def _in_order(elements: Iterable[Element]) -> tuple[Element, ...]:
    """Return values in the order of a statement's elements."""
    return tuple(sorted(elements, key=lambda each: (PLACES.get(each.place.partition(" ")[0], len(PLACES)), each)))
