"""Which Pods the guards of a stack refuse or warn of, before and after, and who may newly avoid them. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from irsa import types
from irsa.guard.rules import GROUPS, USER_PREFIXES, USERS, is_everybody, is_wide_prefix
from irsa.outputs import GUARD_ANNOTATIONS, GUARD_MODES, GUARD_TYPE, KEY
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import named
from irsa_cli.diff.rows import CANNOT_TELL, DANGEROUS, Row, some
from irsa_world.message import first_few
from irsa_world.state.planned import Both
from irsa_world.state.preview import Step
from irsa_world.state.resource import Resource, known_text

# Lists of a ConfigMap, and what an entry is.
PREFIX = "users that begin with"
LISTS = {USERS: "user", USER_PREFIXES: PREFIX, GROUPS: "group"}
OFF = "off"
WORDS = {"deny": "are refused", "warn": "get a warning", OFF: "are allowed"}
STRICTEST_FIRST = ("deny", "warn", OFF)
NOT_SAID = ["its recorded settings do not tell; `pulumi preview --diff` shows its resources"]
# Of a stack with `irsa:cluster`.
ONE_CLUSTER = "cluster"


def guard_rows(both: Both, steps: Sequence[Step]) -> list[Row]:
    """Return what the guards do otherwise after a preview."""
    changing = dict.fromkeys(urn for step in steps if (urn := _guard_of(step.resource)))
    old, new = (_by_guard(each) if changing else {} for each in both)
    return [row for urn in changing for row in _rows(urn, old.get(urn, []), new.get(urn, []))]


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


def _rows(urn: str, before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[Row]:
    guard = next((each.inputs for each in (*after, *before) if each.urn == urn), {})
    # In a program of your own, it has the name that you chose.
    cluster = known_text(guard.get(KEY)) or urn.rsplit("::", 1)[-1]
    where = f" in {named(cluster)}" if cluster != ONE_CLUSTER else ""
    row = partial(Row, "guard", where=cluster)
    sides = [next((each.inputs for each in side if each.urn == urn), {}) for side in (before, after)]
    old, new = (_modes(each) if there else {} for each, there in zip(sides, (before, after), strict=True))
    was, becomes = (each.get(GUARD_ANNOTATIONS) for each in sides)
    was, becomes = (each if each in STRICTEST_FIRST else OFF for each in (was, becomes))
    # What your own program makes of its resources, or somebody by hand, no setting says.
    is_said = (old, was) != (new, becomes) or _own(before) == _own(after)
    if old is None or new is None or not is_said:
        yield row("changes", f"whose Pods the guard refuses{where}", CANNOT_TELL, NOT_SAID)
    groups: dict[tuple[str, str, bool], list[str]] = {}
    modes, others = ({}, {}) if old is None or new is None else (old, new)
    for name in sorted({*modes, *others}):
        # Of a service account that goes with its binding, there is nothing left to guard.
        is_left = name in others or not after
        groups.setdefault((modes.get(name, OFF), others.get(name, OFF), is_left), []).append(name)
    changed = [(f"Pods without the identity of {some(names)}", *key) for key, names in groups.items()]
    for what, mode, other, is_left in (*changed, ("role annotations other than declared", was, becomes, True)):
        if mode != other:
            is_looser = STRICTEST_FIRST.index(other) > STRICTEST_FIRST.index(mode)
            said = f"{what} {WORDS[other]} ({other}, was {mode}){where}"
            yield row("loses" if is_looser else "gains", said, danger=DANGEROUS if is_looser and is_left else "")
    avoiding = _avoiding(before, after, is_on=OFF not in (was, becomes))
    if avoiding is None:
        yield row("changes", f"whether more may avoid the guard{where}", CANNOT_TELL, NOT_SAID)
    elif avoiding:
        wide = {each for each in avoiding if _is_wide(*each)}
        # The first names are shown.
        who = sorted(avoiding, key=lambda each: (each not in wide, *each))
        said = f"more may avoid it{where}: {', '.join(first_few([f'{kind} {named(name)}' for kind, name in who]))}"
        yield row("loses", said, danger=DANGEROUS if wide else "")


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
    stopped = [each for each in data[0] if not isinstance(each, Mapping) or LISTS.keys() <= each.keys()]
    old, new = (_listed(stopped), _listed(data[1])) if stopped and is_on else (set(), set())
    if (places[0] and places[1] - places[0]) or old is None or new is None:
        return None
    return new - old


def _is_wide(kind: str, name: str) -> bool:
    return is_wide_prefix(name) if kind == PREFIX else is_everybody(name)


def _listed(data: Iterable[Any]) -> set[tuple[str, str]] | None:
    """Return who may write other roles; None where that is not known."""
    found: set[tuple[str, str]] = set()
    for each in data:
        texts = {kind: mapping_of(each).get(key) for key, kind in LISTS.items()}
        if not all(isinstance(text, str) and text == known_text(text) for text in texts.values()):
            return None
        found |= {(kind, line) for kind, text in texts.items() for line in str(text).split("\n") if line}
    return found
