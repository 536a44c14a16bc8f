"""What `irsa add-ons` does."""

import argparse

from irsa.add_ons.catalog import add_on, names
from irsa_cli.add_ons.output import AddOnsOutput, output_of
from irsa_cli.add_ons.text import of_all, of_one
from irsa_world.exits import GOOD
from irsa_world.report.json import as_object, document
from irsa_world.report.publish import print_lines


def run(options: argparse.Namespace) -> int:
    """Print what is known, and return the exit code."""
    found = [add_on(each) for each in ([options.name] if options.name else names())]
    if options.json:
        print(document("add-ons", True, as_object(AddOnsOutput([*map(output_of, found)]))))
    else:
        print_lines(of_one(found[0]) if options.name else of_all([*map(output_of, found)]))
    return GOOD
