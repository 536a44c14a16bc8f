"""Finds what an error of AWS means for a token, in a table of causes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from irsa.rules.mistakes import named
from irsa_cli.report.checks import Outcome
from irsa_world.live.sts import Refused


class Cause(NamedTuple):
    """The meaning of one error of AWS, and its fix.

    Attributes:
        code: The error's code; empty for any.
        words: What its message has; empty for any.
        meaning: What it means, with {names} in it.
        fix: The {name} of a command; empty where there is none.
        outcome: The outcome of the proof.
    """

    code: str
    words: str
    meaning: str
    fix: str
    outcome: Outcome = Outcome.FINDING


# STS and EKS Auth call it so.
EXPIRED = Cause(
    "ExpiredTokenException",
    "",
    "the token has expired: it is an old one, or the clocks of the cluster and AWS differ",
    "",
)


def cause_of(causes: Sequence[Cause], answer: Refused) -> Cause:
    """Return the first cause that matches an error."""
    return next(cause for cause in causes if cause.code in {"", answer.code} and cause.words in answer.message)


def explained(causes: Sequence[Cause], answer: Refused, names: Mapping[str, str]) -> Cause:
    """Return the cause of an error, with the names filled in and AWS's message first."""
    cause = cause_of(causes, answer)
    words = {name: text if name == "explain" else named(text) for name, text in names.items()}
    meaning = f"{named(answer.code)} ({named(answer.message)}): {cause.meaning.format_map(words)}"
    return cause._replace(meaning=meaning, fix=cause.fix.format_map(names))
