"""List who may assume which role, as clusters and AWS accounts are now."""

import argparse
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from irsa.rules.mistakes import named
from irsa_cli.discovery import add_discovery_options, discover, inputs_of
from irsa_cli.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.output import Inventory
from irsa_cli.inventory.table import answer_of
from irsa_cli.inventory.taking import of_namespaces, take_inventory
from irsa_cli.options import not_empty
from irsa_cli.progress import under_way
from irsa_cli.report.json import camel_case, document
from irsa_cli.report.publish import print_answers, print_lines
from irsa_cli.whole_file import write

ALL = "all"
OUTPUT = Inventory


_HELP_OF_KINDS = "\n".join(f"  {name:<26}{kind.title}" for name, kind in KINDS.items())
DESCRIPTION = f"""\
List every service account of the cluster with the roles that it may assume, by
the trust policies that the AWS account has now, and what is wrong with them.
After these it names the roles that they may assume in turn ("then"). It looks
at IRSA and EKS Pod Identity, and not at roles of nodes. Nothing is changed, and
no stack is needed. The cluster is that of the current context, the AWS account
that of the current credentials.

kinds of findings:
{_HELP_OF_KINDS}

The permissions that it needs: docs/reference/permissions.md.
"""
EXAMPLE = """\
examples:
  irsa inventory
  irsa inventory --context blue --context green
  irsa inventory --html inventory.html --fail-on not-admitted

exit codes: 0 good, 1 a finding of a kind of --fail-on, 2 not checked (nothing
could be read; with --fail-on, also where something could not)"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    add_discovery_options(parser)
    these = "service accounts of a namespace, their roles and findings; * and ? stand for any text (repeatable)"
    parser.add_argument("--namespace", metavar="N", action="append", default=[], type=not_empty, help=these)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write a page for a browser to FILE")
    parser.add_argument(
        "--fail-on",
        metavar="KIND",
        action="append",
        default=[],
        choices=[*KINDS, ALL],
        help="exit code 1 if there is such a finding; all: any (repeatable)",
    )
    parser.set_defaults(run=run)


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
    _print(inventory, options, code)
    if options.html:
        from irsa_cli.inventory.page import page  # noqa: PLC0415 (only this option needs it)

        write(options.html, page(inventory), found=code)
        line = f"page: {named(str(options.html))}"
        print_lines([(line, "")], sys.stderr if options.json else sys.stdout)
    return code


def exit_code(inventory: Inventory, fail_on: list[str]) -> int:
    """Return the exit code: with --fail-on, what was not checked is not good."""
    kinds = {*KINDS} if ALL in fail_on else {*fail_on}
    if any(kinds & {each.kind, *KINDS[each.kind].also} for each in inventory.findings):
        return FINDINGS
    return COULD_NOT_LOOK if kinds and inventory.not_checked else GOOD


def _print(inventory: Inventory, options: argparse.Namespace, code: int) -> None:
    if options.json:
        print(as_json(inventory, code))
    else:
        print_answers([answer_of(inventory)])


def as_json(inventory: Inventory, code: int) -> str:
    """Return an inventory as JSON, with the exit code that decides whether it is good."""
    values = {camel_case(each.name): getattr(inventory, each.name) for each in fields(inventory)}
    return document("inventory", code == GOOD, values)
