"""What the engine's own settings give: python -m bench.engine [number of bindings ...].

Their names: sdk/go/common/env/env.go of pulumi 3.259.0, and `pulumi up --help`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.bindings import numbered
from bench.harness import MEGABYTE, report, say
from bench.results import Figure
from bench.stacks import DESTROY, UP, Run, compared_runs, irsa_stack, measured_cloud, versions_of
from tests.sandbox.conftest import Cloud

TITLE = "Settings of the engine"
DESCRIPTION = """\
`up` of a new stack and a second `up` without a change, with the state in a folder, for each setting once; the engine's
own defaults are measured first and last, and their mean is the floor. The five stacks have a fifth of the bindings
each, and are deployed one after the other. With the defaults, an `up` of 1,000 bindings takes half an hour in the
engine, so that the settings are compared with fewer. [docs/guides/scale.md](guides/scale.md) says what each setting
risks."""
NUMBERS = (100, 300)
WARM_UP = 10
# The sandbox keeps no backups: here that is one of the settings.
BACKUPS = {"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "false"}
DEFAULTS, AGAIN = "defaults", "defaults, once more"


class Setting(NamedTuple):
    """A setting of the engine."""

    name: str
    variables: Mapping[str, str] = {}
    arguments: Sequence[str] = ()
    stacks: int = 1
    """In how many stacks the bindings are split."""
    risk: str = ""
    source: str = ""


def variable(name: str, risk: str, source: str) -> Setting:
    """Return a setting that is an environment variable."""
    return Setting(name, {name: "true"}, risk=risk, source=f"`env.go`, {source}")


SETTINGS = (
    Setting(DEFAULTS),
    variable(
        "PULUMI_DIY_BACKEND_ZSTD",
        "The file is named `.json.zst`: whoever works with the stack needs an engine that knows the setting.",
        "`backend/diy/state.go`",
    ),
    variable(
        "PULUMI_DIY_BACKEND_GZIP",
        "The file is named `.json.gz`. Whoever works without the setting writes it uncompressed again.",
        "`backend/diy/state.go`",
    ),
    variable(
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS",
        "No earlier states in `.pulumi/backups`, where the end of each command adds one. The `.bak` beside it stays.",
        "`backend/diy/backend.go`",
    ),
    variable("PULUMI_PARALLEL_DIFF", "None is documented.", "`resource/deploy/step_generator.go`"),
    Setting(
        "--parallel 1",
        {},
        ("--parallel", "1"),
        1,
        "None; it is the slowest way where AWS takes its time to answer.",
        "`pulumi up --help`",
    ),
    Setting(
        "--parallel 32",
        {},
        ("--parallel", "32"),
        1,
        "AWS throttles sooner. The default is four per processor; more helps where answers take long, not here.",
        "`pulumi up --help`, `cmd/pulumi/operations/up.go`",
    ),
    Setting(
        "--disable-integrity-checking",
        {},
        ("--disable-integrity-checking",),
        1,
        "A damaged state is written, and found later. It is meant for repairs.",
        "`pulumi up --help`",
    ),
    variable(
        "PULUMI_SKIP_CHECKPOINTS",
        "Experimental by its release note. An engine that is killed, or that cannot write the state at the end "
        "(expired credentials, a full disk), leaves no record of what it created: see below.",
        "`backend/snapshot.go`, [pulumi#10668](https://github.com/pulumi/pulumi/issues/10668)",
    ),
    Setting(
        "5 stacks",
        {},
        (),
        5,
        "Each stack looks up the cluster and the AWS account itself. See below for what only one of them may do.",
        "",
    ),
    Setting(AGAIN),
)


class Deployed(NamedTuple):
    """What a setting took, in all stacks together."""

    up: Run
    again: Run
    size: float
    """Megabytes of the state."""


def deployed(cloud: Cloud, folder: Path, setting: Setting, count: int) -> Deployed:
    """Deploy bindings with a setting, deploy them again, and destroy them."""
    each = count // setting.stacks
    stacks = [
        irsa_stack(cloud, folder / str(number), numbered(each, f"stack-{number}"), **{**BACKUPS, **setting.variables})
        for number in range(setting.stacks)
    ]
    up = added([stack.run(*UP, *setting.arguments) for stack in stacks])
    again = added([stack.run(*UP, *setting.arguments, "--expect-no-changes") for stack in stacks])
    size = sum(stack.state_file().stat().st_size for stack in stacks) / MEGABYTE
    taken = f"up {up.seconds:.1f} s, second up {again.seconds:.1f} s, state {size:.2f} MB"
    say(f"  {count} bindings, {setting.name}: {taken}")
    for stack in stacks:
        stack.run(*DESTROY, PULUMI_SKIP_CHECKPOINTS="true")
    return Deployed(up, again, size)


def added(runs: Sequence[Run]) -> Run:
    """Return the sum of runs, one after the other."""
    return Run(*(sum(column) for column in zip(*runs, strict=True)))


def up_name(count: int, setting: str) -> str:
    """Return the name of a figure."""
    return f"up of {count} bindings, {setting}"


def again_name(count: int, setting: str) -> str:
    """Return the name of a figure."""
    return f"second up of {count} bindings, {setting}"


def size_name(count: int, setting: str) -> str:
    """Return the name of a figure."""
    return f"state of {count} bindings, {setting}"


def measure(cloud: Cloud, folder: Path, numbers: Sequence[int]) -> list[Figure]:
    figures = []
    deployed(cloud, folder / "warm-up", SETTINGS[0], WARM_UP)
    for count in numbers:
        found = {
            setting.name: deployed(cloud, folder / f"{count}-{index}", setting, count)
            for index, setting in enumerate(SETTINGS)
        }
        defaults = (found[DEFAULTS], found[AGAIN])
        for name, taken in found.items():
            figures += [
                compared_runs(up_name(count, name), [taken.up] * 2, [default.up for default in defaults]),
                compared_runs(again_name(count, name), [taken.again] * 2, [default.again for default in defaults]),
                Figure(size_name(count, name), "MB", (taken.size,)),
            ]
    return figures


def main(numbers: Sequence[int] = NUMBERS) -> int:
    with measured_cloud() as (cloud, folder):
        report("engine", TITLE, DESCRIPTION, lambda: measure(cloud, folder, numbers), versions_of(cloud))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", type=int, nargs="*", default=NUMBERS)
    sys.exit(main(parser.parse_args().numbers))
