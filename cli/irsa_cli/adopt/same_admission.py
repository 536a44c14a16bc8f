"""The proof that two trust policies admit the same service accounts, by evaluating both.

Both are asked about one service account of each kind that their patterns tell apart, and about every audience that the
OIDC provider lists or a condition names.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from irsa.evaluation import Evaluation, WebIdentityRequest
from irsa.evaluation.admission import TOO_MANY_PATTERNS
from irsa.evaluation.comparisons import Compared, compared, compared_with, reads_claims
from irsa.evaluation.cover import of_subjects
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import parse
from irsa.evaluation.kinds import OF_AUDIENCES, kinds
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
        tried = _tried([*compared(one, provider_arn), *compared(other, provider_arn)], audiences[provider_arn])
        if tried is None:
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


def _tried(statements: Sequence[Compared], listed: Collection[str]) -> list[tuple[str, str]] | None:
    """Return a token of each kind, as its `sub` and its `aud`; None where there are too many kinds."""
    patterns = tuple(dict.fromkeys(part for each in statements for one in each.aud for part in one.patterns))
    of_sub, of_aud = of_subjects(compared_with(statements)), kinds(patterns, OF_AUDIENCES)
    if of_sub is None or of_aud is None:
        return None
    audiences = {*(listed or [DEFAULT_AUDIENCE])}
    audiences |= {text for kind, text in enumerate(of_aud.texts) if any(those >> kind & 1 for those in of_aud.matching)}
    return [(subject_claim(text), audience) for text in of_sub.texts for audience in sorted(audiences)]
