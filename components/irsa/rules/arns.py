"""Amazon Resource Names of IAM, and the OIDC issuers of EKS, in every partition.

Formats: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

import re
from typing import NamedTuple

from irsa.rules import commands
from irsa.rules.mistakes import Mistake, shown

PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc")
LONGEST_ISSUER = 255
EXAMPLES = {
    "role": "arn:aws:iam::111122223333:role/my-role",
    "policy": "arn:aws:iam::111122223333:policy/my-policy",
    "oidc-provider": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
}


class Arn(NamedTuple):
    """An IAM ARN, `arn:partition:iam::account-id:type/resource`; the ID is 12 digits, or `aws` for policies of AWS."""

    partition: str
    account_id: str
    type: str
    resource: str

    def __str__(self) -> str:
        """Return the ARN as text."""
        return f"arn:{self.partition}:iam::{self.account_id}:{self.type}/{self.resource}"

    @property
    def name(self) -> str:
        """The name of the resource, without its path."""
        return self.resource.rsplit("/", 1)[-1]


def parse_iam_arn(text: str, resource_type: str) -> Arn:
    """Return the parts of an IAM ARN of the given type (`role`, `policy`, `oidc-provider`).

    Raises:
        Mistake: It is not such an ARN; the message names the wrong part.
    """
    example = EXAMPLES[resource_type]
    parts = text.split(":")
    problem = _problem_of(parts, resource_type)
    if problem:
        fix = f"copy the ARN from `{commands.list_arns(resource_type)}` or the IAM console"
        raise Mistake(f"{text!r}: {problem}", f"an ARN such as {example}", fix)
    return Arn(parts[1], parts[4], resource_type, ":".join(parts[5:]).split("/", 1)[1])


def _problem_of(parts: list[str], resource_type: str) -> str | None:
    if len(parts) < 6 or parts[0] != "arn":  # noqa: PLR2004 (an ARN has six parts)
        return "not an ARN (it has six parts, separated by colons, and the first is `arn`)"
    _, partition, service, region, aws_account = parts[:5]
    resource = ":".join(parts[5:])
    pattern = r"\d{12}|aws" if resource_type == "policy" else r"\d{12}"
    is_account = re.fullmatch(pattern, aws_account, re.ASCII) is not None
    kind, _, rest = resource.partition("/")
    checks = (
        (partition in PARTITIONS, f"the partition is {partition!r}, not one of {', '.join(PARTITIONS)}"),
        (service == "iam", f"the service is {service!r}, not 'iam'"),
        (region == "", f"the region is {region!r}, but an IAM ARN has an empty region"),
        (is_account, f"the AWS account is {aws_account!r}, not 12 digits"),
        (kind == resource_type, f"the resource type is {kind!r}, not {resource_type!r}"),
        (bool(rest) and not rest.endswith("/"), "the resource has no name"),
        (not re.search(r"[\s*?]", rest), "the resource's name contains a space or a wildcard"),
        (re.fullmatch(r"[\x21-\x7e]+", rest) is not None, "the resource's name contains a non-ASCII character"),
    )
    return next((problem for is_right, problem in checks if not is_right), None)


def check_issuer(issuer: str) -> str:
    """Return the OIDC issuer of a cluster when IAM accepts a provider for it.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html

    Raises:
        Mistake: It is not an https URL, has a query, or is too long.
    """
    if len(issuer) <= LONGEST_ISSUER and re.fullmatch(r"https://[^\s?*#]+", issuer, re.ASCII):
        return issuer
    raise Mistake(
        f"{shown(issuer)} is not an OIDC issuer",
        f"an https URL without a query, at most {LONGEST_ISSUER} characters",
        f"copy it from `{commands.show_issuer()}`",
    )


def issuer_host_path(issuer: str) -> str:
    """Return the issuer as IAM spells it in ARNs and condition keys: without scheme and trailing slash.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    """
    return issuer.removeprefix("https://").rstrip("/")


def oidc_provider_arn(partition: str, aws_account: str, issuer: str) -> str:
    """Return the ARN of an AWS account's IAM OIDC provider for this issuer."""
    return str(Arn(partition, aws_account, "oidc-provider", issuer_host_path(issuer)))


def provider_of_role(role_arn: str, issuer: str) -> str:
    """Return the ARN of the IAM OIDC provider through which the issuer's tokens reach a role.

    It is in the role's AWS account.

    Raises:
        Mistake: It is not the ARN of a role.
    """
    role = parse_iam_arn(role_arn, "role")
    return oidc_provider_arn(role.partition, role.account_id, issuer)


def issuer_of_provider(provider_arn: str) -> str:
    """Return the issuer (host and path) with which an OIDC provider's ARN ends.

    Raises:
        Mistake: It is not the ARN of an OIDC provider.
    """
    return parse_iam_arn(provider_arn, "oidc-provider").resource
