"""The proof of IRSA and its negative check, with a cluster and an STS that answer what a test says."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.prove.proof import Asked
from irsa_cli.prove.web_identity import WebIdentityProof, depends_on_network
from irsa_cli.report.checks import Check, Outcome
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.once import Once
from irsa_world.live.sts import Refused
from irsa_world.model import Role, ServiceAccount
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOST_PATH = ISSUER.removeprefix("https://")
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
ROLE = "arn:aws:iam::111122223333:role/app"
ASSUMED = "arn:aws:sts::111122223333:assumed-role/app/irsa"
DENIED = Refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
NAMES = {"role": ROLE, "issuer": ISSUER, "subject": "system:serviceaccount:web:app", "audience": "sts.amazonaws.com"}


def trust(subject: str, **conditions: Any) -> dict[str, Any]:
    claims = {f"{HOST_PATH}:aud": "sts.amazonaws.com", f"{HOST_PATH}:sub": f"system:serviceaccount:{subject}"}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": claims, **conditions},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


class StubCluster:
    """A cluster with these service accounts, whose tokens say who they are of."""

    def __init__(self, *service_accounts: str) -> None:
        self.service_accounts_present = service_accounts
        self.issuer, self.context = ISSUER, "test"
        self.may_list = True

    def service_account(self, namespace: str, name: str) -> ServiceAccount | None:
        found = ServiceAccount("test", namespace, name, {"eks.amazonaws.com/role-arn": ROLE})
        return found if found.subject in self.service_accounts_present else None

    def service_accounts(self, namespace: str | None) -> list[ServiceAccount]:
        if not self.may_list:
            raise CouldNotLookError("list serviceaccounts in all namespaces: forbidden")
        places = (each.split(":") for each in sorted(self.service_accounts_present))
        return [ServiceAccount("test", where, name) for where, name in places if namespace in (None, where)]

    def token(self, namespace: str, name: str, audience: str) -> str:
        claims = {"iss": ISSUER, "sub": f"{namespace}:{name}", "aud": audience}
        return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


class StubClusters:
    def __init__(self, cluster: Any) -> None:
        self.cluster, self.references = cluster, [""]

    def of(self, _: str) -> Any:
        return self.cluster


class StubAwsAccounts:
    def of_arn(self, _: str) -> None:
        return None


def prove(
    answer: Callable[[Mapping[str, str]], str],
    *service_accounts: str,
    modified: datetime | None = None,
    subjects: tuple[str, ...] = ("web:app",),
    document: dict[str, Any] | None = None,
    allow_unproven: bool = False,
    cluster: StubCluster | None = None,
) -> list[Check]:
    """Prove a binding of the service account web/app where STS answers so to a token's claims."""

    class Sts:
        def __init__(self, _: str | None) -> None:
            pass

        def identity(self, token: str, role_arn: str) -> str:
            assert role_arn == ROLE
            payload = token.split(".")[1]
            return answer(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))

    own = DeclaredServiceAccount("", "web", "app", {"eks.amazonaws.com/role-arn": ROLE}, created=True)
    role = Role(ROLE, document or trust(subjects[0]))
    mine = (own,) if "web:app" in subjects else ()
    binding = DeclaredBinding("app", ROLE, role, service_accounts=mine, subjects=subjects, modified=modified)
    declared = DeclaredStack("dev", (binding,), {}, {})
    stub: Any = StubClusters(cluster or StubCluster(*service_accounts))
    reach: Any = StubAwsAccounts()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("irsa_cli.prove.web_identity.TokenService", Sts)
        return WebIdentityProof(Asked(declared, reach, stub, Once(), allow_unproven), binding).checks()


def admitting(*subjects: str, audience: str = "sts.amazonaws.com") -> Callable[[Mapping[str, str]], str]:
    def answer(claims: Mapping[str, str]) -> str:
        if claims["aud"] != audience:
            raise Refused("InvalidIdentityToken", "Incorrect token audience")
        if claims["sub"] not in subjects:
            raise DENIED
        return ASSUMED

    return answer


@pytest.mark.parametrize(
    ("provider", "region"),
    [("china", "cn-north-1"), ("profile", "cn-northwest-1"), ("gone", "us-gov-west-1")],
    ids=["region of its provider", "region of its provider's profile", "first provider"],
)
def test_tokens_go_to_the_sts_of_the_provider(
    provider: str, region: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text("[profile china]\nregion = cn-northwest-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    asked: list[str] = []

    def service(session: Any) -> Any:
        asked.append(session.region_name)
        return type("Sts", (), {"identity": lambda *_: ASSUMED})()

    monkeypatch.setattr("irsa_cli.prove.web_identity.TokenService", service)
    providers = {
        "first": {"region": "us-gov-west-1"},
        "china": {"region": "cn-north-1"},
        "profile": {"profile": "china"},
    }
    role = Role(ROLE, trust("web:app"))
    binding = DeclaredBinding("app", ROLE, role, subjects=("web:app",), provider=provider)
    clusters: Any = StubClusters(StubCluster("web:app"))
    reach: Any = StubAwsAccounts()
    WebIdentityProof(Asked(DeclaredStack("dev", (binding,), providers, {}), reach, clusters, Once()), binding).checks()

    assert asked == [region]


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        (DENIED, Outcome.OK),
        (Refused("InvalidIdentityToken", "Incorrect token audience"), Outcome.OK),
        (Refused("IDPCommunicationError", "could not be reached"), Outcome.NO_ANSWER),
        (Refused("ExpiredTokenException", "Token expired"), Outcome.NO_ANSWER),
        (Refused("Throttling", "Rate exceeded"), Outcome.NO_ANSWER),
    ],
)
def test_only_a_refusal_of_trust_is_a_negative_check(refusal: Refused, outcome: Outcome) -> None:
    def answer(claims: Mapping[str, str]) -> str:
        if claims["sub"] == "web:app":
            return ASSUMED
        raise refusal

    (_, counter) = prove(answer, "web:app", "web:other")

    assert (counter.check, counter.outcome) == ("is refused", outcome)


def test_another_role_than_the_declared_one_is_a_finding() -> None:
    (assumes, _) = prove(lambda _: ASSUMED.replace("/app/", "/app-2/"), "web:app")

    assert (assumes.outcome, assumes.expected) == (Outcome.FINDING, "arn:aws:sts::111122223333:assumed-role/app/")


@pytest.mark.parametrize(("age", "asked"), [(5, 3), (3600, 1), (None, 1)])
def test_a_new_role_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, age: int | None, asked: int) -> None:
    """Protects a proof right after `up`: for a minute IAM may not know the role everywhere, and later it does.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """
    pauses: list[float] = []
    monkeypatch.setattr("irsa_cli.prove.web_identity.time.sleep", pauses.append)
    answers: list[str] = []

    def answer(claims: Mapping[str, str]) -> str:
        answers.append(claims["sub"])
        raise DENIED

    modified = None if age is None else datetime.now(UTC) - timedelta(seconds=age)
    (assumes, _) = prove(answer, "web:app", modified=modified)

    assert (assumes.outcome, len(answers), len(pauses)) == (Outcome.FINDING, asked, asked - 1)


def test_a_pattern_is_proven_by_the_service_account_that_proves_most() -> None:
    seen: list[str] = []

    def answer(claims: Mapping[str, str]) -> str:
        seen.append(claims["sub"])
        return admitting("team-a:default", "team-a:worker")(claims)

    service_accounts = ("team-a:default", "team-a:worker", "team-b:x")
    checks = prove(answer, *service_accounts, subjects=("team-a:*",))
    nobody = prove(answer, "team-b:x", subjects=("team-a:*",))

    assert seen[0] == "team-a:worker"
    assert [check.about for check in checks] == ["team-a/* by team-a/worker", "team-b/x, which is not trusted"]
    assert nobody[0].found == "no existing service account matches, so there is no proof"
    assert [check.outcome for check in nobody] == [Outcome.CANNOT_TELL, Outcome.NOT_CHECKED]


@pytest.mark.parametrize("subject", ["team-a:*", "team-a:later"])
def test_a_subject_without_a_service_account_may_be_allowed(subject: str) -> None:
    service_accounts, subjects = ("team-b:x", "web:app"), (subject,)
    allowed = prove(admitting(), *service_accounts, subjects=subjects, allow_unproven=True)
    exists = ("team-a:later", "team-b:x")
    refused = prove(admitting(), *exists, subjects=subjects, allow_unproven=True)
    own_is_missing = prove(admitting(), "team-b:x", allow_unproven=True)

    assert [check.outcome for check in allowed] == [Outcome.UNPROVEN, Outcome.NOT_CHECKED]
    assert allowed[0].found.endswith(", so there is no proof")
    assert refused[0].outcome is Outcome.FINDING
    # It is the stack's to create, so that it is no matter of waiting.
    assert own_is_missing[0].outcome is Outcome.FINDING


def test_what_is_denied_is_never_allowed_to_be_unproven() -> None:
    cluster = StubCluster("team-a:worker")
    cluster.may_list = False
    checks = prove(admitting(), subjects=("team-a:*",), allow_unproven=True, cluster=cluster)

    assert checks[0].outcome is Outcome.NO_ANSWER


def test_one_binding_that_fails_costs_no_other() -> None:
    def answer(_: Mapping[str, str]) -> str:
        raise LookupError("secret-token")

    (check,) = prove(answer, "web:app")

    assert (check.outcome, check.found) == (Outcome.CANNOT_TELL, "unexpected LookupError; please report it")


def test_no_cluster_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: str) -> None:
        raise CouldNotLookError("cluster test: connection refused")

    monkeypatch.setattr(StubCluster, "service_account", nobody)
    (assumes, counter) = prove(admitting("web:app"), "web:app")

    assert (assumes.outcome, assumes.found) == (Outcome.NO_ANSWER, "cluster test: connection refused")
    assert counter.outcome is Outcome.NOT_CHECKED


OTHERS = {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
    "Action": "sts:AssumeRole",
    "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
}
IN_REGION = trust("web:app", StringEquals={"aws:RequestedRegion": "us-west-2"})


@pytest.mark.parametrize(
    ("document", "depends"),
    [
        # "Properties of the network", https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        (trust("web:app", IpAddress={"aws:SourceIp": "203.0.113.0/24"}), True),
        (trust("web:app", StringEquals={"aws:SourceVpc": "vpc-1"}), True),
        (trust("web:app", StringEquals={"AWS:sourcevpce": "vpce-1"}), True),
        (trust("web:app", StringEquals={"aws:VpceOrgID": "o-1"}), True),
        (trust("web:app", StringEquals={"aws:VpceAccount": "111122223333"}), True),
        # Another subject is refused wherever it comes from.
        (trust("web:other", IpAddress={"aws:SourceIp": "203.0.113.0/24"}), False),
        # What leaves it open is something else.
        (IN_REGION, False),
        (trust("web:app"), False),
        # A statement for somebody else decides nothing here.
        ({**IN_REGION, "Statement": [*IN_REGION["Statement"], OTHERS]}, False),
        ({"Version": "2012-10-17", "Statement": "no policy"}, False),
    ],
)
def test_whether_the_network_decides(document: dict[str, Any], depends: bool) -> None:
    assert depends_on_network(document, NAMES) is depends


SUB, AUD = f"{HOST_PATH}:sub", f"{HOST_PATH}:aud"
NAMED = "a service account that is not trusted"


def opened(**condition: Any) -> dict[str, Any]:
    """Return a trust policy for web:app, and a statement of the caller's besides."""
    document = trust("web:app")
    first = document["Statement"][0]
    document["Statement"].append({**first, "Condition": condition})
    return document


def negative(answer: Callable[[Mapping[str, str]], str], *accounts: str, **options: Any) -> list[Check]:
    return [check for check in prove(answer, *accounts, **options) if check.check == "is refused"]


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"StringEquals": {AUD: "sts.amazonaws.com"}},
        {"StringLike": {SUB: "*"}},
        {"StringNotEquals": {SUB: "system:serviceaccount:web:a-first-one"}},
    ],
)
def test_a_statement_that_opens_the_cluster(condition: dict[str, Any]) -> None:
    """The attack: the state names web:app, a statement besides admits everybody, and prove tried whom it denies."""
    accounts = ("web:a-first-one", "web:app", "web:other")
    admitted = admitting(*(accounts[1:] if "StringNotEquals" in condition else accounts))
    (check,) = negative(admitted, *accounts, document=opened(**condition))

    assert (check.outcome, check.found) == (Outcome.FINDING, f"STS gave it {ASSUMED}")
    assert check.about.endswith(", which is not trusted")


def test_everybody_is_trusted() -> None:
    """The attack: where the whole cluster is trusted nobody is refused, and a wrong audience was taken for proof."""
    checks = negative(
        admitting("web:app", "web:other"), "web:app", "web:other", subjects=("web:app", "*:*"),
        document=opened(),
    )  # fmt: skip

    assert [(check.outcome, check.about) for check in checks] == [
        (Outcome.NOT_CHECKED, NAMED),
        (Outcome.OK, "web/app with the audience irsa-prove.invalid"),
    ]
    assert checks[0].found == "every service account of the cluster is trusted"


def test_whom_a_statement_names_is_no_stranger() -> None:
    document = opened(StringLike={SUB: "system:serviceaccount:web:b*"})
    (check,) = negative(admitting("web:app", "web:b"), "web:app", "web:b", "web:c", document=document)

    assert (check.outcome, check.about) == (Outcome.OK, "web/c, which is not trusted")


def test_a_refusal_that_depends_on_the_place_proves_nothing() -> None:
    """The attack: a statement for everybody from one network, who are refused from where prove runs."""
    document = opened(IpAddress={"aws:SourceIp": "203.0.113.0/24"})
    (check,) = negative(admitting("web:app"), "web:app", "web:other", document=document)

    assert (check.outcome, check.about) == (Outcome.CANNOT_TELL, "web/other, which is not trusted")
    assert "other conditions" in check.found


def test_a_provider_of_another_account_changes_nothing() -> None:
    document = opened()
    document["Statement"][1]["Principal"] = {"Federated": PROVIDER.replace("EXAMPLE", "OTHER")}
    (check,) = negative(admitting("web:app"), "web:app", "web:other", document=document)

    assert (check.outcome, check.about) == (Outcome.OK, "web/other, which is not trusted")


def test_a_listing_that_is_not_allowed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> list[str]:
        raise NoPermissionError("list serviceaccounts in all namespaces: forbidden")

    monkeypatch.setattr(StubCluster, "service_accounts", forbidden)
    checks = negative(admitting("web:app"), "web:app", "web:other")

    assert [(check.outcome, check.about) for check in checks] == [
        (Outcome.NOT_CHECKED, NAMED),
        (Outcome.OK, "web/app with the audience irsa-prove.invalid"),
    ]
    assert "forbidden" in checks[0].found


def test_the_namespace_of_the_binding_is_tried_first() -> None:
    accounts = (*(f"a-{number}:default" for number in range(30)), "web:app", "web:other")
    (check,) = negative(admitting("web:app"), *accounts)

    assert (check.outcome, check.about) == (Outcome.OK, "web/other, which is not trusted")


def test_a_token_that_may_not_be_made_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    make = StubCluster.token

    def token(self: StubCluster, namespace: str, *rest: Any) -> str | None:
        if namespace != "web":
            raise NoPermissionError("create serviceaccounts/token a/b: forbidden")
        return make(self, namespace, *rest)

    monkeypatch.setattr(StubCluster, "token", token)
    checks = negative(admitting("web:app"), "a:b", "web:app", subjects=("web:*", "web:app"))

    assert [(check.outcome, check.about) for check in checks] == [
        (Outcome.NOT_CHECKED, NAMED),
        (Outcome.OK, "web/app with the audience irsa-prove.invalid"),
    ]
    assert checks[0].found == "create serviceaccounts/token a/b: forbidden"
