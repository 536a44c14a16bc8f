import json

from hypothesis import given
from hypothesis import strategies as st

from irsa.ways import TrustParts, trust_document

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


@given(providers, subjects, st.randoms())
def test_order_does_not_change_the_text(provider_arns: list[str], names: list[str], random: "object") -> None:
    shuffled_providers, shuffled_names = list(provider_arns), list(names)
    random.shuffle(shuffled_providers)  # type: ignore[attr-defined]
    random.shuffle(shuffled_names)  # type: ignore[attr-defined]

    assert trust_document(TrustParts(provider_arns, names)) == trust_document(
        TrustParts(shuffled_providers, shuffled_names)
    )
