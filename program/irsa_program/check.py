"""Check stack files against every rule, without engine, credentials or network; --live also asks AWS and clusters."""

import argparse
from pathlib import Path

LIVE = "also say what `pulumi up` would refuse: reads AWS, the clusters and the stack's state (docs/commands/check.md)"
EPILOG = "example: irsa check Pulumi.prod.yaml --json;"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = __doc__, EPILOG
    parser.formatter_class = argparse.HelpFormatter
    files = "stack files (default: all of the project)"
    parser.add_argument("files", nargs="*", type=Path, metavar="Pulumi.STACK.yaml", help=files)
    parser.add_argument("--live", action="store_true", help=LIVE)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run="irsa_program.check_report")
