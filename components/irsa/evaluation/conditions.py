"""The evaluation of a statement's conditions: operators, keys, values and policy variables."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from irsa.evaluation.answers import (
    DOCUMENTATION,
    Reason,
    Request,
    WebIdentityRequest,
    all_of,
    any_of,
    joined,
    opposite,
    short_key,
)
from irsa.evaluation.document import Condition
from irsa.evaluation.patterns import WILDCARDS, Pattern, matches, pattern_of
from irsa.rules.arns import issuer_host_path
from irsa.rules.grammar import Operator, split_operator
from irsa.rules.mistakes import named
from irsa.rules.subjects import CLAIM_PREFIX

# What is known of the request

_Context = Mapping[str, tuple[str, ...]]


class Known(NamedTuple):
    """The request, the values of its condition keys, and whether the document's version has policy variables."""

    request: Request
    context: _Context
    variables: bool


_AWS_NAMESPACES = ("aws:", "sts:", "iam:")


def known_of(request: Request, variables: bool) -> Known:
    """Return the known values of a request; `variables` says whether the document's version has policy variables."""
    return Known(request, {key.lower(): values for key, values in request.known.items()}, variables)


def _values_of(key: str, context: _Context) -> tuple[str, ...] | None:
    """Return the key's values; an empty tuple for an absent key, None when they are not known."""
    name = key.lower()
    if name in context:
        return context[name]
    tag = name.removeprefix("aws:requesttag/")
    if tag != name and "aws:tagkeys" in context:
        return None if tag in context["aws:tagkeys"] else ()
    # A token sets the keys of its own provider only, so `aud` and `sub` under any other prefix are absent. What a
    # session of a role keeps of its token is not known.
    of_token = name.endswith((":aud", ":sub")) and not name.startswith(_AWS_NAMESPACES)
    return () if of_token and "aws:principaltype" not in context else None


# A condition's value, with its policy variables

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_PARTS = re.compile(r"([^,']+?)(?:,\s*'([^']*)')?")


def _pattern(text: str, wildcards: bool, known: Known) -> Pattern | None:
    """Return the pattern of a condition's value; None when a variable in it has no known value."""
    if not known.variables:
        return pattern_of(text, wildcards)
    pattern: Pattern = ()
    # re.split returns plain text and the names of variables in turn.
    for index, part in enumerate(_VARIABLE.split(text)):
        if index % 2 == 0:
            read = None if "${" in part else pattern_of(part, wildcards)
        elif part in ("*", "?", "$"):
            read = (part,)
        else:
            read = _variable(part, wildcards, known.context)
        if read is None:
            return None
        pattern += read
    return pattern


def _variable(text: str, wildcards: bool, context: _Context) -> Pattern | None:
    parts = _VARIABLE_PARTS.fullmatch(text)
    values = _values_of(parts[1], context) if parts else None
    if parts and values == () and parts[2] is not None:
        values = (parts[2],)
    # The page says that "the entire statement" *might* be invalid when a variable has no value. It does not say
    # whether a wildcard in the variable's value is still a wildcard.
    if values is None or len(values) != 1 or (wildcards and WILDCARDS.keys() & set(values[0])):
        return None
    return tuple(values[0])


# Operators


_ARN_PARTS = 6


def _text(pattern: Pattern) -> str:
    return "".join(part for part in pattern if isinstance(part, str))


def _equal(found: str, pattern: Pattern) -> bool | None:
    return tuple(found) == pattern


def _equal_without_case(found: str, pattern: Pattern) -> bool | None:
    return found.lower() == _text(pattern).lower()


def _arn_like(found: str, pattern: Pattern) -> bool | None:
    """Compare the six parts of an ARN one by one; the page does not say how a string that is not an ARN compares."""
    parts: list[Pattern] = [()]
    for part in pattern:
        if part == ":" and len(parts) < _ARN_PARTS:
            parts.append(())
        else:
            parts[-1] += (part,)
    found_parts = found.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or len(found_parts) != _ARN_PARTS:
        return None
    return all(map(matches, found_parts, parts))


def _boolean(found: str, pattern: Pattern) -> bool | None:
    values = (found.lower(), _text(pattern).lower())
    return values[0] == values[1] if {"true", "false"}.issuperset(values) else None


class _Comparison(NamedTuple):
    compare: Callable[[str, Pattern], bool | None]
    negated: bool
    wildcards: bool
    variables: bool
    rule: str
    wants: str


_COMPARISONS = {
    "StringEquals": _Comparison(_equal, False, False, True, "string", "be exactly"),
    "StringNotEquals": _Comparison(_equal, True, False, True, "string", "not be"),
    "StringEqualsIgnoreCase": _Comparison(_equal_without_case, False, False, True, "string", "be, in any letter case,"),
    "StringNotEqualsIgnoreCase": _Comparison(
        _equal_without_case, True, False, True, "string", "not be, in any letter case,"
    ),
    "StringLike": _Comparison(matches, False, True, True, "string", "match"),
    "StringNotLike": _Comparison(matches, True, True, True, "string", "not match"),
    "ArnEquals": _Comparison(_arn_like, False, True, True, "arn", "match, part by part,"),
    "ArnLike": _Comparison(_arn_like, False, True, True, "arn", "match, part by part,"),
    "ArnNotEquals": _Comparison(_arn_like, True, True, True, "arn", "not match, part by part,"),
    "ArnNotLike": _Comparison(_arn_like, True, True, True, "arn", "not match, part by part,"),
    # The pages contradict each other on policy variables under Bool: undecided when there is one.
    "Bool": _Comparison(_boolean, False, False, False, "bool", "be"),
}
_SETS: Mapping[str, Callable[[Iterable[bool | None]], bool | None]] = {"ForAllValues": all_of, "ForAnyValue": any_of}

_ABSENT_RULES = {
    "IfExists": (True, "exists", "with IfExists a condition on an absent key is true"),
    "ForAllValues": (True, "sets", "ForAllValues is true when there is no value to check"),
    "ForAnyValue": (False, "sets", "ForAnyValue is false when there is no value that could match"),
    "negated": (True, "operators", "a negated condition on an absent key is true"),
    "positive": (False, "operators", "a condition on an absent key is false"),
}


def _comparison(operator: str) -> Operator | None:
    """Return the parts of a comparison operator that can be evaluated here."""
    parts = split_operator(operator)
    return parts if parts and parts.name in _COMPARISONS else None


class _Outcome(NamedTuple):
    outcome: bool | None
    rule: str
    explanation: str


def evaluate_condition(condition: Condition, known: Known) -> Reason:
    """Return the result of a condition, with the reason."""
    operator, key, wanted = condition
    found = _values_of(key, known.context)
    outcome, rule, explanation = _outcome(condition._replace(key=short_key(key, known.request.issuer)), found, known)
    hint = _hint(condition, found, outcome, known.request)
    text = f"{explanation}.{hint and f' {hint}'}"
    return Reason("Condition", operator, key, outcome, found or (), wanted, text, DOCUMENTATION[rule], hint)


def _outcome(condition: Condition, found: tuple[str, ...] | None, known: Known) -> _Outcome:
    operator, key, wanted = condition
    parts = split_operator(operator)
    can_evaluate = parts is not None and (parts.name == "Null" or parts.name in _COMPARISONS)
    if found is None or not wanted or parts is None:
        return _undecidable(condition, found, can_evaluate)
    of_set, name, if_exists = parts
    if name == "Null":
        return _null(key, wanted, found)
    if not found:
        otherwise = of_set or ("negated" if "Not" in name else "positive")
        return _absent(key, "IfExists" if if_exists else otherwise)
    if not can_evaluate:
        return _undecidable(condition, found, can_evaluate)
    if of_set and not any(found):  # an empty string counts as no value, but only for the set operators
        return _absent(key, of_set)
    return _present(condition, found, of_set, _COMPARISONS[name], known)


def _undecidable(condition: Condition, found: tuple[str, ...] | None, can_evaluate: bool) -> _Outcome:
    operator, key, _ = condition
    if not can_evaluate:
        return _Outcome(None, "operators", f"irsa cannot evaluate the operator {named(operator)}")
    if found is None:
        return _Outcome(None, "keys", f"irsa does not know whether the request has {named(key)}, and with which value")
    about = f"{operator} lists no value for {named(key)}"
    return _Outcome(None, "values", f"{about}; AWS's documentation does not say what that means")


def _null(key: str, wanted: tuple[str, ...], found: tuple[str, ...]) -> _Outcome:
    if not {"true", "false"}.issuperset(wanted):
        takes = "true (the key is absent) or false (it is present)"
        return _Outcome(None, "null", f"Null takes {takes}, not {joined(wanted)}")
    words = {"true": "absent", "false": "present"}
    asked, actual = " or ".join(words[each] for each in wanted), "false" if found else "true"
    return _Outcome(actual in wanted, "null", f"Null requires {named(key)} to be {asked}; it is {words[actual]}")


def _absent(key: str, case: str) -> _Outcome:
    outcome, rule, sentence = _ABSENT_RULES[case]
    return _Outcome(outcome, rule, f"The request has no {named(key)}, and {sentence}")


def _present(
    condition: Condition, found: tuple[str, ...], set_operator: str | None, operator: _Comparison, known: Known
) -> _Outcome:
    _, key, wanted = condition
    if len(found) > 1 and not set_operator:
        several = f"{named(key)} has several values, which only ForAllValues and ForAnyValue compare"
        return _Outcome(None, "sets", several)
    if known.variables and not operator.variables and any("${" in value for value in wanted):
        found_here = f"AWS's documentation contradicts itself on policy variables here: {joined(wanted)}"
        return _Outcome(None, "variables", found_here)
    patterns = [_pattern(value, operator.wildcards, known) for value in wanted]

    def satisfied(value: str) -> bool | None:
        matched = any_of(None if pattern is None else operator.compare(value, pattern) for pattern in patterns)
        return opposite(matched) if operator.negated else matched

    outcome = _SETS[set_operator or "ForAllValues"](satisfied(value) for value in found)
    which = {"ForAllValues": "each value must", "ForAnyValue": "at least one value must", None: "it must"}[set_operator]
    choice = ("any of " if operator.negated else "one of ") if len(wanted) > 1 else ""
    undecided = ", which cannot be decided here" if outcome is None else ""
    rule = "variables" if outcome is None and None in patterns else operator.rule
    asked = f"{which} {operator.wants} {choice}{joined(wanted)}"
    return _Outcome(outcome, rule, f"{named(key)} is {joined(found)}; {asked}{undecided}")


def _hint(condition: Condition, found: tuple[str, ...] | None, outcome: bool | None, request: Request) -> str:
    """Return a sentence about the common error that this looks like; empty where it looks like none."""
    if not isinstance(request, WebIdentityRequest):
        return ""
    prefix, _, claim = condition.key.lower().rpartition(":")
    issuer = issuer_host_path(request.issuer)
    if not found and claim in ("aud", "sub"):
        return f"The keys of this token start with {named(issuer)} (the issuer without https://)."
    parts = _comparison(condition.operator)
    if outcome is not False or not parts or _COMPARISONS[parts.name].negated or prefix != issuer.lower():
        return ""
    return _common_error(claim, parts.name, condition.wanted, request)


def _common_error(claim: str, operator: str, wanted: tuple[str, ...], request: WebIdentityRequest) -> str:
    value = request.subject if claim == "sub" else request.audience
    is_subject = any(each.startswith(CLAIM_PREFIX) for each in wanted)
    patterns = [pattern_of(each, wildcards=True) for each in wanted if operator.startswith("StringEquals")]
    is_like = any(matches(value, pattern) for pattern in patterns)
    errors = (
        (claim == "aud" and is_subject, "The value is a subject, which belongs under sub, not aud."),
        (claim == "sub" and request.audience in wanted, "The value is the audience, which belongs under aud, not sub."),
        (any(each.startswith(CLAIM_PREFIX * 2) for each in wanted), f"The value has the prefix {CLAIM_PREFIX} twice."),
        (is_like, "StringEquals compares * and ? literally; only StringLike reads them as wildcards."),
        (value.lower() in (each.lower() for each in wanted), "The value differs only in letter case."),
        (value in (each.strip() for each in wanted), "The value differs only in leading or trailing spaces."),
    )
    return next((sentence for applies, sentence in errors if applies), "")
