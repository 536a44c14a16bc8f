"""The guard's policies (policies.yaml) and their bindings, as manifests of admissionregistration.k8s.io/v1."""

import copy
import functools
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

from irsa.guard.rules import (
    ENTRY,
    GROUPS,
    LONGEST_SKIPPED,
    MOST_CONTAINERS,
    MOST_VARIABLES,
    MOST_VOLUMES,
    SYSTEM,
    USER_PREFIXES,
    USERS,
    GuardSettings,
    mode_in,
)
from irsa.rules.leaves import items_of, mapping_of

API_VERSION = "admissionregistration.k8s.io/v1"
LABELS = {"app.kubernetes.io/managed-by": "irsa"}
STACK_LABEL, NAMESPACE_LABEL = "irsa/guard", "kubernetes.io/metadata.name"
IDENTITY, ROLE, ANNOTATION = "identity", "role", "annotation"
ACTIONS = {"warn": ["Warn", "Audit"], "deny": ["Deny", "Audit"]}
# What policies.yaml has in ${}.
CONSTANTS = {
    "entry": ENTRY,
    "mostContainers": str(MOST_CONTAINERS),
    "mostVolumes": str(MOST_VOLUMES),
    "mostVariables": str(MOST_VARIABLES),
    "longestSkipped": str(LONGEST_SKIPPED),
    # In the syntax of RE2: ASCII, and what strings.quote escapes.
    "printable": r"^[ -~\n\r\t]*$",
    "unprintable": "a value with characters that are not ASCII or cannot be printed",
    "users": USERS,
    "userPrefixes": USER_PREFIXES,
    "groups": GROUPS,
}


@functools.cache
def _specs() -> Mapping[str, Any]:
    text = files("irsa.guard").joinpath("policies.yaml").read_text("utf-8")
    for name, value in CONSTANTS.items():
        text = text.replace(f"${{{name}}}", value)
    read: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (it is safe)
    return read


def policies(settings: GuardSettings) -> list[dict[str, Any]]:
    """Return the policies of a stack's guard."""
    parts = (IDENTITY, ROLE, ANNOTATION) if settings.annotations else (IDENTITY, ROLE)
    return [policy(settings.stack, part) for part in parts]


def policy(stack: str, part: str) -> dict[str, Any]:
    """Return a policy: `identity`, `role` or `annotation`."""
    spec = copy.deepcopy(_specs()[part])
    variables = {name: text for several in spec["variables"] for name, text in several.items()}
    spec["variables"] = [{"name": name, "expression": text} for name, text in variables.items()]
    kind = "ValidatingAdmissionPolicy"
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": _metadata(stack, part), "spec": spec}


def bindings(
    settings: GuardSettings, parts: Sequence[Sequence[str]], config_maps: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the bindings of a stack's policies: where they are on, with which ConfigMap, and what they do.

    Args:
        settings: The guard's.
        parts: The namespaces whose service accounts each ConfigMap has.
        config_maps: The name of each, which may be an output.
    """
    found = []
    for number, (part, config_map) in enumerate(zip(parts, config_maps, strict=True), start=1):
        suffix = f"-{number}" if number > 1 else ""
        found += [
            _binding(settings, of, name + suffix, mode=mode, namespaces=namespaces, config_map=config_map)
            for of, name, mode, namespaces in _places(settings, part)
            if namespaces
        ]
    return found


def _places(settings: GuardSettings, namespaces: Sequence[str]) -> list[tuple[str, str, str, list[str]]]:
    """Return the policy, the name, the mode and the namespaces of each binding."""
    modes = {namespace: mode_in(settings, namespace) for namespace in namespaces}
    on = [namespace for namespace, mode in modes.items() if mode != "off"]
    # Exceptions have bindings of their own, so that the usual one is always the same.
    places = [
        (
            IDENTITY,
            IDENTITY if mode == settings.mode else f"{IDENTITY}-{mode}",
            mode,
            [each for each in on if modes[each] == mode and each != SYSTEM],
        )
        for mode in ACTIONS
    ]
    places += [(IDENTITY, f"{IDENTITY}-{SYSTEM}", modes[SYSTEM], [SYSTEM])] if SYSTEM in on else []
    places.append((ROLE, ROLE, "warn", on))
    return [*places, (ANNOTATION, ANNOTATION, settings.annotations.mode, on)] if settings.annotations else places


def selected_namespaces(spec: Mapping[str, Any]) -> set[str]:
    """Return the namespaces of a binding as irsa writes them: by name, and by nothing else; of another one none."""
    selector = mapping_of(mapping_of(spec.get("matchResources")).get("namespaceSelector"))
    match items_of(selector.get("matchExpressions")):
        case [{"key": key, "operator": "In", "values": [*names]}] if key == NAMESPACE_LABEL:
            return set() if selector.get("matchLabels") else {each for each in names if isinstance(each, str)}
    return set()


def name_of(stack: str, part: str) -> str:
    """Return the name of a policy or a binding."""
    return f"irsa-guard-{stack}-{part}"


def config_map_name(stack: str, component: str, number: int) -> str:
    """Return the logical name of a ConfigMap, with which its automatic name begins; `number` counts from 0."""
    return f"irsa-guard-{stack}-{hashlib.sha256(component.encode()).hexdigest()[:8]}-{number + 1}"


def _metadata(stack: str, part: str) -> dict[str, Any]:
    return {"name": name_of(stack, part), "labels": {**LABELS, STACK_LABEL: stack}}


def _binding(
    settings: GuardSettings, policy: str, name: str, *, mode: str, namespaces: list[str], config_map: Any
) -> dict[str, Any]:
    selector = {"key": NAMESPACE_LABEL, "operator": "In", "values": namespaces}
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": _metadata(settings.stack, name),
        "spec": {
            "policyName": name_of(settings.stack, policy),
            "paramRef": {
                "name": config_map,
                "namespace": settings.namespace,
                "parameterNotFoundAction": "Allow",
            },
            "validationActions": ACTIONS[mode],
            "matchResources": {"namespaceSelector": {"matchExpressions": [selector]}},
        },
    }
