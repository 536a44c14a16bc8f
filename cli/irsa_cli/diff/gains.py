"""What policies give beyond what others gave.

Asked are the patterns of Allow statements that no old ones include under the same or fewer conditions, and those for
what is allowed within a Deny, or beyond a permissions boundary, that limits less: of two patterns the narrower one.
Whatever is gained is within one of these. `*` matches colons, as IAM has it.

For each, something that nobody names stands for all that it matches: if the old side does not give that, and the new
one does whatever a request is like, it is gained. Of all else irsa cannot tell, and names the keys that decide.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from irsa.evaluation.patterns import covers, overlap, widest
from irsa.evaluation.permission_statements import UNKNOWN, Compared, Names, PermissionStatement
from irsa.evaluation.permissions import Permissions

# More pairs of an action and a resource are not asked about: then it can't be told what is gained.
MOST_PAIRS = 4_000
_TO_WRITTEN = str.maketrans({"\ue000": "${*}", "\ue001": "${?}"})
# What nobody names.
_STRANGER = "strangerzq"


class Gain(NamedTuple):
    """Actions on resources that are given where they were not.

    Attributes:
        actions: Actions, and patterns of actions.
        resources: Resources, and patterns of resources.
        certain: Whether they are gained for certain, but for some that were given before, or are denied.
        keys: The condition keys and policy variables on which that depends otherwise.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    certain: bool
    keys: tuple[str, ...] = ()


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
    found: dict[tuple[bool, tuple[str, ...]], dict[str, set[str]]] = {}
    for action, resource in sorted(pairs):
        is_denied = any(_includes_all(each, action, resource) for each in after.statements if not each.allows)
        if not is_denied and not _is_given(before, action, resource):
            found.setdefault(_extent(before, after, action, resource), {}).setdefault(action, set()).add(resource)
    gained: list[Gain] = []
    for (certain, keys), of_actions in found.items():
        together: dict[tuple[str, ...], list[str]] = {}
        for action, resources in of_actions.items():
            together.setdefault(tuple(widest(resources)), []).append(action)
        gained += [
            Gain(_written(spelling[each] for each in widest(actions)), _written(resources), certain, keys)
            for resources, actions in together.items()
        ]
    return tuple(sorted(gained))


def _includes_all(statement: PermissionStatement, action: str, resource: str) -> bool:
    """Return whether a statement applies to all that two patterns match, whatever a request is like."""
    return (
        not statement.conditions
        and _has_all(statement.actions, action, str.lower)
        and _has_all(statement.resources, resource, str)
    )


def _has_all(names: Names, pattern: str, read: Callable[[str], str]) -> bool:
    """Return whether names include all that a pattern matches, as far as their spelling tells."""
    if names.negated:
        return not any(overlap(read(each), pattern) for each in names.every)
    return any(covers(read(each), pattern) for each in names.certain)


def _is_given(permissions: Permissions, action: str, resource: str) -> bool:
    """Return whether all that two patterns match is given for certain, as single statements tell."""
    allows = [each for each in permissions.statements if each.allows and _includes_all(each, action, resource)]
    return {each.in_boundary for each in allows} >= {False, permissions.bounded} and not any(
        any(overlap(each.lower(), action) for each in deny.actions.outer)
        and any(overlap(each, resource) for each in deny.resources.outer)
        for deny in permissions.statements
        if not deny.allows and not deny.never
    )


def _extent(before: Permissions, after: Permissions, action: str, resource: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether what patterns match is gained for certain; and if not, the keys on which that depends."""
    sample = _sample(f"{_STRANGER}:*" if action == "*" else action), _sample(resource)
    if before.of(*sample) is False and after.of(*sample):
        return True, ()
    keys = {key for side in (before, after) for each in side.applying(*sample) for key in each.keys}
    return False, tuple(sorted(keys, key=lambda each: (each.lower(), each)))


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
    if not statement.marked and UNKNOWN not in statement.conditions and statement in others:
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
    # The spelling of a key makes no difference.
    there = {each[:2] for each in conditions}
    return any(UNKNOWN not in those and {each[:2] for each in those} <= there for those in alternatives)


def _includes(wider: Names, names: Names, place: int, read: Callable[[str], str]) -> bool:
    """Return whether names include all that one pattern of others matches, or all others; variables are as written."""
    if names.negated:
        every = [(e.negated, {*zip(map(read, e.every), e.with_variables, strict=True)}) for e in (wider, names)]
        return every[0] == every[1] or _has_all(wider, "*", read)
    pattern, variables = read(names.every[place]), names.with_variables[place]
    is_written = bool(variables) and not wider.negated and variables in wider.with_variables
    return is_written or _has_all(wider, pattern, read)


def _sample(pattern: str) -> str:
    """Return what a pattern matches, and no other one that does not match all of it; an ARN has all its parts."""
    missing = 5 - pattern.count(":") if pattern.startswith("arn:") else 0
    filled = pattern.replace("*", ":".join([_STRANGER] * (missing + 1)), 1) if missing > 0 else pattern
    return filled.replace("*", _STRANGER).replace("?", "q")
