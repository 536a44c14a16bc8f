"""The subcommands, and the parsers of their arguments.

Each is a module with `add`, which adds its arguments to a parser and sets `run`: the module whose function of that name
works and returns the exit code. Only that one imports what the work needs, so that `--help` is fast. One with
`--json` names the dataclass that it prints: `OUTPUT`, or as `module:NAME`.
"""

import argparse
import difflib
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from irsa_world.exits import EXIT_CODES, CouldNotLookError

# By name, the module and the line of `irsa --help`: to import all of them takes longer than to help.
SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "add-ons": ("irsa_cli.add_ons", "List the add-ons whose policies irsa knows, and what each takes."),
    "adopt": (
        "irsa_cli.adopt.subcommand",
        "Write a stack file that takes over roles and service accounts as they are.",
    ),
    "check": (
        "irsa_program.check",
        "Check stack files against every rule without credentials or network; --live also asks AWS and clusters.",
    ),
    "diff": (
        "irsa_cli.diff.subcommand",
        "Show what a preview would change, and who gains or loses the right to assume a role.",
    ),
    "explain": ("irsa_cli.explain.subcommand", "Explain whether a service account could assume a role, and why."),
    "inventory": (
        "irsa_cli.inventory.subcommand",
        "List who may assume which role, as clusters and AWS accounts are now.",
    ),
    "prove": (
        "irsa_cli.prove.subcommand",
        "Prove with real tokens that service accounts can assume their roles, and that another cannot.",
    ),
    "recover": (
        "irsa_cli.recover",
        "List what a killed `pulumi up` may have created, with the commands that look for it and delete it.",
    ),
    "stacks": ("irsa_program.stacks", "List the stacks that are deployed to AWS, without those of the sandbox."),
    "verify": ("irsa_cli.verify.subcommand", "Compare what is declared with what AWS and Kubernetes have now."),
}
COMMAND, OTHERS = "irsa-cli", ("irsa", "irsa-stack")


def parser_of_all() -> argparse.ArgumentParser:
    """Return a parser with name and help line of each subcommand, none of which is imported."""
    about = "Check that Kubernetes service accounts can assume their IAM roles."
    parser = argparse.ArgumentParser(prog="irsa", description=about, epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"irsa {version(COMMAND)}")
    subcommands = parser.add_subparsers(title="subcommands", required=True, dest="subcommand", metavar="SUBCOMMAND")
    for name, (_, line) in SUBCOMMANDS.items():
        subcommands.add_parser(name, help=line)
    return parser


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return a parser with all arguments of a subcommand.

    Raises:
        CouldNotLookError: The component's package, or the stack program's, is missing or of another version.
    """
    require_one_version()
    parser = argparse.ArgumentParser(prog=f"irsa {name}", formatter_class=argparse.RawDescriptionHelpFormatter)
    module_of(name).add(parser)
    parser.epilog = f"{parser.epilog}\n\n{EXIT_CODES}"
    return parser


def module_of(name: str) -> Any:
    """Return the module of a subcommand."""
    return import_module(SUBCOMMANDS[name][0])


def require_one_version() -> None:
    """Check that the others have the command's version: pip only warns whoever installs another one after it.

    Raises:
        CouldNotLookError: One has not, or is not installed.
    """
    needed = version(COMMAND)
    for name in OTHERS:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "none"
        if found != needed:
            raise CouldNotLookError(
                f"{COMMAND} {needed} needs {name} {needed}, but {found} is installed: install {COMMAND} again"
            )


def parsed(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the options of a subcommand, and the words that it does not know; arguments may stand after options."""
    # What is intermixed loses its `--`, behind which an argument may begin with a dash.
    dashed = "--" in words and any(each.startswith("-") for each in words[words.index("--") + 1 :])
    return (parser.parse_known_args if dashed else parser.parse_known_intermixed_args)(words)


def refuse(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> None:
    """End with the error for arguments that a subcommand's parser does not know."""
    known = [each for action in parser._actions for each in action.option_strings]
    options = (each.partition("=")[0] for each in unknown if each.startswith("-"))
    near = {name: None for each in options for name in difflib.get_close_matches(each, known, 1)}
    advice = f"; did you mean {' and '.join(near)}?" if near else ""
    parser.error(f"unrecognized arguments: {' '.join(map(repr, unknown))}{advice}")


def no_subcommand(word: str) -> str:
    """Return the error for a word that is none of the subcommands."""
    near = difflib.get_close_matches(word, [*SUBCOMMANDS], 1)
    advice = f"did you mean {near[0]}?" if near else f"subcommands: {', '.join(SUBCOMMANDS)}"
    return f"there is no subcommand {word!r}; {advice}"
