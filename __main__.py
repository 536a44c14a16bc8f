"""The stack's program: settings, cluster, one component per binding, the output `bindings`."""

from pathlib import Path

import pulumi

from program.bindings import create_binding, outputs
from program.clusters import resolve_cluster
from program.settings import load_settings


def main() -> None:
    settings = load_settings(Path(__file__).parent)
    cluster = resolve_cluster(settings.cluster)
    roles = {
        key: create_binding(key, binding, cluster, settings.variables) for key, binding in settings.bindings.items()
    }
    pulumi.export("bindings", {key: outputs(role) for key, role in roles.items()})


main()
