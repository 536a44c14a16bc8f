"""The proof that two trust policies admit the same service accounts, by evaluating both.

Both are asked about every service account that exists, about some that nobody named, and about every audience that the
OIDC provider lists or a condition names. What a policy says depends on a token's `sub` only through the comparisons
with it, so that of the accounts for which these all come out alike, one is asked.
"""

import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irsa.evaluation import Evaluation, WebIdentityRequest
from irsa.evaluation.admission import FILLING, subjects_of_claim
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Condition, Statement, parse
from irsa.evaluation.patterns import regular_expression
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import split_operator
from irsa.rules.mistakes import named
from irsa.rules.strangers import stranger
from irsa.rules.subjects import CLAIM_PREFIX, WILDCARDS, is_pattern
from irsa.rules.trust import DEFAULT_AUDIENCE

COMPARING_TEXT = ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike")

Parsed = tuple[str, list[Statement]]


@dataclass(frozen=True)
class Tokens:
    """The tokens that come by one OIDC provider.

    Attributes:
        claims: The `sub` of each service account of its cluster, sorted.
        audiences: The audiences that the provider lists.
    """

    claims: tuple[str, ...]
    audiences: tuple[str, ...]


def difference(before: Mapping[str, Any], after: Mapping[str, Any], tokens: Mapping[str, Tokens]) -> str:
    """Return whom two trust policies treat differently, as a sentence; empty where nobody is.

    Args:
        before: A trust policy.
        after: Another one.
        tokens: The tokens that there are, by the ARN of their OIDC provider.

    Raises:
        TrustDocumentError: IAM would not accept one of the two.
    """
    one, other = parse(before), parse(after)
    for provider_arn in sorted(tokens):
        for claim, audience in _tried(one, other, provider_arn, tokens[provider_arn]):
            request = WebIdentityRequest(f"https://{issuer_of_provider(provider_arn)}", provider_arn, claim, audience)
            now, then = (evaluate_parsed(*each, request) for each in (one, other))
            if _outcome(now) != _outcome(then):
                who = f"{named(claim)} with the audience {named(audience)}"
                return f"{who}: {now.decision.value} before, {then.decision.value} after"
    return ""


def _outcome(evaluation: Evaluation) -> tuple[object, ...]:
    """Return the decision; where it depends on what is not known here, with the conditions on which it does."""
    open_conditions = frozenset(
        (
            statement.effect,
            frozenset((each.element, each.operator, each.key.lower(), frozenset(each.wanted)) for each in undecided),
        )
        for statement in evaluation.statements
        if statement.matched is None and (undecided := [each for each in statement.reasons if each.outcome is None])
    )
    return (evaluation.decision, open_conditions)


def _tried(one: Parsed, other: Parsed, provider_arn: str, tokens: Tokens) -> Iterator[tuple[str, str]]:
    statements = [*one[1], *other[1]]
    issuer = issuer_of_provider(provider_arn)
    of_sub, of_aud = (_conditions_on(statements, f"{issuer}:{claim}") for claim in ("sub", "aud"))
    values = {value for condition in of_sub for value in condition.wanted}
    claims = set(_each_kind(tokens.claims, values) if _compare_text(of_sub, statements) else tokens.claims)
    claims |= {CLAIM_PREFIX + each for each in _strangers(values)}
    audiences = {*(tokens.audiences or [DEFAULT_AUDIENCE]), *_filled(v for c in of_aud for v in c.wanted)}
    yield from ((claim, audience) for claim in sorted(claims) for audience in sorted(audiences))


def _conditions_on(statements: Iterable[Statement], key: str) -> list[Condition]:
    return [each for statement in statements for each in statement.conditions if each.key.lower() == key.lower()]


def _compare_text(conditions: Iterable[Condition], statements: Iterable[Statement]) -> bool:
    """Return whether a `sub` counts only by which of the conditions' values it equals or matches."""
    operators = [split_operator(each.operator) for each in conditions]
    everything = (value for statement in statements for each in statement.conditions for value in each.wanted)
    return all(each and each.name in COMPARING_TEXT for each in operators) and not any("${" in v for v in everything)


def _each_kind(claims: Sequence[str], values: Collection[str]) -> Iterator[str]:
    """Yield one of each group of claims that the same values equal or match, and one that none does."""
    matched: dict[str, list[tuple[str, bool]]] = {}
    for value in sorted(values):
        prefix = WILDCARDS.split(value, maxsplit=1)[0]
        matches = regular_expression(value).fullmatch
        for claim in claims[bisect.bisect_left(claims, prefix) :]:
            if not claim.startswith(prefix) or (prefix == value and claim != value):
                break
            if matches(claim):
                # An equal value is more than a match: StringEquals takes wildcards literally.
                matched.setdefault(claim, []).append((value, claim == value))
    seen: set[tuple[tuple[str, bool], ...]] = set()
    for claim in claims:
        kind = tuple(matched.get(claim, ()))
        if kind not in seen:
            seen.add(kind)
            yield claim


def _strangers(values: Collection[str]) -> Iterator[str]:
    """Yield service accounts that need not exist, as `namespace:name`: named ones, and ones that nobody named."""
    # `system:serviceaccount:*` is no subject, but every one: what its star stands for has the colon in it.
    subjects = {subject for each in values for subject in subjects_of_claim(each)}
    yield from _filled(subjects)
    namespaces = {each.partition(":")[0] for each in subjects}
    for namespace in [None, *sorted(each for each in namespaces if not is_pattern(each))]:
        unnamed = stranger(subjects, namespace)
        if unnamed:
            yield unnamed


def _filled(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield pattern.replace("*", FILLING).replace("?", FILLING[0])
