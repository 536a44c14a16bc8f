"""Options that several subcommands share."""

import argparse
import functools
from pathlib import Path
from typing import Any

# A file's name that stands for standard input or output.
STREAM = "-"
# The file that a dry run of `irsa adopt` prints: nobody has named its stack yet.
NEW_STACK_FILE = Path("Pulumi.STACK.yaml")


def not_empty(text: str, what: str = "the value") -> str:
    """Return a value of the command line.

    Raises:
        argparse.ArgumentTypeError: It is empty, as an unset variable is, and would choose something else.
    """
    if not text:
        raise argparse.ArgumentTypeError(f"{what} is empty")
    return text


# `pulumi` would take the selected stack.
stack_name = functools.partial(not_empty, what="the name of the stack")


def add_stack_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a stack and bindings of it."""
    parser.add_argument("--stack", metavar="S", type=stack_name, help="name of the stack (default: the selected one)")
    parser.add_argument("bindings", metavar="BINDING", nargs="*", help="keys of bindings (default: all)")


def add_discovery_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose clusters and AWS accounts."""
    repeated: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument(
        "--context", metavar="C", type=not_empty, **repeated, help="context of the kubeconfig (repeatable)"
    )
    parser.add_argument(
        "--cluster", metavar="NAME", type=not_empty, **repeated, help="name of an EKS cluster (repeatable)"
    )
    stack = "irsa stack: its clusters and AWS accounts (repeatable)"
    parser.add_argument("--stack", metavar="S", type=stack_name, **repeated, help=stack)
    profile = "AWS profile: its AWS account, in place of those of the stacks (repeatable)"
    parser.add_argument("--profile", metavar="P", type=not_empty, **repeated, help=profile)
    region = "AWS region, of --cluster too (default: that of the profile)"
    parser.add_argument("--region", metavar="R", type=not_empty, help=region)
