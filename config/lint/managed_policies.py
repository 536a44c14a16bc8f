"""Lint rules about the managed policies of AWS that a role has."""

from collections.abc import Iterator

from config.lint.add_ons import add_on_of, as_policies
from config.lint.checked import CheckedBinding
from irsa.evaluation.lint import managed_policies
from irsa.evaluation.lint.managed_policies import PREFIX
from irsa.evaluation.lint.rule import Warnings, rule
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.unknown import sampled

# Policies that compare with a tag of the session, `aws:PrincipalTag/...`: EKS Pod Identity sends it, IRSA does not.
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEBSCSIDriverEKSClusterScopedPolicy.html
WITH_SESSION_TAG = {
    "AmazonEBSCSIDriverEKSClusterScopedPolicy": "eks-cluster-name",
    "AmazonSageMakerSpacesControllerPolicy": "eks-cluster-arn",
    "AmazonSageMakerSpacesRouterPolicy": "eks-cluster-arn",
}


@rule()
def unknown_managed_policy(checked: CheckedBinding) -> Warnings:
    """An AWS managed policy does not exist."""
    for place, arn in _of_aws(checked):
        if mistake := managed_policies.unknown_managed_policy(arn):
            yield place, mistake


@rule()
def replaced_managed_policy(checked: CheckedBinding) -> Warnings:
    """A newer AWS managed policy replaces one."""
    for place, arn in _of_aws(checked):
        if mistake := managed_policies.replaced_managed_policy(arn):
            add_on = add_on_of(checked) if "policyArns" in place else None
            instead = f"; or, in its place, {as_policies(add_on)}" if add_on else ""
            yield place, Mistake(mistake.found, mistake.allowed, mistake.fix + instead)


@rule()
def session_tag_policy(checked: CheckedBinding) -> Warnings:
    """A managed policy of AWS compares with a tag of the session, which IRSA does not send."""
    without = [way for way in checked.binding.identity.trusted if not way.has_tags]
    for place, arn in _of_aws(checked) if without else ():
        key = arn.removeprefix(PREFIX)
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
    """Yield the managed policies of AWS that a role has, in the partition aws."""
    arns: list[tuple[Place, object]] = [(("policyArns", index), arn) for index, arn in checked.strings("policy_arns")]
    arns.append((("role", "permissionsBoundary"), checked.argument("role", "permissions_boundary")))
    for place, arn in arns:
        if isinstance(arn, str) and arn.startswith(PREFIX) and not sampled(arn):
            yield (*checked.place, *place), arn
