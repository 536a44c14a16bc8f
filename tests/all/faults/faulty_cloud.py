"""The sandbox's AWS and Kubernetes behind what makes them fail: each way returns the variables that lead through it."""

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from tests.all.faults.toxiproxy import Link, Network
from tests.sandbox.conftest import Cloud
from tests.sandbox.failing_api import Failure, Question, failing_aws, failing_kubernetes

# What irsa asks of IAM and STS; EKS is asked by path.
ACTIONS = (
    "AssumeRoleWithWebIdentity",
    "GetAccountAuthorizationDetails",
    "GetAccountSummary",
    "GetCallerIdentity",
    "GetOpenIDConnectProvider",
    "GetPolicy",
    "GetPolicyVersion",
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListOpenIDConnectProviders",
    "ListPolicies",
    "ListRolePolicies",
    "ListRoles",
    "/clusters/my-cluster",
)
# The words of IAM and EKS: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
THROTTLED: Failure = (400, "Throttling", "Rate exceeded")
BROKEN: Failure = (500, "InternalFailure", "The request processing has failed because of an unknown error")
UNAVAILABLE: Failure = (503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server")
GONE_SECONDS = 5.0


@dataclass
class FaultyCloud:
    """The ways to one sandbox; they end with the stack of contexts.

    Attributes:
        met: One event for each fault that comes later: set when it has come.
    """

    cloud: Cloud
    network: Network
    ways: ExitStack
    met: list[threading.Event] = field(default_factory=list)
    random: Random = field(default_factory=lambda: Random(20141112))

    # AWS

    def aws(self, put: Callable[[Link], object]) -> dict[str, str]:
        """Lead to AWS through a network with a fault."""
        link = self.network.link(self.cloud.aws_address)
        put(link)
        return {"AWS_ENDPOINT_URL": link.address}

    def aws_answers(self, failure: Failure, share: float) -> dict[str, str]:
        """Lead to an AWS that fails a share of its requests."""
        failures = dict.fromkeys(ACTIONS, lambda: failure if self.random.random() < share else None)
        return {"AWS_ENDPOINT_URL": self.ways.enter_context(failing_aws(failures, self.cloud.aws_address))}

    def aws_goes(self, after: int, fault: Callable[[Link], object], back: bool) -> dict[str, str]:
        """Lead to an AWS whose network fails after so many answers, and is whole again some seconds later."""
        links: list[Link] = []
        counted = self.ways.enter_context(failing_aws({}, self.cloud.aws_address, self._at(after, links, fault, back)))
        links.append(self.network.link(counted))
        return {"AWS_ENDPOINT_URL": links[0].address}

    # Kubernetes

    def kubernetes(self, put: Callable[[Link], object]) -> dict[str, str]:
        """Lead to Kubernetes through a network with a fault."""
        link = self.network.link(self._server)
        put(link)
        return self._kubeconfig(link.address)

    def kubernetes_answers(self, status: int, share: float) -> dict[str, str]:
        """Lead to a Kubernetes that fails a share of its requests."""
        return self._kubeconfig(self._failing(lambda _: status if self.random.random() < share else None))

    def kubernetes_goes(self, after: int, fault: Callable[[Link], object], back: bool) -> dict[str, str]:
        """Lead to a Kubernetes whose network fails after so many answers, and is whole again some seconds later."""
        links: list[Link] = []
        links.append(self.network.link(self._failing(lambda _: None, self._at(after, links, fault, back))))
        return self._kubeconfig(links[0].address)

    def _at(
        self, number: int, links: list[Link], fault: Callable[[Link], object], back: bool
    ) -> Callable[[Question], object]:
        """Return a function that puts a fault into the link when it is called for the so-manieth time."""
        calls, lock, met = 0, threading.Lock(), threading.Event()
        self.met.append(met)

        def called(_: Question) -> None:
            nonlocal calls
            with lock:
                calls += 1
                if calls != number:
                    return
            fault(links[0])
            met.set()
            if back:
                threading.Timer(GONE_SECONDS, links[0].restore).start()

        return called

    def _failing(
        self, failure: Callable[[Question], int | None], passed_on: Callable[[Question], object] = lambda _: None
    ) -> str:
        certificate = str(self.cloud.sandbox.kubernetes / "certificates" / "apiserver.crt")
        return self.ways.enter_context(failing_kubernetes(failure, self._server, certificate, passed_on))

    @property
    def _server(self) -> str:
        return str(json.loads(self.cloud.sandbox.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])

    def _kubeconfig(self, server: str) -> dict[str, str]:
        config = json.loads(self.cloud.sandbox.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = server
        if server.startswith("http:"):
            del config["clusters"][0]["cluster"]["certificate-authority-data"]
        file = self.cloud.folder / f"kubeconfig-{server.rpartition(':')[2]}"
        file.write_text(json.dumps(config))
        return {"KUBECONFIG": str(file)}
