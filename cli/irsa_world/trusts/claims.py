"""The service accounts of a cluster as sets of bits. Pure."""

import bisect
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from irsa.evaluation.patterns import regular_expression
from irsa.rules.subjects import WILDCARDS, subject_claim

Member = TypeVar("Member")
LAST_CHARACTER = "\U0010ffff"


class Claims(Generic[Member]):
    """The service accounts of a cluster, by the `sub` of their tokens. A set of them is an integer: a bit for each."""

    def __init__(self, by_subject: Mapping[str, Member]) -> None:
        """Sort the service accounts, by `namespace:name`: those with the same beginning stand together."""
        self._subjects = sorted(by_subject)
        self._claims = [*map(subject_claim, self._subjects)]
        self._members = tuple(by_subject[each] for each in self._subjects)
        self.everybody = (1 << len(self._claims)) - 1
        self._bits = {claim: 1 << index for index, claim in enumerate(self._claims)}
        self._like: dict[str, int] = {}
        self._names: dict[int, tuple[str, ...]] = {}

    def bit(self, subject: str) -> int:
        """Return the set of one service account."""
        return self._bits[subject_claim(subject)]

    def like(self, pattern: str) -> int:
        """Return whose `sub` a pattern matches."""
        if not WILDCARDS.search(pattern):
            return self._bits.get(pattern, 0)
        if pattern not in self._like:
            self._like[pattern] = self._matching(pattern)
        return self._like[pattern]

    def _matching(self, pattern: str) -> int:
        beginning = WILDCARDS.split(pattern, maxsplit=1)[0]
        start = bisect.bisect_left(self._claims, beginning)
        end = bisect.bisect_left(self._claims, beginning + LAST_CHARACTER)
        if not pattern[len(beginning) :].strip("*"):
            return (1 << end) - (1 << start)
        match = regular_expression(pattern).fullmatch
        return sum(1 << index for index in range(start, end) if match(self._claims[index]))

    def kinds(self, subjects: Iterable[str]) -> dict[str, int]:
        """Return the largest groups of which each pattern, `namespace:name`, matches all or nobody, by the first."""
        groups = [self.everybody] if self.everybody else []
        for each in dict.fromkeys(self.like(subject_claim(subject)) for subject in subjects):
            groups = [part for group in groups for part in (group & each, group & ~each) if part]
        return {self._subjects[(group & -group).bit_length() - 1]: group for group in groups}

    def members(self, group: int) -> Iterator[Member]:
        """Yield the service accounts of a group, in the order of `sub`."""
        return (self._members[each.bit_length() - 1] for each in bits(group))

    def subjects(self, group: int) -> list[str]:
        """Return the service accounts of a group, each as `namespace:name`."""
        return [self._subjects[each.bit_length() - 1] for each in bits(group)]

    def names(self, group: int) -> tuple[str, ...]:
        """Return the same, each as `namespace/name`. Equal groups share one tuple."""
        if group not in self._names:
            self._names[group] = tuple(each.replace(":", "/", 1) for each in self.subjects(group))
        return self._names[group]


def bits(number: int) -> Iterator[int]:
    """Yield the bits of a set, one by one."""
    while number:
        lowest = number & -number
        yield lowest
        number ^= lowest
