"""Lint rules about AWS's managed policies, by the lists in managed_policies.json and replaced_policies.json.

`make generate` writes the first one. Both are of the partition aws: other partitions have other policies.
"""

import functools
import json
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import NamedTuple

from config.lint.add_ons import add_on_of, as_policies
from config.lint.checked import CheckedBinding, Warnings
from irsa.rules import commands
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, Place, likely
from irsa.rules.unknown import sampled

PREFIX = "arn:aws:iam::aws:policy/"
# Policies that compare with a tag of the session, `aws:PrincipalTag/...`: EKS Pod Identity sends it, IRSA does not.
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEBSCSIDriverEKSClusterScopedPolicy.html
WITH_SESSION_TAG = {
    "AmazonEBSCSIDriverEKSClusterScopedPolicy": "eks-cluster-name",
    "AmazonSageMakerSpacesControllerPolicy": "eks-cluster-arn",
    "AmazonSageMakerSpacesRouterPolicy": "eks-cluster-arn",
}
# Most names begin and end with the same words.
ALIKE = 0.8


class Known(NamedTuple):
    """The managed policies of AWS, each by its path and name, such as `service-role/AmazonEBSCSIDriverPolicy`."""

    date: str
    keys: Set[str]
    by_name: Mapping[str, str]
    """By the names alone, in lower case."""


@functools.cache
def known() -> Known:
    """Return the list."""
    read = json.loads(Path(__file__).with_name("managed_policies.json").read_text("ascii"))
    keys = {f"{path}{name}" for path, names in read["names"].items() for name in names.split()}
    return Known(read["date"], keys, {key.rpartition("/")[2].lower(): key for key in sorted(keys)})


@functools.cache
def replaced() -> Mapping[str, Mapping[str, str]]:
    """Return the policies that newer ones replace: `by` which, since which `date`, `why`, and the `source`."""
    read: Mapping[str, Mapping[str, str]] = json.loads(Path(__file__).with_name("replaced_policies.json").read_bytes())
    return read


@functools.cache
def nearest_policy(key: str) -> str | None:
    """Return the policy with the most similar name, or with the same one in another path."""
    by_name = known().by_name
    close = likely(key.rpartition("/")[2], by_name, ALIKE, len(by_name))
    return by_name[close] if close else None


def unknown_managed_policy(checked: CheckedBinding) -> Warnings:
    """Yield the managed policies that AWS does not have."""
    for place, key in _of_aws(checked):
        if key not in known().keys and key not in replaced():
            found = f"{PREFIX + key!r}, which is not among AWS's {len(known().keys):,} policies of {known().date}"
            near = nearest_policy(key)
            ask = f"`{commands.show_policy(PREFIX + key)}` says whether it is newer than this list"
            fix = f"did you mean {PREFIX + near!r}? {ask}" if near else ask
            yield place, Mistake(found, "a managed policy of AWS", fix)


def replaced_managed_policy(checked: CheckedBinding) -> Warnings:
    """Yield the managed policies that newer ones replace."""
    for place, key in _of_aws(checked):
        if new := replaced().get(key):
            found = f"{key}, which {new['by']} replaces since {new['date']}: {new['why']}"
            fix = f"write {PREFIX}{new['by']}"
            if "policyArns" in place and (add_on := add_on_of(checked)):
                fix += f"; or, in its place, {as_policies(add_on)}"
            yield place, Mistake(found, f"the policy that replaces it ({new['source']})", fix)


def session_tag_policy(checked: CheckedBinding) -> Warnings:
    """Yield the managed policies that allow nothing in sessions of IRSA, which have no tags."""
    without = [way for way in checked.binding.identity.trusted if not way.has_tags]
    for place, key in _of_aws(checked) if without else ():
        tag = WITH_SESSION_TAG.get(key)
        if tag and tag not in mapping_of(checked.argument("role", "tags")):
            found = (
                f"{key}, which allows only what has the value of the session's tag {tag}: {without[0]} sends no tags"
            )
            fix = f"set identity to podIdentity, or tag the role with {tag}, where it is for one cluster"
            if key.startswith("AmazonEBSCSIDriver"):
                fix = "write policies: [{addOn: ebs-csi}] in its place, which names the clusters"
            yield place, Mistake(found, "a policy that does not compare with tags of the session", fix)


def _of_aws(checked: CheckedBinding) -> Iterator[tuple[Place, str]]:
    """Yield the managed policies of AWS that a role has, in the partition aws: path and name."""
    arns: list[tuple[Place, object]] = [(("policyArns", index), arn) for index, arn in checked.strings("policy_arns")]
    arns.append((("role", "permissionsBoundary"), checked.argument("role", "permissions_boundary")))
    for place, arn in arns:
        if isinstance(arn, str) and arn.startswith(PREFIX) and not sampled(arn):
            yield (*checked.place, *place), arn.removeprefix(PREFIX)
