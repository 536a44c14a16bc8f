"""What a role may do: what its policies give together.

An explicit Deny decides, else an Allow, which a permissions boundary must have too:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html

Each answer is True, False, or None for "cannot tell". It comes from two bounds: what is given for certain, and what may
be. A condition, a policy variable or a marker that is not known adds to the second one only. `*` and `?` in a resource
match every character: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import functools
import itertools
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.patterns import TooManyError, matches
from irsa.evaluation.permission_statements import (
    CHOSEN,
    TO_PLAIN,
    Compared,
    Element,
    Statement,
    is_chosen,
    service_of,
    statements_of,
    values_to_try,
)
from irsa.rules.strangers import MOST_WAYS, automaton, least, unmatched
from irsa.rules.unknown import Unknown

# Patterns made to combine in very many ways are not followed to the end: then the answer is "cannot tell".
MOST_FORMS, MOST_CHOICES = 50, 500


class Request(NamedTuple):
    """The statements that include an action, or an action and a resource: bits of their indexes."""

    service: str
    certain: int
    possible: int


class _Having(NamedTuple):
    """The statements that have a pattern: those of the opposites, and by pattern where least, or most, is included."""

    negated: int
    least: dict[str, int]
    most: dict[str, int]


class _Way(NamedTuple):
    """Statements that apply to one request: some Allow, some Allow of the boundary, and no Deny must include it."""

    allows: Sequence[Sequence[Statement]]
    denies: Sequence[Statement]


class Permissions:
    """What policies give together. A service's policy for the resource itself may give more."""

    def __init__(self, statements: tuple[Statement, ...], bounded: bool) -> None:
        self.statements = statements
        self.bounded = bounded
        # Most actions are included by the same statements as others.
        self._of_actions: dict[str, Request] = {}
        self._having: dict[Element, _Having] = {}
        said = tuple((each.allows, each.in_boundary, each.conditions) for each in statements)
        self._answers = _answers(said, bounded)
        self._everywhere: dict[tuple[Request, tuple[str, ...]], bool | None] = {}

    def limited(self, index: int) -> bool:
        """Return whether a statement has a condition on a key whose value the caller does not choose."""
        return any(each.key.partition("/")[0] not in CHOSEN for each in self.statements[index].conditions)

    def allowing(self, action: str) -> list[int]:
        """Return the indexes of the Allow statements that include an action, or may, in the order of the documents."""
        possible = self._of_action(action).possible
        return [index for index, each in enumerate(self.statements) if each.allows and possible >> index & 1]

    def of(self, action: str, resource: str) -> bool | None:
        """Return whether an action, such as `s3:GetObject`, is given on a resource; None where that can't be told.

        Args:
            action: The action.
            resource: Its resource's ARN, or `*` for an action without resource types.
        """
        request = self._of_action(action)
        certain, possible = self.including("resources", functools.partial(matches, resource.translate(TO_PLAIN)))
        return self.decision(request._replace(certain=request.certain & certain, possible=request.possible & possible))

    def everywhere(self, action: str, arns: Collection[str], only: Collection[int] | None = None) -> bool | None:
        """Return whether an action is given on every resource of one of its types, but for those that are excepted.

        A resource stands for all where nobody can have named it: its names are 8 to 20 lower-case letters. What a Deny
        or NotResource names is an exception; that may not be all. Any AWS account is enough, one region is not.

        Args:
            action: The action.
            arns: Its resource types as in the service reference: `arn:${Partition}:s3:::${BucketName}/${ObjectName}`.
            only: Indexes of the Allow statements to ask about, in the order of the documents; all by default.
        """
        request = self._of_action(action)
        if only is not None:
            others = sum(1 << i for i, each in enumerate(self.statements) if each.allows and i not in only)
            request = request._replace(certain=request.certain & ~others, possible=request.possible & ~others)
        key = request, tuple(arns)
        if key not in self._everywhere:
            try:
                given: bool | None = any(_covers(way, arns, certain=True) for way in self._ways(request))
                if not given and any(_covers(way, arns, certain=False) for way in self._possible_ways(request)):
                    given = None
            except TooManyError:
                given = None
            self._everywhere[key] = given
        return self._everywhere[key]

    def _of_action(self, action: str) -> Request:
        # IAM ignores the letter case of actions.
        name = action.lower()
        if name not in self._of_actions:
            bits = self.including("actions", lambda pattern: matches(name, pattern.lower()))
            self._of_actions[name] = Request(service_of(name), *bits)
        return self._of_actions[name]

    def including(
        self,
        element: Element,
        is_matched: Callable[[str], object],
        may_be_matched: Callable[[str], object] | None = None,
    ) -> tuple[int, int]:
        """Return which statements include something, and which may.

        Args:
            element: What it is one of.
            is_matched: Whether a pattern matches all of it.
            may_be_matched: Whether a pattern matches some of it; the same by default.
        """
        if element not in self._having:
            self._having[element] = self._of_patterns(element)
        negated, *those = self._having[element]
        # Statements share most of their patterns: each is asked about once.
        (all_least, some_least), (all_most, some_most) = (
            [
                functools.reduce(int.__or__, (having[pattern] for pattern in filter(each, having)), 0)
                for each in (is_matched, may_be_matched or is_matched)
            ]
            for having in those
        )
        return all_least & ~negated | negated & ~some_least, some_most & ~negated | negated & ~all_most

    def _of_patterns(self, element: Element) -> "_Having":
        names = [each.names(element) for each in self.statements]
        having = _Having(sum(each.negated << index for index, each in enumerate(names)), {}, {})
        for (index, each), widest in itertools.product(enumerate(names), (False, True)):
            found = having.most if widest else having.least
            for pattern in each.patterns(widest):
                found[pattern] = found.get(pattern, 0) | 1 << index
        return having

    def decision(self, request: Request) -> bool | None:
        """Return whether a request is given; None where that can't be told."""
        if request not in self._answers:
            given: bool | None = any(not way.denies for way in self._ways(request))
            if not given and any(not way.denies for way in self._possible_ways(request)):
                given = None
            self._answers[request] = given
        return self._answers[request]

    def those(self, bits: int) -> Iterator[Statement]:
        """Yield the statements of a request's bits."""
        return (each for index, each in enumerate(self.statements) if bits >> index & 1)

    def _ways(self, request: Request) -> Iterator[_Way]:
        """Yield what applies to a request for certain: Allow statements whose conditions a caller meets together."""
        allows = [each for each in self.those(request.certain) if each.allows]
        denies = tuple(each for each in self.those(request.possible) if not each.allows and not each.never)
        sides = [_by_conditions(each for each in allows if not each.in_boundary)]
        sides += [_by_conditions(each for each in allows if each.in_boundary)] if self.bounded else []
        for choice in itertools.product(*sides):
            conditions = tuple(each for condition, _ in choice for each in condition)
            remaining = _unavoidable(conditions, denies, request.service)
            if remaining is not None:
                yield _Way([statements for _, statements in choice], remaining)

    def _possible_ways(self, request: Request) -> Iterator[_Way]:
        """Yield what may apply to a request."""
        allows = [each for each in self.those(request.possible) if each.allows and not each.never]
        denies = [each for each in self.those(request.certain) if not each.allows and not each.conditions]
        sides = [[each for each in allows if not each.in_boundary]]
        sides += [[each for each in allows if each.in_boundary]] if self.bounded else []
        if all(sides):
            yield _Way(sides, denies)


# A decision does not ask which resources these are: the roles of one add-on differ in them alone.
@functools.lru_cache(maxsize=100)
def _answers(_said: tuple[Any, ...], _bounded: bool) -> dict[Request, bool | None]:
    """Return the decisions about requests, for all permissions whose statements apply alike."""
    return {}


def gives(
    documents: Iterable[Mapping[str, Any] | Unknown], boundary: Mapping[str, Any] | Unknown | None = None
) -> Permissions:
    """Return what policy documents give together.

    Args:
        documents: The documents of a role's managed and inline policies; a marker for one that is not known.
        boundary: The document of its permissions boundary, or a marker; None where it has none.
    """
    statements = [each for document in documents for each in statements_of(document, in_boundary=False)]
    statements += statements_of(boundary, in_boundary=True) if boundary is not None else []
    return Permissions(tuple(statements), boundary is not None)


def _by_conditions(statements: Iterable[Statement]) -> list[tuple[frozenset[Compared], list[Statement]]]:
    """Return the statements that apply together, by their conditions: each set of them with what has none."""
    found: dict[frozenset[Compared], list[Statement]] = {}
    for each in statements:
        found.setdefault(frozenset(each.conditions), []).append(each)
    always = found.get(frozenset(), [])
    return [(conditions, those if those is always else [*always, *those]) for conditions, those in found.items()]


# Most requests ask for the conditions of others.
@functools.lru_cache(maxsize=1_000)
def _unavoidable(
    required: tuple[Compared, ...], denies: tuple[Statement, ...], service: str
) -> tuple[Statement, ...] | None:
    """Return the Deny statements that a caller can't avoid for certain who meets conditions; None if nobody meets them.

    A caller avoids a Deny by a value with which one of its conditions is not met. Values that meet a condition of the
    Allow, or avoid another Deny, stay as they are.
    """
    asked: dict[str, list[Compared]] = {}
    for each in (*required, *(each for deny in denies for each in deny.conditions)):
        asked.setdefault(each.key, []).append(each)
    # The keys of tags are listed in aws:TagKeys, so that the caller doesn't choose both.
    with_tags = any(key.startswith("aws:requesttag/") for key in asked)
    chosen = {
        key: values_to_try(conditions)
        for key, conditions in asked.items()
        if is_chosen(key, service) and not (with_tags and key == "aws:tagkeys")
    }
    for each in required:
        chosen[each.key] = [values for values in chosen.get(each.key, ()) if each.outcome(values) is True]
        if not chosen[each.key]:
            return None
    remaining = []
    for deny in sorted(denies, key=lambda deny: len(deny.conditions)):
        for each in deny.conditions:
            left = [values for values in chosen.get(each.key, ()) if each.outcome(values) is False]
            if left:
                chosen[each.key] = left
                break
        else:
            remaining.append(deny)
    return tuple(remaining)


_OTHER_AWS_ACCOUNT, _OTHER_REGION = "987654321098", "zz-central-9"


def _covers(way: _Way, arns: Collection[str], certain: bool) -> bool:
    """Return whether a way is open for every resource that nobody can have named, but for the exceptions."""
    exceptions = [each.resources.patterns(certain) for each in way.denies if not each.resources.negated]
    needed = [each.resources.patterns(certain) for each in way.denies if each.resources.negated]
    sides = [[*_options(side, certain)] for side in way.allows]
    patterns = [pattern for side in sides for option, _ in side for pattern in option]
    forms = _forms(arns, patterns)
    if len(forms) * math.prod(map(len, sides)) > MOST_CHOICES:
        raise TooManyError
    for form in forms:
        for choice in itertools.product(*sides):
            excepted = [*exceptions, *(names for _, names in choice)]
            every = [names for names, _ in choice] + needed
            if _unmatched(excepted, form) and not any(_unmatched([*excepted, names], form) for names in every):
                return True
    return False


def _options(side: Iterable[Statement], certain: bool) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield what a resource must match, with the exceptions: all of Resource together, or `*` and one NotResource."""
    names = [each.resources for each in side]
    yield tuple(pattern for each in names if not each.negated for pattern in each.patterns(not certain)), ()
    yield from ((("*",), each.patterns(not certain)) for each in names if each.negated)


def _forms(arns: Collection[str], patterns: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the texts of ARNs between their names, where they have some.

    The partitions and the AWS accounts are those of the patterns.
    """
    parts = [pattern.split(":") for pattern in patterns]
    partitions, aws_accounts = (
        {each[index] for each in parts if each[index + 1 :] and each[index] and not {*"*?"} & {*each[index]}}
        for index in (1, 4)
    )
    found: dict[tuple[str, ...], None] = {}
    every = itertools.product(arns, sorted(partitions | {"aws"}), sorted(aws_accounts | {_OTHER_AWS_ACCOUNT}))
    for arn, partition, aws_account in every:
        text = arn.replace("${Partition}", partition).replace("${Account}", aws_account)
        found[tuple(re.split(r"\$\{\w+\}|\*", text.replace("${Region}", _OTHER_REGION)))] = None
    found = {form: None for form in found if len(form) > 1}
    if len(found) > MOST_FORMS:
        raise TooManyError
    return [*found]


def _unmatched(names: Iterable[tuple[str, ...]], form: tuple[str, ...]) -> str | None:
    """Return a resource of a form that none of the patterns matches; None where there is none."""
    return _unmatched_text(tuple(sorted({pattern for each in names for pattern in each})), form)


_automaton = functools.lru_cache(maxsize=100)(automaton)


@functools.lru_cache(maxsize=1_000)
def _unmatched_text(patterns: tuple[str, ...], form: tuple[str, ...]) -> str | None:
    if "*" in patterns:
        return None
    return unmatched(_automaton(patterns), form, _fewest)


def _fewest(found: Mapping[int, str]) -> dict[int, str]:
    """Return the bits with which least can still match, all of them."""
    fewest = least(found, MOST_WAYS + 1)
    if len(fewest) > MOST_WAYS:
        raise TooManyError
    return fewest
