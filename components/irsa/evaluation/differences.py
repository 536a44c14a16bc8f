"""Whether two IAM policy documents mean the same to IAM, and where they differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.normal_form import Document, Normal, Spelling, normal
from irsa.rules.mistakes import Mistake, named, visible_json
from irsa.rules.trust import minified

_NOTHING, _NO_STATEMENT = "nothing", "no such statement"


class Difference(NamedTuple):
    """One place in which two documents differ."""

    place: str
    found: str
    expected: str


def differences(declared: Document, live: Document) -> list[Difference]:
    """Return the differences of the live document from the declared one; none if both mean the same.

    Raises:
        Mistake: One of them is not a policy document.
    """
    spelling: dict[str, str] = {}
    wanted, found = _document("declared", declared, spelling), _document("live", live, spelling)
    result = []
    if wanted.version != found.version:
        result.append(Difference("Version", named(found.version), named(wanted.version)))
    missing = _without(wanted.statements, found.statements)
    extra = _without(found.statements, wanted.statements)
    if len(missing) == len(extra) == 1:
        one, other = (_values_by_place(each[0], "Statement") for each in (missing, extra))
        places = [each for each in sorted({*one, *other}) if one.get(each) != other.get(each)]
        if places:
            return result + [Difference(e, other.get(e, _NOTHING), one.get(e, _NOTHING)) for e in places]
    # Where no place reads differently, such as Principal: {} and none, the whole statements do.
    result += [Difference("Statement", _NO_STATEMENT, visible_json(minified(statement))) for statement in missing]
    result += [Difference("Statement", visible_json(minified(statement)), _NO_STATEMENT) for statement in extra]
    return result


def grants_nothing_new(declared: Document, live: Document) -> bool:
    """Return whether a document means the same as a live one, but for what the live one allows already.

    Each statement that only the declared document has is an Allow, and a statement of the live one has the same
    principals and resources, no action less and no condition more. Nothing of the live document is missing. Another
    Version makes a difference to policy variables alone:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html

    Raises:
        Mistake: One of them is not a policy document.
    """
    spelling: dict[str, str] = {}
    wanted, found = _document("declared", declared, spelling), _document("live", live, spelling)
    added = _without(wanted.statements, found.statements)
    has_variables = any("${" in text for of in (wanted, found) for text in of.texts)
    return (
        (wanted.version == found.version or not has_variables)
        and not _without(found.statements, wanted.statements)
        and all(any(_allows_as_much(other, each) for other in found.statements) for each in added)
    )


def _allows_as_much(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    """Return whether an Allow in its normal form has all actions of another one, under the same or fewer conditions."""
    rests = [{name: of[name] for name in of.keys() - {"Action", "Condition"}} for of in (wide, narrow)]
    if rests[0] != rests[1] or wide["Effect"] != "Allow" or not ("Action" in wide and "Action" in narrow):
        return False
    conditions = [
        {(operator, key, *values) for operator, keys in of.get("Condition", {}).items() for key, values in keys.items()}
        for of in (wide, narrow)
    ]
    return {*narrow["Action"]} <= {*wide["Action"]} and conditions[0] <= conditions[1]


def _values_by_place(value: Any, place: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {place: ", ".join(map(named, value)) or "[]" if isinstance(value, list) else named(str(value))}
    return {
        inner: text
        for key, each in value.items()
        for inner, text in _values_by_place(each, f"{place}.{named(key)}").items()
    }


def _document(which: str, document: Document, spelling: Spelling) -> Normal:
    try:
        return normal(document, spelling)
    except Mistake as mistake:
        raise Mistake(f"the {which} document: {mistake.found}", mistake.allowed, mistake.fix) from mistake


def _without(statements: Iterable[dict[str, Any]], others: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the statements that others do not have, each once."""
    left = [each for each in statements if each not in others]
    return [each for index, each in enumerate(left) if each not in left[:index]]
