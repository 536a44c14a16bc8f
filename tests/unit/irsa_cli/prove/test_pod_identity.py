"""The proof of EKS Pod Identity, with a cluster and an EKS that answer what a test says."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from irsa.rules.arns import ClusterArn
from irsa.ways import parse_identity
from irsa_cli.prove.proof import Asked
from irsa_cli.prove.work import checks_of
from irsa_cli.report.checks import Check, Outcome
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.eks_auth import PodSession
from irsa_world.live.once import Once
from irsa_world.live.sts import Refused
from irsa_world.model import Association, Role, ServiceAccount
from irsa_world.state.declared import (
    DeclaredBinding,
    DeclaredServiceAccount,
    DeclaredStack,
)

ACCOUNT, ISSUER = "111122223333", "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
ROLE, TARGET = f"arn:aws:iam::{ACCOUNT}:role/team/app", "arn:aws:iam::444455556666:role/data-reader"
# The ARN of a session has no path: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
ASSUMED = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/eks-my-cluster-app-0-uuid"
CLUSTER = ClusterArn("aws", "us-west-2", ACCOUNT, "my-cluster")
OWN = DeclaredServiceAccount("k", "web", "app", created=True)
ASSOCIATION = Association(str(CLUSTER), "web", "app", ROLE, "a-1")
BINDING = DeclaredBinding(
    "app", ROLE, Role(ROLE, {}), service_accounts=(OWN,), associations=(ASSOCIATION,),
    identity=parse_identity("podIdentity"), kubernetes={str(CLUSTER): "k"},
)  # fmt: skip
SESSION = PodSession(ASSUMED, "a-1")
NOT_ASSOCIATED = Refused("ResourceNotFoundException", "No association found")
NOT_TRUSTED = Refused("AccessDeniedException", "Unauthorized Exception! EKS does not have permissions")
CALLER_LACKS = Refused(
    "AccessDeniedException", "User: x is not authorized to perform: eks-auth:AssumeRoleForPodIdentity"
)
WRONG_TOKEN = Refused("InvalidTokenException", "The specified Kubernetes service account token is invalid.")

Answer = Callable[[Mapping[str, Any]], PodSession]


def pod(namespace: str, service_account: str) -> dict[str, Any]:
    name = f"{service_account}-0"
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": f"uid-of-{name}"},
        "spec": {"serviceAccountName": service_account},
    }


class StubCluster:
    """A cluster where these Pods run, whose tokens say who they are of."""

    def __init__(self, *running: tuple[str, str], issuer: str = ISSUER) -> None:
        self.running, self.issuer = running, issuer
        self.has_service_account = True
        self.readable: tuple[str | None, ...] = ("web", None)
        self.asked: list[tuple[str | None, str]] = []

    def service_account(self, namespace: str, name: str) -> ServiceAccount | None:
        return ServiceAccount("test", namespace, name) if self.has_service_account else None

    def running_pods(self, namespace: str | None, selector: str) -> list[dict[str, Any]]:
        """Answer as the API server does: https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/."""
        self.asked.append((namespace, selector))
        if namespace not in self.readable:
            raise NoPermissionError(f"list pods in {namespace or 'all namespaces'}: forbidden")
        field, is_not, value = selector.partition("!=") if "!=" in selector else selector.partition("=")
        place = {"spec.serviceAccountName": 1, "metadata.namespace": 0}[field]
        chosen = [each for each in self.running if (each[place] == value) is (is_not == "=")]
        return [pod(*each) for each in chosen if namespace in (None, each[0])]

    def token(self, namespace: str, name: str, audience: str, bound_to: Any) -> str:
        assert bound_to == pod(namespace, name), "EKS takes no token that is bound to no Pod of its service account"
        claims = {"iss": self.issuer, "sub": f"{namespace}:{name}", "aud": audience}
        return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


class StubClusters:
    def __init__(self, clusters: Mapping[str, StubCluster]) -> None:
        self.clusters, self.references = clusters, [*clusters]

    def of(self, reference: str) -> Any:
        return self.clusters[reference]


class StubAwsAccounts:
    """AWS accounts whose credentials are named after what was asked for."""

    def of_role(self, role_arn: str, reference: str) -> Any:
        session = f"{role_arn} by {reference}"
        eks = lambda region: SimpleNamespace(cluster=lambda name: self.described(session, name, region))  # noqa: E731
        return SimpleNamespace(session=session, eks=eks)

    def described(self, session: str, name: str, region: str) -> Any:
        raise AssertionError((session, name, region))


def prove(
    answer: Answer,
    *running: tuple[str, str],
    binding: DeclaredBinding = BINDING,
    others: tuple[DeclaredBinding, ...] = (),
    allow_unproven: bool = False,
    clusters: Mapping[str, StubCluster] | None = None,
) -> list[Check]:
    """Prove a binding of the service account web/app where EKS answers so to a token's claims."""

    class Eks:
        def __init__(self, session: str, region: str) -> None:
            assert (session, region) == (f"{ROLE} by ", "us-west-2")

        def pod_session(self, cluster: str, token: str) -> PodSession:
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return answer({**claims, "cluster": cluster})

    aws_accounts: Any = StubAwsAccounts()
    reached: Any = StubClusters(clusters or {"k": StubCluster(*running)})
    stack = DeclaredStack("dev", (binding, *others), {}, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("irsa_cli.prove.pod_identity.PodIdentityService", Eks)
        return checks_of(Asked(stack, aws_accounts, reached, Once(), allow_unproven), binding)


def eks(claims: Mapping[str, Any]) -> PodSession:
    """Answer as EKS does where web:app alone has an association."""
    if claims["aud"] != "pods.eks.amazonaws.com":
        raise WRONG_TOKEN
    if claims["sub"] != "web:app":
        raise NOT_ASSOCIATED
    return SESSION


def raising(refused: Exception) -> Answer:
    def answer(_: Mapping[str, Any]) -> PodSession:
        raise refused

    return answer


def said(checks: list[Check]) -> list[tuple[str, Outcome, str]]:
    return [(check.check, check.outcome, check.about) for check in checks]


BY = "by EKS Pod Identity"
ASSUMES = ("assumes", Outcome.OK, f"web/app {BY}")
WRONG_AUDIENCE = ("is refused", Outcome.OK, f"web/app {BY} with the audience irsa-prove.invalid")
NO_OTHER = ("is refused", Outcome.NOT_CHECKED, "a Pod without an association")


def test_only_pods_that_the_stack_gives_no_role_are_tried() -> None:
    other = replace(ASSOCIATION, service_account="other", role_arn=f"arn:aws:iam::{ACCOUNT}:role/other")
    others = (replace(BINDING, key="other", associations=(other,)),)
    running = (("web", "app"), ("web", "other"), ("kube-system", ""))
    checks = prove(eks, *running, others=others)
    elsewhere = prove(eks, *running, ("team-b", "worker"), others=others)

    assert said(checks) == [ASSUMES, NO_OTHER, WRONG_AUDIENCE]
    assert checks[1].found.startswith("there is no running Pod of a service account with which")
    assert [check.about for check in elsewhere][1].startswith("team-b/worker ")


def test_a_service_account_that_is_gone_is_a_finding() -> None:
    cluster = StubCluster(("web", "app"))
    cluster.has_service_account = False
    (assumes, _) = prove(eks, clusters={"k": cluster}, allow_unproven=True)

    assert (assumes.outcome, assumes.found) == (Outcome.FINDING, "there is no such service account")
    assert assumes.fix == "pulumi up --refresh --stack dev"


@pytest.mark.parametrize(
    ("session", "found", "expected"),
    [
        # Another role of which the declared one's name is the beginning.
        (
            PodSession(ASSUMED.replace("/app/", "/app-2/"), "a-1"),
            ASSUMED.replace("/app/", "/app-2/"),
            f"arn:aws:sts::{ACCOUNT}:assumed-role/app/",
        ),
        (PodSession(ASSUMED, "a-2"), "the association a-2", "the association a-1, which the stack created"),
    ],
    ids=["role", "association"],
)
def test_another_role_or_association_than_the_declared_one_is_a_finding(
    session: PodSession, found: str, expected: str
) -> None:
    (assumes, negative) = prove(lambda _: session, ("web", "app"))

    assert (assumes.outcome, assumes.found, assumes.expected) == (Outcome.FINDING, found, expected)
    assert negative.outcome is Outcome.NOT_CHECKED


def test_a_pod_gets_the_target_role() -> None:
    binding = replace(BINDING, associations=(replace(ASSOCIATION, target_role_arn=TARGET),))
    target = PodSession("arn:aws:sts::444455556666:assumed-role/data-reader/eks-x", "a-1")
    running = ("web", "app")

    assert prove(lambda _: target, running, binding=binding)[0].outcome is Outcome.OK
    assert prove(lambda _: SESSION, running, binding=binding)[0].outcome is Outcome.FINDING
    (refused, _) = prove(raising(NOT_TRUSTED), running, binding=binding)
    assert refused.found.endswith(f"; or {ROLE} may not assume the target role {TARGET}")


@pytest.mark.parametrize(
    ("refused", "outcome", "fix"),
    [
        (NOT_TRUSTED, Outcome.FINDING, "pulumi up --refresh --stack dev"),
        (NOT_ASSOCIATED, Outcome.FINDING, "pulumi up --refresh --stack dev"),
        (CALLER_LACKS, Outcome.NO_PERMISSION, ""),
        (WRONG_TOKEN, Outcome.FINDING, ""),
        (Refused("ThrottlingException", "Rate exceeded"), Outcome.NO_ANSWER, ""),
        (CouldNotLookError("eks-auth:AssumeRoleForPodIdentity: ConnectTimeoutError"), Outcome.NO_ANSWER, ""),
    ],
)
def test_what_a_refusal_means(refused: Exception, outcome: Outcome, fix: str) -> None:
    (assumes, negative) = prove(raising(refused), ("web", "app"))

    assert (assumes.outcome, assumes.fix) == (outcome, fix)
    assert (negative.outcome, negative.found) == (Outcome.NOT_CHECKED, "a refusal proves nothing if no Pod is admitted")


def test_pulumi_does_not_repair_a_role_of_another_owner() -> None:
    binding = replace(BINDING, role=None)

    assert prove(raising(NOT_TRUSTED), ("web", "app"), binding=binding)[0].fix == ""
    assert prove(raising(NOT_ASSOCIATED), ("web", "app"), binding=binding)[0].fix != ""


def test_a_pod_that_gets_this_role_by_another_association_is_a_finding() -> None:
    running = (("web", "app"), ("web", "other"))
    (_, negative) = prove(lambda _: SESSION._replace(association_id="a-1"), *running)
    elsewhere = prove(lambda _: SESSION, *running, binding=replace(BINDING, role=None))

    assert (negative.check, negative.outcome) == ("is refused", Outcome.FINDING)
    assert negative.found == f"EKS gave it {ASSUMED} by the association a-1"
    # Whom the role of another owner is given besides is no business of this stack.
    assert elsewhere[1].outcome is Outcome.NOT_CHECKED


def test_a_pod_with_a_role_of_its_own_refuses_nothing() -> None:
    def answer(claims: Mapping[str, Any]) -> PodSession:
        if claims["sub"] == "web:other":
            return PodSession(f"arn:aws:sts::{ACCOUNT}:assumed-role/theirs/eks-x", "a-9")
        return eks(claims)

    checks = prove(answer, ("web", "app"), ("web", "other"))

    assert said(checks) == [ASSUMES, NO_OTHER, WRONG_AUDIENCE]


@pytest.mark.parametrize(
    "refused", [CALLER_LACKS, WRONG_TOKEN, Refused("ThrottlingException", "Rate"), Refused("ExpiredTokenException", "")]
)
def test_only_a_refusal_of_trust_is_a_negative_check(refused: Refused) -> None:
    def answer(claims: Mapping[str, Any]) -> PodSession:
        if claims["sub"] == "web:other":
            raise refused
        return eks(claims)

    (_, negative) = prove(answer, ("web", "app"), ("web", "other"))

    assert (negative.check, negative.outcome) == ("is refused", Outcome.NO_ANSWER)


def test_an_audience_that_eks_does_not_look_at_is_a_finding() -> None:
    checks = prove(lambda _: SESSION, ("web", "app"))

    assert [check.outcome for check in checks] == [Outcome.OK, Outcome.NOT_CHECKED, Outcome.FINDING]


@pytest.mark.parametrize(("age", "asked"), [(5, 3), (None, 1)])
def test_a_new_association_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, age: int | None, asked: int) -> None:
    """Protects a proof right after `up`: associations are eventually consistent.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html
    """
    pauses: list[float] = []
    monkeypatch.setattr("irsa_cli.prove.pod_identity.time.sleep", pauses.append)
    binding = replace(BINDING, modified=None if age is None else datetime.now(UTC))
    answers = iter([NOT_ASSOCIATED, NOT_TRUSTED])

    def answer(claims: Mapping[str, Any]) -> PodSession:
        if refused := next(answers, None):
            raise refused
        return eks(claims)

    (assumes, *_) = prove(answer, ("web", "app"), binding=binding)

    assert (len(pauses), assumes.outcome is Outcome.OK) == (asked - 1, age is not None)


def test_only_what_a_new_association_explains_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irsa_cli.prove.pod_identity.time.sleep", lambda _: pytest.fail("waits"))
    binding = replace(BINDING, modified=datetime.now(UTC))

    assert prove(raising(WRONG_TOKEN), ("web", "app"), binding=binding)[0].outcome is Outcome.FINDING


GREEN = CLUSTER._replace(name="green")


def test_an_association_in_another_cluster_gives_no_role_here() -> None:
    others = (
        replace(
            BINDING, key="other", associations=(replace(ASSOCIATION, cluster_arn=str(GREEN), service_account="other"),)
        ),
    )
    (_, negative) = prove(eks, ("web", "app"), ("web", "other"), others=others)

    assert (negative.outcome, negative.about.partition(" ")[0]) == (Outcome.OK, "web/other")


def test_tokens_of_another_namespace_may_be_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = StubCluster(("web", "app"), ("team-b", "worker"))
    token = cluster.token

    def denied(namespace: str, *arguments: Any) -> str:
        if namespace == "team-b":
            raise NoPermissionError("create serviceaccounts/token team-b/worker: forbidden")
        return token(namespace, *arguments)

    monkeypatch.setattr(cluster, "token", denied)
    checks = prove(eks, clusters={"k": cluster})

    assert said(checks) == [ASSUMES, NO_OTHER, WRONG_AUDIENCE]
    assert checks[1].found == "create serviceaccounts/token team-b/worker: forbidden"


def test_the_clusters_of_one_component_are_known_by_their_issuers(monkeypatch: pytest.MonkeyPatch) -> None:
    issuers = {"my-cluster": "https://b", "green": "https://elsewhere"}

    def described(_: Any, session: str, name: str, region: str) -> Any:
        assert (session, region) == (f"{ROLE} by ", "us-west-2")
        return type("Cluster", (), {"issuer": issuers[name]})()

    monkeypatch.setattr(StubAwsAccounts, "described", described)
    associations = tuple(replace(ASSOCIATION, cluster_arn=str(each)) for each in (CLUSTER, GREEN))
    clusters = {"k": StubCluster(issuer="https://a"), "b": StubCluster(("web", "app"), issuer="https://b")}
    checks = prove(eks, binding=replace(BINDING, associations=associations, kubernetes={}), clusters=clusters)

    assert [(check.about, check.outcome) for check in checks][:2] == [
        (f"web/app in my-cluster {BY}", Outcome.OK),
        (f"web/app in green {BY}", Outcome.NO_ANSWER),
    ]
    assert checks[1].found.startswith("the stack has no Kubernetes provider of the EKS cluster ")


@pytest.mark.parametrize(
    ("identity", "ways"),
    [
        ("both", ["irsa", "podIdentity"]),
        ({"irsa": "trusted", "podIdentity": "used"}, ["irsa", "podIdentity"]),
        ("podIdentity", ["podIdentity"]),
        ({"irsa": "used", "podIdentity": "trusted"}, ["irsa"]),
        ({"podIdentity": "trusted"}, []),
    ],
)
def test_each_stage_proves_what_it_has(monkeypatch: pytest.MonkeyPatch, identity: Any, ways: list[str]) -> None:
    asked: list[str] = []

    def ran(way: str) -> list[Check]:
        asked.append(way)
        return []

    for way, name in (("irsa", "web_identity.WebIdentityProof"), ("podIdentity", "pod_identity.PodIdentityProof")):
        monkeypatch.setattr(f"irsa_cli.prove.{name}.proven_checks", lambda _, way=way: ran(way))
    (nothing,) = prove(eks, binding=replace(BINDING, identity=parse_identity(identity)))

    assert asked == ways
    assert nothing.outcome is Outcome.NOT_CHECKED


def test_a_state_that_hides_the_associations() -> None:
    (check,) = prove(eks, binding=replace(BINDING, associations=()))

    assert check.outcome is Outcome.CANNOT_TELL


def test_a_fault_of_ours_shows_no_token() -> None:
    (check,) = prove(raising(LookupError("secret-token")), ("web", "app"))

    assert (check.outcome, check.found) == (Outcome.CANNOT_TELL, "unexpected LookupError; please report it")


def test_what_is_asked_is_what_the_documented_policy_allows() -> None:
    file = Path(__file__).parents[4] / "docs/permissions/iam-prove.json"
    statements = json.loads(file.read_text())["Statement"]

    assert [each["Action"] for each in statements] == ["eks-auth:AssumeRoleForPodIdentity", "eks:DescribeCluster"]
    assert all(each["Resource"].endswith(":cluster/*") for each in statements)
