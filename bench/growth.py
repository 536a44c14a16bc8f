"""What the program's own process takes per binding, of few and of many: python -m bench.growth."""

import sys
from functools import partial
from pathlib import Path

from bench.bindings import numbered
from bench.floors import OPERATIONS
from bench.harness import in_turn, report
from bench.results import Figure
from bench.stacks import irsa_stack, measured_cloud, versions_of
from tests.sandbox.conftest import Cloud

TITLE = "The program's own part"
DESCRIPTION = """\
The processor time of the program's own process in a `preview` of a new stack, without the engine and its plugins, per
binding, less what one binding alone takes: three runs of each size, in turns."""
GOAL = 1.2
SIZES = (1, 100, 1000)
RUNS = 3


def measure(cloud: Cloud, folder: Path) -> list[Figure]:
    stacks = {size: irsa_stack(cloud, folder / str(size), numbered(size, "irsa")) for size in SIZES}
    cases = {str(size): partial(stack.run, *OPERATIONS["preview"]) for size, stack in stacks.items()}
    runs = {int(size): [run.program_seconds for run in its] for size, its in in_turn(cases, RUNS).items()}
    one, fewest, most = SIZES

    def parts(size: int) -> tuple[float, ...]:
        return tuple((each - alone) / (size - one) * 1000 for each, alone in zip(runs[size], runs[one], strict=True))

    few, many = parts(fewest), parts(most)
    growth = tuple(b / a for a, b in zip(few, many, strict=True))
    return [
        Figure(f"own part per binding, {fewest:,} bindings", "ms", few),
        Figure(f"own part per binding, {most:,} bindings", "ms", many),
        Figure("growth of the own part", "times", growth, GOAL),
    ]


def main() -> int:
    with measured_cloud() as (cloud, folder):
        report("growth", TITLE, DESCRIPTION, lambda: measure(cloud, folder), versions_of(cloud))
    return 0


if __name__ == "__main__":
    sys.exit(main())
