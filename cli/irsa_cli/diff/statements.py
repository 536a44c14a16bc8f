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
# Statements with less in common are two statements, and not one that changes.
LEAST_IN_COMMON = 0.25


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
        change: Whether it is added, removed, changed or moved.
        moved_from: The name of the policy that had it; empty where it was not moved.
        added: The values that it gets.
        removed: The values that it loses.
    """

    statement: str
    effect: str
    change: Literal["added", "removed", "changed", "moved"]
    moved_from: str = ""
    added: tuple[Element, ...] = ()
    removed: tuple[Element, ...] = ()


class Documents(NamedTuple):
    """A document before and after; None where there is none."""

    policy: str
    before: Document | None
    after: Document | None


class _Statement(NamedTuple):
    label: str
    sid: str
    effect: str
    key: str
    elements: frozenset[Element]


def statement_changes(documents: Sequence[Documents | None]) -> list[list[StatementChange] | None]:
    """Return the statements that differ, for each document; None for None, and for what is not a policy document.

    A statement that one document loses and another one gets has moved.
    """
    # Where IAM ignores case, the first spelling is used for all.
    spelling: dict[str, str] = {}
    compared = [each and _compared(each, spelling) for each in documents]
    lost: dict[str, list[_Compared]] = {}
    for both in filter(None, compared):
        for key in both.lost:
            lost.setdefault(key, []).append(both)
    for both in filter(None, compared):
        for key in [each for each in both.got if lost.get(each)]:
            source, new = lost[key].pop(), both.got.pop(key)
            del source.lost[key]
            both.moved.append(StatementChange(new.label, new.effect, "moved", source.policy))
    return [both and [*both.moved, *both.version, *_changed(both)] for both in compared]


class _Compared(NamedTuple):
    """What a document loses and gets: statements by their normal form, and its Version."""

    policy: str
    lost: dict[str, _Statement]
    got: dict[str, _Statement]
    version: list[StatementChange]
    moved: list[StatementChange]


def _compared(documents: Documents, spelling: dict[str, str]) -> _Compared | None:
    try:
        forms = [None if each is None else normal(each, spelling) for each in (documents.before, documents.after)]
    except (Mistake, RecursionError):
        return None
    before, after = map(_statements, forms)
    versions = [(Element("Version", each.version),) for each in forms if each]
    version = [
        StatementChange("", "", "changed", added=other, removed=one)
        for one, other in itertools.pairwise(versions)
        if one != other
    ]
    lost = {key: each for key, each in before.items() if key not in after}
    got = {key: each for key, each in after.items() if key not in before}
    return _Compared(documents.policy, lost, got, version, [])


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


def _changed(both: _Compared) -> Iterator[StatementChange]:
    """Yield the statements of a document that differ, those that are alike together."""
    lost, got = dict(enumerate(both.lost.values())), dict(enumerate(both.got.values()))
    by_sid = {each.sid: index for index, each in got.items() if each.sid}
    with_same_sid = [(index, by_sid[each.sid]) for index, each in lost.items() if each.sid in by_sid]
    for source, target in [*with_same_sid, *_most_alike(lost, got)]:
        if source in lost and target in got:
            old, new = lost.pop(source), got.pop(target)
            added, removed = map(_in_order, _without_alike(old.elements, new.elements))
            if not added and not removed:
                # Such as a principal of nothing: no value of theirs differs, and yet they do.
                added, removed = (Element("Statement", new.key),), (Element("Statement", old.key),)
            yield StatementChange(new.label, new.effect, "changed", "", added, removed)
    yield from (StatementChange(e.label, e.effect, "removed", removed=_in_order(e.elements)) for e in lost.values())
    yield from (StatementChange(e.label, e.effect, "added", added=_in_order(e.elements)) for e in got.values())


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


def _most_alike(lost: Mapping[int, _Statement], got: Mapping[int, _Statement]) -> list[tuple[int, int]]:
    scores = [
        (score, -source, -target)
        for (source, old), (target, new) in itertools.product(lost.items(), got.items())
        if (score := _in_common(old.elements, new.elements)) >= LEAST_IN_COMMON
    ]
    return [(-source, -target) for _, source, target in sorted(scores, reverse=True)]


def _in_common(one: frozenset[Element], other: frozenset[Element]) -> float:
    """Return which part of all their values two statements share, without the effect."""
    shared, either = ([each for each in those if each.place != "Effect"] for those in (one & other, one | other))
    return len(shared) / len(either) if either else 0.0


ORDER = ("Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
PLACES = {element: place for place, element in enumerate(ORDER)}


def _in_order(elements: Iterable[Element]) -> tuple[Element, ...]:
    """Return values in the order of a statement's elements."""
    return tuple(sorted(elements, key=lambda each: (PLACES.get(each.place.partition(" ")[0], len(PLACES)), each)))
