"""What a trust policy says to the tokens of one OIDC provider: it is asked about one of each class of them. Pure.

One speaks for its class where `aud` and `sub` decide only by the patterns that they match. What another operator or a
policy variable makes of them can't be decided, whatever the representative says.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from irsa.evaluation.answers import WebIdentityRequest, all_of
from irsa.evaluation.conditions import Known, condition_outcome, known_of, value_patterns
from irsa.evaluation.decision import statement_outcome
from irsa.evaluation.document import Condition, Parsed
from irsa.evaluation.kinds import MOST_STATES, OF_AUDIENCES, kinds, union
from irsa.evaluation.patterns import Pattern
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import VERSION
from irsa.rules.subjects import subject_claim
from irsa.rules.trust import ACTION

Claim = Literal["aud", "sub"]
_UNDECIDABLE = "undecidable: "


class OfTokens(NamedTuple):
    """A statement that applies to tokens of an OIDC provider, or may.

    Attributes:
        place: Its place in the trust policy.
        effect: Its `Effect`.
        otherwise: Whether the rest of it applies to a token; None where that can't be decided here.
        aud: Its conditions that compare `aud` with patterns.
        sub: Its conditions that compare `sub` with patterns.
    """

    place: int
    effect: str
    otherwise: bool | None
    aud: tuple[Condition, ...]
    sub: tuple[Condition, ...]


class Asked(NamedTuple):
    """A trust policy, to be asked about the tokens of one OIDC provider.

    Attributes:
        known: What is known of any of them.
        issuer: Their issuer, without `https://`, in lower case.
        statements: The statements for them.
    """

    known: Known
    issuer: str
    statements: tuple[OfTokens, ...]

    def compared(self, condition: Condition) -> Sequence[Pattern | None]:
        """Return the patterns with which a condition compares a claim; None for one that is not known."""
        return value_patterns(condition, f"String{condition.comparison}", self.known)

    def patterns(self, claim: Claim) -> tuple[Pattern, ...]:
        """Return the patterns with which the statements compare a claim."""
        conditions = itertools.chain.from_iterable(getattr(each, claim) for each in self.statements)
        patterns = itertools.chain.from_iterable(map(self.compared, conditions))
        return tuple(dict.fromkeys(each for each in patterns if each is not None))

    def outcomes(self, claim: Claim, text: str) -> tuple[bool | None, ...]:
        """Return whether a token with this claim meets the conditions on it, by statement."""
        known = self.known._replace(context={f"{self.issuer}:{claim}": (text,)})
        return tuple(
            all_of(condition_outcome(each, known) for each in getattr(statement, claim))
            for statement in self.statements
        )

    def classes(self, subjects: Mapping[str, int]) -> dict[tuple[bool | None, ...], int]:
        """Return sets together whose `sub` meets the same conditions, by these outcomes."""
        found: dict[tuple[bool | None, ...], int] = {}
        for subject, members in subjects.items():
            outcomes = self.outcomes("sub", subject)
            found[outcomes] = found.get(outcomes, 0) | members
        return found


def asked(parsed: Parsed, provider_arn: str) -> Asked:
    """Return a trust policy, to be asked about the tokens of an OIDC provider."""
    version, statements = told(parsed, provider_arn)
    issuer = issuer_of_provider(provider_arn)
    request = WebIdentityRequest(f"https://{issuer}", provider_arn, subject_claim("any:any"), "any")
    known = known_of(request, version == VERSION)
    claims = _claims(provider_arn)
    found: list[OfTokens] = []
    for place, statement in enumerate(statements):
        of_claims: dict[str, list[Condition]] = {"aud": [], "sub": [], "": []}
        for each in statement.conditions:
            is_compared = each.wanted and each.comparison
            of_claims[claims.get(each.key.lower(), "") if is_compared else ""].append(each)
        aud, sub, others = map(tuple, of_claims.values())
        otherwise = statement_outcome(statement._replace(conditions=others), known, ACTION)
        if otherwise is not False:
            found.append(OfTokens(place, statement.effect, otherwise, aud, sub))
    return Asked(known, issuer.lower(), tuple(found))


def told(parsed: Parsed, provider_arn: str) -> Parsed:
    """Return a trust policy in which no condition can be decided of which no representative can tell."""
    version, statements = parsed
    claims = _claims(provider_arn)

    def one(condition: Condition) -> Condition:
        is_compared = condition.comparison or condition.operator == "Null" or condition.key.lower() not in claims
        is_told = is_compared and not (version == VERSION and _reads_claim(condition, claims))
        return condition if is_told else condition._replace(operator=_UNDECIDABLE + condition.operator)

    return version, [each._replace(conditions=tuple(map(one, each.conditions))) for each in statements]


def reads_claims(parsed: Parsed, provider_arn: str) -> bool:
    """Return whether some policy variable stands for a claim of an OIDC provider's tokens: then no pattern says it."""
    version, statements = parsed
    keys = _claims(provider_arn)
    return version == VERSION and any(
        _reads_claim(condition, keys) for each in statements for condition in each.conditions
    )


def _reads_claim(condition: Condition, keys: Iterable[str]) -> bool:
    return any("${" in value and key in value.lower() for value in condition.wanted for key in keys)


def _claims(provider_arn: str) -> dict[str, str]:
    """Return the claims of a provider's tokens by their condition key, in lower case."""
    return {f"{issuer_of_provider(provider_arn)}:{claim}".lower(): claim for claim in ("aud", "sub")}


class Admits(NamedTuple):
    """Sets of service accounts, or of classes of them, with a bit for each.

    Attributes:
        certain: Those that a trust policy admits.
        possible: Those that it admits or may admit: that depends on what is not known here.
        certain_by: Those of the former that an Allow statement admits, by its place.
        possible_by: The same for the latter.
    """

    certain: int
    possible: int
    certain_by: Mapping[int, int]
    possible_by: Mapping[int, int]


def audiences(of: Asked, client_ids: Collection[str] | None, most_states: int = MOST_STATES) -> Collection[str] | None:
    """Return the audiences to ask about: one of each class, or all of them; None where there are too many classes.

    Args:
        of: The trust policy.
        client_ids: The audiences that the OIDC provider lists; None for any: whoever has a token chose its audience.
        most_states: How far the patterns are followed.
    """
    if client_ids is not None:
        return client_ids
    found = kinds(of.patterns("aud"), OF_AUDIENCES, most_states=most_states)
    return None if found is None else found.texts


def admits(of: Asked, subjects: Mapping[str, int], audiences: Iterable[str]) -> Admits:
    """Return which service accounts a trust policy admits.

    Args:
        of: The trust policy.
        subjects: The set for which a `sub` speaks.
        audiences: The audiences that a token may have.
    """
    certain_by = {each.place: 0 for each in of.statements if each.effect == "Allow"}
    possible_by = dict(certain_by)
    classes = of.classes(subjects).items()
    meeting = [
        (union(each for met, each in classes if met[at]), union(each for met, each in classes if met[at] is not False))
        for at in range(len(of.statements))
    ]
    for taken in {of.outcomes("aud", each) for each in audiences}:
        applying = [
            (one, yes if aud and one.otherwise else 0, perhaps if aud is not False else 0)
            for one, aud, (yes, perhaps) in zip(of.statements, taken, meeting, strict=True)
        ]
        denied = union(yes for one, yes, _ in applying if one.effect == "Deny")
        may_be_denied = union(perhaps for one, _, perhaps in applying if one.effect == "Deny")
        for one, yes, perhaps in applying:
            if one.effect == "Allow":
                certain_by[one.place] |= yes & ~may_be_denied
                possible_by[one.place] |= perhaps & ~denied
    return Admits(union(certain_by.values()), union(possible_by.values()), certain_by, possible_by)
