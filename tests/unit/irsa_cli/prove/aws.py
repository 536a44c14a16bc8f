"""A cluster whose tokens say who they are of, and STS and EKS that answer to them as a test says."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from irsa_cli.prove import pod_identity, web_identity
from irsa_cli.prove.proof import Prover
from irsa_cli.prove.proofs import checks_of
from irsa_world.exits import NoPermissionError
from irsa_world.live.once import Once
from irsa_world.live.sts import AssumedRoleUser
from irsa_world.model import ServiceAccount
from irsa_world.report.checks import Check
from irsa_world.state.declared import DeclaredBinding, DeclaredStack
from tests.world import Place

ACCOUNT, ISSUER = "111122223333", "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOST_PATH = ISSUER.removeprefix("https://")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/app"
# The ARN of a session has no path: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
ASSUMED = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/irsa"
Claims = Mapping[str, str]
Answer = Callable[[Claims], AssumedRoleUser]


def pod(namespace: str, service_account: str) -> dict[str, Any]:
    name = f"{service_account}-0"
    metadata = {"namespace": namespace, "name": name, "uid": f"uid-of-{name}"}
    return {"metadata": metadata, "spec": {"serviceAccountName": service_account}}


class Cluster(NamedTuple):
    """A cluster with these service accounts, `namespace:name`, and a running Pod of each; some rights may be missing.

    Attributes:
        lists: The namespaces in which lists are allowed; None stands for the whole cluster.
        without_tokens: The namespaces in which no tokens may be made.
        unreachable: What there is instead of an answer.
        runs: Whether the Pods run.
    """

    there: tuple[str, ...]
    issuer: str = ISSUER
    lists: tuple[str | None, ...] = (None, "web", "team-a")
    without_tokens: tuple[str, ...] = ()
    unreachable: Exception | None = None
    context: str = "test"
    runs: bool = True
    place: Any = Place()

    def __hash__(self) -> int:
        return id(self)

    def has_namespace(self, _: str) -> bool:
        return True

    def service_account(self, namespace: str, name: str) -> ServiceAccount | None:
        if self.unreachable:
            raise self.unreachable
        found = ServiceAccount("test", namespace, name, {"eks.amazonaws.com/role-arn": ROLE})
        return found if found.subject in self.there else None

    def _places(self, namespace: str | None) -> Iterable[tuple[str, str]]:
        if namespace not in self.lists:
            raise NoPermissionError(f"list in {namespace or 'all namespaces'}: forbidden")
        places = (tuple(each.split(":")) for each in sorted(self.there))
        return [(place[0], place[1]) for place in places if namespace in (None, place[0])]

    def service_accounts(self, namespace: str | None) -> list[ServiceAccount]:
        return [ServiceAccount("test", *each) for each in self._places(namespace)]

    def running_pods(self, namespace: str | None, selector: str) -> list[dict[str, Any]]:
        """Answer as the API server does: https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/."""
        field, is_not, value = selector.partition("!=") if "!=" in selector else selector.partition("=")
        place = {"spec.serviceAccountName": 1, "metadata.namespace": 0}[field]
        return [
            pod(*each) for each in self._places(namespace) if (each[place] == value) is (is_not == "=") and self.runs
        ]

    def token(self, namespace: str, name: str, audience: str, bound_to: Any) -> str:
        assert bound_to in (None, pod(namespace, name)), "a token is of a service account's own Pod"
        if namespace in self.without_tokens:
            raise NoPermissionError(f"create serviceaccounts/token {namespace}/{name}: forbidden")
        claims = {"iss": self.issuer, "sub": f"{namespace}:{name}", "aud": audience, "pod": str(bool(bound_to))}
        return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


def raising(refused: Exception) -> Answer:
    def answer(_: Claims) -> AssumedRoleUser:
        raise refused

    return answer


def prove(
    answer: Answer,
    cluster: Cluster | Mapping[str, Cluster],
    *bindings: DeclaredBinding,
    allow_unproven: bool = False,
) -> list[Check]:
    """Prove the first of some bindings where STS and EKS answer so to a token's claims."""
    of = cluster if isinstance(cluster, Mapping) else {"k": cluster}

    def answered(token: str) -> AssumedRoleUser:
        payload = token.split(".")[1]
        return answer(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))

    def eks(_: str) -> Any:
        issuers = {"my-cluster": "https://b", "green": "https://elsewhere"}
        return SimpleNamespace(cluster=lambda name: SimpleNamespace(issuer=issuers[name]))

    account = SimpleNamespace(session="session", eks=eks)
    reach: Any = SimpleNamespace(of_arn=lambda _: None, of_resource=lambda *_: account)
    clusters: Any = SimpleNamespace(of=of.__getitem__, references=[*of])
    sts = SimpleNamespace(identity=lambda token, role_arn: answered(token).arn if role_arn == ROLE else "")
    eks_auth = SimpleNamespace(pod_session=lambda _, token: answered(token))
    prover = Prover(DeclaredStack("dev", bindings, {}, {}), reach, clusters, Once())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_identity, "TokenService", lambda _: sts)
        patch.setattr(pod_identity, "PodIdentityService", lambda *_: eks_auth)
        return checks_of(prover, bindings[0], allow_unproven)
