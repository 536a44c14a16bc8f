"""Which Pods the guards of a stack refuse or warn of, before and after, and how their own resources are shown. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from irsa import types
from irsa.guard.rules import GROUPS, SYSTEM, USER_PREFIXES, USERS, is_everybody, is_wide_prefix
from irsa.outputs import GUARD_ANNOTATIONS, GUARD_MODES, GUARD_TYPE, KEY
from irsa.rules.leaves import mapping_of
from irsa_world.state.planned import Both
from irsa_world.state.preview import Step
from irsa_world.state.resource import Resource, known_text

PODS, ROLE_ANNOTATIONS, EXCEPTIONS = "pods", "roleAnnotations", "exceptions"
# Lists of a ConfigMap, and what an entry is.
PREFIX = "userPrefix"
LISTS = {USERS: "user", USER_PREFIXES: PREFIX, GROUPS: "group"}
OFF, CANNOT_TELL = "off", "cannot tell"
STRICTEST_FIRST = ("deny", "warn", OFF)
SHOWN_FIRST = ("deny", CANNOT_TELL, "warn", OFF)
# Of a stack with `irsa:cluster`.
ONE_CLUSTER = "cluster"


@dataclass(frozen=True)
class Avoider:
    """Who may avoid a guard.

    Attributes:
        kind: `user`, `userPrefix`: users whose names begin so, `group`, or `namespace`: who may edit ConfigMaps in it.
        name: Its name.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class GuardChange:
    """What the guard of a cluster does otherwise than before.

    Attributes:
        cluster: The cluster's key in the stack file; empty where there is only one.
        what: Of which it is: `pods` without their identity, `roleAnnotations` other than the declared ones,
            `exceptions`: who may write those all the same, or edit its ConfigMaps.
        before: What it did: `deny`, `warn` or `off`.
        after: What it does: `deny`, `warn`, `off`, or `cannot tell`, which its recorded settings do not say.
        service_accounts: Whose Pods, as `namespace/name`.
        who: Who may avoid it, and could not before; the widest come first.
        dangerous: Whether that is everybody, users of several roles, or a namespace with guarded service accounts; or
            whether it stops less than before.
    """

    cluster: str
    what: str
    before: str
    after: str
    service_accounts: tuple[str, ...] = ()
    who: tuple[Avoider, ...] = ()
    dangerous: bool = False

    @property
    def may_be_dangerous(self) -> bool:
        """Whether it is dangerous, or irsa cannot tell."""
        return self.dangerous or self.after == CANNOT_TELL


# --- what it does -----------------------------------------------------------------------------------------------------


def guard_changes(both: Both, steps: Sequence[Step]) -> list[GuardChange]:
    """Return what the guards do otherwise after a preview: who may avoid them, the strictest, then by cluster."""
    changing = {_guard_of(step.resource) for step in steps} - {""}
    old, new = (_by_guard(each) if changing else {} for each in both)
    found = [
        change
        for urn in changing
        for change in _changes(_cluster(urn, both, len({*old, *new}) > 1), urn, old.get(urn, []), new.get(urn, []))
    ]

    def first(each: GuardChange) -> tuple[Any, ...]:
        return not each.dangerous, not each.who, SHOWN_FIRST.index(each.after), each.cluster, each.what, each.before

    return sorted(found, key=first)


def _guard_of(resource: Resource) -> str:
    """Return the URN of the guard to which a resource belongs; empty for any other one."""
    is_own = f"{GUARD_TYPE}$" in resource.urn.split("::")[2]
    return resource.urn if resource.type == GUARD_TYPE else resource.parent if is_own else ""


def _by_guard(resources: Mapping[str, Resource]) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for each in resources.values():
        found.setdefault(_guard_of(each), []).append(each)
    found.pop("", None)
    return found


def _cluster(urn: str, both: Both, is_one_of_several: bool) -> str:
    """Return the key of the cluster of a guard; in another program, its name among several."""
    guard = both[1].get(urn) or both[0].get(urn)
    key = known_text(guard.inputs.get(KEY)) if guard else ""
    return "" if key == ONE_CLUSTER else key or (urn.rsplit("::", 1)[-1] if is_one_of_several else "")


def _changes(cluster: str, urn: str, before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[GuardChange]:
    sides = [next((each.inputs for each in side if each.urn == urn), {}) for side in (before, after)]
    old, new = (_modes(each) if there else {} for each, there in zip(sides, (before, after), strict=True))
    was, becomes = (each.get(GUARD_ANNOTATIONS) for each in sides)
    was, becomes = (each if each in STRICTEST_FIRST else OFF for each in (was, becomes))
    # What your own program makes of its resources, or somebody by hand, no setting says.
    is_said = (old, was) != (new, becomes) or _own(before) == _own(after)
    if old is None or new is None or not is_said:
        yield GuardChange(cluster, PODS, OFF if old == {} else CANNOT_TELL, CANNOT_TELL)
    groups: dict[tuple[str, str, bool], list[str]] = {}
    modes, others = ({}, {}) if old is None or new is None else (old, new)
    for name in sorted({*modes, *others}):
        pair = modes.get(name, OFF), others.get(name, OFF)
        # Of a service account that goes with its binding, there is nothing left to guard.
        groups.setdefault((*pair, (name in others or not after) and _is_looser(*pair)), []).append(name)
    for (mode, other, dangerous), names in groups.items():
        if mode != other:
            yield GuardChange(cluster, PODS, mode, other, tuple(names), dangerous=dangerous)
    if was != becomes:
        yield GuardChange(cluster, ROLE_ANNOTATIONS, was, becomes, dangerous=_is_looser(was, becomes))
    change = GuardChange(cluster, EXCEPTIONS, was, becomes)
    yield from _avoiding(change, before, after, {each.partition("/")[0] for each in new or ()} - {SYSTEM})


def _modes(component: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the mode for each service account; None where it is not known."""
    recorded = component.get(GUARD_MODES)
    is_known = isinstance(recorded, Mapping) and all(each in STRICTEST_FIRST for each in recorded.values())
    return recorded if is_known else None


def _own(resources: Iterable[Resource]) -> dict[str, Any]:
    """Return what the resources of a guard say, but for the names and roles that follow from the bindings."""
    found = {}
    for each in resources:
        spec, data = ({**mapping_of(each.inputs.get("spec")), "paramRef": None}, each.inputs.get("data"))
        found[each.urn] = spec, isinstance(data, Mapping) and {*data}
    return found


def _is_looser(was: str, becomes: str) -> bool:
    return STRICTEST_FIRST.index(becomes) > STRICTEST_FIRST.index(was)


def _avoiding(
    change: GuardChange, before: Iterable[Resource], after: Iterable[Resource], tenants: set[str]
) -> Iterator[GuardChange]:
    """Yield who may write other roles than the declared ones, or edit its ConfigMaps, and could not before."""
    sides = [[each.inputs for each in side if each.type == types.CONFIG_MAP] for side in (before, after)]
    places = [{known_text(mapping_of(each.get("metadata")).get("namespace")) for each in side} for side in sides]
    gained = {Avoider("namespace", each) for each in places[1] - places[0]} if places[0] else set()
    is_known = Avoider("namespace", "") not in gained
    # Without its lists, a ConfigMap stops nobody.
    data = [[each.get("data") for each in side] for side in sides]
    stopped = [each for each in data[0] if not isinstance(each, Mapping) or LISTS.keys() <= each.keys()]
    if stopped and OFF not in (change.before, change.after):
        old, new = _listed(stopped), _listed(data[1])
        is_known &= old is not None and new is not None
        gained |= (new or set()) - (old or set())
    if not is_known:
        yield replace(change, after=CANNOT_TELL)
    elif gained:
        wide = {each for each in gained if _is_wide(each) or (each.kind == "namespace" and each.name in tenants)}
        # The first names are shown.
        who = sorted(gained, key=lambda each: (each not in wide, each.kind, each.name))
        yield replace(change, who=tuple(who), dangerous=bool(wide))


def _is_wide(each: Avoider) -> bool:
    return is_wide_prefix(each.name) if each.kind == PREFIX else is_everybody(each.name)


def _listed(data: Iterable[Any]) -> set[Avoider] | None:
    """Return who may write other roles; None where that is not known."""
    found: set[Avoider] = set()
    for each in data:
        texts = {kind: mapping_of(each).get(key) for key, kind in LISTS.items()}
        if not all(isinstance(text, str) and text == known_text(text) for text in texts.values()):
            return None
        found |= {Avoider(kind, line) for kind, text in texts.items() for line in str(text).split("\n") if line}
    return found
