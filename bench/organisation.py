"""A stack of the real size, against the floors: python -m bench organisation; half an hour."""

import sys
from pathlib import Path

from bench.bindings import organisation
from bench.floors import OPERATIONS, figures_of, measured, three_stacks
from bench.harness import report
from bench.results import Figure
from bench.stacks import measured_cloud, versions_of
from tests.sandbox.conftest import Cloud

TITLE = "A large organisation"
DESCRIPTION = """\
The largest public user of IAM roles for service accounts that could be found declares 1,070 roles in one cluster, in
732 namespaces, with 1 to 11 managed policies each: 6,688 resources, the stack's own and the components included.
Measured as 100 bindings above, but with the state written at the end (`PULUMI_SKIP_CHECKPOINTS`), for otherwise nearly
all of the time is the engine's: three runs of `preview` and of the second `up`, one of the rest."""
WITHOUT_CHECKPOINTS = {"PULUMI_SKIP_CHECKPOINTS": "true"}
MEMORY_GOAL = 1.5


def measure(cloud: Cloud, folder: Path) -> list[Figure]:
    stacks = three_stacks(cloud, folder / "real", organisation, WITHOUT_CHECKPOINTS)
    runs = measured(stacks, rounds=1, repeats=3, operations=OPERATIONS)
    return figures_of(len(organisation("irsa")), runs, MEMORY_GOAL)


def main() -> int:
    with measured_cloud() as (cloud, folder):
        report("organisation", TITLE, DESCRIPTION, lambda: measure(cloud, folder), versions_of(cloud))
    return 0


if __name__ == "__main__":
    sys.exit(main())
