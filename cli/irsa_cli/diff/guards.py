"""Which Pods the guards of a stack refuse or warn of, before and after, and how their own resources are shown. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from irsa import types
from irsa.guard.policies import IDENTITY, selected_namespaces
from irsa.guard.rules import GROUPS, SYSTEM, USER_PREFIXES, USERS, is_everybody, is_wide_prefix, parsed_data
from irsa.outputs import GUARD_ANNOTATIONS, GUARD_MODES, GUARD_TYPE, KEY
from irsa.rules.leaves import items_of, mapping_of
from irsa_world.state.planned import resources_before_and_after
from irsa_world.state.preview import CREATE, Step
from irsa_world.state.resource import Resource, is_secret, is_unknown, known_text

PODS, ROLE_ANNOTATIONS, EXCEPTIONS, CONFIG_MAPS = "pods", "roleAnnotations", "exceptions", "configMaps"
# Lists of a ConfigMap, and what an entry is.
PREFIX = "userPrefix"
LISTS = {USERS: "user", USER_PREFIXES: PREFIX, GROUPS: "group"}
OFF, CANNOT_TELL = "off", "cannot tell"
STRICTEST_FIRST = ("deny", "warn", OFF)
ConfigMaps = Sequence[tuple[str, Any]]
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
            `exceptions`: who may write those all the same, or `configMaps`: who may edit those can switch it off.
        before: What it did: `deny`, `warn` or `off`.
        after: What it does: `deny`, `warn`, `off`, or `cannot tell`: what it guards is not known until `pulumi up`.
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


def is_of_guard(resource: Resource) -> bool:
    """Return whether a resource is one of a guard's own."""
    return f"{GUARD_TYPE}$" in resource.urn.split("::")[2]


# --- what it does -----------------------------------------------------------------------------------------------------


def guard_changes(state: Iterable[Resource], steps: Iterable[Step], clusters: Mapping[str, str]) -> list[GuardChange]:
    """Return what the guards do otherwise after a preview's steps: who may avoid them, the strictest, then by cluster.

    The clusters are those of `clusters_of_guards`.
    """
    state, steps = [*state], [*steps]
    old, new = map(_by_guard, resources_before_and_after(state, steps))
    created = {each.resource.urn for each in steps if each.operation == CREATE}
    # What the state has and is created again: somebody deleted it.
    lost = {_guard_of(each) for each in state if each.urn in created}
    changing = {_guard_of(each.resource) for each in steps if _concerns(each.resource)}
    found = [
        change
        for urn in changing
        for change in _changes(clusters.get(urn, ""), urn, old.get(urn, []), new.get(urn, []), urn in lost)
    ]

    def first(each: GuardChange) -> tuple[Any, ...]:
        return not each.dangerous, not each.who, SHOWN_FIRST.index(each.after), each.cluster, each.what, each.before

    return sorted(found, key=first)


def _concerns(resource: Resource) -> bool:
    return resource.type == GUARD_TYPE or is_of_guard(resource)


def _guard_of(resource: Resource) -> str:
    return resource.urn if resource.type == GUARD_TYPE else resource.parent


def _by_guard(resources: Mapping[str, Resource]) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for each in filter(_concerns, resources.values()):
        found.setdefault(_guard_of(each), []).append(each)
    return found


def clusters_of_guards(state: Iterable[Resource], steps: Iterable[Step]) -> dict[str, str]:
    """Return the keys of the clusters of guards, by URN; in another program, names of several."""
    resources = [*state, *(step.resource for step in steps)]
    guards = {each.urn: each for each in resources if each.type == GUARD_TYPE}
    keys = {urn: known_text(each.inputs.get(KEY)) for urn, each in guards.items()}
    names = {urn: keys[urn] or (each.name if len(guards) > 1 else "") for urn, each in guards.items()}
    return {urn: "" if name == ONE_CLUSTER else name for urn, name in names.items()}


def _changes(
    cluster: str, urn: str, before: Sequence[Resource], after: Sequence[Resource], lost: bool
) -> Iterator[GuardChange]:
    old, new = _modes(urn, before, lost), _modes(urn, after)
    if old is None or new is None:
        yield GuardChange(cluster, PODS, CANNOT_TELL if old is None else OFF, CANNOT_TELL)
    else:
        groups: dict[tuple[str, str, bool], list[str]] = {}
        declared = _component(urn, after).get(GUARD_MODES)
        for name in sorted({*old, *new}):
            was, becomes = old.get(name, OFF), new.get(name, OFF)
            # Of a service account that goes with its binding, there is nothing left to guard.
            is_left = not isinstance(declared, Mapping) or name in declared
            groups.setdefault((was, becomes, is_left and _is_looser(was, becomes)), []).append(name)
        for (was, becomes, dangerous), names in groups.items():
            if was != becomes:
                yield GuardChange(cluster, PODS, was, becomes, tuple(names), dangerous=dangerous)
    rules = [_component(urn, each).get(GUARD_ANNOTATIONS) for each in (before, after)]
    was, becomes = (each if each in STRICTEST_FIRST else OFF for each in rules)
    if was != becomes:
        yield GuardChange(cluster, ROLE_ANNOTATIONS, was, becomes, dangerous=_is_looser(was, becomes))
    data = _data_by_namespace(before), _data_by_namespace(after)
    if OFF not in (was, becomes):
        yield from _exceptions(GuardChange(cluster, EXCEPTIONS, was, becomes), *data)
    yield from _moved(GuardChange(cluster, CONFIG_MAPS, _strictest(old), _strictest(new)), *data, {*(new or {})})


def _is_looser(was: str, becomes: str) -> bool:
    return STRICTEST_FIRST.index(becomes) > STRICTEST_FIRST.index(was)


def _strictest(modes: Mapping[str, str] | None) -> str:
    return min((modes or {}).values(), key=STRICTEST_FIRST.index, default=OFF)


def _data_by_namespace(resources: Iterable[Resource]) -> list[tuple[str, Any]]:
    """Return namespace and data of each ConfigMap; an empty namespace where it is not known."""
    maps = (each.inputs for each in resources if each.type == types.CONFIG_MAP)
    return [(known_text(mapping_of(each.get("metadata")).get("namespace")), each.get("data")) for each in maps]


def _exceptions(change: GuardChange, before: ConfigMaps, after: ConfigMaps) -> Iterator[GuardChange]:
    """Yield who may write other roles than the declared ones, and could not before."""
    # Without its lists, a ConfigMap stops nobody.
    stopped = [each for each in before if not isinstance(each[1], Mapping) or LISTS.keys() <= each[1].keys()]
    old, new = _listed(stopped), _listed(after)
    if not stopped:
        return
    if old is None or new is None:
        yield replace(change, after=CANNOT_TELL)
    elif gained := new - old:
        # The first names are shown.
        who = sorted(gained, key=lambda each: (not _is_wide(each), each.kind, each.name))
        yield replace(change, who=tuple(who), dangerous=_is_wide(who[0]))


def _is_wide(each: Avoider) -> bool:
    return is_wide_prefix(each.name) if each.kind == PREFIX else is_everybody(each.name)


def _listed(config_maps: ConfigMaps) -> set[Avoider] | None:
    """Return who may write other roles; None where that is not known."""
    found: set[Avoider] = set()
    for _, data in config_maps:
        texts = {kind: mapping_of(data).get(key) for key, kind in LISTS.items()}
        if not all(isinstance(text, str) and text == known_text(text) for text in texts.values()):
            return None
        found |= {Avoider(kind, line) for kind, text in texts.items() for line in str(text).split("\n") if line}
    return found


def _moved(change: GuardChange, before: ConfigMaps, after: ConfigMaps, guarded: set[str]) -> Iterator[GuardChange]:
    """Yield to which namespaces its ConfigMaps go."""
    old, new = ({namespace for namespace, _ in those} for those in (before, after))
    tenants = {each.partition("/")[0] for each in guarded} - {SYSTEM}
    for namespace in sorted(new - old) if old else ():
        who = (Avoider("namespace", namespace),)
        is_known = replace(change, who=who, dangerous=namespace in tenants)
        yield is_known if namespace else replace(change, after=CANNOT_TELL)


def _component(urn: str, resources: Iterable[Resource]) -> Mapping[str, Any]:
    return next((each.inputs for each in resources if each.urn == urn), {})


def _modes(urn: str, resources: Sequence[Resource], lost: bool = False) -> Mapping[str, str] | None:
    """Return the mode for each service account; None where it is not known.

    What the bindings and ConfigMaps say counts, since somebody may have changed it. In a preview they are not known
    while a role is new, nor without a state where they stay: then, what the component has. What is lost guards nobody.
    """
    data = {
        known_text(mapping_of(each.inputs.get("metadata")).get("name")): each.inputs.get("data")
        for each in resources
        if each.type == types.CONFIG_MAP
    }
    specs = [mapping_of(each.inputs.get("spec")) for each in resources if each.type == types.ADMISSION_BINDING]
    maps = [data.get(known_text(mapping_of(e.get("paramRef")).get("name")), {} if lost else None) for e in specs]
    if (resources and not (specs or lost)) or not all(
        spec and isinstance(of_map, Mapping) and not any(is_unknown(e) or is_secret(e) for e in (spec, of_map))
        for spec, of_map in zip(specs, maps, strict=True)
    ):
        recorded = _component(urn, resources).get(GUARD_MODES)
        is_known = isinstance(recorded, Mapping) and all(each in STRICTEST_FIRST for each in recorded.values())
        return recorded if is_known else None
    found: dict[str, str] = {}
    for spec, of_map in zip(specs, maps, strict=True):
        actions, namespaces = items_of(spec.get("validationActions")), selected_namespaces(spec)
        if actions and known_text(spec.get("policyName")).endswith(f"-{IDENTITY}"):
            texts = {str(key): text for key, text in mapping_of(of_map).items() if isinstance(text, str)}
            mode = "deny" if "Deny" in actions else "warn"
            found |= {f"{e.namespace}/{e.name}": mode for e in parsed_data(texts) if e.namespace in namespaces}
    return found
