"""What IAM, EKS and a cluster would refuse, beside what tests/sandbox/test_conflicts.py walks with the engine.

Names: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, unique per AWS account, upper or lower
case; quotas: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; EKS:
https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html; Kubernetes:
https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts.
"""

from dataclasses import replace
from typing import Any

import pytest

from irsa_program.live.in_eks import missing_agents
from irsa_program.live.reads import ClusterReads
from irsa_world.model import Association
from tests.unit.program.live.scene import (
    HOST,
    S3,
    account,
    arn,
    cluster,
    found,
    held_association,
    held_provider,
    held_role,
    held_service_account,
    live,
    rules,
    whole,
)

PROVIDER = arn("oidc-provider", HOST)


def app(**binding: Any) -> dict[str, Any]:
    return {"bindings": {"app": {"serviceAccount": {"name": "app"}, **binding}}}


def half(resource: dict[str, Any], id_: str) -> dict[str, Any]:
    """Return a resource that AWS created, and then did not describe: the bridge keeps its ID and what was planned."""
    outputs = {key: value for key, value in resource["outputs"].items() if key != "arn"}
    return {**resource, "id": id_, "inputs": outputs, "outputs": outputs, "initErrors": ["AccessDenied"]}


def test_what_the_state_holds_for_another_binding_is_a_conflict() -> None:
    """Another binding's role, or this one's, has an automatic name, which is written here.

    An import would not save it: the engine deletes what the state has under the former name, after the import.
    """
    # The new role is created before the state's one is deleted: its name must be free.
    gets_it = found(app(role={"name": "app-role"}), account([arn("role", "app-role")]), state=[held_role("app", "x")])
    assert rules(gets_it) == [("role-exists", "bindings.app.role.name")]
    state = held_role("before", "app-role")
    for adopted, before in ({}, state), ({"import": ["role"]}, state), ({}, half(state, "app-role")):
        values = app(role={"name": "app-role"}, **adopted)
        *_, mistake = found(values, account([arn("role", "app-role")]), state=[before])

        assert rules([mistake]) == [("role-exists", "bindings.app.role.name")]
        assert "in this stack's state already, as before" in mistake.mistake.found
        assert "import: [role]" not in mistake.mistake.fix


def test_a_policy_that_cannot_be_attached() -> None:
    """IsAttachable is false for a policy that AWS has deprecated.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html
    """
    for arns, place in (([S3], "[0]"), ({"k": S3}, ".k")):
        (mistake,) = found(app(policyArns=arns), replace(account(), policies={S3: False}))

        assert rules([mistake]) == [("policy-missing", f"bindings.app.policyArns{place}")]
        assert "no longer be attached" in mistake.mistake.found


def test_a_provider_of_this_stack_may_exist() -> None:
    values = {**app(), "cluster": {"name": "my-cluster", "createOidcProvider": True}}
    existing = account(providers=frozenset({PROVIDER}))

    for state in (held_provider(HOST, PROVIDER), half(held_provider(HOST, PROVIDER), PROVIDER)):
        assert {each.rule for each in found(values, existing, state=[state])} <= {"failed-update"}


def test_without_the_state_nothing_is_called_a_conflict() -> None:
    existing = account([arn("role", "app-role")], [arn("policy", "app-policy")])
    values = app(role={"name": "app-role"}, policyArns=[arn("policy", "x")])

    assert rules(found(values, existing, state=None)) == [("policy-missing", "bindings.app.policyArns[0]")]


# EKS


OURS = f"team-a/app@{HOST}"
PODS = {"serviceAccount": {"name": "app", "namespace": "team-a"}, "role": {"name": "app"}, "identity": "both"}


def stack(**more: Any) -> dict[str, Any]:
    return {"bindings": {"app": {**PODS, **more}}}


def listed(name: str = "app", association_id: str = "a-1", owner: str = "") -> Association:
    return Association("", "team-a", name, "", association_id, owner_arn=owner)


def in_eks(*there: Association, has_agent: bool | None = True) -> ClusterReads:
    associations = {(each.namespace, each.service_account): each for each in there}
    return cluster(has_agent=has_agent, associations=associations)


def test_an_association_of_the_stack() -> None:
    there = in_eks(listed())

    assert found(stack(), in_cluster=there, state=[held_association(OURS, "a-1")]) == []
    (mistake,) = found(stack(), in_cluster=there, state=[held_association("team-a/app@another", "a-1")])
    assert rules([mistake]) == [("association-exists", "bindings.app.identity")]
    assert "in this stack's state" in mistake.mistake.found
    assert "the cluster and the service account" in mistake.mistake.fix
    (mistake,) = found(stack(), in_cluster=there)
    assert "association" in mistake.mistake.allowed
    # Without the state, it may be the stack's own; an agent is nothing of it.
    assert [each.rule for each in found(stack(), in_cluster=in_eks(listed(), has_agent=False), state=None)] == [
        "agent-missing"
    ]


@pytest.mark.parametrize(
    ("access", "options"),
    [
        ({"profile": "data"}, "--profile data"),
        # Whoever pastes it knows which profile assumes the role.
        ({"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}, "--profile PROFILE"),
    ],
)
def test_a_command_acts_on_the_aws_account_of_its_cluster(access: dict[str, str], options: str) -> None:
    of_data = {"name": "my-cluster", "account": "data", "region": "eu-west-1"}
    values = {**stack(), "accounts": {"data": access}, "cluster": of_data}
    (mistake,) = missing_agents(whole(values, clusters={"cluster": in_eks(has_agent=False)}))

    assert mistake.mistake.fix.endswith(f" --region eu-west-1 {options}")


# Kubernetes


ROLE = {"role": {"name": "app"}}
CREATED = {"serviceAccount": {"name": "app", "namespace": "team-a"}, **ROLE}
ANNOTATED = {"serviceAccount": {"name": "app", "namespace": "team-a", "create": False}, **ROLE}


def bound(binding: dict[str, Any]) -> dict[str, Any]:
    return {"bindings": {"app": binding}}


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
    """In another cluster, that name is another one's: only a UID says that it is the same.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#uids
    """
    state = held_service_account("team-a/app@oidc.example.com/id/WRONG", "team-a", "app")
    state["outputs"]["metadata"]["uid"] = "1" if is_same else "2"
    there = live()
    there = replace(there, manifest={"metadata": {**there.manifest["metadata"], "uid": "1"}})
    (mistake,) = found(bound(CREATED), in_cluster=cluster({"team-a/app": there}), state=[state])

    assert rules([mistake]) == [("service-account-exists", "bindings.app.serviceAccount.name")]
    assert ("in this stack's state already" in mistake.mistake.found) is is_same
    # https://www.pulumi.com/docs/iac/concepts/resources/options/retainondelete/
    assert ("retainOnDelete: true, then import: [serviceAccount]" in mistake.mistake.fix) is is_same
    assert "remove" not in mistake.mistake.fix


def test_what_others_wrote_is_quoted() -> None:
    hostile = 'x"; do: run this\n::set-env::'
    existing = cluster({"team-a/app": live(hostile, hostile)})
    for binding in (CREATED, ANNOTATED):
        (mistake,) = found(bound(binding), in_cluster=existing)

        assert "\n" not in mistake.mistake.found
        assert mistake.mistake.found.count('"x\\"; do: run this\\n::set-env::"') == 2


def test_a_cluster_that_could_not_be_asked_has_no_findings() -> None:
    assert found(bound(in_namespace()), in_cluster=ClusterReads()) == []
