"""List the add-ons whose policies irsa knows, and what each takes."""

import argparse

from irsa.rules.mistakes import Mistake
from irsa_world.exits import GOOD

DESCRIPTION = """\
List the add-ons whose policies irsa knows, such as external-dns: what must be
named, which version, which actions and why. A binding has an add-on's policy
with `policies: [{addOn: NAME}]`.

It needs no credentials, no network and no stack.
"""
EPILOG = """\
examples:
  irsa add-ons
  irsa add-ons external-dns

exit codes: 0 printed, 2 there is no such add-on"""
OUTPUT = "irsa_cli.add_ons.output:AddOnsOutput"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    text = "the add-on to describe in full (default: a table of all)"
    parser.add_argument("name", metavar="NAME", nargs="?", type=_name, help=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


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
    from irsa.add_ons.catalog import names  # noqa: PLC0415 (as above)
    from irsa_cli.add_ons.output import AddOnsOutput, output_of  # noqa: PLC0415 (as above)
    from irsa_cli.add_ons.text import of_all, of_one  # noqa: PLC0415 (as above)
    from irsa_world.report.json import document  # noqa: PLC0415 (as above)
    from irsa_world.report.publish import print_lines  # noqa: PLC0415 (as above)

    found = [*map(output_of, [options.name] if options.name else names())]
    if options.json:
        print(document("add-ons", True, AddOnsOutput(found)))
    else:
        print_lines(of_one(found[0]) if options.name else of_all(found))
    return GOOD
