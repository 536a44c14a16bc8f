"""The lint rules about trust, which judge the final trust policy and compare patterns with names."""

import string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from irsa.rules import unknown
from irsa.rules.mistakes import Mistake
from irsa.ways import ONLY_IRSA
from irsa_config.lint.checked import CheckedBinding
from irsa_config.lint.trust import wide_trust
from irsa_config.stack import Binding
from irsa_program.examine import examine

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
ISSUER = PROVIDER.split("oidc-provider/")[1]
CLUSTER = {"name": "my-cluster", "oidcIssuer": f"https://{ISSUER}", "oidcProviderArn": PROVIDER}
OPEN = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
BEGINNINGS = string.ascii_lowercase + string.digits


def found(trust: dict[str, Any], rule: str = "wide-trust", cluster: Any = None) -> list[tuple[str, str]]:
    """Return the places and texts of a rule's mistakes, where its warnings are errors."""
    return [(place, mistake.found) for place, mistake in mistakes(trust, rule, cluster)]


def mistakes(trust: dict[str, Any], rule: str = "wide-trust", cluster: Any = None) -> list[tuple[str, Mistake]]:
    values = {
        "cluster": cluster or CLUSTER,
        "lint": {"errors": [rule]},
        "bindings": {"app": {"serviceAccount": {"name": "app", "namespace": "team-a"}, "trust": trust}},
    }
    all_mistakes = examine(values, Path("/nowhere"), "us-west-2").mistakes
    assert all(mistake.rule == rule for mistake in all_mistakes), all_mistakes
    return [(".".join(map(str, mistake.place[2:])), mistake.mistake) for mistake in all_mistakes]


def test_an_open_statement_beside_wildcards_that_pod_identity_does_not_have() -> None:
    """The slip: a second `irsa check`, when the wildcards were gone, found that the role was open to the cluster."""
    trust = {"subjects": ["team-a:a*"], "statements": [OPEN]}
    values = {"cluster": CLUSTER, "bindings": {"app": {"identity": {"podIdentity": "trusted"}, "trust": trust}}}
    examination = examine(values, Path("/nowhere"), "us-west-2")

    assert "with wildcards" in examination.mistakes[0].mistake.found
    warnings = [each.mistake.found for each in examination.warnings if each.rule == "wide-trust"]
    assert any("all service accounts of the cluster" in each for each in warnings)


@pytest.mark.parametrize("subject", ["team-a:*", "team-a:**", "team-a:?*", "team-a:*?", "team-a:??*"])
def test_a_whole_namespace_however_spelled(subject: str) -> None:
    """The attack: `team-a:?*` lets a whole namespace in, and is not spelled `team-a:*`."""
    ((place, text),) = found({"subjects": [subject]})

    assert (place, text) == ("trust.subjects.0", f"{subject!r} trusts all service accounts of team-a")


def test_a_union_that_is_a_whole_namespace() -> None:
    """The attack: `team-a:a*` to `team-a:z*`, of which none is a whole namespace."""
    ((place, text),) = found({"subjects": [f"team-a:{character}*" for character in BEGINNINGS]})

    assert place == "trust.subjects"
    assert "together trust all service accounts of team-a" in text


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (OPEN, "'*:*' trusts all service accounts of the cluster"),
        ({**OPEN, "Condition": {"StringLike": {f"{ISSUER}:sub": "*:team-b:?*"}}}, "'team-b:?*' trusts all"),
        ({**OPEN, "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}, "anybody may assume the role"),
        ({**OPEN, "Principal": "*", "Action": "sts:AssumeRole", "Condition": {
            "StringLikeIfExists": {"aws:PrincipalArn": "*"}}}, "anybody may assume the role"),
    ],
)  # fmt: skip
def test_a_statement_that_opens_the_cluster(statement: dict[str, Any], text: str) -> None:
    """The attack: a statement besides irsa's own lets everybody in, and `lint.errors: [wide-trust]` says nothing."""
    ((place, said),) = found({"statements": [statement]})

    assert place == "trust.statements.0"
    assert said.startswith(text)


ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
ALL_BUT = {**ANYBODY, "Effect": "Deny", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-123"}}}


@pytest.mark.parametrize(
    ("statements", "texts"),
    [
        ([{**ANYBODY, "Condition": {"Bool": {"aws:SecureTransport": True}}}], ["anybody may assume the role"]),
        ([{**ANYBODY, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-123", "sts:ExternalId": "x"}}}], []),
        ([ANYBODY, ALL_BUT], []),
        ([ANYBODY, {**ALL_BUT, "Action": "sts:TagSession"}], ["anybody may assume the role"]),
        (
            [{**ANYBODY, "Condition": {"StringEquals": {"example:Team": "platform"}}}],
            ["anybody may assume the role, as far as irsa can tell"],
        ),
    ],
)
def test_a_condition_or_a_deny_that_names_somebody(statements: list[dict[str, Any]], texts: list[str]) -> None:
    assert found({"statements": statements}) == [("trust.statements.0", text) for text in texts]


def test_what_is_not_known_is_not_judged() -> None:
    known = {"StringNotEquals": {"aws:PrincipalOrgID": "o-123"}}
    markers = [{**ANYBODY, "Condition": {"StringEquals": {"aws:PrincipalOrgID": unknown.OUTPUT}}}]
    beside = [ANYBODY, {**ALL_BUT, "Condition": {**known, "StringEquals": {"aws:SourceVpc": unknown.OUTPUT}}}]

    def texts(statements: list[Any]) -> list[str]:
        args = {"trust": {"statements": statements}}
        checked = CheckedBinding("app", Binding({}), args, SimpleNamespace(trust=None, role=None, identity=ONLY_IRSA))  # type: ignore[arg-type]
        return [mistake.found for _, mistake in wide_trust(checked)]

    assert texts(markers) == []
    assert texts(beside) == ["anybody may assume the role, as far as irsa can tell"]
    assert texts([{**ANYBODY, "Principal": {"AWS": ["*", unknown.OUTPUT]}}]) == ["anybody may assume the role"]
    assert (
        texts([unknown.WRONG, {"Effect": "Allow", "Principal": "*"}, {}, {**ANYBODY, "Principal": unknown.OUTPUT}])
        == []
    )
    assert texts([ANYBODY, unknown.OUTPUT]) == ["anybody may assume the role, as far as irsa can tell"]


GITHUB, COGNITO = "token.actions.githubusercontent.com", "cognito-identity.amazonaws.com"


@pytest.mark.parametrize(
    ("principal", "condition", "noun", "fix"),
    [
        (
            f"arn:aws:iam::111122223333:oidc-provider/{GITHUB}",
            {"StringLike": {f"{GITHUB}:sub": "repo:*"}},
            "any repository on GitHub",
            f"add a Condition on {GITHUB}:sub that names your organization",
        ),
        (
            COGNITO,
            {},
            "anybody with a Cognito identity pool",
            f"add a Condition on {COGNITO}:aud that names your identity pool",
        ),
    ],
)
def test_any_customer_of_another_provider(principal: str, condition: Any, noun: str, fix: str) -> None:
    """The attack: a role for one's own pipelines or app, which all customers of the same identity provider may assume.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
    """
    statement = {**OPEN, "Principal": {"Federated": principal}, "Condition": condition}
    ((place, mistake),) = mistakes({"statements": [statement]})

    assert place == "trust.statements.0"
    assert mistake.found == f"{noun} may assume the role"
    assert mistake.fix.startswith(f"{fix}; ")


def test_a_provider_that_is_looked_up_later() -> None:
    """The attack: the same where the issuer is known only to AWS, so that the statement names an unknown provider."""
    ((place, _),) = found({"statements": [OPEN]}, cluster={"name": "my-cluster"})

    assert place == "trust.statements.0"


def test_a_policy_that_is_too_long_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a trust policy of any length, whose judging takes the third power of that; it is refused anyway."""
    monkeypatch.setattr("irsa.role.trust.admission", lambda *_: pytest.fail("judged"))
    audiences = {"StringEquals": {f"{ISSUER}:aud": [f"audience-{number}" for number in range(300)]}}
    binding = {"serviceAccount": {"name": "app"}, "trust": {"statements": [{**OPEN, "Condition": audiences}]}}
    (mistake,) = examine({"cluster": CLUSTER, "bindings": {"app": binding}}, tmp_path, "us-west-2").mistakes

    assert mistake.mistake.found.startswith("characters of the trust policy")


SUB, CLAIM = f"{ISSUER}:sub", "system:serviceaccount:"


@pytest.mark.parametrize(
    ("statements", "place", "text"),
    [
        (
            [{**OPEN, "Condition": {"StringLike": {SUB: f"{CLAIM}*o*:*"}, "ForAnyValue:StringLike": {SUB: "*:*d*:*"}}}],
            "trust.statements.0",
            "'*d*o*:*' trusts all service accounts of several namespaces",
        ),
        (
            [{**OPEN, "Condition": {"StringNotLike": {SUB: [f"*:*{a}*{b}*" for a in "abcdefgh" for b in "ijklmnop"]}}}],
            "trust.statements",
            "irsa cannot list who may assume the role: the patterns of the trust policy combine in too many ways",
        ),
    ],
)
def test_statements_that_combine(statements: Any, place: str, text: str) -> None:
    """The attack: each let a namespace in by conditions that combine, and passed `errors: [wide-trust]`."""
    assert (place, text) in found({"statements": statements})
