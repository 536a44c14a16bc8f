"""What irsa reads in the answers of AWS and Kubernetes. Each answer is checked once, where it enters. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError, PartlyReadError
from irsa_world.message import first_few

Answer = TypeVar("Answer")

# A type. Or a pattern of a string. Or a list, with the shape of its items. Or a tuple: one value of a shape, or a list
# of some. Or a mapping with the shapes of its keys: a key that ends with `!` is required, and `*` is any other key.
Shape = Any
# A document of IAM has 8 levels at most, and irsa reads no deeper in an object of Kubernetes.
DEEPEST = 50
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"
TYPES = {str: "a string", bool: "true or false", int: "an integer", dict: "a mapping", list | None: "a list"}


def fault(value: Any, shape: Shape) -> str:
    """Return the first thing in an answer that does not have its shape, as a sentence; empty where all has."""
    return TOO_DEEP if is_too_deep(value) else next(_faults(value, shape, ""), "")


def checked_answer(action: str, answer: Answer, shape: Shape) -> Answer:
    """Return the answer to an action if it has the shape.

    Raises:
        CouldNotLookError: The answer has another shape.
    """
    if wrong := fault(answer, shape):
        raise CouldNotLookError(f"{action}: irsa cannot read the answer: {wrong}")
    return answer


def read_items(question: str, items: Iterable[Any], shape: Shape, of: Callable[[Any], Any]) -> list[Any]:
    """Return what is wanted of each item of a list.

    Args:
        question: The question that the list answers.
        items: The items.
        shape: Their shape.
        of: Returns what is wanted of an item.

    Raises:
        PartlyReadError: Some items do not have the shape.
    """
    readable, wrong = list[Any](), list[str]()
    for number, each in enumerate(items, 1):
        if problem := fault(each, shape):
            wrong.append(f"object {number}: {problem}")
        else:
            readable.append(of(each))
    if wrong:
        raise PartlyReadError(f"{question}: irsa cannot read {'; '.join(first_few(wrong))}", readable)
    return readable


def is_too_deep(value: Any) -> bool:
    """Return whether lists and mappings are nested deeper than anything that irsa reads."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, Mapping | list)
            for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
    return bool(level)


def _faults(value: Any, shape: Shape, place: str) -> Iterator[str]:
    where = named(place) if place else "it"
    if isinstance(shape, tuple):
        yield from _faults(value if isinstance(value, list) else [value], list(shape), place)
    elif isinstance(shape, list):
        if isinstance(value, list):
            for number, each in enumerate(value):
                yield from _faults(each, shape[0], f"{place}[{number}]")
        else:
            yield f"{where} is not a list"
    elif isinstance(shape, Mapping):
        if isinstance(value, Mapping):
            yield from _faults_of_keys(value, shape, f"{place}." if place else "")
        else:
            yield f"{where} is not a mapping"
    elif isinstance(shape, re.Pattern):
        if not (isinstance(value, str) and shape.fullmatch(value)):
            yield f"{where} is not what it is called"
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is int):
        yield f"{where} is not {TYPES[shape]}"


def _faults_of_keys(value: Mapping[Any, Any], shape: Mapping[str, Shape], prefix: str) -> Iterator[str]:
    shapes = {key.removesuffix("!"): inner for key, inner in shape.items()}
    for key in shape:
        if key.endswith("!") and key[:-1] not in value:
            yield f"{named(prefix + key[:-1])} is missing"
    for key, inner in value.items():
        if (expected := shapes.get(str(key), shapes.get("*"))) is not None:
            yield from _faults(inner, expected, f"{prefix}{key}")


TEXTS = {"*": str}

# --- AWS -------------------------------------------------------------------------------------------------------------

ROLE_ARN, POLICY_ARN = (re.compile(rf"arn:[\w-]+:iam::([0-9]{{12}}|aws):{kind}/.+") for kind in ("role", "policy"))
_PROVIDER_ARN = re.compile(r"arn:[\w-]+:iam::[0-9]{12}:oidc-provider/.+")
_ASSOCIATION_ARN = re.compile(r"arn:[\w-]+:eks:[\w-]+:[0-9]{12}:podidentityassociation/[^/]+/.+")
_CLUSTER_ARN = re.compile(r"arn:[\w-]+:eks:[\w-]+:[0-9]{12}:cluster/[0-9A-Za-z][\w-]*")
CALLER = {"Account!": re.compile("[0-9]{12}"), "Arn!": re.compile(r"arn:[\w-]+:.+")}
_TAGS = [{"Key!": str, "Value!": str}]
_STATEMENT = {
    "Sid": str,
    "Effect!": str,
    **dict.fromkeys(("Action", "NotAction", "Resource", "NotResource"), (str,)),
    "Condition": {"*": {"*": (object,)}},
}
# The document of a policy. That of a trust policy is checked by `evaluation.document.parse`, which says more.
DOCUMENT = {"Version": str, "Statement!": (_STATEMENT,)}
_ROLE = {
    "Arn!": ROLE_ARN,
    "RoleId!": str,
    "Tags": _TAGS,
    "AttachedManagedPolicies": [{"PolicyArn!": POLICY_ARN}],
    "RolePolicyList": [{"PolicyName!": str, "PolicyDocument!": DOCUMENT}],
}
_POLICY = {"Arn!": POLICY_ARN, "DefaultVersionId!": str, "Description": str, "Tags": _TAGS}
_VERSION = {"VersionId!": str, "Document": DOCUMENT}
_CLUSTER = {
    "arn!": _CLUSTER_ARN,
    "status": str,
    "identity": {"oidc": {"issuer": str}},
    "endpoint": str,
    "certificateAuthority": {"data": str},
    "computeConfig": {"enabled": bool},
}
_SUMMARY = {"associationArn!": _ASSOCIATION_ARN, "associationId!": str, "namespace!": str, "serviceAccount!": str}
_TEXTS_OF_ASSOCIATION = ("clusterArn", "targetRoleArn", "ownerArn", "policy", "externalId")
_ASSOCIATION = {
    **_SUMMARY,
    **dict.fromkeys(_TEXTS_OF_ASSOCIATION, str),
    "roleArn!": ROLE_ARN,
    "disableSessionTags": bool,
    "tags": TEXTS,
}
JOB = {"JobId!": str}
LAST_USE = [{"ServiceNamespace!": str, "TrackedActionsLastAccessed": [{"ActionName!": str}]}]
# By operation and element of its answer; of a list, the shape of its items.
OF_AWS: Mapping[str, Shape] = {
    "GetRole.Role": _ROLE,
    "ListRoles.Roles": _ROLE,
    "GetAccountAuthorizationDetails.RoleDetailList": _ROLE,
    "GetAccountAuthorizationDetails.Policies": {**_POLICY, "PolicyVersionList!": [_VERSION]},
    "ListAttachedRolePolicies.AttachedPolicies": {"PolicyArn!": POLICY_ARN},
    "ListRolePolicies.PolicyNames": str,
    "GetRolePolicy.PolicyDocument": DOCUMENT,
    "GetPolicy.Policy": _POLICY,
    "GetPolicyVersion.PolicyVersion": {"Document!": DOCUMENT},
    "GetOpenIDConnectProvider.ClientIDList": [str],
    "ListPolicies.Policies": {"Arn!": POLICY_ARN, "IsAttachable!": bool},
    "ListOpenIDConnectProviders.OpenIDConnectProviderList": [{"Arn!": _PROVIDER_ARN}],
    "GetAccountSummary.SummaryMap": {"*": int},
    "ListClusters.clusters": str,
    "DescribeCluster.cluster": _CLUSTER,
    "DescribeAddon.addon": {"status": str},
    "ListPodIdentityAssociations.associations": {**_SUMMARY, "ownerArn": str},
    "DescribePodIdentityAssociation.association": _ASSOCIATION,
}

# --- Kubernetes ------------------------------------------------------------------------------------------------------

_METADATA = {
    "name!": str,
    "namespace": str,
    "uid": str,
    "deletionTimestamp": str,
    "annotations": TEXTS,
    "labels": TEXTS,
    "managedFields": [{"manager": str, "fieldsV1": {"f:metadata": {"f:annotations": dict}}}],
    "ownerReferences": [{"kind!": str, "name!": str, "controller": bool}],
}
_CONTAINERS = [{"name!": str, "env": [{"name!": str, "value": str}]}]
_SOURCES = [{"serviceAccountToken": {"audience": str}}]
_POD_SPEC = {
    "serviceAccountName": str,
    "nodeName": str,
    "nodeSelector": TEXTS,
    "os": {"name": str},
    "initContainers": _CONTAINERS,
    "containers!": _CONTAINERS,
    "volumes": [{"projected": {"sources": _SOURCES}}],
}
_LABELS = {"matchLabels": TEXTS, "matchExpressions": [{"key!": str, "operator!": str, "values": [str]}]}
_BINDING_SPEC = {
    "policyName": str,
    "paramRef": {"name": str, "namespace": str},
    "validationActions": [str],
    "matchResources": {"namespaceSelector": _LABELS},
}
_IN_NAMESPACE = {"metadata!": {**_METADATA, "namespace!": str}}
# By resource; an object of any other resource has metadata alone that is read.
OF_KUBERNETES: Mapping[str, Shape] = {
    "serviceaccounts": _IN_NAMESPACE,
    "pods": {**_IN_NAMESPACE, "spec!": _POD_SPEC, "status": {"phase": str}},
    "configmaps": {**_IN_NAMESPACE, "data": TEXTS},
    "validatingadmissionpolicybindings": {"metadata!": _METADATA, "spec!": _BINDING_SPEC},
    "validatingadmissionpolicies": {"metadata!": _METADATA, "spec!": dict},
}
OBJECT: Shape = {"metadata!": _METADATA}
LIST = {"kind!": re.compile("[A-Za-z]*List"), "metadata": {"continue": str}, "items!": list | None}
TOKEN = {"status!": {"token!": str}}
ISSUER = {"issuer!": re.compile(".+", re.DOTALL)}
