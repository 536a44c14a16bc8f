"""What a trust policy compares a token's `sub` and `aud` with, for all tokens at once. Pure."""

import functools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from irsa.evaluation.answers import WebIdentityRequest, all_of
from irsa.evaluation.decision import evaluate_statements
from irsa.evaluation.document import Condition, Statement
from irsa.evaluation.kinds import MOST_STATES, OF_AUDIENCES, Parts, kinds
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import VERSION, split_operator
from irsa.rules.subjects import subject_claim

Parsed = tuple[str, Sequence[Statement]]

# With these a claim decides only by whether it is equal to a value, or matches it.
COMPARED = {
    f"String{negation}{comparison}": (comparison, bool(negation))
    for negation in ("", "Not")
    for comparison in ("Equals", "EqualsIgnoreCase", "Like")
}
_LITERAL = re.compile(r"\$\{([*?$])\}")


class Comparison(NamedTuple):
    """A condition on a claim, which must match one of the patterns, or none of them.

    Attributes:
        patterns: The patterns.
        negated: Whether it must match none.
        complete: False where there are values besides, which are not known here.
    """

    patterns: tuple[Parts, ...]
    negated: bool
    complete: bool

    def met(self, matching: Mapping[Parts, int], everybody: int) -> tuple[int, int]:
        """Return who meets the condition for certain, and who may; `matching` says whom each pattern matches."""
        matched = union(matching[each] for each in self.patterns)
        if self.negated:
            return (everybody & ~matched if self.complete else 0), everybody & ~matched
        return matched, (matched if self.complete else everybody)


class Compared(NamedTuple):
    """A statement for the tokens of one OIDC provider.

    Attributes:
        place: Its place in the trust policy.
        effect: Its `Effect`.
        otherwise: Whether the rest of it applies to a token; None where that can't be decided here.
        aud: Its comparisons with `aud`.
        sub: Its comparisons with `sub`.
    """

    place: int
    effect: str
    otherwise: bool | None
    aud: tuple[Comparison, ...]
    sub: tuple[Comparison, ...]


def compared(parsed: Parsed, provider_arn: str) -> tuple[Compared, ...]:
    """Return the statements of a trust policy that apply to tokens of an OIDC provider, or may."""
    version, statements = parsed
    issuer = issuer_of_provider(provider_arn)
    variables = version == VERSION
    claims = {f"{issuer}:{claim}".lower(): claim for claim in ("aud", "sub")}
    # Neither decides in what is left when the comparisons are taken out.
    request = WebIdentityRequest(f"https://{issuer}", provider_arn, subject_claim("any:any"), "any")
    found: list[Compared] = []
    for index, statement in enumerate(statements):
        of_claims: dict[str, list[Comparison]] = {"aud": [], "sub": []}
        others: list[Condition] = []
        otherwise: bool | None = True
        for condition in statement.conditions:
            claim = claims.get(condition.key.lower())
            operator = split_operator(condition.operator)
            if claim and condition.wanted and operator and operator.name in COMPARED:
                of_claims[claim].append(_comparison(condition, *COMPARED[operator.name], variables))
            elif variables and _reads_claim(condition, claims):
                otherwise = None
            else:
                others.append(condition)
        rest = evaluate_statements(version, [statement._replace(conditions=tuple(others))], request)[0].matched
        otherwise = all_of([rest, otherwise])
        if otherwise is not False:
            aud, sub = (tuple(of_claims[claim]) for claim in ("aud", "sub"))
            found.append(Compared(index, statement.effect, otherwise, aud, sub))
    return tuple(found)


def _reads_claim(condition: Condition, claims: Iterable[str]) -> bool:
    """Return whether a policy variable of a condition stands for a claim of the token."""
    return any("${" in value and key in value.lower() for value in condition.wanted for key in claims)


def reads_claims(parsed: Parsed, provider_arn: str) -> bool:
    """Return whether some policy variable stands for a claim of an OIDC provider's tokens: then no pattern says it."""
    version, statements = parsed
    keys = [f"{issuer_of_provider(provider_arn)}:{claim}".lower() for claim in ("aud", "sub")]
    return version == VERSION and any(
        _reads_claim(condition, keys) for each in statements for condition in each.conditions
    )


def _comparison(condition: Condition, comparison: str, negated: bool, variables: bool) -> Comparison:
    patterns: dict[Parts, None] = {}
    complete = True
    for value in condition.wanted:
        parts = _parts(value, comparison, variables)
        if parts is None:
            complete = False
        else:
            patterns[parts] = None
    return Comparison(tuple(patterns), negated, complete)


@functools.lru_cache(maxsize=1_000)
def _parts(value: str, comparison: str, variables: bool) -> Parts | None:
    """Return a condition's value as a pattern; None where that is not known here."""
    # re.split returns plain text and the signs that are written as variables in turn.
    split = _LITERAL.split(value) if variables else [value]
    if variables and any("${" in text for text in split[::2]):
        return None
    parts: list[str] = []
    for index, text in enumerate(split):
        for character in text:
            if character in "*?":
                parts.append(character if comparison == "Like" and index % 2 == 0 else character * 2)
            elif comparison == "EqualsIgnoreCase" and not character.isascii():
                return None  # no page of AWS says what this is in the other case
            elif comparison == "EqualsIgnoreCase":
                parts.append("".join(dict.fromkeys(character.lower() + character.upper())))
            else:
                parts.append(character)
    # As IAM reads it, `**` is `*`.
    return tuple(part for at, part in enumerate(parts) if part != "*" or parts[at - 1 : at] != ["*"])


def compared_with(statements: Iterable[Compared], claim: Literal["sub", "aud"] = "sub") -> tuple[Parts, ...]:
    """Return the patterns with which statements compare a claim."""
    comparisons = (one for each in statements for one in (each.sub if claim == "sub" else each.aud))
    return tuple(dict.fromkeys(pattern for one in comparisons for pattern in one.patterns))


def as_patterns(texts: Iterable[str]) -> list[Parts]:
    """Return texts as patterns, of which each matches nothing else."""
    return [tuple(each * 2 if each in "*?" else each for each in text) for text in texts]


class Admits(NamedTuple):
    """Sets of service accounts, or of kinds of them, with a bit for each.

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


# For each statement whether it takes an audience for certain, and whether it may.
Taken = tuple[tuple[bool, bool], ...]


def audiences(
    statements: Sequence[Compared], client_ids: Collection[str] | None, most_states: int = MOST_STATES
) -> frozenset[Taken] | None:
    """Return what the statements say to each kind of audience; None where there are too many kinds.

    Args:
        statements: The statements.
        client_ids: The audiences that the OIDC provider lists; None for any: whoever has a token chose its audience.
        most_states: How far the patterns are followed.
    """
    patterns = compared_with(statements, "aud")
    found = kinds((*patterns, *as_patterns(client_ids or ())), OF_AUDIENCES, most_states=most_states)
    if found is None:
        return None
    matching = dict(zip(patterns, found.matching, strict=False))
    asked = found.all if client_ids is None else union(found.matching[len(patterns) :])
    taken = [met(each.aud, matching, found.all) for each in statements]
    return frozenset(
        tuple((bool(certain >> kind & 1), bool(possible >> kind & 1)) for certain, possible in taken)
        for kind in range(len(found.texts))
        if asked >> kind & 1
    )


def admits(
    statements: Sequence[Compared], taken: Iterable[Taken], matching: Mapping[Parts, int], everybody: int
) -> Admits:
    """Return which of a set of service accounts the statements admit; they, or kinds of them, are a bit each.

    Args:
        statements: The statements.
        taken: What they say to the audiences that a token may have.
        matching: Whom each pattern with which they compare `sub` matches.
        everybody: All of them.
    """
    of_sub = [met(each.sub, matching, everybody) for each in statements]
    certain_by = {each.place: 0 for each in statements if each.effect == "Allow"}
    possible_by = dict(certain_by)
    for each in taken:
        applying = [
            (statement, sub if aud and statement.otherwise else 0, may_sub if may_aud else 0)
            for statement, (aud, may_aud), (sub, may_sub) in zip(statements, each, of_sub, strict=True)
        ]
        denied = union(yes for statement, yes, _ in applying if statement.effect == "Deny")
        may_be_denied = union(perhaps for statement, _, perhaps in applying if statement.effect == "Deny")
        for statement, yes, perhaps in applying:
            if statement.effect == "Allow":
                certain_by[statement.place] |= yes & ~may_be_denied
                possible_by[statement.place] |= perhaps & ~denied
    return Admits(union(certain_by.values()), union(possible_by.values()), certain_by, possible_by)


def met(comparisons: Iterable[Comparison], matching: Mapping[Parts, int], everybody: int) -> tuple[int, int]:
    """Return who meets all comparisons for certain, and who may."""
    certain = possible = everybody
    for each in comparisons:
        yes, perhaps = each.met(matching, everybody)
        certain, possible = certain & yes, possible & perhaps
    return certain, possible


def union(sets: Iterable[int]) -> int:
    """Return what is in one of several sets."""
    return functools.reduce(int.__or__, sets, 0)
