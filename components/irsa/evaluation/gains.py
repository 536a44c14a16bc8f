"""What policies give beyond what others gave.

Asked are the patterns of statements that are new, and of Deny statements that are gone: whatever is gained is within
one of these. `*` matches colons, as IAM has it, but two ARNs with as many colons are compared part by part: no colon or
slash is in the first five (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html), and colons are in the
resource only as a pattern has them in its own. So nothing is both a snapshot and a volume, whatever its AWS account.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from irsa.evaluation.patterns import TooManyError, both, covers, overlap, widest
from irsa.evaluation.permission_statements import PLAIN, UNKNOWN, Element, Names, Statement, service_of
from irsa.evaluation.permissions import Having, Permissions, Request
from irsa.rules.subjects import is_pattern

# More pairs of an action and a resource are not asked about: then it can't be told what is gained.
MOST_PAIRS = 4_000
Extent = Literal["all", "some", "cannot tell"]
_EXTENTS: tuple[Extent, ...] = ("all", "some", "cannot tell")
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
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    extent: Extent


def gains(before: Permissions, after: Permissions) -> tuple[Gain, ...]:
    """Return what is given after and was not before. What is lost is what the other order gains.

    Every action that is gained on a resource matches a gain.
    """
    spelling: dict[str, str] = {}
    pairs: set[tuple[str, str]] = set()
    try:
        for action, resource in _asked(before, after):
            spelling.setdefault(action.lower(), action)
            pairs.add((action.lower(), resource))
            if len(pairs) > MOST_PAIRS:
                raise TooManyError  # noqa: TRY301 (as where their intersections are too many)
    except TooManyError:
        pairs = {("*", "*")}
    found: dict[Extent, dict[str, set[str]]] = {each: {} for each in _EXTENTS}
    for action, resource in sorted(pairs):
        if extent := _extent(before, after, action, resource):
            found[extent].setdefault(action, set()).add(resource)
    gained: list[Gain] = []
    for extent, of_actions in found.items():
        together: dict[tuple[str, ...], list[str]] = {}
        for action, resources in of_actions.items():
            together.setdefault(tuple(widest(resources)), []).append(action)
        gained += [
            Gain(_written(spelling.get(each, each) for each in widest(actions)), _written(resources), extent)
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
    if one.extent not in ("all", other.extent):
        return False
    actions = [[each.lower() for each in of.actions] for of in (one, other)]
    pairs = (actions, (one.resources, other.resources))
    return all(any(covers(wide, each) for wide in wider) for wider, narrow in pairs for each in narrow)


def _asked(before: Permissions, after: Permissions) -> Iterator[tuple[str, str]]:
    """Yield actions, each with a resource, of which some may be gained.

    Raises:
        TooManyError: The patterns combine in too many ways.
    """
    had = {each for each in before.statements if not each.marked}
    is_unbounded = before.bounded and not after.bounded
    allows = [each for each in after.statements if each.allows and not each.in_boundary and not each.never]
    for each in allows:
        if is_unbounded or each not in had:
            for pair in itertools.product(_patterns(each.actions), _patterns(each.resources)):
                if is_unbounded or not any(
                    one.allows and not one.in_boundary and _applies_with(one, each, *pair) for one in before.statements
                ):
                    yield pair
    # What a boundary allows besides, and what is denied no longer, of what is allowed.
    limits = [each for each in after.statements if each.allows and each.in_boundary and each not in had]
    limits += [each for each in before.statements if not each.allows and not each.never]
    opposite = {True: before.statements, False: after.statements}
    for limit, allow in itertools.product(limits, allows):
        actions = itertools.product(_patterns(limit.actions), _patterns(allow.actions))
        for action in itertools.chain.from_iterable(itertools.starmap(_both_actions, actions)):
            resources = itertools.product(_patterns(limit.resources), _patterns(allow.resources))
            for resource in itertools.chain.from_iterable(itertools.starmap(_both_arns, resources)):
                if not any(
                    (one.allows, one.in_boundary) == (limit.allows, limit.allows or one.in_boundary)
                    and _applies_with(one, limit, action, resource)
                    for one in opposite[limit.allows]
                ):
                    yield action, resource


def _patterns(names: Names) -> tuple[str, ...]:
    return ("*",) if names.negated else names.every


def _applies_with(one: Statement, other: Statement, action: str, resource: str) -> bool:
    """Return whether a statement applies to all of what patterns match, whenever another one does."""
    if UNKNOWN in one.conditions or not {*one.conditions} <= {*other.conditions}:
        return False
    same = not one.marked and (one.actions, one.resources) == (other.actions, other.resources)
    # There are fewer resources than actions in most.
    return same or (
        _includes(one.resources, resource, str, _arns_may_match)
        and _includes(one.actions, action.lower(), str.lower, overlap)
    )


def _includes(names: Names, pattern: str, read: Callable[[str], str], may: Callable[[str, str], bool]) -> bool:
    if names.negated:
        return not any(may(pattern, read(each)) for each in names.every)
    return any(covers(read(each), pattern) for each in names.certain)


def _extent(before: Permissions, after: Permissions, action: str, resource: str) -> Extent | None:
    """Return how much of what patterns match is gained; None where nothing is."""
    (was_given, had), (is_given, has) = (_given(each, action, resource) for each in (before, after))
    if is_given is False or was_given is True:
        return None
    if is_given is True and was_given is False:
        return "all"
    return "some" if has is True and had is False else "cannot tell"


def _given(permissions: Permissions, action: str, resource: str) -> tuple[bool | None, bool | None]:
    """Return whether all is given that patterns match, or nothing; and whether what nobody names of it is given."""
    pairs: tuple[tuple[Element, str], ...] = (("actions", action), ("resources", resource))
    included = [_included(permissions.having(element), element, pattern) for element, pattern in pairs]
    both_ = (one & other for one, other in zip(*included, strict=True))
    every = permissions.decision(Request(service_of(action), *both_))
    name = _sample(f"{_STRANGER}:*" if action == "*" else action)
    return every, every if every is not None else permissions.of(name, _sample(resource))


@functools.lru_cache(maxsize=10_000)
def _included(having: Having, element: Element, pattern: str) -> tuple[int, int]:
    """Return which statements include all that a pattern matches, and which include some of it."""
    if element == "resources":
        return having.including(lambda each: covers(each, pattern), functools.partial(_arns_may_match, pattern))
    return having.including(lambda each: covers(each.lower(), pattern), lambda each: overlap(pattern, each.lower()))


def _sample(pattern: str) -> str:
    """Return what a pattern matches, and no other one that does not match all of it."""
    return (
        _filled(pattern, _STRANGER)
        .replace("*", _STRANGER)
        .replace("?", "q")
        .replace(PLAIN["*"], "*")
        .replace(PLAIN["?"], "?")
    )


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


def _both(one: str, other: str) -> Iterable[str]:
    """Return patterns that together match what both of two match."""
    return [one] if covers(other, one) else [other] if covers(one, other) else both(one, other)


def _both_actions(one: str, other: str) -> Iterable[str]:
    # IAM ignores the letter case of actions; where that changes nothing, what they match together is spelled alike.
    spelled, every = _both(one, other), {*_both(one.lower(), other.lower())}
    return spelled if {each.lower() for each in spelled} == every else every


def _both_arns(one: str, other: str) -> Iterable[str]:
    parts = itertools.product(*itertools.starmap(_both, _parts(one, other)))
    return [":".join(each) for each in parts]
