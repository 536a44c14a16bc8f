"""List the stacks that are deployed to AWS, without those of the sandbox."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.check import stack_files, stack_name
from config.stack_file import StackFile, project_settings
from irsa.rules.mistakes import named
from irsa_cli.exits import GOOD, CouldNotLookError
from irsa_cli.report.json import as_object, document

EXIT_CODES = "exit codes: 0 listed (or none), 2 not listed: a file cannot be read"
EPILOG = f"example: irsa stacks --json; {EXIT_CODES}"


@dataclass(frozen=True)
class StacksOutput:
    """What `irsa stacks --json` prints.

    Attributes:
        stacks: Names of the stacks, sorted; those of the sandbox are left out.
    """

    stacks: Sequence[str]


OUTPUT = StacksOutput


def add(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments to its parser."""
    parser.description, parser.epilog = __doc__, EPILOG
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the names of the stacks, and return the exit code.

    Raises:
        CouldNotLookError: A stack file cannot be read.
    """
    stacks = [stack_name(file) for file in stack_files(Path()) if not is_of_sandbox(file)]
    if arguments.json:
        print(document("stacks", True, as_object(OUTPUT(stacks))))
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
    try:
        stack = StackFile(file)
    except OSError as error:
        raise CouldNotLookError(f"cannot read {named(str(file))}: {error.strerror}") from None
    return {**project_settings(file.parent, stack).settings, **stack.settings}.get("sandbox") is True
