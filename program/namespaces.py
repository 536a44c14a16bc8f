"""Namespaces that bindings ask for with `createNamespace`."""

import functools
from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from program.clusters import ResolvedCluster


class Namespaces:
    """One resource per cluster and namespace, however many bindings share it."""

    def __init__(self, clusters: Mapping[str, ResolvedCluster], retain: bool) -> None:
        """Take the clusters, and whether the namespaces stay when the stack is destroyed."""
        self._clusters, self._retain = clusters, retain

    @functools.cache  # noqa: B019 (one object, as long as the program runs)
    def ensure(self, cluster: str, namespace: str) -> pulumi.Resource:
        """Make the namespace unless it is there."""
        options = pulumi.ResourceOptions(provider=self._clusters[cluster].kubernetes_provider)
        name = f"{namespace}@{cluster}" if cluster else namespace
        if self._retain:
            # A patch makes what is missing, takes what exists, and leaves it when the stack is destroyed.
            metadata = kubernetes.meta.v1.ObjectMetaPatchArgs(name=namespace)
            return kubernetes.core.v1.NamespacePatch(name, metadata=metadata, opts=options)
        return kubernetes.core.v1.Namespace(
            name, metadata=kubernetes.meta.v1.ObjectMetaArgs(name=namespace), opts=options
        )
