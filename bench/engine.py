"""What the engine's own settings give: python -m bench.engine [number of bindings ...].

Their names: sdk/go/common/env/env.go of pulumi 3.259.0, and `pulumi up --help`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.bindings import numbered
from bench.harness import MEGABYTE, compared, report, say
from bench.results import Figure
from bench.stacks import DESTROY, UP, irsa_stack, measured_cloud, versions_of
from tests.sandbox.conftest import Cloud

TITLE = "Settings of the engine"
DESCRIPTION = """\
`up` of a new stack and a second `up` without a change, with the state in a folder, for each setting once; the engine's
own defaults are measured first and last. A split into stacks is deployed one stack after the other, except where the
row says *at once*. [docs/guides/scale.md](guides/scale.md) says what each setting risks."""
NUMBERS = (300,)
DEFAULTS, AGAIN = "defaults", "defaults, once more"


class Setting(NamedTuple):
    """A setting of the engine."""

    name: str
    variables: Mapping[str, str] = {}
    arguments: Sequence[str] = ()
    stacks: int = 1


SETTINGS = (
    Setting(DEFAULTS),
    Setting("PULUMI_DIY_BACKEND_GZIP", {"PULUMI_DIY_BACKEND_GZIP": "true"}),
    Setting("PULUMI_DIY_BACKEND_ZSTD", {"PULUMI_DIY_BACKEND_ZSTD": "true"}),
    Setting("PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS", {"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true"}),
    Setting("PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS", {"PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS": "true"}),
    Setting("PULUMI_PARALLEL_DIFF", {"PULUMI_PARALLEL_DIFF": "true"}),
    Setting("--parallel 1", {}, ("--parallel", "1")),
    Setting("--parallel 32", {}, ("--parallel", "32")),
    Setting("--disable-integrity-checking", {}, ("--disable-integrity-checking",)),
    Setting("PULUMI_SKIP_CHECKPOINTS", {"PULUMI_SKIP_CHECKPOINTS": "true"}),
    Setting("5 stacks", {}, (), 5),
    Setting(AGAIN),
)


class Deployed(NamedTuple):
    """What a setting took."""

    up: float
    again: float
    size: float
    """Megabytes of the state, of all stacks."""


def deployed(cloud: Cloud, folder: Path, setting: Setting, count: int) -> Deployed:
    """Deploy bindings with a setting, deploy them again, and destroy them."""
    each = count // setting.stacks
    stacks = [
        irsa_stack(cloud, folder / str(number), numbered(each, f"stack-{number}"), **setting.variables)
        for number in range(setting.stacks)
    ]
    up = sum(stack.run(*UP, *setting.arguments).seconds for stack in stacks)
    again = sum(stack.run(*UP, *setting.arguments, "--expect-no-changes").seconds for stack in stacks)
    size = sum(stack.state_file().stat().st_size for stack in stacks) / MEGABYTE
    say(f"  {count} bindings, {setting.name}: up {up:.1f} s, second up {again:.1f} s, state {size:.2f} MB")
    for stack in stacks:
        stack.run(*DESTROY, PULUMI_SKIP_CHECKPOINTS="true")
    return Deployed(up, again, size)


def measure(cloud: Cloud, folder: Path, numbers: Sequence[int]) -> list[Figure]:
    figures = []
    for count in numbers:
        found = {
            setting.name: deployed(cloud, folder / f"{count}-{index}", setting, count)
            for index, setting in enumerate(SETTINGS)
        }
        default = found[DEFAULTS]
        for name, taken in found.items():
            figures += [
                compared(f"up of {count} bindings, {name}", [taken.up], [default.up], "s"),
                compared(f"second up of {count} bindings, {name}", [taken.again], [default.again], "s"),
                Figure(f"state of {count} bindings, {name}", "MB", (taken.size,)),
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
