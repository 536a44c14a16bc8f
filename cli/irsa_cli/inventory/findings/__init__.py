"""What is wrong, wide or unused in what was found: each kind is a function with its entry, in the module of its family.

What all have is added here: their kind, and their order.
"""

from collections.abc import Mapping
from dataclasses import replace

from irsa_cli.inventory.findings import access, broken, unseen, untidy
from irsa_cli.inventory.findings.kinds import Facts, Kind
from irsa_cli.inventory.output import Finding

# The worst first, and in each module.
KINDS: Mapping[str, Kind] = {
    each.name: each
    for module in (access, broken, unseen, untidy)
    for each in vars(module).values()
    if isinstance(each, Kind)
}


def findings(facts: Facts) -> list[Finding]:
    """Return all findings, in the order of KINDS, each kind sorted."""
    return [
        replace(each, kind=name)
        for name, kind in KINDS.items()
        for each in sorted(kind.find(facts), key=lambda each: (each.cluster, each.service_account, each.role))
    ]
