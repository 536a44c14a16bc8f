"""Which question each property of a resource belongs to: what none is asked of cannot be told, and stops a gate. Pure.

The properties are those of Pulumi's plugins: https://www.pulumi.com/registry/packages/aws/api-docs/
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from irsa import types
from irsa.rules.mistakes import named

# Who may assume a role, what it may do, what a guard stops; and what decides none of these.
WHO, WHAT, GUARD, TEXT = "who", "what", "guard", ""


@dataclass(frozen=True)
class Undecided:
    """A role, or what gives something to one, of which irsa cannot tell whether more is allowed.

    Attributes:
        role: Name of the role; of another resource, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        reason: Why.
    """

    role: str
    role_arn: str
    reason: str


class Kind(NamedTuple):
    """What is asked of resources of a type.

    Attributes:
        word: What they are called.
        properties: The question of each property; of one that is not here, none.
        document: The property that is a policy document; empty without one.
        title: What that document is called.
    """

    word: str
    properties: Mapping[str, str] = {}
    document: str = ""
    title: str = ""


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
        "assumeRolePolicy",
        "trust policy",
    ),
    types.POLICY: Kind(
        "policy",
        {**_asked(WHAT, *_NAMES, "policy"), **_asked(TEXT, *_TAGS, "description", "delayAfterPolicyCreationInMs")},
        "policy",
        "policy document",
    ),
    types.INLINE_POLICY: Kind(
        "inline policy", _asked(WHAT, "name", "namePrefix", "role", "policy"), "policy", "policy document"
    ),
    types.ATTACHMENT: Kind("policy attachment", _asked(WHAT, "role", "policyArn")),
    types.POLICY_ATTACHMENT: Kind("policy attachment", {**_asked(WHAT, "roles", "policyArn"), "name": TEXT}),
    types.POD_IDENTITY_ASSOCIATION: Kind(
        "association",
        {
            **_asked(WHO, "clusterName", "region", "namespace", "serviceAccount", "roleArn", "targetRoleArn"),
            **_asked(WHAT, "disableSessionTags", "policy"),
            **_asked(TEXT, *_TAGS),
        },
        "policy",
        "session policy",
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
NOT_COMPARED = "irsa does not compare what resources of this type give:"
PROPERTY_NOT_COMPARED = "irsa does not compare what this property gives:"


def not_compared(changed: Iterable[tuple[str, str, Iterable[str]]]) -> Iterator[Undecided]:
    """Yield what changes and may give somebody something, of which nothing is asked.

    Changed are types, logical names, and the properties that change.
    """
    for type_, name, properties in changed:
        if not GIVING.match(type_):
            continue
        if type_ not in KINDS:
            yield Undecided(name, "", f"{NOT_COMPARED} {named(type_)}")
            continue
        for each in properties:
            if each not in KINDS[type_].properties and each != "protect":
                yield Undecided(name, "", f"{PROPERTY_NOT_COMPARED} {named(each)}")
