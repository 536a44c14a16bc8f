"""Explain whether a service account could assume a role, and why."""

import argparse
from pathlib import Path

from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.options import not_empty, stack_name

DESCRIPTION = """\
Explain whether a Kubernetes service account could assume an IAM role: which
statement, condition and value decides.

The trust policy and the OIDC provider are read from AWS, the issuer and the
audience from the cluster of the current context (or of --stack). An association
of EKS Pod Identity gives new Pods its role, whatever the annotation is.
With --trust and --issuer, only the file is read.

With --stack, ROLE may be the key of a binding. A key takes precedence over a
role of that name; to mean the role, pass its ARN.
"""
EXAMPLE = """\
examples:
  irsa explain default/app
  irsa explain default/app my-role
  irsa explain default:app arn:aws:iam::111122223333:role/my-role
  irsa explain default/app my-binding --stack prod
  irsa explain default/app arn:aws:iam::111122223333:role/my-role \\
      --trust trust.json \\
      --issuer https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"""
OUTPUT = "irsa_cli.explain.output:Explanation"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.add_argument(
        "service_account", metavar="NAMESPACE/SERVICEACCOUNT", help="the service account; NAMESPACE:SERVICEACCOUNT, too"
    )
    parser.add_argument(
        "role",
        metavar="ROLE",
        nargs="?",
        type=not_empty,
        help="ARN of the role (default: as annotated); without --trust also its name, with --stack a binding's key",
    )
    parser.add_argument("--trust", metavar="FILE", type=Path, help="read the trust policy from FILE, not from AWS")
    parser.add_argument("--issuer", metavar="URL", help="OIDC issuer of the cluster")
    parser.add_argument("--audience", help=f"audience of the token (default: as annotated, or {DEFAULT_AUDIENCE})")
    parser.add_argument("--stack", metavar="S", type=stack_name, help="use the providers of this stack")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run="irsa_cli.explain.question")
