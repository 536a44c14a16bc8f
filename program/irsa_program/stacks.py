"""List the stacks that are deployed to AWS, without those of the sandbox."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from irsa.rules.mistakes import listed, named
from irsa_world.exits import GOOD, CouldNotLookError
from irsa_world.report.json import document
from irsa_world.stacks import LONGEST_STACK

# https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming
STACK_NAME = re.compile(f"[A-Za-z0-9_.-]{{1,{LONGEST_STACK}}}")
EPILOG = "example: irsa stacks --json;"


@dataclass(frozen=True)
class StacksOutput:
    """What `irsa stacks --json` prints.

    Attributes:
        stacks: Names of the stacks, sorted; those of the sandbox are left out.
    """

    stacks: Sequence[str]


OUTPUT = StacksOutput


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = __doc__, EPILOG
    parser.formatter_class = argparse.HelpFormatter
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=__name__)


def run(arguments: argparse.Namespace) -> int:
    """Print the names of the stacks, and return the exit code.

    Raises:
        CouldNotLookError: A stack file cannot be read, or has a name that no stack has.
    """
    from irsa_program.check_report import stack_files, stack_name  # noqa: PLC0415 (help needs no rule)

    files = stack_files(Path())
    # CI takes the names for those of environments, and writes them into comments.
    if wrong := [file.name for file in files if not STACK_NAME.fullmatch(stack_name(file))]:
        allowed = f"letters, digits, -, _ and ., at most {LONGEST_STACK} of them"
        raise CouldNotLookError(f"stack files of no stack: {listed(wrong)}; allowed in a stack's name: {allowed}")
    stacks = [stack_name(file) for file in files if not is_of_sandbox(file)]
    if arguments.json:
        print(document("stacks", GOOD, OUTPUT(stacks)))
    else:
        for stack in stacks:
            print(named(stack))
    return GOOD


def is_of_sandbox(file: Path) -> bool:
    """Return whether a stack is for the sandbox alone.

    It is where the program reads `irsa:sandbox` as true: the engine passes `true` and "true" as the same string, and
    `pulumi stack init` writes the second one. A file with mistakes is not: `irsa check` reports them.

    Raises:
        CouldNotLookError: The file cannot be read.
    """
    from irsa_config.project_file import project_settings  # noqa: PLC0415
    from irsa_config.stack_file import StackFile  # noqa: PLC0415

    try:
        stack = StackFile(file)
    except OSError as error:
        raise CouldNotLookError(f"cannot read {named(str(file))}: {error.strerror}") from None
    return {**project_settings(stack.folder).settings, **stack.settings}.get("sandbox") is True
