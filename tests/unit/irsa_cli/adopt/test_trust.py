"""Trust policies that tools and hands wrote, read back.

The documents are those of each tool's own source or documentation, as the tests name them.
"""

from typing import Any

import pytest

from irsa_cli.adopt.outcomes import Left
from irsa_cli.adopt.trust import ADDED, ANOTHER_FORM, NO_STATEMENT, ReadTrust, User, read_trust
from tests.unit.irsa_cli.adopt.scene import BLUE, GONE, GREEN, STS, host_path, policy_document, statement, surroundings

APP = User(BLUE, "team-a:app", STS)


def read(*statements: dict[str, Any], clusters: tuple[str, ...] = ("BLUE",), users: Any = (), **how: Any) -> ReadTrust:
    return read_trust(policy_document(*statements), surroundings(clusters), users, **how)


def left(*statements: dict[str, Any], **how: Any) -> str:
    with pytest.raises(Left) as reason:
        read(*statements, **how)
    return reason.value.found


def test_the_page_of_aws_is_exact() -> None:
    """Protects who followed AWS's page: the preview of the role is an import and no change.

    The action of eksctl's roles is a list of one: MakeAssumeRoleWithWebIdentityPolicyDocument in
    https://github.com/eksctl-io/eksctl, pkg/cfn/template.
    """
    found = read(statement("team-a:app"))
    namespace = read(statement("team-a:*", operator="StringLike"))

    assert not found.change
    assert (found.settings.oidc_provider_arns, found.settings.subjects) == ((BLUE,), ("team-a:app",))
    assert (found.settings.audience, found.settings.conditions, found.settings.statements) == (STS, None, ())
    assert (namespace.change, namespace.settings.subjects) == ("", ("team-a:*",))
    assert not read(statement("team-a:app", Action=["sts:AssumeRoleWithWebIdentity"])).change


def test_one_statement_per_account_stays_so() -> None:
    statements = [statement(f"team-a:{name}") for name in ("a", "b", "c")]
    found = read(*statements, users=[User(BLUE, "team-a:b", STS)])

    assert (found.change, found.settings.subjects) == ("", ("team-a:b",))
    assert found.settings.statements == (statements[0], statements[2])


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
    found = read(other)

    assert (found.change, found.settings.subjects, found.settings.statements) == (ANOTHER_FORM, ("team-a:app",), ())


EVERYBODY = statement(operator="StringLike")
EVERYBODY["Condition"]["StringLike"] = {f"{host_path()}:sub": "system:serviceaccount:*"}
BOTH_LIKE = {"StringLike": {f"{host_path()}:sub": "system:serviceaccount:team-a:*", f"{host_path()}:aud": STS}}
TWO_AUDIENCES = statement("team-a:app")
TWO_AUDIENCES["Condition"]["StringEquals"][f"{host_path()}:aud"] = [STS, "other"]
NOT_ACTION = {**statement("team-a:app"), "NotAction": "sts:AssumeRole"}
del NOT_ACTION["Action"]
NULL = {"Condition": {**statement("team-a:app")["Condition"], "Null": {f"{host_path()}:sub": "false"}}}


@pytest.mark.parametrize(
    "other",
    [
        statement("team-a:app", operator="StringLike"),
        # terraform-aws-iam's assume_role_condition_test = "StringLike" is used for both.
        statement("team-a:*", operator="StringLike", audience=None) | {"Condition": BOTH_LIKE},
        statement("team-a:app", operator="ForAnyValue:StringEquals"),
        statement("team-a:app", audience=None),
        statement(),
        EVERYBODY,
        TWO_AUDIENCES,
        NOT_ACTION,
        statement("team-a:app") | NULL,
        statement("team-a:app", Action=["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]),
    ],
)
def test_what_irsa_does_not_write_stays_word_for_word(other: dict[str, Any]) -> None:
    found = read(other, users=[APP])

    assert found.change == ADDED
    assert (found.settings.subjects, found.settings.statements) == (("team-a:app",), (other,))
    assert left(other) == NO_STATEMENT


def test_nobody_is_let_in_by_a_statement_that_is_added() -> None:
    """The attack: whoever is said to have the role, the trust policy decides; and each cluster has its own users."""
    one = statement("team-a:app", operator="StringLike")
    green = statement("team-b:app", cluster="GREEN", operator="StringLike")

    assert "team-b:app" in left(one, users=[APP, User(BLUE, "team-b:app", STS)])
    assert "denied before, allowed after" in left(one, users=[User(BLUE, "team-a:app", "other")])
    found = read(one, green, clusters=("BLUE", "GREEN"), users=[APP, User(GREEN, "team-b:app", STS)])
    assert len(found.settings.oidc_provider_arns) == 1


def test_a_literal_wildcard_is_left() -> None:
    assert "where StringEquals compares * and ? literally" in left(statement("team-a:*"))


def test_a_dead_issuer_is_left_or_kept() -> None:
    statements = statement("team-a:app"), statement("team-a:app", cluster="GONE")

    assert left(*statements) == (
        f"statement 2 trusts {GONE}, and no cluster that was read has that issuer: pass the cluster's --context, or "
        "--drop-dead-issuers if it is gone"
    )
    found = read(*statements, drop_dead_issuers=True)
    assert not found.change
    assert found.afterwards == (f"after the import, remove {GONE} from trust.statements, if its cluster is gone",)
    assert (found.settings.oidc_provider_arns, found.settings.statements) == ((BLUE,), statements[1:])


def test_a_document_that_iam_would_refuse_is_left() -> None:
    with pytest.raises(Left, match="its trust policy: "):
        read_trust({"Statement": [{"Effect": "Perhaps"}]}, surroundings())


def test_a_role_without_a_provider_of_the_clusters_is_left() -> None:
    assert left(statement("team-a:app", cluster="OTHER")) == NO_STATEMENT
