"""Who is admitted: a trust policy, evaluated for every service account of a cluster without evaluating each. Pure.

Between two service accounts of a cluster, a token differs in `sub` alone. So they are divided into groups by the
statements whose conditions on `sub` they meet, and one of each group is evaluated, with each audience that the OIDC
provider lists: a Pod may ask for a token of any audience.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from irsa.evaluation import DOCUMENTATION, Decision, Evaluation
from irsa.evaluation.document import Statement
from irsa.evaluation.kinds import bits
from irsa.evaluation.representatives import asked, reads_claims
from irsa_world.trusts.claims import Claims
from irsa_world.trusts.trust import ProviderTrust, statement_text

Whose = TypeVar("Whose", bound=ProviderTrust)
_Answer = tuple[Decision, tuple[str, ...], str, str]


class Admitted(NamedTuple, Generic[Whose]):
    """Service accounts of a cluster that have the same answer from a role.

    Attributes:
        trust: What the role says to the tokens of that cluster.
        service_accounts: Which of the cluster's, one bit each: see Claims.
        decision: ALLOWED or CANNOT_DECIDE.
        audiences: For tokens of which audiences, sorted.
        reason: Why.
        documentation: Page of AWS that states the rule.
    """

    trust: Whose
    service_accounts: int
    decision: Decision
    audiences: tuple[str, ...]
    reason: str
    documentation: str


def admitted(trust: Whose, claims: Claims[Any]) -> list[Admitted[Whose]]:
    """Return which service accounts of a cluster a role admits, or may admit."""
    if not trust.client_ids:
        return []
    of = asked(trust.parsed, trust.provider_arn)
    classes = of.classes(claims.kinds(of.patterns("sub")))
    # What is not known of a claim is told of each one.
    alone = reads_claims(trust.parsed, trust.provider_arn) or any(None in outcomes for outcomes in classes)
    groups = [(outcomes, each) for outcomes, those in classes.items() for each in (bits(those) if alone else [those])]
    found: dict[_Answer, int] = {}
    for outcomes, group in groups:
        places = [one.place for one, outcome in zip(of.statements, outcomes, strict=True) if outcome is not False]
        applying = {place: trust.parsed[1][place] for place in places}
        if any(each.effect == "Allow" for each in applying.values()):
            first = claims.subjects(group & -group)[0]
            answer = _answer(trust, applying, first)
            if answer and answer[0] is Decision.CANNOT_DECIDE and first in answer[2] and group & (group - 1):
                # The reason is this one's alone; the list grows while it is read.
                groups += [(outcomes, each) for each in bits(group)]
            elif answer:
                found[answer] = found.get(answer, 0) | group
    return [Admitted(trust, group, *answer) for answer, group in found.items()]


def _answer(trust: ProviderTrust, statements: Mapping[int, Statement], subject: str) -> _Answer | None:
    """Return decision, audiences, reason and documentation for a service account; None where it is refused."""
    by_decision: dict[Decision, dict[str, Evaluation]] = {}
    for audience in sorted({*(trust.client_ids or ())}):
        evaluation = trust.evaluated(subject, audience, statements.values())
        by_decision.setdefault(evaluation.decision, {})[audience] = evaluation
    for decision in (Decision.ALLOWED, Decision.CANNOT_DECIDE):
        if answers := by_decision.get(decision):
            reasons = [each for one in answers.values() for each in _reasons(trust, one, [*statements])]
            page = next((page for _, page in reasons if page), DOCUMENTATION["decision"])
            return decision, tuple(answers), "; ".join(dict.fromkeys(text for text, _ in reasons)), page
    return None


def _reasons(trust: ProviderTrust, evaluation: Evaluation, places: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Yield what decides, or what is not known; and the page that states the rule, where it is not IAM's decision."""
    for each in evaluation.statements:
        text = statement_text(trust, places[each.index])
        if each.matched and each.effect == "Allow":
            yield text, ""
        elif each.matched is None and evaluation.decision is Decision.CANNOT_DECIDE:
            unknown = [reason for reason in each.reasons if reason.outcome is None]
            verb = "deny" if each.effect == "Deny" else "allow"
            why = " ".join(reason.explanation for reason in unknown)
            yield f"{text}; it may {verb} it: {why}", unknown[0].documentation
