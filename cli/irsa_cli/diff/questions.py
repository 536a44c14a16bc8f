"""Which question each property of a resource belongs to: what none is asked of cannot be told, and stops a gate. Pure.

The properties are those of Pulumi's plugins: https://www.pulumi.com/registry/packages/aws/api-docs/
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from irsa import outputs, types
from irsa.rules.leaves import leaves
from irsa.rules.mistakes import named
from irsa_cli.diff.rows import CANNOT_TELL, Row
from irsa_world.state.preview import DEFAULTS, DELETE, IMPORT, REPLACE, UPDATE, Step
from irsa_world.state.resource import SECRET_TEXT, Resource, is_secret, known_text

# Who may assume a role, what it may do, what a guard stops; and what decides none of these.
WHO, WHAT, GUARD, TEXT = "who", "what", "guard", ""
# Nothing in a cloud changes with these; what is in them has steps of its own.
GROUPS = frozenset({"pulumi:pulumi:Stack", outputs.COMPONENT_TYPE, outputs.GUARD_TYPE})


_OF_ACCOUNT = {TEXT: "apiVersion kind metadata automountServiceAccountToken imagePullSecrets secrets"}
_OF_NAMESPACE = {TEXT: "apiVersion kind metadata spec"}
_OF_GUARD = {GUARD: "apiVersion kind metadata spec data binaryData immutable"}
# The properties of each type, by their question.
QUESTIONS: Mapping[str, Mapping[str, str]] = {
    types.ROLE: {
        WHO: "name namePrefix path assumeRolePolicy",
        WHAT: "tags tagsAll inlinePolicies managedPolicyArns permissionsBoundary",
        TEXT: "description forceDetachPolicies maxSessionDuration",
    },
    types.POLICY: {
        WHAT: "name namePrefix path policy",
        TEXT: "tags tagsAll description delayAfterPolicyCreationInMs",
    },
    types.INLINE_POLICY: {WHAT: "name namePrefix role policy"},
    types.ATTACHMENT: {WHAT: "role policyArn"},
    types.POLICY_ATTACHMENT: {WHAT: "roles policyArn", TEXT: "name"},
    types.POD_IDENTITY_ASSOCIATION: {
        WHO: "clusterName region namespace serviceAccount roleArn targetRoleArn",
        WHAT: "disableSessionTags policy",
        TEXT: "tags tagsAll",
    },
    types.OIDC_PROVIDER: {WHO: "url clientIdLists", TEXT: "tags tagsAll thumbprintLists"},
    types.SERVICE_ACCOUNT: _OF_ACCOUNT,
    types.AWS_PROVIDER: {},
    types.KUBERNETES_PROVIDER: {},
    types.SERVICE_ACCOUNT_PATCH: _OF_ACCOUNT,
    types.NAMESPACE: _OF_NAMESPACE,
    f"{types.NAMESPACE}Patch": _OF_NAMESPACE,
    types.CONFIG_MAP: _OF_GUARD,
    types.ADMISSION_POLICY: _OF_GUARD,
    types.ADMISSION_BINDING: _OF_GUARD,
}
# Types that give somebody something in IAM or EKS, whatever their properties are.
GIVING = re.compile(
    r"aws:iam/|aws-native:iam:|aws:eks/(access|podIdentity|identityProvider)"
    r"|aws-native:eks:(Access|PodIdentity|IdentityProvider)"
)
# Of any other type, the properties that name a role, a policy, a principal or a service account; and ARNs of IAM.
_NAMING = {
    "aws": re.compile(
        r"role|polic|principal|grantee|pod-?identit|service-?account|instance-?profile|permission-?set", re.IGNORECASE
    ),
    "kubernetes": re.compile(r"service-?account|role-arn", re.IGNORECASE),
}
_OF_PROVIDER = {"aws": "aws", "aws-native": "aws", "eks": "aws", "kubernetes": "kubernetes"}
_IAM_ARN = re.compile(r"\barn:[\w-]+:iam:")
# These name a service account or a role, and give no service account a session: Pods run as the account that they name,
# and roles of EKS's own trust services of AWS.
HARMLESS = re.compile(
    r"kubernetes:(apps|batch)/|kubernetes:core/v1:(Pod|PodTemplate|ReplicationController|Secret)(List|Patch)?$"
    r"|kubernetes:rbac\.authorization\.k8s\.io/|aws:eks/(cluster|nodeGroup|fargateProfile):"
)
# What these give depends on the properties that name somebody alone. Of other types, any property can decide what is
# given to whom they name, as the operations of a grant of KMS.
_USING = re.compile(
    r"kubernetes:|aws:(eks/addon|lambda/function|ecs/\w+|ec2/(instance|launchTemplate)|s3/bucket(V2)?):"
)
# It gives IAM roles access to a cluster: https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html.
AWS_AUTH = "aws-auth"
# A resource that goes gives nothing, unless its policy denied something.
_DENIES = "Deny"
_OF_TYPE = "irsa does not compare what resources of this type give:"
_OF_PROPERTY = "irsa does not compare what this property gives:"


def not_compared(steps: Iterable[Step]) -> Iterator[Row]:
    """Yield what changes and may give somebody something, of which nothing is asked."""
    for step in steps:
        type_, name = step.resource.type, step.resource.name
        reasons = []
        if type_ == types.CONFIG_MAP and step.resource.text("metadata", "name") == AWS_AUTH:
            reasons = [f"{_OF_TYPE} {named(AWS_AUTH)}"]
        elif QUESTIONS.get(type_):
            compared = " ".join(QUESTIONS[type_].values()).split()
            reasons = [f"{_OF_PROPERTY} {named(one)}" for one in changed_properties(step) if one not in compared]
        elif type_ not in QUESTIONS and (GIVING.match(type_) or _names_somebody(step)):
            reasons = [f"{_OF_TYPE} {named(type_)}"]
        if reasons:
            yield Row("permission", "changes", f"what {named(name)} gives", CANNOT_TELL, reasons, role=name)


def _names_somebody(step: Step) -> bool:
    """Return whether a change gives something to a role, a policy, a principal or a service account that is named."""
    type_ = step.resource.type
    naming = _NAMING.get(_OF_PROVIDER.get(type_.partition(":")[0], ""))
    if naming is None or HARMLESS.match(type_):
        return False
    changed = {*changed_properties(step)} - {"tags", "tagsAll"}
    sides = [side.inputs for side in (step.old, step.new) if side]
    if step.operation == UPDATE and _USING.match(type_):
        # A property that is removed is named by the old side.
        sides = [{name: side.get(name) for name in changed} for side in sides]
    texts = [(place, text) for side in sides for place, text in leaves(side) if isinstance(text, str)]
    if step.new is None and not any(_DENIES in text or text == SECRET_TEXT for _, text in texts):
        return False
    names = any((text == place[-1] and naming.search(text)) or _IAM_ARN.search(text) for place, text in texts)
    return names and (bool(changed) or step.new is None)


def changed_properties(step: Step) -> Iterator[str]:
    """Yield the names of the properties that change; of what is deleted none."""
    before, after = step.old.inputs if step.old else {}, step.new.inputs if step.new else {}
    for name in dict.fromkeys((*before, *after) if step.new else ()):
        was, becomes = before.get(name), after.get(name)
        # Two secrets look alike, whether they are or not.
        if name != DEFAULTS and (_plain(was) != _plain(becomes) or (name in step.reasons and is_secret(becomes))):
            yield name


def _plain(value: Any) -> Any:
    """Return a value without what a plugin notes of defaults, which changes with what is shown; nothing is empty."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items() if key != DEFAULTS} or None
    return value


def resource_rows(steps: Iterable[Step]) -> Iterator[Row]:
    """Yield what is deleted, replaced or imported."""
    for each in steps:
        resource = each.resource
        if each.operation in {DELETE, REPLACE, IMPORT} and resource.type not in GROUPS:
            kind = resource.type.rpartition(":")[2]
            # The server removes the fields that the patch wrote.
            stays = "; the object stays" if each.operation == DELETE and kind.endswith("Patch") else ""
            yield Row("resource", each.operation, f"{named(kind)} {named(name_of(resource))}{stays}")


def name_of(resource: Resource) -> str:
    """Return the name of a resource in AWS or Kubernetes, or its logical name."""
    return known_text(resource.inputs.get("name")) or resource.text("metadata", "name") or resource.name
