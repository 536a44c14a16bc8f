"""Print a script that completes subcommands and options in bash, zsh or fish."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from irsa_cli.exits import GOOD
from irsa_cli.subcommands import installed, parser_of

EPILOG = """\
examples: irsa completion bash > ~/.local/share/bash-completion/completions/irsa
          irsa completion zsh > "${fpath[1]}/_irsa"
          irsa completion fish > ~/.config/fish/completions/irsa.fish

exit codes: 0 printed, 2 the component is missing"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = __doc__, EPILOG
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the script and return the exit code."""
    import shtab  # noqa: PLC0415 (only this subcommand needs it)

    parser = parser_of(*installed())
    for argument in _arguments(parser):
        if argument.type is Path:
            # The attribute that shtab reads: https://docs.iterative.ai/shtab/use
            vars(argument)["complete"] = shtab.FILE
    print(shtab.complete(parser, options.shell))
    return GOOD


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its subcommands; argparse has no public list of them."""
    for action in parser._actions:
        yield action
        for subcommand in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from _arguments(subcommand)
