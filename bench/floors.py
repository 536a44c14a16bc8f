"""This program against two floors, on the real engine: python -m bench floors."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

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
neither, so that irsa can be below them. The state is written before and after each step, as the engine does by default
for a state in a folder or a bucket, so that `up` and `destroy` follow its size. That of irsa is an eighth larger than
the wrapped floor's: each component records the declared trust policy and documents, with which `irsa verify` compares
even after a `pulumi refresh`."""
BINDINGS, ROUNDS = 100, 3
GOALS = {"preview": 1.10, "up": 1.10, "second up": 1.10, "refresh": 1.10, "destroy": 1.10}
BARE_GOALS = {"preview": 1.15, "second up": 1.15}
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
    """Return what the runs of one size amount to.

    Args:
        count: The number of bindings.
        runs: By operation and stack.
        memory_goal: How many times the wrapped floor's memory the program may use.
    """
    figures = []
    for operation, of in runs.items():
        for floor, goals in ((WRAPPED, GOALS), (BARE, BARE_GOALS)):
            name = f"{operation}, {count:,} bindings, to the {floor}"
            figures.append(compared_runs(name, of[IRSA], of[floor], goals.get(operation)))
    memory = {name: [run.program_megabytes for run in its] for name, its in runs["up"].items()}
    name = f"peak memory of the program, {count:,} bindings, to the {WRAPPED}"
    return [*figures, compared(name, memory[IRSA], memory[WRAPPED], "MB", memory_goal)]


def measure(cloud: Cloud, folder: Path) -> list[Figure]:
    stacks = three_stacks(cloud, folder / "floors", partial(numbered, BINDINGS))
    return figures_of(BINDINGS, measured(stacks, ROUNDS, repeats=1))


def main() -> int:
    with measured_cloud() as (cloud, folder):
        report("floors", TITLE, DESCRIPTION, lambda: measure(cloud, folder), versions_of(cloud))
    return 0


if __name__ == "__main__":
    sys.exit(main())
