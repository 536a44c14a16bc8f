"""Print a script that completes commands in bash, zsh or fish."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irsa_cli.exits import GOOD
from irsa_cli.options import stack_file, stack_name
from irsa_cli.subcommands import parser_of_all

EPILOG = """\
examples: irsa completion bash > ~/.local/share/bash-completion/completions/irsa
          irsa completion zsh > "${fpath[1]}/_irsa"
          irsa completion fish > ~/.config/fish/completions/irsa.fish

exit codes: 0 printed, 2 the component is missing"""

# In shtab's form (https://docs.iterative.ai/shtab/use): what completes an argument, and the functions that this needs.
# Stacks are those that have a file here: a backend takes seconds. A name with another character is no stack's, and bash
# would paste it as it is, a command in it too.
STACKS: dict[str, Any] = {
    "bash": "_irsa_stacks",
    "zsh": "_irsa_stacks",
    "fish": "(_irsa_stacks)",
    "preamble": {
        "bash": """
_irsa_stacks() {
  local stack
  for stack in Pulumi.?*.yaml; do
    stack=${stack#Pulumi.} stack=${stack%.yaml}
    [[ $stack == *[!A-Za-z0-9_.-]* ]] || compgen -W "$stack" -- "$1"
  done
}
""",
        "zsh": """
_irsa_stacks() {
  local -a stacks
  stacks=(Pulumi.?*.yaml(N:r))
  stacks=(${stacks#Pulumi.})
  compadd "$@" -- ${stacks:#*[^A-Za-z0-9_.-]*}
}
""",
        "fish": """
function _irsa_stacks
  for file in Pulumi.*.yaml
    string replace -fr '^Pulumi\\.([A-Za-z0-9_.-]+)\\.yaml$' '$1' -- $file
  end
end
""",
    },
}
# With `_file` in its name: shtab tells bash then to quote what is completed.
STACK_FILES: dict[str, Any] = {
    "bash": "_irsa_stack_files",
    "zsh": "_files -g 'Pulumi.?*.yaml'",
    "fish": "(_irsa_stack_files)",
    "preamble": {
        "bash": """
_irsa_stack_files() {
  compgen -d -- "$1"
  compgen -f -X '!Pulumi.?*.yaml' -- "$1"
  compgen -f -X '!*/Pulumi.?*.yaml' -- "$1"
}
""",
        "fish": """
function _irsa_stack_files
  for path in (__fish_complete_path (commandline -ct))
    string match -er '(?:/|(?:^|/)Pulumi\\.[^/\\t]+\\.yaml)(?:\\t|$)' -- $path
  end
end
""",
    },
}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = __doc__, EPILOG
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the script and return the exit code."""
    import shtab  # noqa: PLC0415 (only this subcommand needs it)

    completed = {Path: shtab.FILE, stack_file: STACK_FILES, stack_name: STACKS}
    parser = parser_of_all(with_arguments=True)
    for argument in _arguments(parser):
        if argument.type in completed:
            # The attribute that shtab reads.
            vars(argument)["complete"] = completed[argument.type]
    print(shtab.complete(parser, options.shell))
    return GOOD


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its subcommands; argparse has no public list of them."""
    for action in parser._actions:
        yield action
        for subcommand in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from _arguments(subcommand)
