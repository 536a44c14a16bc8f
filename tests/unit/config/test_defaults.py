"""`irsa:defaults` in the bindings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.defaults import with_defaults
from config.models import Binding, Stack
from irsa.rules.identity import SHORT

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
POLICY = {"document": {"Version": "2012-10-17", "Statement": []}}


def merged(binding: dict[str, Any], defaults: dict[str, Any]) -> Binding:
    values = {"cluster": {"name": "cc"}, "defaults": defaults, "bindings": {"a": binding}}
    return with_defaults(Stack.model_validate(values)).bindings["a"]


def test_a_binding_without_its_own_gets_them_all() -> None:
    """Protects the promise of docs/stack-file.md: each default reaches the part of the binding that it is for."""
    binding = merged({"serviceAccount": {"name": "a"}, "policy": POLICY}, DEFAULTS)

    assert binding.audience == "ci"
    assert (binding.role.path, binding.role.max_session_duration) == ("/team/", 7200)
    assert binding.role.permissions_boundary == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    assert binding.role.tags == {"team": "a", "cost": "1"}
    assert binding.policy is not None
    assert (binding.policy.path, binding.policy.tags) == ("/team/", {"team": "a", "cost": "1"})
    assert binding.service_account is not None
    assert (binding.service_account.namespace, binding.service_account.token_expiration) == ("team-a", 3600)
    assert binding.service_account.sts_regional_endpoints is True


def test_its_own_come_first() -> None:
    """Protects a binding that says otherwise, also with false; tags are merged key by key."""
    binding = merged(
        {
            "serviceAccount": {"name": "a", "namespace": "b", "stsRegionalEndpoints": False, "tokenExpiration": 600},
            "role": {"path": "/own/", "maxSessionDuration": 3600, "tags": {"team": "own"}},
            "policy": {**POLICY, "path": "/p/", "tags": {"cost": "2"}},
            "audience": "own",
        },
        DEFAULTS,
    )

    assert binding.audience == "own"
    assert (binding.role.path, binding.role.max_session_duration) == ("/own/", 3600)
    assert binding.role.tags == {"team": "own", "cost": "1"}
    assert binding.policy is not None
    assert (binding.policy.path, binding.policy.tags) == ("/p/", {"team": "a", "cost": "2"})
    assert binding.service_account is not None
    assert (binding.service_account.namespace, binding.service_account.token_expiration) == ("b", 600)
    assert binding.service_account.sts_regional_endpoints is False


def test_an_existing_role_gets_none() -> None:
    """Protects roles of others: defaults of created roles are not for them, those of the account are."""
    arn = "arn:aws:iam::111122223333:role/r"
    binding = merged({"serviceAccount": {"name": "a"}, "role": {"arn": arn}}, DEFAULTS)

    assert (binding.role.path, binding.role.permissions_boundary, binding.role.max_session_duration) == (None,) * 3
    assert binding.role.tags == {}
    assert binding.service_account is not None
    assert binding.service_account.namespace == "team-a"


def test_without_defaults_only_the_namespace_is_filled_in() -> None:
    """Protects what is left to AWS and the webhook; Kubernetes' own namespace is `default`.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces
    """
    found = merged({"serviceAccount": {"name": "a"}}, {})
    assert (found.audience, found.role.path, found.role.tags, found.policy) == (None, None, {}, None)
    assert found.service_account is not None
    assert (found.service_account.namespace, found.service_account.token_expiration) == ("default", None)


def test_no_service_account_comes_from_defaults() -> None:
    """Protects a role for subjects alone: a default namespace makes no account."""
    assert merged({"trust": {"subjects": ["a:b"]}}, DEFAULTS).service_account is None


PARTS: dict[str, Any] = {
    "serviceAccount": {"name": "a"},
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
    """Protects from IRSA where EKS Pod Identity is the default, whatever else the binding says."""
    binding = {part: PARTS[part] for part in parts} | ({} if own is None else {"identity": own})
    found = merged(binding, {**DEFAULTS, "identity": default})
    assert found.identity == (default if own is None else own)
    # Beside the keys of a stack file, nothing is added.
    assert {*vars(found)} == {*Binding.model_fields}


@pytest.mark.parametrize("settings", [{}, {"sessionTags": True}])
@pytest.mark.parametrize("identity", ["irsa", {"irsa": "used", "podIdentity": "trusted"}])
def test_tags_are_for_an_association_that_is_there(identity: Any, settings: dict[str, Any]) -> None:
    """Protects a binding of IRSA: tags of all bindings say nothing of an association that it does not have."""
    binding = {"serviceAccount": {"name": "a"}, "identity": identity, "podIdentity": settings}
    found = merged(binding, DEFAULTS)
    assert found.pod_identity is not None
    assert found.pod_identity.tags == {}
