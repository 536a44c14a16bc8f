"""`irsa:defaults`, merged into the arguments of the bindings."""

from collections.abc import Mapping
from typing import Any

from irsa.rules.leaves import mapping_of
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, POD_IDENTITY
from irsa_config.models import Defaults
from irsa_config.stack import Binding

OF_THE_ROLE = ("path", "permissions_boundary", "max_session_duration")
OF_THE_TOKENS = ("sts_regional_endpoints", "token_expiration")


def with_defaults(args: Mapping[str, Any], defaults: Defaults) -> dict[str, Any]:
    """Return the arguments of a binding and, where it has none, the defaults for them, all by their names."""
    merged = _with(args, defaults, "identity")
    identity = Binding(merged).identity
    if IRSA in identity.trusted:
        merged = _with(merged, defaults, "audience")
    role = merged.get("role", {})
    if isinstance(role, dict) and "arn" not in role and (role := _with(role, defaults, "tags", *OF_THE_ROLE)):
        merged["role"] = role
    if isinstance(merged.get("policy"), dict):
        merged["policy"] = _with(merged["policy"], defaults, "tags", "path")
    if isinstance(merged.get("service_account"), dict):
        names = OF_THE_TOKENS if IRSA in identity.trusted else ()
        service_account = _with(merged["service_account"], defaults, "namespace", *names)
        merged["service_account"] = {"namespace": DEFAULT_NAMESPACE, **service_account}
    if POD_IDENTITY in identity.used and isinstance(merged.get("pod_identity", {}), dict):
        merged["pod_identity"] = _with(merged.get("pod_identity", {}), defaults, "tags")
    return merged


def _with(args: Mapping[str, Any], defaults: Defaults, *names: str) -> dict[str, Any]:
    """Return the arguments with these defaults, of which the tags are merged one by one."""
    found = {name: value for name in names if (value := getattr(defaults, name)) not in (None, {})}
    own, further = args.get("tags"), found.get("tags")
    if isinstance(own, dict | Unknown) and further:
        # Where one of the two is not known, the other one is judged all the same.
        args = {**args, "tags": {**mapping_of(further), **mapping_of(own)}}
    return {**args, **{name: value for name, value in found.items() if name not in args}}
