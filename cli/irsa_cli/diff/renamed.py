"""Bindings whose key was renamed: what has an automatic name is created again under another one. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irsa import outputs, types
from irsa.rules.mistakes import named
from irsa_cli.diff.changes import DEFAULTS, KINDS
from irsa_cli.diff.preview import CREATE, DELETE, Step
from irsa_world.state.resource import Resource

ANY, NONE = "any", "none"
ORDER = {types.ROLE: 0, types.POLICY: 1}
NAMES = {"name", "role", "tagsAll", DEFAULTS}
# The prefix for a long key; another one is written in the stack file (irsa.rules.names.automatic_name_prefix).
OF_LONG_KEY = re.compile(r".*-[0-9a-f]{8}-")


@dataclass(frozen=True)
class Renamed:
    """A binding whose key was renamed.

    Attributes:
        key: Its key; in your own program, the component's name.
        formerly: Its earlier key.
        fix: What to write so that nothing is created again.
        kinds: What is created again under another name: `role`, `policy`.
        urns: URNs of the resources that are created or deleted for this alone: nothing else of them changes.
        roles: The URNs of its new role and of its old one; none where it keeps its role.
    """

    key: str
    formerly: str
    fix: str
    kinds: tuple[str, ...]
    urns: tuple[str, ...]
    roles: tuple[tuple[str, str], ...] = ()


def renamed_bindings(steps: Iterable[Step], keys: Mapping[str, tuple[str, str]], in_stack_file: bool) -> list[Renamed]:
    """Return the bindings whose role or policies are created and deleted alike, but for their automatic names.

    Args:
        steps: The steps of a preview.
        keys: The keys of the binding and of the cluster of each component that has steps, by its URN.
        in_stack_file: Whether the bindings are in a stack file, not in your own program.
    """
    advice = "formerly: {}" if in_stack_file else 'aliases=[pulumi.Alias(name="{}")]'
    steps = [each for each in steps if each.resource.parent in keys]
    created = {each.new.urn: each.new for each in steps if each.operation == CREATE and each.new}
    deleted = {
        each.urn: each for each in (step.old for step in steps if step.operation == DELETE) if each and _may_go(each)
    }
    pairs = dict(_pairs(created, deleted))
    # Of a component: an attachment has a name of its own.
    formerly = {
        created[new].parent: outputs.binding_and_cluster(deleted[old].name)[0]
        for new, old in pairs.items()
        if created[new].type in ORDER
    }
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for new, old in pairs.items():
        parent = created[new].parent
        found.setdefault((keys[parent][0], formerly[parent]), []).append((new, old))
    return [
        Renamed(
            key,
            was,
            advice.format(named(was)),
            tuple(_kinds([new for new, _ in those], created)),
            tuple(urn for both in those for urn in both),
            tuple((new, old) for new, old in those if created[new].type == types.ROLE),
        )
        for (key, was), those in sorted(found.items())
    ]


def _may_go(resource: Resource) -> bool:
    """Return whether a resource that is deleted is there, goes, and Pulumi does not refuse to delete it."""
    return not (resource.pending or resource.protected or resource.retained)


def _pairs(created: Mapping[str, Resource], deleted: Mapping[str, Resource]) -> Iterator[tuple[str, str]]:
    """Yield the URN of each resource that is created again, and of the one that is deleted for it."""
    gone: dict[tuple[str, ...], list[Resource]] = {}
    for each in deleted.values():
        for component in (ANY, each.parent) if each.type not in ORDER or _is_automatic(each) else ():
            gone.setdefault((component, each.type, _said(each)), []).append(each)
    components: dict[str, str] = {}
    taken: set[str] = set()
    for each in sorted(created.values(), key=lambda each: ORDER.get(each.type, len(ORDER))):
        those = gone.get((_component_of_old(each, components), each.type, _said(each)), [])
        while those and those[-1].urn in taken:
            those.pop()
        if those:
            old = those.pop()
            taken.add(old.urn)
            components[each.parent] = old.parent
            yield each.urn, old.urn


def _component_of_old(resource: Resource, components: Mapping[str, str]) -> str:
    """Return the component that had a resource before: its own, where only its policy is created again."""
    if resource.type in ORDER:
        any_or_own = ANY if resource.type == types.ROLE else components.get(resource.parent, resource.parent)
        return any_or_own if _is_automatic(resource) else NONE
    return components.get(resource.parent, NONE)


def _is_automatic(resource: Resource) -> bool:
    return "namePrefix" in resource.inputs or "name" in (resource.inputs.get(DEFAULTS) or ())


def _said(resource: Resource) -> str:
    """Return what a resource says, but for its name and for names that come from those of others."""
    skipped: set[str] = NAMES if resource.type != types.INLINE_POLICY else NAMES - {"name"}
    said: dict[str, Any] = {key: value for key, value in resource.inputs.items() if key not in skipped}
    if OF_LONG_KEY.fullmatch(str(said.get("namePrefix", ""))):
        said["namePrefix"] = "of a long key"
    if resource.policies:
        said["policyArn"] = "the stack's own"
    return json.dumps([resource.provider, said], sort_keys=True)


def _kinds(urns: Sequence[str], created: Mapping[str, Resource]) -> Iterator[str]:
    for type_ in ORDER:
        if any(urn in created and created[urn].type == type_ for urn in urns):
            yield KINDS[type_].word
