"""Annotations of a service account that the EKS Pod identity webhook reads.

Source: https://github.com/aws/amazon-eks-pod-identity-webhook (README, "EKS Walkthrough").
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from irsa.rules.leaves import part_at
from irsa.rules.mistakes import Mistake, Place, likely, listed, named
from irsa.rules.trust import DEFAULT_AUDIENCE

PREFIX = "eks.amazonaws.com/"
ROLE_KEY = f"{PREFIX}role-arn"
AUDIENCE = f"{PREFIX}audience"
STS_REGIONAL_ENDPOINTS = f"{PREFIX}sts-regional-endpoints"
TOKEN_EXPIRATION = f"{PREFIX}token-expiration"
# The Kubernetes provider takes these annotations for instructions. By two of them, a patch takes over fields of others:
# https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
OF_PULUMI = "pulumi.com/"
PATCH_FORCE = f"{OF_PULUMI}patchForce"
_TAKES_OVER = (PATCH_FORCE, f"{OF_PULUMI}patchFieldManager")
# How the names begin that the Kubernetes provider gives to its field managers, one for each patch.
_PATCH_MANAGER = "pulumi-kubernetes-"
# The annotations that irsa writes, each with the argument that it writes it from; the role's ARN comes from the role.
WRITTEN_FROM: Mapping[str, Sequence[Place]] = {
    ROLE_KEY: (),
    AUDIENCE: (("audience",),),
    STS_REGIONAL_ENDPOINTS: (("service_account", "sts_regional_endpoints"),),
    TOKEN_EXPIRATION: (("service_account", "token_expiration"),),
}
POD_ONLY = {
    f"{PREFIX}skip-containers": "an annotation of Pods: set it in the Pod template",
    f"{PREFIX}skip-pod-identity-webhook": "a label of Pods: set it in the Pod template",
}


def check_annotation_key(key: str) -> str:
    """Return the key of a caller's annotation when it is neither the webhook's nor an instruction to Pulumi.

    Raises:
        Mistake: It is one of them.
    """
    if not key.startswith(OF_PULUMI):
        return check_webhook_key(key)
    found, fix = f"{key!r}, which is an instruction to Pulumi's Kubernetes provider", "remove it"
    if key not in _TAKES_OVER:
        raise Mistake(found, "annotations of service accounts", fix)
    fix += "; to overwrite annotations of an existing service account that somebody else wrote, set {} to true"
    raise Mistake(found, "annotations of service accounts", fix, ("service_account", "take_over"))


def check_webhook_key(key: str) -> str:
    """Return the key of an annotation when it is not the webhook's.

    Raises:
        Mistake: irsa writes it, it is for Pods only, or it is misspelled.
    """
    if key in POD_ONLY:
        found = f"{key!r} has no effect on a service account"
        raise Mistake(found, "annotations of service accounts", f"remove it; it is {POD_ONLY[key]}")
    if key in WRITTEN_FROM:
        fix = "remove it, and set {}" if WRITTEN_FROM[key] else "remove it"
        raise Mistake(f"{key!r}, which irsa writes itself", "your own annotations", fix, *WRITTEN_FROM[key])
    close = meant_by(key)
    if close is None:
        return key
    arguments = WRITTEN_FROM.get(close, ())
    # Under the name that is meant, it would be refused, too.
    fix = f"remove it{', and set {}' if arguments else ''}: irsa writes {close!r} itself"
    fix = f"remove it: {close!r} is {POD_ONLY[close]}" if close in POD_ONLY else fix
    raise Mistake(f"{key!r} is not an annotation of the EKS webhook", "your own annotations", fix, *arguments)


# Most service accounts of a cluster have the same few keys.
@functools.lru_cache(10_000)
def meant_by(key: str) -> str | None:
    """Return the annotation of the webhook that a key means, which may be misspelled; None where it means none."""
    prefix, slash, name = key.partition("/")
    # A typo or two in it.
    if not slash or likely(f"{prefix}/", [PREFIX], least=0.85) is None:
        return None
    return likely(f"{PREFIX}{name}", [*WRITTEN_FROM, *POD_ONLY], least=0)


def webhook_annotations(
    role_arn: str,
    audience: str | None = None,
    sts_regional_endpoints: bool | None = None,
    token_expiration: int | None = None,
) -> Mapping[str, str]:
    """Return the annotations for these settings; a setting that is None adds none.

    Args:
        role_arn: ARN of the role, with its path.
        audience: The audience of the token; the webhook's default, sts.amazonaws.com, is not written.
        sts_regional_endpoints: Whether AWS SDKs use the regional STS endpoint.
        token_expiration: Lifetime of the token in seconds.
    """
    values = {
        ROLE_KEY: role_arn,
        AUDIENCE: None if audience == DEFAULT_AUDIENCE else audience,
        STS_REGIONAL_ENDPOINTS: None if sts_regional_endpoints is None else str(sts_regional_endpoints).lower(),
        TOKEN_EXPIRATION: None if token_expiration is None else str(token_expiration),
    }
    return {key: value for key, value in values.items() if value is not None}


def managers_of(annotation: str, managed: Iterable[tuple[str, Any]]) -> list[str]:
    """Return the field managers that own an annotation, sorted.

    Args:
        annotation: The key of the annotation.
        managed: The manager and its `fieldsV1`, of each entry of `metadata.managedFields`:
            https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    path = ("f:metadata", "f:annotations", f"f:{annotation}")
    return sorted({manager for manager, fields in managed if part_at(fields, path) is not None})


def conflicts(
    service_account: str,
    declared: Mapping[str, str],
    live: Mapping[str, str],
    managed: Iterable[tuple[str, Any]],
    take_over: str,
) -> Iterator[str]:
    """Yield a warning for each annotation of the webhook that the API server will not let a patch overwrite.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts

    Args:
        service_account: `namespace/name`.
        declared: The annotations that the patch writes.
        live: The annotations that the service account has.
        managed: As in `managers_of`.
        take_over: How the caller spells the argument `take_over`.
    """
    managed = tuple(managed)
    for key in WRITTEN_FROM:
        if key not in declared or live.get(key, declared[key]) == declared[key]:
            continue
        managers = managers_of(key, managed)
        by = f", written by {listed(managers)}" if managers else ""
        # A program cannot know whether the one manager is its own.
        alone = [each.startswith(_PATCH_MANAGER) for each in managers] == [True]
        condition = "if that is another stack or component, " if alone else ""
        yield (
            f"service account {named(service_account)} has {key}: {named(live[key])}{by}; "
            f"{condition}Kubernetes refuses to overwrite it, unless {take_over} is true"
        )
