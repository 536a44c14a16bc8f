"""Trust policies that tools and hands wrote, read back.

The documents are those of each tool's own source or documentation, as the tests name them.
"""

import re
from typing import Any

import pytest

from irsa.evaluation.normal_form import are_equivalent
from irsa_cli.adopt.outcomes import Left
from irsa_cli.adopt.trust import ReadTrust, read_trust
from tests.unit.irsa_cli.adopt.scene import (
    BLUE,
    GONE,
    GREEN,
    STS,
    host_path,
    policy_document,
    provider,
    statement,
    surroundings,
)

POD_IDENTITY = {
    "Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
}


def read(*statements: dict[str, Any], clusters: tuple[str, ...] = ("BLUE",), **how: Any) -> ReadTrust:
    return read_trust(policy_document(*statements), surroundings(clusters), **how)


def left(*statements: dict[str, Any], **how: Any) -> str:
    with pytest.raises(Left) as reason:
        read(*statements, **how)
    return str(reason.value)


def test_the_page_of_aws_is_exact() -> None:
    """Protects who followed AWS's page: the preview of the role is an import and no change.

    The action of eksctl's roles is a list of one: MakeAssumeRoleWithWebIdentityPolicyDocument in
    https://github.com/eksctl-io/eksctl, pkg/cfn/template.
    """
    found = read(statement("team-a:app"))
    namespace = read(statement("team-a:*", operator="StringLike"))

    assert found.exact
    assert (found.settings.provider_arns, found.settings.subjects) == ((BLUE,), ("team-a:app",))
    assert (found.settings.audience, found.settings.conditions, found.settings.statements) == (STS, None, ())
    assert (namespace.exact, namespace.settings.subjects) == (True, ("team-a:*",))
    assert read(statement("team-a:app", Action=["sts:AssumeRoleWithWebIdentity"])).exact


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

    assert found.exact
    assert found.settings.conditions == {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    assert found.settings.statements == (deny, POD_IDENTITY)


def test_two_clusters_are_one_binding() -> None:
    """Protects a role for blue and green: a statement for each is what irsa writes itself."""
    found = read(statement("team-a:app"), statement("team-a:app", cluster="GREEN"), clusters=("BLUE", "GREEN"))

    assert found.exact
    assert found.settings.provider_arns == tuple(sorted((BLUE, GREEN)))


def test_one_statement_per_account_is_tidied() -> None:
    """Protects readability: five statements for five accounts become a list, and the report says so."""
    statements = [statement(f"team-a:{name}") for name in ("a", "b", "c", "d", "e")]
    found = read(*statements)

    assert found.changes == ("5 statements become 1",)
    assert found.settings.subjects == tuple(f"team-a:{name}" for name in ("a", "b", "c", "d", "e"))
    assert found.settings.statements == ()


def test_one_statement_per_account_is_exact_where_asked_for() -> None:
    """Protects `--exact-only`: the same document, with the other statements as they are."""
    statements = [statement(f"team-a:{name}") for name in ("a", "b", "c")]
    found = read(*statements, exact_only=True, preferred=["team-a:b"])

    assert found.exact
    assert found.settings.subjects == ("team-a:b",)
    assert found.settings.statements == (statements[0], statements[2])


def test_of_two_statements_one_is_kept_as_it_is() -> None:
    """Protects the preview without a change, where it costs the reader little."""
    statements = [statement("team-a:app"), statement("team-b:app")]

    assert read(*statements).exact


BOTH_LIKE = {"StringLike": {f"{host_path()}:sub": "system:serviceaccount:team-a:*", f"{host_path()}:aud": STS}}


@pytest.mark.parametrize(
    ("other", "changes"),
    [
        (statement("team-a:app", operator="StringLike"), ("sub is compared with StringEquals, not StringLike",)),
        # terraform-aws-iam's assume_role_condition_test = "StringLike" is used for both.
        (
            statement("team-a:*", operator="StringLike", audience=None) | {"Condition": BOTH_LIKE},
            ("aud is compared with StringEquals, not StringLike",),
        ),
        (statement("team-a:app", Sid="Irsa"), ("without the Sid Irsa",)),
        (statement("team-a:app", "team-a:app"), ("each value stands there once",)),
        (
            statement("team-a:app", operator="ForAnyValue:StringEquals"),
            ("sub is compared with StringEquals, not ForAnyValue:StringEquals",),
        ),
        (statement("team-a:app", audience=None), (f"with the audience {STS}, the only one of the provider",)),
        (statement(), ("sub is compared with every service account's, instead of not at all",)),
    ],
    ids=["StringLike everywhere", "StringLike for both", "Sid", "twice", "set operator", "no aud", "no sub"],
)
def test_tidied(other: dict[str, Any], changes: tuple[str, ...]) -> None:
    """Protects what the preview will show: each difference is said, and it admits the same."""
    found = read(other)

    assert found.changes == changes
    assert not are_equivalent(found.settings.document, policy_document(other))
    assert left(other, exact_only=True) == f"its trust policy changes: {'; '.join(changes)}"


def test_an_old_version_and_an_id_are_tidied() -> None:
    """Protects the preview from a surprise: irsa writes the current version and no Id."""
    document = {"Version": "2008-10-17", "Id": "x", "Statement": statement("team-a:app")}
    found = read_trust(document, surroundings())

    assert found.changes == ("the Version becomes 2012-10-17", "without the Id x")


def test_no_aud_is_left_where_the_provider_lists_two() -> None:
    """Protects who comes by the other audience: irsa's statement names one."""
    document = policy_document(statement("team-a:app", audience=None))
    reason = "statement 1 has no condition on aud, and its OIDC provider lists sts.amazonaws.com, other"
    with pytest.raises(Left, match=re.escape(reason)):
        read_trust(document, surroundings(audiences=(STS, "other")))


def test_every_service_account_by_one_star_is_tidied() -> None:
    """Protects `system:serviceaccount:*`, which people write: it is `*:*`, as each subject has a colon."""
    document = statement(operator="StringLike")
    document["Condition"]["StringLike"] = {f"{host_path()}:sub": "system:serviceaccount:*"}

    assert read(document).settings.subjects == ("*:*",)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"NotAction": "sts:AssumeRole"}, "statement 1 has NotAction, which irsa does not write"),
        (
            {"Condition": {**statement("team-a:app")["Condition"], "Null": {f"{host_path()}:sub": "false"}}},
            'statement 1 has conditions that irsa does not write: "StringEquals aud", "StringEquals sub", "Null sub"',
        ),
    ],
)
def test_what_irsa_does_not_write_is_said(elements: dict[str, Any], reason: str) -> None:
    """Protects whoever reads why a role is left: the statement and what is in it, not just that it is another."""
    other = {**statement("team-a:app"), **elements}
    other = {key: value for key, value in other.items() if not ("NotAction" in elements and key == "Action")}

    assert left(other) == reason


def test_two_audiences_are_two_statements() -> None:
    """Protects both audiences: one is the binding's, the other one is in a statement of its own."""
    first = statement("team-a:app")
    first["Condition"]["StringEquals"][f"{host_path()}:aud"] = [STS, "other"]
    found = read(first)

    assert found.settings.audience == STS
    assert [each["Condition"]["StringEquals"][f"{host_path()}:aud"] for each in found.settings.statements] == ["other"]
    assert not found.exact


def test_a_literal_wildcard_is_left() -> None:
    """Protects a role that admits nobody by a slip: neither that nor a fix is a decision of irsa's."""
    assert "where StringEquals compares * and ? literally" in left(statement("team-a:*"))


def test_another_action_is_kept_beside_a_statement_of_irsas() -> None:
    """Protects sts:TagSession and others: the statement stays, and irsa's own comes beside it."""
    first = statement("team-a:app", Action=["sts:AssumeRoleWithWebIdentity", "sts:TagSession"])
    found = read(first)

    assert found.changes == ("a statement that irsa writes is added; the others stay as they are",)
    assert found.settings.statements == (first,)


def test_a_dead_issuer_is_left_or_kept() -> None:
    """Protects the trust of a replaced cluster: an import takes nothing from anybody, and what may go is said."""
    statements = statement("team-a:app"), statement("team-a:app", cluster="GONE")

    assert left(*statements) == (
        f"statement 2 trusts {GONE}, of a cluster that is gone: "
        "--drop-dead-issuers adopts it, and says what to remove afterwards"
    )
    found = read(*statements, drop_dead_issuers=True)
    assert found.exact
    assert found.afterwards == (f"after the import, remove {GONE} from trust.statements: its cluster is gone",)
    assert (found.settings.provider_arns, found.settings.statements) == ((BLUE,), statements[1:])


def test_only_dead_issuers_are_left() -> None:
    """Protects a role of a cluster that is gone: irsa has no statement of its own for it."""
    assert "none of its statements trusts one of the clusters" in left(
        statement("team-a:app", cluster="GONE"), drop_dead_issuers=True
    )


def test_a_provider_of_something_else_is_kept() -> None:
    """Protects other OIDC providers of the same role, such as GitHub's: their statement stays as it is."""
    github = {
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:team/*"}},
    }
    found = read(statement("team-a:app"), github)

    assert found.exact
    assert found.settings.statements == (github,)


def test_different_accounts_in_two_clusters_are_not_widened() -> None:
    """Protects a cluster from accounts of the other one: a binding has the same subjects in all its clusters."""
    found = read(
        statement("team-a:app", operator="StringLike"),
        statement("team-a:app", "team-b:app", cluster="GREEN", operator="StringLike"),
        clusters=("BLUE", "GREEN"),
    )

    assert not found.exact
    assert found.settings.provider_arns == (GREEN,)
    assert [each["Principal"]["Federated"] for each in found.settings.statements] == [BLUE]


def test_a_document_that_iam_would_refuse_is_left() -> None:
    """Protects from a traceback: an API that answers with something else is named as that."""
    with pytest.raises(Left, match="its trust policy: "):
        read_trust({"Statement": [{"Effect": "Perhaps"}]}, surroundings())


def test_hostile_text_stays_quoted() -> None:
    """Protects the report: what others wrote in a Sid can't pass for our words."""
    found = read(statement("team-a:app", Sid="x; fix: rm -rf /"))

    assert found.changes == ('without the Sid "x; fix: rm -rf /"',)


def test_a_role_without_a_provider_of_the_clusters_is_left() -> None:
    """Protects from taking what is for other clusters: none of those that were read is trusted."""
    assert "none of its statements" in left(statement("team-a:app", cluster="OTHER"))
    assert provider("OTHER") not in surroundings().audiences
