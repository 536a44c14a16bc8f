"""EKS's Pod Identity association, with the calls of the official plugin.

Source: https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/eks/pod_identity_association.go
"""

from collections.abc import Mapping
from typing import Any

from sandbox.plugins.aws import documents
from sandbox.plugins.aws.calls import failing_as, found
from sandbox.plugins.aws.connection import Connection
from sandbox.plugins.aws.resource_type import TAGS, Property, ResourceType, document
from sandbox.plugins.serving import Plain, ProviderError

_GONE = "ResourceNotFoundException"
_WHAT = "EKS Pod Identity Association"
_SETTINGS = ("disableSessionTags", "policy", "roleArn", "targetRoleArn")


def _client(connection: Connection, values: Plain) -> Any:
    return connection.client("eks", values.get("region") or connection.region)


def _settings(inputs: Plain) -> Plain:
    """Return what create and update send: what is not set is left out."""
    values = {"disableSessionTags": False, **inputs}
    return {name: values[name] for name in _SETTINGS if values.get(name) is not None}


def _create(connection: Connection, inputs: Plain) -> str:
    client = _client(connection, inputs)
    tags = {"tags": inputs["tagsAll"]} if inputs.get("tagsAll") else {}
    place = {name: inputs[name] for name in ("clusterName", "namespace", "serviceAccount")}
    with failing_as(f"creating {_WHAT}", client):
        answer = client.create_pod_identity_association(**place, **_settings(inputs), **tags)
    return str(answer["association"]["associationId"])


def _imported(resource_id: str) -> Plain:
    """Return what an import ID says; the official plugin takes a region behind an @ for every type."""
    names, _, region = resource_id.partition("@")
    cluster, _, association_id = names.partition(",")
    if not (cluster and association_id) or "," in association_id:
        raise ProviderError(f"unexpected format for ID ({names}), expected cluster-name,association-id")
    return {"clusterName": cluster, "associationId": association_id, "region": region}


def _read(connection: Connection, resource_id: str, state: Plain) -> Plain | None:
    known = {"associationId": resource_id, **state} if state.get("clusterName") else _imported(resource_id)
    client, association_id = _client(connection, known), known["associationId"]
    with failing_as(f"reading {_WHAT} ({association_id})", client):
        answer = found(
            client.describe_pod_identity_association,
            _GONE,
            clusterName=known["clusterName"],
            associationId=association_id,
        )
    if answer is None:
        return None
    association = answer["association"]
    stored, policy = state.get("policy"), association.get("policy")
    names = ("clusterName", "namespace", "serviceAccount", "roleArn", "associationArn", "associationId", "externalId")
    return {
        **{name: association.get(name) for name in names},
        "disableSessionTags": bool(association.get("disableSessionTags")),
        # What was imported has this ID from then on, too.
        "id": association_id,
        "policy": stored if stored and policy and documents.equivalent(stored, policy) else policy,
        "region": known.get("region") or connection.region,
        "tagsAll": association.get("tags") or {},
        "targetRoleArn": association.get("targetRoleArn"),
    }


def _update(connection: Connection, association_id: str, olds: Plain, news: Plain) -> Plain | None:
    client = _client(connection, olds)
    old, new = olds.get("tagsAll") or {}, news.get("tagsAll") or {}
    arn = olds["associationArn"]
    with failing_as(f"updating tags for {_WHAT} ({arn})", client):
        if old.keys() - new.keys():
            client.untag_resource(resourceArn=arn, tagKeys=sorted(old.keys() - new.keys()))
        if new.items() - old.items():
            client.tag_resource(resourceArn=arn, tags=dict(new.items() - old.items()))
    if all(ASSOCIATION.properties[name].same(olds.get(name), news.get(name)) for name in _SETTINGS):
        return None
    with failing_as(f"updating {_WHAT} ({association_id})", client):
        client.update_pod_identity_association(
            clusterName=olds["clusterName"], associationId=association_id, **_settings(news)
        )
    # EKS keeps what the request leaves out. The official plugin does not look: its state has what was planned.
    return {name: news.get(name) for name in ("policy", "targetRoleArn")}


def _delete(connection: Connection, association_id: str, state: Plain) -> None:
    client = _client(connection, state)
    with failing_as(f"deleting {_WHAT} ({association_id})", client, unless=_GONE):
        client.delete_pod_identity_association(clusterName=state["clusterName"], associationId=association_id)


ASSOCIATION = ResourceType(
    properties={
        "clusterName": Property(required=True, replaces=True),
        "namespace": Property(required=True, replaces=True),
        "serviceAccount": Property(required=True, replaces=True),
        "roleArn": Property(required=True),
        "disableSessionTags": Property(),
        "targetRoleArn": Property(),
        "policy": document(required=False),
        "region": Property(replaces=True, computed=True),
        **TAGS,
    },
    outputs=("associationArn", "associationId", "disableSessionTags", "externalId"),
    create=_create,
    read=_read,
    update=_update,
    delete=_delete,
    described_as=_WHAT,
)

TYPES: Mapping[str, ResourceType] = {"aws:eks/podIdentityAssociation:PodIdentityAssociation": ASSOCIATION}
