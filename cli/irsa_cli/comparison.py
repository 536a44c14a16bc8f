"""Whether two IAM policy documents mean the same.

Order, one-element lists, statement ids and the case of actions and condition keys make no difference to IAM
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html), so they make none here.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from irsa.rules.grammar import DEFAULT_VERSION
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, named, visible_json
from irsa.rules.policies import parse_object
from irsa.rules.trust import minified

_ACCOUNT_ROOT = re.compile("arn:[a-z-]+:iam::([0-9]{12}):root")
_NOTHING = "nothing"


class Difference(NamedTuple):
    """One place in which two documents differ."""

    place: str
    found: str
    expected: str


def differences(declared: str | Mapping[str, Any], live: str | Mapping[str, Any]) -> list[Difference]:
    """Return the differences of the live document from the declared one; none if both mean the same.

    Raises:
        Mistake: One of them is not a policy document.
    """
    # Where IAM ignores case, the first spelling is used for all.
    spelling: dict[str, str] = {}
    wanted, found = _document("declared", declared, spelling), _document("live", live, spelling)
    result = []
    if wanted["Version"] != found["Version"]:
        result.append(Difference("Version", named(found["Version"]), named(wanted["Version"])))
    missing = [statement for statement in wanted["Statement"] if statement not in found["Statement"]]
    extra = [statement for statement in found["Statement"] if statement not in wanted["Statement"]]
    places = _between(missing[0], extra[0]) if len(missing) == len(extra) == 1 else []
    if places:
        return result + places
    # Where no place reads differently, such as Principal: {} and none, the whole statements do.
    result += [Difference("Statement", _NOTHING, visible_json(minified(statement))) for statement in missing]
    result += [Difference("Statement", visible_json(minified(statement)), _NOTHING) for statement in extra]
    return result


def _between(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[Difference]:
    one, other = _values_by_place(wanted, "Statement"), _values_by_place(found, "Statement")
    return [
        Difference(place, other.get(place, _NOTHING), one.get(place, _NOTHING))
        for place in sorted({*one, *other})
        if one.get(place) != other.get(place)
    ]


def _values_by_place(value: Any, place: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {place: ", ".join(map(named, value)) or "[]" if isinstance(value, list) else named(str(value))}
    return {
        inner: text
        for key, each in value.items()
        for inner, text in _values_by_place(each, f"{place}.{named(key)}").items()
    }


def _document(which: str, document: str | Mapping[str, Any], spelling: dict[str, str]) -> dict[str, Any]:
    try:
        return _normalised(document, spelling)
    except Mistake as mistake:
        raise Mistake(f"the {which} document: {mistake.found}", mistake.allowed, mistake.fix) from mistake


def _normalised(document: str | Mapping[str, Any], spelling: dict[str, str]) -> dict[str, Any]:
    parsed = parse_object(document) if isinstance(document, str) else document
    found: list[Any] = []
    for _, statement in statements(parsed, spelling):
        if statement not in found:
            found.append(statement)
    return {"Version": str(parsed.get("Version", DEFAULT_VERSION)), "Statement": found}


def statements(document: str | Mapping[str, Any], spelling: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the statements of a document, each with its Sid, and without what makes no difference to IAM.

    Args:
        document: The document.
        spelling: The first spelling of what IAM reads without case, for all documents that are compared.

    Raises:
        Mistake: It is not a policy document.
    """
    parsed = parse_object(document) if isinstance(document, str) else document
    written = [_object(each, "a statement") for each in items_of(parsed.get("Statement", []))]
    return [(str(each.get("Sid") or ""), _statement(each, spelling)) for each in written]


def _statement(statement: Mapping[str, Any], spelling: dict[str, str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for element, value in statement.items():
        if element == "Sid":
            continue
        if element in {"Action", "NotAction"}:
            result[element] = sorted({_spelled(text, spelling) for text in _texts(value)})
        elif element in {"Principal", "NotPrincipal"}:
            result[element] = _principal(value)
        elif element == "Condition":
            condition = _condition(value, spelling)
            result.update({element: condition} if condition else {})
        elif element == "Effect":
            result[element] = str(value)
        else:
            result[element] = _texts(value)
    return result


def _principal(value: Any) -> dict[str, list[str]]:
    if value == "*":
        return {"AWS": ["*"]}
    # IAM stores the number of an AWS account as the ARN of its root user.
    return {
        type_: _texts([root[1] if (root := _ACCOUNT_ROOT.fullmatch(name)) else name for name in _texts(names)])
        for type_, names in _object(value, "Principal").items()
    }


def _condition(value: Any, spelling: dict[str, str]) -> dict[str, dict[str, list[str]]]:
    result: dict[str, dict[str, list[str]]] = {}
    for operator, keys in _object(value, "Condition").items():
        written = _object(keys, f"Condition.{named(operator)}")
        for key, texts in sorted((_spelled(key, spelling), _texts(values)) for key, values in written.items()):
            same, name = result.setdefault(operator, {}), key
            # Two spellings of one key are two conditions, and both must hold.
            while same.get(name, texts) != texts:
                name += " (repeated)"
            same[name] = texts
    return result


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Mistake(f"{place}: {json.dumps(value)}", "a JSON object", "follow the grammar of IAM policies")
    return value


def _spelled(text: str, spelling: dict[str, str]) -> str:
    return spelling.setdefault(text.lower(), text)


def _texts(value: Any) -> list[str]:
    return sorted({each if isinstance(each, str) else json.dumps(each) for each in items_of(value)})
