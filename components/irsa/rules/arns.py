"""Amazon Resource Names of IAM, and the OIDC issuers of EKS, in every partition.

Formats: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
Characters of names and paths: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

import functools
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from irsa.rules import commands
from irsa.rules.mistakes import Mistake, shortened
from irsa.rules.names import CLUSTER, IAM_NAME, IAM_WORDS, LONGEST_PATH, PATH, POLICY, REGION, ROLE_NAMES, check_name

PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc")
LONGEST_ISSUER = 255
# Host, port and path of a URL in the characters that need no quoting in one, and in IAM's:
# https://datatracker.ietf.org/doc/html/rfc3986#section-2.3
HOST_PATH = r"[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~%:@+=,-]+)*"
EXAMPLES = {
    "role": "arn:aws:iam::111122223333:role/my-role",
    "policy": "arn:aws:iam::111122223333:policy/my-policy",
    "oidc-provider": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
}
# AWS's policies for the drivers that run on EKS, whose ARNs have a path:
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEBSCSIDriverPolicy.html
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEFSCSIDriverPolicy.html
POLICIES_WITH_A_PATH = {
    name: f"service-role/{name}" for name in ("AmazonEBSCSIDriverPolicy", "AmazonEFSCSIDriverPolicy")
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
        return self.name_in(self.resource)

    @staticmethod
    def name_in(text: str) -> str:
        """Return the name in the text of an ARN, without the path."""
        return text.rpartition("/")[2]

    @staticmethod
    def with_path(path: str | None, name: str) -> str:
        """Return the resource of this path, `/` where it is None, and this name."""
        return f"{path or '/'}{name}".removeprefix("/")


class ClusterArn(NamedTuple):
    """The ARN of an EKS cluster: `arn:partition:eks:region:account-id:cluster/name`.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
    """

    partition: str
    region: str
    account_id: str
    name: str

    def __str__(self) -> str:
        """Return the ARN as text."""
        return f"arn:{self.partition}:eks:{self.region}:{self.account_id}:cluster/{self.name}"


def cluster_of_association(arn: str) -> str:
    """Return the ARN of the EKS cluster of an association, by the association's; empty for any other text.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
    """
    # arn:aws:eks:REGION:ACCOUNT:podidentityassociation/CLUSTER/ID
    place, _, name = arn.partition(":podidentityassociation/")
    return f"{place}:cluster/{name.partition('/')[0]}" if name else ""


CLUSTER_EXAMPLE = ClusterArn("aws", "us-west-2", "111122223333", "my-cluster")


@functools.lru_cache(maxsize=4096)
def parse_cluster_arn(text: str) -> ClusterArn:
    """Return the parts of the ARN of an EKS cluster.

    Raises:
        Mistake: It is not one; the message names the wrong part.
    """
    allowed, fix = f"an ARN such as {CLUSTER_EXAMPLE}", f"copy the ARN from `{commands.SHOW_CLUSTER_ARN}`"
    found = re.fullmatch(r"arn:([^:]*):([^:]*):([^:]*):([^:]*):([^/]*)/(.*)", text, re.DOTALL)
    if found is None:
        raise Mistake(f"{shortened(text)}: not the ARN of an EKS cluster", allowed, fix)
    partition, service, region, account_id, kind, name = found.groups()
    checks = (
        (partition in PARTITIONS, f"the partition is {partition!r}, not one of {', '.join(PARTITIONS)}"),
        (service == "eks", f"the service is {service!r}, not 'eks'"),
        (re.fullmatch("[0-9]{12}", account_id) is not None, f"the AWS account is {account_id!r}, not 12 digits"),
        (kind == "cluster", f"the resource type is {kind!r}, not 'cluster'"),
    )
    problem = next((problem for is_right, problem in checks if not is_right), None)
    if problem:
        raise Mistake(f"{shortened(text)}: {problem}", allowed, fix)
    check_name(region, REGION)
    check_name(name, CLUSTER)
    return ClusterArn(partition, region, account_id, name)


# The same ones occur in many bindings of a stack.
@functools.lru_cache(maxsize=4096)
def parse_iam_arn(text: str, resource_type: str) -> Arn:
    """Return the parts of an IAM ARN of the given type (`role`, `policy`, `oidc-provider`).

    Raises:
        Mistake: It is not such an ARN; the message names the wrong part.
    """
    example = EXAMPLES[resource_type]
    parts = text.split(":")
    problem = _problem_of(parts, resource_type)
    if problem:
        fix = f"copy the ARN from `{commands.LIST_ARNS[resource_type](commands.AwsPlace())}` or the IAM console"
        if resource_type == "policy" and re.fullmatch(f"{PATH}{IAM_NAME}", f"/{text}"):
            fix = _advice_for_name(text)
        if resource_type == "oidc-provider" and not text:
            # https://www.pulumi.com/registry/packages/eks/api-docs/cluster/: without a provider its output is empty.
            fix += "; if it is the output of an eks.Cluster, set createOidcProvider there"
        raise Mistake(f"{text!r}: {problem}", f"an ARN such as {example}", fix)
    return Arn(parts[1], parts[4], resource_type, ":".join(parts[5:]).split("/", 1)[1])


def iam_arn(text: object, resource_type: str) -> Arn | None:
    """Return the parts of an IAM ARN of the given type; None where a value is not one, as its reader reports."""
    with suppress(Mistake):
        return parse_iam_arn(str(text), resource_type)
    return None


def _advice_for_name(name: str) -> str:
    """Return the ARNs that a policy may have of which only the name is known, and what in them is not known."""
    resource = POLICIES_WITH_A_PATH.get(name, name)
    arns = [str(Arn("aws", owner, "policy", resource)) for owner in ("aws", "111122223333")]
    advice = f"write {arns[0]} if it is AWS's"
    if resource == name:
        advice += f", or {arns[1]} with the number of your AWS account"
    if "/" not in resource:
        advice += "; if it has a path, such as service-role/, write it before the name"
    return f"{advice}; in China, write aws-cn for the partition, in GovCloud aws-us-gov"


def _problem_of(parts: list[str], resource_type: str) -> str | None:
    if len(parts) < 6 or parts[0] != "arn":  # noqa: PLR2004 (an ARN has six parts)
        return "not an ARN (it has six parts, separated by colons, and the first is `arn`)"
    _, partition, service, region, aws_account = parts[:5]
    resource = ":".join(parts[5:])
    pattern = "[0-9]{12}|aws" if resource_type == "policy" else "[0-9]{12}"
    is_account = re.fullmatch(pattern, aws_account) is not None
    kind, _, rest = resource.partition("/")
    checks = (
        (partition in PARTITIONS, f"the partition is {partition!r}, not one of {', '.join(PARTITIONS)}"),
        (service == "iam", f"the service is {service!r}, not 'iam'"),
        (region == "", f"the region is {region!r}, but an IAM ARN has an empty region"),
        (is_account, f"the AWS account is {aws_account!r}, not 12 digits"),
        (kind == resource_type, f"the resource type is {kind!r}, not {resource_type!r}"),
        (bool(rest) and not rest.endswith("/"), "the resource has no name"),
        (not re.search(r"[\s*?]", rest), "the resource's name contains a space or a wildcard"),
        *_checks_of_resource(rest, resource_type),
    )
    return next((problem for is_right, problem in checks if not is_right), None)


def _checks_of_resource(rest: str, resource_type: str) -> Iterator[tuple[bool, str]]:
    """Yield what a resource's path and name must be, each with the problem where they are not."""
    if resource_type == "oidc-provider":
        yield re.fullmatch(HOST_PATH, rest) is not None, "the resource is not the host and path of an https URL"
        yield len(rest) <= LONGEST_ISSUER, f"the resource has over {LONGEST_ISSUER} characters"
        return
    path, _, name = f"/{rest}".rpartition("/")
    longest = {"role": ROLE_NAMES, "policy": POLICY}[resource_type].longest
    allowed = f"{IAM_WORDS}, and / in a path"
    is_allowed = re.fullmatch(f"{PATH}{IAM_NAME}", f"/{rest}") is not None
    yield is_allowed, f"the resource's name contains other characters than {allowed}"
    yield len(name) <= longest, f"the name has {len(name)} characters, more than {longest}"
    yield len(path) < LONGEST_PATH, f"the path has {len(path) + 1} characters, more than {LONGEST_PATH}"


def check_issuer(issuer: str) -> str:
    """Return the OIDC issuer of a cluster when IAM accepts a provider for it.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html

    Raises:
        Mistake: It is not an https URL, has a query, or is too long.
    """
    if len(issuer) <= LONGEST_ISSUER and re.fullmatch(f"https://{HOST_PATH}/?", issuer):
        return issuer
    allowed = f"an https URL without a query, at most {LONGEST_ISSUER} characters"
    raise Mistake(f"{shortened(issuer)} is not an OIDC issuer", allowed, f"copy it from `{commands.SHOW_ISSUER}`")


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
