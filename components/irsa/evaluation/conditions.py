"""The evaluation of a statement's conditions: operators, keys, values and policy variables."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from irsa.evaluation.patterns import PLAIN, TO_PLAIN, matches
from irsa.rules.arns import issuer_host_path
from irsa.rules.grammar import split_operator
from irsa.rules.mistakes import named
from irsa.rules.subjects import CLAIM_PREFIX, is_pattern

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


_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_PARTS = re.compile(r"([^,']+?)(?:,\s*'([^']*)')?")


@functools.lru_cache(1_000)
def _with_wildcards(wanted: tuple[str, ...]) -> Sequence[str]:
    return [*filter(is_pattern, wanted)]


def _pattern(text: str, compared: "_Comparison", context: _Context | None) -> str | None:
    """Return the pattern of a value; without a context, nothing in it is a variable.

    None where a variable, or the other case of a letter, is not known.
    """
    pattern = ""
    # re.split returns plain text and the names of variables in turn.
    for index, part in enumerate([text] if context is None else _VARIABLE.split(text)):
        is_text, read = index % 2 == 0, part
        if not is_text and context is not None and part not in PLAIN:
            read = _variable(part, compared.wildcards, context)
        # No page says what the other case is beyond ASCII.
        if (
            read is None
            or (is_text and context is not None and "${" in part)
            or (compared.any_case and not read.isascii())
        ):
            return None
        pattern += read if is_text and compared.wildcards else read.translate(TO_PLAIN)
    return pattern.lower() if compared.any_case else pattern


def _variable(text: str, wildcards: bool, context: _Context) -> str | None:
    parts = _VARIABLE_PARTS.fullmatch(text)
    values = _values_of(parts[1], context) if parts else None
    if parts and values == () and parts[2] is not None:
        values = (parts[2],)
    # The page says that "the entire statement" *might* be invalid when a variable has no value. It does not say
    # whether a wildcard in the variable's value is still a wildcard.
    if values is None or len(values) != 1 or (wildcards and {*"*?"} & {*values[0]}):
        return None
    return values[0]


_ARN_PARTS = 6


def _arn_like(found: str, pattern: str) -> bool | None:
    """Compare the six parts of an ARN one by one; the page does not say how a string that is not an ARN compares."""
    parts, found_parts = (each.split(":", _ARN_PARTS - 1) for each in (pattern, found))
    if len(parts) != _ARN_PARTS or len(found_parts) != _ARN_PARTS:
        return None
    return all(map(matches, found_parts, parts))


def _boolean(found: str, pattern: str) -> bool | None:
    values = (found.lower(), pattern.lower())
    return values[0] == values[1] if {"true", "false"}.issuperset(values) else None


class _Comparison(NamedTuple):
    compare: Callable[[str, str], bool | None]
    wildcards: bool
    rule: str
    wants: str
    any_case: bool = False
    variables: bool = True


_STRING, _LIKE = _Comparison(matches, False, "string", "be exactly"), _Comparison(matches, True, "string", "match")
_ANY_CASE = _STRING._replace(wants="be, in any letter case,", any_case=True)
_ARN = _Comparison(_arn_like, True, "arn", "match, part by part,")
_COMPARISONS = {
    "StringEquals": _STRING,
    "StringNotEquals": _STRING._replace(wants="be"),
    "StringEqualsIgnoreCase": _ANY_CASE,
    "StringNotEqualsIgnoreCase": _ANY_CASE,
    "StringLike": _LIKE,
    "StringNotLike": _LIKE,
    "ArnEquals": _ARN,
    "ArnLike": _ARN,
    "ArnNotEquals": _ARN,
    "ArnNotLike": _ARN,
    # The pages contradict each other on policy variables under Bool: undecided when there is one.
    "Bool": _Comparison(_boolean, False, "bool", "be", variables=False),
}
_SETS: Mapping[str, Callable[[Iterable[bool | None]], bool | None]] = {"ForAllValues": all_of, "ForAnyValue": any_of}

_ABSENT_RULES = {
    "IfExists": (True, "exists", "with IfExists a condition on an absent key is true"),
    "ForAllValues": (True, "sets", "ForAllValues is true when there is no value to check"),
    "ForAnyValue": (False, "sets", "ForAnyValue is false when there is no value that could match"),
    "negated": (True, "operators", "a negated condition on an absent key is true"),
    "positive": (False, "operators", "a condition on an absent key is false"),
}


class _Outcome(NamedTuple):
    outcome: bool | None
    rule: str
    explanation: Callable[[str], str]
    """A sentence, for the name of the key: most outcomes are never shown."""


def condition_outcome(condition: Condition, known: Known) -> bool | None:
    """Return the result of a condition."""
    return _outcome(condition, _values_of(condition.key, known.context), known).outcome


def evaluate_condition(condition: Condition, known: Known) -> Reason:
    """Return the result of a condition, with the reason."""
    operator, key, wanted = condition
    found = _values_of(key, known.context)
    outcome, rule, explanation = _outcome(condition, found, known)
    hint = _hint(condition, found, outcome, known.request)
    text = f"{explanation(named(short_key(key, known.request.issuer)))}.{hint and f' {hint}'}"
    return Reason("Condition", operator, key, outcome, found or (), wanted, text, DOCUMENTATION[rule], hint)


def _outcome(condition: Condition, found: tuple[str, ...] | None, known: Known) -> _Outcome:
    operator, _, wanted = condition
    parts = split_operator(operator)
    if parts is None or (parts.name != "Null" and parts.name not in _COMPARISONS and (found != () or not wanted)):
        return _Outcome(None, "operators", lambda _: f"irsa cannot evaluate the operator {named(operator)}")
    if found is None:
        return _Outcome(
            None, "keys", lambda key: f"irsa does not know whether the request has {key}, and with which value"
        )
    if not wanted:
        page = "AWS's documentation does not say what that means"
        return _Outcome(None, "values", lambda key: f"{operator} lists no value for {key}; {page}")
    of_set, name, if_exists = parts
    if name == "Null":
        return _null(wanted, found)
    # An empty string counts as no value, but only for the set operators.
    if not found or (of_set and not any(found)):
        without = "IfExists" if if_exists and not found else of_set or ("negated" if condition.negated else "positive")
        outcome, rule, sentence = _ABSENT_RULES[without]
        return _Outcome(outcome, rule, lambda key: f"The request has no {key}, and {sentence}")
    return _present(condition, found, of_set, name, known)


def _null(wanted: tuple[str, ...], found: tuple[str, ...]) -> _Outcome:
    if not {"true", "false"}.issuperset(wanted):
        takes = "true (the key is absent) or false (it is present)"
        return _Outcome(None, "null", lambda _: f"Null takes {takes}, not {joined(wanted)}")
    words = {"true": "absent", "false": "present"}
    asked, actual = " or ".join(words[each] for each in wanted), "false" if found else "true"
    return _Outcome(actual in wanted, "null", lambda key: f"Null requires {key} to be {asked}; it is {words[actual]}")


def _present(
    condition: Condition, found: tuple[str, ...], set_operator: str | None, name: str, known: Known
) -> _Outcome:
    wanted, operator = condition.wanted, _COMPARISONS[name]
    if len(found) > 1 and not set_operator:
        several = "has several values, which only ForAllValues and ForAnyValue compare"
        return _Outcome(None, "sets", lambda key: f"{key} {several}")
    has_variables = known.variables and any("${" in value for value in wanted)
    if has_variables and not operator.variables:
        contradicts = "AWS's documentation contradicts itself on policy variables here"
        return _Outcome(None, "variables", lambda _: f"{contradicts}: {joined(wanted)}")
    # The commonest conditions: they may list very many values, most of them without wildcards.
    is_plain = operator.rule == "string" and not operator.any_case and not has_variables
    patterns: Sequence[str | None] = _with_wildcards(wanted) if is_plain and operator.wildcards else ()
    if not is_plain:
        patterns = [_pattern(each, operator, known.context if has_variables else None) for each in wanted]

    def satisfied(value: str) -> bool | None:
        if operator.any_case and not value.isascii():
            return None
        text = (value.lower() if operator.any_case else value).translate(TO_PLAIN)
        compared = (None if pattern is None else operator.compare(text, pattern) for pattern in patterns)
        matched = (is_plain and value in wanted) or any_of(compared)
        return opposite(matched) if condition.negated else matched

    outcome = _SETS[set_operator or "ForAllValues"](satisfied(value) for value in found)

    def explanation(key: str) -> str:
        which = {"ForAllValues": "each value must", "ForAnyValue": "at least one value must"}.get(
            set_operator or "", "it must"
        )
        wants = f"not {operator.wants}" if condition.negated else operator.wants
        choice = ("any of " if condition.negated else "one of ") if len(wanted) > 1 else ""
        undecided = ", which cannot be decided here" if outcome is None else ""
        return f"{key} is {joined(found)}; {which} {wants} {choice}{joined(wanted)}{undecided}"

    return _Outcome(outcome, "variables" if outcome is None and None in patterns else operator.rule, explanation)


def _hint(condition: Condition, found: tuple[str, ...] | None, outcome: bool | None, request: Request) -> str:
    """Return a sentence about the common error that this looks like; empty where it looks like none."""
    if not isinstance(request, WebIdentityRequest):
        return ""
    prefix, _, claim = condition.key.lower().rpartition(":")
    issuer = issuer_host_path(request.issuer)
    if not found and claim in ("aud", "sub"):
        return f"The keys of this token start with {named(issuer)} (the issuer without https://)."
    parts = split_operator(condition.operator)
    is_of_token = outcome is False and prefix == issuer.lower()
    if is_of_token and parts and parts.name in _COMPARISONS and not condition.negated:
        return _common_error(claim, parts.name, condition.wanted, request)
    return ""


def _common_error(claim: str, operator: str, wanted: tuple[str, ...], request: WebIdentityRequest) -> str:
    value = request.subject if claim == "sub" else request.audience
    is_subject = any(each.startswith(CLAIM_PREFIX) for each in wanted)
    is_like = operator.startswith("StringEquals") and any(matches(value, each) for each in wanted)
    errors = (
        (claim == "aud" and is_subject, "The value is a subject, which belongs under sub, not aud."),
        (claim == "sub" and request.audience in wanted, "The value is the audience, which belongs under aud, not sub."),
        (any(each.startswith(CLAIM_PREFIX * 2) for each in wanted), f"The value has the prefix {CLAIM_PREFIX} twice."),
        (is_like, "StringEquals compares * and ? literally; only StringLike reads them as wildcards."),
        (value.lower() in (each.lower() for each in wanted), "The value differs only in letter case."),
        (value in (each.strip() for each in wanted), "The value differs only in leading or trailing spaces."),
    )
    return next((sentence for applies, sentence in errors if applies), "")
