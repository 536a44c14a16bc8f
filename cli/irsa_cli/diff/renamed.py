"""Bindings whose key was renamed: what has an automatic name is created again under another one. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irsa import outputs, types
from irsa.rules.mistakes import named
from irsa_cli.diff.preview import CREATE, DEFAULTS, DELETE, Step
from irsa_world.state.resource import Resource

NONE = "none"
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
        roles: The URNs of its new role and of its old one.
    """

    key: str
    formerly: str
    fix: str
    kinds: tuple[str, ...]
    urns: tuple[str, ...]
    roles: tuple[str, str]


def renamed_bindings(steps: Iterable[Step], keys: Mapping[str, tuple[str, str]], in_stack_file: bool) -> list[Renamed]:
    """Return the bindings whose role is created and deleted alike, but for its automatic name.

    Args:
        steps: The steps of a preview.
        keys: The keys of the binding and of the cluster of each component that has steps, by its URN.
        in_stack_file: Whether the bindings are in a stack file, not in your own program.
    """
    advice = "formerly: {}" if in_stack_file else 'aliases=[pulumi.Alias(name="{}")]'
    steps = [each for each in steps if each.resource.parent in keys]
    created = [each.new for each in steps if each.operation == CREATE and each.new]
    deleted: dict[tuple[str, str, str], list[Resource]] = {}
    for each in (step.old for step in steps if step.operation == DELETE):
        if each and _may_go(each):
            component = "" if _is_automatic_role(each) else each.parent
            deleted.setdefault((component, each.type, _said(each)), []).append(each)
    pairs: dict[str, list[tuple[Resource, Resource]]] = {}
    # The role comes first: it says which component was another one.
    for new in sorted(created, key=lambda each: each.type != types.ROLE):
        component = "" if _is_automatic_role(new) else pairs[new.parent][0][1].parent if new.parent in pairs else NONE
        if those := deleted.get((component, new.type, _said(new))):
            pairs.setdefault(new.parent, []).append((new, those.pop()))
    return sorted(
        (_renamed(keys[component][0], those, advice) for component, those in pairs.items()),
        key=lambda each: (each.key, each.formerly),
    )


def _renamed(key: str, pairs: Sequence[tuple[Resource, Resource]], advice: str) -> Renamed:
    formerly = outputs.binding_and_cluster(pairs[0][1].name)[0]
    kinds = ("role", *(["policy"] if any(new.type == types.POLICY for new, _ in pairs) else []))
    urns = tuple(each.urn for both in pairs for each in both)
    return Renamed(key, formerly, advice.format(named(formerly)), kinds, urns, (pairs[0][0].urn, pairs[0][1].urn))


def _may_go(resource: Resource) -> bool:
    """Return whether a resource that is deleted is there, goes, and Pulumi does not refuse to delete it."""
    return not (resource.pending or resource.protected or resource.retained)


def _is_automatic_role(resource: Resource) -> bool:
    is_automatic = "namePrefix" in resource.inputs or "name" in (resource.inputs.get(DEFAULTS) or ())
    return resource.type == types.ROLE and is_automatic


def _said(resource: Resource) -> str:
    """Return what a resource says, but for its name and for names that come from those of others."""
    skipped: set[str] = NAMES if resource.type != types.INLINE_POLICY else NAMES - {"name"}
    said: dict[str, Any] = {key: value for key, value in resource.inputs.items() if key not in skipped}
    if OF_LONG_KEY.fullmatch(str(said.get("namePrefix", ""))):
        said["namePrefix"] = "of a long key"
    if resource.policies:
        said["policyArn"] = "the stack's own"
    return json.dumps([resource.provider, said], sort_keys=True)
