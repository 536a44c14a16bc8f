"""A trust policy as IAM reads it: its statements, or why IAM would refuse it."""

import json
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from irsa.evaluation.answers import DOCUMENTATION
from irsa.rules.grammar import DEFAULT_VERSION, DOCUMENT_ELEMENTS, EFFECTS, PRINCIPALS, TRUST_ELEMENTS, VERSION
from irsa.rules.mistakes import Mistake, named
from irsa.rules.policies import parse_object


class TrustDocumentError(Mistake):
    """A document that IAM would not accept as a trust policy; `place` says where, such as `Statement[0].Effect`."""

    def __init__(self, place: str, found: str, allowed: str, rule: str = "grammar") -> None:
        super().__init__(f"{place}: {found}" if place else found, allowed, f"see {DOCUMENTATION[rule]}")
        self.place = place


class Condition(NamedTuple):
    """One key of a condition block, with its values, of which one must match."""

    operator: str
    key: str
    wanted: tuple[str, ...]


class Statement(NamedTuple):
    """One statement; `action_element` is Action or NotAction, `principals` are types and names."""

    sid: str | None
    effect: Literal["Allow", "Deny"]
    principals: tuple[tuple[str, str], ...]
    action_element: Literal["Action", "NotAction"]
    actions: tuple[str, ...]
    conditions: tuple[Condition, ...]


_UNPAIRED_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(document: str | Mapping[str, object]) -> tuple[str, list[Statement]]:
    """Return the version and the statements of a trust policy.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    read = _json(document) if isinstance(document, str) else document
    _require_characters(read, "")
    policy = _object(read, "", DOCUMENT_ELEMENTS)
    version = policy.get("Version", DEFAULT_VERSION)
    if version not in (DEFAULT_VERSION, VERSION):
        raise TrustDocumentError("Version", f"found {version!r}", f"{VERSION} or {DEFAULT_VERSION}")
    if "Statement" not in policy:
        raise TrustDocumentError("", "there is no Statement", "a statement, or a list of them")
    statements = policy["Statement"]
    if isinstance(statements, list | tuple):
        placed = [(statement, f"Statement[{index}]") for index, statement in enumerate(statements)]
    else:
        placed = [(statements, "Statement")]
    return str(version), [_parse_statement(statement, place) for statement, place in placed]


def _json(text: str) -> dict[str, object]:
    try:
        return parse_object(text)
    except Mistake as mistake:
        raise TrustDocumentError("", mistake.found, "a trust policy in JSON") from mistake


def _require_characters(value: object, place: str) -> None:
    """Refuse an unpaired surrogate, which JSON can write (`\\ud800`) and which is not a Unicode character."""
    if isinstance(value, str) and _UNPAIRED_SURROGATE.search(value):
        raise TrustDocumentError(place, f"found {value!r}, an unpaired surrogate", "Unicode characters", "quotas")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _require_characters(name, place)
            _require_characters(inner, f"{place}.{named(name)}" if place else named(name))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _require_characters(inner, f"{place}[{index}]")


def _parse_statement(value: object, place: str) -> Statement:
    if isinstance(value, Mapping) and "NotPrincipal" in value:
        found = "found NotPrincipal, which IAM refuses in a role's trust policy"
        raise TrustDocumentError(place, found, "a Principal: who may assume the role", "not-principal")
    statement = _object(value, place, TRUST_ELEMENTS)
    effect = statement.get("Effect")
    if effect not in EFFECTS:
        raise TrustDocumentError(f"{place}.Effect", f"found {effect!r}", "Allow or Deny, so spelled")
    sid = statement.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise TrustDocumentError(f"{place}.Sid", f"found {sid!r}", "a string")
    if "Principal" not in statement:
        raise TrustDocumentError(place, "there is no Principal", "a Principal: who may assume the role")
    action_element = _one_of(statement, place, "Action", "NotAction")
    return Statement(
        sid,
        "Allow" if effect == "Allow" else "Deny",
        _parse_principals(statement["Principal"], f"{place}.Principal"),
        "Action" if action_element == "Action" else "NotAction",
        _strings(statement[action_element], f"{place}.{action_element}"),
        _parse_conditions(statement.get("Condition", {}), f"{place}.Condition"),
    )


def _parse_principals(value: object, place: str) -> tuple[tuple[str, str], ...]:
    if value == "*":
        return (("*", "*"),)
    types = _object(value, place, PRINCIPALS)
    return tuple((type_, name) for type_, names in types.items() for name in _strings(names, f"{place}.{type_}"))


def _parse_conditions(value: object, place: str) -> tuple[Condition, ...]:
    return tuple(
        Condition(operator, key, _condition_values(values, f"{place}.{named(operator)}.{named(key)}"))
        for operator, keys in _object(value, place).items()
        for key, values in _object(keys, f"{place}.{named(operator)}").items()
    )


def _object(value: object, place: str, names: tuple[str, ...] | None = None) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TrustDocumentError(place, f"found {value!r}", "a JSON object")
    unknown = [name for name in value if names is not None and name not in names]
    if names is not None and unknown:
        raise TrustDocumentError(place, f"unknown element {unknown[0]!r}", ", ".join(sorted(names)))
    return value


def _one_of(statement: Mapping[str, object], place: str, *elements: str) -> str:
    present = [element for element in elements if element in statement]
    if len(present) != 1:
        raise TrustDocumentError(
            place, f"found {' and '.join(present) or 'neither'}", f"either {' or '.join(elements)}"
        )
    return present[0]


def _strings(value: object, place: str) -> tuple[str, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    strings = tuple(each for each in values if isinstance(each, str))
    if len(strings) != len(values):
        raise TrustDocumentError(place, f"found {value!r}", "a string, or a list of strings")
    return strings


def _condition_values(value: object, place: str) -> tuple[str, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    for each in values:
        if not isinstance(each, str | bool | int | float):
            raise TrustDocumentError(place, f"found {each!r}", "a string, a number, true or false, or a list of them")
    return tuple(each if isinstance(each, str) else json.dumps(each) for each in values)
