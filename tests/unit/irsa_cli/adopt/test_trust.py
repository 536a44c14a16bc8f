"""Trust policies read back: those of tools and hands, what irsa writes, and any, against every service account."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from irsa.evaluation import WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, parse
from irsa.evaluation.normal_form import are_equivalent, normal
from irsa.ways import TrustParts, trust_document
from irsa_cli.adopt.items import Left
from irsa_cli.adopt.trust import NO_STATEMENT, ReadTrust, read_trust
from tests.unit.irsa_cli.adopt.scene import BLUE, GREEN, STS, host_path, provider, statement
from tests.world import document as policy_document

PROVIDERS = {BLUE: None, GREEN: None}
SUB, AUD = f"{host_path()}:sub", f"{host_path()}:aud"
PAGE: dict[str, Any] = statement("team-a:app")["Condition"]
SUBJECT = {SUB: "system:serviceaccount:team-a:app"}


def read(*statements: dict[str, Any]) -> ReadTrust:
    return read_trust(policy_document(*statements), PROVIDERS)


def left(*statements: dict[str, Any]) -> str:
    with pytest.raises(Left) as reason:
        read(*statements)
    return reason.value.found


def test_one_statement_per_account_stays_so() -> None:
    statements = [statement(f"team-a:{name}") for name in ("a", "b", "c")]
    settings, is_exact = read(*statements)

    assert (is_exact, settings.subjects) == (True, ("team-a:a",))
    assert settings.statements == (*statements[1:],)


@pytest.mark.parametrize(
    "other",
    [
        statement("team-a:app", Sid="x; fix: rm -rf /"),
        statement("team-a:app", "team-a:app"),
        statement("team-a:app", Action="STS:AssumeRoleWithWebIdentity"),
        statement("team-a:app", operator="StringLike"),
        # terraform-aws-iam's assume_role_condition_test = "StringLike" is used for both.
        statement(Condition={"StringLike": SUBJECT | {AUD: STS}}),
    ],
    ids=["Sid", "twice", "case", "StringLike", "StringLike of both"],
)
def test_what_means_the_same_to_iam_becomes_keys(other: dict[str, Any]) -> None:
    settings, is_exact = read(other)

    assert (is_exact, settings.subjects, settings.statements) == (False, ("team-a:app",), ())


NOT_WRITTEN: list[dict[str, Any]] = [
    statement("team-a:app", operator="ForAnyValue:StringEquals"),
    statement(Condition={"StringEquals": {**SUBJECT, AUD: [STS, "other"]}}),
    statement(Condition={**PAGE, "Null": {SUB: "false"}}),
    statement("team-a:app", audience=None),
    statement(),
    statement(Condition={"StringLike": {SUB: "system:serviceaccount:*"}, "StringEquals": {AUD: STS}}),
]


@pytest.mark.parametrize("other", NOT_WRITTEN)
def test_what_irsa_does_not_write_stays_word_for_word_beside_what_it_writes(other: dict[str, Any]) -> None:
    own = statement("team-b:web")
    settings, is_exact = read(other, own)

    assert (is_exact, settings.subjects, settings.statements) == (True, ("team-b:web",), (other,))
    assert left(other) == NO_STATEMENT


def test_a_statement_that_allows_more_stays_beside_the_one_that_irsa_adds() -> None:
    other = statement("team-a:app", Action=["sts:AssumeRoleWithWebIdentity", "sts:TagSession"])
    settings, is_exact = read(other)

    assert (is_exact, settings.subjects, settings.statements) == (False, ("team-a:app",), (other,))


def test_a_pattern_where_an_exact_name_is_compared_is_left() -> None:
    assert "where StringEquals compares * and ? literally" in left(statement("team-a:*"))


def test_a_cluster_that_was_not_read_stays() -> None:
    statements = statement("team-a:app"), statement("team-a:app", cluster="GONE")
    found = read(*statements)

    assert found.is_exact
    assert (found.settings.oidc_provider_arns, found.settings.statements[0]) == ((BLUE,), statements[1])
    assert left(statements[1]) == NO_STATEMENT


def test_a_document_that_iam_would_refuse_is_left() -> None:
    with pytest.raises(Left, match="its trust policy: "):
        read_trust({"Statement": [{"Effect": "Perhaps"}]}, PROVIDERS)


# --- Against every service account -----------------------------------------------------------------------------------

NAMESPACES, NAMES = ("a", "ab", "b"), ("x", "xy", "y")
EXACT = tuple(f"{ns}:{name}" for ns, name in itertools.product(NAMESPACES, NAMES))
AUDIENCES = (STS, "other")

parts = st.sampled_from(("a", "ab", "b", "x", "xy", "y", "*", "a*", "?", "x?"))
subjects = st.lists(st.builds("{}:{}".format, parts, parts), min_size=1, max_size=4)
foreign = st.sampled_from(
    (
        {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole"]},
        {"Sid": "Root", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"},
        {"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    )
)
FURTHER: tuple[dict[str, dict[str, Any]], ...] = (
    {},
    {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
    {"StringLike": {"aws:RequestedRegion": ["us-*", "eu-*"]}},
    {"StringNotEquals": {"aws:SourceVpc": ["vpc-2"]}},
)
further = st.sampled_from(FURTHER)


@st.composite
def in_another_form(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document in a form that the AWS provider takes for the same."""
    statements = [dict(each) for each in draw(st.permutations(document["Statement"]))]
    for each in statements:
        if isinstance(each["Action"], str) and draw(st.booleans()):
            each["Action"] = [each["Action"]]
    one = len(statements) == 1 and draw(st.booleans())
    return {**document, "Statement": statements[0] if one else statements}


@given(st.data())
def test_what_irsa_writes_is_read_back_exactly(data: st.DataObject) -> None:
    written = json.loads(
        trust_document(
            TrustParts(
                data.draw(st.lists(st.sampled_from((BLUE, GREEN)), min_size=1, max_size=2)),
                data.draw(subjects),
                data.draw(st.sampled_from(AUDIENCES)),
                data.draw(further),
                data.draw(st.lists(foreign, unique_by=json.dumps, max_size=2)),
            )
        )
    )
    document = data.draw(in_another_form(written))
    found = read_trust(document, PROVIDERS)

    assert found.is_exact
    assert are_equivalent(found.settings.document, document)


OPERATORS = (
    *("StringEquals", "StringLike", "ForAnyValue:StringLike", "StringNotLike", "StringEqualsIgnoreCase"),
    "StringLikeIfExists",
)


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    """Return a statement as somebody could have written it."""
    cluster = draw(st.sampled_from(("BLUE", "GREEN")))
    condition: dict[str, dict[str, Any]] = {}
    if draw(st.integers(0, 4)):
        audiences = draw(st.sampled_from((STS, STS, [STS], "other", [STS, "other"], "sts.*")))
        condition.setdefault(draw(st.sampled_from(OPERATORS[:2])), {})[f"{host_path(cluster)}:aud"] = audiences
    if draw(st.integers(0, 4)):
        claims = [f"system:serviceaccount:{each}" for each in draw(subjects)]
        fitting = OPERATORS[1:3] if any(set("*?") & set(each) for each in claims) else OPERATORS[:3]
        operator = draw(st.sampled_from(fitting if draw(st.integers(0, 5)) else OPERATORS))
        condition.setdefault(operator, {})[f"{host_path(cluster)}:sub"] = claims
    for operator, keys in draw(further).items() if draw(st.booleans()) else ():
        condition.setdefault(operator, {}).update(keys)
    effect = "Allow" if draw(st.integers(0, 7)) else "Deny"
    action = "sts:AssumeRoleWithWebIdentity"
    actions = draw(st.sampled_from((action, [action], [action, "sts:TagSession"], "sts:*")))
    return {
        "Effect": effect,
        "Principal": {"Federated": provider(cluster)},
        "Action": actions,
        "Condition": condition,
        **({} if draw(st.booleans()) else {"Sid": draw(st.from_regex("[A-Z]{6}", fullmatch=True))}),
    }


def answers(document: dict[str, Any], audiences: Sequence[str] = (*AUDIENCES, "sts.example")) -> list[str]:
    """Return the decision for every service account of every cluster, with each of these audiences."""
    parsed = parse(document)
    subjects = (*EXACT, "stranger:stranger", "a:stranger")
    return [answer(parsed, *each) for each in itertools.product((BLUE, GREEN), subjects, audiences)]


def answer(parsed: Parsed, arn: str, subject: str, audience: str) -> str:
    claim = f"system:serviceaccount:{subject}"
    return evaluate_parsed(*parsed, WebIdentityRequest(arn, claim, audience)).decision


# What somebody could have written, and the form of AWS's page.
of_all = statements() | st.builds(statement, st.sampled_from(EXACT), cluster=st.sampled_from(("BLUE", "GREEN")))


@given(st.lists(of_all, min_size=1, max_size=4))
def test_whatever_is_adopted_admits_the_same(found: list[dict[str, Any]]) -> None:
    document = policy_document(*found)
    try:
        trust = read_trust(document, PROVIDERS)
    except Left:
        event("left")
        return
    event("exact" if trust.is_exact else "rewritten")

    assert answers(trust.settings.document) == answers(document)
    assert trust.is_exact == are_equivalent(trust.settings.document, document)
    keys, spelling = trust.settings._replace(statements=()).document, dict[str, str]()
    written = normal(keys, spelling).texts
    for each in found:
        assert each in trust.settings.statements or normal(policy_document(each), spelling).texts[0] in written
