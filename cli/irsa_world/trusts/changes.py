"""Who gains and who loses, between what a role says to the tokens of a cluster before and after. Pure.

Each pattern that either side names has an answer at both times: all whom it matches have the right, but for some whom a
Deny names; nobody has it; or nobody can tell. Whoever is admitted is within a pattern that is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from irsa.evaluation.grants import Answer, Grants, is_within, overlaps
from irsa.evaluation.patterns import widest
from irsa.rules.subjects import is_pattern

GAINS: Literal["gains"] = "gains"
LOSES: Literal["loses"] = "loses"
NOBODY = Answer(given=False)


class Change(NamedTuple):
    """Service accounts who gain or lose the right.

    Attributes:
        change: `gains` or `loses`.
        subject: A pattern for them, `namespace:name`.
        certain: Whether that is certain.
        but: Patterns of those within it who are an exception.
    """

    change: Literal["gains", "loses"]
    subject: str
    certain: bool = True
    but: Sequence[str] = ()


def changes(before: Grants | None, after: Grants | None) -> tuple[list[Change], bool]:
    """Return what changes for the service accounts of a cluster, and whether that cannot be told of all of them.

    Args:
        before: What is said to their tokens before; None where STS takes none of them.
        after: What is said to them afterwards.
    """
    patterns = {subject for of in (before, after) if of for subject in of.named}
    answers = {each: (_answer(before, each), _answer(after, each)) for each in patterns}
    found: list[Change] = []
    # A wider pattern tells of those within it, too.
    for subject in sorted(answers, key=lambda each: (not is_pattern(each), len(each), each)):
        was, becomes = answers[subject]
        kept = {each: one for each, (_, one) in answers.items() if one.given is not False and _is_part(each, subject)}
        for each in (*_more(GAINS, subject, was, becomes, {}), *_more(LOSES, subject, becomes, was, kept)):
            alike = [one for one in found if (one.change, one.certain) == (each.change, each.certain)]
            if not any(is_within(each.subject, [one.subject]) and not overlaps(each.subject, one.but) for one in alike):
                found.append(each)
    return sorted(found), any(was.given is becomes.given is None for was, becomes in answers.values())


def _answer(of: Grants | None, subject: str) -> Answer:
    return of.answer(subject) if of else NOBODY


def _is_part(one: str, subject: str) -> bool:
    """Return whether a pattern matches some of those whom another one matches, but not all."""
    return overlaps(subject, [one]) and not is_within(subject, [one])


def _more(
    change: Literal["gains", "loses"], subject: str, less: Answer, more: Answer, kept: Mapping[str, Answer]
) -> Iterator[Change]:
    """Yield who has the right by one answer and not by the other, but for those whom other patterns keep."""
    if more.given is False or (less.given is None and more.given is None):
        return
    # Of those whom another pattern may keep, or of whom it denies some, nobody can tell: they are no exception.
    keeping = [each for each, answer in kept.items() if answer == Answer(given=True)]
    certain = more.given is True and len(keeping) == len(kept)
    if less.given:
        newly, but = [each for each in less.denied if not is_within(each, more.denied)], more.denied
    else:
        newly, but, certain = [subject], (*keeping, *more.denied), certain and less.given is False
    for each in newly:
        yield Change(change, each, certain, tuple(widest(one for one in but if _is_part(one, each))))
