"""By which options commands reach what the providers of a state reach. Pure: no kubeconfig is read."""

import os
from collections.abc import Mapping
from typing import Any

from irsa.rules.commands import UNKNOWN_AWS_ACCOUNT, UNKNOWN_CLUSTER, AwsPlace, ClusterPlace
from irsa_world.state.resource import known_text

Inputs = Mapping[str, Any]


def aws_place(inputs: Inputs) -> AwsPlace:
    """Return by which options the AWS CLI has the credentials of an AWS provider; unknown where it assumes a role."""
    is_assumed = inputs.get("assumeRoles") not in (None, "", "[]", [])
    return UNKNOWN_AWS_ACCOUNT if is_assumed else AwsPlace(known_text(inputs.get("profile")))


def cluster_place(inputs: Inputs) -> ClusterPlace:
    """Return by which options kubectl acts on the cluster of a Kubernetes provider.

    It is unknown where the provider has the content of a kubeconfig, another cluster than that of its context, or the
    current context of that time.
    """
    context, kubeconfig = (known_text(inputs.get(each)) for each in ("context", "kubeconfig"))
    is_content = "\n" in kubeconfig or kubeconfig.startswith("{")
    if inputs.get("cluster") or is_content or not (context or kubeconfig):
        return UNKNOWN_CLUSTER
    # In quotes, a shell leaves ~ as it is. Of a user that does not exist, Path.expanduser raises.
    return ClusterPlace(context, os.path.expanduser(kubeconfig))  # noqa: PTH111
