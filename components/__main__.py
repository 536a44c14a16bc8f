"""The plugin host: the component for stacks in other languages (`pulumi package add .../components@v0.1.0`)."""

import importlib.metadata

from pulumi.provider.experimental import component_provider_host

from irsa import ServiceAccountRole

if __name__ == "__main__":
    component_provider_host(name="irsa", components=[ServiceAccountRole], version=importlib.metadata.version("irsa"))
