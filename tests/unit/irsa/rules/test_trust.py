"""The trust policy, checked against the AWS page's document.

https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake
from irsa.rules.trust import check_conditions, federated_providers
from irsa.ways import TrustParts, trust_document

ISSUER = "oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"


def test_a_subject_that_is_there_twice_is_one() -> None:
    """Protects deployed stacks: one claim is a string, as on the page, also when it is named twice."""
    document = trust_document(TrustParts([PROVIDER], ["a:b", "a:b"]))
    assert document == trust_document(TrustParts([PROVIDER, PROVIDER], ["a:b"]))
    (statement,) = json.loads(document)["Statement"]
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:sub"] == "system:serviceaccount:a:b"


@pytest.mark.parametrize("key", [f"{ISSUER}:sub", f"{ISSUER}:aud", "OTHER.example:SUB", "other.example:Aud"])
@pytest.mark.parametrize("operator", ["StringEquals", "StringLike", "ForAnyValue:StringEquals", "Null"])
def test_aud_and_sub_are_irsas_own(key: str, operator: str) -> None:
    """Protects from a trust that is wider than it looks: the caller's `sub` would replace ours; keys have no case.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html ("Condition key
    names are not case-sensitive")
    """
    with pytest.raises(Mistake) as error:
        check_conditions({"Bool": {"aws:x": "true"}, operator: {"aws:y": "a", key: "a"}})
    assert key in error.value.found


@pytest.mark.parametrize(
    "key", ["aws:SourceVpc", f"{ISSUER}:amr", "aws:RequestTag/sub", "sub", "aws:PrincipalTag/a:subject"]
)
def test_other_conditions_are_the_callers(key: str) -> None:
    check_conditions({"StringEquals": {key: "a"}})
    check_conditions({})


def trusting(**elements: Any) -> str:
    """Return a document of one statement that trusts the provider, with some elements changed."""
    return json.dumps({"Statement": {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, **elements}})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{}", {}),
        (trusting(), {PROVIDER: [[]]}),
        (trusting(Effect="Deny"), {}),
        (trusting(Principal={"AWS": PROVIDER}), {}),
        (trusting(Principal={"Federated": ["cognito-identity.amazonaws.com", PROVIDER]}), {PROVIDER: [[]]}),
        (trusting(Principal={"Federated": "arn:aws:iam::111122223333:saml-provider/p"}), {}),
        (trusting(Condition=None), {PROVIDER: [[]]}),
        (trusting(Condition={"StringEquals": {f"{ISSUER}:aud": ["a", "b"]}}), {PROVIDER: [["a", "b"]]}),
        (trusting(Condition={"StringEquals": {f"{ISSUER}:AUD".upper(): "a"}}), {PROVIDER: [["a"]]}),
        (trusting(Condition={"StringEquals": {"other.example:aud": "a", f"{ISSUER}:sub": "s"}}), {PROVIDER: [[]]}),
    ],
)
def test_the_providers_of_a_document_of_others(document: str, expected: dict[str, list[list[str]]]) -> None:
    assert federated_providers(json.loads(document)) == expected


labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
patterns = st.one_of(labels, labels.map(lambda label: f"{label}*"), st.just("*"), labels.map(lambda label: f"{label}?"))
subjects = st.lists(st.builds("{}:{}".format, patterns, patterns), min_size=1, max_size=6)
providers = st.lists(
    st.from_regex(
        r"arn:aws:iam::[0-9]{12}:oidc-provider/oidc\.eks\.us-west-2\.amazonaws\.com/id/[0-9A-F]{8}", fullmatch=True
    ),
    min_size=1,
    max_size=3,
)


@given(providers, subjects)
def test_every_statement_names_audience_and_subjects(provider_arns: list[str], names: list[str]) -> None:
    statements = json.loads(trust_document(TrustParts(provider_arns, names)))["Statement"]

    assert {s["Principal"]["Federated"] for s in statements} == set(provider_arns)
    assert len(statements) == len(set(provider_arns))
    wanted = {f"system:serviceaccount:{name}" for name in names}
    for statement in statements:
        issuer = statement["Principal"]["Federated"].partition("oidc-provider/")[2]
        assert statement["Condition"]["StringEquals"][f"{issuer}:aud"] == "sts.amazonaws.com"
        needs_like = any("*" in name or "?" in name for name in names)
        found = statement["Condition"]["StringLike" if needs_like else "StringEquals"][f"{issuer}:sub"]
        assert set([found] if isinstance(found, str) else found) == wanted
        assert ("StringLike" in statement["Condition"]) == needs_like
