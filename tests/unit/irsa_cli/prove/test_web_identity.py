"""The proof of IRSA alone: patterns, whom the trust policy admits besides, and whose STS is asked."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from irsa_cli.prove import web_identity
from irsa_world.model import Role
from irsa_world.report.checks import Check, Outcome
from tests.unit.irsa_cli.prove.aws import ACCOUNT, ASSUMED, HOST_PATH, ROLE, Cluster, prove
from tests.unit.irsa_cli.prove.test_proofs import STS, admitting
from tests.world import document, of_tokens

PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST_PATH}"
SUB, AUD = f"{HOST_PATH}:sub", f"{HOST_PATH}:aud"
NETWORK: dict[str, Any] = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}


def trust(subject: str, **conditions: Any) -> dict[str, Any]:
    claims = {AUD: "sts.amazonaws.com", SUB: f"system:serviceaccount:{subject}"}
    return document(of_tokens(PROVIDER, {"StringLike": claims, **conditions}))


def opened(provider: str = PROVIDER, **condition: Any) -> dict[str, Any]:
    """Return a trust policy for web:app, and a statement of the caller's besides."""
    document = trust("web:app")
    first = document["Statement"][0]
    document["Statement"].append({**first, "Principal": {"Federated": provider}, "Condition": condition})
    return document


def proven(
    admitted: tuple[str, ...], there: tuple[str, ...], subjects: tuple[str, ...] = ("web:app",), document: Any = None,
    **options: Any,
) -> list[Check]:  # fmt: skip
    own = STS.binding.service_accounts if "web:app" in subjects else ()
    role = Role(ROLE, document or trust(subjects[0]))
    binding = replace(STS.binding, role=role, service_accounts=own, subjects=subjects)
    cluster = options.pop("cluster", Cluster(there))
    return prove(admitting(STS, *(admitted or ("nobody:x",))), cluster, binding, **options)


@pytest.mark.parametrize("subject", ["team-a:*", "team-a:app"])
def test_a_cluster_without_anybody_who_matches_has_its_own_row(subject: str) -> None:
    document = trust(subject)
    statement = document["Statement"][0]
    elsewhere = PROVIDER.replace(HOST_PATH, "elsewhere")
    conditions = {"StringLike": {"elsewhere:aud": "sts.amazonaws.com", "elsewhere:sub": statement["Condition"]}}
    document["Statement"].append({**statement, "Principal": {"Federated": elsewhere}, "Condition": conditions})
    clusters = {"blue": Cluster(("team-a:app",)), "green": Cluster((), issuer="https://elsewhere")}

    def outcomes(**options: Any) -> list[Outcome]:
        checks = proven((subject,), (), (subject,), document, cluster=clusters, **options)
        return [each.outcome for each in checks if each.check == "assumes"]

    gap = proven((subject,), (), (subject,), document, cluster=clusters)[1]
    # Whoever reads it knows what to do.
    assert "create one" in gap.found
    assert "--allow-unproven" in gap.found
    assert outcomes()[1] is Outcome.CANNOT_TELL
    assert outcomes(allow_unproven=True)[1] is Outcome.UNPROVEN


APP, FIRST, OTHER = "web:app", "web:a-first-one", "web:other"


@pytest.mark.parametrize(
    ("document", "admitted", "there", "outcome", "about"),
    [
        # The attack: the state names web:app, a statement besides admits everybody, and prove tried whom it denies.
        (opened(), (APP, FIRST, OTHER), (APP, FIRST, OTHER), Outcome.FINDING, None),
        (opened(StringEquals={AUD: "sts.amazonaws.com"}), (APP, FIRST), (APP, FIRST), Outcome.FINDING, None),
        (opened(StringLike={SUB: "*"}), (APP, FIRST), (APP, FIRST), Outcome.FINDING, None),
        (
            opened(StringNotEquals={SUB: f"system:serviceaccount:{FIRST}"}),
            (APP, OTHER), (APP, FIRST, OTHER), Outcome.FINDING, "web/other",
        ),
        # Whom a statement names is no stranger.
        (opened(StringLike={SUB: "system:serviceaccount:web:b*"}), (APP, "web:b"), (APP, "web:b", "web:c"), Outcome.OK,
         "web/c"),
        # The attack: a statement for everybody from one network, who are refused from where prove runs.
        (opened(**NETWORK), (APP,), (APP, OTHER), Outcome.CANNOT_TELL, "web/other"),
        (opened(PROVIDER.replace("EXAMPLE", "OTHER")), (APP,), (APP, OTHER), Outcome.OK, "web/other"),
    ],
)  # fmt: skip
def test_a_statement_besides(
    document: Any, admitted: tuple[str, ...], there: tuple[str, ...], outcome: Outcome, about: str | None
) -> None:
    (_, negative) = proven(admitted, there, document=document)

    assert (negative.check, negative.outcome) == ("is refused", outcome)
    assert negative.about == f"{about or 'web/a-first-one'}, which is not trusted"


def test_everybody_is_trusted() -> None:
    """The attack: where the whole cluster is trusted nobody is refused, and a wrong audience was taken for proof."""
    checks = proven((APP, OTHER), (APP, OTHER), (APP, "*:*"), opened())

    assert checks[-2].found == "every service account of the cluster is trusted"
    assert [check.outcome for check in checks[-2:]] == [Outcome.NOT_CHECKED, Outcome.OK]


def test_a_pattern_is_proven_by_the_service_account_that_proves_most() -> None:
    checks = proven(("team-a:default", "team-a:worker"), ("team-a:default", "team-a:worker", "team-b:x"), ("team-a:*",))

    assert [check.about for check in checks] == ["team-a/* by team-a/worker", "team-b/x, which is not trusted"]


def test_what_is_denied_is_never_allowed_to_be_unproven() -> None:
    checks = proven((), (), ("team-a:*",), cluster=Cluster(("team-a:x",), lists=()), allow_unproven=True)

    assert checks[0].outcome is Outcome.NO_PERMISSION


@pytest.mark.parametrize(("provider", "asked"), [("china", "china"), ("gone", "first")])
def test_tokens_go_to_the_sts_of_the_provider(provider: str, asked: str) -> None:
    seen: list[str] = []

    def answer(key: str, _: Any) -> Any:
        seen.append(key)
        return SimpleNamespace(identity=lambda *_: ASSUMED)

    services = SimpleNamespace(answer=answer)
    asks: Any = SimpleNamespace(declared=SimpleNamespace(aws={"first": {}, "china": {}}), services=services)
    binding = replace(STS.binding, provider=provider)
    web_identity.WebIdentityProof(asks, binding, binding.audience, ROLE)._session("token")

    assert seen == [asked]


# "Properties of the network", https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
ELSEWHERE = trust("web:app", StringEquals={"AWS:sourcevpce": "vpce-1"})


def test_a_refusal_counts_and_names_the_network() -> None:
    """Only AWS's answer counts: no policy is read to judge it, of whichever owner the role is."""
    of_another_owner = replace(STS.binding, role=None)
    for checks in (
        proven((), ("web:app",), document=ELSEWHERE),
        prove(admitting(STS, "nobody:x"), Cluster(("web:app",)), of_another_owner),
    ):
        assert (checks[0].check, checks[0].outcome) == ("assumes", Outcome.FINDING)
        assert "network" in checks[0].found


def test_whom_the_role_of_another_owner_admits_is_not_checked() -> None:
    of_another_owner = replace(STS.binding, role=None)
    checks = prove(admitting(STS), Cluster(("web:app", "web:other")), of_another_owner)

    assert [each.outcome for each in checks] == [Outcome.OK, Outcome.NOT_CHECKED, Outcome.OK]
