"""Trust policies that tools and hands wrote, read back.

The documents are those of each tool's own source or documentation, as the tests name them.
"""

from typing import Any

import pytest

from irsa_cli.adopt.outcomes import Left
from irsa_cli.adopt.trust import ADDED, ANOTHER_FORM, NO_STATEMENT, ReadTrust, User, read_trust
from tests.unit.irsa_cli.adopt.scene import BLUE, GONE, GREEN, STS, host_path, policy_document, statement, surroundings

POD_IDENTITY = {
    "Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
}
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
    assert (found.settings.provider_arns, found.settings.subjects) == ((BLUE,), ("team-a:app",))
    assert (found.settings.audience, found.settings.conditions, found.settings.statements) == (STS, None, ())
    assert (namespace.change, namespace.settings.subjects) == ("", ("team-a:*",))
    assert not read(statement("team-a:app", Action=["sts:AssumeRoleWithWebIdentity"])).change


def test_conditions_and_statements_of_others_are_kept() -> None:
    """Protects restrictions and further principals: nothing of the trust policy is lost, and nothing changes."""
    first = statement("team-a:app")
    first["Condition"]["StringEquals"]["aws:SourceVpc"] = "vpc-1"
    deny = {
        "Sid": "NotFromHere",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sts:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    found = read(deny, first, POD_IDENTITY)

    assert not found.change
    assert found.settings.conditions == {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    assert found.settings.statements == (deny, POD_IDENTITY)


def test_two_clusters_are_one_binding() -> None:
    """Protects a role for blue and green: a statement for each is what irsa writes itself."""
    found = read(statement("team-a:app"), statement("team-a:app", cluster="GREEN"), clusters=("BLUE", "GREEN"))

    assert not found.change
    assert found.settings.provider_arns == tuple(sorted((BLUE, GREEN)))


def test_one_statement_per_account_stays_so() -> None:
    """Protects the preview without a change: the statement of a user becomes keys, and the others stay as they are."""
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
    """Protects readers from two statements for one thing; its form changes, which the report says."""
    found = read(other)

    assert (found.change, found.settings.subjects, found.settings.statements) == (ANOTHER_FORM, ("team-a:app",), ())


def test_an_old_version_and_an_id_are_another_form() -> None:
    """Protects the preview from a surprise: irsa writes the current version and no Id."""
    document = {"Version": "2008-10-17", "Id": "x", "Statement": statement("team-a:app")}

    assert read_trust(document, surroundings()).change == ANOTHER_FORM


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
    """Protects everybody whom it admits: irsa's own statement comes beside it, for who has the role, or it is left."""
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
    assert len(found.settings.provider_arns) == 1


def test_a_literal_wildcard_is_left() -> None:
    """Protects a role that admits nobody by a slip: neither that nor a fix is a decision of irsa's."""
    assert "where StringEquals compares * and ? literally" in left(statement("team-a:*"))


def test_a_dead_issuer_is_left_or_kept() -> None:
    """Protects the trust of a replaced cluster: an import takes nothing from anybody, and what may go is said."""
    statements = statement("team-a:app"), statement("team-a:app", cluster="GONE")

    assert left(*statements) == (
        f"statement 2 trusts {GONE}, and no cluster that was read has that issuer: pass the cluster's --context, or "
        "--drop-dead-issuers if it is gone"
    )
    found = read(*statements, drop_dead_issuers=True)
    assert not found.change
    assert found.afterwards == (f"after the import, remove {GONE} from trust.statements, if its cluster is gone",)
    assert (found.settings.provider_arns, found.settings.statements) == ((BLUE,), statements[1:])


def test_only_dead_issuers_are_left() -> None:
    """Protects a role of a cluster that is gone: irsa has no statement of its own for it."""
    assert left(statement("team-a:app", cluster="GONE"), drop_dead_issuers=True) == NO_STATEMENT


def test_a_provider_of_something_else_is_kept() -> None:
    """Protects other OIDC providers of the same role, such as GitHub's: their statement stays as it is."""
    github = {
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:team/*"}},
    }
    found = read(statement("team-a:app"), github)

    assert not found.change
    assert found.settings.statements == (github,)


def test_different_accounts_in_two_clusters_are_not_widened() -> None:
    """Protects a cluster from accounts of the other one: a binding has the same subjects in all its clusters."""
    both = statement("team-a:app"), statement("team-a:app", "team-b:app", cluster="GREEN")
    found = read(*both, clusters=("BLUE", "GREEN"))

    assert (found.change, found.settings.provider_arns, found.settings.statements) == ("", (GREEN,), both[:1])


def test_a_document_that_iam_would_refuse_is_left() -> None:
    """Protects from a traceback: an API that answers with something else is named as that."""
    with pytest.raises(Left, match="its trust policy: "):
        read_trust({"Statement": [{"Effect": "Perhaps"}]}, surroundings())


def test_a_role_without_a_provider_of_the_clusters_is_left() -> None:
    """Protects from taking what is for other clusters: none of those that were read is trusted."""
    assert left(statement("team-a:app", cluster="OTHER")) == NO_STATEMENT
