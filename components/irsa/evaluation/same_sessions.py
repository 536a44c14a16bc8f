"""The proof that two trust policies admit the same service accounts, by evaluating both. Pure.

Both are asked about one token of each kind that they tell apart. What is not known of a request may be anything, and
must then decide alike.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Any

from irsa.evaluation import Decision, Evaluation, WebIdentityRequest
from irsa.evaluation.admission import TOO_MANY_PATTERNS
from irsa.evaluation.cover import of_subjects
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, parse
from irsa.evaluation.kinds import OF_AUDIENCES, kinds, union
from irsa.evaluation.normal_form import Document, normal
from irsa.evaluation.patterns import pattern_of
from irsa.evaluation.representatives import Asked, Claim, asked, reads_claims, told
from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import named
from irsa.rules.policies import parse_object
from irsa.rules.subjects import CLAIM_PREFIX
from irsa.rules.trust import ACTION, DEFAULT_AUDIENCE, federated_providers

_COMPARED = frozenset({"Effect", "Principal", "Action", "Condition"})
VARIABLES = "irsa cannot tell whom it admits: a policy variable in it stands for a claim of the token"

# One of these sets of conditions must hold, and of the others none may: of what is not known of a request.
_Outcome = tuple[frozenset[frozenset[object]], frozenset[frozenset[object]]]
_NOTHING: frozenset[object] = frozenset()
_ALLOWED: _Outcome = frozenset({_NOTHING}), frozenset()
_DENIED: _Outcome = frozenset(), frozenset()


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any], audiences: Mapping[str, Collection[str] | None]
) -> str:
    """Return whom two trust policies treat differently, as a sentence; empty where nobody is.

    A service account may ask for tokens of any audience that the provider lists. Whoever is admitted with some audience
    before must be after. Where it is known what the provider lists (`audiences`, by its ARN), that is so of each of
    them, and of each audience that a condition names.

    Raises:
        TrustDocumentError: IAM would not accept one of the two.
    """
    one, other = parse(before), parse(after)
    spelling: dict[str, str] = {}
    texts = [{*normal(each, spelling).texts} for each in (before, after)]
    has_variables = any("${" in text for both in texts for text in both)
    if texts[0] == texts[1] and not (has_variables and one[0] != other[0]):
        return ""
    for provider_arn in sorted(audiences):
        if has_variables and (one[0] != other[0] or any(reads_claims(each, provider_arn) for each in (one, other))):
            return VARIABLES
        found = _difference(one, other, provider_arn, audiences[provider_arn])
        if found:
            return found
    return ""


def admits_the_same(before: Document, after: Document) -> bool:
    """Return whether two trust policies give the same sessions to the same principals.

    They may differ in how they admit service accounts by their tokens, if the proof holds, and by a statement that
    narrows one that both have. All else must be said alike. Of audiences, those count that a condition names.

    Raises:
        Mistake: One of them is not a trust policy.
    """
    both = [parse_object(each) if isinstance(each, str) else each for each in (before, after)]
    spelling: dict[str, str] = {}
    old, new = (normal(each, spelling) for each in both)
    if old.version != new.version and any("${" in text for text in (*old.texts, *new.texts)):
        return False
    kept = [each for each in old.statements if each in new.statements]
    removed, added = ([each for each in side.statements if each not in kept] for side in (old, new))
    added = [each for each in added if not any(_is_within(each, other) for other in kept)]
    if not all(map(_is_for_service_accounts, (*removed, *added))):
        return False
    # Whoever is treated differently is so by one of these.
    providers = federated_providers({"Statement": [*removed, *added]})
    return not difference(both[0], both[1], {arn: [*chain(*each)] for arn, each in providers.items()})


def _is_for_service_accounts(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement in its normal form only admits tokens of which each subject is a service account's."""
    principal, conditions = statement.get("Principal"), statement.get("Condition", {})
    if not ({*statement} <= _COMPARED and isinstance(principal, Mapping) and {*principal} == {"Federated"}):
        return False
    subjects = {
        key.lower(): texts
        for operator in ("StringEquals", "StringLike")
        for key, texts in conditions.get(operator, {}).items()
    }
    of_subjects = (f"{arn.partition(':oidc-provider/')[2]}:sub".lower() for arn in principal["Federated"])
    return (
        statement["Effect"] == "Allow"
        and [each.lower() for each in statement.get("Action", ())] == [ACTION.lower()]
        and all(each.startswith(CLAIM_PREFIX) for key in of_subjects for each in subjects.get(key) or [""])
    )


def _is_within(statement: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether a statement in its normal form allows nothing that another one does not."""
    same = all(statement.get(each) == other.get(each) for each in ("Effect", "Principal"))
    if not same or statement["Effect"] != "Allow" or not {*statement, *other} <= _COMPARED:
        return False
    conditions, fewer = statement.get("Condition", {}), other.get("Condition", {})
    return {*statement.get("Action", ())} <= {*other.get("Action", ())} and all(
        conditions.get(operator, {}).get(key) == values
        for operator, keys in fewer.items()
        for key, values in keys.items()
    )


def _difference(one: Parsed, other: Parsed, provider_arn: str, listed: Collection[str] | None) -> str:
    sides = [asked(each, provider_arn) for each in (one, other)]
    of_sub, of_aud = (tuple(chain.from_iterable(each.patterns(claim) for each in sides)) for claim in ("sub", "aud"))
    subjects = of_subjects(of_sub)
    of_listed = [pattern_of(each, wildcards=False) for each in listed or [DEFAULT_AUDIENCE]]
    audiences = kinds((*of_aud, *of_listed), OF_AUDIENCES)
    if subjects is None or audiences is None:
        return "" if _said(sides[0]) == _said(sides[1]) else TOO_MANY_PATTERNS
    all_audiences = _one_of_each(sides, "aud", audiences.texts)
    are_named = union(audiences.matching) if listed is not None else 0
    named_ones = _one_of_each(sides, "aud", [text for at, text in enumerate(audiences.texts) if are_named >> at & 1])
    issuer = f"https://{issuer_of_provider(provider_arn)}"
    documents = [told(each, provider_arn) for each in (one, other)]
    for claim in _one_of_each(sides, "sub", subjects.claims):
        now, then = (
            {
                audience: _outcome(evaluate_parsed(*each, WebIdentityRequest(issuer, provider_arn, claim, audience)))
                for audience in {*all_audiences, *named_ones}
            }
            for each in documents
        )
        which = next((each for each in named_ones if now[each] != then[each]), None)
        if which is not None:
            decisions = f"{_decision({now[which]})} before, {_decision({then[which]})} after"
            return f"{named(claim)} with the audience {named(which)}: {decisions}"
        some = [_with_some(each[audience] for audience in all_audiences) for each in (now, then)]
        if some[0] != some[1]:
            return f"{named(claim)} with some audience: {_decision(some[0])} before, {_decision(some[1])} after"
    return ""


def _outcome(evaluation: Evaluation) -> _Outcome:
    """Return on which conditions it depends, of those that cannot be decided here, whether a token is let in."""
    conditions: dict[str, set[frozenset[object]]] = {"Allow": set(), "Deny": set()}
    for statement in evaluation.statements:
        if statement.matched is not False:
            conditions[statement.effect].add(
                frozenset(
                    (each.element, each.operator, each.key.lower(), frozenset(each.wanted))
                    for each in statement.reasons
                    if each.outcome is None
                )
            )
    # With fewer conditions, a statement applies whenever one with more of them does.
    allow, deny = (frozenset(each for each in of if not any(one < each for one in of)) for of in conditions.values())
    return (allow, deny) if allow and _NOTHING not in deny else _DENIED


def _with_some(outcomes: Iterable[_Outcome]) -> set[_Outcome]:
    """Return on what it depends whether one of several tokens is let in."""
    found = {*outcomes}
    return {_ALLOWED} if _ALLOWED in found else found - {_DENIED}


def _decision(outcomes: Collection[_Outcome]) -> str:
    if _ALLOWED in outcomes:
        return Decision.ALLOWED.value
    return (Decision.CANNOT_DECIDE if {*outcomes} - {_DENIED} else Decision.DENIED).value


def _said(side: Asked) -> set[object]:
    """Return what statements say, as far as it can be compared without a token; what cannot be is equal to nothing."""
    found: set[object] = set()
    for each in side.statements:
        conditions = [(one.negated, *side.compared(one)) for of_claim in (each.aud, each.sub) for one in of_claim]
        is_known = each.otherwise is not None and not any(None in one for one in conditions)
        found.add((each.effect, len(each.aud), *conditions) if is_known else object())
    return found


def _one_of_each(sides: Iterable[Asked], claim: Claim, texts: Iterable[str]) -> list[str]:
    """Return one of those texts for which all conditions on a claim come out alike."""
    return sorted({tuple(each.outcomes(claim, text) for each in sides): text for text in [*texts][::-1]}.values())
