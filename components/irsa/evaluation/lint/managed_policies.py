"""The lint rule about AWS's managed policies, by the list in managed_policies.json, which `make generate` writes.

The list is of the partition aws: other partitions have other policies.
"""

import functools
import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from irsa.evaluation.lint.rule import Warnings, rule
from irsa.rules import commands
from irsa.rules.mistakes import Mistake, likely

PREFIX = "arn:aws:iam::aws:policy/"
DEPRECATED = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-deprecated.html"
# Most names begin and end with the same words.
ALIKE = 0.8


class AwsPolicies(NamedTuple):
    """The managed policies of AWS, each by its path and name, such as `service-role/AmazonEBSCSIDriverPolicy`."""

    date: str
    keys: Set[str]
    by_name: Mapping[str, str]
    """By the names alone, in lower case."""
    writes: Mapping[str, str]
    """By the names alone, the services of which one gives every action that changes something, on every resource."""


@functools.cache
def aws_policies() -> AwsPolicies:
    """Return the list."""
    read = json.loads(Path(__file__).with_name("managed_policies.json").read_text("ascii"))
    keys = {f"{path}{name}" for path, names in read["names"].items() for name in names.split()}
    return AwsPolicies(
        read["date"], keys, {key.rpartition("/")[2].lower(): key for key in sorted(keys)}, read["writes"]
    )


class AwsManagedPolicy(NamedTuple):
    """A managed policy of a role."""

    arn: str
    is_boundary: bool = False
    """Whether it is the role's permissions boundary."""

    @property
    def of_aws(self) -> str:
        """Its path and name, if it is one of AWS in the partition aws."""
        return self.arn.removeprefix(PREFIX) if self.arn.startswith(PREFIX) else ""

    @property
    def written(self) -> Sequence[str]:
        """The services of which it gives every action that changes something, if it is one of AWS in any partition."""
        _, _, key = self.arn.partition(":iam::aws:policy/")
        return aws_policies().writes.get(key.rpartition("/")[2], "").split() if key else ()


# Thousands of bindings may have one policy.
@functools.lru_cache(maxsize=1_000)
def _nearest(name: str) -> str | None:
    """Return the policy with the most similar name, or with the same one in another path."""
    by_name = aws_policies().by_name
    close = likely(name, by_name, ALIKE, len(by_name))
    return by_name[close] if close else None


@rule()
def unknown_managed_policy(policy: AwsManagedPolicy) -> Warnings:
    """An AWS managed policy does not exist.

    AWS refuses to attach it.

    Bad:
        policyArns: ["arn:aws:iam::aws:policy/AmazonS3ReadonlyAccess"]
    Good:
        policyArns: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    """
    key = policy.of_aws
    if key and key not in aws_policies().keys:
        found = (
            f"{PREFIX + key!r}, which is not among AWS's {len(aws_policies().keys):,} policies of {aws_policies().date}"
        )
        near = _nearest(key.rpartition("/")[2])
        ask = f"`{commands.show_policy(PREFIX + key)}` says whether it is newer than this list"
        fix = f"did you mean {PREFIX + near!r}? {ask}" if near else ask
        yield (), Mistake(found, f"a managed policy of AWS ({DEPRECATED} lists those that it has deprecated)", fix)
