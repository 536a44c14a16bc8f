"""What a guard finds missing in a Pod: the rule of its policy for identities (irsa.guard.policies), in Python. Pure."""

from collections.abc import Mapping
from typing import Any

from irsa.guard.rules import MOST_CONTAINERS, MOST_VARIABLES, MOST_VOLUMES
from irsa_world.pods import (
    POD_IDENTITY_TOKEN_VARIABLE,
    POD_IDENTITY_VARIABLE,
    ROLE_VARIABLE,
    SKIP_POD,
    TOKEN_VARIABLE,
    token_audiences,
    webhook_containers,
)

MIRROR = "kubernetes.io/config.mirror"
# One of a way's two variables alone, a container has set itself: the webhook sets both, or neither.
VARIABLES = {ROLE_VARIABLE, TOKEN_VARIABLE, POD_IDENTITY_VARIABLE, POD_IDENTITY_TOKEN_VARIABLE}


def has_no_identity(pod: Mapping[str, Any]) -> bool:
    """Return whether a guard would refuse a Pod of a service account that it guards, if it were created as it is."""
    metadata = pod["metadata"]
    is_left_alone = MIRROR in (metadata.get("annotations") or {}) or SKIP_POD in (metadata.get("labels") or {})
    if is_left_alone or _is_too_large(pod["spec"]):
        return False
    containers, bare = _containers(pod)
    return bool(containers) and bool(bare or not token_audiences(pod))


def _is_too_large(spec: Mapping[str, Any]) -> bool:
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    variables = (len(each.get("env") or ()) for each in containers)
    return (
        len(containers) > MOST_CONTAINERS
        or len(spec.get("volumes") or ()) > MOST_VOLUMES
        or any(number > MOST_VARIABLES for number in variables)
    )


def added_later(pod: Mapping[str, Any]) -> list[str]:
    """Return the containers without variables of a Pod that the webhook has seen: another one adds them after it."""
    containers, bare = _containers(pod)
    return bare if token_audiences(pod) and len(bare) < len(containers) else []


def _containers(pod: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names of the containers that the webhook changes, and of those among them without its variables."""
    containers = webhook_containers(pod)
    bare = [each for each in containers if VARIABLES.isdisjoint(env["name"] for env in each.get("env") or ())]
    return [each["name"] for each in containers], [each["name"] for each in bare]
