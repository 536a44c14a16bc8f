"""Which question each property of a resource belongs to: what none is asked of cannot be told, and stops a gate. Pure.

The properties are those of Pulumi's plugins: https://www.pulumi.com/registry/packages/aws/api-docs/
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from irsa import outputs, types
from irsa.rules.mistakes import named
from irsa_cli.diff.rows import CANNOT_TELL, Row
from irsa_world.state.preview import DEFAULTS, DELETE, REPLACE, Step
from irsa_world.state.resource import Resource, is_secret, known_text

# Who may assume a role, what it may do, what a guard stops; and what decides none of these.
WHO, WHAT, GUARD, TEXT = "who", "what", "guard", ""
# Nothing in a cloud changes with these; what is in them has steps of its own.
GROUPS = frozenset({"pulumi:pulumi:Stack", outputs.COMPONENT_TYPE, outputs.GUARD_TYPE})


class Kind(NamedTuple):
    """What is asked of resources of a type.

    Attributes:
        word: What they are called.
        properties: The question of each property; of one that is not here, none.
    """

    word: str
    properties: Mapping[str, str] = {}


_NAMES = ("name", "namePrefix", "path")
_TAGS = ("tags", "tagsAll")
_OBJECT = ("apiVersion", "kind", "metadata")
_OF_ACCOUNT = dict.fromkeys((*_OBJECT, "automountServiceAccountToken", "imagePullSecrets", "secrets"), TEXT)
_OF_NAMESPACE = dict.fromkeys((*_OBJECT, "spec"), TEXT)
_OF_GUARD = dict.fromkeys((*_OBJECT, "spec", "data", "binaryData", "immutable"), GUARD)


def _asked(question: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, question)


KINDS: Mapping[str, Kind] = {
    types.ROLE: Kind(
        "role",
        {
            **_asked(WHO, *_NAMES, "assumeRolePolicy"),
            **_asked(WHAT, *_TAGS, "inlinePolicies", "managedPolicyArns", "permissionsBoundary"),
            **_asked(TEXT, "description", "forceDetachPolicies", "maxSessionDuration"),
        },
    ),
    types.POLICY: Kind(
        "policy",
        {**_asked(WHAT, *_NAMES, "policy"), **_asked(TEXT, *_TAGS, "description", "delayAfterPolicyCreationInMs")},
    ),
    types.INLINE_POLICY: Kind("inline policy", _asked(WHAT, "name", "namePrefix", "role", "policy")),
    types.ATTACHMENT: Kind("policy attachment", _asked(WHAT, "role", "policyArn")),
    types.POLICY_ATTACHMENT: Kind("policy attachment", {**_asked(WHAT, "roles", "policyArn"), "name": TEXT}),
    types.POD_IDENTITY_ASSOCIATION: Kind(
        "association",
        {
            **_asked(WHO, "clusterName", "region", "namespace", "serviceAccount", "roleArn", "targetRoleArn"),
            **_asked(WHAT, "disableSessionTags", "policy"),
            **_asked(TEXT, *_TAGS),
        },
    ),
    types.OIDC_PROVIDER: Kind(
        "OIDC provider", {**_asked(WHO, "url", "clientIdLists"), **_asked(TEXT, *_TAGS, "thumbprintLists")}
    ),
    types.SERVICE_ACCOUNT: Kind("service account", _OF_ACCOUNT),
    types.AWS_PROVIDER: Kind("AWS provider"),
    types.KUBERNETES_PROVIDER: Kind("Kubernetes provider"),
    types.SERVICE_ACCOUNT_PATCH: Kind("annotations of service account", _OF_ACCOUNT),
    types.NAMESPACE: Kind("namespace", _OF_NAMESPACE),
    f"{types.NAMESPACE}Patch": Kind("namespace, if missing,", _OF_NAMESPACE),
    types.CONFIG_MAP: Kind("config map", _OF_GUARD),
    types.ADMISSION_POLICY: Kind("admission policy", _OF_GUARD),
    types.ADMISSION_BINDING: Kind("admission binding", _OF_GUARD),
}
# Types that give somebody something in IAM or EKS.
GIVING = re.compile(r"aws:iam/|aws-native:iam:|aws:eks/(access|podIdentity)")
_OF_TYPE = "irsa does not compare what resources of this type give:"
_OF_PROPERTY = "irsa does not compare what this property gives:"


def not_compared(steps: Iterable[Step]) -> Iterator[Row]:
    """Yield what changes and may give somebody something, of which nothing is asked."""
    for each in steps:
        type_, name = each.resource.type, each.resource.name
        if not GIVING.match(type_):
            continue
        reasons = [f"{_OF_TYPE} {named(type_)}"]
        if kind := KINDS.get(type_):
            reasons = [f"{_OF_PROPERTY} {named(one)}" for one in _changed(each) if one not in kind.properties]
        if reasons:
            yield Row("permission", "changes", f"what {named(name)} gives", CANNOT_TELL, reasons, role=name)


def _changed(step: Step) -> Iterator[str]:
    """Yield the names of the properties that change; of what is deleted none."""
    before, after = step.old.inputs if step.old else {}, step.new.inputs if step.new else {}
    for name in dict.fromkeys((*before, *after) if step.new else ()):
        was, becomes = before.get(name), after.get(name)
        # Two secrets look alike, whether they are or not.
        if name != DEFAULTS and ((was or None) != (becomes or None) or (name in step.reasons and is_secret(becomes))):
            yield name


def resource_rows(steps: Iterable[Step]) -> Iterator[Row]:
    """Yield what is deleted or replaced."""
    for each in steps:
        resource = each.resource
        if each.operation in {DELETE, REPLACE} and resource.type not in GROUPS:
            kind = KINDS.get(resource.type, Kind(named(resource.type)))
            yield Row("resource", each.operation, f"{kind.word} {named(_name(resource))}")


def _name(resource: Resource) -> str:
    return known_text(resource.inputs.get("name")) or resource.text("metadata", "name") or resource.name
