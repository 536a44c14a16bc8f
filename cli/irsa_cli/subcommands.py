"""The subcommands: modules that installed distributions name as entry points of the group `irsa.subcommands`.

The first line of a module's docstring is its line in `irsa --help`. Its function `add` adds the arguments to a parser,
and sets `run`, which returns the exit code. A subcommand with `--json` names the dataclass that it prints: `OUTPUT`, or
as `module:NAME`. For `--help` the module is imported, so that what the subcommand works with is imported by `run`.
"""

import argparse
import difflib
import functools
from collections.abc import Sequence
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from importlib.util import find_spec

from irsa_world.exits import CouldNotLookError

GROUP = "irsa.subcommands"
COMMAND, OTHERS = "irsa-cli", ("irsa", "irsa-stack")


@functools.cache
def installed() -> dict[str, EntryPoint]:
    """Return the entry points of the subcommands by name, sorted; without those whose module is not installed."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    return {name: found[name] for name in sorted(found) if _spec(found[name].module)}


def parser_of_all() -> argparse.ArgumentParser:
    """Return a parser with name and help line of each subcommand, none of which is imported."""
    parser = argparse.ArgumentParser(
        prog="irsa", description="Check that Kubernetes service accounts can assume their IAM roles."
    )
    parser.add_argument("--version", action="version", version=f"irsa {version(COMMAND)}")
    subcommands = parser.add_subparsers(title="subcommands", required=True, dest="subcommand", metavar="SUBCOMMAND")
    for name, entry in installed().items():
        subcommands.add_parser(name, help=help_line(entry))
    return parser


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return a parser with all arguments of a subcommand.

    Raises:
        CouldNotLookError: The component's package, or the stack program's, is missing or of another version.
    """
    require_one_version()
    parser = argparse.ArgumentParser(prog=f"irsa {name}", formatter_class=argparse.RawDescriptionHelpFormatter)
    installed()[name].load().add(parser)
    return parser


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
    near = difflib.get_close_matches(word, [*installed()], 1)
    advice = f"did you mean {near[0]}?" if near else f"subcommands: {', '.join(installed())}"
    return f"there is no subcommand {word!r}; {advice}"


def help_line(subcommand: EntryPoint) -> str:
    """Return the first line of a subcommand's docstring, read from its source: an import may take a second."""
    spec = _spec(subcommand.module)
    source = spec.loader.get_source(spec.name) if spec and isinstance(spec.loader, InspectLoader) else None
    return (source or "").partition("\n")[0].strip('"').replace("%", "%%")


def _spec(module: str) -> ModuleSpec | None:
    """Return where a module is; its package is not imported."""
    top, *inner = module.split(".")
    spec = find_spec(top)
    for name in inner:
        spec = PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations) if spec else None
    return spec
