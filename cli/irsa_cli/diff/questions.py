"""Which question each property of a resource belongs to: what none is asked of cannot be told, and stops a gate. Pure.

The properties are those of Pulumi's plugins: https://www.pulumi.com/registry/packages/aws/api-docs/
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from irsa import outputs, types
from irsa.rules.mistakes import named
from irsa_cli.diff.rows import CANNOT_TELL, Row
from irsa_world.state.preview import DEFAULTS, DELETE, REPLACE, Step
from irsa_world.state.resource import Resource, is_secret, known_text

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
# Types that give somebody something in IAM or EKS.
GIVING = re.compile(r"aws:iam/|aws-native:iam:|aws:eks/(access|podIdentity)|aws-native:eks:(Access|PodIdentity)")
_OF_TYPE = "irsa does not compare what resources of this type give:"
_OF_PROPERTY = "irsa does not compare what this property gives:"


def not_compared(steps: Iterable[Step]) -> Iterator[Row]:
    """Yield what changes and may give somebody something, of which nothing is asked."""
    for each in steps:
        type_, name = each.resource.type, each.resource.name
        if not GIVING.match(type_):
            continue
        reasons = [f"{_OF_TYPE} {named(type_)}"]
        if type_ in QUESTIONS:
            compared = " ".join(QUESTIONS[type_].values()).split()
            reasons = [f"{_OF_PROPERTY} {named(one)}" for one in changed_properties(each) if one not in compared]
        if reasons:
            yield Row("permission", "changes", f"what {named(name)} gives", CANNOT_TELL, reasons, role=name)


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
    """Yield what is deleted or replaced."""
    for each in steps:
        resource = each.resource
        if each.operation in {DELETE, REPLACE} and resource.type not in GROUPS:
            kind = resource.type.rpartition(":")[2]
            yield Row("resource", each.operation, f"{named(kind)} {named(name_of(resource))}")


def name_of(resource: Resource) -> str:
    """Return the name of a resource in AWS or Kubernetes, or its logical name."""
    return known_text(resource.inputs.get("name")) or resource.text("metadata", "name") or resource.name
