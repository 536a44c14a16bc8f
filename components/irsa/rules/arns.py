"""Amazon Resource Names of IAM, and the OIDC issuers of EKS, in every partition.

Formats: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
Characters of names and paths: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

import functools
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from irsa.rules import commands
from irsa.rules.mistakes import Mistake, shortened
from irsa.rules.names import CLUSTER, IAM_NAME, IAM_WORDS, LONGEST_PATH, POLICY, REGION, ROLE_NAMES

PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc")
LONGEST_ISSUER = 255
# Host, port and path of a URL in the characters that need no quoting in one, and in IAM's:
# https://datatracker.ietf.org/doc/html/rfc3986#section-2.3
HOST_PATH = r"[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~%:@+=,-]+)*"
EXAMPLES = {
    "role": "arn:aws:iam::111122223333:role/my-role",
    "policy": "arn:aws:iam::111122223333:policy/my-policy",
    "oidc-provider": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
    "cluster": "arn:aws:eks:us-west-2:111122223333:cluster/my-cluster",
}
# What a part of an ARN is called, its pattern, and that in words.
_Part = tuple[str, str, str]


def _of_iam(kind: str, aws_account: str, resource: str, words: str) -> Sequence[_Part]:
    service, region = ("service", "iam", "'iam'"), ("region", "", "'' (an ARN of IAM has no region)")
    resources = ("resource", f"{kind}/{resource}", f"{kind}/{words}")
    return service, region, ("AWS account", aws_account, "12 digits"), resources


def _named(longest: int) -> tuple[str, str]:
    pattern = f"([A-Za-z0-9_+=,.@/-]{{1,{LONGEST_PATH - 2}}}/)?[A-Za-z0-9_+=,.@-]{{1,{longest}}}"
    return pattern, f"NAME: at most {longest} characters of {IAM_WORDS}, which a path may precede, such as team/"


_URL = rf"(?=.{{1,{LONGEST_ISSUER}}}\Z){HOST_PATH}"
# The parts after the partition.
_PARTS: Mapping[str, Sequence[_Part]] = {
    "role": _of_iam("role", "[0-9]{12}", *_named(ROLE_NAMES.longest)),
    "policy": _of_iam("policy", "[0-9]{12}|aws", *_named(POLICY.longest)),
    "oidc-provider": _of_iam("oidc-provider", "[0-9]{12}", _URL, f"HOST/PATH, at most {LONGEST_ISSUER} characters"),
    "cluster": (
        ("service", "eks", "'eks'"),
        ("region", REGION.pattern, REGION.words),
        ("AWS account", "[0-9]{12}", "12 digits"),
        ("resource", rf"cluster/(?=.{{1,{CLUSTER.longest}}}\Z){CLUSTER.pattern}", f"cluster/NAME: {CLUSTER.words}"),
    ),
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


# The same ones occur in many bindings of a stack.
@functools.lru_cache(maxsize=4096)
def parse_cluster_arn(text: str) -> ClusterArn:
    """Return the parts of the ARN of an EKS cluster.

    Raises:
        Mistake: It is not one; the message names the wrong part.
    """
    partition, _, region, account_id, resource = _parts(text, "cluster")
    return ClusterArn(partition, region, account_id, resource.partition("/")[2])


@functools.lru_cache(maxsize=4096)
def parse_iam_arn(text: str, resource_type: str) -> Arn:
    """Return the parts of an IAM ARN of the given type (`role`, `policy`, `oidc-provider`).

    Raises:
        Mistake: It is not such an ARN; the message names the wrong part.
    """
    partition, _, _, account_id, resource = _parts(text, resource_type)
    return Arn(partition, account_id, resource_type, resource.partition("/")[2])


def _parts(text: str, kind: str) -> Sequence[str]:
    """Return the parts of an ARN behind its first colon."""
    expected = (("partition", "|".join(PARTITIONS), f"one of {', '.join(PARTITIONS)}"), *_PARTS[kind])
    first, *parts = text.split(":", 5)
    problem: str | None = "not an ARN (it has six parts, separated by colons, and the first is `arn`)"
    if first == "arn" and len(parts) == len(expected):
        wrong = (
            f"the {name} is {shortened(part)}, not {words}"
            for part, (name, pattern, words) in zip(parts, expected, strict=True)
            if not re.fullmatch(pattern, part, re.ASCII)
        )
        problem = next(wrong, None)
    if problem is None:
        return parts
    command = commands.SHOW_CLUSTER_ARN if kind == "cluster" else commands.LIST_ARNS[kind](commands.AwsPlace())
    fix = f"copy the ARN from `{command}`"
    if kind == "policy" and re.fullmatch(IAM_NAME, text):
        # The policies of EBS and EFS drivers have that path.
        of_aws, with_path = (Arn("aws", "aws", kind, f"{path}{text}") for path in ("", "service-role/"))
        fix = f"if it is AWS's, write {of_aws} or {with_path}; else {fix}"
    if kind == "oidc-provider" and not text:
        # https://www.pulumi.com/registry/packages/eks/api-docs/cluster/: without a provider its output is empty.
        fix += "; if it is the output of an eks.Cluster, set createOidcProvider there"
    raise Mistake(f"{shortened(text)}: {problem}", f"an ARN such as {EXAMPLES[kind]}", fix)


def iam_arn(text: object, resource_type: str) -> Arn | None:
    """Return the parts of an IAM ARN of the given type; None where a value is not one, as its reader reports."""
    with suppress(Mistake):
        return parse_iam_arn(str(text), resource_type)
    return None


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
