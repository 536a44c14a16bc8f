"""The real size, against the floors: python -m bench.organisation [number of bindings].

All of it takes half an hour: make bench-real.
"""

import argparse
import sys
from pathlib import Path

from bench.bindings import organisation
from bench.floors import OPERATIONS, WITHOUT_CHECKPOINTS, figures_of, measured, three_stacks
from bench.harness import report
from bench.results import Figure
from bench.stacks import measured_cloud, versions_of
from tests.sandbox.conftest import Cloud

TITLE = "A large organisation"
DESCRIPTION = """\
The largest public user of IAM roles for service accounts that could be found declares 1,070 roles in one cluster, in
732 namespaces, with 1 to 11 managed policies each: 6,688 resources, the stack's own and the components included.
Measured as 1,000 bindings above: three runs of `preview` and of the second `up`, one of the rest, and the state
written at the end. `destroy` has 64 steps at a time: Kubernetes takes five seconds and more to delete a namespace."""
OPERATIONS_HERE = {**OPERATIONS, "destroy": (*OPERATIONS["destroy"], "--parallel", "64")}
MEMORY_GOAL = 1.5
BINDINGS = 1070


def measure(cloud: Cloud, folder: Path, count: int) -> list[Figure]:
    stacks = three_stacks(cloud, folder / "real", lambda prefix: organisation(prefix)[:count], WITHOUT_CHECKPOINTS)
    goal = MEMORY_GOAL if count == BINDINGS else None
    return figures_of(count, measured(stacks, rounds=1, repeats=3, operations=OPERATIONS_HERE), goal)


def main(count: int = BINDINGS) -> int:
    with measured_cloud() as (cloud, folder):
        report("organisation", TITLE, DESCRIPTION, lambda: measure(cloud, folder, count), versions_of(cloud))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=BINDINGS)
    sys.exit(main(parser.parse_args().count))
