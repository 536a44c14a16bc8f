"""EKS Pod Identity's associations, and EKS add-ons, which moto does not have.

Sources: CreatePodIdentityAssociation and its neighbours, CreateAddon and DescribeAddon in
https://docs.aws.amazon.com/eks/latest/APIReference/. What EKS answers and no page says has its source beside it.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from moto.backends import get_backend
from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.eks.models import Cluster, EKSBackend
from moto.eks.responses import EKSResponse
from moto.eks.urls import url_paths
from moto.utilities.utils import get_partition

from sandbox.faster_moto import role_named
from sandbox.sts_decision import CannotDecideError, listed, trusts_service
from sandbox.web_identity import ROLE_ARN

SERVICE = "pods.eks.amazonaws.com"
ACTIONS = ("sts:AssumeRole", "sts:TagSession")
PAGE = 100
# What the API answers of each in a list.
SUMMARY = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn")
SETTINGS = ("roleArn", "disableSessionTags", "targetRoleArn", "policy")
# Where the add-ons of EKS run that may have associations.
ADDON_NAMESPACE = "kube-system"
# https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/eks/pod_identity_association.go
NO_ROLE = "Role provided in the request does not exist."
# https://github.com/hashicorp/terraform-provider-aws/issues/41483
NO_TRUST = "Trust policy of the role provided is invalid"
# https://github.com/eksctl-io/eksctl/issues/8718
OTHER_ACCOUNT = "Cross-account pass role is not allowed"
Association = dict[str, Any]


STATUS = {"NotFoundException": 404, "ResourceInUseException": 409, "ResourceNotFoundException": 404}


class EksError(AWSError):
    """What EKS or EKS Auth answers where it refuses."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message, code, status or STATUS.get(code, 400))


def add_pod_identity() -> None:
    """Add these operations to moto's classes."""
    for operation in OPERATIONS:
        setattr(EKSResponse, operation.__name__, operation)
    for path in ("pod-identity-associations", "addons"):
        for name in ("", "/(?P<id>[^/]+)"):
            url_paths[f"{{0}}/clusters/(?P<name>[^/]+)/{path}{name}$"] = EKSResponse.dispatch
    EKSResponse.create_cluster = _create_cluster  # type: ignore[method-assign,assignment]
    EKSResponse.untag_resource = _untag_resource  # type: ignore[method-assign]
    for name, method in TAGGING.items():
        setattr(EKSBackend, name, method)


def associations_of(cluster: Cluster) -> dict[str, Association]:
    """Return a cluster's associations by ID, each as the API answers it."""
    kept: dict[str, Association] = vars(cluster).setdefault("pod_identity_associations", {})
    return kept


def addons_of(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return a cluster's add-ons by name, likewise."""
    kept: dict[str, dict[str, Any]] = vars(cluster).setdefault("addons", {})
    return kept


def cluster_named(backend: EKSBackend, name: str) -> Cluster:
    """Return a cluster, its issuer as the sandbox has it."""
    if name not in backend.clusters:
        raise EksError("ResourceNotFoundException", f"No cluster found for name: {name}.")
    return backend.describe_cluster(name)


def role_of(arn: str) -> Any:
    """Return the role with this ARN, None if there is none."""
    parts = ROLE_ARN.fullmatch(arn)
    found = parts and role_named(get_backend("iam")[parts[2]][parts[1]], parts[3])
    return found if found and found.arn == arn else None


# -- associations


def create_pod_identity_association(self: EKSResponse) -> ActionResult:
    cluster, body = _cluster(self), _body(self)
    return ActionResult({"association": _create(self.eks_backend, cluster, body)})


def _create(backend: EKSBackend, cluster: Cluster, body: Mapping[str, Any]) -> Association:
    kept = associations_of(cluster)
    namespace, service_account = body["namespace"], body["serviceAccount"]
    for each in kept.values():
        if (each["namespace"], each["serviceAccount"]) == (namespace, service_account):
            # https://github.com/eksctl-io/eksctl/issues/7753
            raise EksError("ResourceInUseException", f"Association already exists: {each['associationId']}")
    # Of one token there is one association, here with one ID: that of the showcase is written in its stack file.
    token = str(body.get("clientRequestToken") or uuid.uuid4())
    association_id = f"a-{hashlib.sha256(token.encode()).hexdigest()[:17]}"
    now = utcnow()
    association: Association = {
        "clusterName": cluster.name,
        "namespace": namespace,
        "serviceAccount": service_account,
        "associationArn": _arn(backend, "podidentityassociation", cluster.name, association_id),
        "associationId": association_id,
        "tags": dict(body.get("tags") or {}),
        "createdAt": now,
        "modifiedAt": now,
        "disableSessionTags": False,
    }
    kept[association_id] = association | _settings(backend, association, body)
    return kept[association_id]


def update_pod_identity_association(self: EKSResponse) -> ActionResult:
    association = _own_association(self)
    association |= _settings(self.eks_backend, association, _body(self)) | {"modifiedAt": utcnow()}
    associations_of(_cluster(self))[association["associationId"]] = association
    return ActionResult({"association": association})


def delete_pod_identity_association(self: EKSResponse) -> ActionResult:
    association = _own_association(self)
    return ActionResult({"association": associations_of(_cluster(self)).pop(association["associationId"])})


def describe_pod_identity_association(self: EKSResponse) -> ActionResult:
    return ActionResult({"association": _association(self)})


def list_pod_identity_associations(self: EKSResponse) -> ActionResult:
    wanted = {name: self._get_param(name) for name in ("namespace", "serviceAccount") if self._get_param(name)}
    after, most = self._get_param("nextToken") or "", min(int(self._get_param("maxResults") or PAGE), PAGE)
    kept = associations_of(_cluster(self))
    found = [kept[key] for key in sorted(kept) if key > after and wanted.items() <= kept[key].items()]
    page = [{name: each[name] for name in SUMMARY if name in each} for each in found[:most]]
    more = {"nextToken": page[-1]["associationId"]} if len(found) > most else {}
    return ActionResult({"associations": page, **more})


def _settings(backend: EKSBackend, association: Association, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an association's settings after a request: what it does not name stays, an empty text takes it away.

    Empty text: https://github.com/aws-controllers-k8s/eks-controller/pull/164
    """
    given = {name: body[name] for name in SETTINGS if body.get(name) is not None}
    settings = {**{name: association.get(name) for name in SETTINGS}, **given}
    if "roleArn" in given:
        _check_role(backend, given["roleArn"])
    names = (backend.region_name, backend.account_id, *(association[name] for name in SUMMARY[:3]))
    external = "/".join(names) if settings["targetRoleArn"] else None
    return {
        **settings,
        **{name: settings[name] or None for name in ("targetRoleArn", "policy")},
        "externalId": external,
    }


def _check_role(backend: EKSBackend, arn: str) -> None:
    parts = ROLE_ARN.fullmatch(arn)
    if not parts or parts[2] != backend.account_id:
        # IAM answers in the place of EKS.
        raise EksError("AccessDeniedException", OTHER_ACCOUNT, 403)
    role = role_of(arn)
    if role is None:
        raise EksError("InvalidParameterException", NO_ROLE)
    if not any(map(_admits_pods, listed(json.loads(role.assume_role_policy_document)["Statement"]))):
        raise EksError("InvalidParameterException", NO_TRUST)


def _admits_pods(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement admits EKS under some condition: EKS does not know the Pods yet."""
    unconditional = {key: value for key, value in statement.items() if key != "Condition"}
    try:
        return trusts_service({"Statement": [unconditional]}, SERVICE, ACTIONS, {})
    except CannotDecideError:
        return False


def _association(self: EKSResponse) -> Association:
    association_id = self._get_param("associationId")
    found = associations_of(_cluster(self)).get(association_id)
    if found is None:
        raise EksError("ResourceNotFoundException", f"The association {association_id} was not found.")
    return found


def _own_association(self: EKSResponse) -> Association:
    association = _association(self)
    if association.get("ownerArn"):
        raise EksError("InvalidRequestException", f"The association is owned by the add-on {association['ownerArn']}")
    return association


# -- add-ons


def create_addon(self: EKSResponse) -> ActionResult:
    cluster, body, name = _cluster(self), _body(self), self._get_param("addonName")
    if name in addons_of(cluster):
        raise EksError("ResourceInUseException", "Addon already exists.")
    namespace = (body.get("namespaceConfig") or {}).get("namespace", ADDON_NAMESPACE)
    arn, now = _arn(self.eks_backend, "addon", cluster.name, name, str(uuid.uuid4())), utcnow()
    owned = [
        _create(self.eks_backend, cluster, {"namespace": namespace, **each})
        for each in body.get("podIdentityAssociations") or []
    ]
    for association in owned:
        association["ownerArn"] = arn
    addons_of(cluster)[name] = {
        "addonName": name,
        "clusterName": cluster.name,
        "status": "ACTIVE",
        "addonVersion": body.get("addonVersion", "v1.3.10-eksbuild.3"),
        "health": {"issues": []},
        "addonArn": arn,
        "createdAt": now,
        "modifiedAt": now,
        "tags": body.get("tags") or {},
        "podIdentityAssociations": [each["associationArn"] for each in owned],
    }
    return ActionResult({"addon": addons_of(cluster)[name]})


def describe_addon(self: EKSResponse) -> ActionResult:
    cluster, name = _cluster(self), self._get_param("addonName")
    if name not in addons_of(cluster):
        raise EksError("ResourceNotFoundException", f"No addon: {name} found in cluster: {cluster.name}")
    return ActionResult({"addon": addons_of(cluster)[name]})


def delete_addon(self: EKSResponse) -> ActionResult:
    describe_addon(self)
    cluster = _cluster(self)
    addon = addons_of(cluster).pop(self._get_param("addonName"))
    kept = associations_of(cluster)
    for each in [each for each in kept.values() if each.get("ownerArn") == addon["addonArn"]]:
        del kept[each["associationId"]]
    return ActionResult({"addon": addon})


# -- what they share


def _create_cluster_as_auto_mode(
    create: Callable[[EKSResponse], ActionResult],
) -> Callable[[EKSResponse], ActionResult]:
    def create_cluster(self: EKSResponse) -> ActionResult:
        answer: Any = create(self)
        answer.result["cluster"].compute_config = self._get_param("computeConfig")
        return ActionResult(answer.result)

    return create_cluster


_create_cluster = _create_cluster_as_auto_mode(EKSResponse.create_cluster)


def _untag_resource(self: EKSResponse) -> ActionResult:
    # moto takes the first key away only.
    self.eks_backend.untag_resource(self._extract_arn_from_path(), self.querystring["tagKeys"])
    return ActionResult({})


def _tags_of(backend: EKSBackend, arn: str) -> dict[str, str]:
    """Return the tags of an association; those of nothing else are asked for."""
    for cluster in backend.clusters.values():
        for association in associations_of(cluster).values():
            if association["associationArn"] == arn:
                tags: dict[str, str] = association["tags"]
                return tags
    raise EksError("NotFoundException", "Resource was not found")


def _untag(backend: EKSBackend, arn: str, keys: list[str]) -> None:
    for key in keys:
        _tags_of(backend, arn).pop(key, None)


TAGGING: Mapping[str, Callable[..., Any]] = {
    "tag_resource": lambda backend, arn, tags: _tags_of(backend, arn).update(tags),
    "untag_resource": _untag,
    "list_tags_for_resource": _tags_of,
}


def _cluster(self: EKSResponse) -> Cluster:
    return cluster_named(self.eks_backend, self.uri_match["name"])


def _body(self: EKSResponse) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(self.body or "{}")
    return body


def _arn(backend: EKSBackend, *parts: str) -> str:
    place = f"arn:{get_partition(backend.region_name)}:eks:{backend.region_name}:{backend.account_id}"
    return f"{place}:{'/'.join(parts)}"


OPERATIONS = (
    create_pod_identity_association,
    update_pod_identity_association,
    delete_pod_identity_association,
    describe_pod_identity_association,
    list_pod_identity_associations,
    create_addon,
    describe_addon,
    delete_addon,
)
