"""Trust policies read back, against what irsa writes, and against an evaluation of every service account."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from irsa.evaluation import Decision, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, parse
from irsa.evaluation.normal_form import are_equivalent, normal
from irsa.evaluation.same_sessions import difference
from irsa.ways import TrustParts, trust_document
from irsa_cli.adopt.items import Left
from irsa_cli.adopt.trust import Provider, Settings, read_trust
from tests.unit.irsa_cli.adopt.scene import BLUE, GREEN, STS, host_path, provider
from tests.world import document as policy_document

NAMESPACES, NAMES = ("a", "ab", "b"), ("x", "xy", "y")
EXACT = tuple(f"{ns}:{name}" for ns, name in itertools.product(NAMESPACES, NAMES))
ACCOUNTS = tuple(f"system:serviceaccount:{each}" for each in EXACT)
AUDIENCES = (STS, "other")
PROVIDERS = dict.fromkeys((BLUE, GREEN), Provider(AUDIENCES))
LISTED = dict.fromkeys((BLUE, GREEN), AUDIENCES)

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


def users_of(document: dict[str, Any]) -> list[Settings]:
    """Return a service account that a trust policy admits."""
    users = itertools.product((BLUE, GREEN), EXACT, AUDIENCES)
    everybody = [each for each in users if answer(parse(document), *each) == Decision.ALLOWED]
    return [Settings((arn,), (subject,), audience) for arn, subject, audience in everybody[:1]]


def answer(parsed: Parsed, arn: str, subject: str, audience: str) -> str:
    issuer = f"https://{arn.partition(':oidc-provider/')[2]}"
    claim = f"system:serviceaccount:{subject}"
    return evaluate_parsed(*parsed, WebIdentityRequest(issuer, arn, claim, audience)).decision


@given(st.lists(statements(), min_size=1, max_size=4), st.none() | st.sampled_from(EXACT))
def test_whatever_is_adopted_admits_the_same(found: list[dict[str, Any]], other: str | None) -> None:
    document = policy_document(*found)
    users = [Settings((BLUE,), (other,))] if other else users_of(document)
    try:
        trust = read_trust(document, PROVIDERS, users)
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


@given(st.lists(statements(), min_size=1, max_size=3), st.lists(statements(), min_size=1, max_size=3))
def test_a_difference_is_found(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    before, after = policy_document(*one), policy_document(*other)
    found = difference(before, after, LISTED)
    event("different" if found else "the same")

    # STS takes no token of an audience that the OIDC provider does not list.
    if answers(before, AUDIENCES) != answers(after, AUDIENCES):
        assert found


def test_patterns_in_too_many_combinations_are_compared_as_they_are() -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider("BLUE")},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    key, claims = (
        f"{host_path('BLUE')}:sub",
        [f"system:serviceaccount:*{a}{b}*:*" for a in "abcdefg" for b in "hijklmn"],
    )
    document = policy_document({**statement, "Condition": {"StringLike": {key: claims}}})
    narrower = policy_document({**statement, "Condition": {"StringLike": {key: claims[1:]}}})
    unknown = policy_document(
        {**statement, "Condition": {"StringLike": {key: claims}, "StringEquals": {"aws:SourceVpc": "vpc-1"}}}
    )

    assert difference(document, document, LISTED) == ""
    assert "too many ways" in difference(document, narrower, LISTED)
    assert "too many ways" in difference(document, unknown, LISTED)
