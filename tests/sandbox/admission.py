import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from lightkube import Client, KubeConfig
from lightkube.config import client_adapter

from irsa.guard.policies import bindings, policies
from irsa.guard.rules import GuardEntry, GuardSettings, config_map_data, namespaces_of

PODS, ACCOUNTS = "pods", "serviceaccounts"


class Answer(NamedTuple):
    refusal: str | None
    warnings: tuple[str, ...]


class ApiServer:
    def __init__(self, cloud: Any, kubeconfig: str | None = None) -> None:
        self.cloud = cloud
        self._kubeconfig = kubeconfig or str(cloud.sandbox.kubeconfig)
        config = KubeConfig.from_file(self._kubeconfig).get()
        assert config is not None
        self._http = client_adapter.Client(config, client_adapter.ConnectionParams(trust_env=False))
        self.kubernetes = Client(config=config, trust_env=False)

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        dry: bool = True,
        user: str | None = None,
        groups: Sequence[str] = (),
        kind: str = "json",
    ) -> Answer:
        """Ask for a change. A dry run goes through all of admission, and stores nothing."""
        headers = [("Content-Type", f"application/{kind}")]
        if user:
            headers += [("Impersonate-User", user), *(("Impersonate-Group", each) for each in groups)]
        parameters = {"dryRun": "All"} if dry else {}
        response = self._http.request(method, path, params=parameters, headers=headers, content=json.dumps(body))
        refusal = None if response.is_success else str(response.json()["message"])
        # Each is `299 - "text"`.
        found = [re.sub(r"\\(.)", r"\1", each) for each in response.headers.get_list("Warning")]
        return Answer(refusal, tuple(found))

    def create(self, plural: str, manifest: Any, namespace: str, **options: Any) -> Answer:
        return self.send("POST", f"/api/v1/namespaces/{namespace}/{plural}", manifest, **options)

    def apply(self, *manifests: Any) -> None:
        self._kubectl(manifests, "apply", "--server-side", "--force-conflicts")

    def delete(self, *manifests: Any) -> None:
        self._kubectl(manifests, "delete", "--ignore-not-found")

    def _kubectl(self, manifests: Sequence[Any], *arguments: str) -> None:
        if manifests:
            file = self.cloud.folder / "manifests.json"
            file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
            answer = self.cloud.kubectl(*arguments, "-f", str(file), "--kubeconfig", self._kubeconfig)
            assert answer.returncode == 0, answer.stderr


def with_parameters(name: str, policy: Any, binding: Any) -> list[dict[str, Any]]:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    reference = {"name": name, "namespace": "default", "parameterNotFoundAction": "Allow"}
    specs = {
        "ValidatingAdmissionPolicy": {"paramKind": kind, **policy},
        "ValidatingAdmissionPolicyBinding": {"policyName": name, "paramRef": reference, **binding},
    }
    version = "admissionregistration.k8s.io/v1"
    return [
        {"apiVersion": version, "kind": each, "metadata": {"name": name}, "spec": spec} for each, spec in specs.items()
    ]


def watch_config_maps(server: ApiServer) -> None:
    """Keep a policy with parameters bound, so that the API server goes on reading ConfigMaps.

    Once no binding has parameters, it stops for good, and judges by those that it knew then:
    https://github.com/kubernetes/kubernetes/issues/130887.
    """
    rule = {"apiGroups": ["tests.irsa"], "apiVersions": ["v1"], "resources": ["none"], "operations": ["CREATE"]}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "true"}]}
    server.apply(*with_parameters("config-maps-are-watched", policy, {"validationActions": ["Audit"]}))


def config_maps(settings: GuardSettings, data: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{settings.stack}-{number}", "namespace": settings.namespace},
            "data": each,
        }
        for number, each in enumerate(data)
    ]


def guard(settings: GuardSettings, declared: Iterable[GuardEntry]) -> list[dict[str, Any]]:
    data = config_map_data(settings, declared)
    maps = config_maps(settings, data)
    names = [each["metadata"]["name"] for each in maps]
    return [*maps, *policies(settings), *bindings(settings, [namespaces_of(each) for each in data], names)]


def eventually(ask: Callable[[], Answer], wanted: Callable[[Answer], bool]) -> Answer:
    """Ask until the answer is wanted: the API server notices changed policies and parameters within a second or two."""
    until = time.monotonic() + 30
    while not wanted(answer := ask()):
        assert time.monotonic() < until, answer
        time.sleep(0.05)
    return answer


def caught_up(api: ApiServer) -> None:
    """Return when the API server judges Pods by all policies, bindings and ConfigMaps that are stored now.

    It learns each kind in the order in which they are stored, a second or two later: so it knows all of them once it
    refuses a Pod by one of each kind that is stored last.
    """
    last, tick = "last-of-tests", f"tick-{time.monotonic_ns()}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    policy = {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": f"params.data.tick != '{tick}'", "message": tick}],
    }
    binding = {
        "validationActions": ["Deny"],
        "matchResources": {"objectSelector": {"matchLabels": {"tick": tick}}},
    }
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": last, "namespace": "default"},
            "data": {"tick": tick},
        },
        *with_parameters(last, policy, binding),
    )
    pod = {
        "metadata": {"generateName": "last-", "labels": {"tick": tick}},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    eventually(lambda: api.create(PODS, pod, "default"), lambda answer: tick in str(answer.refusal))
