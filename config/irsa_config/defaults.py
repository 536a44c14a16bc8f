"""`irsa:defaults`, merged into the keys of the bindings."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.unknown import WRONG, Unknown, has_unknown
from irsa.ways import IRSA, ONLY_IRSA, POD_IDENTITY, Identity, parse_identity
from irsa_config.models import Defaults, Team

OF_THE_ROLE = ("path", "permissions_boundary", "max_session_duration")
KEYS = {name: str(each.alias) for name, each in Defaults.model_fields.items()}
OF_THE_TOKENS = ("sts_regional_endpoints", "token_expiration")


class Limits(NamedTuple):
    """The limits of a team's bindings."""

    name: str
    """The team's."""
    team: Team
    defaults: Defaults
    """`irsa:defaults`, with what the team's `role` has in their place."""


def limits_of(name: str, team: Team, defaults: Defaults) -> Limits:
    """Return the limits of a team."""
    role = team.role
    names = ("path", "permissions_boundary")
    own = {key: WRONG if isinstance(role, Unknown) else getattr(role, key) for key in names}
    return Limits(name, team, defaults.model_copy(update={key: each for key, each in own.items() if each is not None}))


def identity_in(tree: Any) -> Identity:
    """Return how the Pods of a binding get their role; where that is wrong or not known, as by default."""
    written = mapping_of(tree).get("identity")
    try:
        return ONLY_IRSA if written is None or has_unknown(written) else parse_identity(written)
    except Mistake:
        return ONLY_IRSA


def with_defaults(tree: Mapping[str, Any], defaults: Defaults, limits: Limits | None = None) -> dict[str, Any]:
    """Return the keys of a binding and, where it has none, the defaults for them, or what its team has."""
    if limits:
        defaults, clusters = limits.defaults, limits.team.clusters
        tree = {"clusters": clusters, **tree} if clusters else tree
    merged = _with(tree, defaults, "identity")
    identity = identity_in(merged)
    if IRSA in identity.trusted:
        merged = _with(merged, defaults, "audience")
    role = merged.get("role", {})
    if isinstance(role, dict) and "arn" not in role and (role := _with(role, defaults, "tags", *OF_THE_ROLE)):
        merged["role"] = role
    if isinstance(merged.get("policy"), dict):
        merged["policy"] = _with(merged["policy"], defaults, "tags", "path")
    if isinstance(merged.get("serviceAccount"), dict):
        names = OF_THE_TOKENS if IRSA in identity.trusted else ()
        service_account = _with(merged["serviceAccount"], defaults, "namespace", *names)
        merged["serviceAccount"] = {"namespace": DEFAULT_NAMESPACE, **service_account}
    if POD_IDENTITY in identity.used and isinstance(merged.get("podIdentity", {}), dict):
        merged["podIdentity"] = _with(merged.get("podIdentity", {}), defaults, "tags")
    return merged


def _with(tree: Mapping[str, Any], defaults: Defaults, *names: str) -> dict[str, Any]:
    """Return the keys with these defaults, of which the tags are merged one by one."""
    found = {KEYS[name]: value for name in names if (value := getattr(defaults, name)) not in (None, {})}
    own, further = tree.get("tags"), found.get("tags")
    if isinstance(own, dict | Unknown) and further:
        # Where one of the two is not known, the other one is judged all the same.
        tree = {**tree, "tags": {**mapping_of(further), **mapping_of(own)}}
    return {**tree, **{key: value for key, value in found.items() if key not in tree}}
