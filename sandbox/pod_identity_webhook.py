"""What EKS's Pod Identity webhook makes of a Pod while it is created.

Source: addEnvToContainer and buildPodPatchConfig in
https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go
"""

import copy
import csv
from collections.abc import Mapping
from typing import Any, NamedTuple

DOMAIN = "eks.amazonaws.com"
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
CREDENTIALS_URI = "http://169.254.170.23/v1/credentials"


class Way(NamedTuple):
    """One of the two ways, as it shows in a Pod."""

    volume: str
    mount_path: str
    token: str
    audience: str
    # The first takes what the way is about, the second the token's file.
    variables: tuple[str, str]


POD_IDENTITY = Way(
    "eks-pod-identity-token",
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
    "eks-pod-identity-token",
    "pods.eks.amazonaws.com",
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
)
IRSA = Way(
    "aws-iam-token",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    "token",
    "sts.amazonaws.com",
    ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
)


def injected(
    pod: Mapping[str, Any], annotations: Mapping[str, str], has_association: bool, region: str = "us-west-2"
) -> dict[str, Any]:
    """Return the Pod as it comes out of the webhook; what it already has wins.

    Args:
        pod: Its manifest.
        annotations: Those of its service account.
        has_association: Whether the webhook knows a Pod Identity association of the service account: it then looks at
            no role in the annotations.
        region: Of the cluster.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(pod))
    # The objectSelector of EKS's webhook configuration: DoesNotExist.
    if f"{DOMAIN}/skip-pod-identity-webhook" in (changed.get("metadata", {}).get("labels") or {}):
        return changed
    role = annotations.get(f"{DOMAIN}/role-arn")
    if not (has_association or role):
        return changed
    way, about = (POD_IDENTITY, CREDENTIALS_URI) if has_association else (IRSA, str(role))
    metadata, spec = changed.setdefault("metadata", {}), changed["spec"]
    own = metadata.get("annotations") or {}
    if has_association:
        metadata["labels"] = {**(metadata.get("labels") or {}), f"{DOMAIN}/pod-identity": "enabled"}
    windows = "windows" in [(spec.get("nodeSelector") or {}).get(f"{each}kubernetes.io/os") for each in ("", "beta.")]
    # getContainersToSkip: the first record, and names as they are.
    skipped = {*next(filter(None, csv.reader(own.get(f"{DOMAIN}/skip-containers", "").splitlines())), ())}
    regional = annotations.get(f"{DOMAIN}/sts-regional-endpoints", "true") == "true"
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        if container["name"] not in skipped:
            _inject(container, way, about, region, regional=regional, windows=windows)
    seconds = own.get(f"{DOMAIN}/token-expiration") or annotations.get(f"{DOMAIN}/token-expiration") or "86400"
    audience = way.audience if has_association else annotations.get(f"{DOMAIN}/audience", way.audience)
    token = {"audience": audience, "expirationSeconds": int(seconds), "path": way.token}
    volume = {"name": way.volume, "projected": {"sources": [{"serviceAccountToken": token}]}}
    volumes = spec.get("volumes") or []
    spec["volumes"] = volumes if way.volume in _names(volumes) else [volume, *volumes]
    return changed


def _inject(container: dict[str, Any], way: Way, about: str, region: str, *, regional: bool, windows: bool) -> None:
    present, mounts = container.get("env") or [], container.get("volumeMounts") or []
    token = f"{way.mount_path}/{way.token}"
    token = "C:" + token.replace("/", "\\") if windows else token
    groups = (
        {"AWS_STS_REGIONAL_ENDPOINTS": "regional"} if regional else {},
        {"AWS_DEFAULT_REGION": region, "AWS_REGION": region},
        dict(zip(way.variables, (about, token), strict=True)),
    )
    # One of a group keeps the others of it away.
    missing = [group for group in groups if not group.keys() & _names(present)]
    added = [{"name": name, "value": value} for group in missing for name, value in group.items()]
    container["env"] = [*present, *added]
    mount = {"name": way.volume, "readOnly": True, "mountPath": way.mount_path}
    container["volumeMounts"] = mounts if way.volume in _names(mounts) else [*mounts, mount]


def _names(entries: list[dict[str, Any]]) -> set[str]:
    return {entry["name"] for entry in entries}
