"""What policies give beyond what others gave, by two bounds of each side.

At most, a side gives what its Allow statements name, less what a Deny without conditions takes away. For certain, it
gives what Allow statements without conditions name, less whatever a Deny may take away. Gained is what the old side
does not give even at most; of all else that is new, irsa cannot tell, and names the condition keys that decide.

Asked are the patterns of Allow statements that no old ones include under the same or fewer conditions, and those for
what is allowed within a Deny, or beyond a permissions boundary, that limits less: of two patterns the narrower one.
Whatever is gained is within one of these. `*` matches colons, as IAM has it.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Literal, NamedTuple

from irsa.evaluation.patterns import covers, overlap, widest
from irsa.evaluation.permission_statements import UNKNOWN, Compared, Names, PermissionStatement
from irsa.evaluation.permissions import Having, Included, Permissions

# More pairs of an action and a resource are not asked about: then it can't be told what is gained.
MOST_PAIRS = 4_000
Extent = Literal["all", "some", "cannot tell"]
_TO_WRITTEN = str.maketrans({"\ue000": "${*}", "\ue001": "${?}"})
# What nobody names.
_STRANGER = "strangerzq"


class Gain(NamedTuple):
    """Actions on resources that are given where they were not.

    Attributes:
        actions: Actions, and patterns of actions.
        resources: Resources, and patterns of resources.
        extent: Whether all of them are gained, on every one of the resources; some of them for certain; or whether it
            can't be told if any is.
        keys: The condition keys and policy variables on which that depends; of what is gained for certain, those of
            its own conditions.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    extent: Extent
    keys: tuple[str, ...] = ()


class Bound(IntEnum):
    """How far something is given, whatever a request is like."""

    NOTHING = 0
    AT_MOST = 1
    WHERE = 2
    """All of it is, where conditions and policy variables are as the policies ask."""
    CERTAIN = 3


class _Side:
    """What one side gives, with its statements of each kind, but those that apply to no request: bits of their indexes.

    Plain ones apply to all requests for what they name; marked ones hold what is not known.
    """

    def __init__(self, permissions: Permissions) -> None:
        def bits(is_of: Callable[[PermissionStatement], bool]) -> int:
            return sum((is_of(each) and not each.never) << index for index, each in enumerate(permissions.statements))

        self.permissions = permissions
        self.allow = bits(lambda each: each.allows and not each.in_boundary)
        self.boundary = bits(lambda each: each.allows and each.in_boundary)
        self.deny = bits(lambda each: not each.allows)
        self.plain = bits(lambda each: not each.conditions)
        self.marked = bits(lambda each: each.marked)

    def included(self, action: str, resource: str, may: Callable[[str, str], bool]) -> Included:
        """Return which statements include what two patterns match, all or some of it."""
        having = self.permissions.having
        actions = _including(having("actions"), action, any_case=True, may=may)
        resources = _including(having("resources"), resource, any_case=False, may=may)
        return Included(*(one & other for one, other in zip(actions, resources, strict=True)))

    def bound(self, included: Included) -> Bound:
        """Return how far all that patterns match is given, without a guess at what a request has for a condition."""
        certain, possible, some = included
        allows = [self.allow, *([self.boundary] if self.permissions.bounded else [])]
        if not some & self.deny and all(certain & each & self.plain for each in allows):
            return Bound.CERTAIN
        if certain & self.deny & self.plain or not all(some & each for each in allows):
            return Bound.NOTHING
        denies = some & self.deny & (self.plain | self.marked)
        is_all = not denies and all(possible & each & ~self.marked for each in allows)
        return Bound.WHERE if is_all else Bound.AT_MOST

    def keys(self, included: Included) -> tuple[str, ...]:
        """Return the condition keys and policy variables on which it depends what is given, as they are written."""
        allows = (self.allow, self.boundary)
        limited = [included.some & each for each in allows if not included.certain & each & self.plain]
        deciding = self.permissions.statements_at(functools.reduce(int.__or__, limited, included.some & self.deny))
        return tuple(sorted({key for each in deciding for key in each.keys}, key=str.lower))


def gains(before: Permissions, after: Permissions) -> tuple[Gain, ...]:
    """Return what is given after and was not before. What is lost is what the other order gains.

    Every action that is gained on a resource matches a gain.
    """
    statements = (*before.statements, *after.statements)
    spelling = {name.lower(): name for each in statements for name in each.actions.outer}
    pairs: set[tuple[str, str]] = set()
    for action, resource in _asked(before, after):
        pairs.add((action.lower(), resource))
        if len(pairs) > MOST_PAIRS:
            pairs = {("*", "*")}
            spelling["*"] = "*"
            break
    found: dict[tuple[Extent, tuple[str, ...]], dict[str, set[str]]] = {}
    sides = _Side(before), _Side(after)
    for action, resource in sorted(pairs):
        if extent := _extent(*sides, action, resource):
            found.setdefault(extent, {}).setdefault(action, set()).add(resource)
    gained: list[Gain] = []
    for (extent_, keys), of_actions in found.items():
        together: dict[tuple[str, ...], list[str]] = {}
        for action, resources in of_actions.items():
            together.setdefault(tuple(widest(resources)), []).append(action)
        gained += [
            Gain(_written(spelling[each] for each in widest(actions)), _written(resources), extent_, keys)
            for resources, actions in together.items()
        ]
    return tuple(sorted(gained))


def _written(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as they are written in a policy."""
    return tuple(sorted(each.translate(_TO_WRITTEN) for each in names))


def _asked(before: Permissions, after: Permissions) -> Iterator[tuple[str, str]]:
    """Yield actions, each with a resource, of which some may be gained."""
    allows = [each for each in after.statements if each.allows and not each.in_boundary and not each.never]
    of_policies, of_boundary = (
        [each for each in before.statements if each.allows and each.in_boundary is where] for where in (False, True)
    )
    for each in allows:
        yield from _patterns(each) if before.bounded and not after.bounded else _not_included(each, of_policies)
    # What a boundary allows besides, and what is denied no longer, of what is allowed.
    denies = [each for each in after.statements if not each.allows]
    limits = [(each, of_boundary) for each in after.statements if each.allows and each.in_boundary and not each.never]
    limits += [(each, denies) for each in before.statements if not each.allows and not each.never]
    for limit, others in limits:
        for (limited, on), allow in itertools.product(_not_included(limit, others), allows):
            actions = {_narrower(limited.lower(), each.lower()) for each in allow.actions.outer}
            resources = {_narrower(on, each) for each in allow.resources.outer}
            yield from itertools.product(actions - {""}, resources - {""})


def _narrower(one: str, other: str) -> str:
    """Return a pattern for all that two match, the narrower one; empty where they match nothing."""
    return (other if covers(one, other) else one) if overlap(one, other) else ""


def _patterns(statement: PermissionStatement) -> Iterator[tuple[str, str]]:
    return itertools.product(statement.actions.outer, statement.resources.outer)


def _not_included(statement: PermissionStatement, others: Sequence[PermissionStatement]) -> list[tuple[str, str]]:
    """Return the actions and resources of a statement to which others do not always apply whenever it does."""
    if not statement.marked and statement in others:
        return []
    # There are fewer resources than actions in most.
    by_resource = [
        (resource, [each for each in others if _includes(each.resources, statement.resources, place, str)])
        for place, resource in enumerate(statement.resources.outer)
    ]
    return [
        (action, resource)
        for place, action in enumerate(statement.actions.outer)
        for resource, those in by_resource
        if not _are_implied(
            statement.conditions,
            [each.conditions for each in those if _includes(each.actions, statement.actions, place, str.lower)],
        )
    ]


def _are_implied(conditions: Sequence[Compared], alternatives: Iterable[Sequence[Compared]]) -> bool:
    """Return whether every request that meets conditions meets all of one of several alternatives, as written."""
    return any(UNKNOWN not in those and {*those} <= {*conditions} for those in alternatives)


def _includes(wider: Names, names: Names, place: int, read: Callable[[str], str]) -> bool:
    """Return whether names include all that one pattern of others matches; opposites, and variables, are as written."""
    if wider.negated or names.negated:
        every = [(e.negated, {*e.with_variables}, {*map(read, e.every)}) for e in (wider, names)]
        return every[0] == every[1]
    pattern, variables = read(names.every[place]), names.with_variables[place]
    return (bool(variables) and variables in wider.with_variables) or any(
        covers(read(e), pattern) for e in wider.certain
    )


def _extent(was: _Side, is_: _Side, action: str, resource: str) -> tuple[Extent, tuple[str, ...]] | None:
    """Return how much of what patterns match is gained, and the keys on which that depends; None where nothing is."""
    had, has = (each.included(action, resource, overlap) for each in (was, is_))
    given = was.bound(had), is_.bound(has)
    if given[1] is Bound.NOTHING or given[0] is Bound.CERTAIN:
        return None
    if given[0] is Bound.NOTHING and given[1] >= Bound.WHERE:
        return "all", is_.keys(has) if given[1] is Bound.WHERE else ()
    stranger = _sample(f"{_STRANGER}:*" if action == "*" else action), _sample(resource)
    of_old, of_new = (each.included(*stranger, covers) for each in (was, is_))
    if was.bound(of_old) is Bound.NOTHING and is_.bound(of_new) >= Bound.WHERE:
        return "some", is_.keys(of_new) if is_.bound(of_new) is Bound.WHERE else ()
    return "cannot tell", tuple(sorted({*was.keys(had), *is_.keys(has)}, key=str.lower))


@functools.lru_cache(maxsize=10_000)
def _including(having: Having, pattern: str, any_case: bool, may: Callable[[str, str], bool]) -> Included:
    """Return which statements have what a pattern matches, all or some of it."""
    read = str.lower if any_case else str
    return having.including(lambda each: covers(read(each), pattern), lambda each: may(read(each), pattern))


def _sample(pattern: str) -> str:
    """Return what a pattern matches, and no other one that does not match all of it; an ARN has all its parts."""
    missing = 5 - pattern.count(":") if pattern.startswith("arn:") else 0
    filled = pattern.replace("*", ":".join([_STRANGER] * (missing + 1)), 1) if missing > 0 else pattern
    return filled.replace("*", _STRANGER).replace("?", "q")
