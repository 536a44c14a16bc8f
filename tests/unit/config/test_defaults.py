from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.ways import SHORT
from irsa_config.loading import read_settings

DEFAULTS: dict[str, Any] = {
    "namespace": "team-a",
    "audience": "ci",
    "path": "/team/",
    "permissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "maxSessionDuration": 7200,
    "tags": {"team": "a", "cost": "1"},
    "stsRegionalEndpoints": True,
    "tokenExpiration": 3600,
}
APP = {"serviceAccount": {"name": "a"}}
POLICY = {"document": {"Version": "2012-10-17", "Statement": []}}


def merged(binding: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    settings = read_settings({"defaults": defaults, "bindings": {"a": binding}}, Path("/nowhere"))
    return dict(settings.stack.bindings["a"].args)


def test_a_binding_without_its_own_gets_them_all() -> None:
    assert merged({**APP, "policy": POLICY}, DEFAULTS) == {
        "audience": "ci",
        "role": {
            "path": "/team/",
            "max_session_duration": 7200,
            "permissions_boundary": DEFAULTS["permissionsBoundary"],
            "tags": DEFAULTS["tags"],
        },
        "policy": {**POLICY, "path": "/team/", "tags": DEFAULTS["tags"]},
        "service_account": {
            "name": "a",
            "namespace": "team-a",
            "token_expiration": 3600,
            "sts_regional_endpoints": True,
        },
    }


def test_its_own_come_first() -> None:
    own = {
        "serviceAccount": {"name": "a", "namespace": "b", "stsRegionalEndpoints": False, "tokenExpiration": 600},
        "role": {"path": "/own/", "maxSessionDuration": 3600, "permissionsBoundary": "x", "tags": {"team": "own"}},
        "policy": {**POLICY, "path": "/p/", "tags": {"cost": "2"}},
        "audience": "own",
    }
    without, found = merged(own, {}), merged(own, DEFAULTS)
    without["role"]["tags"] = {"team": "own", "cost": "1"}
    without["policy"]["tags"] = {"team": "a", "cost": "2"}
    assert found == without


def test_an_existing_role_gets_none() -> None:
    existing = {"arn": "arn:aws:iam::111122223333:role/r"}
    found = merged({**APP, "role": existing}, DEFAULTS)
    assert found["role"] == existing
    assert found["service_account"]["namespace"] == "team-a"


def test_without_defaults_only_the_namespace_is_filled_in() -> None:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces."""
    assert merged(APP, {}) == {"service_account": {"name": "a", "namespace": "default"}}


def test_no_service_account_comes_from_defaults() -> None:
    assert "service_account" not in merged({"trust": {"subjects": ["a:b"]}}, DEFAULTS)


PARTS: dict[str, Any] = {
    **APP,
    "role": {"path": "/own/"},
    "policy": POLICY,
    "podIdentity": {"sessionTags": False},
    "trust": {"subjects": ["a:b"]},
}


@given(
    st.sets(st.sampled_from([*PARTS])),
    st.sampled_from([*SHORT, {"irsa": "trusted", "podIdentity": "used"}]),
    st.sampled_from([None, *SHORT]),
)
def test_the_way_to_the_role_is_that_of_the_binding_else_the_default(
    parts: set[str], default: Any, own: str | None
) -> None:
    binding = {part: PARTS[part] for part in parts} | ({} if own is None else {"identity": own})
    assert merged(binding, {**DEFAULTS, "identity": default})["identity"] == (default if own is None else own)


@pytest.mark.parametrize("settings", [{}, {"sessionTags": True}])
@pytest.mark.parametrize("identity", ["irsa", {"irsa": "used", "podIdentity": "trusted"}])
def test_tags_are_for_an_association_that_is_there(identity: Any, settings: dict[str, Any]) -> None:
    assert "tags" not in merged({**APP, "identity": identity, "podIdentity": settings}, DEFAULTS)["pod_identity"]
