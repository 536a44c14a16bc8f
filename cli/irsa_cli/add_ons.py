"""List the add-ons whose policies irsa knows, or print what is known of one."""

import argparse
from typing import TYPE_CHECKING

from irsa.rules.mistakes import Mistake
from irsa_world.exits import GOOD

if TYPE_CHECKING:
    from irsa.add_ons.catalog import AddOn

DESCRIPTION = """\
List the add-ons whose policies irsa knows, such as external-dns; or print the
file of one: what must be named, which version, which actions and why. A binding
has an add-on's policy with `policies: [{addOn: NAME}]`.

It needs no credentials, no network and no stack.
"""
EPILOG = """\
examples:
  irsa add-ons
  irsa add-ons external-dns"""

HEADINGS = ("add-on", "parameters", "newest")
LEGEND = "[ ]: may be left out; a|b: at least one of them. Without clusterNames: those of the binding's clusters"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    text = "the add-on whose file is printed, in YAML (default: a table of all)"
    parser.add_argument("name", metavar="NAME", nargs="?", type=_name, help=text)
    parser.set_defaults(run=__name__)


def _name(text: str) -> str:
    from irsa.add_ons.catalog import check_add_on  # noqa: PLC0415 (it imports PyYAML, which help does not need)

    try:
        return check_add_on(text)
    except Mistake as mistake:
        raise argparse.ArgumentTypeError(
            f"there is no add-on {mistake.found}: {mistake.fix} ({mistake.allowed})"
        ) from None


def run(options: argparse.Namespace) -> int:
    """Print what is known, and return the exit code."""
    from irsa.add_ons.catalog import add_on, names, text_of  # noqa: PLC0415 (as above)
    from irsa_world.message import Message  # noqa: PLC0415 (as above)
    from irsa_world.report.publish import print_sections  # noqa: PLC0415 (as above)
    from irsa_world.report.text import Section, counted  # noqa: PLC0415 (as above)

    if options.name:
        print(f"# In a binding: {_example(add_on(options.name))}\n\n{text_of(options.name)}", end="")
        return GOOD
    first = f"{counted(len(names()), 'add-on')}: `irsa add-ons NAME` prints its policy, and what to write in a binding"
    rows = [(name, _parameters(add_on(name)), add_on(name).newest) for name in names()]
    print_sections([Section(first, "bold", (), HEADINGS, rows, [Message(LEGEND)])])
    return GOOD


def _parameters(each: "AddOn") -> str:
    from irsa_world.report.json import camel_case  # noqa: PLC0415 (as above)

    needed = [*each.must_be_named]
    optional = [name for name in each.parameters if not any(name in group for group in needed)]
    words = ["|".join(map(camel_case, group)) for group in needed] + [f"[{camel_case(name)}]" for name in optional]
    return " ".join(words) or "-"


def _example(each: "AddOn") -> str:
    """Return what a binding has for an add-on, in YAML on one line."""
    import yaml  # noqa: PLC0415 (as above)

    from irsa.add_ons.parameters import PARAMETERS  # noqa: PLC0415 (as above)
    from irsa_world.report.json import camel_case  # noqa: PLC0415 (as above)

    named = {camel_case(first): [PARAMETERS[first].example] for first, *_ in each.must_be_named}
    entry = {"addOn": each.name, "version": each.newest, **named}
    return f"policies: {yaml.safe_dump([entry], sort_keys=False, default_flow_style=True, width=2**20)}".rstrip()
