"""The proof that two trust policies admit the same service accounts, by evaluating both.

Both are asked about one token of each kind that they tell apart, of the audiences that the OIDC provider lists or a
condition names.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from irsa.evaluation import Evaluation, WebIdentityRequest
from irsa.evaluation.admission import TOO_MANY_PATTERNS
from irsa.evaluation.comparisons import (
    Compared,
    Comparison,
    as_patterns,
    compared,
    compared_with,
    met,
    reads_claims,
    union,
)
from irsa.evaluation.cover import of_subjects
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import parse
from irsa.evaluation.kinds import OF_AUDIENCES, Kinds, Parts, kinds
from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import named
from irsa.rules.subjects import subject_claim
from irsa.rules.trust import DEFAULT_AUDIENCE


def difference(before: Mapping[str, Any], after: Mapping[str, Any], audiences: Mapping[str, Collection[str]]) -> str:
    """Return whom two trust policies treat differently, as a sentence; empty where nobody is.

    Args:
        before: A trust policy.
        after: Another one.
        audiences: The audiences that each OIDC provider lists, by its ARN.

    Raises:
        TrustDocumentError: IAM would not accept one of the two.
    """
    one, other = parse(before), parse(after)
    for provider_arn in sorted(audiences):
        if reads_claims(one, provider_arn) or reads_claims(other, provider_arn):
            return "irsa cannot tell whom it admits: a policy variable in it stands for a claim of the token"
        sides = [compared(each, provider_arn) for each in (one, other)]
        tried = _tried([*sides[0], *sides[1]], audiences[provider_arn])
        if tried is None:
            if _said(sides[0]) == _said(sides[1]):
                continue
            return TOO_MANY_PATTERNS
        issuer = f"https://{issuer_of_provider(provider_arn)}"
        for claim, audience in tried:
            request = WebIdentityRequest(issuer, provider_arn, claim, audience)
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


def _said(statements: Iterable[Compared]) -> set[object]:
    """Return what statements say, as far as it can be compared without a token; what cannot be is equal to nothing."""
    return {
        each._replace(place=-1)
        if each.otherwise is not None and all(one.complete for one in (*each.aud, *each.sub))
        else object()
        for each in statements
    }


def _tried(statements: Sequence[Compared], listed: Collection[str]) -> list[tuple[str, str]] | None:
    """Return one token, as its `sub` and its `aud`, of all to which each statement says the same; None for too many."""
    patterns = compared_with(statements)
    of_aud = compared_with(statements, "aud")
    subjects = of_subjects(patterns)
    audiences = kinds((*of_aud, *as_patterns(listed or [DEFAULT_AUDIENCE])), OF_AUDIENCES)
    if subjects is None or audiences is None:
        return None
    claims = _one_of_each([each.sub for each in statements], patterns, subjects, subjects.all)
    # Those that are listed, and those that a condition names.
    named_ones = _one_of_each([each.aud for each in statements], of_aud, audiences, union(audiences.matching))
    return [(subject_claim(text), audience) for text in claims for audience in named_ones]


def _one_of_each(
    compared_by_statement: Iterable[Sequence[Comparison]], patterns: Sequence[Parts], found: Kinds, asked: int
) -> list[str]:
    """Return one of those texts for which all comparisons come out alike."""
    matching = dict(zip(patterns, found.matching, strict=False))
    sides = [side for each in compared_by_statement for side in met(each, matching, found.all)]
    texts: dict[tuple[int, ...], str] = {}
    for kind, text in enumerate(found.texts):
        if asked >> kind & 1:
            texts.setdefault(tuple(side >> kind & 1 for side in sides), text)
    return sorted(texts.values())
