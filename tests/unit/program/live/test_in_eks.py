"""What EKS would refuse of Pod Identity. Facts: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html."""

from collections.abc import Mapping
from typing import Any

import pytest

from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.reads import ClusterReads
from irsa_world.live.eks import ListedAssociation
from irsa_world.model import Role
from tests.unit.program.live.scene import (
    HOST,
    account,
    arn,
    cluster,
    found,
    held_association,
    held_component,
    rules,
)

OURS = f"team-a/app@{HOST}"
TARGET = "arn:aws:iam::111122223333:role/data"
APP = {"serviceAccount": {"name": "app", "namespace": "team-a"}, "role": {"name": "app"}, "identity": "both"}


def stack(**more: Any) -> dict[str, Any]:
    return {"bindings": {"app": {**APP, **more}}}


def listed(name: str = "app", association_id: str = "a-1", owner: str = "") -> ListedAssociation:
    return ListedAssociation("team-a", name, association_id, owner)


def in_eks(*there: ListedAssociation, has_agent: bool | None = True) -> ClusterReads:
    associations = {(each.namespace, each.service_account): each for each in there}
    return cluster(has_agent=has_agent, associations=associations)


def judged(values: Mapping[str, Any], eks: ClusterReads, **more: Any) -> list[LocatedMistake]:
    return found(values, in_cluster=eks, **more)


def test_an_association_to_adopt() -> None:
    adopted = stack(podIdentity={"importIds": {"cluster": "a-h3yqx9rmsmmvsdwpc"}})

    assert judged(adopted, in_eks(listed(association_id="a-h3yqx9rmsmmvsdwpc"))) == []
    assert [each.rule for each in judged(adopted, in_eks())] == ["import-missing"]


def test_an_association_of_the_stack() -> None:
    there = in_eks(listed())

    assert judged(stack(), there, state=[held_association(OURS, "a-1")]) == []
    (mistake,) = judged(stack(), there, state=[held_association("team-a/app@another", "a-1")])
    assert rules([mistake]) == [("association-exists", "bindings.app.identity")]
    assert "in this stack's state" in mistake.mistake.found
    assert "the cluster and the service account" in mistake.mistake.fix
    (mistake,) = judged(stack(), there)
    assert "association" in mistake.mistake.allowed
    # Without the state, it may be the stack's own; an agent is nothing of it.
    assert [each.rule for each in judged(stack(), in_eks(listed(), has_agent=False), state=None)] == ["agent-missing"]


def test_an_association_that_is_gone() -> None:
    both = held_component(
        "role/app", arn("role", "app"), "team-a/app", identity={"irsa": "used", "podIdentity": "used"}
    )
    association = held_association(OURS, "a-1")
    state = [both, {**association, "parent": both["urn"]}]
    ending = stack(identity={"irsa": "trusted", "podIdentity": "used"})

    (mistake,) = judged(ending, in_eks(), state=state)
    assert rules([mistake]) == [("association-missing", "bindings.app.identity")]
    assert "identity: both" in mistake.mistake.fix
    assert judged(ending, in_eks(listed()), state=state) == []
    assert judged(stack(identity="both"), in_eks(), state=state) == []


def test_more_associations_than_a_cluster_may_have() -> None:
    """5,000 in a cluster, which AWS does not raise: https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html.

    It is said once, where the quota is exceeded.
    """
    several = {
        name: {**APP, "role": {"name": name}, "serviceAccount": {"name": name, "namespace": "team-a"}}
        for name in ("one", "two", "three")
    }
    there = [listed(f"other-{index}", f"a-{index}") for index in range(4_998)]

    assert judged({"bindings": {"one": several["one"], "two": several["two"]}}, in_eks(*there)) == []
    (mistake,) = judged({"bindings": several}, in_eks(*there))
    assert rules([mistake]) == [("quota-reached", "bindings.three.identity")]
    assert "4,998" in mistake.mistake.found
    # One that the state holds is not created.
    held = [held_association(f"team-a/one@{HOST}", "a-1")]
    assert judged({"bindings": several}, in_eks(*there[1:]), state=held) == []


# Roles that Pods go on to assume


def trusting(*actions: str, **more: Any) -> Role:
    statement = {"Effect": "Allow", "Principal": {"AWS": arn("role", "app")}, "Action": [*actions], **more}
    return Role(TARGET, {"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    "settings",
    [
        {"podIdentity": {"sessionTags": False, "targetRoleArn": TARGET}},
        {"identity": "irsa", "assumeRoleArns": [TARGET]},
    ],
    ids=["no tags", "no Pod Identity"],
)
def test_without_session_tags_no_role_needs_the_action(settings: dict[str, Any]) -> None:
    assert found(stack(**settings), account([trusting("sts:AssumeRole")])) == []


@pytest.mark.parametrize(
    "role",
    [
        trusting("sts:AssumeRole", "sts:TagSession", Condition={"StringEquals": {"aws:RequestTag/team": "a"}}),
        Role(TARGET, {"Version": "2012-10-17", "Statement": []}),
        Role(arn("role", "other"), trusting("sts:AssumeRole").trust),
        Role(TARGET, {"Version": "2012-10-17", "Statement": "?"}),
    ],
    ids=["a condition", "trusts nobody", "another role", "no policy"],
)
def test_a_role_of_which_nothing_is_certain(role: Role) -> None:
    assert found(stack(assumeRoleArns=[TARGET]), account([role])) == []
