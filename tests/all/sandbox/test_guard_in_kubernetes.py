"""Guards in a real cluster: beside each other, broken, divided and big; and what its controllers make of them."""

import copy
import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.core_v1 import Pod as StoredPod

from irsa.guard.policies import bindings, policies
from irsa.guard.rules import Declared, GuardSettings, config_map_data, namespaces_of
from sandbox.pod_identity_webhook import POD_IDENTITY
from sandbox.servers import HOST, free_port, kube_apiserver, pods, start, stop
from tests.sandbox.admission import PODS, ApiServer, config_maps, eventually, guard
from tests.sandbox.guard_pods import (
    DENY,
    ROLE,
    STACK,
    SYSTEM,
    WARN,
    Objects,
    ask,
    bare,
    declared,
    has_warned,
    is_refused,
    is_silent,
    right,
)
from tests.sandbox.live import create_role
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import Project
from tests.world import PODS as FOR_PODS

pytestmark = pytest.mark.sandbox

Put = Callable[..., None]
# A service account whose association comes after its Pods, and its Deployment.
LATE = "late"
REPLICAS = 2
AT_MOST_SECONDS = 120.0


@pytest.fixture
def put(api: ApiServer) -> Iterator[Put]:
    made: Objects = []

    def apply(*objects: Any) -> None:
        made.extend(objects)
        api.apply(*objects)

    yield apply
    api.delete(*made)
    for namespace in (DENY, SYSTEM):
        eventually(lambda namespace=namespace: ask(api, namespace), is_silent)  # type: ignore[misc]


def test_running_pods_are_left_alone(api: ApiServer, put: Put) -> None:
    pod = {**bare("irsa"), "metadata": {"name": "running"}}
    assert is_silent(api.create(PODS, pod, DENY, dry=False))
    objects = guard(STACK, declared())
    put(*objects)
    eventually(lambda: ask(api, DENY), is_refused)
    path = f"/api/v1/namespaces/{DENY}/pods/running"
    label = {"metadata": {"labels": {"a": "b"}}}
    debug = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "busybox"}]}}
    for where, change in ((path, label), (f"{path}/ephemeralcontainers", debug)):
        assert is_silent(api.send("PATCH", where, change, kind="strategic-merge-patch+json", dry=False))
    api.kubernetes.delete(StoredPod, "running", namespace=DENY, grace_period=0)


def test_stacks_do_not_switch_each_other_off(api: ApiServer, put: Put) -> None:
    first = guard(GuardSettings("first", "deny"), [Declared(DENY, "irsa", ROLE)])
    second = guard(GuardSettings("second", "deny"), [Declared(DENY, "long", ROLE)])
    names = [{(each["kind"], each["metadata"]["name"]) for each in stack} for stack in (first, second)]
    assert not names[0] & names[1]
    put(*first, *second)
    for account in ("irsa", "long"):
        eventually(lambda account=account: ask(api, DENY, bare(account)), is_refused)  # type: ignore[misc]
    api.delete(*second)
    eventually(lambda: ask(api, DENY, bare("long")), is_silent)
    assert is_refused(ask(api, DENY))


# --- broken guards ----------------------------------------------------------------------------------------------------


def of_kind(objects: Objects, *kinds: str) -> Objects:
    return [each for each in objects if each["kind"].removeprefix("ValidatingAdmission") in kinds]


def with_data(change: Callable[[str], str]) -> Callable[[ApiServer, Objects], None]:

    def damage(api: ApiServer, objects: Objects) -> None:
        for each in of_kind(objects, "ConfigMap"):
            api.apply({**each, "data": {key: change(value) for key, value in each["data"].items()}})

    return damage


def with_policies(change: Callable[[dict[str, Any]], object]) -> Callable[[ApiServer, Objects], None]:
    def damage(api: ApiServer, objects: Objects) -> None:
        for each in (changed := copy.deepcopy(of_kind(objects, "Policy"))):
            change(each["spec"])
        api.apply(*changed)

    return damage


def divides_by_zero(spec: dict[str, Any]) -> None:
    for each in spec["variables"]:
        if each["name"] == "key":
            each["expression"] = "string(1 / (size(request.namespace) - size(request.namespace)))"


def is_too_costly(spec: dict[str, Any]) -> None:
    numbers = "[" + ",".join("1" * 1000) + "]"
    hundred_million = f"{numbers}.all(a, {numbers}.all(b, {numbers}.all(c, a == b && b == c)))"
    spec["validations"][0]["expression"] = f"{hundred_million} && false"


BROKEN: dict[str, Callable[[ApiServer, Objects], None]] = {
    "ConfigMap deleted": lambda api, objects: api.delete(*of_kind(objects, "ConfigMap")),
    "values of somebody else": with_data(lambda value: "true"),
    "very long values": with_data(lambda value: "x " * 200_000),
    "binding without policy": lambda api, objects: api.delete(*of_kind(objects, "Policy")),
    "an error in an expression": with_policies(divides_by_zero),
    "too costly": with_policies(is_too_costly),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_broken_guard_lets_through(api: ApiServer, put: Put, damage: Callable[[ApiServer, Objects], None]) -> None:
    settings = GuardSettings("broken", "deny", namespaces={SYSTEM: "deny"})
    objects = guard(settings, [Declared(namespace, "irsa", ROLE) for namespace in (DENY, SYSTEM)])
    put(*objects)
    for namespace in (DENY, SYSTEM):
        eventually(lambda namespace=namespace: ask(api, namespace), is_refused)  # type: ignore[misc]
    damage(api, objects)
    for namespace in (DENY, SYSTEM):
        answer = eventually(lambda namespace=namespace: ask(api, namespace), lambda it: it.refusal is None)  # type: ignore[misc]
        assert answer.refusal is None
        assert is_silent(ask(api, namespace, right("irsa")))


# --- many accounts ----------------------------------------------------------------------------------------------------


def test_data_that_are_divided(api: ApiServer, put: Put) -> None:
    settings = GuardSettings("divided", "deny", namespaces={WARN: "warn"})
    long = "arn:aws:iam::111122223333:role/" + "p/" * 255 + "r"
    many = [Declared(f"guard-m{number % 40}", f"app-{number}", long) for number in range(2_500)]
    own = [Declared(namespace, "irsa", ROLE) for namespace in (DENY, WARN, SYSTEM)]
    data = config_map_data(settings, [*many, *own])
    assert len(data) > 1
    objects = [*config_maps(settings, data), *policies(settings)]
    objects += bindings(
        settings, [namespaces_of(each) for each in data], [f"divided-{number}" for number in range(len(data))]
    )
    put(*objects)
    for namespace, wanted in ((DENY, is_refused), (WARN, has_warned), (SYSTEM, has_warned)):
        eventually(lambda namespace=namespace: ask(api, namespace), wanted)  # type: ignore[misc]
        assert is_silent(ask(api, namespace, right("irsa")))


def test_audit_log(api: ApiServer, put: Put, tmp_path: Path) -> None:
    """The annotation is named as the guide says. Another API server, with the same etcd, writes the log."""
    put(*guard(STACK, declared()))
    cloud, log = api.cloud, tmp_path / "audit.log"
    policy = tmp_path / "policy.json"
    policy.write_text('{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}')
    ports = {**cloud.ports, "kube-apiserver": free_port()}
    usual = kube_apiserver(cloud.sandbox, ports)
    flags = (f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    server = dataclasses.replace(usual, name="audited-apiserver", command=(*usual.command, *flags))
    config = json.loads(cloud.sandbox.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://{HOST}:{ports['kube-apiserver']}"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    start(cloud.sandbox, server, cloud.progress)
    try:
        audited = ApiServer(cloud, str(kubeconfig))
        eventually(lambda: ask(audited, DENY), is_refused)
        eventually(lambda: ask(audited, WARN), has_warned)
        log.write_text("")
        for namespace, pod in itertools.product((DENY, WARN), (bare("irsa"), right("irsa"))):
            ask(audited, namespace, pod)
    finally:
        stop(cloud.sandbox, server.name)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    # A question about the server's health is about no object.
    of_pods = [
        each for each in events if each.get("objectRef", {}).get("resource") == "pods" and each["verb"] == "create"
    ]
    key = f"irsa-guard-{STACK.stack}-identity/service-account"
    # What the API server drops before it authorizes a request, while it starts, has no annotations.
    judged = [each for each in of_pods if each["stage"] == "ResponseComplete" and "annotations" in each]
    said = [each["annotations"].get(key) for each in judged]
    missing = "irsa: no token and no variables in container app"
    assert said == [f"{DENY}/{missing}", None, f"{WARN}/{missing}", None]


# --- controllers ------------------------------------------------------------------------------------------------------


def until(ask: Callable[[], Any]) -> Any:
    end = time.monotonic() + AT_MOST_SECONDS
    while not (answer := ask()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return answer


def listed(api: ApiServer, kind: str, namespace: str) -> list[Any]:
    answer = api.cloud.kubectl("get", kind, "-n", namespace, "-o", "json")
    assert answer.returncode == 0, answer.stderr
    return list(json.loads(answer.stdout)["items"])


def refusals(api: ApiServer) -> list[str]:
    return [each["message"] for each in listed(api, "events", DENY) if each["reason"] == "FailedCreate"]


def test_a_deployment_heals_by_itself(api: ApiServer) -> None:
    """Protects Pods within seconds of `pulumi up`: the webhook does not know their association yet, and never adds it.

    https://github.com/aws/amazon-eks-pod-identity-webhook/issues/264. The ReplicaSet controller doubles its wait after
    each refusal, from 5 ms to 1,000 s: DefaultTypedControllerRateLimiter in
    https://github.com/kubernetes/client-go/blob/master/util/workqueue/default_rate_limiters.go
    """
    cloud = api.cloud
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": LATE, "namespace": DENY}}
    objects = [account, *guard(STACK, [Declared(DENY, LATE, ROLE, "podIdentity")])]
    api.apply(*objects)
    eventually(lambda: ask(api, DENY, bare(LATE)), is_refused)
    role, labels = create_role(cloud.aws("iam"), LATE, FOR_PODS), {"app": LATE}
    spec = {"serviceAccountName": LATE, "containers": [{"name": "app", "image": "app"}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    deployment = {
        "metadata": {"name": LATE},
        "spec": {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": template},
    }
    start(cloud.sandbox, pods(cloud.sandbox, cloud.ports), cloud.progress)
    # Whoever applies it sees nothing of the guard: it speaks to the ReplicaSet controller.
    assert is_silent(api.send("POST", f"/apis/apps/v1/namespaces/{DENY}/deployments", deployment, dry=False))
    why = until(lambda: refusals(api))[0]
    assert f"{DENY}/{LATE} has no AWS identity: its Pods must get {ROLE} by EKS Pod Identity" in why
    assert listed(api, "pods", DENY) == []
    place = {"clusterName": CLUSTER, "namespace": DENY, "serviceAccount": LATE}
    made = cloud.aws("eks").create_pod_identity_association(**place, roleArn=role)["association"]
    until(lambda: len(listed(api, "pods", DENY)) == REPLICAS)
    ways = [each["spec"]["containers"][0]["env"] for each in listed(api, "pods", DENY)]
    stop(cloud.sandbox, "pods")
    cloud.kubectl("delete", "deployment", LATE, "-n", DENY, "--cascade=foreground")
    cloud.aws("eks").delete_pod_identity_association(clusterName=CLUSTER, associationId=made["associationId"])
    api.delete(*objects)
    assert all(POD_IDENTITY.variables[0] in {each["name"] for each in way} for way in ways)


def test_expressions_fit_the_types_of_kubernetes(api: ApiServer, deploy: Callable[..., Project]) -> None:
    """Protects the guard from a field that does not exist: what cannot be judged is let through, so nobody notices.

    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#type-checking
    """
    binding = {"serviceAccount": {"name": "typed"}, "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
    rule = {"mode": "deny", "users": ["admin"]}
    deploy({"guard": {"mode": "deny", "annotations": rule}, "bindings": {"typed": binding}}).up()
    [wrong, *_] = policies(GuardSettings("wrong-types", "deny"))
    wrong["spec"]["validations"] = [{"expression": "object.spec.noSuchField == ''"}]
    api.apply(wrong)

    def warnings() -> dict[str, Any]:
        found = {
            each["metadata"]["name"]: each.get("status", {}) for each in listed(api, "validatingadmissionpolicies", "")
        }
        done = all("typeChecking" in each for each in found.values())
        return {name: each["typeChecking"].get("expressionWarnings", []) for name, each in found.items() if done}

    found = until(warnings)
    api.delete(wrong)
    assert "undefined field 'noSuchField'" in str(found.pop(wrong["metadata"]["name"]))
    own = {name for name in found if name.startswith("irsa-guard-irsa.test-")}
    assert {name.rpartition("-")[2] for name in own} == {"identity", "role", "annotation"}
    assert [found[name] for name in own] == [[], [], []]
