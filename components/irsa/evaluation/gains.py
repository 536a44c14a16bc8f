"""What policies give beyond what others gave.

An action and a resource stand for all that the same patterns match: so every difference is found, and a pattern may be
replaced by others that say the same. `*` matches colons, as IAM has it, but an ARN is one that can exist: no colon or
slash in its first five parts (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html), and colons in its
resource only as a pattern has them in its own. So nothing is both a snapshot and a volume, whatever its AWS account.
"""

import functools
import itertools
import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from irsa.evaluation.patterns import TooManyError, widest
from irsa.evaluation.permission_statements import PLAIN, UNKNOWN, Element, Statement, service_of
from irsa.evaluation.permissions import Permissions, Request
from irsa.rules.strangers import automaton

# Patterns made to combine in very many ways are not followed to the end: then it can't be told what is gained.
MOST_PAIRS, MOST_STATES, MOST_STEPS = 4_000, 20_000, 200_000_000
_TO_WRITTEN = str.maketrans({"\ue000": "${*}", "\ue001": "${?}"})


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
    extent: Literal["all", "some", "cannot tell"]


def gains(before: Permissions, after: Permissions) -> tuple[Gain, ...]:
    """Return what is given after and was not before. What is lost is what the other order gains.

    Every action that is gained on a resource matches a gain.
    """
    differing = _differing(before, after)
    if not differing:
        return ()
    services = _services(differing)
    before, after = (_about(each, services) for each in (before, after))
    every = (Gain(tuple(sorted("*" if each == "*" else f"{each}:*" for each in services)), ("*",), "cannot tell"),)
    try:
        actions = _Grouped.of(before, after, "actions", _in_action, ("",))
        resources = _Grouped.of(before, after, "resources", _in_resource, ("arn:", PLAIN["*"]))
    except TooManyError:
        return every
    if len(actions.groups) * len(resources.groups) > MOST_PAIRS:
        return every
    gained = {
        (action, resource): certain
        for action, resource in itertools.product(actions.groups, resources.groups)
        if (certain := _is_gained(before, after, action, resource)) is not None
    }
    # Actions that are gained on the same resources, as certainly, are one gain.
    together: dict[tuple[bool, tuple[_Group, ...]], list[_Group]] = {}
    for action, certain in itertools.product(actions.groups, (True, False)):
        on = tuple(each for each in resources.groups if gained.get((action, each)) is certain)
        if on:
            together.setdefault((certain, on), []).append(action)
    found = []
    for (certain, on), of in together.items():
        names = actions.names(of), resources.names(on)
        every_pair = itertools.product(actions.covered(names[0]), resources.covered(names[1]))
        whole = certain and all(gained.get(each) for each in every_pair)
        written = actions.written(names[0]), resources.written(names[1])
        found.append(Gain(*written, "all" if whole else "some" if certain else "cannot tell"))
    return tuple(sorted(found))


def _differing(before: Permissions, after: Permissions) -> list[Statement]:
    """Return the statements without which nothing is gained: those that allow what was not, or deny no longer."""
    if before.bounded and not after.bounded:
        return [*before.statements, *after.statements]
    had, has = {*before.statements}, {*after.statements}
    more = [each for each in after.statements if each.allows and (each.marked or each not in had)]
    return more + [each for each in before.statements if not each.allows and (each.marked or each not in has)]


def _services(statements: Iterable[Statement]) -> set[str]:
    """Return the services of which statements include actions; `*` stands for all."""
    names = [each.actions for each in statements]
    prefixes = {action.lower().partition(":")[0] for each in names if not each.negated for action in each.every}
    is_open = any(each.negated for each in names) or any("*" in each or "?" in each for each in prefixes)
    return {"*"} if is_open else prefixes


def _about(permissions: Permissions, services: set[str]) -> Permissions:
    """Return the same without the statements about other services; `*` stands for all."""
    every = {"*"} & services
    kept = tuple(each for each in permissions.statements if every or _services([each]) & {"*", *services})
    return Permissions(kept, permissions.bounded)


class _Group(NamedTuple):
    """Actions, or resources, that the same statements include: bits for certain and perhaps, before and after."""

    service: str
    before: tuple[int, int]
    after: tuple[int, int]


class _Grouped(NamedTuple):
    """All actions, or all resources, in groups; each group has sets of patterns that match something together."""

    groups: Mapping[_Group, Sequence[frozenset[str]]]
    spelling: Mapping[str, str]

    @classmethod
    def of(
        cls,
        before: Permissions,
        after: Permissions,
        element: Element,
        phases: Callable[[int, str], int],
        starts: tuple[str, ...],
    ) -> "_Grouped":
        """Return the groups of all that both can tell apart."""
        every = {each for both in (before, after) for of in both.statements for each in of.names(element).every}
        compared = {each: each.lower() if element == "actions" else each for each in every}
        patterns = {text: each for each, text in compared.items()}
        groups: dict[_Group, list[frozenset[str]]] = {}
        for text, matched in _matched_together(tuple(sorted(patterns)), phases, starts):
            those = {each for each in every if compared[each] in matched}
            both = [each.including(element, those.__contains__) for each in (before, after)]
            groups.setdefault(_Group(service_of(text) if element == "actions" else "", *both), []).append(matched)
        return cls(groups, patterns)

    def names(self, of: Iterable[_Group]) -> list[str]:
        """Return the narrowest patterns that match all of some groups, without those that others include.

        A pattern that matches nothing else comes before a narrower one that does.
        """
        groups = {*of}
        others = {
            each for group, several in self.groups.items() if group not in groups for each in set().union(*several)
        }
        narrowest = {
            max(matched, key=lambda each: (each not in others, _literal(each), each), default="*")
            for group in groups
            for matched in self.groups[group]
        }
        return widest(narrowest)

    def covered(self, names: Sequence[str]) -> list[_Group]:
        """Return the groups of which names match anything."""
        every = "*" in names
        return [group for group, several in self.groups.items() if every or any(map({*names}.intersection, several))]

    def written(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return names as they are written in a policy."""
        return tuple(sorted(self.spelling.get(each, each).translate(_TO_WRITTEN) for each in names))


def _literal(pattern: str) -> int:
    return len(pattern.replace("*", "").replace("?", ""))


def _is_gained(before: Permissions, after: Permissions, action: _Group, resource: _Group) -> bool | None:
    """Return whether a gain is certain; None where there is none."""
    then, now = (
        Request(action.service, *(of_action & of_resource for of_action, of_resource in zip(*both, strict=True)))
        for both in ((action.before, resource.before), (action.after, resource.after))
    )
    given, was_given = after.decision(now), before.decision(then)
    if given is False or was_given is True:
        return None
    if given is True and was_given is False:
        return True
    return None if _is_implied(before, then, after, now) else False


def _is_implied(before: Permissions, then: Request, after: Permissions, now: Request) -> bool:
    """Return whether what is given to a request after was given before too, whatever is not known.

    For each Allow after there is one before that applies whenever it does, and for each Deny before one after.
    """
    if before.bounded and not after.bounded:
        return False
    old, new = [*before.those(then.possible)], [*after.those(now.possible)]
    were_certain, are_certain = {*before.those(then.certain)}, {*after.those(now.certain)}
    allows = (each for each in new if each.allows and not each.never and (before.bounded or not each.in_boundary))
    denies = (each for each in old if not each.allows and not each.never)
    return all(
        any(
            _applies_with(each, one, each in were_certain)
            for each in old
            if each.allows and each.in_boundary == one.in_boundary
        )
        for one in allows
    ) and all(any(_applies_with(each, one, each in are_certain) for each in new if not each.allows) for one in denies)


def _applies_with(one: Statement, other: Statement, certain: bool) -> bool:
    """Return whether a statement applies whenever another one does to a request; `certain` if it includes that."""
    same = not one.marked and (one.actions, one.resources) == (other.actions, other.resources)
    return (certain or same) and UNKNOWN not in one.conditions and {*one.conditions} <= {*other.conditions}


# A text is read character by character: each leads to a phase, 0 to none.
_ENDS = 5


def _in_action(phase: int, character: str) -> int:
    """Return the phase of `service:Name`: in the service, behind the colon, in the name."""
    if character == ":":
        return 3 if phase == 2 else 0  # noqa: PLR2004 (the service has begun)
    if character == "-":
        return phase if phase == 2 else 0  # noqa: PLR2004
    named = _ENDS if phase > 2 else 2  # noqa: PLR2004
    return named if character.isalnum() else 0


def _in_resource(phase: int, character: str) -> int:
    """Return the phase of an ARN, of six parts: how many colons it has; `*` is one where an action has no resource."""
    if character == "/":
        return phase if phase == _ENDS else 0
    return min(phase + 1, _ENDS) if character == ":" else phase


# Another one is no AWS account, but part of a resource behind a wildcard that stands for several parts.
_AWS_ACCOUNT = re.compile(r"[\d*?]*|aws")
_FILLINGS = f"{string.ascii_lowercase}0123456789-_.~\ue002"


def _places(patterns: Iterable[str]) -> tuple[Mapping[int, str], int]:
    """Return two things of an automaton of patterns: by its bit, what ends there; and where a resource may begin.

    Where a pattern lacks parts of an ARN, its wildcards stand for several, and that is behind any of its colons.
    """
    ends, before_resources, bit = {}, 0, 1
    for pattern in patterns:
        start, parts = bit, pattern.split(":", 5)
        bit <<= len(pattern.replace("*", ""))
        ends[bit] = pattern
        has_parts = parts[5:] and _AWS_ACCOUNT.fullmatch(parts[4])
        before_resources |= bit >> len(parts[5].replace("*", "")) if has_parts else (bit << 1) - start
        bit <<= 1
    return ends, before_resources


# The roles of one add-on differ in their resources, and have the same actions.
@functools.lru_cache(maxsize=16)
def _matched_together(
    patterns: tuple[str, ...], phases: Callable[[int, str], int], starts: tuple[str, ...]
) -> Sequence[tuple[str, frozenset[str]]]:
    """Return one text for each set of patterns that a text can match, and that set."""
    return [*_each_matched_together(patterns, phases, starts)]


def _each_matched_together(
    patterns: Sequence[str], phases: Callable[[int, str], int], starts: Sequence[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    compared, (ends, before_resources) = automaton(patterns), _places(patterns)
    steps = {character: bits & ~compared.other for character, bits in compared.steps.items()}
    colons = steps.get(":", 0)
    # The phase; what has matched; and what of it has each colon of the resource in a resource of its own.
    seen: dict[tuple[int, int, int], str] = {}
    for start in starts:
        phase = _ENDS if start in PLAIN.values() else 1
        seen.setdefault((phase, compared.after(compared.start, start), 0), start)
    reached, found = list(seen), set()
    # The list grows while it is read.
    for phase, bits, own in reached:
        text = seen[phase, bits, own]
        if phase == _ENDS and bits & compared.ends not in found:
            found.add(bits & compared.ends)
            yield text, frozenset(pattern for end, pattern in ends.items() if bits & end)
        if text in PLAIN.values():
            continue
        further = [each for each, its in steps.items() if bits & its]
        # One more stands for all others.
        other = next(each for each in _FILLINGS if not bits & steps.get(each, 0))
        for character in sorted({other, ":", *further}):
            after, own_after = phases(phase, character), compared.after(own, character)
            if character == ":":
                own_after = (own & colons) << 1 if phase == _ENDS else (bits & colons) << 1 & before_resources
                after = after if own_after or phase != _ENDS else 0
            state = after, compared.after(bits, character), own_after
            if after and state not in seen:
                seen[state] = text + character
                reached.append(state)
        if len(seen) > MOST_STATES or len(seen) * compared.ends.bit_length() > MOST_STEPS:
            raise TooManyError
