"""The parameters of the add-ons' policies: a table. A name means one thing in all add-ons."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from irsa.rules.arns import PARTITIONS
from irsa.rules.mistakes import Mistake, shortened
from irsa.rules.names import CLUSTER

PARTITION = f"({'|'.join(PARTITIONS)})"
REGION, AWS_ACCOUNT = r"[a-z]+(-[a-z]+)+-\d+", "[0-9]{12}"
WILDCARDS = r"[\w.+=@/*?-]+"


class Parameter(NamedTuple):
    """What a parameter takes: a list of strings.

    Attributes:
        what: In words.
        pattern: Of each string. Its group `value` is what a statement gets.
        fix: What to do with another one.
    """

    what: str
    pattern: str
    example: str
    fix: str

    def value(self, text: str) -> str:
        """Return what a statement gets for a string."""
        found = re.fullmatch(self.pattern, text, re.ASCII)
        return found["value"] if found else text

    def check(self, text: str) -> str:
        """Return a string that a statement can name.

        Raises:
            Mistake: It is another one; a wildcard in place of a name, too, since everything is `scope: "*"`.
        """
        if re.fullmatch(self.pattern, text, re.ASCII):
            return text
        raise Mistake(shortened(text), self.what, self.fix)


def _arn(service: str, resource: str, region: str = REGION, aws_account: str = AWS_ACCOUNT) -> str:
    return rf"arn:{PARTITION}:{service}:{region}:{aws_account}:{resource}"


def _whole(pattern: str) -> str:
    return f"(?P<value>{pattern})"


# The formats: https://docs.aws.amazon.com/service-authorization/latest/reference/, "Resource types" of each service.
PARAMETERS: Mapping[str, Parameter] = {
    "cluster_names": Parameter(
        "names of EKS clusters", _whole(CLUSTER.pattern), "my-cluster", "copy it from `aws eks list-clusters`"
    ),
    "hosted_zones": Parameter(
        "Route 53 hosted zones, by ID or ARN",
        rf"(arn:{PARTITION}:route53:::|/)?(hostedzone/)?(?P<value>Z[0-9A-Z]{{1,31}})",
        "Z0123456789ABCDEFGHIJ",
        "copy the ID from `aws route53 list-hosted-zones`",
    ),
    "buckets": Parameter(
        "S3 buckets, by name or ARN, without what is in them",
        rf"(arn:{PARTITION}:s3:::)?(?P<value>[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])",
        "my-bucket",
        "copy the name from `aws s3api list-buckets`",
    ),
    "kms_keys": Parameter(
        "ARNs of KMS keys, not of aliases: a policy cannot name a key by its alias",
        _whole(_arn("kms", "key/[0-9A-Za-z-]+")),
        "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "copy the ARN from `aws kms describe-key --key-id`",
    ),
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html: an ARN without its
    # six random characters matches no secret.
    "secrets": Parameter(
        "ARNs of Secrets Manager secrets, whole or with wildcards at the end",
        _whole(_arn("secretsmanager", rf"secret:(?![*?]){WILDCARDS}(-[0-9A-Za-z]{{6}}|-\?{{6}}|\*)")),
        "arn:aws:secretsmanager:us-west-2:111122223333:secret:team-a/*",
        "write the whole ARN, or -?????? after the secret's name for the six characters that AWS adds",
    ),
    "ssm_parameters": Parameter(
        "ARNs of Systems Manager parameters, with wildcards or without",
        _whole(_arn("ssm", rf"parameter/(?![*?]){WILDCARDS}")),
        "arn:aws:ssm:us-west-2:111122223333:parameter/team-a/*",
        "write the ARN, with the parameter's name after parameter/",
    ),
    "file_systems": Parameter(
        "EFS file systems, by ID or ARN",
        rf"({_arn('elasticfilesystem', 'file-system/')})?(?P<value>fs-[0-9a-f]{{8,40}})",
        "fs-0123456789abcdef0",
        "copy the ID from `aws efs describe-file-systems`",
    ),
    "node_roles": Parameter(
        "ARNs of the nodes' IAM roles",
        _whole(_arn("iam", "role/[A-Za-z0-9_+=,.@/-]+", region="")),
        "arn:aws:iam::111122223333:role/my-nodes",
        "copy the ARN from `aws iam list-roles`",
    ),
    "interruption_queues": Parameter(
        "ARNs of SQS queues",
        _whole(_arn("sqs", r"[\w-]{1,80}(\.fifo)?")),
        "arn:aws:sqs:us-west-2:111122223333:my-cluster",
        "copy the ARN from `aws sqs get-queue-attributes`",
    ),
    "workspaces": Parameter(
        "ARNs of workspaces of Amazon Managed Service for Prometheus",
        _whole(_arn("aps", "workspace/ws-[0-9a-f-]{36}")),
        "arn:aws:aps:us-west-2:111122223333:workspace/ws-0123abcd-0123-4567-89ab-0123456789ab",
        "copy the ARN from `aws amp list-workspaces`",
    ),
}
# What is true or false: whether the add-on has one more thing to do.
SWITCHES: Mapping[str, str] = {
    "ipv6": "the cluster's IP family is IPv6",
    "read_only": "reads, and never writes",
    "find": "finds secrets and parameters by name or tag, which lists all of the AWS account",
    "push": "writes secrets and parameters, too",
    "snapshots": "makes snapshots of EBS volumes",
}
EVERYTHING = "*"
# The parameter that has a default: the clusters of the role.
CLUSTER_NAMES = "cluster_names"
