"""What a guard finds missing in a Pod: the rule of its policy for identities (irsa.guard.policies), in Python. Pure."""

from collections.abc import Mapping
from typing import Any

from irsa_cli.pods import (
    POD_IDENTITY_TOKEN_VARIABLE,
    POD_IDENTITY_VARIABLE,
    ROLE_VARIABLE,
    SKIP_POD,
    TOKEN_VARIABLE,
    skipped_containers,
    token_audiences,
)

MIRROR = "kubernetes.io/config.mirror"
# One of a way's two variables alone, a container has set itself: the webhook sets both, or neither.
VARIABLES = {ROLE_VARIABLE, TOKEN_VARIABLE, POD_IDENTITY_VARIABLE, POD_IDENTITY_TOKEN_VARIABLE}


def has_no_identity(pod: Mapping[str, Any]) -> bool:
    """Return whether a guard would refuse a Pod of a service account that it guards, if it were created as it is."""
    metadata, spec = pod["metadata"], pod["spec"]
    annotations = metadata.get("annotations") or {}
    if MIRROR in annotations or SKIP_POD in (metadata.get("labels") or {}):
        return False
    skipped = skipped_containers(pod)
    every = [*(spec.get("initContainers") or ()), *spec["containers"]]
    containers = [each for each in every if each["name"] not in skipped]
    bare = [each for each in containers if VARIABLES.isdisjoint(env["name"] for env in each.get("env") or ())]
    return bool(containers) and bool(bare or not token_audiences(pod))
