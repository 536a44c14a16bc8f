"""This program against two floors, on the real engine: python -m bench.floors [number of bindings ...].

Options: --rounds and --repeats, of each number, and --checkpoints.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.bindings import MeasuredBinding, numbered
from bench.harness import compared, in_turn, report, say
from bench.results import Figure
from bench.stacks import (
    DESTROY,
    UP,
    FailedError,
    MeasuredStack,
    Run,
    compared_runs,
    floor_stack,
    irsa_stack,
    measured_cloud,
    versions_of,
)
from tests.sandbox.conftest import Cloud

TITLE = "The program against its floor"
DESCRIPTION = """\
A bare Pulumi program creates the very same resources (the states are compared) from literal documents, with the same
dependencies. The *wrapped* floor puts each binding into an empty component, as irsa has one. The three stacks take
turns at every command, in one sandbox. Processor time is that of the engine, the plugins and the program; on a busy
machine it says more than the clock does. `preview` is that of a new stack; the second `up` and `refresh` find no
change. irsa sends none of the SDK's debug messages, and registers resources while it makes others; the floors do
neither, so that irsa can be below them. With 100 bindings the state is written before and after each step, as the
engine does by default for a state in a folder or a bucket; with 1,000 it is written at the end
(`PULUMI_SKIP_CHECKPOINTS`), for otherwise nearly all of the time is the engine's ([its
settings](#settings-of-the-engine)). Where the state is written that often, `up` and `destroy` follow its size. That of
irsa is an eighth larger than the wrapped floor's: each component records the declared trust policy and documents, with
which `irsa verify` compares even after a `pulumi refresh`."""
GOALS = {"preview": 1.10, "up": 1.10, "second up": 1.10, "refresh": 1.10, "destroy": 1.10}
BARE_GOALS = {"preview": 1.15, "second up": 1.15}
LEAST_WITH_GOAL = 100
OPERATIONS = {
    "preview": ("preview", "--suppress-outputs"),
    "up": UP,
    "second up": (*UP, "--expect-no-changes"),
    "refresh": ("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--suppress-outputs"),
    "destroy": DESTROY,
}
REPEATABLE = ("preview", "second up")
IRSA, WRAPPED, BARE = "irsa", "wrapped floor", "bare floor"
PREFIXES = {IRSA: "irsa", WRAPPED: "wrap", BARE: "bare"}
Runs = dict[str, dict[str, list[Run]]]


class Size(NamedTuple):
    """How many bindings are measured, and how often."""

    bindings: int
    rounds: int
    """Complete rounds, each from a new stack to a destroyed one."""
    repeats: int
    """Runs of preview and second up in each round."""
    variables: Mapping[str, str] = {}
    """The engine's environment variables besides the sandbox's."""


# With a checkpoint before and after each step, an `up` of 1,000 bindings takes half an hour, nearly all of it in the
# engine: whatever the programs take would not show.
WITHOUT_CHECKPOINTS = {"PULUMI_SKIP_CHECKPOINTS": "true"}
# Half an hour on two cores.
SIZES = (Size(100, 3, 1), Size(1000, 1, 3, WITHOUT_CHECKPOINTS))


def three_stacks(
    cloud: Cloud,
    folder: Path,
    bindings_of: Callable[[str], Sequence[MeasuredBinding]],
    variables: Mapping[str, str] = {},
) -> dict[str, MeasuredStack]:
    """Return the stacks: their names start with words of one length, so that they exist side by side."""
    return {
        IRSA: irsa_stack(cloud, folder / "irsa", bindings_of(PREFIXES[IRSA]), **variables),
        WRAPPED: floor_stack(cloud, folder / "wrapped", bindings_of(PREFIXES[WRAPPED]), wrapped=True, **variables),
        BARE: floor_stack(cloud, folder / "bare", bindings_of(PREFIXES[BARE]), wrapped=False, **variables),
    }


def measured(
    stacks: dict[str, MeasuredStack], rounds: int, repeats: int, operations: Mapping[str, Sequence[str]] = OPERATIONS
) -> Runs:
    """Return the runs of each operation, by stack."""
    found: Runs = {operation: {name: [] for name in stacks} for operation in operations}
    for turn in range(rounds):
        for operation, arguments in operations.items():
            cases = {name: partial(stack.run, *arguments) for name, stack in stacks.items()}
            runs = in_turn(cases, repeats if operation in REPEATABLE else 1)
            for name, its in runs.items():
                found[operation][name] += its
            times = ", ".join(f"{name} {' '.join(f'{run.seconds:.1f}' for run in its)} s" for name, its in runs.items())
            say(f"  round {turn + 1} of {rounds}: {operation}: {times}")
            if operation == "up" and not turn:
                require_same_resources(stacks)
    return found


def require_same_resources(stacks: dict[str, MeasuredStack]) -> None:
    """Stop unless the stacks have the same resources with the same inputs, but for the word that names start with.

    Raises:
        FailedError: They differ: what was measured is not comparable.
    """
    found = {}
    for name, stack in stacks.items():
        found[name] = sorted((kind, inputs.replace(f"{PREFIXES[name]}-", "")) for kind, inputs in stack.resources())
    for name in (WRAPPED, BARE):
        different = [pair for pair in zip(found[IRSA], found[name], strict=False) if pair[0] != pair[1]]
        if different or len(found[IRSA]) != len(found[name]):
            raise FailedError(f"{name}: {len(found[IRSA])} and {len(found[name])} resources: {different[:2]}")


def figures_of(count: int, runs: Runs, memory_goal: float | None = None) -> list[Figure]:
    """Return what the runs of one size amount to; the goals are those of 100 bindings and more.

    Args:
        count: The number of bindings.
        runs: By operation and stack.
        memory_goal: How many times the wrapped floor's memory the program may use.
    """
    figures = []
    for operation, of in runs.items():
        for floor, goals in ((WRAPPED, GOALS), (BARE, BARE_GOALS)):
            name = f"{operation}, {count:,} bindings, to the {floor}"
            goal = goals.get(operation) if count >= LEAST_WITH_GOAL else None
            figures.append(compared_runs(name, of[IRSA], of[floor], goal))
    memory = {name: [run.program_megabytes for run in its] for name, its in runs["up"].items()}
    name = f"peak memory of the program, {count:,} bindings, to the {WRAPPED}"
    return [*figures, compared(name, memory[IRSA], memory[WRAPPED], "MB", memory_goal)]


def measure(cloud: Cloud, folder: Path, sizes: Sequence[Size]) -> list[Figure]:
    figures: list[Figure] = []
    for size in sizes:
        say(f"{size.bindings:,} bindings")
        bindings_of = partial(numbered, size.bindings)
        stacks = three_stacks(cloud, folder / str(size.bindings), bindings_of, size.variables)
        runs = measured(stacks, size.rounds, size.repeats)
        figures += figures_of(size.bindings, runs)
    return figures


def main(sizes: Sequence[Size] = SIZES) -> int:
    with measured_cloud() as (cloud, folder):
        report("floors", TITLE, DESCRIPTION, lambda: measure(cloud, folder, sizes), versions_of(cloud))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", type=int, nargs="*")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--checkpoints", action="store_true", help="write the state before and after each step")
    options = parser.parse_args()
    chosen = {} if options.checkpoints else WITHOUT_CHECKPOINTS
    sys.exit(main([Size(each, options.rounds, options.repeats, chosen) for each in options.numbers] or SIZES))
