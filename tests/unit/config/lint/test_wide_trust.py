from pathlib import Path
from typing import Any

import pytest

from irsa.keys.binding import ServiceAccountRoleKeys, TrustKeys
from irsa.role.lint import judged, wide_trust
from irsa.role.ways import facts_of
from irsa.rules import unknown
from irsa.rules.mistakes import Mistake
from irsa_config.lint import RULES, fails
from irsa_program.examine import Examination, examine
from tests.unit.config.lint.scene import APP, CLUSTER, ISSUER, OPEN, policy, warnings

SUB, CLAIM = f"{ISSUER}:sub", "system:serviceaccount:"


def wide(trust: dict[str, Any], **settings: Any) -> list[tuple[str, Mistake]]:
    return warnings("wide-trust", {**APP, "trust": trust}, **settings)


PODS = "pods.eks.amazonaws.com"
NAMESPACE, NAME = (f"aws:RequestTag/kubernetes-{what}" for what in ("namespace", "service-account"))
TAGGING = ["sts:AssumeRole", "sts:TagSession"]


@pytest.mark.parametrize(
    ("condition", "action", "is_wide"),
    [
        ({}, "sts:*", True),
        ({}, "sts:AssumeRole", True),
        ({"StringLike": {NAMESPACE: "*"}}, TAGGING, True),
        # A request without tags has none that it could meet.
        ({"StringLike": {NAMESPACE: "*"}}, "sts:AssumeRole", False),
        ({"StringEqualsIfExists": {NAMESPACE: "a", NAME: "b"}}, "sts:AssumeRole", True),
        ({"StringNotEquals": {NAMESPACE: "kube-system"}}, TAGGING, True),
        ({"StringEquals": {NAMESPACE: "a", NAME: "b"}}, TAGGING, False),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, TAGGING, False),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:eks:us-west-2:111122223333:cluster/a"}}, "sts:*", False),
    ],
)
def test_any_association(condition: dict[str, Any], action: Any, is_wide: bool) -> None:
    """AWS's sample has no condition: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html."""
    statement = {"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com", PODS]}, "Action": action}
    conditional = {**statement, "Condition": condition}
    denied = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}
    assert [place for place, _ in wide({"statements": [conditional]})] == ["trust.statements.0"] * is_wide
    assert wide({"statements": [conditional, denied]}) == []


def test_an_open_statement_beside_wildcards_that_pod_identity_does_not_have() -> None:
    """The slip: a second `irsa check`, when the wildcards were gone, found that the role was open to the cluster."""
    trust = {"subjects": ["team-a:a*"], "statements": [OPEN]}
    values = {"cluster": CLUSTER, "bindings": {"app": {"identity": {"podIdentity": "trusted"}, "trust": trust}}}
    examination = examine(values, Path("/nowhere"), "us-west-2")

    assert "has wildcards" in examination.mistakes[0].mistake.found
    warnings = [each.mistake.found for each in examination.warnings if each.rule == "wide-trust"]
    assert any("all service accounts of the cluster" in each for each in warnings)


def test_the_place_of_a_statement_beside_those_for_pod_identity() -> None:
    named = {**OPEN, "Condition": {"StringLike": {SUB: f"{CLAIM}team-a:*"}}}
    binding = {**APP, "identity": "both", "trust": {"subjects": ["b:c"], "statements": [named]}}
    assert [place for place, _ in warnings("wide-trust", binding)] == ["trust.statements.0"]


@pytest.mark.parametrize("subject", ["team-a:**", "team-a:?*", "team-a:*?", "team-a:??*"])
def test_a_whole_namespace_however_spelled(subject: str) -> None:
    """The attack: `team-a:?*` lets a whole namespace in."""
    ((where, mistake),) = wide({"subjects": [subject]})

    assert where == "trust.subjects.0"
    assert f"{subject!r} trusts all service accounts of team-a" in mistake.found


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (OPEN, "'*:*' trusts all service accounts of the cluster"),
        ({**OPEN, "Condition": {"StringLike": {SUB: "*:team-b:?*"}}}, "'team-b:?*' trusts all"),
        ({**OPEN, "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}, "anybody may assume the role"),
        ({**OPEN, "Principal": "*", "Action": "sts:AssumeRole", "Condition": {
            "StringLikeIfExists": {"aws:PrincipalArn": "*"}}}, "anybody may assume the role"),
    ],
)  # fmt: skip
def test_a_statement_that_opens_the_cluster(statement: dict[str, Any], text: str) -> None:
    """The attack: a statement besides irsa's own lets everybody in, and `lint.errors: [wide-trust]` says nothing."""
    ((place, mistake),) = wide({"statements": [statement]})

    assert place == "trust.statements.0"
    assert mistake.found.startswith(text)


ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
ALL_BUT = {**ANYBODY, "Effect": "Deny", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-123"}}}


@pytest.mark.parametrize(
    ("statements", "texts"),
    [
        ([ANYBODY], ["anybody may assume the role"]),
        ([{**ANYBODY, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-123", "sts:ExternalId": "x"}}}], []),
        ([ANYBODY, ALL_BUT], ["anybody may assume the role, as far as irsa can tell"]),
        (
            [{**ANYBODY, "Condition": {"StringEquals": {"example:Team": "platform"}}}],
            ["anybody may assume the role, as far as irsa can tell"],
        ),
    ],
)
def test_a_condition_or_a_deny_that_names_somebody(statements: list[dict[str, Any]], texts: list[str]) -> None:
    found = [(place, mistake.found) for place, mistake in wide({"statements": statements})]
    assert found == [("trust.statements.0", text) for text in texts]


def test_what_is_not_known_is_not_judged() -> None:
    known = {"StringNotEquals": {"aws:PrincipalOrgID": "o-123"}}
    markers = [{**ANYBODY, "Condition": {"StringEquals": {"aws:PrincipalOrgID": unknown.OUTPUT}}}]
    beside = [ANYBODY, {**ALL_BUT, "Condition": {**known, "StringEquals": {"aws:SourceVpc": unknown.OUTPUT}}}]

    def texts(statements: list[Any]) -> list[str]:
        declared = ServiceAccountRoleKeys.of({"trust": TrustKeys.of({"statements": statements})})
        return [mistake.found for _, mistake in wide_trust(judged(declared, None, facts_of(declared), ()))]

    assert texts(markers) == []
    assert texts(beside) == ["anybody may assume the role, as far as irsa can tell"]
    assert texts([{**ANYBODY, "Principal": {"AWS": ["*", unknown.OUTPUT]}}]) == ["anybody may assume the role"]
    half = [unknown.WRONG, {"Effect": "Allow", "Principal": "*"}, {}, {**ANYBODY, "Principal": unknown.OUTPUT}]
    assert texts(half) == []
    assert texts([ANYBODY, unknown.OUTPUT]) == ["anybody may assume the role, as far as irsa can tell"]


def test_any_customer_of_another_provider() -> None:
    """The attack: a role for one's own pipelines or app, which all customers of the same identity provider may assume.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html
    """
    github = "token.actions.githubusercontent.com"
    provider = {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{github}"}
    statement = {**OPEN, "Principal": provider, "Condition": {"StringLike": {f"{github}:sub": "repo:*"}}}
    ((place, mistake),) = wide({"statements": [statement]})

    assert place == "trust.statements.0"
    assert mistake.found == "any repository on GitHub may assume the role, as far as irsa can tell"
    assert mistake.fix.startswith(f"add a Condition on {github}:sub that names your organization; ")


def test_a_provider_that_is_looked_up_later() -> None:
    """The attack: the same where the issuer is known only to AWS, so that the statement names an unknown provider."""
    found = wide({"statements": [OPEN]}, cluster={"name": "my-cluster"})
    assert [place for place, _ in found] == ["trust.statements.0"]


def test_a_policy_that_is_too_long_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a trust policy of any length, whose judging takes the third power of that; it is refused anyway."""
    monkeypatch.setattr("irsa.role.role_trust.admission", lambda *_: pytest.fail("judged"))
    audiences = {"StringEquals": {f"{ISSUER}:aud": [f"audience-{number}" for number in range(300)]}}
    binding = {**APP, "trust": {"statements": [{**OPEN, "Condition": audiences}]}}
    (mistake,) = examine({"cluster": CLUSTER, "bindings": {"app": binding}}, tmp_path, "us-west-2").mistakes

    assert mistake.mistake.found.startswith("characters of the trust policy")


@pytest.mark.parametrize(
    ("statements", "place", "text"),
    [
        (
            [{**OPEN, "Condition": {"StringLike": {SUB: f"{CLAIM}*o*:*"}, "ForAnyValue:StringLike": {SUB: "*:*d*:*"}}}],
            "trust.statements.0",
            "'*o*:*' may trust all service accounts of several namespaces",
        ),
        (
            [
                {
                    **OPEN,
                    "Condition": {"StringNotLike": {SUB: [f"{CLAIM}*{a}*{b}*:*" for a in "abcde" for b in "ijklm"]}},
                }
            ],
            "trust.statements.0",
            "'*:*' may trust all service accounts of the cluster",
        ),
    ],
)
def test_statements_that_combine(statements: Any, place: str, text: str) -> None:
    """The attack: each let a namespace in by conditions that combine, and passed `errors: [wide-trust]`."""
    assert (place, text) in [(where, mistake.found) for where, mistake in wide({"statements": statements})]


# What `irsa check` fails by although it is legal


# As https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html has it: who associates it needs rights in AWS.
OF_PODS = {**OPEN, "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}


def may(action: str, resource: str = "*") -> dict[str, Any]:
    return policy({"Effect": "Allow", "Action": action, "Resource": resource})


def trusts(*subjects: str, **more: Any) -> dict[str, Any]:
    return {"trust": {"subjects": [*subjects], **more}}


def claims(*patterns: str) -> dict[str, Any]:
    values = [f"{CLAIM}{each}" for each in patterns]
    return trusts("team-a:app", statements=[{**OPEN, "Condition": {"StringLike": {SUB: values}}}])


def found(binding: dict[str, Any], lint: Any = None) -> Examination:
    of_lint = {"lint": lint} if lint else {}
    bindings = {"app": {"trust": {"subjects": ["team-a:app"]}, **binding}}
    return examine({"cluster": CLUSTER, "bindings": bindings, **of_lint}, Path("/nowhere"), "us-west-2")


@pytest.mark.parametrize(
    ("binding", "rules"),
    [
        (may("*"), {"write-everything", "pass-any-role"}),
        (may("iam:PassRole", "arn:aws:iam::*:role/*"), {"write-everything", "pass-any-role"}),
        ({"policyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}, {"administrator-access"}),
        (trusts("*:*", anyServiceAccount=True), {"wide-trust"}),
        (trusts("team-a:app", statements=[OPEN]), {"wide-trust"}),
        (trusts("team-a:app", statements=[{**OPEN, "Principal": "*", "Action": "sts:AssumeRole"}]), {"wide-trust"}),
        (trusts("team-a:*"), set()),
        (trusts("team-a:app", statements=[OF_PODS]), set()),
        (claims("*:app", "team-?:*"), set()),
        (may("s3:Get*"), set()),
        (may("s3:PutObject", "arn:aws:s3:::b/*"), set()),
    ],
)
def test_what_fails(binding: dict[str, Any], rules: set[str]) -> None:
    """The attack: `*` on `*`, or a role for the whole cluster, with "good, 2 warnings"; `pulumi up` warns of it.

    Whether it is a whole namespace, or reads everything, is somebody's choice, and stays a warning.
    """
    examination = found(binding)

    assert {each.rule for each in examination.warnings if fails(each)} == rules
    assert all(RULES[each].danger for each in rules)
    # It is deployed all the same.
    assert (examination.mistakes, examination.stack is None) == ([], False)
    accepted = found(binding, {"silence": {each: {"bindings": ["app"], "reason": "r"} for each in rules}})
    assert {each.rule for each, _ in accepted.silenced} == rules
    assert not any(map(fails, accepted.warnings))
