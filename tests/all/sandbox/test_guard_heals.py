"""What Kubernetes's controllers make of the guard: of Deployments whose Pods it refuses, and of its expressions."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from irsa.guard.policies import policies
from irsa.guard.rules import Declared, Settings
from sandbox.pod_identity_webhook import POD_IDENTITY
from sandbox.servers import pods, start, stop
from tests.sandbox.admission import ApiServer, eventually, guard
from tests.sandbox.guard_pods import DENY, ROLE, STACK, ask, bare, is_refused, is_silent
from tests.sandbox.live import PODS, create_role
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

# A service account whose association comes after its Pods, and its Deployment.
LATE = "late"
REPLICAS = 2
AT_MOST_SECONDS = 120.0


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
    """Return what `kubectl describe replicaset` shows."""
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
    role, labels = create_role(cloud.aws("iam"), LATE, PODS), {"app": LATE}
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
    [wrong, *_] = policies(Settings("wrong-types", "deny"))
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
