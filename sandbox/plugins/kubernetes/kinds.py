"""The kinds that the stand-in knows: their paths in the API, and what cannot change in place."""

from typing import NamedTuple

from sandbox.plugins.serving import ProviderError

IDENTITY = (("metadata", "name"), ("metadata", "namespace"))


class Kind(NamedTuple):
    """One kind of the Kubernetes API."""

    path: str
    plural: str
    namespaced: bool = True
    replaced_by: tuple[tuple[str, ...], ...] = ()


_CORE, _APPS = "/api/v1", "/apis/apps/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"

_KINDS = {
    "core/v1:ConfigMap": Kind(_CORE, "configmaps", replaced_by=(("data",), ("binaryData",))),
    "core/v1:Namespace": Kind(_CORE, "namespaces", namespaced=False),
    "core/v1:ServiceAccount": Kind(_CORE, "serviceaccounts"),
    "apps/v1:Deployment": Kind(_APPS, "deployments", replaced_by=(("spec", "selector"),)),
    "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy": Kind(
        _ADMISSION, "validatingadmissionpolicies", namespaced=False
    ),
    "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding": Kind(
        _ADMISSION, "validatingadmissionpolicybindings", namespaced=False
    ),
}


def token_of(resource_type: str) -> str:
    """Return the token alone: in a URN the types of the parents stand before it, each with a `$`."""
    return resource_type.rsplit("$", 1)[-1].removeprefix("kubernetes:")


def is_patch(resource_type: str) -> bool:
    """Return whether the type patches an object that somebody else manages."""
    return resource_type.endswith("Patch") and token_of(resource_type).removesuffix("Patch") in _KINDS


def kind_of(resource_type: str) -> Kind:
    """Return the kind behind a resource type, for a patch the kind that it patches."""
    token = token_of(resource_type)
    kind = _KINDS.get(token) or _KINDS.get(token.removesuffix("Patch"))
    if kind is None:
        raise ProviderError(f'the stand-in Kubernetes plugin does not know the resource type "kubernetes:{token}"')
    return kind


def api_version_and_kind(resource_type: str) -> tuple[str, str]:
    """Return `apiVersion` and `kind` as a manifest spells them."""
    group_version, name = token_of(resource_type).split(":")
    return group_version.removeprefix("core/"), name.removesuffix("Patch") if is_patch(resource_type) else name


def replaced_by(resource_type: str) -> tuple[tuple[str, ...], ...]:
    """Return the fields whose change needs a new object."""
    return IDENTITY if is_patch(resource_type) else (*IDENTITY, *kind_of(resource_type).replaced_by)
