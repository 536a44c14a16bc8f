"""The trust policy, held against the AWS page's document and against an independent statement of the rules."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.trust import trust_document

ISSUER = "oidc.eks.region-code.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
PAGE_DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{ISSUER}:sub": "system:serviceaccount:default:my-service-account",
                    f"{ISSUER}:aud": "sts.amazonaws.com",
                }
            },
        }
    ],
}

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


def test_the_pages_own_document() -> None:
    """Protects the document that the AWS page shows for one service account."""
    assert json.loads(trust_document([PROVIDER], ["default:my-service-account"])) == PAGE_DOCUMENT


def test_a_whole_namespace() -> None:
    """Protects the page's sentence: StringLike and `*` for a whole namespace; `aud` stays exact."""
    (statement,) = json.loads(trust_document([PROVIDER], ["team-a:*"]))["Statement"]

    assert statement["Condition"] == {
        "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"},
        "StringLike": {f"{ISSUER}:sub": "system:serviceaccount:team-a:*"},
    }


def test_the_condition_keys_carry_no_arn_prefix() -> None:
    """Guards against pulumi-aws-iam's defect: keys like `arn:aws:iam::...:sub`, which no token has."""
    (statement,) = json.loads(trust_document([PROVIDER], ["a:b"]))["Statement"]
    keys = {key for operator in statement["Condition"].values() for key in operator}

    assert keys == {f"{ISSUER}:aud", f"{ISSUER}:sub"}


@given(providers, subjects)
def test_every_statement_names_audience_and_subjects(provider_arns: list[str], names: list[str]) -> None:
    """Protects the rule: a statement per provider, `aud` exact, `sub` never missing, StringLike for wildcards only."""
    statements = json.loads(trust_document(provider_arns, names))["Statement"]

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


@given(providers, subjects, st.randoms())
def test_order_does_not_change_the_text(provider_arns: list[str], names: list[str], random: "object") -> None:
    """Protects the second `up`: the same settings in another order are the same text."""
    shuffled_providers, shuffled_names = list(provider_arns), list(names)
    random.shuffle(shuffled_providers)  # type: ignore[attr-defined]
    random.shuffle(shuffled_names)  # type: ignore[attr-defined]

    assert trust_document(provider_arns, names) == trust_document(shuffled_providers, shuffled_names)


@pytest.mark.parametrize(("provider_arns", "names"), [([], ["a:b"]), ([PROVIDER], [])])
def test_nobody_or_everybody_is_refused(provider_arns: list[str], names: list[str]) -> None:
    """Protects against a statement without `sub`, which would trust every Pod of the cluster."""
    with pytest.raises(ValueError, match="at least one"):
        trust_document(provider_arns, names)


def test_further_conditions_stand_in_every_statement() -> None:
    """Protects terraform-aws-iam#426's wish: one's own conditions, without losing `aud` and `sub`."""
    document = json.loads(
        trust_document(
            [PROVIDER], ["a:b"], conditions={"StringEquals": {"aws:SourceVpc": "vpc-1"}, "Bool": {"k": "true"}}
        )
    )

    assert document["Statement"][0]["Condition"] == {
        "Bool": {"k": "true"},
        "StringEquals": {
            "aws:SourceVpc": "vpc-1",
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": "system:serviceaccount:a:b",
        },
    }


def test_further_statements_stand_behind() -> None:
    """Protects terraform-aws-iam#535's wish: further principals in the trust policy."""
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}

    assert json.loads(trust_document([PROVIDER], ["a:b"], statements=[statement]))["Statement"][1] == statement
