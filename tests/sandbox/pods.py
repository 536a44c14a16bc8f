"""Pods of a service account as the webhook would make them, and whether they get credentials of its role now.

Nothing here is irsa's: the Pods are in the real API server, their tokens are its own, and the AWS API decides.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError
from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.models.authentication_v1 import BoundObjectReference, TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import ReplicaSet
from lightkube.resources.core_v1 import Pod, ServiceAccount, ServiceAccountToken

from tests.sandbox.webhook import IRSA, POD_IDENTITY, Way, injected

CLUSTER = "my-cluster"
HASH = "5d9c7b4f6d"


@dataclass
class Pods:
    """The Pods of a service account of the sandbox's cluster.

    Attributes:
        names: Those that run.
        cached: Those that got credentials of the agent once, which it keeps for up to 6 hours:
            https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
        metadata: Labels and owners of each.
    """

    cloud: Any
    namespace: str
    name: str
    names: list[str] = field(default_factory=list)
    cached: set[str] = field(default_factory=set)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    _made: int = 0

    def start(self) -> str:
        """Create a Pod, as the API server does when the webhook has seen what is there now."""
        client = self.cloud.kubernetes(self.namespace)
        annotations = client.get(ServiceAccount, self.name).metadata.annotations or {}
        found = self.cloud.aws("eks").list_pod_identity_associations(
            clusterName=CLUSTER, namespace=self.namespace, serviceAccount=self.name
        )
        self._made += 1
        name = f"{self.name}-{self._made}"
        pod = {
            "metadata": {**self.metadata, "name": name, "namespace": self.namespace},
            "spec": {"serviceAccountName": self.name, "containers": [{"name": "app", "image": "app"}]},
        }
        client.create(Pod.from_dict(injected(pod, annotations, bool(found["associations"]))))
        # There is no kubelet.
        client.patch(Pod.Status, name, {"status": {"phase": "Running"}})
        self.names.append(name)
        return name

    def stop(self, name: str) -> None:
        """Delete a Pod."""
        self.cloud.kubernetes(self.namespace).delete(Pod, name, grace_period=0)
        self.names.remove(name)
        self.cached.discard(name)

    def restart(self) -> None:
        """Replace all of them."""
        number = len(self.names)
        for name in [*self.names]:
            self.stop(name)
        for _ in range(number):
            self.start()

    def without_credentials(self) -> list[str]:
        """Return those that would get no credentials now, and have none of the agent's."""
        return [name for name in self.names if not self._gets(name) and name not in self.cached]

    def way(self, name: str) -> Way | None:
        """Return by which way a Pod asks for credentials."""
        pod = self.cloud.kubernetes(self.namespace).get(Pod, name)
        variables = {each.name for each in pod.spec.containers[0].env or []}
        return next((way for way in (POD_IDENTITY, IRSA) if {*way.variables} <= variables), None)

    def _gets(self, name: str) -> bool:
        way = self.way(name)
        pod = self.cloud.kubernetes(self.namespace).get(Pod, name)
        variables = {each.name: each.value for each in pod.spec.containers[0].env or []}
        try:
            if way is POD_IDENTITY:
                self.cloud.aws("eks-auth").assume_role_for_pod_identity(
                    clusterName=CLUSTER, token=self._token(pod, way)
                )
                self.cached.add(name)
            elif way is IRSA:
                self.cloud.aws("sts").assume_role_with_web_identity(
                    RoleArn=variables["AWS_ROLE_ARN"], RoleSessionName=name, WebIdentityToken=self._token(pod, way)
                )
        except (ClientError, ApiError):
            return False
        return way is not None

    def _token(self, pod: Any, way: Way) -> str:
        reference = BoundObjectReference("v1", "Pod", pod.metadata.name, pod.metadata.uid)
        spec = TokenRequestSpec(audiences=[way.audience], boundObjectRef=reference)
        request = ServiceAccountToken(metadata=ObjectMeta(name=self.name, namespace=self.namespace), spec=spec)
        answer = self.cloud.kubernetes().create(request, self.name, namespace=self.namespace)
        return str(answer.status.token)


def annotation(cloud: Any, namespace: str, name: str) -> str | None:
    """Return the role of a service account's annotation."""
    answer = cloud.kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json")
    found = (json.loads(answer.stdout)["metadata"].get("annotations") or {}).get("eks.amazonaws.com/role-arn")
    return None if found is None else str(found)


class _Here:
    """The sandbox of the environment's variables."""

    def aws(self, service: str) -> Any:
        make: Any = boto3.client
        return make(service)

    def kubernetes(self, namespace: str = "default") -> Client:
        return Client(namespace=namespace)


def of_a_deployment(name: str, restart: bool) -> None:
    """Create the two Pods of a Deployment of this name, or replace them as `kubectl rollout restart` does."""
    client: Any = Client(namespace="default")
    labels = {"app": name, "pod-template-hash": HASH}
    running = [each.metadata.name for each in client.list(Pod, labels=labels)]
    if running and not restart:
        return
    for each in running:
        client.delete(Pod, each, grace_period=0)
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    # No controller of the sandbox makes Pods of it.
    replica_set = ReplicaSet.from_dict({"metadata": {"name": f"{name}-{HASH}"}, "spec": spec})
    uid = client.apply(replica_set, field_manager="tests").metadata.uid
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-{HASH}", "uid": uid, "controller": True}
    pods = Pods(_Here(), "default", name, metadata={"labels": labels, "ownerReferences": [owner]})
    for _ in range(2):
        pods.start()


if __name__ == "__main__":
    of_a_deployment(sys.argv[1], restart="restart" in sys.argv)
