"""Guards in a real cluster: broken, divided, from mode to mode; and what its controllers make of them."""

import copy
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lightkube.resources.core_v1 import Pod as StoredPod

from irsa.guard.policies import bindings, policies
from irsa.guard.rules import GuardEntry, GuardSettings, config_map_data, namespaces_of
from sandbox.pod_identity_webhook import POD_IDENTITY
from sandbox.servers import pods, start, stop
from tests.output_schemas import check_output
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
from tests.sandbox.irsa_command import PROVIDER, irsa
from tests.sandbox.live import create_role
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import STACK as PROJECT_STACK
from tests.sandbox.project import Program, Project
from tests.sandbox.test_guard import APP, OTHER, Deploy, pod
from tests.world import PODS as FOR_PODS

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("webhook_down")]

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
    objects = guard(settings, [GuardEntry(namespace, "irsa", ROLE) for namespace in (DENY, SYSTEM)])
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
    many = [GuardEntry(f"guard-m{number % 40}", f"app-{number}", long) for number in range(2_500)]
    own = [GuardEntry(namespace, "irsa", ROLE) for namespace in (DENY, WARN, SYSTEM)]
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
    objects = [account, *guard(STACK, [GuardEntry(DENY, LATE, ROLE, "podIdentity")])]
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


# --- modes and programs ---------------------------------------------------------------------------------------------


def test_from_mode_to_mode(deploy: Deploy, cloud: Any) -> None:
    """Protects whoever looks before `up`: a preview of a new mode is one, and what `up` then does; also in a namespace.

    The API server takes Warn and Deny as a set, and does not take both:
    https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-actions
    """
    system = {**OTHER, "serviceAccount": {"name": "guarded-system", "namespace": "kube-system"}}
    bindings = {"app": APP, "system": system}
    rule = {"mode": "warn", "groups": ["system:masters"]}
    project = deploy({"guard": {"mode": "warn", "annotations": rule}, "bindings": bindings})
    project.up()

    project.set({"guard": {"mode": "deny", "annotations": {**rule, "mode": "deny"}}, "bindings": bindings})
    shown = check_output("diff", irsa(project, "diff", "--stack", PROJECT_STACK, "--json").stdout)["rows"]
    replaced = {each["sentence"].split()[-1] for each in shown if each["change"] == "replace"}
    assert replaced >= {"irsa-guard-irsa.test-identity", "irsa-guard-irsa.test-annotation"}
    project.pulumi("up", "--yes")
    project.set({"guard": {"mode": "warn", "namespaces": {"kube-system": "deny"}}, "bindings": bindings})
    project.pulumi("up", "--yes")
    # The repair that `irsa verify` advises, of what somebody changed.
    name, warns = "irsa-guard-irsa.test-identity-kube-system", '{"spec": {"validationActions": ["Warn"]}}'
    binding = ("validatingadmissionpolicybinding", name)
    assert cloud.kubectl("patch", *binding, "--type=merge", "--patch", warns).returncode == 0
    project.up("--refresh")
    assert '["Deny","Audit"]' in cloud.kubectl("get", *binding, "--output", "jsonpath={.spec}").stdout
    assert project.up() == {}


PROGRAM = f"""
import pulumi_kubernetes as kubernetes
from irsa import IdentityGuard, ServiceAccountRole

namespace = kubernetes.core.v1.Namespace("guarded", metadata={{"name": "guarded"}})
role = ServiceAccountRole("app", {{
    "service_account": {{"name": "own-app", "namespace": namespace.metadata.name}},
    "oidc_provider_arns": ["{PROVIDER}"],
}})
IdentityGuard("guard", {{
    "mode": "deny",
    "stack": "own-program",
    "service_accounts": [
        {{"name": "own-app", "namespace": "guarded", "role_arn": role.role_arn}},
    ],
}})
"""


def test_a_guard_in_a_program_of_ones_own(program: Program, cloud: Any) -> None:
    program.write(PROGRAM)
    program.up()
    assert program.up() == {}
    api = ApiServer(cloud)
    answer = eventually(lambda: api.create(PODS, pod("own-app"), "guarded"), lambda each: bool(each.refusal))
    assert "guarded/own-app has no AWS identity" in str(answer.refusal)
