"""Lint rules about the policies that a role has."""

from collections.abc import Iterator

from irsa.evaluation.lint.managed_policies import AwsManagedPolicy
from irsa.evaluation.lint.rule import Warnings, rule, statements
from irsa.rules.mistakes import Mistake, Place, path_of
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown, has_unknown, is_there, known_or, may_be_there, or_else
from irsa_config.lint.checked import CheckedBinding

# Policies that compare with a tag of the session, `aws:PrincipalTag/...`: EKS Pod Identity sends it, IRSA does not.
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEBSCSIDriverEKSClusterScopedPolicy.html
WITH_SESSION_TAG = {
    "AmazonEBSCSIDriverEKSClusterScopedPolicy": "eks-cluster-name",
    "AmazonSageMakerSpacesControllerPolicy": "eks-cluster-arn",
    "AmazonSageMakerSpacesRouterPolicy": "eks-cluster-arn",
}


def managed_policies(checked: CheckedBinding) -> Iterator[tuple[Place, AwsManagedPolicy]]:
    """Yield the managed policies of a role, each with its place."""
    for index, arn in checked.policy_arns:
        yield (*checked.place, "policyArns", index), AwsManagedPolicy(arn)
    boundary = checked.declared.role.permissions_boundary
    if isinstance(boundary, str):
        yield (*checked.place, "role", "permissionsBoundary"), AwsManagedPolicy(boundary, is_boundary=True)


@rule()
def grants_nothing(checked: CheckedBinding) -> Warnings:
    """A role has no permissions.

    Every request of its Pods is denied.

    "By default, users and roles have no permissions; permissions must be granted with a policy":
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html

    Bad:
        policyArns: []
    Good:
        policyArns: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    """
    declared, documents = checked.declared, checked.documents
    # It may be an existing one.
    if may_be_there(declared.role.arn) or declared.policy_arns or declared.assume_role_arns or declared.policies:
        return
    if declared.policy and is_there(declared.policy.add_on):
        return
    inline = or_else(declared.inline_policies, {})
    policies = [*(["policy"] if declared.policy else []), *([inline] if isinstance(inline, Unknown) else inline)]
    if any(each.allows for _, document, written in documents for _, each in statements(document, written)):
        return
    if len(documents) < len(policies) or any(has_unknown(document) for _, document, _ in documents):
        return
    found = "policies that only deny" if policies else "a role without policies: it may do nothing"
    allowed = "permissions, in policy, policies, policyArns, inlinePolicies or assumeRoleArns"
    fix = "add them; or, where a resource's own policy names the role, silence the rule with that reason"
    yield checked.place, Mistake(found, allowed, fix)


@rule()
def attached_twice(checked: CheckedBinding) -> Warnings:
    """A role has the same policy twice.

    A role has at most 10 managed policies by default, and whoever removes one of the two changes nothing.

    Bad:
        inlinePolicies:
          read:
            document:
              Version: "2012-10-17"
              Statement: [{Effect: Allow, Action: "s3:ListAllMyBuckets", Resource: "*"}]
          list:
            document:
              Version: "2012-10-17"
              Statement: [{Effect: Allow, Action: "s3:ListAllMyBuckets", Resource: "*"}]
    Good:
        inlinePolicies:
          read:
            document:
              Version: "2012-10-17"
              Statement: [{Effect: Allow, Action: "s3:ListAllMyBuckets", Resource: "*"}]
    """
    index_of: dict[str, int | str] = {}
    policy = checked.declared.policy
    name, path = (policy.name, or_else(policy.path, "/")) if policy else (None, None)
    created = f"{path}{name}".lstrip("/") if isinstance(name, str) and isinstance(path, str) else None
    for index, arn in checked.policy_arns:
        here = (*checked.place, "policyArns", index)
        if index_of.setdefault(arn, index) != index:
            found = f"{arn!r} is also {path_of(('policyArns', index_of[arn]))}"
            yield here, Mistake(found, "each policy once", "remove one of them")
        # Any other policy that can be attached is in the role's AWS account.
        if arn.partition(":policy/")[2] == created and ":iam::aws:" not in arn:
            found = f"{arn!r} is the policy that this binding creates and attaches"
            yield here, Mistake(found, "each policy once", "remove it from policyArns")
    source_of: dict[str, Place] = {}
    for source, document, _ in checked.documents if checked.documents[1:] else ():
        if has_unknown(document):
            continue
        first = source_of.setdefault(minified(document), source)
        if first != source:
            found = f"the same document as {path_of(first[2:])}"
            yield source, Mistake(found, "each policy once", "remove one of them")


@rule()
def session_tag_policy(checked: CheckedBinding) -> Warnings:
    """A managed policy of AWS allows only what has a tag of the session, and IRSA sends none.

    By IRSA, the policy allows nothing.

    Bad:
        policyArns: ["arn:aws:iam::aws:policy/AmazonEBSCSIDriverEKSClusterScopedPolicy"]
        identity: irsa
    Good:
        policies: [{addOn: ebs-csi, version: v1.58.0, clusterNames: [my-cluster]}]
        identity: irsa
    """
    without = [way for way in checked.binding.identity.trusted if not way.has_tags]
    for place, policy in managed_policies(checked) if without else ():
        tag = WITH_SESSION_TAG.get(policy.of_aws)
        if tag and tag not in known_or(checked.declared.role.tags, {}):
            found = f"{policy.of_aws}, which allows only what has the session's tag {tag}: {without[0]} sends none"
            fix = f"set identity to podIdentity, or tag the role with {tag}, where it is for one cluster"
            if policy.of_aws.startswith("AmazonEBSCSIDriver"):
                fix = "write policies: [{addOn: ebs-csi}] in its place, which names the clusters"
            yield place, Mistake(found, "a policy that needs no tag of the session", fix)
