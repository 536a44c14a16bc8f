"""The keys of bindings and clusters by which a reader knows components and providers. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from irsa import outputs, types
from irsa.rules.leaves import mapping_of
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa_cli.diff.changes import type_of
from irsa_world.state.preview import Preview
from irsa_world.state.resource import Resource, known_text

Keys = Mapping[str, tuple[str, str]]
"""The keys of the binding and of the cluster of each component, by its URN."""


def component_keys_of(state: list[Resource], preview: Preview) -> Keys:
    """Return the keys of each component: as its last deployment recorded them, or as the stack file has them."""
    recorded = [*state, *(step.old for step in preview.steps if step.old)]
    found = {each.urn: each.keys for each in recorded if each.type == outputs.COMPONENT_TYPE}
    clusters = clusters_by_issuer(found)
    written = [*_declared(preview.config)]
    # In another AWS account or cluster, another binding may have that name.
    claims = Counter(name for name, _ in written)
    declared = {name: key for name, key in written if claims[name] == 1}
    for step in preview.steps:
        parent = step.resource.parent
        if type_of(parent) == outputs.COMPONENT_TYPE and parent not in found:
            name = parent.rsplit("::", 1)[-1]
            what, _, where = name.partition(outputs.SEPARATOR)
            key = declared.get(what) or declared.get(what.partition("/")[2])
            cluster = clusters.get(where, where) if "irsa:clusters" in preview.config else ""
            found[parent] = (key, cluster) if key else outputs.binding_and_cluster(name)
    return found


def clusters_by_issuer(keys: Keys) -> dict[str, str]:
    """Return the keys of clusters by issuer: the component of one of several clusters is named after its issuer."""
    found = ((urn.rsplit(outputs.SEPARATOR, 1)[-1], cluster) for urn, (_, cluster) in keys.items())
    return {issuer: cluster for issuer, cluster in found if cluster not in {"", issuer}}


def _declared(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the names of components in the stack file's program, without AWS account and cluster, and their keys.

    A component is named after what it creates: `role/my-role`, or `namespace/name` of its service account.
    """
    try:
        bindings = json.loads(config.get("irsa:bindings", "{}"))
    except (ValueError, TypeError, RecursionError):
        return
    for key, binding in mapping_of(bindings).items():
        for setting, where in (("serviceAccount", None), ("role", "role")):
            written = mapping_of(mapping_of(binding).get(setting))
            if isinstance(written.get("name"), str):
                namespace = where or str(written.get("namespace") or DEFAULT_NAMESPACE)
                yield f"{namespace}/{written['name'].lower()}", key


def kubernetes_providers(state: list[Resource], preview: Preview, keys: Keys) -> dict[str, tuple[Resource, str]]:
    """Return the Kubernetes providers before and after, by their reference.

    With each comes the key of its cluster in the stack file; empty where there is only one, or it is not known.
    """
    clusters = {
        each.provider: keys[each.parent][1]
        for each in _everything(state, preview)
        if each.parent in keys and keys[each.parent][1]
    }
    found = providers(state, preview, types.KUBERNETES_PROVIDER)
    return {reference: (each, clusters.get(reference, "")) for reference, each in found.items()}


def providers(state: list[Resource], preview: Preview, type_: str) -> dict[str, Resource]:
    """Return the providers of a type before and after, by their reference.

    Before the first deployment, the default provider is none of the preview's steps: its inputs are the stack's
    configuration.
    """
    package = type_.rsplit(":", 1)[-1]
    everything = _everything(state, preview)
    found = {each.reference: each for each in everything if each.type == type_}
    if not found and any(each.type.startswith(f"{package}:") for each in everything):
        settings = ((key.partition(":"), known_text(value)) for key, value in preview.config.items())
        inputs = {name: value for (prefix, _, name), value in settings if prefix == package}
        found[""] = Resource(package, type_, inputs=inputs)
    return found


def _everything(state: list[Resource], preview: Preview) -> list[Resource]:
    return [*state, *(each for step in preview.steps for each in (step.old, step.new) if each)]
