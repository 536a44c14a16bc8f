"""Who is let in, against the trust policy of the AWS page and the documented order of the answers."""

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision, PodIdentityRequest, WebIdentityRequest, deciding_statement, evaluate, short_key
from irsa.evaluation.answers import RoleRequest
from irsa.evaluation.decision import admits_any_association, evaluate_statements, with_values
from irsa.evaluation.document import parse
from tests.unit.irsa.evaluation.page_example import (
    AUD,
    AUDIENCE,
    HOST_PATH,
    MATCHED,
    NOT_MATCHED,
    OTHER_PROVIDER,
    PAGE,
    PROVIDER,
    REQUEST,
    SUB,
    SUBJECT,
    UNKNOWN,
    document,
    statement,
    under,
)


def test_the_trust_document_of_the_page_admits_its_service_account() -> None:
    single = PAGE | {"Statement": PAGE["Statement"][0]}
    for each in (PAGE, json.dumps(PAGE), single):
        assert evaluate(each, REQUEST).decision is MATCHED


@pytest.mark.parametrize(
    ("change", "element", "key"),
    [
        ({"subject": "system:serviceaccount:default:another"}, "Condition", SUB),
        ({"subject": "system:serviceaccount:kube-system:my-service-account"}, "Condition", SUB),
        ({"audience": "sts.amazonaws.com.cn"}, "Condition", AUD),
        ({"provider_arn": PROVIDER.replace("111122223333", "444455556666")}, "Principal", ""),
        ({"provider_arn": PROVIDER.replace("arn:aws:", "arn:aws-cn:")}, "Principal", ""),
    ],
)
def test_the_trust_document_of_the_page_refuses_everybody_else(change: dict[str, Any], element: str, key: str) -> None:
    evaluation = evaluate(PAGE, replace(REQUEST, **change))
    assert evaluation.decision is NOT_MATCHED
    (wrong,) = [reason for reason in evaluation.statements[0].reasons if reason.outcome is not True]
    assert (wrong.element, wrong.key, wrong.outcome) == (element, key, False)


ELEMENTS: list[tuple[dict[str, Any], Decision]] = [
    ({"Principal": "*"}, MATCHED),
    ({"Principal": {"AWS": "*"}}, MATCHED),
    ({"Principal": {"Federated": [OTHER_PROVIDER, PROVIDER]}}, MATCHED),
    ({"Principal": {"Federated": PROVIDER.replace("EXAMPLED", "exampled")}}, NOT_MATCHED),
    ({"Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/*"}}, NOT_MATCHED),
    ({"Principal": {"Federated": "*"}}, UNKNOWN),
    ({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, NOT_MATCHED),
    ({"Principal": {"Federated": []}}, NOT_MATCHED),
    ({"Action": "STS:assumerolewithwebidentity"}, MATCHED),
    ({"Action": "sts:*"}, MATCHED),
    ({"Action": "sts:AssumeRoleWithWebIdentit?"}, MATCHED),
    ({"Action": "sts:AssumeRole"}, NOT_MATCHED),
    ({"NotAction": "sts:TagSession"}, MATCHED),
    ({"NotAction": "STS:Assume*"}, NOT_MATCHED),
]


@pytest.mark.parametrize(("elements", "decision"), ELEMENTS)
def test_principals_and_actions(elements: dict[str, Any], decision: Decision) -> None:
    assert evaluate(document(statement(**elements)), REQUEST).decision is decision


def test_a_deny_on_a_misspelled_key_is_a_deny_for_all() -> None:
    deny = statement("Deny", Condition={"StringNotEquals": {f"{PROVIDER}:sub": SUBJECT}})
    evaluation = evaluate(document(statement(), deny), REQUEST)
    assert evaluation.decision is NOT_MATCHED
    assert "without https://" in evaluation.statements[1].reasons[-1].explanation


@pytest.mark.parametrize(
    ("principal", "words"),
    [
        ({"Federated": PROVIDER.replace("111122223333", "444455556666")}, "the AWS account or partition differs"),
        ({"Federated": PROVIDER.replace("EXAMPLED", "exampled")}, "differ only in letter case"),
        ({"Federated": PROVIDER}, f"principal is {PROVIDER}; the token's provider is {PROVIDER}."),
        ("*", "principal is everybody"),
        ({}, "principal is nobody"),
        ({"Federated": "*"}, "AWS's documentation does not say"),
    ],
)
def test_the_principal_is_in_words_with_its_common_errors(principal: Any, words: str) -> None:
    (reason, *_) = evaluate(document(statement(Principal=principal)), REQUEST).statements[0].reasons
    assert words in reason.explanation
    assert bool(reason.hint) is ("differ" in words)


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"Action": "s3:*"}, "covers s3:*, which does not include sts:AssumeRoleWithWebIdentity."),
        ({"NotAction": "s3:*"}, "covers all actions except s3:*, which includes sts:AssumeRoleWithWebIdentity."),
    ],
)
def test_the_action_is_in_words(elements: dict[str, Any], words: str) -> None:
    (_, reason, *_) = evaluate(document(statement(**elements)), REQUEST).statements[0].reasons
    assert words in reason.explanation


@pytest.mark.parametrize(
    ("statements", "decision", "words", "index"),
    [
        ([statement(Sid="A"), statement("Deny", Sid="D")], NOT_MATCHED, "statement 2 (D) denies it", 1),
        ([statement(Action="iam:*")], NOT_MATCHED, "no statement allows it; in statement 1, Action does not match", 0),
        (
            [
                statement(Sid="A", Action="iam:*", Condition={"StringEquals": {SUB: "x"}}),
                statement(Sid="B", Condition={"StringEquals": {SUB: "x"}, "StringLike": {SUB: "y"}}),
                statement(Sid="C", Condition={"StringEquals": {SUB: "x", "other.example:aud": "y"}}),
                statement(Sid="D", Condition={"StringEquals": {AUD: "x"}}),
            ],
            NOT_MATCHED,
            "no statement allows it; in the nearest, statement 4 (D), aud does not match",
            3,
        ),
        (
            [statement(Action="iam:*", Condition={"StringEquals": {SUB: "x", "other.example:aud": "y"}})],
            NOT_MATCHED,
            "no statement allows it; in statement 1, Action, sub, other.example:aud do not match",
            0,
        ),
        (
            [statement(Action="iam:*"), statement(Principal={"Federated": "*"}, Sid="A")],
            UNKNOWN,
            "only statement 2 (A) may allow it",
            1,
        ),
        ([statement(), statement("Deny", Principal={"Federated": "*"})], UNKNOWN, "statement 2 may deny it", 1),
        ([statement("Deny", Action="iam:*"), statement(), statement()], MATCHED, "", 1),
        ([statement("Deny", Action="iam:*"), statement(Action="iam:*")], NOT_MATCHED, "no statement allows it", 1),
        ([], NOT_MATCHED, "", None),
    ],
)
def test_the_statements_that_decide_are_named(
    statements: list[dict[str, Any]], decision: Decision, words: str, index: int | None
) -> None:
    evaluation = evaluate(document(*statements), REQUEST)
    assert evaluation.decision is decision
    assert evaluation.explanation.startswith(words)
    found = deciding_statement(evaluation.decision, evaluation.statements)
    assert (found.index if found else None) == index


@pytest.mark.parametrize(
    ("key", "short"),
    [
        (AUD.upper(), "aud"),
        ("oidc.eks.us-west-2.amazonaws.com/id/OTHER:sub", "oidc.eks.us-west-2.amazonaws.com/id/OTHER:sub"),
        (f"{REQUEST.issuer}:sub", f"{REQUEST.issuer}:sub"),
        (AUD.removesuffix("aud"), AUD.removesuffix("aud")),
    ],
)
def test_only_a_key_of_this_issuer_has_a_short_name(key: str, short: str) -> None:
    """Protects from taking another cluster's `sub` for this one's: IAM ignores letter case, and a key has no https://."""
    assert short_key(key, REQUEST.issuer) == short


# A condition of each truth value; what is unknown is the value of a key, so there is a request that makes it either.
CONDITIONS = {
    True: {"StringEquals": {SUB: SUBJECT}},
    False: {"StringEquals": {SUB: "another"}},
    None: {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
}


def decide(statements: tuple[tuple[str, bool], ...]) -> Decision:
    """State the documented order over booleans: a Deny that matches, else an Allow that matches, else denied."""
    if ("Deny", True) in statements:
        return Decision.DENIED
    return Decision.ALLOWED if ("Allow", True) in statements else Decision.DENIED


@given(st.lists(st.tuples(st.sampled_from(["Allow", "Deny"]), st.sampled_from([True, False, None])), max_size=5))
def test_cannot_decide_exactly_when_the_unknown_matters(statements: list[tuple[str, bool | None]]) -> None:
    trust = document(*(statement(effect, Condition=CONDITIONS[matched]) for effect, matched in statements))
    evaluation = evaluate(trust, REQUEST)
    worlds = product(*([True, False] if matched is None else [matched] for _, matched in statements))
    effects = [effect for effect, _ in statements]
    possible = {decide(tuple(zip(effects, world, strict=True))) for world in worlds}
    assert evaluation.decision is (possible.pop() if len(possible) == 1 else Decision.CANNOT_TELL)
    assert [(each.effect, each.matched) for each in evaluation.statements] == statements


@given(st.lists(st.sampled_from([True, False, None]), max_size=4))
def test_a_statement_matches_when_every_condition_does(outcomes: list[bool | None]) -> None:
    keys = {True: (AUD, AUDIENCE), False: (AUD, "another"), None: ("aws:SourceVpc", "vpc-1")}
    # A different operator each, as one object has each name once; all of them compare exactly here.
    operators = ["StringEquals", "StringLike", "StringEqualsIgnoreCase", "StringEqualsIfExists"]
    condition = {operator: dict([keys[outcome]]) for operator, outcome in zip(operators, outcomes, strict=False)}
    worlds = product(*([True, False] if outcome is None else [outcome] for outcome in outcomes))
    possible = {all(world) for world in worlds}
    expected = possible.pop() if len(possible) == 1 else None
    assert under(condition).statements[0].matched is expected


@pytest.mark.parametrize("provider", [PROVIDER, f"{PROVIDER}/", PROVIDER.replace("arn:aws:", "arn:aws-cn:")])
def test_the_issuer_of_a_token_is_that_of_its_provider(provider: str) -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html"""
    assert WebIdentityRequest(provider, SUBJECT, AUDIENCE).issuer == f"https://{HOST_PATH}"


POD, ROLE = PodIdentityRequest("team-a", "app"), RoleRequest("arn:aws:iam::111122223333:role/path/app")
PODS = {"Service": "pods.eks.amazonaws.com"}


@pytest.mark.parametrize(
    ("request_", "principal", "decision"),
    [
        (POD, PODS, MATCHED),
        (POD, {"Service": "ec2.amazonaws.com"}, NOT_MATCHED),
        (POD, {"AWS": "pods.eks.amazonaws.com"}, NOT_MATCHED),
        # Whether a service of AWS is somebody, the page does not say.
        (POD, "*", UNKNOWN),
        (ROLE, "*", MATCHED),
        (ROLE, {"AWS": "*"}, MATCHED),
        (ROLE, {"AWS": ROLE.arn}, MATCHED),
        (ROLE, {"AWS": "arn:aws:iam::111122223333:root"}, MATCHED),
        (ROLE, {"AWS": "111122223333"}, MATCHED),
        (ROLE, {"AWS": "444455556666"}, NOT_MATCHED),
        (ROLE, {"AWS": "arn:aws:iam::111122223333:role/path/other"}, NOT_MATCHED),
        (ROLE, {"Federated": ROLE.arn}, NOT_MATCHED),
        # Who assumes a role chooses the name of the session.
        (ROLE, {"AWS": "arn:aws:sts::111122223333:assumed-role/app/ci"}, UNKNOWN),
        (ROLE, {"AWS": "arn:aws:sts::111122223333:assumed-role/apps/ci"}, NOT_MATCHED),
    ],
)
def test_callers_without_a_token(request_: PodIdentityRequest | RoleRequest, principal: Any, decision: Any) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    trust = document(statement(Principal=principal, Action=["sts:AssumeRole", "sts:TagSession"]))

    assert evaluate(trust, request_).decision is decision


@pytest.mark.parametrize(
    ("request_", "principal", "words"),
    [(ROLE, {"AWS": "arn:aws:sts::111122223333:assumed-role/app/ci"}, "one session"), (POD, "*", "documentation")],
)
def test_a_principal_that_cannot_be_told_has_its_own_reason(request_: Any, principal: Any, words: str) -> None:
    """AWS's page does say what the ARN of a session means: the session is what is not known."""
    found = with_values(evaluate(document(statement(Principal=principal, Action="sts:*")), request_))

    assert [each in found for each in ("one session", "documentation")] == [
        words == "one session",
        words != "one session",
    ]


@pytest.mark.parametrize("is_tagged", [True, False])
def test_an_association_with_session_tags_needs_both_actions(is_tagged: bool) -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html"""
    trust = document(statement(Principal=PODS, Action="sts:AssumeRole"))

    assert (evaluate(trust, replace(POD, session_tags=is_tagged)).decision is MATCHED) is not is_tagged
    # Whoever creates one may leave the tags out.
    assert admits_any_association(parse(trust))
    of_one = {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "team-a"}}
    assert not admits_any_association(parse(document({**trust["Statement"][0], "Condition": of_one})))


@pytest.mark.parametrize(("version", "outcome"), [("2012-10-17", True), ("2008-10-17", False)])
def test_a_statement_for_a_role_has_variables_by_its_version(version: str, outcome: bool) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"""
    condition = {"StringEquals": {"aws:PrincipalArn": "${aws:PrincipalArn}"}}
    trust = document(statement(Principal={"AWS": ROLE.arn}, Action="sts:AssumeRole", Condition=condition))

    assert [each.matched for each in evaluate_statements(version, parse(trust)[1], ROLE)] == [outcome]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"StringEquals": {SUB: "system:serviceaccount:a:b"}}, (SUBJECT, "system:serviceaccount:a:b")),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, ("aws:SourceVpc", "statement 1 may allow it")),
        ({"StringEquals": {SUB: SUBJECT}}, ("statement 1 allows it",)),
    ],
)
def test_an_answer_has_the_values_that_decide(condition: Any, words: tuple[str, ...]) -> None:
    found = with_values(under(condition))

    assert [each for each in words if each not in found] == []
