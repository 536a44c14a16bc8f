"""The trust evaluator against an independent statement of IAM's rules, and against AWS's documented examples."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import (
    DOCUMENTATION,
    Decision,
    Evaluation,
    Reason,
    TrustDocumentError,
    WebIdentityRequest,
    evaluate,
)
from irsa.rules.mistakes import Mistake

HOST_PATH = "oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
OTHER_PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/OTHER"
AUD, SUB = f"{HOST_PATH}:aud", f"{HOST_PATH}:sub"
SUBJECT = "system:serviceaccount:default:my-service-account"
AUDIENCE = "sts.amazonaws.com"
REQUEST = WebIdentityRequest(f"https://{HOST_PATH}", PROVIDER, SUBJECT, AUDIENCE)

# The document that `aws iam get-role` shows on the page "Configure a Kubernetes service account to assume an IAM role".
PAGE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {SUB: SUBJECT, AUD: AUDIENCE}},
        }
    ],
}
MATCHED, NOT_MATCHED, UNKNOWN = Decision.ALLOWED, Decision.DENIED, Decision.CANNOT_DECIDE


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    known = {"Effect": effect, "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
    merged = known | elements
    if "NotAction" in elements:
        del merged["Action"]
    return merged


def document(*statements: Any, version: str | None = "2012-10-17") -> dict[str, Any]:
    return ({"Version": version} if version else {}) | {"Statement": list(statements)}


def under(condition: Any, version: str | None = "2012-10-17", **context: tuple[str, ...]) -> Evaluation:
    """Evaluate one Allow that only this condition can stop."""
    request = WebIdentityRequest(
        REQUEST.issuer, PROVIDER, SUBJECT, AUDIENCE, {name.replace("__", ":"): each for name, each in context.items()}
    )
    return evaluate(document(statement(Condition=condition), version=version), request)


def only_reason(evaluation: Evaluation) -> Reason:
    (reason,) = [each for each in evaluation.statements[0].reasons if each.element == "Condition"]
    return reason


# Documented examples


def test_the_trust_document_of_the_page_admits_its_service_account() -> None:
    """Protects the one case that everybody has, as a mapping, as text, and with one statement outside a list."""
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
    """Protects that a refusal names exactly the element, and the key, that caused it."""
    evaluation = evaluate(PAGE, replace(REQUEST, **change))
    assert evaluation.decision is NOT_MATCHED
    (wrong,) = [reason for reason in evaluation.statements[0].reasons if reason.outcome is not True]
    assert (wrong.element, wrong.key, wrong.outcome) == (element, key, False)


def test_a_token_of_another_issuer_fails_at_the_principal_and_at_both_keys() -> None:
    """Protects that a cluster's token never passes for another cluster's, whose keys it does not fill."""
    other = WebIdentityRequest("https://oidc.eks.us-west-2.amazonaws.com/id/OTHER", OTHER_PROVIDER, SUBJECT, AUDIENCE)
    evaluation = evaluate(PAGE, other)
    assert evaluation.decision is NOT_MATCHED
    assert [reason.outcome for reason in evaluation.statements[0].reasons] == [False, True, False, False]


EXAMPLES = [
    ("* under StringEquals stands for itself", {"StringEquals": {SUB: "system:serviceaccount:default:*"}}, NOT_MATCHED),
    ("StringLike expands *", {"StringLike": {SUB: "system:serviceaccount:default:*"}}, MATCHED),
    (
        "StringLike expands * over a namespace",
        {"StringLike": {SUB: "system:serviceaccount:*:my-service-account"}},
        MATCHED,
    ),
    ("? is one character", {"StringLike": {SUB: "system:serviceaccount:default:my?service?account"}}, MATCHED),
    ("? is not none", {"StringLike": {SUB: f"{SUBJECT}?"}}, NOT_MATCHED),
    ("StringLike needs the whole text", {"StringLike": {SUB: "system:serviceaccount:default:my"}}, NOT_MATCHED),
    ("StringLike is case-sensitive", {"StringLike": {SUB: "system:serviceaccount:Default:*"}}, NOT_MATCHED),
    ("StringEquals is case-sensitive", {"StringEquals": {SUB: SUBJECT.upper()}}, NOT_MATCHED),
    ("IgnoreCase ignores case", {"StringEqualsIgnoreCase": {SUB: SUBJECT.upper()}}, MATCHED),
    ("negated IgnoreCase too", {"StringNotEqualsIgnoreCase": {SUB: SUBJECT.upper()}}, NOT_MATCHED),
    ("a key has no case", {"StringEquals": {SUB.upper(): SUBJECT}}, MATCHED),
    ("a key under the provider's ARN is absent", {"StringEquals": {f"{PROVIDER}:sub": SUBJECT}}, NOT_MATCHED),
    ("a key with the scheme is absent", {"StringEquals": {f"https://{SUB}": SUBJECT}}, NOT_MATCHED),
    ("sub written as aud", {"StringEquals": {AUD: SUBJECT}}, NOT_MATCHED),
    ("aud written as sub", {"StringEquals": {SUB: AUDIENCE}}, NOT_MATCHED),
    ("a doubled prefix", {"StringEquals": {SUB: f"system:serviceaccount:{SUBJECT}"}}, NOT_MATCHED),
    ("values are alternatives", {"StringEquals": {SUB: ["system:serviceaccount:a:b", SUBJECT]}}, MATCHED),
    (
        "negated values are all excluded",
        {"StringNotEquals": {SUB: ["system:serviceaccount:a:b", SUBJECT]}},
        NOT_MATCHED,
    ),
    ("keys are all needed", {"StringEquals": {SUB: SUBJECT, AUD: "another"}}, NOT_MATCHED),
    ("operators are all needed", {"StringEquals": {AUD: AUDIENCE}, "StringLike": {SUB: "another:*"}}, NOT_MATCHED),
    ("absent, positive", {"StringEquals": {"other.example:sub": "x"}}, NOT_MATCHED),
    ("absent, negated", {"StringNotEquals": {"other.example:sub": "x"}}, MATCHED),
    ("absent, negated pattern", {"StringNotLike": {"other.example:sub": "*"}}, MATCHED),
    ("absent, IfExists", {"StringEqualsIfExists": {"other.example:sub": "x"}}, MATCHED),
    ("absent, negated IfExists", {"StringNotEqualsIfExists": {"other.example:sub": "x"}}, MATCHED),
    ("there, IfExists", {"StringEqualsIfExists": {SUB: "another"}}, NOT_MATCHED),
    ("absent, ForAllValues", {"ForAllValues:StringEquals": {"other.example:sub": "x"}}, MATCHED),
    ("absent, ForAnyValue", {"ForAnyValue:StringEquals": {"other.example:sub": "x"}}, NOT_MATCHED),
    ("absent, negated ForAnyValue", {"ForAnyValue:StringNotEquals": {"other.example:sub": "x"}}, NOT_MATCHED),
    ("Null false of a key that is there", {"Null": {SUB: "false"}}, MATCHED),
    ("Null as JSON's own false", {"Null": {SUB: False}}, MATCHED),
    ("Null true of a key that is there", {"Null": {SUB: "true"}}, NOT_MATCHED),
    ("Null true of an absent key", {"Null": {"other.example:sub": "true"}}, MATCHED),
    ("Null false of an absent key", {"Null": {"other.example:sub": "false"}}, NOT_MATCHED),
    ("Null of an unknown key", {"Null": {"aws:SourceVpc": "true"}}, UNKNOWN),
    ("Null has no third value", {"Null": {SUB: "perhaps"}}, UNKNOWN),
    ("no IfExists for Null", {"NullIfExists": {SUB: "false"}}, UNKNOWN),
    ("an unknown key", {"StringEquals": {"aws:SourceVpc": "vpc-1"}}, UNKNOWN),
    ("an unknown key, negated", {"StringNotEquals": {"sts:RoleSessionName": "x"}}, UNKNOWN),
    ("an unknown key, IfExists", {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}, UNKNOWN),
    ("another claim of the token", {"StringEquals": {f"{HOST_PATH}:amr": "x"}}, UNKNOWN),
    ("a tag whose name ends like a claim", {"StringEquals": {"aws:RequestTag/a:sub": "x"}}, UNKNOWN),
    ("an operator of another family", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, UNKNOWN),
    ("an operator that does not exist", {"StringMatches": {SUB: SUBJECT}}, UNKNOWN),
    (
        "false wins over unknown",
        {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "StringEquals": {SUB: "x"}},
        NOT_MATCHED,
    ),
    ("no values", {"StringEquals": {SUB: []}}, UNKNOWN),
    ("no conditions", {}, MATCHED),
]


@pytest.mark.parametrize(("condition", "decision"), [each[1:] for each in EXAMPLES], ids=[each[0] for each in EXAMPLES])
def test_documented_conditions(condition: dict[str, Any], decision: Decision) -> None:
    """Protects each sentence that AWS's pages say of condition operators, keys and values."""
    assert under(condition).decision is decision


# AWS's own tables: reference_policies_condition-single-vs-multi-valued-context-keys
TAG_KEYS: list[tuple[dict[str, Any], tuple[str, ...], Decision]] = [
    *(
        (
            {
                "ForAllValues:StringEquals": {"aws:TagKeys": ["environment", "cost-center"]},
                "Null": {"aws:TagKeys": "false"},
            },
            *row,
        )
        for row in (
            (("environment",), MATCHED),
            (("cost-center",), MATCHED),
            (("environment", "cost-center"), MATCHED),
            (("environment", "dept"), NOT_MATCHED),
            ((), NOT_MATCHED),
        )
    ),
    *(
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["environment", "cost-center"]}}, *row)
        for row in (
            (("environment",), MATCHED),
            (("cost-center",), MATCHED),
            (("environment", "cost-center"), MATCHED),
            (("environment", "dept"), MATCHED),
            (("dept",), NOT_MATCHED),
            ((), NOT_MATCHED),
        )
    ),
    ({"ForAllValues:StringEquals": {"aws:TagKeys": "environment"}}, ("",), MATCHED),
    ({"ForAnyValue:StringLike": {"aws:TagKeys": "*"}}, ("",), NOT_MATCHED),
    ({"StringEquals": {"aws:TagKeys": "environment"}}, ("environment", "dept"), UNKNOWN),
]


@pytest.mark.parametrize(("condition", "tag_keys", "decision"), TAG_KEYS)
def test_set_operators(condition: dict[str, Any], tag_keys: tuple[str, ...], decision: Decision) -> None:
    """Protects the tables by which AWS explains ForAllValues and ForAnyValue."""
    assert under(condition, aws__TagKeys=tag_keys).decision is decision


VARIABLES = [
    ("${*} is an asterisk", {"StringLike": {"aws:x": "a${*}b"}}, ("a*b",), MATCHED),
    ("${*} is no wildcard", {"StringLike": {"aws:x": "a${*}b"}}, ("axb",), NOT_MATCHED),
    ("${?} is a question mark", {"StringLike": {"aws:x": "a${?}*"}}, ("a?bc",), MATCHED),
    ("${?} is no wildcard", {"StringLike": {"aws:x": "a${?}*"}}, ("abc",), NOT_MATCHED),
    ("${$} is a dollar sign", {"StringEquals": {"aws:x": "${$}{a}"}}, ("${a}",), MATCHED),
    (
        "a known variable",
        {"StringEquals": {SUB: "system:serviceaccount:${AWS:X}:my-service-account"}},
        ("default",),
        MATCHED,
    ),
    ("a known variable, other value", {"StringEquals": {SUB: "${aws:x}"}}, ("default",), NOT_MATCHED),
    ("a claim as a variable", {"StringEquals": {"aws:x": f"${{{SUB}}}"}}, (SUBJECT,), MATCHED),
    ("an absent variable's default", {"StringEquals": {SUB: f"${{aws:x, '{SUBJECT}'}}"}}, (), MATCHED),
    ("a known variable's unused default", {"StringEquals": {SUB: f"${{aws:x, '{SUBJECT}'}}"}}, ("a",), NOT_MATCHED),
    ("an absent variable", {"StringEquals": {SUB: "${aws:x}"}}, (), UNKNOWN),
    ("an unknown variable", {"StringEquals": {SUB: "${aws:username}"}}, (), UNKNOWN),
    ("an unknown variable, negated", {"StringNotEquals": {SUB: "${aws:username}"}}, (), UNKNOWN),
    ("an unknown variable with a default", {"StringEquals": {SUB: "${aws:username, 'a'}"}}, (), UNKNOWN),
    ("an alternative without variable decides", {"StringEquals": {SUB: ["${aws:username}", SUBJECT]}}, (), MATCHED),
    ("a variable of several values", {"StringEquals": {SUB: "${aws:x}"}}, (SUBJECT, "b"), UNKNOWN),
    ("a variable whose value has a wildcard", {"StringLike": {SUB: "${aws:x}"}}, ("*",), UNKNOWN),
    ("an unclosed variable", {"StringEquals": {SUB: "${aws:x"}}, ("a",), UNKNOWN),
    ("a variable under Bool", {"Bool": {"aws:x": "${aws:x}"}}, ("true",), UNKNOWN),
]


@pytest.mark.parametrize(
    ("condition", "value", "decision"), [each[1:] for each in VARIABLES], ids=[each[0] for each in VARIABLES]
)
def test_policy_variables(condition: dict[str, Any], value: tuple[str, ...], decision: Decision) -> None:
    """Protects policy variables: fixed ones, known ones, and that one without a known value decides nothing."""
    assert under(condition, aws__x=value).decision is decision


@pytest.mark.parametrize("version", [None, "2008-10-17"])
def test_earlier_versions_have_no_variables(version: str | None) -> None:
    """Protects that, without Version 2012-10-17, `${...}` is a literal text."""
    condition = {"StringEquals": {"aws:x": "${aws:username}"}}
    assert under(condition, version, aws__x=("${aws:username}",)).decision is MATCHED
    assert under(condition, version, aws__x=("bob",)).decision is NOT_MATCHED


# The example of the ARN operators' own page: a wildcard does not reach over a colon.
ARN_PATTERN = "arn:aws:someservice:*:111122223333:finance/*"
ARN_VALUE = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"
OTHERS = [
    ({"StringLike": {"aws:x": ARN_PATTERN}}, ARN_VALUE, MATCHED),
    ({"ArnLike": {"aws:x": ARN_PATTERN}}, ARN_VALUE, NOT_MATCHED),
    ({"ArnEquals": {"aws:x": ARN_PATTERN}}, "arn:aws:someservice:eu-west-1:111122223333:finance/a:b", MATCHED),
    ({"ArnNotLike": {"aws:x": ARN_PATTERN}}, ARN_VALUE, MATCHED),
    ({"ArnNotEquals": {"aws:x": ARN_VALUE}}, ARN_VALUE, NOT_MATCHED),
    ({"ArnLike": {"aws:x": "*"}}, ARN_VALUE, UNKNOWN),
    ({"Bool": {"aws:x": "true"}}, "true", MATCHED),
    ({"Bool": {"aws:x": True}}, "false", NOT_MATCHED),
    ({"Bool": {"aws:x": "true"}}, "1", UNKNOWN),
]


@pytest.mark.parametrize(("condition", "value", "decision"), OTHERS)
def test_arn_and_bool_operators(condition: dict[str, Any], value: str, decision: Decision) -> None:
    """Protects the ARN operators' part-by-part comparison, and Bool."""
    assert under(condition, aws__x=(value,)).decision is decision


ELEMENTS: list[tuple[dict[str, Any], Decision]] = [
    ({"Principal": "*"}, MATCHED),
    ({"Principal": {"AWS": "*"}}, MATCHED),
    ({"Principal": {"Federated": [OTHER_PROVIDER, PROVIDER]}}, MATCHED),
    ({"Principal": {"AWS": "111122223333", "Federated": PROVIDER}}, MATCHED),
    ({"Principal": {"Federated": OTHER_PROVIDER}}, NOT_MATCHED),
    ({"Principal": {"Federated": PROVIDER.replace("EXAMPLED", "exampled")}}, NOT_MATCHED),
    ({"Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/*"}}, NOT_MATCHED),
    ({"Principal": {"Federated": "cognito-identity.amazonaws.com"}}, NOT_MATCHED),
    ({"Principal": {"Federated": "*"}}, UNKNOWN),
    ({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, NOT_MATCHED),
    ({"Principal": {"AWS": PROVIDER}}, NOT_MATCHED),
    ({"Principal": {"Service": "pods.eks.amazonaws.com"}}, NOT_MATCHED),
    ({"Principal": {"Federated": []}}, NOT_MATCHED),
    ({"Action": "STS:assumerolewithwebidentity"}, MATCHED),
    ({"Action": ["sts:TagSession", "sts:AssumeRoleWithWebIdentity"]}, MATCHED),
    ({"Action": "sts:*"}, MATCHED),
    ({"Action": "*"}, MATCHED),
    ({"Action": "sts:AssumeRole*"}, MATCHED),
    ({"Action": "sts:AssumeRoleWithWebIdentit?"}, MATCHED),
    ({"Action": "sts:AssumeRole"}, NOT_MATCHED),
    ({"Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"]}, NOT_MATCHED),
    ({"Action": "iam:*"}, NOT_MATCHED),
    ({"NotAction": "sts:TagSession"}, MATCHED),
    ({"NotAction": "STS:Assume*"}, NOT_MATCHED),
]


@pytest.mark.parametrize(("elements", "decision"), ELEMENTS)
def test_principals_and_actions(elements: dict[str, Any], decision: Decision) -> None:
    """Protects whom Principal names, and which actions Action and NotAction cover."""
    assert evaluate(document(statement(**elements)), REQUEST).decision is decision


@pytest.mark.parametrize(
    "subject", [SUBJECT, "system:serviceaccount:kube-system:anything", "system:serviceaccount:a:b"]
)
def test_a_statement_without_sub_admits_every_account_of_the_cluster(subject: str) -> None:
    """Protects the warning of the reference: never omit `sub`."""
    request = WebIdentityRequest(REQUEST.issuer, PROVIDER, subject, AUDIENCE)
    trust = document(statement(Condition={"StringEquals": {AUD: AUDIENCE}}))
    assert evaluate(trust, request).decision is MATCHED


def test_a_deny_wins_wherever_it_stands() -> None:
    """Protects that an explicit Deny beats an Allow, before or after it."""
    deny = statement(
        "Deny", Principal="*", Action="*", Condition={"StringLike": {SUB: "system:serviceaccount:default:*"}}
    )
    for order in ([statement(), deny], [deny, statement()]):
        evaluation = evaluate(document(*order), REQUEST)
        assert evaluation.decision is NOT_MATCHED
        assert "Deny" in evaluation.explanation


def test_a_deny_on_a_misspelled_key_is_a_deny_for_all() -> None:
    """Protects that a negated condition on an absent key matches: such a Deny locks everybody out."""
    deny = statement("Deny", Condition={"StringNotEquals": {f"{PROVIDER}:sub": SUBJECT}})
    evaluation = evaluate(document(statement(), deny), REQUEST)
    assert evaluation.decision is NOT_MATCHED
    assert "without https://" in evaluation.statements[1].reasons[-1].explanation


def test_a_deny_that_cannot_be_decided_leaves_an_allow_undecided() -> None:
    """Protects from a yes that an unknown Deny may take back; without any Allow it changes nothing.

    The order is that of the page on allow and deny: a Deny that applies wins, and what nothing allows is denied.
    """
    unknown = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    deny, allow = statement("Deny", Condition=unknown), statement()
    for order in ([allow, deny], [deny, allow], [deny, statement(Condition=unknown)]):
        assert evaluate(document(*order), REQUEST).decision is UNKNOWN
    assert evaluate(document(deny), REQUEST).decision is NOT_MATCHED


# What a colleague reads


HINTS = [
    ({"StringEquals": {SUB: "system:serviceaccount:default:*"}}, "only StringLike"),
    ({"StringEquals": {f"{PROVIDER}:sub": SUBJECT}}, f"start with {HOST_PATH}"),
    ({"StringEquals": {AUD: SUBJECT}}, "under sub, not aud"),
    ({"StringEquals": {SUB: AUDIENCE}}, "under aud, not sub"),
    ({"StringEquals": {SUB: f"system:serviceaccount:{SUBJECT}"}}, "twice"),
    ({"StringEquals": {SUB: SUBJECT.upper()}}, "letter case"),
    ({"StringEquals": {SUB: f"{SUBJECT} "}}, "leading or trailing spaces"),
]


@pytest.mark.parametrize(("condition", "words"), HINTS)
def test_common_errors_are_named(condition: dict[str, Any], words: str) -> None:
    """Protects that a mistake which users report is told by name, with the value found and the one wanted."""
    reason = only_reason(under(condition))
    assert words in reason.explanation
    ((_, keys),) = condition.items()
    ((key, wanted),) = keys.items()
    assert (reason.key, reason.wanted) == (key, (wanted,))


@pytest.mark.parametrize(
    ("principal", "words"),
    [
        (PROVIDER.replace("111122223333", "444455556666"), "the AWS account or partition differs"),
        (PROVIDER.replace("EXAMPLED", "exampled"), "letter case"),
    ],
)
def test_common_errors_in_the_principal_are_named(principal: str, words: str) -> None:
    """Protects the hint for a provider of another account, and for one in other letters."""
    evaluation = evaluate(document(statement(Principal={"Federated": principal})), REQUEST)
    assert words in evaluation.statements[0].reasons[0].explanation


def test_a_condition_that_holds_gets_no_hint() -> None:
    """Protects against a warning about what is right."""
    reasons = evaluate(PAGE, REQUEST).statements[0].reasons
    assert [reason.found for reason in reasons] == [
        (PROVIDER,),
        ("sts:AssumeRoleWithWebIdentity",),
        (SUBJECT,),
        (AUDIENCE,),
    ]
    assert not [reason for reason in reasons if "StringLike" in reason.explanation or "differs" in reason.explanation]


def test_every_reason_cites_a_page_of_the_iam_user_guide() -> None:
    """Protects that whoever doubts an answer can look the rule up."""
    conditions = [each[1] for each in EXAMPLES]
    evaluations = [under(condition) for condition in conditions]
    evaluations += [evaluate(document(statement(**elements)), REQUEST) for elements, _ in ELEMENTS]
    pages = {
        reason.documentation for each in evaluations for evaluated in each.statements for reason in evaluated.reasons
    }
    pages |= {each.documentation for each in evaluations}
    assert pages <= set(DOCUMENTATION.values())
    assert all(
        page.startswith("https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_") for page in pages
    )
    assert under({"Null": {SUB: "false"}}).statements[0].reasons[-1].documentation.endswith("#Conditions_Null")


# Malformed documents


@pytest.mark.parametrize(
    ("malformed", "place"),
    [
        ("{", "line 1, column 2"),
        ("[]", ""),
        ({}, ""),
        ({"Version": "2012-10-17"}, ""),
        ({"Version": "2024-01-01", "Statement": []}, "Version"),
        ({"Statement": [], "statement": []}, ""),
        ({"Statement": "Allow"}, "Statement"),
        (document(statement(), statement("allow")), "Statement[1].Effect"),
        (document(statement(Resource="*")), "Statement[0]"),
        (document(statement(Sid=1)), "Statement[0].Sid"),
        (document({"Effect": "Allow", "Action": "*"}), "Statement[0]"),
        (document({"Effect": "Allow", "Principal": "*"}), "Statement[0]"),
        (document(statement(Principal=PROVIDER)), "Statement[0].Principal"),
        (document(statement(Principal={"federated": PROVIDER})), "Statement[0].Principal"),
        (document(statement(Principal={"Federated": 1})), "Statement[0].Principal.Federated"),
        (document(statement(Action=["sts:*", None])), "Statement[0].Action"),
        (document(statement(Condition=[])), "Statement[0].Condition"),
        (document(statement(Condition={"StringEquals": SUB})), "Statement[0].Condition.StringEquals"),
        (document(statement(Condition={"StringEquals": {SUB: None}})), f"Statement[0].Condition.StringEquals.{SUB}"),
        (document(statement(Condition={"StringEquals": {SUB: [{}]}})), f"Statement[0].Condition.StringEquals.{SUB}"),
        ({"Statement": statement("allow")}, "Statement.Effect"),
        ('{"Statement": [], "Statement": []}', ""),
    ],
)
def test_a_document_that_iam_refuses_is_an_error_with_its_place(malformed: Any, place: str) -> None:
    """Protects that a malformed document is never answered, and that the message says where."""
    with pytest.raises(TrustDocumentError) as error:
        evaluate(malformed, REQUEST)
    assert error.value.place == place
    assert place in str(error.value)


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize("principal", ["*", {"AWS": "arn:aws:iam::111122223333:root"}, {"Federated": PROVIDER}])
@pytest.mark.parametrize("others", [{}, {"Principal": {"Federated": PROVIDER}}])
def test_not_principal_is_refused(effect: str, principal: Any, others: dict[str, Any]) -> None:
    """Protects from a yes to all but those named.

    The page on NotPrincipal: "You cannot use the NotPrincipal element in an IAM identity-based policy nor in an IAM
    role trust policy." Access Analyzer calls it an error: "Role trust policies do not support NotPrincipal."
    """
    excepting = {"Effect": effect, "NotPrincipal": principal, "Action": "*", **others}
    with pytest.raises(TrustDocumentError, match="reference_policies_elements_notprincipal") as error:
        evaluate(document(statement(), excepting), REQUEST)
    assert error.value.place == "Statement[1]"


def test_a_number_that_python_does_not_read_is_refused() -> None:
    """Protects from a traceback: 5,000 digits are more than IAM's quota for the whole document, 2,048 characters."""
    text = json.dumps(document(statement(Condition={"NumericEquals": {"aws:x": "number"}})))
    with pytest.raises(TrustDocumentError, match="digits"):
        evaluate(text.replace('"number"', "9" * 5_000), REQUEST)


def test_a_name_that_an_object_has_twice_is_told() -> None:
    """Protects the message from being taken for that of a number: one condition of the two would get lost."""
    with pytest.raises(TrustDocumentError, match="'Statement' twice"):
        evaluate('{"Statement": [], "Statement": []}', REQUEST)


HALF = "a\ud800"


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (document(statement(Sid=HALF)), "Statement[0].Sid"),
        ({"Statement": statement(Sid=HALF)}, "Statement.Sid"),
        (document(statement()) | {"Id": HALF}, "Id"),
        (document(statement()) | {"Version": HALF}, "Version"),
        (document(statement()) | {HALF: 1}, ""),
        (document(statement(HALF)), "Statement[0].Effect"),
        (document(statement(Principal={"Federated": [PROVIDER, HALF]})), "Statement[0].Principal.Federated[1]"),
        (document(statement(Action=HALF)), "Statement[0].Action"),
        (document(statement(Condition={HALF: {SUB: SUBJECT}})), "Statement[0].Condition"),
        (document(statement(Condition={"StringEquals": {HALF: SUBJECT}})), "Statement[0].Condition.StringEquals"),
        (document(statement(Condition={"Bool": {"aws:x": [True, "\udfff"]}})), "Statement[0].Condition.Bool.aws:x[1]"),
    ],
)
def test_an_unpaired_surrogate_is_refused_wherever_it_is(broken: dict[str, Any], place: str) -> None:
    """Protects from what no terminal prints: documents are Unicode, and an unpaired surrogate is no character."""
    for written in (broken, json.dumps(broken)):
        with pytest.raises(TrustDocumentError, match="an unpaired surrogate") as error:
            evaluate(written, REQUEST)
        assert error.value.place == place
        assert str(error.value).encode()


def test_both_halves_are_a_character() -> None:
    """Protects a character beyond the first 65,536, which JSON may write as two halves."""
    written = json.dumps(document(statement(Sid="\U0001f600")))
    assert "\\ud83d\\ude00" in written
    assert evaluate(written, REQUEST).statements[0].sid == "\U0001f600"


def test_a_provider_of_another_issuer_is_refused() -> None:
    """Protects from an answer about a token that STS would refuse before it reads the trust policy."""
    with pytest.raises(Mistake, match="not for the issuer"):
        WebIdentityRequest(REQUEST.issuer, OTHER_PROVIDER, SUBJECT, AUDIENCE)


# Against an independent statement of the rules


def glob(pattern: str, text: str) -> bool:
    """Match by the set of pattern positions that can be reached: breadth first, unlike the evaluator."""
    reached = {0}
    for character in [*text, None]:
        stack = list(reached)
        while stack:  # a star may be skipped at no cost
            position = stack.pop()
            if pattern[position : position + 1] == "*" and position + 1 not in reached:
                reached.add(position + 1)
                stack.append(position + 1)
        if character is None:
            break
        reached = {p for p in reached if pattern[p : p + 1] == "*"} | {
            p + 1 for p in reached if pattern[p : p + 1] in ("?", character) and pattern[p : p + 1] != "*"
        }
    return len(pattern) in reached


# Few letters, so that patterns and values meet often; upper case for the operators that ignore it.
VALUES = st.text("abA:*?", max_size=7)
WANTED = st.lists(VALUES, min_size=1, max_size=3)
SAME: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda found, wanted: found == wanted,
    "StringEqualsIgnoreCase": lambda found, wanted: re.fullmatch(re.escape(wanted), found, re.IGNORECASE) is not None,
    "StringLike": lambda found, wanted: glob(wanted, found),
}
NEGATIONS = {name.replace("String", "StringNot"): same for name, same in SAME.items()}


def truth_of_operator(operator: str, found: str | None, wanted: list[str]) -> bool:
    """State the pages' rules as a table over (key there, any value the same, negated, IfExists)."""
    name = operator.removesuffix("IfExists")
    if found is None:
        return operator.endswith("IfExists") or name in NEGATIONS
    if name in NEGATIONS:
        return not [each for each in wanted if NEGATIONS[name](found, each)]
    return bool([each for each in wanted if SAME[name](found, each)])


OPERATORS = st.tuples(st.sampled_from([*SAME, *NEGATIONS]), st.sampled_from(["", "IfExists"])).map("".join)


@given(OPERATORS, st.none() | VALUES, WANTED)
def test_string_operators_agree_with_the_oracle(operator: str, found: str | None, wanted: list[str]) -> None:
    """Protects every string operator, with and without IfExists, for present and absent keys and lists of values."""
    evaluation = under({operator: {"aws:x": wanted}}, aws__x=() if found is None else (found,))
    assert only_reason(evaluation).outcome is truth_of_operator(operator, found, wanted)


@given(OPERATORS, st.lists(VALUES.filter(bool), max_size=3), WANTED)
def test_set_operators_agree_with_the_oracle(operator: str, found: list[str], wanted: list[str]) -> None:
    """Protects that ForAllValues asks each value of the request, ForAnyValue some, and none where the key is absent."""
    truths = [truth_of_operator(operator, each, wanted) for each in found]
    all_values = under({f"ForAllValues:{operator}": {"aws:x": wanted}}, aws__x=tuple(found))
    any_value = under({f"ForAnyValue:{operator}": {"aws:x": wanted}}, aws__x=tuple(found))
    assert only_reason(all_values).outcome is (False not in truths)
    assert only_reason(any_value).outcome is (True in truths if found else operator.endswith("IfExists"))


@given(VALUES, VALUES)
def test_the_negated_operator_is_the_opposite_on_a_present_key(found: str, wanted: str) -> None:
    """Protects that StringEquals and StringNotEquals never both hold, nor both fail."""
    for operator in SAME:
        negated = operator.replace("String", "StringNot")
        outcomes = [
            only_reason(under({each: {"aws:x": wanted}}, aws__x=(found,))).outcome for each in (operator, negated)
        ]
        assert sorted(map(str, outcomes)) == ["False", "True"]


NAMES = st.text("ab-", min_size=1, max_size=4)
SUBJECTS = st.tuples(NAMES, NAMES).map(lambda parts: f"system:serviceaccount:{parts[0]}:{parts[1]}")
PATTERNS = st.tuples(st.text("ab-*?", min_size=1, max_size=4), st.text("ab-*?", min_size=1, max_size=4)).map(
    lambda parts: f"system:serviceaccount:{parts[0]}:{parts[1]}"
)


@given(SUBJECTS, st.lists(PATTERNS, min_size=1, max_size=3))
def test_a_namespace_pattern_admits_exactly_the_accounts_that_it_matches(subject: str, patterns: list[str]) -> None:
    """Protects the page's own use of StringLike, through the whole evaluator."""
    trust = document(statement(Condition={"StringLike": {SUB: patterns}, "StringEquals": {AUD: AUDIENCE}}))
    request = WebIdentityRequest(REQUEST.issuer, PROVIDER, subject, AUDIENCE)
    admitted = any(glob(pattern, subject) for pattern in patterns)
    assert evaluate(trust, request).decision is (MATCHED if admitted else NOT_MATCHED)


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
    """Protects three-valued logic: each unknown tried both ways, one answer is that answer, two are "cannot decide"."""
    trust = document(*(statement(effect, Condition=CONDITIONS[matched]) for effect, matched in statements))
    evaluation = evaluate(trust, REQUEST)
    worlds = product(*([True, False] if matched is None else [matched] for _, matched in statements))
    effects = [effect for effect, _ in statements]
    possible = {decide(tuple(zip(effects, world, strict=True))) for world in worlds}
    assert evaluation.decision is (possible.pop() if len(possible) == 1 else Decision.CANNOT_DECIDE)
    assert [(each.effect, each.matched) for each in evaluation.statements] == statements


@given(st.lists(st.sampled_from([True, False, None]), max_size=4))
def test_a_statement_matches_when_every_condition_does(outcomes: list[bool | None]) -> None:
    """Protects AND over conditions with unknowns: a condition that is false decides alone."""
    keys = {True: (AUD, AUDIENCE), False: (AUD, "another"), None: ("aws:SourceVpc", "vpc-1")}
    # A different operator each, as one object has each name once; all of them compare exactly here.
    operators = ["StringEquals", "StringLike", "StringEqualsIgnoreCase", "StringEqualsIfExists"]
    condition = {operator: dict([keys[outcome]]) for operator, outcome in zip(operators, outcomes, strict=False)}
    worlds = product(*([True, False] if outcome is None else [outcome] for outcome in outcomes))
    possible = {all(world) for world in worlds}
    expected = possible.pop() if len(possible) == 1 else None
    assert under(condition).statements[0].matched is expected


def test_a_pattern_of_many_stars_is_matched_in_no_time() -> None:
    """Protects against a matcher that tries every split: this would take longer than the universe has."""
    assert under({"StringLike": {"aws:x": "*a" * 60 + "b"}}, aws__x=("a" * 400,)).decision is NOT_MATCHED
