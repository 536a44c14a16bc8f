"""What Kubernetes's controllers make of the guard: of Deployments while the webhook is down, and of its expressions.

The ReplicaSet controller doubles its wait after each refusal, from 5 ms to 1,000 s. So it asks again within about as
long as the webhook was down, and within 1,000 s: DefaultTypedControllerRateLimiter in
https://github.com/kubernetes/client-go/blob/master/util/workqueue/default_rate_limiters.go
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from irsa.guard.policies import policies
from irsa.guard.rules import Declared, Settings
from sandbox.pod_identity_webhook import POD_IDENTITY
from sandbox.servers import pods, start, stop
from tests.sandbox.admission import ApiServer, eventually, guard
from tests.sandbox.guard_pods import ANNOTATED, DENY, ROLE, STACK, WARN, ask, has_warned, is_refused, is_silent
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

# A service account whose association comes after its Pods.
LATE = "late"
APP, POLICY = "app", f"irsa-guard-{STACK.stack}-identity"
REPLICAS = 2
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
# The webhook's absence here; the tests take about twice as long.
DOWN_SECONDS, AT_MOST_SECONDS = 5.0, 120.0

Webhook = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def webhook(api: ApiServer) -> Iterator[Webhook]:
    """The guard, refusing in one namespace and warning in the other, and the webhook, which is down."""
    cloud = api.cloud
    objects = [
        *(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
            }
            for namespace in (DENY, WARN)
            for name, annotations in (("irsa", ANNOTATED), (LATE, {}))
        ),
        *guard(
            STACK, [*(Declared(each, "irsa", ROLE) for each in (DENY, WARN)), Declared(DENY, LATE, ROLE, "podIdentity")]
        ),
    ]
    api.apply(*objects)
    eventually(lambda: ask(api, DENY), is_refused)
    eventually(lambda: ask(api, WARN), has_warned)

    @contextmanager
    def running() -> Iterator[None]:
        start(cloud.sandbox, pods(cloud.sandbox, cloud.ports), cloud.progress)
        yield
        stop(cloud.sandbox, "pods")

    yield running
    api.delete(*objects)


@pytest.fixture
def deployment(api: ApiServer, webhook: Webhook) -> Iterator[Callable[..., None]]:
    """Create a Deployment while the webhook is down, and remove it after the test."""
    used: list[str] = []

    def create(namespace: str, service_account: str = "irsa") -> None:
        used.append(namespace)
        labels = {"app": APP}
        template = {
            "metadata": {"labels": labels},
            "spec": {"serviceAccountName": service_account, "containers": [{"name": "app", "image": "app"}]},
        }
        manifest = {
            "metadata": {"name": APP},
            "spec": {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": template},
        }
        # Whoever applies it sees nothing of the guard: it speaks to the ReplicaSet controller.
        assert is_silent(api.send("POST", DEPLOYMENTS.format(namespace), manifest, dry=False))

    yield create
    for namespace in used:
        api.cloud.kubectl("delete", "deployment", APP, "-n", namespace, "--cascade=foreground")


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


def roles(api: ApiServer, namespace: str) -> list[tuple[str, str | None]]:
    return [
        (pod["metadata"]["ownerReferences"][0]["name"], each.get("AWS_ROLE_ARN"))
        for pod in listed(api, "pods", namespace)
        for each in [{each["name"]: each["value"] for each in pod["spec"]["containers"][0].get("env", [])}]
    ]


def both(api: ApiServer, namespace: str) -> list[tuple[str, str | None]]:
    found = roles(api, namespace)
    return found if len(found) == REPLICAS else []


def refusals(api: ApiServer, namespace: str) -> list[str]:
    """Return what `kubectl describe replicaset` shows."""
    events = [each for each in listed(api, "events", namespace) if each["involvedObject"]["kind"] == "ReplicaSet"]
    return [each["message"] for each in events if each["reason"] == "FailedCreate"]


def conditions(api: ApiServer, namespace: str) -> dict[str, str]:
    """Return what is true of the Deployment; `kubectl describe deployment` leaves the messages out."""
    [found] = listed(api, "deployments", namespace)
    every = found.get("status", {}).get("conditions", [])
    return {each["type"]: each["message"] for each in every if each["status"] == "True"}


def say(record_property: Callable[[str, Any], None], text: str) -> None:
    record_property("guard", text)
    sys.stdout.write(f"\n{text}\n")


def refused(api: ApiServer) -> None:
    """Wait while the webhook is down, and see that people can find out why there is no Pod."""
    why = until(lambda: conditions(api, DENY).get("ReplicaFailure"))
    time.sleep(DOWN_SECONDS)
    assert roles(api, DENY) == []
    for said in (why, *until(lambda: refusals(api, DENY))):
        assert f"{DENY}/irsa has no AWS identity: its Pods must get {ROLE} by IRSA" in said
        assert "The Pod Identity webhook was not called" in said


def test_a_deployment_heals_by_itself(
    api: ApiServer,
    webhook: Webhook,
    deployment: Callable[[str], None],
    record_property: Callable[[str, Any], None],
) -> None:
    deployment(DENY)
    refused(api)
    with webhook():
        up = time.monotonic()
        found = until(lambda: both(api, DENY))
        say(record_property, f"down for {DOWN_SECONDS:.0f} s, Pods {time.monotonic() - up:.1f} s after the webhook")
        assert [role for _, role in found] == [ROLE, ROLE]
        until(lambda: "ReplicaFailure" not in conditions(api, DENY))


def test_pods_before_their_association(api: ApiServer, webhook: Webhook, deployment: Callable[..., None]) -> None:
    """Protects Pods within seconds of `pulumi up`: the webhook does not know their association yet, and never adds it.

    https://github.com/aws/amazon-eks-pod-identity-webhook/issues/264. After those whose refusals are read: events stay.
    """
    iam, eks = api.cloud.aws("iam"), api.cloud.aws("eks")
    actions = ["sts:AssumeRole", "sts:TagSession"]
    allow = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": actions}
    trust = json.dumps({"Version": "2012-10-17", "Statement": allow})
    role = iam.create_role(RoleName=LATE, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    with webhook():
        deployment(DENY, LATE)
        until(lambda: conditions(api, DENY).get("ReplicaFailure"))
        assert roles(api, DENY) == []
        made = eks.create_pod_identity_association(
            clusterName=CLUSTER, namespace=DENY, serviceAccount=LATE, roleArn=role
        )
        until(lambda: both(api, DENY))
        ways = [each["spec"]["containers"][0]["env"] for each in listed(api, "pods", DENY)]
    eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=made["association"]["associationId"])
    iam.delete_role(RoleName=LATE)
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
