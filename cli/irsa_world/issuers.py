"""Which issuers are of EKS clusters. Pure."""

import re

# `oidc.eks.us-west-2.amazonaws.com`, `oidc-eks.us-west-2.api.aws`:
# https://docs.aws.amazon.com/general/latest/gr/eks.html
_OF_EKS = re.compile(r"oidc[.-]eks\.([a-z]{2,4}(?:-[a-z]+)+-[0-9]+)\.")


def eks_region(issuer: str) -> str:
    """Return the region of an EKS cluster's issuer, which is given without `https://`; empty for any other issuer."""
    found = _OF_EKS.match(issuer)
    return found[1] if found else ""
