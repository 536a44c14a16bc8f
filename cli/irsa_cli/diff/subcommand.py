"""Show what a preview would change, and who gains or loses the right to assume a role."""

import argparse

from irsa_cli.diff.rows import GATES
from irsa_cli.options import stack_name

FAIL_ON_HELP = f"exit code 1 if there are any: {', '.join(GATES)}; 3 if irsa cannot tell (repeatable)"

DESCRIPTION = """\
Show what `pulumi up` would change for access: who gains or loses the right to
assume a role, what roles may then do, what the guard stops, and which
resources are deleted or replaced. What is dangerous comes first. Nothing is
changed; `pulumi preview --diff` shows documents and settings.

It runs `pulumi preview --json`, or reads what that printed. Who may assume a
role is evaluated for the service accounts and patterns that the stack or a
trust policy names.
"""
EXAMPLE = """\
examples:
  irsa diff --stack dev --refresh
  irsa diff --stack dev --preview preview.json --markdown comment.md
  irsa diff --stack dev --fail-on gains --fail-on permissions"""
OUTPUT = "irsa_cli.diff.rows:Diff"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.add_argument("--stack", metavar="S", type=stack_name, help="name of the stack (default: the selected one)")
    parser.add_argument(
        "--preview", metavar="FILE", help="read what `pulumi preview --json` printed; - is standard input"
    )
    parser.add_argument("--refresh", action="store_true", help="begin with what AWS and Kubernetes have now")
    parser.add_argument("--fail-on", metavar="WHAT", action="append", default=[], choices=GATES, help=FAIL_ON_HELP)
    parser.add_argument(
        "--markdown", metavar="FILE", help="also write Markdown for a comment to FILE; - prints it in place of the text"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run="irsa_cli.diff.work")
