"""Which service accounts the guards of a cluster guard now, by their bindings and ConfigMaps; nothing else is read."""

from collections.abc import Iterator
from typing import Any

from irsa.guard.policies import IDENTITY, STACK_LABEL, name_of, selected_namespaces
from irsa.guard.rules import parsed_data
from irsa_world.exits import NoPermissionError
from irsa_world.live.kubernetes import ClusterClient, NoSuchKindError
from irsa_world.model import Guarded, Guards


def guards_of(cluster: ClusterClient) -> Guards:
    """Return who is guarded in a cluster; nobody where it is older than Kubernetes 1.30.

    It takes one list, and a request for each ConfigMap in use, mostly one for each stack. Of one that may not be
    read, only the namespaces are known.

    Raises:
        CouldNotLookError: The cluster does not answer, or denies it.
    """
    found: dict[tuple[str, str], list[Guarded]] = {}
    try:
        bindings = cluster.objects_of("validatingadmissionpolicybindings", STACK_LABEL)
    except NoSuchKindError:
        return found
    for stack, mode, namespaces, config_map in _of_identity(bindings):
        try:
            live = cluster.object_of("configmaps", *config_map) or {}
        except NoPermissionError:
            for namespace in namespaces:
                found.setdefault((namespace, ""), []).append(Guarded(stack))
            continue
        for each in parsed_data(live.get("data") or {}):
            if each.namespace in namespaces:
                found.setdefault((each.namespace, each.name), []).append(Guarded(stack, mode, each.role_arn))
    return found


def _of_identity(bindings: list[Any]) -> Iterator[tuple[str, str, set[str], tuple[str, str]]]:
    """Yield the bindings of a missing identity: stack, mode, namespaces, and name and namespace of the ConfigMap."""
    for each in bindings:
        stack, spec = (each["metadata"].get("labels") or {}).get(STACK_LABEL, ""), each.get("spec") or {}
        parameters, actions = spec.get("paramRef") or {}, spec.get("validationActions") or ()
        name, namespace = parameters.get("name"), parameters.get("namespace")
        if spec.get("policyName") == name_of(stack, IDENTITY) and name and namespace and actions:
            yield stack, "deny" if "Deny" in actions else "warn", selected_namespaces(spec), (name, namespace)
