"""Who may assume a role: IAM's rules for the trust policies that web identities meet.

`evaluate` answers whether a token of a Kubernetes service account may assume the role that has this trust policy by
sts:AssumeRoleWithWebIdentity, and gives the reason for every element of every statement. An answer is True, False, or
None for "cannot decide": an element whose rule, or whose value in the request, is not known here. Unknown is never
taken for a yes or a no; it decides nothing only where the known elements decide alone.

Each rule names the page of AWS's documentation that states it (DOCUMENTATION).
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Literal, NamedTuple

from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import Mistake
from irsa.rules.quotas import TRUST_POLICY_SIZE
from irsa.rules.subjects import CLAIM_PREFIX

ACTION = "sts:AssumeRoleWithWebIdentity"

_GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
_OPERATORS_PAGE = f"{_GUIDE}reference_policies_elements_condition_operators.html"
DOCUMENTATION = {
    "action": f"{_GUIDE}reference_policies_elements_action.html",
    "anybody": f"{_GUIDE}reference_policies_elements_principal.html#principal-anonymous",
    "arn": f"{_OPERATORS_PAGE}#Conditions_ARN",
    "bool": f"{_OPERATORS_PAGE}#Conditions_Boolean",
    "decision": f"{_GUIDE}reference_policies_evaluation-logic_policy-eval-denyallow.html",
    "exists": f"{_OPERATORS_PAGE}#Conditions_IfExists",
    "grammar": f"{_GUIDE}reference_policies_grammar.html",
    "keys": f"{_GUIDE}reference_policies_iam-condition-keys.html#condition-keys-wif",
    "not-action": f"{_GUIDE}reference_policies_elements_notaction.html",
    "not-principal": f"{_GUIDE}reference_policies_elements_notprincipal.html",
    "null": f"{_OPERATORS_PAGE}#Conditions_Null",
    "operators": _OPERATORS_PAGE,
    "principal": f"{_GUIDE}reference_policies_elements_principal.html",
    "quotas": f"{_GUIDE}reference_iam-quotas.html",
    "sets": f"{_GUIDE}reference_policies_condition-single-vs-multi-valued-context-keys.html",
    "string": f"{_OPERATORS_PAGE}#Conditions_String",
    "values": f"{_GUIDE}reference_policies_condition-logic-multiple-context-keys-or-values.html",
    "variables": f"{_GUIDE}reference_policies_variables.html",
}


class Decision(StrEnum):
    """What STS would answer, as far as the trust policy goes."""

    ALLOWED = "allowed"
    DENIED = "denied"
    CANNOT_DECIDE = "cannot decide"


@dataclass(frozen=True)
class WebIdentityRequest:
    """A token, and the IAM OIDC provider that STS finds for its issuer in the role's account.

    Attributes:
        issuer: The token's `iss`.
        provider_arn: The IAM OIDC provider of that issuer.
        subject: The token's `sub`, such as `system:serviceaccount:default:my-service-account`.
        audience: The token's `aud`.
        context: What else is known of the request: condition key -> its values; no values say that the key is absent.
    """

    issuer: str
    provider_arn: str
    subject: str
    audience: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a provider of another issuer: STS would never look at the trust policy.

        Raises:
            Mistake: The provider's ARN does not end with the issuer.
        """
        host_path = issuer_host_path(self.issuer)
        if not self.provider_arn.rstrip("/").endswith(f":oidc-provider/{host_path}"):
            raise Mistake(
                f"the provider {self.provider_arn!r} is not one of the issuer {self.issuer!r}",
                f"an ARN that ends with :oidc-provider/{host_path}",
                "take the OIDC provider that has the cluster's issuer",
            )


@dataclass(frozen=True)
class Reason:
    """How one element of a statement came out.

    Attributes:
        element: `Principal`, `Action`, `NotAction` or `Condition`.
        operator: The condition operator, as written; empty for other elements.
        key: The condition key, as written; empty for other elements.
        outcome: True, False, or None where it cannot be decided.
        found: The values of the request.
        wanted: The values of the statement.
        explanation: One sentence.
        documentation: The page that states the rule.
    """

    element: str
    operator: str
    key: str
    outcome: bool | None
    found: tuple[str, ...]
    wanted: tuple[str, ...]
    explanation: str
    documentation: str


@dataclass(frozen=True)
class StatementEvaluation:
    """How one statement came out; `index` counts from 0, `matched` is None where it cannot be decided."""

    index: int
    sid: str | None
    effect: Literal["Allow", "Deny"]
    matched: bool | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Evaluation:
    """The answer, why in one sentence, the page that states the rule, and each statement."""

    decision: Decision
    explanation: str
    documentation: str
    statements: tuple[StatementEvaluation, ...]


class TrustDocumentError(Mistake):
    """A document that IAM would not accept as a trust policy; `place` says where, such as `Statement[0].Effect`."""

    def __init__(self, place: str, found: str, allowed: str, rule: str = "grammar") -> None:
        """Put the place in front of what was found, and the page that states the rule at the end."""
        super().__init__(f"{place}: {found}" if place else found, allowed, f"see {DOCUMENTATION[rule]}")
        self.place = place


def evaluate(trust_document: str | Mapping[str, object], request: WebIdentityRequest) -> Evaluation:
    """Tell whether this token may assume the role that has this trust policy, and why.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    version, statements = _parse(trust_document)
    known = _Known(request, _context(request), version == _VARIABLES_SINCE)
    evaluated = tuple(_evaluate_statement(index, statement, known) for index, statement in enumerate(statements))
    decision, explanation = _decide(evaluated)
    return Evaluation(decision, explanation, DOCUMENTATION["decision"], evaluated)


def _decide(statements: tuple[StatementEvaluation, ...]) -> tuple[Decision, str]:
    def those(effect: str, matched: bool | None) -> str:
        return _listed(
            f"{s.index + 1}{f' ({s.sid})' if s.sid else ''}"
            for s in statements
            if s.effect == effect and s.matched is matched
        )

    deny, allow = those("Deny", True), those("Allow", True)
    perhaps_deny, perhaps_allow = those("Deny", None), those("Allow", None)
    if deny:
        return Decision.DENIED, f"Statement {deny} denies it, and an explicit Deny wins over every Allow."
    if not allow and not perhaps_allow:
        return Decision.DENIED, "No statement allows it, and what no statement allows is denied."
    if perhaps_deny:
        return Decision.CANNOT_DECIDE, f"Statement {perhaps_deny} may deny it, which cannot be decided here."
    if allow:
        return Decision.ALLOWED, f"Statement {allow} allows it, and no statement denies it."
    return Decision.CANNOT_DECIDE, f"Only statement {perhaps_allow} may allow it, which cannot be decided here."


# Three-valued logic (Kleene's): unknown only where the known values do not decide alone.


def _all(outcomes: Iterable[bool | None]) -> bool | None:
    known = set(outcomes)
    return False if False in known else None if None in known else True


def _any(outcomes: Iterable[bool | None]) -> bool | None:
    known = set(outcomes)
    return True if True in known else None if None in known else False


def _not(outcome: bool | None) -> bool | None:
    return None if outcome is None else not outcome


# The document


class _Condition(NamedTuple):
    operator: str
    key: str
    wanted: tuple[str, ...]


class _Statement(NamedTuple):
    sid: str | None
    effect: Literal["Allow", "Deny"]
    principals: tuple[tuple[str, str], ...]
    action_element: str
    actions: tuple[str, ...]
    conditions: tuple[_Condition, ...]


_VARIABLES_SINCE = "2012-10-17"
_DEFAULT_VERSION = "2008-10-17"
_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset({"Sid", "Effect", "Principal", "Action", "NotAction", "Condition"})
_PRINCIPAL_TYPES = frozenset({"AWS", "Federated", "Service", "CanonicalUser"})
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def _parse(document: str | Mapping[str, object]) -> tuple[str, list[_Statement]]:
    read = _json(document) if isinstance(document, str) else document
    _require_characters(read, "")
    policy = _object(read, "", _POLICY_ELEMENTS)
    version = policy.get("Version", _DEFAULT_VERSION)
    if version not in (_DEFAULT_VERSION, _VARIABLES_SINCE):
        raise TrustDocumentError("Version", f"found {version!r}", f"{_VARIABLES_SINCE} or {_DEFAULT_VERSION}")
    if "Statement" not in policy:
        raise TrustDocumentError("", "there is no Statement", "a statement, or a list of them")
    statements = policy["Statement"]
    if isinstance(statements, list | tuple):
        placed = [(statement, f"Statement[{index}]") for index, statement in enumerate(statements)]
    else:
        placed = [(statements, "Statement")]
    return str(version), [_parse_statement(statement, place) for statement, place in placed]


def _json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates)
    except TrustDocumentError:
        raise
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise TrustDocumentError(place, f"not JSON ({error.msg})", "a JSON document") from error
    except ValueError as error:
        # Python refuses longer numbers; IAM's quota has no room for it either.
        found = f"a number of more than {sys.get_int_max_str_digits():,} digits"
        allowed = f"{TRUST_POLICY_SIZE:,} characters in a trust policy, unless AWS raised the quota"
        raise TrustDocumentError("", found, allowed, "quotas") from error


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # A JSON parser keeps the last of two equal names; IAM's grammar forbids them, and a condition would get lost.
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TrustDocumentError("", f"one object has {twice!r} twice", "each name once; put the values in one list")
    return dict(pairs)


def _require_characters(value: object, place: str) -> None:
    """Refuse half of a surrogate pair, which JSON can write (`\\ud800`) and which is no Unicode character."""
    if isinstance(value, str) and _HALF_A_CHARACTER.search(value):
        raise TrustDocumentError(place, f"found {value!r}, one half of a character", "Unicode characters", "quotas")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _require_characters(name, place)
            _require_characters(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _require_characters(inner, f"{place}[{index}]")


def _parse_statement(value: object, place: str) -> _Statement:
    if isinstance(value, Mapping) and "NotPrincipal" in value:
        found = "found NotPrincipal, which no role's trust policy has"
        raise TrustDocumentError(place, found, "a Principal: who may assume the role", "not-principal")
    statement = _object(value, place, _STATEMENT_ELEMENTS)
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise TrustDocumentError(f"{place}.Effect", f"found {effect!r}", "Allow or Deny, so written")
    sid = statement.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise TrustDocumentError(f"{place}.Sid", f"found {sid!r}", "a text")
    if "Principal" not in statement:
        raise TrustDocumentError(place, "there is no Principal", "a Principal: who may assume the role")
    action_element = _one_of(statement, place, "Action", "NotAction")
    return _Statement(
        sid,
        "Allow" if effect == "Allow" else "Deny",
        _parse_principals(statement["Principal"], f"{place}.Principal"),
        action_element,
        _texts(statement[action_element], f"{place}.{action_element}"),
        _parse_conditions(statement.get("Condition", {}), f"{place}.Condition"),
    )


def _parse_principals(value: object, place: str) -> tuple[tuple[str, str], ...]:
    if value == "*":
        return (("*", "*"),)
    types = _object(value, place, _PRINCIPAL_TYPES)
    return tuple((type_, name) for type_, names in types.items() for name in _texts(names, f"{place}.{type_}"))


def _parse_conditions(value: object, place: str) -> tuple[_Condition, ...]:
    return tuple(
        _Condition(operator, key, _condition_values(values, f"{place}.{operator}.{key}"))
        for operator, keys in _object(value, place).items()
        for key, values in _object(keys, f"{place}.{operator}").items()
    )


def _object(value: object, place: str, names: frozenset[str] | None = None) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TrustDocumentError(place, f"found {value!r}", "a JSON object")
    unknown = [name for name in value if names is not None and name not in names]
    if names is not None and unknown:
        raise TrustDocumentError(place, f"a trust policy has no {unknown[0]!r} here", ", ".join(sorted(names)))
    return value


def _one_of(statement: Mapping[str, object], place: str, *elements: str) -> str:
    present = [element for element in elements if element in statement]
    if len(present) != 1:
        raise TrustDocumentError(
            place, f"found {' and '.join(present) or 'neither'}", f"either {' or '.join(elements)}"
        )
    return present[0]


def _texts(value: object, place: str) -> tuple[str, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    texts = tuple(each for each in values if isinstance(each, str))
    if len(texts) != len(values):
        raise TrustDocumentError(place, f"found {value!r}", "a text, or a list of texts")
    return texts


def _condition_values(value: object, place: str) -> tuple[str, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    for each in values:
        if not isinstance(each, str | bool | int | float):
            raise TrustDocumentError(place, f"found {each!r}", "a text, a number, true or false, or a list of them")
    return tuple(each if isinstance(each, str) else json.dumps(each) for each in values)


# What is known of the request

_Context = Mapping[str, tuple[str, ...]]


class _Known(NamedTuple):
    request: WebIdentityRequest
    context: _Context
    variables: bool  # the document's version has policy variables


_OWN_NAMESPACES = ("aws:", "sts:", "iam:")


def _context(request: WebIdentityRequest) -> _Context:
    issuer = issuer_host_path(request.issuer)
    known = {f"{issuer}:aud": (request.audience,), f"{issuer}:sub": (request.subject,), **request.context}
    return {key.lower(): values for key, values in known.items()}


def _values_of(key: str, context: _Context) -> tuple[str, ...] | None:
    """Give the key's values, none for an absent key, None when it is not known."""
    name = key.lower()
    if name in context:
        return context[name]
    # A token fills the keys of its own provider only, so `aud` and `sub` under any other prefix are absent.
    other_provider = name.endswith((":aud", ":sub")) and not name.startswith(_OWN_NAMESPACES)
    return () if other_provider else None


# Patterns: a condition's value, with wildcards and policy variables read


class _Wildcard(Enum):
    MANY = "*"
    ONE = "?"


_Pattern = tuple[str | _Wildcard, ...]
_WILDCARDS: Mapping[str, _Wildcard] = {wildcard.value: wildcard for wildcard in _Wildcard}
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_PARTS = re.compile(r"([^,']+?)(?:,\s*'([^']*)')?")


def _read(text: str, wildcards: bool) -> _Pattern:
    return tuple(_WILDCARDS.get(character, character) if wildcards else character for character in text)


def _pattern(text: str, wildcards: bool, known: _Known) -> _Pattern | None:
    """Read a condition's value; None when a variable in it has no known value."""
    if not known.variables:
        return _read(text, wildcards)
    pattern: _Pattern = ()
    # re.split gives plain text and the names of variables in turn.
    for index, part in enumerate(_VARIABLE.split(text)):
        if index % 2 == 0:
            read = None if "${" in part else _read(part, wildcards)
        elif part in ("*", "?", "$"):
            read = (part,)
        else:
            read = _variable(part, wildcards, known.context)
        if read is None:
            return None
        pattern += read
    return pattern


def _variable(text: str, wildcards: bool, context: _Context) -> _Pattern | None:
    parts = _VARIABLE_PARTS.fullmatch(text)
    values = _values_of(parts[1], context) if parts else None
    if parts and values == () and parts[2] is not None:
        values = (parts[2],)
    # Unresolved, "the entire statement" *might* be invalid, says the page; whether a wildcard in a value
    # still is one, it does not say.
    if values is None or len(values) != 1 or (wildcards and _WILDCARDS.keys() & set(values[0])):
        return None
    return tuple(values[0])


def _matches(text: str, pattern: _Pattern) -> bool:
    """Match the whole text in time proportional to text times pattern."""
    at, position, star, resume = 0, 0, -1, 0
    while at < len(text):
        part = pattern[position] if position < len(pattern) else None
        if part is _Wildcard.MANY:
            star, resume = position, at
            position += 1
        elif part is _Wildcard.ONE or part == text[at]:
            at, position = at + 1, position + 1
        elif star >= 0:
            resume += 1
            at, position = resume, star + 1
        else:
            return False
    return all(part is _Wildcard.MANY for part in pattern[position:])


# Condition operators


def _text(pattern: _Pattern) -> str:
    return "".join(part for part in pattern if isinstance(part, str))


def _equal(found: str, pattern: _Pattern) -> bool | None:
    return tuple(found) == pattern


def _equal_without_case(found: str, pattern: _Pattern) -> bool | None:
    return found.lower() == _text(pattern).lower()


def _like(found: str, pattern: _Pattern) -> bool | None:
    return _matches(found, pattern)


def _arn_like(found: str, pattern: _Pattern) -> bool | None:
    """Compare the six parts of an ARN one by one; the page says nothing of texts that are no ARN."""
    parts: list[_Pattern] = [()]
    for part in pattern:
        if part == ":" and len(parts) < _ARN_PARTS:
            parts.append(())
        else:
            parts[-1] += (part,)
    found_parts = found.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or len(found_parts) != _ARN_PARTS:
        return None
    return all(map(_matches, found_parts, parts))


def _boolean(found: str, pattern: _Pattern) -> bool | None:
    values = (found.lower(), _text(pattern).lower())
    return values[0] == values[1] if {"true", "false"}.issuperset(values) else None


_ARN_PARTS = 6


class _Operator(NamedTuple):
    compare: Callable[[str, _Pattern], bool | None]
    negated: bool
    wildcards: bool
    variables: bool
    rule: str
    wants: str


_OPERATORS = {
    "StringEquals": _Operator(_equal, False, False, True, "string", "be exactly"),
    "StringNotEquals": _Operator(_equal, True, False, True, "string", "not be"),
    "StringEqualsIgnoreCase": _Operator(_equal_without_case, False, False, True, "string", "be, whatever the case,"),
    "StringNotEqualsIgnoreCase": _Operator(_equal_without_case, True, False, True, "string", "not be, in any case,"),
    "StringLike": _Operator(_like, False, True, True, "string", "match"),
    "StringNotLike": _Operator(_like, True, True, True, "string", "not match"),
    "ArnEquals": _Operator(_arn_like, False, True, True, "arn", "match, part by part,"),
    "ArnLike": _Operator(_arn_like, False, True, True, "arn", "match, part by part,"),
    "ArnNotEquals": _Operator(_arn_like, True, True, True, "arn", "not match, part by part,"),
    "ArnNotLike": _Operator(_arn_like, True, True, True, "arn", "not match, part by part,"),
    # The pages contradict each other on policy variables under Bool: undecided when there is one.
    "Bool": _Operator(_boolean, False, False, False, "bool", "be"),
}
_OPERATOR_NAME = re.compile(rf"(?:(ForAllValues|ForAnyValue):)?({'|'.join(_OPERATORS)})(IfExists)?")
_SETS: Mapping[str, Callable[[Iterable[bool | None]], bool | None]] = {"ForAllValues": _all, "ForAnyValue": _any}

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
    explanation: str


def _evaluate_condition(condition: _Condition, known: _Known) -> Reason:
    found = _values_of(condition.key, known.context)
    outcome, rule, explanation = _outcome(condition, found, known)
    hint = _hint(condition, found, outcome, known.request)
    return Reason(
        "Condition",
        condition.operator,
        condition.key,
        outcome,
        found or (),
        condition.wanted,
        f"{explanation}.{hint and f' {hint}'}",
        DOCUMENTATION[rule],
    )


def _outcome(condition: _Condition, found: tuple[str, ...] | None, known: _Known) -> _Outcome:
    operator, key, wanted = condition
    name = _OPERATOR_NAME.fullmatch(operator)
    if found is None or not wanted or not (name or operator == "Null"):
        return _undecidable(condition, found, name is not None)
    if not name:
        return _null(key, wanted, found)
    set_operator, base, if_exists = name.groups()
    if not found:
        return _absent(key, if_exists or set_operator or ("negated" if _OPERATORS[base].negated else "positive"))
    if set_operator and not any(found):  # an empty text counts as no value, but only for the set operators
        return _absent(key, set_operator)
    return _present(condition, found, set_operator, _OPERATORS[base], known)


def _undecidable(condition: _Condition, found: tuple[str, ...] | None, is_comparison: bool) -> _Outcome:
    operator, key, _ = condition
    if not is_comparison and operator != "Null":
        return _Outcome(None, "operators", f"The operator {operator} is not one that irsa can evaluate")
    if found is None:
        return _Outcome(None, "keys", f"Whether the request has {key}, and with which value, is not known here")
    return _Outcome(None, "values", f"{operator} lists no value for {key}; IAM's pages do not say what then holds")


def _null(key: str, wanted: tuple[str, ...], found: tuple[str, ...]) -> _Outcome:
    if not {"true", "false"}.issuperset(wanted):
        return _Outcome(
            None, "null", f"Null takes true (the key is absent) or false (it is there), not {_listed(wanted)}"
        )
    asked = " or ".join({"true": "absent", "false": "there"}[each] for each in wanted)
    outcome = ("false" if found else "true") in wanted
    return _Outcome(outcome, "null", f"Null asks that {key} be {asked}, and it is {'there' if found else 'absent'}")


def _absent(key: str, case: str) -> _Outcome:
    outcome, rule, sentence = _ABSENT_RULES[case]
    return _Outcome(outcome, rule, f"The request has no {key}, and {sentence}")


def _present(
    condition: _Condition, found: tuple[str, ...], set_operator: str | None, operator: _Operator, known: _Known
) -> _Outcome:
    _, key, wanted = condition
    if len(found) > 1 and not set_operator:
        return _Outcome(None, "sets", f"{key} has several values, which only ForAllValues and ForAnyValue compare")
    if known.variables and not operator.variables and any("${" in value for value in wanted):
        return _Outcome(None, "variables", f"AWS's pages differ on policy variables here: {_listed(wanted)}")
    patterns = [_pattern(value, operator.wildcards, known) for value in wanted]

    def satisfied(value: str) -> bool | None:
        matched = _any(None if pattern is None else operator.compare(value, pattern) for pattern in patterns)
        return _not(matched) if operator.negated else matched

    outcome = _SETS[set_operator or "ForAllValues"](satisfied(value) for value in found)
    which = {"ForAllValues": "each value must", "ForAnyValue": "some value must"}.get(set_operator or "", "it must")
    choice = ("any of " if operator.negated else "one of ") if len(wanted) > 1 else ""
    said = {True: "which is so", False: "which is not so", None: "which cannot be decided here"}[outcome]
    rule = "variables" if outcome is None and None in patterns else operator.rule
    return _Outcome(
        outcome, rule, f"{key} is {_listed(found)}; {which} {operator.wants} {choice}{_listed(wanted)}, {said}"
    )


def _hint(
    condition: _Condition, found: tuple[str, ...] | None, outcome: bool | None, request: WebIdentityRequest
) -> str:
    """Say which known slip of the pen this looks like."""
    prefix, _, claim = condition.key.lower().rpartition(":")
    own = issuer_host_path(request.issuer)
    if found == () and claim in ("aud", "sub"):
        return f"The keys of this token begin with {own} (the issuer without https://)."
    name = _OPERATOR_NAME.fullmatch(condition.operator)
    if outcome is not False or not name or _OPERATORS[name[2]].negated or prefix != own.lower():
        return ""
    return _slip(claim, name[2], condition.wanted, request)


def _slip(claim: str, operator: str, wanted: tuple[str, ...], request: WebIdentityRequest) -> str:
    value = request.subject if claim == "sub" else request.audience
    slips = (
        (
            claim == "aud" and any(each.startswith(CLAIM_PREFIX) for each in wanted),
            "The value is the name of a service account, which belongs under sub, not aud.",
        ),
        (
            claim == "sub" and request.audience in wanted,
            "The value is the audience, which belongs under aud, not sub.",
        ),
        (any(each.startswith(CLAIM_PREFIX * 2) for each in wanted), f"The prefix {CLAIM_PREFIX} is there twice."),
        (
            operator.startswith("StringEquals")
            and any(_matches(value, _read(each, wildcards=True)) for each in wanted),
            "StringEquals takes * and ? as they stand; only StringLike reads them as wildcards.",
        ),
        (value.lower() in (each.lower() for each in wanted), "It differs only in upper and lower case."),
        (value in (each.strip() for each in wanted), "It differs only in blanks at the ends."),
    )
    return next((sentence for applies, sentence in slips if applies), "")


# Statements


def _evaluate_statement(index: int, statement: _Statement, known: _Known) -> StatementEvaluation:
    reasons = (
        _principal(statement, known.request),
        _action(statement),
        *(_evaluate_condition(condition, known) for condition in statement.conditions),
    )
    matched = _all(reason.outcome for reason in reasons)
    return StatementEvaluation(index, statement.sid, statement.effect, matched, reasons)


def _principal(statement: _Statement, request: WebIdentityRequest) -> Reason:
    listed = _any(_is_principal(type_, name, request.provider_arn) for type_, name in statement.principals)
    names = tuple(name for _, name in statement.principals)
    everybody = {("*", "*"), ("AWS", "*")}.intersection(statement.principals)
    who = "everybody" if everybody else _listed(names) or "nobody"
    if listed is None:
        explanation = 'AWS\'s pages do not say what "*" means under Federated, so whether it names this token is open.'
    else:
        explanation = f"The statement is for {who}, and the token comes through {request.provider_arn}."
        explanation += "" if listed else _principal_hint(names, request.provider_arn)
    rule = "anybody" if everybody else "principal"
    return Reason(
        "Principal",
        "",
        "",
        listed,
        (request.provider_arn,),
        names,
        explanation,
        DOCUMENTATION[rule],
    )


def _is_principal(type_: str, name: str, provider_arn: str) -> bool | None:
    if name == "*":
        return {"*": True, "AWS": True, "Federated": None}.get(type_, False)
    return type_ == "Federated" and name == provider_arn


def _principal_hint(names: tuple[str, ...], provider_arn: str) -> str:
    issuer = provider_arn.partition(":oidc-provider/")[2]
    if provider_arn.lower() in (name.lower() for name in names):
        return " They differ only in upper and lower case."
    if any(name.endswith(f":oidc-provider/{issuer}") for name in names):
        return " It is the same issuer in another account or partition, and STS looks in the role's own account."
    return ""


def _action(statement: _Statement) -> Reason:
    # Neither the service's prefix nor the name of an action has a case.
    listed = any(_matches(ACTION.lower(), _read(action.lower(), wildcards=True)) for action in statement.actions)
    negated = statement.action_element == "NotAction"
    names = _listed(statement.actions) or "nothing"
    scope = f"everything but {names}" if negated else names
    verb = "includes" if listed != negated else "does not include"
    return Reason(
        statement.action_element,
        "",
        "",
        listed != negated,
        (ACTION,),
        statement.actions,
        f"The statement covers {scope}, which {verb} {ACTION}.",
        DOCUMENTATION["not-action" if negated else "action"],
    )


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)
