"""List who may assume which role, as clusters and AWS accounts are now."""

import argparse
from pathlib import Path

from irsa_cli.options import add_discovery_options, not_empty

# Generated: what finds them imports what evaluates policies, which takes four times as long as this help.
HELP_OF_KINDS = Path(__file__).with_name("kinds.txt").read_text(encoding="utf-8").rstrip()
DESCRIPTION = f"""\
List every service account of the cluster with the roles that it may assume, by
the trust policies that the AWS account has now, and what is wrong with them.
After these it lists on which roles those roles have the permission
sts:AssumeRole. It looks at IRSA and EKS Pod Identity, and not at roles of
nodes. Nothing is changed, and no stack is needed. The cluster is that of the
current context, the AWS account that of the current credentials.

kinds of findings:
{HELP_OF_KINDS}

The permissions that it needs: docs/reference/permissions.md.
"""
EXAMPLE = """\
examples:
  irsa inventory
  irsa inventory --context blue --context green
  irsa inventory --fail-on not-admitted"""
OUTPUT = "irsa_cli.inventory.output:Inventory"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    add_discovery_options(parser)
    these = "service accounts of a namespace, their roles and findings; * and ? stand for any text (repeatable)"
    parser.add_argument("--namespace", metavar="N", action="append", default=[], type=not_empty, help=these)
    unused = "print what the roles never used, by IAM's reports, in place of the rest; takes minutes"
    parser.add_argument("--last-use", action="store_true", help=unused)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--fail-on",
        metavar="KIND",
        action="append",
        default=[],
        choices=[*(line.split()[0] for line in HELP_OF_KINDS.splitlines()), "all"],
        help="exit code 1 if there is such a finding; all: any (repeatable)",
    )
    parser.set_defaults(run="irsa_cli.inventory.take")
