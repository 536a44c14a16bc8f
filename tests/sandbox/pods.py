"""Pods of a service account, and whether they get credentials of its role now.

Nothing here is irsa's: the webhook changes the Pods, their tokens are the API server's, and the AWS API decides.
"""

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import Pod

from sandbox.pod_identity_webhook import IRSA, POD_IDENTITY, Way
from tests.sandbox.irsa_command import ROLE_ARN
from tests.sandbox.live import service_account
from tests.sandbox.sessions import pod_token

CLUSTER = "my-cluster"


@dataclass
class Pods:
    cloud: Any
    namespace: str
    name: str
    names: list[str] = field(default_factory=list)
    _made: int = 0

    def start(self) -> str:
        self._made += 1
        name = f"{self.name}-{self._made}"
        pod = {
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"serviceAccountName": self.name, "containers": [{"name": "app", "image": "app"}]},
        }
        self.cloud.kubernetes(self.namespace).create(Pod.from_dict(pod))
        self.names.append(name)
        return name

    def stop(self, name: str) -> None:
        self.cloud.kubernetes(self.namespace).delete(Pod, name, grace_period=0)
        self.names.remove(name)

    def restart(self) -> None:
        number = len(self.names)
        for name in [*self.names]:
            self.stop(name)
        for _ in range(number):
            self.start()

    def without_credentials(self) -> list[str]:
        """Return those that would get no credentials now.

        The agent keeps those of before for a time, which nobody may count on: it drops them when EKS answers that there
        is no association (https://github.com/aws/eks-pod-identity-agent: internal/credsretriever/refreshing_cache.go).
        """
        return [name for name in self.names if not self._gets(name)]

    def way(self, name: str) -> Way | None:
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
                    clusterName=CLUSTER, token=pod_token(self.cloud, pod, way.audience)
                )
            elif way is IRSA:
                self.cloud.aws("sts").assume_role_with_web_identity(
                    RoleArn=variables["AWS_ROLE_ARN"],
                    RoleSessionName=name,
                    WebIdentityToken=pod_token(self.cloud, pod, way.audience),
                )
        except (ClientError, ApiError):
            return False
        return way is not None


def annotation(cloud: Any, namespace: str, name: str) -> str | None:
    found = service_account(cloud, name, namespace)["metadata"].get("annotations") or {}
    return None if (role := found.get(ROLE_ARN)) is None else str(role)
