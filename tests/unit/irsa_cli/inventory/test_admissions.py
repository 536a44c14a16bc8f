"""Who is admitted where, and the reasons, on documents as AWS's page and the field have them."""

from typing import Any

from irsa.evaluation import Decision
from irsa_cli.discovery import Discovery
from irsa_cli.inventory.output import Admission
from irsa_world.model import AwsAccount, Cluster, Role
from tests.unit.irsa_cli.inventory.estates import (
    ISSUER,
    NUMBER,
    PROVIDER,
    discovery,
    page_trust,
    role,
    role_arn,
    service_account,
    taken,
    trust,
)

SUB = f"{ISSUER}:sub"


def of(subject: str) -> dict[str, Any]:
    return {"StringEquals": {SUB: f"system:serviceaccount:{subject}"}}


def admissions(document: Any, *names: str, client_ids: tuple[str, ...] = ("sts.amazonaws.com",)) -> list[Admission]:
    accounts = [service_account(*name.split("/")) for name in names]
    return list(taken(discovery(accounts, [role("app", document)], {PROVIDER: client_ids})).admissions)


def test_a_deny_that_cannot_be_decided_has_its_own_number() -> None:
    document = trust(of("team-b:x"), of("team-a:x"), {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}})
    document["Statement"][2]["Effect"] = "Deny"
    (found,) = [each for each in admissions(document, "team-a/x", "team-b/x") if each.service_accounts == ("team-a/x",)]

    assert found.decision is Decision.CANNOT_DECIDE
    assert found.reason.startswith("statement 2: StringEquals sub system:serviceaccount:team-a:x; statement 3: ")
    assert "it may deny it" in found.reason


def test_a_role_of_another_account_is_reached_through_its_own_provider() -> None:
    """Protects clusters whose roles are in another AWS account: each account has its own provider of the issuer.

    https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    other = "444455556666"
    provider = f"arn:aws:iam::{other}:oidc-provider/{ISSUER}"
    roles = (Role(role_arn("app", other), page_trust("team-a:x", provider=provider)),)
    accounts = (AwsAccount(NUMBER, (), {}), AwsAccount(other, roles, {provider: ("sts.amazonaws.com",)}))
    cluster = Cluster("prod", f"https://{ISSUER}", (service_account("team-a", "x"),))

    (found,) = taken(Discovery((cluster,), accounts)).admissions
    assert found.role == role_arn("app", other)


def test_a_trust_policy_that_cannot_be_read_is_said() -> None:
    found = taken(
        discovery([service_account("team-a", "x")], [role("a", {"Statement": [{}]}), role("b", page_trust("team-a:x"))])
    )

    assert [each.role for each in found.admissions] == [role_arn("b")]
    assert [each.partition(":")[0] for each in found.not_checked] == ["trust policy of arn"]


def test_a_reason_is_of_whom_it_names() -> None:
    found = admissions(trust({"ArnLike": {SUB: "arn:aws:iam::*:role/a"}}), "team-a/x", "team-a/y")

    assert [each.service_accounts[0].replace("/", ":") in each.reason for each in found] == [True, True]
