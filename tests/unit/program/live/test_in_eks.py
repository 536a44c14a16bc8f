"""What EKS would refuse of Pod Identity. Facts: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html."""

from collections.abc import Mapping
from typing import Any

import pytest

from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.reads import EksReads
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
    live,
    rules,
)

ADDON = "arn:aws:eks:us-west-2:111122223333:addon/my-cluster/aws-ebs-csi-driver/16cbe4a1"
OURS = f"team-a/app@{HOST}"
TARGET = "arn:aws:iam::111122223333:role/data"
APP = {"serviceAccount": {"name": "app", "namespace": "team-a"}, "role": {"name": "app"}, "identity": "both"}


def stack(**more: Any) -> dict[str, Any]:
    return {"bindings": {"app": {**APP, **more}}}


def listed(name: str = "app", association_id: str = "a-1", owner: str = "") -> ListedAssociation:
    return ListedAssociation("team-a", name, association_id, owner)


def in_eks(*there: ListedAssociation, has_agent: bool | None = True) -> dict[str, EksReads]:
    return {"cluster": EksReads(has_agent, {(each.namespace, each.service_account): each for each in there})}


def judged(values: Mapping[str, Any], eks: Mapping[str, EksReads], **more: Any) -> list[LocatedMistake]:
    return found(values, eks=eks, **more)


# The agent


def test_no_agent() -> None:
    """Protects Pods: the webhook gives them the agent's address, where nobody answers. It is one cluster's, once."""
    values = {"bindings": {"app": APP, "other": {**APP, "role": {"name": "o"}, "serviceAccount": {"name": "other"}}}}
    (mistake,) = judged(values, in_eks(has_agent=False))

    assert rules([mistake]) == [("agent-missing", "cluster")]
    # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
    command = "aws eks create-addon --cluster-name my-cluster --addon-name eks-pod-identity-agent"
    assert mistake.mistake.fix == f"add it: {command}"


@pytest.mark.parametrize("has_agent", [True, None], ids=["there", "not known"])
def test_an_agent_that_is_there_or_may_be(has_agent: bool | None) -> None:
    """Protects from false alarms: what EKS did not answer is no mistake."""
    assert judged(stack(), in_eks(has_agent=has_agent)) == []


def test_no_agent_is_no_matter_of_the_state() -> None:
    """What is missing is missing, where the state cannot be read, too."""
    assert [each.rule for each in judged(stack(), in_eks(has_agent=False), state=None)] == ["agent-missing"]


# Associations that exist


def test_an_association_that_somebody_created() -> None:
    """Protects from ResourceInUseException, half-way: the edit that adopts it has its ID."""
    (mistake,) = judged(stack(), in_eks(listed(association_id="a-h3yqx9rmsmmvsdwpc")))

    assert rules([mistake]) == [("association-exists", "bindings.app.identity")]
    assert (
        mistake.mistake.fix
        == "adopt it, and its Pods get this role: podIdentity: {importIds: {cluster: a-h3yqx9rmsmmvsdwpc}}"
    )


def test_an_association_to_adopt() -> None:
    """Protects an adoption: with the ID it is good; with another ID, or with none there, Pulumi would refuse it."""
    adopted = stack(podIdentity={"importIds": {"cluster": "a-h3yqx9rmsmmvsdwpc"}})
    at = "bindings.app.podIdentity.importIds.cluster"

    assert judged(adopted, in_eks(listed(association_id="a-h3yqx9rmsmmvsdwpc"))) == []
    assert rules(judged(adopted, in_eks())) == [("import-missing", at)]
    (mistake,) = judged(adopted, in_eks(listed(association_id="a-aaaaaaaaaaaaaaaaa")))
    assert rules([mistake]) == [("import-missing", at)]
    assert mistake.mistake.fix == "write a-aaaaaaaaaaaaaaaaa"


@pytest.mark.parametrize("settings", [{}, {"podIdentity": {"importIds": {"cluster": "a-h3yqx9rmsmmvsdwpc"}}}])
def test_an_association_of_an_add_on(settings: dict[str, Any]) -> None:
    """Protects add-ons: EKS lets nothing else change or delete what has an ownerArn, so it is not to be adopted."""
    (mistake,) = judged(stack(**settings), in_eks(listed(association_id="a-h3yqx9rmsmmvsdwpc", owner=ADDON)))

    assert rules([mistake]) == [("association-exists", "bindings.app.identity")]
    assert "aws-ebs-csi-driver" in mistake.mistake.found
    assert "importIds" not in mistake.mistake.fix


def test_an_association_of_the_stack() -> None:
    """Protects every later deployment: what the state holds is the stack's own; by another name, it is in the way."""
    there = in_eks(listed())

    assert judged(stack(), there, state=[held_association(OURS, "a-1")]) == []
    (mistake,) = judged(stack(), there, state=[held_association("team-a/app@another", "a-1")])
    assert rules([mistake]) == [("association-exists", "bindings.app.identity")]
    assert "in this stack's state" in mistake.mistake.found
    # Without the state, it may be the stack's own.
    assert judged(stack(), there, state=None) == []


def test_an_association_that_is_gone() -> None:
    """Protects new Pods: an association that somebody deleted would be missed when the annotation has gone."""
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


def test_associations_of_others() -> None:
    """Protects from false alarms: another service account's is in nobody's way, nor is one where none is created."""
    theirs = in_eks(listed("other"), ListedAssociation("default", "app", "a-2", ""))

    assert judged(stack(), theirs) == []
    assert judged(stack(identity={"irsa": "used", "podIdentity": "trusted"}), in_eks(listed())) == []


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


def test_several_clusters() -> None:
    """Protects the fix in a stack of several clusters: the ID is under the key of the cluster."""
    clusters = {key: {"name": key, "kubernetes": {"context": key}} for key in ("blue", "green")}
    values = {"clusters": clusters, "bindings": {"app": APP}}
    there = {"blue": EksReads(True, {}), "green": EksReads(True, {("team-a", "app"): listed()})}
    (mistake,) = found(values, eks=there)

    assert mistake.mistake.fix == "adopt it, and its Pods get this role: podIdentity: {importIds: {green: a-1}}"
    assert "in the cluster green" in mistake.mistake.found


# Roles that Pods go on to assume


def trusting(*actions: str, **more: Any) -> Role:
    statement = {"Effect": "Allow", "Principal": {"AWS": arn("role", "app")}, "Action": [*actions], **more}
    return Role(TARGET, {"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"assumeRoleArns": [arn("role", "first"), TARGET]}, "bindings.app.assumeRoleArns[1]"),
        ({"podIdentity": {"targetRoleArn": TARGET}}, "bindings.app.podIdentity.targetRoleArn"),
    ],
    ids=["chain", "target"],
)
def test_a_role_that_takes_no_session_tags(settings: dict[str, Any], place: str) -> None:
    """Protects who assumes further roles: the tags are transitive, so that each role must allow sts:TagSession.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining
    """
    (mistake,) = found(stack(**settings), account([trusting("sts:AssumeRole")]))

    assert rules([mistake]) == [("tag-session-missing", place)]
    assert found(stack(**settings), account([trusting("sts:AssumeRole", "sts:TagSession")])) == []
    assert found(stack(**settings), account([trusting("sts:*")])) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"podIdentity": {"sessionTags": False, "targetRoleArn": TARGET}},
        {"identity": "irsa", "assumeRoleArns": [TARGET]},
    ],
    ids=["no tags", "no Pod Identity"],
)
def test_without_session_tags_no_role_needs_the_action(settings: dict[str, Any]) -> None:
    """Protects from false alarms: a session without tags is given by sts:AssumeRole alone."""
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
    """Protects from false alarms: only a trust policy that allows one action, and surely not the other, is one."""
    assert found(stack(assumeRoleArns=[TARGET]), account([role])) == []


def test_the_annotations_of_irsa_do_not_matter_to_pod_identity_alone() -> None:
    """Protects a service account that another manager annotates: without IRSA, irsa writes no annotation."""
    annotated = {"serviceAccount": {"name": "app", "namespace": "team-a", "create": False}}
    theirs = cluster({"team-a/app": live(arn("role", "theirs"), "helm")})

    assert [each.rule for each in found(stack(**annotated), in_cluster=theirs)] == ["service-account-taken"]
    assert found(stack(**annotated, identity="podIdentity"), in_cluster=theirs) == []
