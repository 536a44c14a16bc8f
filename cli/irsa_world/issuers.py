"""Which issuers are of EKS clusters, and which of none that STS takes tokens of. Pure."""

import re

from irsa.rules.arns import check_issuer
from irsa.rules.mistakes import Mistake, named
from irsa_world.exits import CouldNotLookError

# `oidc.eks.us-west-2.amazonaws.com`, `oidc-eks.us-west-2.api.aws`:
# https://docs.aws.amazon.com/general/latest/gr/eks.html
_OF_EKS = re.compile(r"oidc[.-]eks\.([a-z]{2,4}(?:-[a-z]+)+-[0-9]+)\.")


def eks_region(issuer: str) -> str:
    """Return the region of an EKS cluster's issuer, which is given without `https://`; empty for any other issuer."""
    found = _OF_EKS.match(issuer)
    return found[1] if found else ""


def check_published(issuer: str) -> str:
    """Return the issuer that a cluster publishes when IAM accepts a provider for it.

    Raises:
        CouldNotLookError: IAM does not.
    """
    try:
        return check_issuer(issuer)
    except Mistake as mistake:
        text = f"the cluster publishes the issuer {named(issuer)}, and IAM accepts {mistake.allowed}"
        raise CouldNotLookError(text) from mistake
