"""The stack's program: settings, clusters, one component per binding, the outputs."""

from pathlib import Path

import pulumi

from program.accounts import Accounts
from program.bindings import create_bindings
from program.clusters import resolve_clusters
from program.settings import load_settings


def main() -> None:
    folder = Path(__file__).parent
    settings = load_settings(folder)
    accounts = Accounts(settings.accounts)
    bindings = create_bindings(settings, resolve_clusters(settings, accounts, folder), accounts)
    pulumi.export("bindings", {key: binding.output() for key, binding in bindings.items()})
    pulumi.export(
        "helmValues",
        {key: binding.helm_values() for key, binding in bindings.items() if binding.service_account is None},
    )


main()
