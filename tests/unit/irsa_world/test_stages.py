"""Which stage Pods are in, and whether the next one is safe, against a model of what happens to a Pod."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.ways import IRSA, POD_IDENTITY, Identity, Way, parse_identity
from irsa_world.stages import NEXT, NO_ROLE, Node, RunningPod, Stage, stage_of

RESTART = "kubectl rollout restart deployment/app -n web"
WAYS = st.frozensets(st.sampled_from([IRSA, POD_IDENTITY, NO_ROLE]), max_size=2)
PODS = st.lists(
    st.builds(lambda number, ways, node: RunningPod(f"web/app-{number}", ways, node, RESTART),
              st.integers(0, 9), WAYS, st.sampled_from(Node)),
    max_size=6,
)  # fmt: skip
USES = ["used", "trusted", "absent"]
IDENTITIES = [
    parse_identity({way: use for way, use in zip(("irsa", "podIdentity"), uses, strict=True) if use != "absent"})
    for uses in [*itertools.product(USES, USES)][:-1]
]


def pod(name: str, *ways: Way, node: Node = Node.LINUX) -> RunningPod:
    return RunningPod(f"web/{name}", frozenset(ways), node, f"kubectl rollout restart deployment/{name} -n web")


NEW = pod("new", POD_IDENTITY)


def has_role(way: Way, node: Node, identity: Identity) -> bool:
    """Return whether a container has the role: IRSA needs its statement, Pod Identity an association and an agent."""
    return {
        IRSA: IRSA in identity.trusted,
        POD_IDENTITY: POD_IDENTITY in identity.used and node in (Node.LINUX, Node.HYBRID, Node.UNKNOWN),
        NO_ROLE: False,
    }[way]


def created_again(identity: Identity) -> Way:
    """Return what the webhook injects: https://github.com/aws/amazon-eks-pod-identity-webhook/pull/189."""
    if POD_IDENTITY in identity.used:
        return POD_IDENTITY
    return IRSA if IRSA in identity.used else NO_ROLE


def loses(each: RunningPod, before: Identity, after: Identity) -> bool:
    """Return whether a Pod that has the role loses it by a stage: as it is, or once it is created again."""
    had = [way for way in each.ways if has_role(way, each.node, before)]
    keeps = all(has_role(way, each.node, after) for way in had)
    return bool(had) and not (keeps and has_role(created_again(after), each.node, after))


def is_safe(stage: Stage) -> bool | None:
    """Return whether no Pod is without a role after the next stage; None where that is not known."""
    return False if stage.held_back_by else None if stage.in_doubt else True


@given(st.sampled_from([*NEXT]), PODS)
def test_a_stage_that_is_called_safe_takes_the_role_from_no_pod(identity: Identity, pods: list[RunningPod]) -> None:
    stage = stage_of(identity, pods)
    assert stage.following is not None

    losing = {each for each in pods if loses(each, identity, stage.following)}
    assert losing <= {*stage.held_back_by}


@given(st.sampled_from(IDENTITIES), PODS)
def test_no_pod_is_named_without_need(identity: Identity, pods: list[RunningPod]) -> None:
    stage = stage_of(identity, pods)
    right = {
        each
        for each in pods
        if each.ways == {created_again(identity)} and each.node in (Node.LINUX, Node.HYBRID, Node.UNKNOWN)
    }

    assert right.isdisjoint({*stage.to_restart, *stage.held_back_by})
    # Pods that see to their credentials themselves are nobody's to restart.
    assert all(each.ways for each in (*stage.to_restart, *stage.held_back_by))
    assert all(each.node in (Node.HYBRID, Node.UNKNOWN) for each in stage.in_doubt)
    assert "\n" not in stage.line
    # Where nothing serves Pod Identity, a restart would take the role away.
    if POD_IDENTITY in identity.used:
        assert all(each.node not in (Node.FARGATE, Node.WINDOWS) for each in stage.to_restart)


def test_the_line_of_a_stage() -> None:
    stage = stage_of(parse_identity({"irsa": "used", "podIdentity": "trusted"}), [NEW])

    assert is_safe(stage) is False
    assert stage.line == (
        "irsa used, podIdentity trusted: 0 of 1 Pod has IRSA; those with Pod Identity may lose the role within "
        "minutes, at the latest 6 hours (59 minutes with a target role) after the agent renewed it; "
        "web/new is not ready for the next stage (irsa): kubectl rollout restart deployment/new -n web"
    )


@pytest.mark.parametrize(("node", "safe"), [(Node.FARGATE, False), (Node.WINDOWS, False), (Node.HYBRID, None)])
def test_nodes_without_pod_identity(node: Node, safe: bool | None) -> None:
    stage: Stage = stage_of(parse_identity("irsa"), [pod("app", IRSA, node=node)])

    assert is_safe(stage) is safe
    assert f"web/app runs on {node}" in stage.line
    assert "restart" not in stage.line


def test_hostile_names_stay_one_line() -> None:
    hostile = RunningPod("web/a\nerror: \x1b[31mapp", frozenset({IRSA}), Node.LINUX, "")

    assert '"web/a\\nerror: \\u001b[31mapp" is not ready' in stage_of(parse_identity("both"), [hostile]).line
