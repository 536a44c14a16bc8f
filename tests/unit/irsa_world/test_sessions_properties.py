"""Who is admitted, group by group, against the evaluation of every service account with every audience."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa.evaluation import Decision, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import parse
from irsa_world.model import AwsAccount, Cluster, Role, ServiceAccount, World
from irsa_world.sessions import Sessions
from tests.unit.irsa_cli.inventory.estates import ISSUER, NUMBER, PROVIDER
from tests.world import document, of_tokens

OTHER_PROVIDER = f"arn:aws:iam::{NUMBER}:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/OTHER"
NAMES = ("a", "b", "ab", "ba", "a-b")
ACCOUNTS = [(namespace, name) for namespace in ("a", "b", "a-b") for name in NAMES]
AUDIENCES = ("sts.amazonaws.com", "vault")
PREFIX = "system:serviceaccount:"
PARTS = st.text("ab-*?", min_size=1, max_size=3)
SUBJECTS = st.one_of(
    st.sampled_from([f"{PREFIX}{namespace}:{name}" for namespace, name in ACCOUNTS]),
    st.tuples(PARTS, PARTS).map(lambda parts: f"{PREFIX}{parts[0]}:{parts[1]}"),
    st.sampled_from(
        ["*", f"{PREFIX}*", "system:*:a", f"{PREFIX}A:b", "system:service?ccount:*", "", f"{PREFIX}${{*}}:a"]
    ),
)
VARIABLES = st.sampled_from([f"${{{ISSUER}:sub}}", f"{PREFIX}${{{ISSUER}:aud}}:a", "${aws:username}", "${?}*"])
OPERATORS = st.sampled_from(
    [
        *("StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "StringEqualsIgnoreCase"),
        *("StringNotEqualsIgnoreCase", "StringLikeIfExists", "ForAnyValue:StringEquals", "ForAllValues:StringNotLike"),
        *("Null", "ArnLike", "NoSuchOperator", "ForAllValues:StringLike", "NumericEquals", "Bool"),
    ]
)
KEYS = st.sampled_from(
    [f"{ISSUER}:sub", f"{ISSUER.upper()}:SUB", f"{ISSUER}:aud", "aws:SourceIp", f"{ISSUER}x:sub", f"{ISSUER}:email"]
)
VALUES = st.one_of(SUBJECTS, VARIABLES, st.sampled_from([*AUDIENCES, "true", "false"]))
SUB = st.builds(
    lambda operator, values: {operator: {f"{ISSUER}:sub": values}},
    st.sampled_from(["StringEquals", "StringLike", "StringNotLike", "StringNotEquals"]),
    st.lists(SUBJECTS, min_size=1, max_size=3),
)
ANY = st.dictionaries(OPERATORS, st.dictionaries(KEYS, st.lists(VALUES, max_size=3), max_size=2), max_size=2)
# Most statements are those of AWS's page; others name another principal or action.
PRINCIPALS = st.sampled_from(
    [
        *({"Federated": PROVIDER},) * 4,
        *({"Federated": each} for each in ("*", OTHER_PROVIDER, [OTHER_PROVIDER, PROVIDER])),
        *("*", {"AWS": "*"}, {"AWS": NUMBER}, {"Service": "ec2.amazonaws.com"}),
    ]
)
ACTIONS = st.sampled_from(
    [
        *({"Action": "sts:AssumeRoleWithWebIdentity"},) * 3,
        *({"Action": each} for each in (["sts:assumerolewith*", "sts:TagSession"], "sts:AssumeRole")),
        {"NotAction": "sts:AssumeRole"},
    ]
)
STATEMENTS = st.builds(
    lambda effect, principal, action, condition: {
        "Effect": effect,
        "Principal": principal,
        **action,
        "Condition": condition,
    },
    st.sampled_from(["Allow", "Allow", "Deny"]),
    PRINCIPALS,
    ACTIONS,
    st.one_of(SUB, ANY),
)
DOCUMENTS = st.builds(
    lambda version, statements: {"Version": version, "Statement": statements},
    st.sampled_from(["2012-10-17", "2012-10-17", "2008-10-17"]),
    st.lists(STATEMENTS, max_size=4),
)
CLIENT_IDS = st.sampled_from([AUDIENCES, AUDIENCES[:1], ("other", f"{PREFIX}a:b"), ()])


def by_pair(document: dict[str, Any], client_ids: tuple[str, ...]) -> dict[str, tuple[Decision, tuple[str, ...]]]:
    """Return the answer for each service account, with all of the document and every audience of the provider."""
    found: dict[str, tuple[Decision, tuple[str, ...]]] = {}
    parsed = parse(document)
    for namespace, name in ACCOUNTS:
        answers: dict[Decision, list[str]] = {}
        for audience in sorted(client_ids):
            request = WebIdentityRequest(PROVIDER, f"{PREFIX}{namespace}:{name}", audience)
            answers.setdefault(evaluate_parsed(*parsed, request).decision, []).append(audience)
        for decision in (Decision.ALLOWED, Decision.CANNOT_TELL):
            if decision in answers:
                found[f"{namespace}/{name}"] = decision, tuple(answers[decision])
                break
    return found


@given(DOCUMENTS, CLIENT_IDS, st.permutations(ACCOUNTS))
@settings(max_examples=200, deadline=None)
@example(
    {"Statement": of_tokens(PROVIDER, {"StringLike": {f"{ISSUER}:sub": f"{PREFIX}a*"}})},
    AUDIENCES,
    ACCOUNTS,
)
@example(
    # A variable that names `sub` under another key.
    document(of_tokens(PROVIDER, {"StringEquals": {f"{ISSUER}:aud": f"${{{ISSUER}:sub}}"}})),
    (f"{PREFIX}a:b",),
    ACCOUNTS,
)
def test_groups_say_what_every_pair_would(
    document: dict[str, Any], client_ids: tuple[str, ...], accounts: list[tuple[str, str]]
) -> None:
    cluster = Cluster("prod", f"https://{ISSUER}", tuple(ServiceAccount("prod", *each) for each in accounts))
    role = Role(f"arn:aws:iam::{NUMBER}:role/app", document)
    sessions = Sessions(World((cluster,), (AwsAccount(NUMBER, (role,), {PROVIDER: client_ids}),)))
    claims = sessions.claims[cluster.issuer]
    pairs = [(name, group) for group in sessions.groups for name in claims.names(group.service_accounts)]

    assert {name: (group.decision, group.audiences) for name, group in pairs} == by_pair(document, client_ids)
    assert len(pairs) == len({name for name, _ in pairs})
    assert all(group.reason.startswith("statement ") for group in sessions.groups)
    for each in cluster.service_accounts:
        bit = claims.bit(each.subject)
        those = [group for group in sessions.allowed if group.service_accounts & bit]
        assert sessions.admitting(cluster, each) == {group.role_arn: group.audiences for group in those}
        # The token of the webhook is one of these.
        said = sessions.of_token(role.arn, cluster, each).verdict.decision is Decision.ALLOWED
        assert said == any("sts.amazonaws.com" in group.audiences for group in those)
