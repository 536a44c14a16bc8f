"""Who is admitted where, and the reasons, on documents as AWS's page and the field have them."""

import time
from typing import Any

import pytest

from irsa.evaluation import Decision
from irsa_cli.inventory.output import Admission
from irsa_world.model import AwsAccount, Cluster, Discovery, Role, ServiceAccount
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


def test_two_clusters_of_one_role_are_two_answers() -> None:
    issuer = "oidc.eks.eu-west-1.amazonaws.com/id/SECOND"
    provider = f"arn:aws:iam::{NUMBER}:oidc-provider/{issuer}"
    found = discovery([service_account("team-a", "x")], [role("app", page_trust("team-a:x", issuer, provider))])
    second = Cluster("second", f"https://{issuer}", (ServiceAccount("second", "team-a", "x"),))
    client_ids = {PROVIDER: ("sts.amazonaws.com",), provider: ("sts.amazonaws.com",)}
    aws_account = AwsAccount(NUMBER, found.aws_accounts[0].roles, client_ids)

    (admission,) = taken(Discovery((*found.clusters, second), (aws_account,))).admissions
    assert admission.cluster == "second"


def test_a_trust_policy_that_cannot_be_read_is_said() -> None:
    found = taken(
        discovery([service_account("team-a", "x")], [role("a", {"Statement": [{}]}), role("b", page_trust("team-a:x"))])
    )

    assert [each.role for each in found.admissions] == [role_arn("b")]
    assert [each.partition(":")[0] for each in found.not_checked] == ["trust policy of arn"]


def test_a_reason_is_of_whom_it_names() -> None:
    found = admissions(trust({"ArnLike": {SUB: "arn:aws:iam::*:role/a"}}), "team-a/x", "team-a/y")

    assert [each.service_accounts[0].replace("/", ":") in each.reason for each in found] == [True, True]


@pytest.mark.parametrize(
    "pattern",
    [
        "system:serviceaccount:*",
        "system:serviceaccount:*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
        "*" * 2000,
        "?" * 2000,
        "*a" * 1000,
    ],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    accounts = [f"team-{number % 20}/{'a' * 60}{number}" for number in range(400)]
    started = time.process_time()
    admissions(trust({"StringLike": {SUB: pattern}}), *accounts)

    assert time.process_time() - started < 5
