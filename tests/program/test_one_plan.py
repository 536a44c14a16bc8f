"""One plan for who answers look-ups and who does not, and one judgement beside a value that is wrong or secret."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Place, path_of
from irsa.rules.unknown import SECRET
from irsa_config.loading import read_settings
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Stack
from irsa_program.examine import Examination, examine
from irsa_program.lookups.values import AwsIdentity, Lookups, ResolvedCluster, unanswered
from irsa_program.plan import plan
from tests.fuzz.mutations import BY_KEY, VALUES
from tests.places import copied, places, put
from tests.unit.irsa.test_markers import within

NOWHERE = Path("/nowhere")
ALLOW = {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:Put*"], "Resource": "*"}
DENY = {"Effect": "Deny", "NotAction": "s3:*", "NotResource": ["arn:${partition}:s3:::${bucket}-${account}/*"]}
WHERE = {"StringEquals": {"aws:RequestedRegion": ["${region}", "eu-west-1"], "aws:PrincipalTag/${bucket}": "a"}}
DOCUMENT = {"Version": "2012-10-17", "Statement": [ALLOW, {**DENY, "Condition": WHERE}]}
TRUSTED = {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:${partition}:iam::${account}:role/a"},
    "Action": "sts:AssumeRole",
}
IN_CHINA = {**ALLOW, "Resource": "arn:aws-cn:s3:::b"}
ADMINISTRATOR = "arn:${partition}:iam::aws:policy/AdministratorAccess"
# Several clusters and AWS accounts, each key of a binding, and a warning of most lint rules.
FILE: dict[str, Any] = {
    "variables": {"bucket": "my-bucket"},
    "clusters": {
        "blue": {"name": "blue", "kubernetes": {"context": "blue"}},
        "green": {"name": "green", "region": "eu-west-1", "kubernetes": {"context": "green"}},
        "far": {"stack": "organization/platform/prod", "kubernetes": {"context": "far"}},
        "own": {"oidcIssuer": "https://issuer.example/id", "createOidcProvider": True},
    },
    "accounts": {
        "data": {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"},
        "other": {"profile": "other", "region": "us-east-2"},
    },
    "defaults": {"namespace": "team", "path": "/team/", "tags": {"team": "a"}, "audience": "sts.amazonaws.com"},
    "quotas": {"trustPolicySize": 4096},
    "bindings": {
        "app": {
            "serviceAccount": {
                "name": "default",
                "namespace": "kube-system",
                "labels": {"a": "b"},
                "annotations": {"c": "d"},
                "imagePullSecrets": ["registry"],
                "createNamespace": True,
                "tokenExpiration": 3600,
            },
            "role": {"name": "my-role", "description": "x", "tags": {"x": "y"}, "maxSessionDuration": 3600},
            "policy": {"name": "my-policy", "document": DOCUMENT},
            "policyArns": [ADMINISTRATOR, "arn:${partition}:iam::${account}:policy/team/my-policy", ADMINISTRATOR],
            "inlinePolicies": {"first": {"document": DOCUMENT}, "x": {"document": {**DOCUMENT, "Statement": DENY}}},
            "assumeRoleArns": ["arn:aws:iam::444455556666:role/${cluster}"],
            "trust": {"subjects": ["team-a:*", "team-b:x"], "conditions": WHERE, "statements": [TRUSTED, TRUSTED]},
            "clusters": ["blue"],
            "import": ["role"],
            "formerly": "earlier",
        },
        "several": {
            "serviceAccount": {"name": "several", "create": False},
            "account": "data",
            "clusters": ["blue", "green"],
            "role": {"permissionsBoundary": "arn:aws:iam::${account}:policy/boundary", "namePrefix": "x-"},
            "policy": {"document": {**DOCUMENT, "Statement": ALLOW}, "path": "/x/", "tags": {"a": "${b}"}},
        },
        "far": {
            "account": "other",
            "clusters": ["far"],
            "trust": {"subjects": ["*:x"], "statements": [{**TRUSTED, "Principal": "*"}], "anyServiceAccount": False},
            "policyArns": ["arn:${partition}:iam::${account}:policy/${region}"],
        },
        "own": {"clusters": ["own"], "role": {"name": "own"}, "trust": {"subjects": ["a:b"]}},
        "existing": {
            "serviceAccount": {"name": "existing"},
            "role": {"arn": "arn:aws:iam::444455556666:role/r"},
            "clusters": ["blue"],
        },
    },
}  # fmt: skip
# What two files say together.
TOGETHER: Sequence[Mapping[Place, Any]] = (
    {("clusters", "blue", "oidcProviderArn"): "arn:aws:iam::111122223333:oidc-provider/a/b"},
    {("bindings", "own", "import"): ["policy"], ("bindings", "own", "policy"): {"document": DOCUMENT, "name": "p"}},
    {("bindings", "far", "policyArns"): ["arn:aws-cn:iam::111122223333:policy/p", "arn:aws:iam::1:policy/p"]},
    {("bindings", "far", "policyArns"): ["arn:aws:iam::111122223333:policy/p", "arn:aws:iam::444455556666:policy/q"]},
    {("bindings", "several", "policyArns"): ["arn:aws:iam::111122223333:policy/p"]},
    {("bindings", "far", "policyArns"): ["arn:aws:iam::444455556666:policy/p"]},
    {("bindings", "far", "inlinePolicies"): {"p": {"document": {**DOCUMENT, "Statement": IN_CHINA}}}},
    {
        ("bindings", "own", "policyArns"): ["arn:aws-cn:iam::444455556666:policy/p"],
        ("bindings", "own", "policy"): {"document": DOCUMENT},
    },
    {("bindings", "app", "trust", "conditions", "StringEquals", "aws:${account}:sub"): "x*"},
    {("bindings", "app", "trust", "subjects"): [f"ns-{number}:{'x' * 40}" for number in range(39)]},
    {("bindings", "several", "trust"): {"subjects": [f"ns-{number}:{'x' * 40}" for number in range(28)]}},
    {("bindings", "app", "role", "name"): "own"},
    {("bindings", "app", "policy", "document", "Statement"): [{**ALLOW, "Resource": "arn:aws:s3:::${account}" * 200}]},
    {("bindings", "app", "assumeRoleArns"): ["arn:${partition}:iam::${account}:role/" + "x" * 200] * 50},
    {("bindings", "existing", "role", "arn"): "arn:aws-cn:iam::444455556666:role/r"},
    {("bindings", "existing", "role", "arn"): "arn:${partition}:iam::${account}:role/${region}"},
)  # fmt: skip


@st.composite
def files(draw: st.DrawFn, most: int = 2) -> dict[str, Any]:
    """The `irsa:` values of a stack file, with some changes, of which most are mistakes."""
    values: dict[str, Any] = copied(FILE)
    for _ in range(draw(st.integers(0, most))):
        if draw(st.booleans()):
            for place, value in draw(st.sampled_from(TOGETHER)).items():
                values = put(values, place, value)
        else:
            place = draw(st.sampled_from([*places(values)][1:]))
            values = put(values, place, draw(st.sampled_from(BY_KEY.get(str(place[-1]), VALUES))))
    return values


# --- look-ups --------------------------------------------------------------------------------------------------------

REGIONS = {"us-west-2": "aws", "ap-southeast-7": "aws", "cn-north-1": "aws-cn"}
ACCOUNT_IDS = st.sampled_from(["111122223333", "444455556666"]) | st.text("0123456789", min_size=12, max_size=12)
# What only the look-ups know: AWS accounts and partitions, names of which they are a part, and how long these are.
ONLY_LOOKED_UP = re.compile(
    "in the partition|in the AWS account|same name as|variables replaced|characters (of|without)"
)
MOVES = re.compile("in the partition|in the AWS account")


@st.composite
def truths(draw: st.DrawFn, stack: Stack, region: str | None) -> Lookups:
    """Answers to all look-ups, as AWS and Kubernetes give them, which what the file says does not contradict."""
    region = region or draw(st.sampled_from(sorted(REGIONS)))
    clusters = stack.clusters_by_key
    identities: dict[str | None, AwsIdentity] = {}
    for key in (None, *stack.aws_accounts):
        settings = stack.aws_accounts.get(key or "")
        arns = [("role", settings.assume_role_arn if settings else None)]
        arns += [("oidc-provider", each.oidc_provider_arn) for each in clusters.values() if each.aws_account == key]
        known = [parse_iam_arn(arn, kind) for kind, arn in arns if isinstance(arn, str)]
        its_region = settings.region if settings and isinstance(settings.region, str) else region
        partition = REGIONS.get(its_region, "aws")
        own = [known[0].account_id, known[0].partition] if known else [draw(ACCOUNT_IDS), partition]
        identities[key] = AwsIdentity(*own)
    issuers = {}
    for key, each in clusters.items():
        its_region = each.region if isinstance(each.region, str) else region
        digits = draw(st.text("0123456789ABCDEF", min_size=32, max_size=32))
        issuers[key] = f"https://oidc.eks.{its_region}.amazonaws.com/id/{digits}"
        if each.stack:
            issuers[key] = draw(st.sampled_from([issuers[key], "https://i.example", "https://i.example/a/b"]))
        if isinstance(each.oidc_provider_arn, str):
            issuers[key] = f"https://{parse_iam_arn(each.oidc_provider_arn, 'oidc-provider').resource}"
        if isinstance(each.oidc_issuer, str):
            issuers[key] = each.oidc_issuer
    return Lookups(
        region,
        {**identities},
        {key: ResolvedCluster(issuers[key]) for key in clusters},
        {
            (key, aws_account): _provider(each, aws_account, identity, issuers[key])
            for key, each in clusters.items()
            for aws_account, identity in identities.items()
        },
    )


def _provider(cluster: Any, aws_account: str | None, identity: AwsIdentity, issuer: str) -> Any:
    if isinstance(cluster.oidc_provider_arn, str) and cluster.aws_account == aws_account:
        return cluster.oidc_provider_arn
    host_path = issuer.removeprefix("https://").removesuffix("/")
    return f"arn:{identity.partition}:iam::{identity.account_id}:oidc-provider/{host_path}"


@pytest.mark.parametrize("changes", [{}, *TOGETHER], ids=lambda changes: " ".join(map(path_of, changes)))
@settings(max_examples=4)
@given(data=st.data(), region=st.sampled_from([None, None, "us-west-2", "cn-north-1"]))
def test_who_answers_the_look_ups_changes_only_what_they_say(
    changes: Mapping[Place, Any], data: st.DataObject, region: str | None
) -> None:
    values = data.draw(files(1))
    for place, value in changes.items():
        values = put(values, place, value)
    stack = read_settings(values, NOWHERE).stack
    offline = plan(stack, unanswered(stack, region)).mistakes
    answered = plan(stack, data.draw(truths(stack, region))).mistakes

    assert_each_is_in(offline, answered, MOVES)
    assert_each_is_in([each for each in answered if not ONLY_LOOKED_UP.search(each.mistake.found)], offline, MOVES)


def assert_each_is_in(some: Sequence[LocatedMistake], all_of: Sequence[LocatedMistake], moves: re.Pattern[str]) -> None:
    """Assert that mistakes are among others; what differs from several others may be placed at another of these."""
    known = {(each.place, each.mistake.allowed) for each in all_of}
    moved = {each.place[:2] for each in all_of if moves.search(each.mistake.found)}
    assert not [
        each
        for each in some
        if (each.place, each.mistake.allowed) not in known
        and not (each.place[:2] in moved and moves.search(each.mistake.found))
    ]


# --- beside what is wrong or secret ----------------------------------------------------------------------------------

# Which keys of a binding a warning is about, besides those at its place.
POLICIES = ("policy", "policyArns", "inlinePolicies", "assumeRoleArns")
TRUST = ("trust", "serviceAccount", "clusters", "account", "audience")
OF_RULE: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("wide-trust", "refused-subject", "kube-system-wildcard", "default-service-account"), TRUST),
    "near-limit": (*POLICIES, *TRUST, "role"),
    "grants-nothing": POLICIES,
    "attached-twice": (*POLICIES, "account", "clusters"),
}
# Wrong for every key, or partly unknown.
WRONG_OR_SECRET = st.sampled_from([SECRET, SECRET, 5, [[5]], [SECRET]])


def of_others(examined: Examination, binding: Place) -> set[tuple[Place, str, str]]:
    """Return the mistakes and warnings that are not of one binding, but for those that two bindings have together."""
    return {
        (each.place, each.rule, each.mistake.allowed)
        for each in (*examined.mistakes, *examined.warnings)
        if not within(each.place, binding)
        and each.rule != "unused-setting"
        and not re.search("used by|still a binding", each.mistake.found)
    }


def may_go(warning: LocatedMistake, replaced: Place) -> bool:
    """Return whether a warning of a binding may go when a part of this is not known."""
    elements = [index for index, step in enumerate(warning.place) if step in ("Resource", "NotResource")]
    return (
        within(warning.place, replaced)
        or any(within(replaced, warning.place[:index]) for index in elements)
        or within(replaced, warning.place)
        or warning.rule == "unused-setting"
        or replaced[2] in OF_RULE.get(warning.rule, ())
    )


@settings(max_examples=80)
@given(values=files(1), data=st.data())
def test_a_wrong_value_hides_no_other_warning(values: dict[str, Any], data: st.DataObject) -> None:
    """tests/unit/irsa/test_markers.py has which mistakes it hides within its own binding."""
    inner = [place for place in places(values) if place[:1] == ("bindings",) and len(place) > 1]
    assume(inner)
    place = data.draw(st.sampled_from(inner) | st.sampled_from([each for each in inner if len(each) < 5]))
    new = data.draw(WRONG_OR_SECRET)
    before = examine(values, NOWHERE, "us-west-2")
    after = examine(put(values, place, new), NOWHERE, "us-west-2")

    assert of_others(after, place[:2]) == of_others(before, place[:2])
    told = {(each.place, each.rule) for each in after.warnings}
    own = [each for each in before.warnings if within(each.place, place[:2])]
    assert not [each for each in own if (each.place, each.rule) not in told and not may_go(each, place)]
