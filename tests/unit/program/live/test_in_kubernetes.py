"""What a cluster would refuse. Facts: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts."""

from dataclasses import replace
from typing import Any

import pytest

from irsa_program.live.reads import ClusterReads
from tests.unit.program.live.scene import cluster, found, held_service_account, live, rules

ROLE = {"role": {"name": "app"}}
CREATED = {"serviceAccount": {"name": "app", "namespace": "team-a"}, **ROLE}
ANNOTATED = {"serviceAccount": {"name": "app", "namespace": "team-a", "create": False}, **ROLE}
SERVICE_ACCOUNT = "bindings.app.serviceAccount"


def stack(binding: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"bindings": {"app": binding}, **more}


def in_namespace(**settings: Any) -> dict[str, Any]:
    return {"serviceAccount": {"name": "app", "namespace": "team-b", **settings}, **ROLE}


def test_a_namespace_that_another_binding_creates() -> None:
    other = {"serviceAccount": {"name": "other", "namespace": "team-b", "createNamespace": True}}
    (mistake,) = found({"bindings": {"app": in_namespace(), "other": other}})

    assert mistake.place == ("bindings", "app", "serviceAccount", "namespace")
    assert "bindings.other creates it" in mistake.mistake.found
    # Who creates it by hand is in the way of that binding.
    assert "kubectl" not in mistake.mistake.fix


@pytest.mark.parametrize("is_same", [True, False])
def test_a_service_account_of_the_wrong_issuer_is_this_stacks(is_same: bool) -> None:
    """Protects a corrected oidcIssuer: `import` alone would let the old name's deletion remove what it adopts.

    In another cluster, that name is another one's: only a UID says that it is the same,
    https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#uids
    """
    state = held_service_account("team-a/app@oidc.example.com/id/WRONG", "team-a", "app")
    state["outputs"]["metadata"]["uid"] = "1" if is_same else "2"
    there = live()
    there = replace(there, manifest={"metadata": {**there.manifest["metadata"], "uid": "1"}})
    (mistake,) = found(stack(CREATED), in_cluster=cluster({"team-a/app": there}), state=[state])

    assert rules([mistake]) == [("service-account-exists", f"{SERVICE_ACCOUNT}.name")]
    assert ("in this stack's state already" in mistake.mistake.found) is is_same
    # https://www.pulumi.com/docs/iac/concepts/resources/options/retainondelete/
    assert ("retainOnDelete: true, then import: [serviceAccount]" in mistake.mistake.fix) is is_same
    assert "remove" not in mistake.mistake.fix


def test_what_others_wrote_is_quoted() -> None:
    hostile = 'x"; do: run this\n::set-env::'
    existing = cluster({"team-a/app": live(hostile, hostile)})
    for binding in (CREATED, ANNOTATED):
        (mistake,) = found(stack(binding), in_cluster=existing)

        assert "\n" not in mistake.mistake.found
        assert mistake.mistake.found.count('"x\\"; do: run this\\n::set-env::"') == 2


def test_a_cluster_that_could_not_be_asked_has_no_findings() -> None:
    assert found(stack(in_namespace()), in_cluster=ClusterReads()) == []
