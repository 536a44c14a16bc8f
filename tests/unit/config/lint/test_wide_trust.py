"""The lint rules about trust, which judge the final trust policy and compare patterns with names."""

import string
from pathlib import Path
from typing import Any

import pytest

from irsa import spec
from program.examine import examine

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
ISSUER = PROVIDER.split("oidc-provider/")[1]
CLUSTER = {"name": "my-cluster", "oidcIssuer": f"https://{ISSUER}", "oidcProviderArn": PROVIDER}
OPEN = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
BEGINNINGS = string.ascii_lowercase + string.digits


def found(trust: dict[str, Any], rule: str = "wide-trust", cluster: Any = None) -> list[tuple[str, str]]:
    """Return the places and texts of a rule's mistakes, where its warnings are errors."""
    values = {
        "cluster": cluster or CLUSTER,
        "lint": {"errors": [rule]},
        "bindings": {"app": {"serviceAccount": {"name": "app", "namespace": "team-a"}, "trust": trust}},
    }
    mistakes = examine(values, Path("/nowhere"), "us-west-2").mistakes
    assert all(mistake.rule == rule for mistake in mistakes), mistakes
    return [(".".join(map(str, mistake.place[2:])), mistake.mistake.found) for mistake in mistakes]


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


def test_a_union_that_is_the_whole_cluster() -> None:
    """The attack: `a*:*` to `z*:*` and `0*:*` to `9*:*`, where `*:*` needs anyServiceAccount."""
    values = {"cluster": CLUSTER, "bindings": {"app": {"trust": {"subjects": [f"{c}*:*" for c in BEGINNINGS]}}}}
    mistakes = examine(values, Path("/nowhere"), "us-west-2").mistakes

    assert [mistake.place for mistake in mistakes] == [("bindings", "app", "trust", "subjects")]
    assert "every service account of the cluster" in mistakes[0].mistake.found


@pytest.mark.parametrize("subjects", [["team-a:app"], ["team-a:app-*"], ["team-a:a*", "team-a:b*"], ["team-a:*-app"]])
def test_narrow_subjects_are_left_alone(subjects: list[str]) -> None:
    """Protects patterns for some accounts of a namespace."""
    assert found({"subjects": subjects}) == []


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (OPEN, "'*:*' trusts all service accounts of the cluster"),
        ({**OPEN, "Principal": {"Federated": "*"}}, "'*:*' may trust all service accounts of the cluster"),
        ({**OPEN, "Condition": {"StringLike": {f"{ISSUER}:sub": "*"}}}, "'*:*' trusts"),
        ({**OPEN, "Condition": {"StringLike": {f"{ISSUER}:sub": "*:team-b:?*"}}}, "'team-b:?*' trusts all"),
        ({**OPEN, "Condition": {"StringNotEquals": {f"{ISSUER}:aud": "x"}}}, "'*:*' trusts"),
        ({**OPEN, "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, "'*:*' may trust"),
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


@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"aws:SecureTransport": True}},
        {"Null": {"aws:PrincipalArn": False}},
        {"StringNotEquals": {"aws:PrincipalArn": "x"}},
        {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}},
        {"StringLike": {"aws:PrincipalArn": "?*"}},
        {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::111122223333:role/a", "arn:*:*:*:*:*"]}},
        {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
        {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-example"}},
        {"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-example/*"}},
        {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
        {"NumericGreaterThan": {"aws:MultiFactorAuthAge": 0}},
        {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    ],
    ids=str,
)
def test_a_condition_that_names_nobody(condition: dict[str, Any]) -> None:
    """The attack: a trust in everybody, with a condition that everybody fulfils, or nearly."""
    anybody = {**OPEN, "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition}

    assert found({"statements": [anybody]}) == [("trust.statements.0", "anybody may assume the role")]


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:PrincipalOrgID": "o-example"}},
        {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-example/*"}},
        {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}},
        {"StringEquals": {"sts:ExternalId": "x"}, "Bool": {"aws:SecureTransport": True}},
        {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
        {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci"}},
    ],
    ids=str,
)
def test_a_condition_that_names_somebody(condition: dict[str, Any]) -> None:
    """Protects a trust in everybody of whom a condition asks more from a warning."""
    anybody = {**OPEN, "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition}

    assert found({"statements": [anybody]}) == []


def test_a_provider_that_is_looked_up_later() -> None:
    """The attack: the same where the issuer is known only to AWS, so that the statement names an unknown provider."""
    ((place, _),) = found({"statements": [OPEN]}, cluster={"name": "my-cluster"})

    assert place == "trust.statements.0"


@pytest.mark.parametrize(
    "statement",
    [
        {**OPEN, "Condition": {"StringEquals": {f"{ISSUER}:sub": "system:serviceaccount:team-b:app"}}},
        {**OPEN, "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"},
        {**OPEN, "Effect": "Deny", "Condition": {"StringEquals": {f"{ISSUER}:sub": "system:serviceaccount:x:y"}}},
    ],
)
def test_narrow_statements_are_left_alone(statement: dict[str, Any]) -> None:
    """Protects statements for named principals and accounts."""
    assert found({"statements": [statement]}) == []
    assert found({"statements": [statement]}, "refused-subject") == []


def test_a_policy_that_is_too_long_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a trust policy of any length, whose judging takes the third power of that; it is refused anyway."""
    monkeypatch.setattr(spec, "admission", lambda *_: pytest.fail("judged"))
    audiences = {"StringEquals": {f"{ISSUER}:aud": [f"audience-{number}" for number in range(300)]}}
    binding = {"serviceAccount": {"name": "app"}, "trust": {"statements": [{**OPEN, "Condition": audiences}]}}
    (mistake,) = examine({"cluster": CLUSTER, "bindings": {"app": binding}}, tmp_path, "us-west-2").mistakes

    assert mistake.mistake.found.startswith("characters of the trust policy")


def test_a_subject_that_the_policy_refuses() -> None:
    """Protects who declares an account that a Deny of the same binding shuts out: its Pods would get no credentials."""
    statement = {**OPEN, "Effect": "Deny"}
    ((place, text),) = found({"statements": [statement]}, "refused-subject")

    assert place == "trust.statements"
    assert "'team-a:app' can't assume the role" in text


SUB, CLAIM = f"{ISSUER}:sub", "system:serviceaccount:"


@pytest.mark.parametrize(
    ("statements", "place", "text"),
    [
        (
            [OPEN, {**OPEN, "Effect": "Deny", "Condition": {"StringNotLike": {SUB: f"{CLAIM}atk-ns:*"}}}],
            "trust.statements.0",
            "'atk-ns:*' trusts all service accounts of atk-ns",
        ),
        (
            [{**OPEN, "Condition": {"StringLike": {SUB: f"{CLAIM}*o*:*"}, "ForAnyValue:StringLike": {SUB: "*:*d*:*"}}}],
            "trust.statements.0",
            "'*d*o*:*' trusts all service accounts of several namespaces",
        ),
        (
            [{**OPEN, "Condition": {"StringLike": {SUB: "*:team-b:*"}, "StringLikeIfExists": {SUB: "*:team-b:??*"}}}],
            "trust.statements.0",
            "'team-b:??*' trusts all service accounts of team-b",
        ),
        (
            [OPEN, {**OPEN, "Effect": "Deny", "Condition": {"StringLike": {SUB: f"{CLAIM}kube-system:*"}}}],
            "trust.statements.0",
            "'*:*' trusts all service accounts of the cluster, but not 'kube-system:*'",
        ),
        (
            [{**OPEN, "Condition": {"StringLike": {SUB: [f"*{a}{b}*" for a in "abcdefg" for b in "hijklmn"]}}}],
            "trust.statements",
            "irsa cannot tell whom the trust policy admits: its patterns combine in too many ways",
        ),
    ],
)
def test_statements_that_combine(statements: Any, place: str, text: str) -> None:
    """The attack: each let a namespace in by conditions that combine, and passed `errors: [wide-trust]`."""
    assert (place, text) in found({"statements": statements})
