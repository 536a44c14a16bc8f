"""What policies give beyond what others gave, by two bounds of each side.

At most, a side gives what its Allow statements name, less what a Deny without conditions takes away. For certain, it
gives what Allow statements without conditions name, less whatever a Deny may take away. Gained is what the old side
does not give even at most; of all else that is new, irsa cannot tell, and names the condition keys that decide.

Asked are the patterns of Allow statements that no old ones include under the same or fewer conditions, and those for
what is allowed within a Deny, or beyond a permissions boundary, that limits less: of two patterns, part by part, the
narrower one. Whatever is gained is within one of these.
`*` matches colons, as IAM has it, but two ARNs with as many colons are compared part by part: no colon or slash is in
the first five (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html), and colons are in the resource
only as a pattern has them in its own. So nothing is both a snapshot and a volume, whatever its AWS account.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Literal, NamedTuple

from irsa.evaluation.patterns import covers, overlap, widest
from irsa.evaluation.permission_statements import UNKNOWN, VARIABLE, Compared, Names, PermissionStatement
from irsa.evaluation.permissions import Having, Included, Permissions
from irsa.rules.subjects import is_pattern

# More pairs of an action and a resource are not asked about: then it can't be told what is gained.
MOST_PAIRS = 4_000
Extent = Literal["all", "some", "cannot tell"]
_TO_WRITTEN = str.maketrans({"\ue000": "${*}", "\ue001": "${?}"})
# What nobody names.
_STRANGER = "strangerzq"
# A resource that begins with its type, such as `snapshot/`.
_TYPED = re.compile(r"[\w-]+/")
# Another one is no AWS account, but part of a resource behind a wildcard that stands for several parts.
_AWS_ACCOUNT = re.compile(r"[\d*?]*|aws")
# Only the first wildcard can stand for several parts: no other one follows, or a slash is before it.
_FILLED_IN_ONE_WAY = re.compile(r"arn:[^*?/]*\*[^*?]*(/.*)?", re.DOTALL)


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

    def included(
        self, action: str, resource: str, may_act: Callable[[str, str], bool], may_be_on: Callable[[str, str], bool]
    ) -> Included:
        """Return which statements include what two patterns match, all or some of it."""
        having = self.permissions.having
        actions = _including(having("actions"), action, any_case=True, may=may_act)
        resources = _including(having("resources"), resource, any_case=False, may=may_be_on)
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
    return tuple(sorted(each_once(gained)))


def each_once(gained: Iterable[Gain]) -> list[Gain]:
    """Return gains without those of which a wider one, as certain, says the same."""
    found = [*gained]
    for each in [*found]:
        if any(_says(other, each) for other in found if other is not each):
            found.remove(each)
    return found


def _written(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as they are written in a policy."""
    return tuple(sorted(each.translate(_TO_WRITTEN) for each in names))


def _says(one: Gain, other: Gain) -> bool:
    """Return whether one gain says all that another one says. The letter case is ignored in actions alone."""
    if (one.extent, one.keys) not in (("all", ()), (other.extent, other.keys)):
        return False
    actions = [[each.lower() for each in of.actions] for of in (one, other)]
    pairs = (actions, (one.resources, other.resources))
    return all(any(covers(wide, each) for wide in wider) for wider, narrow in pairs for each in narrow)


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
            actions = {_narrower([(limited.lower(), each.lower())]) for each in allow.actions.outer}
            resources = {_narrower(_parts(on, each)) for each in allow.resources.outer}
            yield from itertools.product(actions - {""}, resources - {""})


def _narrower(parts: Sequence[tuple[str, str]]) -> str:
    """Return a pattern for all that two match, of the narrower one in each part; empty where they match nothing."""
    narrower = (other if covers(one, other) else one for one, other in parts)
    return ":".join(narrower) if all(itertools.starmap(overlap, parts)) else ""


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


def _are_implied(conditions: Iterable[Compared], alternatives: Iterable[Iterable[Compared]]) -> bool:
    """Return whether every request that meets conditions meets all of one of several alternatives, as written."""
    return any(all(any(_is_narrower(one, each) for one in conditions) for each in those) for those in alternatives)


def _is_narrower(one: Compared, wider: Compared) -> bool:
    """Return whether a condition is another one, or has fewer values; of a negated operator, more."""
    # No page says what a condition without values means.
    if UNKNOWN in (one, wider) or () in (one.condition.wanted, wider.condition.wanted):
        return False
    inner, outer = (wider, one) if one.condition.negated else (one, wider)
    same = all(getattr(one.condition, each) == getattr(wider.condition, each) for each in ("operator", "key"))
    return same and one.variables == wider.variables and {*inner.condition.wanted} <= {*outer.condition.wanted}


def _includes(wider: Names, names: Names, place: int, read: Callable[[str], str]) -> bool:
    """Return whether names include all that one pattern of others matches, or that these do not exclude."""

    def has(some: Names, of: Names, at: int) -> bool:
        pattern, variables = read(of.every[at]), of.with_variables[at]
        return any(covers(read(each), pattern) for each in some.certain) or any(
            _includes_variables(each, variables) for each in filter(None, some.with_variables)
        )

    if not wider.negated:
        return any(covers(each, "*") for each in wider.certain) if names.negated else has(wider, names, place)
    if names.negated:
        return all(has(names, wider, at) for at in range(len(wider.every)))
    may = overlap if read is str.lower else _arns_may_match
    return not any(may(read(names.every[place]), read(each)) for each in wider.every)


def _includes_variables(wider: str, pattern: str) -> bool:
    """Return whether a pattern matches all that another one does, with the same policy variables in both."""
    parts, others = VARIABLE.split(wider), VARIABLE.split(pattern)
    # Every second one is the name of a variable.
    are_same = len(parts) == len(others) and parts[1::2] == others[1::2]
    return are_same and all(map(covers, parts[::2], others[::2]))


def _extent(was: _Side, is_: _Side, action: str, resource: str) -> tuple[Extent, tuple[str, ...]] | None:
    """Return how much of what patterns match is gained, and the keys on which that depends; None where nothing is."""
    had, has = (each.included(action, resource, overlap, _arns_may_match) for each in (was, is_))
    given = was.bound(had), is_.bound(has)
    if given[1] is Bound.NOTHING or given[0] is Bound.CERTAIN:
        return None
    if given[0] is Bound.NOTHING and given[1] >= Bound.WHERE:
        return "all", is_.keys(has) if given[1] is Bound.WHERE else ()
    stranger = _sample(f"{_STRANGER}:*" if action == "*" else action), _sample(resource)
    of_old, of_new = (each.included(*stranger, covers, covers) for each in (was, is_))
    if was.bound(of_old) is Bound.NOTHING and is_.bound(of_new) >= Bound.WHERE:
        return "some", is_.keys(of_new) if is_.bound(of_new) is Bound.WHERE else ()
    return "cannot tell", tuple(sorted({*was.keys(had), *is_.keys(has)}, key=str.lower))


@functools.lru_cache(maxsize=10_000)
def _including(having: Having, pattern: str, any_case: bool, may: Callable[[str, str], bool]) -> Included:
    """Return which statements have what a pattern matches, all or some of it."""
    read = str.lower if any_case else str
    return having.including(lambda each: covers(read(each), pattern), lambda each: may(read(each), pattern))


def _sample(pattern: str) -> str:
    """Return what a pattern matches, and no other one that does not match all of it."""
    return _filled(pattern, _STRANGER).replace("*", _STRANGER).replace("?", "q")


def _parts(one: str, other: str) -> list[tuple[str, str]]:
    """Return two ARNs part by part; as a whole where a wildcard of one may stand for a colon of the other."""
    filled = [_filled(each, "*") if _FILLED_IN_ONE_WAY.fullmatch(each) else each for each in (one, other)]
    both_ = [each.split(":", 5) for each in filled]
    has_parts = filled[0].count(":") == filled[1].count(":") and all(
        len(each) == 6 and _AWS_ACCOUNT.fullmatch(each[4])  # noqa: PLR2004
        for each in both_
    )
    # A name alone may stand behind further colons, for which a wildcard before it stands; a type with a slash does not.
    has_parts = has_parts and (
        all(_TYPED.match(each[5]) for each in both_)
        or not any(is_pattern(part) for each in both_ for part in each[3:5])
    )
    return [*zip(*both_, strict=True)] if has_parts else [(one, other)]


def _filled(pattern: str, by: str) -> str:
    """Return an ARN with all its parts: where some are missing, its first wildcard stands for them."""
    missing = 5 - pattern.count(":") if pattern.startswith("arn:") else 0
    return pattern.replace("*", ":".join([by] * (missing + 1)), 1) if missing > 0 else pattern


@functools.lru_cache(maxsize=100_000)
def _arns_may_match(one: str, other: str) -> bool:
    return all(itertools.starmap(overlap, _parts(one, other)))
