"""Prove with real tokens that service accounts can assume their roles, and that another cannot."""

import argparse

from irsa_cli.options import add_stack_options

DESCRIPTION = """\
Prove that each declared service account can assume its role, as its Pods do:
read the role and audience from its annotations, request a token for it
(TokenRequest), and call sts:AssumeRoleWithWebIdentity. The negative check: STS
must refuse an existing service account that is not trusted, or else a token
with a wrong audience. A pattern such as team-a:* is proven by one existing
service account that matches.

With EKS Pod Identity: request a token that is bound to a running Pod of the
service account, and call eks-auth:AssumeRoleForPodIdentity with your AWS
credentials. The negative check: EKS must refuse a running Pod of a service
account that has no association, or else a token with a wrong audience.

It shows what STS or EKS answers to these tokens. It does not show who else may
assume the role, nor what the role can do.
Tokens and credentials are never printed or stored.
The permissions that it needs: docs/reference/permissions.md.
"""
ALLOW_UNPROVEN = (
    "a trusted subject or pattern without a service account, and a service account without a running Pod for EKS Pod "
    "Identity, are reported as unproven, and are no failure"
)

EXAMPLE = "example: irsa prove --stack dev my-service-account"
OUTPUT = "irsa_world.report.json:ReportOutput"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    add_stack_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--allow-unproven", action="store_true", help=ALLOW_UNPROVEN)
    parser.set_defaults(run="irsa_cli.prove.proofs")
