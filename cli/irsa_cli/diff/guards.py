"""Whether the guards of a stack allow more after a preview than before. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from irsa import types
from irsa.guard.policies import ACTIONS, ANNOTATION, IDENTITY, selected_namespaces
from irsa.guard.rules import GROUPS, USER_PREFIXES, USERS
from irsa.outputs import GUARD_ANNOTATIONS, GUARD_MODES, GUARD_TYPE, KEY
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import named
from irsa_cli.diff.rows import CANNOT_TELL, DANGEROUS, Row
from irsa_world.state.planned import Both
from irsa_world.state.preview import Step
from irsa_world.state.resource import Resource, known_text

# Lists of a ConfigMap.
LISTS = (USERS, USER_PREFIXES, GROUPS)
OFF = "off"
STRICTEST_FIRST = ("deny", "warn", OFF)
NOT_SAID = ["its recorded settings do not tell; `pulumi preview --diff` shows its resources"]
# Of a stack with `irsa:cluster`.
ONE_CLUSTER = "cluster"


def guard_rows(both: Both, steps: Sequence[Step]) -> list[Row]:
    """Return a row for each guard that changes in a preview."""
    changing = dict.fromkeys(urn for step in steps if (urn := _guard_of(step.resource)))
    old, new = (_by_guard(each) if changing else {} for each in both)
    rows = (_row(urn, old.get(urn, []), new.get(urn, [])) for urn in changing)
    return [row for row in rows if row]


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


def _row(urn: str, before: Sequence[Resource], after: Sequence[Resource]) -> Row | None:
    """Return that a guard changed; dangerous where it allows more, or is gone. None where nothing of it changes."""
    guard = next((each.inputs for each in (*after, *before) if each.urn == urn), {})
    # In a program of your own, it has the name that you chose.
    cluster = known_text(guard.get(KEY)) or urn.rsplit("::", 1)[-1]
    where = f" in {named(cluster)}" if cluster != ONE_CLUSTER else ""
    row = partial(Row, "guard", where=cluster)
    sides = [next((each.inputs for each in side if each.urn == urn), {}) for side in (before, after)]
    old, new = (_modes(each) if there else {} for each, there in zip(sides, (before, after), strict=True))
    was, becomes = (each.get(GUARD_ANNOTATIONS) for each in sides)
    was, becomes = (each if each in STRICTEST_FIRST else OFF for each in (was, becomes))
    avoiding = _avoiding(before, after, is_on=OFF not in (was, becomes))
    modes, others = ({}, {}) if old is None or new is None else (old, new)
    # Of a service account that goes with its binding, there is nothing left to guard.
    left = {*others} if after else {*modes}
    pairs = [(was, becomes), *((modes.get(name, OFF), others.get(name, OFF)) for name in left)]
    is_looser = any(STRICTEST_FIRST.index(mode) < STRICTEST_FIRST.index(other) for mode, other in pairs)
    if is_looser or avoiding or (before and not after and old is None):
        return row("loses", f"the guard{where} {'allows more' if after else 'is removed'}", danger=DANGEROUS)
    # What your own program makes of its resources, or somebody by hand, no setting says.
    is_said = _own(before) == _own(after) if (old, was) == (new, becomes) else _is_said(before, after, others, becomes)
    if old is None or new is None or avoiding is None or not is_said:
        return row("changes", f"whether the guard{where} allows more", CANNOT_TELL, NOT_SAID)
    if (old, was) == (new, becomes):
        return None
    is_stricter = any(STRICTEST_FIRST.index(mode) > STRICTEST_FIRST.index(other) for mode, other in pairs)
    return row(
        "gains" if is_stricter else "loses", f"the guard{where} {'stops more' if is_stricter else 'guards fewer Pods'}"
    )


def _is_said(before: Sequence[Resource], after: Sequence[Resource], modes: Mapping[str, str], annotations: str) -> bool:
    """Return whether the resources of a guard whose modes change are as its settings say, as far as they are known."""
    policies = [
        {each.urn: each.inputs.get("spec") for each in side if each.type == types.ADMISSION_POLICY}
        for side in (before, after)
    ]
    gone = [
        urn for urn in policies[0].keys() - policies[1].keys() if annotations != OFF or not urn.endswith(ANNOTATION)
    ]
    if after and (gone or any(policies[0].get(urn, spec) != spec for urn, spec in policies[1].items())):
        return False
    guarded = {name: mode for name, mode in modes.items() if mode != OFF}
    data = [each.inputs.get("data") for each in after if each.type == types.CONFIG_MAP]
    keys = {key for each in data if isinstance(each, Mapping) for key in each}
    if all(isinstance(each, Mapping) for each in data) and data and {n.replace("/", ".", 1) for n in guarded} - keys:
        return False
    specs = [each.inputs.get("spec") for each in after if each.type == types.ADMISSION_BINDING]
    if not all(isinstance(each, Mapping) for each in specs) or not any(
        each.type == types.ADMISSION_BINDING for each in (*before, *after)
    ):
        return True
    bound: dict[tuple[str, str], set[str]] = {}
    for spec in map(mapping_of, specs):
        part = known_text(spec.get("policyName")).rpartition("-")[2]
        mode = next((mode for mode, actions in ACTIONS.items() if actions == spec.get("validationActions")), "")
        for namespace in selected_namespaces(spec):
            bound.setdefault((part, namespace), set()).add(mode)
    said = {(IDENTITY, name.partition("/")[0], mode) for name, mode in guarded.items()}
    said |= {(ANNOTATION, namespace, annotations) for _, namespace, _ in said} if annotations != OFF else set()
    return all(bound.get((part, namespace)) == {mode} for part, namespace, mode in said)


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


def _avoiding(before: Iterable[Resource], after: Iterable[Resource], is_on: bool) -> set[tuple[str, str]] | None:
    """Return who may write other roles than the declared ones, and could not before.

    None where that is not known, or where others may edit its ConfigMaps, which are in another namespace then; of a
    guard whose rule for annotations is off at a time, who may write is not asked.
    """
    sides = [[each.inputs for each in side if each.type == types.CONFIG_MAP] for side in (before, after)]
    places = [{known_text(mapping_of(each.get("metadata")).get("namespace")) for each in side} for side in sides]
    # Without its lists, a ConfigMap stops nobody.
    data = [[each.get("data") for each in side] for side in sides]
    stopped = [each for each in data[0] if not isinstance(each, Mapping) or {*LISTS} <= each.keys()]
    old, new = (_listed(stopped), _listed(data[1])) if stopped and is_on else (set(), set())
    if (places[0] and places[1] - places[0]) or old is None or new is None:
        return None
    return new - old


def _listed(data: Iterable[Any]) -> set[tuple[str, str]] | None:
    """Return who may write other roles; None where that is not known."""
    found: set[tuple[str, str]] = set()
    for each in data:
        texts = {key: mapping_of(each).get(key) for key in LISTS}
        if not all(isinstance(text, str) and text == known_text(text) for text in texts.values()):
            return None
        found |= {(key, line) for key, text in texts.items() for line in str(text).split("\n") if line}
    return found
