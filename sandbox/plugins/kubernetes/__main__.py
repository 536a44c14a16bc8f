"""Serve the stand-in: `python -m sandbox.plugins.kubernetes <engine address>`."""

from importlib.metadata import version

from sandbox.plugins.kubernetes.kubernetes_provider import KubernetesProvider
from sandbox.plugins.serving import serve

if __name__ == "__main__":
    # The engine pairs the plugin with the SDK of the same version.
    serve(KubernetesProvider(), version("pulumi-kubernetes"))
