"""Trust policies that tools and hands wrote, read back.

The documents are those of each tool's own source or documentation, as the tests name them.
"""

from typing import Any

import pytest

from irsa_cli.adopt.items import Left
from irsa_cli.adopt.trust import NO_SUBJECT, Provider, ReadTrust, Settings, read_trust
from tests.unit.irsa_cli.adopt.scene import BLUE, GONE, GREEN, STS, host_path, statement
from tests.world import document as policy_document

PROVIDERS = {BLUE: Provider((STS,)), GREEN: Provider((STS,))}
SUB, AUD = f"{host_path()}:sub", f"{host_path()}:aud"


def user(subject: str, arn: str = BLUE, audience: str = STS) -> Settings:
    return Settings((arn,), (subject,), audience)


def read(*statements: dict[str, Any], users: Any = ()) -> ReadTrust:
    return read_trust(policy_document(*statements), PROVIDERS, users)


def left(*statements: dict[str, Any], users: Any = ()) -> str:
    with pytest.raises(Left) as reason:
        read(*statements, users=users)
    return reason.value.found


def test_one_statement_per_account_stays_so() -> None:
    statements = [statement(f"team-a:{name}") for name in ("a", "b", "c")]
    settings, is_exact, _ = read(*statements, users=[user("team-a:b")])

    assert (is_exact, settings.subjects) == (True, ("team-a:b",))
    assert settings.statements == (statements[0], statements[2])


@pytest.mark.parametrize(
    "other",
    [
        statement("team-a:app", Sid="x; fix: rm -rf /"),
        statement("team-a:app", "team-a:app"),
        statement("team-a:app", Action="STS:AssumeRoleWithWebIdentity"),
    ],
    ids=["Sid", "twice", "case"],
)
def test_what_means_the_same_to_iam_becomes_keys(other: dict[str, Any]) -> None:
    settings, is_exact, _ = read(other)

    assert (is_exact, settings.subjects, settings.statements) == (False, ("team-a:app",), ())


PAGE: dict[str, Any] = statement("team-a:app")["Condition"]
SUBJECT = {SUB: "system:serviceaccount:team-a:app"}
NOT_ACTION = {**statement("team-a:app"), "NotAction": "sts:AssumeRole"}
del NOT_ACTION["Action"]


@pytest.mark.parametrize(
    ("other", "names_it"),
    [
        (statement("team-a:app", operator="StringLike"), True),
        # terraform-aws-iam's assume_role_condition_test = "StringLike" is used for both.
        (statement(Condition={"StringLike": {SUB: "system:serviceaccount:team-a:*", AUD: STS}}), True),
        (statement("team-a:app", operator="ForAnyValue:StringEquals"), True),
        (statement(Condition={"StringEquals": {**SUBJECT, AUD: [STS, "other"]}}), True),
        (NOT_ACTION, True),
        (statement(Condition={**PAGE, "Null": {SUB: "false"}}), False),
        (statement("team-a:app", Action=["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]), True),
        (statement("team-a:app", audience=None), False),
        (statement(), False),
        (statement(Condition={"StringLike": {SUB: "system:serviceaccount:*"}, "StringEquals": {AUD: STS}}), False),
    ],
)
def test_what_irsa_does_not_write_stays_word_for_word(other: dict[str, Any], names_it: bool) -> None:
    settings, is_exact, _ = read(other, users=[user("team-a:app")])

    assert (is_exact, settings.statements) == (False, (other,))
    assert settings.subjects in (("team-a:app",), ("team-a:*",))
    if names_it:
        assert read(other).settings == settings
    else:
        assert left(other) == NO_SUBJECT


def test_nobody_is_let_in_by_a_statement_that_is_added() -> None:
    """The attack: whoever is said to have the role, the trust policy decides; and each cluster has its own users."""
    one = statement("team-a:app", operator="StringLike", audience=None)
    green = statement("team-b:app", cluster="GREEN", operator="StringLike", audience=None)

    assert "team-b:app" in left(one, users=[user("team-a:app"), user("team-b:app")])
    assert "denied before, allowed after" in left(statement(), users=[user("team-a:app", audience="other")])
    found = read(one, green, users=[user("team-a:app"), user("team-b:app", GREEN)])
    assert len(found.settings.oidc_provider_arns) == 1
    assert "where StringEquals compares * and ? literally" in left(statement("team-a:*"))


def test_a_cluster_that_was_not_read_stays_and_is_said() -> None:
    statements = statement("team-a:app"), statement("team-a:app", cluster="GONE")
    github = GONE.partition(":oidc-provider/")[0] + ":oidc-provider/token.actions.githubusercontent.com"
    found = read(*statements, {**statement(), "Principal": {"Federated": github}})

    assert found.is_exact
    assert [GONE in each for each in found.afterwards] == [True]
    assert (found.settings.oidc_provider_arns, found.settings.statements[0]) == ((BLUE,), statements[1])
    assert left(statements[1]) == NO_SUBJECT


def test_a_document_that_iam_would_refuse_is_left() -> None:
    with pytest.raises(Left, match="its trust policy: "):
        read_trust({"Statement": [{"Effect": "Perhaps"}]}, PROVIDERS)
