"""Whom a trust policy admits by the tokens of an OIDC provider: patterns of service accounts, each with an answer.

Of whom one pattern of the trust policy matches and another one does not, nothing is told but the exceptions that plain
Deny statements make. A token has `aud` and `sub`, each once. What a policy variable, or an operator other than those of
strings, makes of them can't be told of a pattern.
"""

import functools
import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation.answers import WebIdentityRequest, all_of, opposite
from irsa.evaluation.conditions import Known, condition_outcome, known_of
from irsa.evaluation.decision import statement_outcome
from irsa.evaluation.document import Condition, Parsed
from irsa.evaluation.patterns import covers, matches, overlap, widest
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import VERSION
from irsa.rules.names import NAMESPACE, SERVICE_ACCOUNT_NAMES
from irsa.rules.subjects import CLAIM_PREFIX, EVERY_SERVICE_ACCOUNT, is_pattern, subject_claim
from irsa.rules.trust import ACTION

_VARIABLE = re.compile(r"\$\{[^{}]*\}?")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_NAMES = re.compile(r"[a-z0-9*?-]+:[a-z0-9.*?-]+")
_LONGEST = len(CLAIM_PREFIX) + NAMESPACE.longest + 1 + SERVICE_ACCOUNT_NAMES.longest
# Each wildcard of a pattern may stand for the end of the prefix, and for the colon.
MOST_WILDCARDS = 16


class OfTokens(NamedTuple):
    """A statement that applies to tokens of an OIDC provider, or may.

    Attributes:
        place: Its place in the trust policy.
        allows: Whether its Effect is Allow.
        otherwise: Whether the rest of it applies to a token; None where that can't be decided here.
        aud: Its conditions that compare `aud` with texts.
        sub: Its conditions that compare `sub` with texts.
    """

    place: int
    allows: bool
    otherwise: bool | None
    aud: tuple[Condition, ...]
    sub: tuple[Condition, ...]


class Answer(NamedTuple):
    """Whether service accounts are admitted.

    Attributes:
        given: Whether all are, but for the exceptions; False where nobody is; None where that can't be told.
        denied: The exceptions: patterns of those who are denied.
    """

    given: bool | None
    denied: tuple[str, ...] = ()


class Admitted(NamedTuple):
    """Service accounts that a trust policy admits.

    Attributes:
        subject: A `namespace:name` pattern for them.
        provider_arn: The IAM OIDC provider by which their tokens come.
        certain: False where it can't be told here whether they are admitted.
        statements: Indexes of the Allow statements that name them.
        denied: Patterns of those among them who are denied.
    """

    subject: str
    provider_arn: str
    certain: bool
    statements: tuple[int, ...]
    denied: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Grants:
    """What a trust policy says to the tokens of one OIDC provider.

    Attributes:
        known: What is known of any of them.
        issuer: Their issuer, without `https://`, in lower case.
        statements: The statements for them.
        taken: Whether a token meets the conditions on `aud`, by statement: for each audience that differs.
    """

    known: Known
    issuer: str
    statements: tuple[OfTokens, ...]
    taken: Collection[tuple[bool | None, ...]]

    @property
    def has_variables(self) -> bool:
        """Whether some claim is compared with a policy variable, or an unclear statement may compare one."""
        conditions = (one for each in self.statements for one in (*each.aud, *each.sub))
        unclear = any(each.otherwise is None for each in self.statements)
        return self.known.variables and (unclear or any("${" in value for one in conditions for value in one.wanted))

    @functools.cached_property
    def named(self) -> dict[str, tuple[int, ...]]:
        """The patterns of service accounts that Allow statements name, each with the places of these."""
        found: dict[str, list[int]] = {}
        for each in self.statements:
            wanted = (_named(one, self.known.variables).subjects for one in each.sub if not one.negated)
            several: list[Sequence[str]] = [*wanted] or [(EVERY_SERVICE_ACCOUNT,)]
            for subject in functools.reduce(_of_both, several) if each.allows else ():
                found.setdefault(subject, []).append(each.place)
        return {subject: tuple(dict.fromkeys(places)) for subject, places in sorted(found.items())}

    @functools.cached_property
    def narrowing(self) -> list[str]:
        """The patterns that a Deny statement names, a negated condition, or one beside another one."""
        conditions = ((one, each) for each in self.statements for one in each.sub)
        found = (one for one, each in conditions if one.negated or not each.allows or len(each.sub) > 1)
        return sorted({subject for one in found for subject in _named(one, self.known.variables).subjects})

    def meeting(self, subject: str) -> list[tuple[bool | None, Sequence[str]]]:
        """Return by statement whether service accounts meet its conditions on `sub`; for None, who does, if known."""
        if is_pattern(subject):
            return [self._met_by_pattern(each.sub, subject) for each in self.statements]
        known = self.known._replace(context={f"{self.issuer}:sub": (subject_claim(subject),)})
        return [(all_of(condition_outcome(one, known) for one in each.sub), ()) for each in self.statements]

    def _met_by_pattern(self, conditions: Iterable[Condition], subject: str) -> tuple[bool | None, Sequence[str]]:
        several = [(each, _named(each, self.known.variables)) for each in conditions]
        outcomes = [opposite(of.match(subject)) if each.negated else of.match(subject) for each, of in several]
        undecided = [one for one, outcome in zip(several, outcomes, strict=True) if outcome is None]
        if len(undecided) != 1 or undecided[0][0].negated or not undecided[0][1].exact:
            return all_of(outcomes), ()
        patterns = [each for each in undecided[0][1].subjects if overlaps(subject, [each])]
        return all_of(outcomes), [narrowed(subject, each) for each in patterns]

    def answer(self, subject: str) -> Answer:
        """Return whether service accounts, `namespace:name`, are admitted with one of the audiences."""
        meeting = self.meeting(subject)
        answers = [each for taken in self.taken if (each := self._answer(subject, meeting, taken)).given is not False]
        if not answers:
            return Answer(given=False)
        # Who is denied with one audience may be admitted with another.
        denied = set.intersection(*({*each.denied} for each in answers))
        given = any(each.given and denied.issuperset(each.denied) for each in answers)
        return Answer(given or None, tuple(sorted(denied)))

    def _answer(
        self, subject: str, meeting: Sequence[tuple[bool | None, Sequence[str]]], taken: Sequence[bool | None]
    ) -> Answer:
        allowed: set[bool | None] = {False}
        denied: set[str] = set()
        certain = True
        for statement, (met, narrower), aud in zip(self.statements, meeting, taken, strict=True):
            otherwise = all_of((statement.otherwise, aud))
            outcome = all_of((otherwise, met))
            if statement.allows:
                # Of those whom it names within the pattern, a pattern of its own tells.
                of_its_own = sum(not one.negated for one in statement.sub) == 1
                of_its_own |= all(each in self.named and is_within(each, [subject]) for each in narrower)
                allowed.add(False if outcome is None and narrower and of_its_own else outcome)
            elif outcome:
                return Answer(given=False)
            elif outcome is None and otherwise and narrower:
                denied.update(narrower)
            elif outcome is None:
                certain = False
        given = True if True in allowed and certain else None if allowed != {False} else False
        return Answer(given, tuple(denied))


def grants(parsed: Parsed, provider_arn: str, client_ids: Collection[str] | None) -> Grants:
    """Return what a trust policy says to the tokens of an OIDC provider.

    Args:
        parsed: Version and statements of the trust policy.
        provider_arn: The provider.
        client_ids: The audiences that it lists; None for any: whoever has a token chose its audience.
    """
    version, statements = parsed
    issuer = issuer_of_provider(provider_arn)
    request = WebIdentityRequest(provider_arn, subject_claim("any:any"), "any")
    known = known_of(request, version == VERSION)
    claims = {f"{issuer}:{claim}".lower(): claim for claim in ("aud", "sub")}
    found: list[OfTokens] = []
    for place, statement in enumerate(statements):
        by_claim: dict[str, list[Condition]] = {"aud": [], "sub": [], "": [], "unclear": []}
        for each in statement.conditions:
            claim = claims.get(each.key.lower(), "")
            if (claim and not each.comparison and each.operator != "Null") or _reads_claim(each, claims, known):
                claim = "unclear"
            by_claim[claim if each.wanted and (each.comparison or claim == "unclear") else ""].append(each)
        aud, sub, others, unclear = map(tuple, by_claim.values())
        otherwise = statement_outcome(statement._replace(conditions=others), known, ACTION)
        if otherwise is not False:
            allows = statement.effect == "Allow"
            found.append(OfTokens(place, allows, None if unclear else otherwise, aud, sub))
    conditions = [one for each in found for one in each.aud]
    named = {value for each in conditions for value in each.wanted}
    samples = {value.replace("*", "").replace("?", "q") for value in named}
    # One that no condition names, and no pattern that is written in earnest.
    stranger = "~" * (1 + max(map(len, named), default=0))
    audiences = sorted({*named, *samples, stranger} - {""}) if client_ids is None else client_ids

    def taken_by(audience: str) -> tuple[bool | None, ...]:
        context = known._replace(context={f"{issuer}:aud".lower(): (audience,)})
        return tuple(all_of(condition_outcome(one, context) for one in each.aud) for each in found)

    taken = {taken_by(each) for each in audiences}
    has_others = any(one.comparison == "EqualsIgnoreCase" for one in conditions)
    if client_ids is None and (has_others or any(value.strip("*") and is_pattern(value) for value in named)):
        # None of those that are asked about may be the one that all conditions take.
        taken.add(tuple(None if each.aud else True for each in found))
    return Grants(known, issuer.lower(), tuple(found), taken)


def _reads_claim(condition: Condition, claims: Iterable[str], known: Known) -> bool:
    """Return whether a policy variable stands for a claim of the tokens."""
    return known.variables and any(
        "${" in value and key in value.lower() for value in condition.wanted for key in claims
    )


def admitted_by(parsed: Parsed, provider_arn: str, client_ids: Collection[str] | None) -> list[Admitted]:
    """Return whom a trust policy admits by the tokens of one OIDC provider; of `client_ids`, None stands for any."""
    of = grants(parsed, provider_arn, client_ids)
    answers = ((subject, places, of.answer(subject)) for subject, places in of.named.items())
    return [
        Admitted(subject, provider_arn, given is True, places, denied)
        for subject, places, (given, denied) in answers
        if given is not False
    ]


class _Named(NamedTuple):
    """The `namespace:name` patterns that a condition lists; others may match too where that is not exact."""

    subjects: tuple[str, ...]
    exact: bool

    def match(self, subject: str) -> bool | None:
        """Return whether all whom a pattern matches are named; False where nobody is."""
        if not self.exact:
            return None
        return True if is_within(subject, self.subjects) else None if overlaps(subject, self.subjects) else False


def is_within(subject: str, others: Iterable[str]) -> bool:
    """Return whether one of several patterns matches all whom a pattern matches, part by part."""
    return any(all(map(covers, each.split(":"), subject.split(":"))) for each in others)


def narrowed(subject: str, other: str) -> str:
    """Return the part of another pattern that is within a pattern, if that is one pattern; else more of it."""
    parts = zip(subject.split(":"), other.split(":"), strict=True)
    return ":".join(one if covers(of_other, one) else of_other for one, of_other in parts)


def _of_both(subjects: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    """Return patterns for whom one of the first matches and one of the others; all where none says just that."""
    pairs = [each for each in itertools.product(subjects, others) if overlaps(each[0], [each[1]])]
    found = {narrowed(*each): each[0] for each in pairs}
    return [*found] if all(is_within(each, [one]) for each, one in found.items()) else [*subjects, *others]


def overlaps(subject: str, others: Iterable[str]) -> bool:
    """Return whether one of several patterns matches somebody whom a pattern matches, part by part."""
    return any(all(map(overlap, each.split(":"), subject.split(":"))) for each in others)


@functools.lru_cache(maxsize=10_000)
def _named(condition: Condition, variables: bool) -> _Named:
    found: dict[str, None] = {}
    exact = True
    for value in condition.wanted:
        text = value
        if variables and "${" in value:
            text, exact = _VARIABLE.sub("*", value), False
        elif condition.comparison != "Like" and is_pattern(value):
            # No name has these characters.
            continue
        elif condition.comparison == "EqualsIgnoreCase":
            # No page says what the other case is beyond ASCII.
            text, exact = (value.lower(), exact) if value.isascii() else ("*", False)
        subjects = subjects_of_claim(text)
        exact &= subjects is not None
        found |= dict.fromkeys([EVERY_SERVICE_ACCOUNT] if subjects is None else subjects)
    return _Named(tuple(found), exact)


@functools.lru_cache(maxsize=10_000)
def subjects_of_claim(claim: str) -> Sequence[str] | None:
    """Return the `namespace:name` patterns that a pattern of `sub` amounts to; None where these are too many to tell.

    Its wildcards may stand for the prefix, or the end of it, and for the colon.
    """
    text = re.sub(r"\*+", "*", claim)
    if len(text) - text.count("*") > _LONGEST:
        return []
    rests = [text.removeprefix(CLAIM_PREFIX)]
    if rests == [text] or ":" not in rests[0]:
        if len([*filter(is_pattern, text)]) > MOST_WILDCARDS:
            return None
        ends = (at for at in range(len(text) + 1) if matches(CLAIM_PREFIX, text[:at]))
        rests = [f"{'*' if text[:at].endswith('*') else ''}{text[at:]}" for at in ends]
    colons = {"*": EVERY_SERVICE_ACCOUNT, "?": ":"}
    found = {rest for rest in rests if ":" in rest}
    found |= {
        f"{rest[:at]}{colons[each]}{rest[at + 1 :]}" for rest in rests for at, each in enumerate(rest) if each in colons
    }
    return widest(filter(_is_of_names, found))


def is_of_subject(claim: str) -> bool:
    """Return whether a pattern of `sub` is one for service accounts, by its spelling."""
    return subjects_of_claim(claim) != []


def _is_of_names(subject: str) -> bool:
    """Return whether some service account has a name like this, and its namespace."""
    if not _NAMES.fullmatch(subject):
        return False
    longest = zip(subject.split(":"), (NAMESPACE.longest, SERVICE_ACCOUNT_NAMES.longest), strict=True)
    return all(len(part) - part.count("*") <= most for part, most in longest)
