"""What `irsa inventory` does."""

import argparse
import sys
from dataclasses import fields
from datetime import UTC, datetime

from irsa.rules.mistakes import named
from irsa_cli.discovery import discover, inputs_of
from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.output import Inventory
from irsa_cli.inventory.table import section_of
from irsa_cli.inventory.taking import of_namespaces, take_inventory
from irsa_cli.progress import under_way
from irsa_cli.whole_file import write
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_world.report.json import camel_case, document
from irsa_world.report.publish import print_lines, print_sections


def run(options: argparse.Namespace) -> int:
    """Take the inventory, print it and return the exit code.

    Raises:
        CouldNotLookError: No cluster, or no AWS account, can be read; or there is nothing of a namespace.
    """
    with under_way("inventory", "reading clusters and AWS accounts"):
        chosen = options.context, options.cluster, options.stack, inputs_of(options)
        discovery = discover(*chosen, policies=True, guards=True)
    with under_way("inventory", "evaluating trust policies"):
        inventory = take_inventory(discovery, datetime.now(UTC))
    if options.namespace:
        inventory = of_namespaces(inventory, options.namespace)
    code = exit_code(inventory, options.fail_on)
    if options.json:
        print(as_json(inventory, code))
    else:
        print_sections([section_of(inventory)])
    if options.html:
        from irsa_cli.inventory.page import page  # noqa: PLC0415 (only this option needs it)

        write(options.html, page(inventory), found=code)
        line = f"page: {named(str(options.html))}"
        print_lines([(line, "")], sys.stderr if options.json else sys.stdout)
    return code


def exit_code(inventory: Inventory, fail_on: list[str]) -> int:
    """Return the exit code: with --fail-on, what was not checked is not good."""
    kinds = {*KINDS} if "all" in fail_on else {*fail_on}
    if any(each.kind in kinds for each in inventory.findings):
        return FINDINGS
    return COULD_NOT_LOOK if kinds and inventory.not_checked else GOOD


def as_json(inventory: Inventory, code: int) -> str:
    """Return an inventory as JSON, with the exit code that decides whether it is good."""
    values = {camel_case(each.name): getattr(inventory, each.name) for each in fields(inventory)}
    return document("inventory", code == GOOD, values)
