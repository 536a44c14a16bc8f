"""What both proofs have in common, each case by a token of a service account and by one of its Pod.

STS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html;
EKS: https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.arns import ClusterArn
from irsa.ways import IRSA, POD_IDENTITY, TrustParts, parse_identity, trust_document
from irsa_world.exits import CouldNotLookError
from irsa_world.live.sts import AssumedRoleUser, Refused
from irsa_world.model import Association, Role
from irsa_world.report.checks import Check, Outcome, Report
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount
from tests.unit.irsa_cli.prove.aws import ACCOUNT, ASSUMED, HOST_PATH, ROLE, Answer, Claims, Cluster, prove, raising

TARGET = "arn:aws:iam::444455556666:role/data-reader"
CLUSTER = ClusterArn("aws", "us-west-2", ACCOUNT, "my-cluster")
GREEN = CLUSTER._replace(name="green")
ASSOCIATION = Association(str(CLUSTER), "web", "app", ROLE, "a-1")
OWN = DeclaredServiceAccount("k", "web", "app", {"eks.amazonaws.com/role-arn": ROLE}, created=True)
TRUST = json.loads(trust_document(TrustParts([f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST_PATH}"], ["web:app"])))
WRONG_AUDIENCE = "irsa-prove.invalid"
UP = "pulumi up --refresh --stack dev"


class Way(NamedTuple):
    """A way to a role: its binding, and how AWS refuses."""

    binding: DeclaredBinding
    by: str
    denied: Refused
    wrong_audience: Refused
    throttled: Refused
    nobody: str


STS = Way(
    DeclaredBinding("app", ROLE, Role(ROLE, TRUST), service_accounts=(OWN,), subjects=("web:app",)),
    "",
    Refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
    Refused("InvalidIdentityToken", "Incorrect token audience"),
    Refused("Throttling", "Rate exceeded"),
    "a service account that is not trusted",
)
EKS = Way(
    DeclaredBinding(
        "app", ROLE, Role(ROLE, {}), service_accounts=(OWN,), associations=(ASSOCIATION,),
        identity=parse_identity("podIdentity"), kubernetes={str(CLUSTER): "k"},
    ),
    " by EKS Pod Identity",
    Refused("AccessDeniedException", "Unauthorized Exception! EKS does not have permissions"),
    Refused("InvalidTokenException", "The specified Kubernetes service account token is invalid."),
    Refused("ThrottlingException", "Rate exceeded"),
    "a Pod without an association",
)  # fmt: skip
NOT_ASSOCIATED = Refused("ResourceNotFoundException", "No association found")
CALLER = Refused("AccessDeniedException", "User: x is not authorized to perform: eks-auth:AssumeRoleForPodIdentity")
SESSION = AssumedRoleUser(ASSUMED, "a-1")
both_ways = pytest.mark.parametrize("way", [STS, EKS], ids=["STS", "EKS"])


def admitting(way: Way, *subjects: str) -> Answer:
    """Return an AWS that admits these alone."""

    def answer(claims: Claims) -> AssumedRoleUser:
        if claims["aud"] == WRONG_AUDIENCE:
            raise way.wrong_audience
        if claims["sub"] not in (subjects or ("web:app",)):
            raise way.denied
        return SESSION

    return answer


def other_gets(way: Way, answered: Refused | AssumedRoleUser) -> Answer:
    """Return an AWS that admits web:app, and answers so to everybody else."""

    def answer(claims: Claims) -> AssumedRoleUser:
        if claims["sub"] == "web:app":
            return admitting(way)(claims)
        if isinstance(answered, Refused):
            raise answered
        return answered

    return answer


@both_ways
@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        (Cluster(("web:app",)), ""),
        (Cluster(("web:app", "zz:b"), without_tokens=("zz",)), "create serviceaccounts/token zz/b: forbidden"),
        (Cluster(("web:app", "zz:b"), lists=("web",)), "list in all namespaces: forbidden"),
    ],
)
def test_where_nobody_else_can_be_tried_a_wrong_audience_is(way: Way, cluster: Cluster, reason: str) -> None:
    checks = prove(admitting(way), cluster, way.binding)

    assert [(check.check, check.outcome, check.about) for check in checks] == [
        ("assumes", Outcome.OK, f"web/app{way.by}"),
        ("is refused", Outcome.NOT_CHECKED, way.nobody),
        ("is refused", Outcome.OK, f"web/app{way.by} with the audience {WRONG_AUDIENCE}"),
    ]
    assert reason in checks[1].found


@both_ways
def test_a_neighbour_is_tried_first(way: Way) -> None:
    there = (*(f"a-{number}:default" for number in range(30)), "web:app", "web:other")
    (_, negative) = prove(admitting(way), Cluster(there), way.binding)

    assert (negative.outcome, negative.about.startswith("web/other")) == (Outcome.OK, True)


REFUSALS = [
    (STS, STS.denied, Outcome.FINDING, UP, Outcome.OK),
    (STS, STS.wrong_audience, Outcome.FINDING, None, Outcome.OK),
    (STS, STS.throttled, Outcome.NO_ANSWER, "", Outcome.NO_ANSWER),
    (EKS, EKS.denied, Outcome.FINDING, UP, Outcome.OK),
    (EKS, NOT_ASSOCIATED, Outcome.FINDING, UP, Outcome.OK),
    (EKS, EKS.throttled, Outcome.NO_ANSWER, "", Outcome.NO_ANSWER),
    (EKS, CALLER, Outcome.NO_PERMISSION, "", Outcome.NO_ANSWER),
    (EKS, EKS.wrong_audience, Outcome.FINDING, "", Outcome.NO_ANSWER),
]


@pytest.mark.parametrize(("way", "refused", "outcome", "fix", "negative"), REFUSALS)
def test_what_a_refusal_means(way: Way, refused: Refused, outcome: Outcome, fix: str | None, negative: Outcome) -> None:
    (assumes, unproven) = prove(raising(refused), Cluster(("web:app", "web:other")), way.binding)
    (_, counter) = prove(other_gets(way, refused), Cluster(("web:app", "web:other")), way.binding)

    assert (assumes.outcome, unproven.outcome, unproven.about) == (outcome, Outcome.NOT_CHECKED, way.nobody)
    assert fix is None or assumes.fix == fix
    assert ("slow down" in assumes.found) is (refused in (STS.throttled, EKS.throttled))
    assert (counter.check, counter.outcome) == ("is refused", negative)


@both_ways
def test_no_answer_and_a_fault_of_ours_cost_no_other_binding(way: Way) -> None:
    (silent, _) = prove(raising(CouldNotLookError("no connection")), Cluster(("web:app",)), way.binding)
    (fault, _) = prove(raising(LookupError("secret-token")), Cluster(("web:app",)), way.binding)
    down = Cluster((), unreachable=CouldNotLookError("cluster test: connection refused"))
    (unread, counter) = prove(admitting(way), down, way.binding)

    assert (silent.outcome, silent.found) == (Outcome.NO_ANSWER, "no connection")
    assert (fault.outcome, fault.found) == (Outcome.CANNOT_TELL, "unexpected LookupError; please report it")
    assert (unread.outcome, counter.outcome) == (Outcome.NO_ANSWER, Outcome.NOT_CHECKED)


@both_ways
def test_another_role_than_the_declared_one_is_a_finding(way: Way) -> None:
    # Of which the declared one's name is the beginning.
    session = AssumedRoleUser(ASSUMED.replace("/app/", "/app-2/"), "a-1")
    (assumes, _) = prove(lambda _: session, Cluster(("web:app",)), way.binding)

    assert (assumes.outcome, assumes.found) == (Outcome.FINDING, session.arn)
    assert assumes.expected == f"arn:aws:sts::{ACCOUNT}:assumed-role/app/"


@both_ways
def test_a_service_account_that_is_gone_is_a_finding(way: Way) -> None:
    (assumes, _) = prove(admitting(way), Cluster(("web:x",)), way.binding, allow_unproven=True)

    assert (assumes.outcome, assumes.found, assumes.fix) == (Outcome.FINDING, "there is no such service account", UP)


@both_ways
@pytest.mark.parametrize(("age", "asked"), [(5, 3), (3600, 1), (None, 1)])
def test_what_is_new_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, way: Way, age: int | None, asked: int) -> None:
    """Protects a proof right after `up`: roles and associations are eventually consistent.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """
    pauses: list[float] = []
    monkeypatch.setattr("irsa_cli.prove.proof.time.sleep", pauses.append)
    modified = None if age is None else datetime.now(UTC) - timedelta(seconds=age)
    binding = replace(way.binding, modified=modified)
    for refused, waits in ((way.denied, asked - 1), (way.wrong_audience, 0)):
        pauses.clear()
        (assumes, _) = prove(raising(refused), Cluster(("web:app",)), binding)
        assert (assumes.outcome, len(pauses)) == (Outcome.FINDING, waits)


# --- EKS Pod Identity alone


def proven(answer: Answer, *there: str, binding: DeclaredBinding = EKS.binding, **options: Any) -> list[Check]:
    return prove(answer, Cluster(there or ("web:app",)), binding, **options)


def test_pods_of_the_system_are_not_tried() -> None:
    assert proven(admitting(EKS), "kube-system:", "web:app")[1].outcome is Outcome.NOT_CHECKED


def test_another_association_than_the_declared_one_is_a_finding() -> None:
    (assumes, _) = proven(lambda _: SESSION._replace(association_id="a-2"))

    assert (assumes.outcome, assumes.found) == (Outcome.FINDING, "the association a-2")


def test_a_pod_gets_the_target_role() -> None:
    binding = replace(EKS.binding, associations=(replace(ASSOCIATION, target_role_arn=TARGET),))
    target = AssumedRoleUser("arn:aws:sts::444455556666:assumed-role/data-reader/eks-x", "a-1")

    assert proven(lambda _: target, binding=binding)[0].outcome is Outcome.OK
    assert proven(lambda _: SESSION, binding=binding)[0].outcome is Outcome.FINDING


def test_pulumi_does_not_repair_a_role_of_another_owner() -> None:
    binding = replace(EKS.binding, role=None)

    assert proven(raising(EKS.denied), binding=binding)[0].fix == ""
    assert proven(raising(NOT_ASSOCIATED), binding=binding)[0].fix != ""


@pytest.mark.parametrize(
    ("session", "role", "outcome"),
    [
        (SESSION, EKS.binding.role, Outcome.FINDING),
        # Whom the role of another owner is given besides is no business of this stack.
        (SESSION, None, Outcome.NOT_CHECKED),
        # A Pod with a role of its own refuses nothing.
        (
            AssumedRoleUser(f"arn:aws:sts::{ACCOUNT}:assumed-role/theirs/eks-x", "a-9"),
            EKS.binding.role,
            Outcome.NOT_CHECKED,
        ),
    ],
)
def test_a_pod_that_is_to_be_refused_and_is_not(session: AssumedRoleUser, role: Any, outcome: Outcome) -> None:
    checks = proven(other_gets(EKS, session), "web:app", "web:other", binding=replace(EKS.binding, role=role))

    assert (checks[1].check, checks[1].outcome) == ("is refused", outcome)


def test_an_audience_that_eks_does_not_look_at_is_a_finding() -> None:
    assert [check.outcome for check in proven(lambda _: SESSION)] == [Outcome.OK, Outcome.NOT_CHECKED, Outcome.FINDING]


@pytest.mark.parametrize(("cluster", "tried"), [(CLUSTER, False), (GREEN, True)])
def test_only_pods_that_the_stack_gives_no_role_here_are_tried(cluster: ClusterArn, tried: bool) -> None:
    association = replace(ASSOCIATION, cluster_arn=str(cluster), service_account="other")
    other = replace(EKS.binding, key="other", associations=(association,))
    checks = prove(admitting(EKS), Cluster(("web:app", "web:other")), EKS.binding, other)

    assert [check.about.startswith("web/other ") for check in checks[1:2]] == [tried]


def test_the_clusters_of_one_component_are_known_by_their_issuers() -> None:
    associations = tuple(replace(ASSOCIATION, cluster_arn=str(each)) for each in (CLUSTER, GREEN))
    clusters = {"k": Cluster((), "https://a"), "b": Cluster(("web:app",), "https://b")}
    checks = prove(admitting(EKS), clusters, replace(EKS.binding, associations=associations, kubernetes={}))
    assumes = [check for check in checks if check.check == "assumes"]

    assert [(check.about, check.outcome) for check in assumes] == [
        (f"web/app in my-cluster{EKS.by}", Outcome.OK),
        (f"web/app in green{EKS.by}", Outcome.NO_ANSWER),
    ]
    assert assumes[1].found.startswith("the stack has no Kubernetes provider of the EKS cluster ")


@pytest.mark.parametrize(
    ("identity", "pods"),
    [
        ("both", ["False", "True"]),
        ({"irsa": "trusted", "podIdentity": "used"}, ["False", "True"]),
        ("podIdentity", ["True"]),
        ({"irsa": "used", "podIdentity": "trusted"}, ["False"]),
        ({"podIdentity": "trusted"}, []),
    ],
)
def test_each_stage_proves_what_it_has(identity: Any, pods: list[str]) -> None:
    seen: list[str] = []

    def answer(claims: Claims) -> AssumedRoleUser:
        seen.append(claims["pod"])
        raise (EKS if claims["pod"] == "True" else STS).denied

    checks = proven(answer, binding=replace(EKS.binding, identity=parse_identity(identity)))

    assert seen == pods
    assert pods or [check.outcome for check in checks] == [Outcome.CANNOT_TELL]


@given(
    st.sampled_from(["irsa", "both", "podIdentity", {"irsa": "trusted", "podIdentity": "used"}, {"irsa": "trusted"},
                     {"podIdentity": "trusted"}]),
    st.sampled_from([(), ("web:app",), ("team-a:*",), ("team-a:later", "web:app")]),
    st.frozensets(st.sampled_from(["web:app", "web:other", "team-a:default"])),
    st.booleans(),
)  # fmt: skip
def test_what_is_not_proven_is_never_good(identity: Any, subjects: Any, there: Any, running: bool) -> None:
    """The attack: a binding without Pods, or whose service account does not exist, hides beside a proven one."""
    ways = parse_identity(identity)
    own = (OWN,) if "web:app" in subjects else ()
    associations = (ASSOCIATION,) if POD_IDENTITY in ways.used else ()
    binding = replace(
        EKS.binding, role=STS.binding.role, subjects=subjects, service_accounts=own, associations=associations,
        identity=ways,
    )  # fmt: skip
    cluster = Cluster(tuple(sorted(there)), runs=running)
    proven_one = Check("beside", "assumes", Outcome.OK, "web/beside")
    # Whom AWS gave the role in this run: `sub`, and whether the token was bound to a Pod.
    given_to: set[tuple[str, str]] = set()

    def answer(claims: Claims) -> AssumedRoleUser:
        of_pod = claims["pod"] == "True"
        trusted = any(fnmatchcase(claims["sub"], each) for each in (["web:app"] if of_pod else subjects))
        way = EKS if of_pod else STS
        if claims["aud"] == WRONG_AUDIENCE or not trusted:
            raise way.denied if not trusted else way.wrong_audience
        given_to.add((claims["sub"], claims["pod"]))
        return SESSION

    good, allowed = (
        Report("prove", "dev", [proven_one, *prove(answer, cluster, binding, allow_unproven=each)]).exit_code == 0
        for each in (False, True)
    )
    by_token = {sub for sub, of_pod in given_to if of_pod == "False"}
    proofs = [("web:app", "True") in given_to] if associations else []
    proofs += [any(fnmatchcase(sub, one) for sub in by_token) for one in subjects if IRSA in ways.trusted]

    assert good == bool(proofs and all(proofs))
    assert good <= allowed


def test_a_state_that_hides_the_associations() -> None:
    (check,) = proven(lambda _: SESSION, binding=replace(EKS.binding, associations=()))

    assert check.outcome is Outcome.CANNOT_TELL


def test_what_is_asked_is_what_the_documented_policy_allows() -> None:
    file = Path(__file__).parents[4] / "docs/permissions/iam-prove.json"
    statements = json.loads(file.read_text())["Statement"]

    assert [each["Action"] for each in statements] == ["eks-auth:AssumeRoleForPodIdentity", "eks:DescribeCluster"]
    assert all(each["Resource"].endswith(":cluster/*") for each in statements)
