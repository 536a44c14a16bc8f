"""Compare what is declared with what AWS and Kubernetes have now."""

import argparse
import textwrap

from irsa_cli.options import add_stack_options
from irsa_cli.verify.kinds import CHECKS

OUTPUT = "irsa_world.report.json:ReportOutput"

_HELP_OF_CHECKS = "\n".join(
    textwrap.fill(f"{name:<17}{compares}", 80, initial_indent="  ", subsequent_indent=" " * 19)
    for name, compares in CHECKS.items()
)
DESCRIPTION = f"""\
Compare what the stack declares with what AWS and Kubernetes have now. Nothing
is changed. For each binding:

{_HELP_OF_CHECKS}

A role that the stack only names (role.arn) is checked if the stack's AWS
credentials are of its AWS account.
What is declared comes from the state of the last `pulumi up`.
The permissions that it needs: docs/reference/permissions.md.
"""
EXAMPLE = "example: irsa verify --stack dev --pods"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    add_stack_options(parser)
    parser.add_argument("--pods", action="store_true", help="also check the Pods of each service account")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run="irsa_cli.verify.comparison")
