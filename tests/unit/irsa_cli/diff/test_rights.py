"""Who gains and who loses the right to assume a role: case by case, as IAM's documentation decides; against an oracle.

The oracle is what IAM decides for each service account of a small cluster, one by one.
"""

import itertools
import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irsa.evaluation import Decision, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Statement, parse
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ISSUER,
    KINDS,
    OTHER_ISSUER,
    PROVIDER,
    SECRET,
    UNKNOWN,
    changed,
    create,
    oidc_provider,
    role,
    rows,
    step,
    trust,
    update,
    with_inputs,
    without_outputs,
)
from tests.world import document, of_tokens

SUB, AUD = f"{ISSUER}:sub", f"{ISSUER}:aud"
CLAIM = "system:serviceaccount:"
OTHER = PROVIDER.replace(ISSUER, OTHER_ISSUER)
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
OUTSIDE = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example.org"
CANNOT_TELL, OTHERS = {"cannotTell": {"my-role"}}, {"principals": {"my-role"}}


def gain(*who: str) -> dict[str, set[str]]:
    return {"gains": {*who}}


def lose(*who: str) -> dict[str, set[str]]:
    return {"loses": {*who}}


WORKER = gain("team-a/worker"), lose("team-a/worker")
# What depends on a policy variable.
MAY_GAIN = {"mayGain": {"b/x"}}
MAY_GAIN_BOTH = {"mayGain": {"b/ab*", "b/*cd"}}
MAYBE = {**CANNOT_TELL, "mayGain": {"*/*"}}


def when(conditions: Any, provider: str = PROVIDER) -> dict[str, Any]:
    (statement,) = trust("team-a:worker", provider=provider)["Statement"]
    return document({**statement, "Condition": conditions})


def likes(pattern: str, **more: Any) -> dict[str, Any]:
    return when({"StringLike": {SUB: f"{CLAIM}{pattern}"}, **more})


def both(*documents: Any) -> dict[str, Any]:
    return document(*(each for one in documents for each in one["Statement"]))


def anybody(**condition: Any) -> dict[str, Any]:
    return document(of_tokens("", condition, Principal="*"))


def denied(**condition: Any) -> dict[str, Any]:
    return document(of_tokens(PROVIDER, condition, Effect="Deny"))


def other(principal: Any, action: str = "sts:AssumeRole") -> dict[str, Any]:
    return document({"Effect": "Allow", "Principal": principal, "Action": action})


def who(found: Any) -> dict[str, set[str]]:
    """Return who is told, by how."""
    names = [*(each for each, (kind, *_) in KINDS.items() if kind == "session"), "principals"]
    return {name: {each["who"] or each["role"] for each in those} for name in names if (those := rows(found, name))}


ONE = trust("a:one")
WITH_IP = trust("team-a:worker", IpAddress={"aws:SourceIp": "203.0.113.0/24"})
OTHER_IP = trust("team-a:worker", IpAddress={"aws:SourceIp": "203.0.113.0/28"})
PLAIN = trust("team-a:worker")
VARIABLE = likes(f"${{{AUD}}}:x")
ODD_AUDIENCE = when({"StringLike": {AUD: "a*", SUB: f"{CLAIM}b:x"}, "StringLikeIfExists": {AUD: "*c"}})
BY_OWNER = other({"AWS": ACCOUNT})
BY_OWNER["Statement"][0] |= {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "${aws:PrincipalTag/owner}"}}}
MAYBE_ALL, OTHER_AUDIENCE = CANNOT_TELL | gain("*/*"), CANNOT_TELL | gain("b/two") | lose("team-a/worker")
IN_OTHER_WORDS = trust("a:two", "a:one")
IN_OTHER_WORDS["Statement"][0] |= {"Sid": "Pods", "Action": ["STS:AssumeRoleWithWebIdentity"]}
X = f"{CLAIM}b:x"
GITHUB_SUB = "token.actions.githubusercontent.com:sub"


def of_github(*more: str) -> dict[str, Any]:
    return when({"StringLike": {GITHUB_SUB: ["repo:us/app:*", f"{CLAIM}team-a:worker", *more]}}, GITHUB)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (trust("a:one", "a:two"), IN_OTHER_WORDS, {}),
        # Without `sub`, every service account of the cluster gets in, though the trust names none any more.
        (trust("a:one", provider=OUTSIDE), when({"StringLike": {"oidc.example.org:aud": "*"}}, OUTSIDE), MAYBE_ALL),
        # A condition on `aud` that no usual audience meets; some audience of the provider may.
        (PLAIN, when({"StringLike": {SUB: f"{CLAIM}b:two", AUD: "my-*"}}), OTHER_AUDIENCE),
        # Only a name meets both that stands for neither pattern.
        (PLAIN, both(PLAIN, likes("b:ab*", StringLikeIfExists={SUB: f"{CLAIM}b:*cd"})), CANNOT_TELL | MAY_GAIN_BOTH),
        (PLAIN, both(PLAIN, ODD_AUDIENCE), CANNOT_TELL | MAY_GAIN),
        (PLAIN, both(PLAIN, VARIABLE), MAYBE | OTHERS),
        (PLAIN, both(PLAIN, when({"StringEquals": {AUD: f"${{{SUB}}}"}})), MAYBE),
        ({**VARIABLE, "Version": "2008-10-17"}, VARIABLE, {"mayGain": {"*/*"}} | OTHERS),
        # A variable of another principal's statement, which the older version takes literally.
        ({**BY_OWNER, "Version": "2008-10-17"}, BY_OWNER, OTHERS),
        ({**PLAIN, "Version": "2008-10-17"}, PLAIN, {}),
        (VARIABLE, VARIABLE, {}),
        # Conditions of which irsa does not know the value.
        (PLAIN, WITH_IP, {"mayLose": {"team-a/worker"}}),
        (WITH_IP, PLAIN, {"mayGain": {"team-a/worker"}}),
        (WITH_IP, OTHER_IP, CANNOT_TELL),
        # Everybody: a trust policy that names no OIDC provider takes those of every cluster.
        (ONE, both(anybody()), CANNOT_TELL | gain("*/*") | OTHERS),
        (ONE, both(ONE, anybody(StringEquals={AUD: "hidden", SUB: X})), CANNOT_TELL | gain("b/x") | OTHERS),
        (trust("b:x", provider=OTHER), both(anybody(StringEquals={f"{OTHER_ISSUER}:sub": X})), OTHERS | CANNOT_TELL),
        # Another principal opens a role, of which `gains: nobody` would be the truth.
        (PLAIN, both(PLAIN, other({"AWS": "*"})), OTHERS),
        # A subject of Kubernetes among those of GitHub, beside which another repository gains unseen.
        (of_github(), of_github("repo:stranger/*"), OTHERS),
        # A document that cannot be read.
        (PLAIN, UNKNOWN, CANNOT_TELL),
        (PLAIN, SECRET, CANNOT_TELL),
        (PLAIN, "{}", CANNOT_TELL),
    ],
)  # fmt: skip
def test_trust_policies(before: Any, after: Any, expected: dict[str, set[str]], diff_json: DiffJson) -> None:
    """The attack, of most: somebody is let in, and nobody is told."""
    assert who(diff_json(changed(before, after), state=())) == expected


DENY = denied(StringLike={SUB: f"{CLAIM}team-a:s*"})


@pytest.mark.parametrize(
    ("before", "after", "name", "expected"),
    [
        (PLAIN, both(trust("team-a:*"), DENY), "gains", ("team-a/*", ["team-a/s*"])),
        (both(trust("team-a:*"), DENY), trust("team-a:*"), "gains", ("team-a/s*", [])),
        (trust("team-a:*"), both(trust("team-a:*"), DENY), "loses", ("team-a/s*", [])),
        (both(trust("team-a:*"), DENY), PLAIN, "loses", ("team-a/*", ["team-a/s*", "team-a/worker"])),
        # Where no pattern says who else is an exception, it may be.
        (ONE, both(trust("t*:*"), denied(StringLike={SUB: f"{CLAIM}*:x"}, StringNotLike={SUB: f"{CLAIM}ta*:*"})),
         "mayGain", ("t*/*", [])),
        (trust("t*:*"), both(trust("t*:*"), denied(StringNotLike={SUB: f"{CLAIM}team-a:*"})), "mayLose", ("t*/*", [])),
    ],
)  # fmt: skip
def test_whom_a_pattern_leaves_out(before: Any, after: Any, name: str, expected: Any, diff_json: DiffJson) -> None:
    (row,) = rows(diff_json(changed(before, after)), name)
    assert (row["who"], row["butNot"]) == expected


DOCUMENT = "assumeRolePolicy"
THERE = role(PLAIN)
UNNAMED = role(PLAIN)
del UNNAMED["inputs"]["name"]
RENAMED = without_outputs(role(PLAIN, "new-role"))
KEPT = {**THERE, "retainOnDelete": True}
TAKEN = {**without_outputs(role(trust("team-a:worker", "a:two"))), "urn": "urn:pulumi:dev::irsa::aws:iam/role:Role::x"}
ANOTHER = role(trust("team-b:stranger"), logical="again")
# Two that change their URNs.
AGAIN, TWO = (role(trust(f"a:{name}"), name, name) for name in ("one", "two"))
MOVED, AWAY = {**TWO, "urn": AGAIN["urn"]}, {**AGAIN, "urn": "a::b::c::z"}
HIDDEN = role(SECRET)
TAGGED = with_inputs(HIDDEN, tags={"team": "payments"})
BY_HAND = {**THERE, "outputs": {**THERE["outputs"], "assumeRolePolicy": json.dumps(trust("team-a:*"))}}
STS = oidc_provider("sts.amazonaws.com")
OTHERS_STS = oidc_provider("sts.amazonaws.com", issuer=OTHER_ISSUER)
OF_GITHUB = oidc_provider("sts.amazonaws.com", issuer="token.actions.githubusercontent.com")
LISTS_OTHER = oidc_provider("other")
LISTS_BOTH = oidc_provider("other", "sts.amazonaws.com")
NEVER = when(
    {"StringEquals": {"oidc.example.com:sub": "nobody"}}, "arn:aws:iam::999999999999:oidc-provider/oidc.example.com"
)


@pytest.mark.parametrize(
    ("steps", "state", "expected"),
    [
        ([create(THERE)], [], WORKER[0]),
        ([create(UNNAMED)], [], WORKER[0]),
        ([step("delete", THERE)], [], WORKER[1]),
        ([step("delete", KEPT)], [], {}),
        ([step("import", None, without_outputs(THERE))], [], {}),
        ([step("replace", THERE, without_outputs(THERE), replaceReasons=["path"])], [], {}),
        ([step("replace", THERE, RENAMED, replaceReasons=["name"])], [], {**WORKER[0], **WORKER[1]}),
        ([step("import", None, TAKEN), step("delete", KEPT)], [KEPT], {}),
        ([step("update", TWO, MOVED), step("update", AGAIN, AWAY)], [], {}),
        # What one resource gives away, another one of the same role, as it was, hides.
        ([create(ANOTHER), step("delete", KEPT)], [KEPT], CANNOT_TELL),
        # In a new stack, a provider of somebody else's AWS account comes first, and nobody gains by it.
        ([create(role(both(NEVER, PLAIN)))], [], {**WORKER[0], **OTHERS}),
        # Two secrets look alike.
        ([update(HIDDEN, HIDDEN, diffReasons=[DOCUMENT])], [], CANNOT_TELL),
        ([update(HIDDEN, TAGGED, diffReasons=["tags"])], [], {}),
        # The state still has what somebody deleted, or changed, by hand.
        ([step("refresh", THERE), create(THERE)], [THERE, STS], WORKER[0]),
        ([step("refresh", STS), create(STS)], [THERE, STS], WORKER[0]),
        ([update(BY_HAND, THERE, diffReasons=[DOCUMENT])], [BY_HAND], lose("team-a/*")),
        # Without its OIDC provider, or with an audience that this does not list, STS refuses.
        ([step("delete", STS)], [THERE, STS], WORKER[1]),
        ([create(STS)], [THERE], WORKER[0]),
        ([update(LISTS_OTHER, LISTS_BOTH)], [THERE, LISTS_OTHER], WORKER[0]),
        ([update(STS, LISTS_BOTH)], [THERE, STS], {}),
        ([update(STS, oidc_provider(UNKNOWN))], [THERE, STS], CANNOT_TELL),
        # No trust policy changes, and a client ID is the namespace of whom a variable lets in.
        ([step("update", oidc_provider("a"), oidc_provider("a", "b"))], [role(VARIABLE)], CANNOT_TELL),
        # Who signs in at a new provider of no cluster, by a statement for everybody.
        ([create(OF_GITHUB)], [role(anybody())], OTHERS),
        # `*` where no cluster was read, though the stack itself has an OIDC provider of one.
        ([changed(ONE, both(ONE, anybody()))], [OTHERS_STS], CANNOT_TELL | gain("*/*") | OTHERS),
    ],
)  # fmt: skip
def test_resources_that_change(steps: Any, state: Any, expected: dict[str, set[str]], diff_json: DiffJson) -> None:
    assert who(diff_json(*steps, state=state)) == expected


LIST, BOTH = trust("team-a:worker", audience="other"), {"StringEquals": {AUD: ["other", "sts.amazonaws.com"]}}
LIKE = {"StringLike": {SUB: f"{CLAIM}team-a:worker"}}
VAULT = trust("team-a:worker", "x:y", audience="vault")
OTHER_BY_STS, Y_BY_VAULT = trust("default:other"), trust("x:y", audience="vault")
NOT_BY_VAULT, Y_NOT_BY_VAULT = (
    denied(StringEquals={AUD: "vault", SUB: f"{CLAIM}{subject}"}) for subject in ("team-a:worker", "x:y")
)
BY_ALL = both(OTHER_BY_STS, trust("team-a:worker"), VAULT)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (LIST, PLAIN, CANNOT_TELL),
        (LIST, when(LIKE), CANNOT_TELL),
        (LIST, trust("team-b:other"), CANNOT_TELL | gain("team-b/other") | WORKER[1]),
        # Fewer ones, too: only the provider says which of them there are.
        (when({**LIKE, **BOTH}), PLAIN, CANNOT_TELL),
        (LIST, trust("team-a:worker", "team-a:other", audience="other"), gain("team-a/other")),
        # Another audience of one service account, which another one has already.
        (both(OTHER_BY_STS, VAULT), both(OTHER_BY_STS, trust("team-a:worker"), Y_BY_VAULT), CANNOT_TELL),
        (both(OTHER_BY_STS, VAULT), both(trust("default:other", "team-a:worker"), Y_BY_VAULT), CANNOT_TELL),
        (both(OTHER_BY_STS, VAULT), both(OTHER_BY_STS, VAULT, trust("team-a:*")), gain("team-a/*")),
        (both(BY_ALL, denied(StringEquals={AUD: "vault"})), BY_ALL, CANNOT_TELL | gain("x/y")),
        (both(BY_ALL, NOT_BY_VAULT, Y_NOT_BY_VAULT), both(BY_ALL, NOT_BY_VAULT), gain("x/y")),
        (both(BY_ALL, NOT_BY_VAULT, Y_NOT_BY_VAULT), both(BY_ALL, Y_NOT_BY_VAULT), CANNOT_TELL),
        # One that a wider statement takes already.
        (both(trust("team-a:*"), VAULT), both(trust("team-a:*", "team-a:worker"), VAULT), {}),
        (both(BY_ALL), both(OTHER_BY_STS, trust("team-a:worker"), Y_BY_VAULT), {}),
    ],
)  # fmt: skip
def test_another_audience_of_a_provider_that_the_stack_does_not_create(
    before: Any, after: Any, expected: Any, diff_json: DiffJson
) -> None:
    """STS takes tokens for the client IDs that the provider lists, and nobody says which those are.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
    """
    assert who(diff_json(changed(before, after), state=())) == expected


# --- against an oracle ----------------------------------------------------------------------------------------------

PROVIDERS = {ISSUER: PROVIDER, OTHER_ISSUER: OTHER}
AUDIENCES = ["sts.amazonaws.com", "x", "xy"]
EVERYONE = [":".join(each) for each in itertools.product(["a", "b", "ab", "aab"], repeat=2)]
PARTS = st.sampled_from(["a", "b", "ab", "*", "?", "a*", "a?", "*b", "?*"])
CLAIMS = st.one_of(
    st.builds("system:serviceaccount:{}:{}".format, PARTS, PARTS),
    st.sampled_from(
        ["*", "system:*", "*:a", "system:serviceaccount:a*", "*a:b*", "SYSTEM:serviceaccount:a:b", "repo:x"]
    ),
)
SET = st.sampled_from(["", "", "", "ForAnyValue:", "ForAllValues:"])
COMPARED = st.sampled_from(["Equals", "EqualsIgnoreCase", "Like", "Like"])
OPERATORS = st.builds("{}String{}{}".format, SET, st.sampled_from(["", "", "Not"]), COMPARED)


def statements(issuer: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return statements about the service accounts of a cluster, for its OIDC provider or for everybody."""
    keys = {
        f"{issuer}:sub": st.lists(CLAIMS, min_size=1, max_size=3),
        f"{issuer}:aud": st.lists(st.sampled_from([*AUDIENCES, "x*", "?"]), min_size=1, max_size=2),
    }
    return st.fixed_dictionaries(
        {
            "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
            "Principal": st.sampled_from([*[{"Federated": PROVIDERS[issuer]}] * 3, "*"]),
            "Action": st.just("sts:AssumeRoleWithWebIdentity"),
            "Condition": st.dictionaries(OPERATORS, st.fixed_dictionaries({}, optional=keys), min_size=1, max_size=3),
        }
    )


SAID = st.lists(st.sampled_from([*PROVIDERS]).flatmap(statements), min_size=1, max_size=3)
# Two policies; or one, and the same with further statements; in either order.
PAIRS = st.tuples(SAID, SAID) | st.tuples(SAID, SAID).map(lambda two: (two[0], [*two[0], *two[1]]))
POLICIES = PAIRS.flatmap(lambda two: st.sampled_from([two, two[::-1]]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(POLICIES, st.lists(st.sampled_from(AUDIENCES), min_size=1, max_size=2, unique=True))
def test_each_service_account_is_told_as_iam_decides(
    diff_json: DiffJson, policies: tuple[list[Any], list[Any]], audiences: list[str]
) -> None:
    before, after = (document(*each) for each in policies)
    state = [oidc_provider(*audiences, issuer=each) for each in PROVIDERS]
    found = diff_json(changed(before, after), state=state)

    def has(document: tuple[str, list[Statement]], issuer: str, name: str) -> bool:
        requests = (WebIdentityRequest(PROVIDERS[issuer], f"system:serviceaccount:{name}", each) for each in audiences)
        return any(evaluate_parsed(*document, each).decision is Decision.ALLOWED for each in requests)

    old, new = parse(before), parse(after)
    gains, may_gain, loses, may_lose = (rows(found, each) for each in ("gains", "mayGain", "loses", "mayLose"))
    sides = (gains, may_gain, old, new), (loses, may_lose, new, old)
    for (those, perhaps, one, other), issuer in itertools.product(sides, PROVIDERS):
        newly = {each for each in EVERYONE if has(other, issuer, each) and not has(one, issuer, each)}
        told_of = {each for line in (*those, *perhaps) for each in about(line, issuer)}
        # Where patterns combine to no single one.
        assert newly <= told_of or rows(found, "cannotTell")
        for line in those:
            for each in about(line, issuer):
                left_out = any(fnmatchcase(each, but.replace("/", ":")) for but in line["butNot"])
                assert left_out or has(other, issuer, each)
                assert "*" in line["who"] or "?" in line["who"] or each in newly


# Of two audiences and few service accounts, many pairs change nothing but who has which audience.
FEW = st.builds(
    lambda effect, audiences, subjects: of_tokens(
        PROVIDER,
        {
            **({"StringEquals": {AUD: audiences}} if audiences else {}),
            "StringLike": {SUB: [f"{CLAIM}{each}" for each in subjects]},
        },
        Effect=effect,
    ),
    st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
    st.lists(st.sampled_from(AUDIENCES[:2]), max_size=2, unique=True),
    st.lists(st.sampled_from(["a:a", "b:b", "a:*"]), min_size=1, max_size=2, unique=True),
)
STATEMENTS = st.lists(FEW, min_size=1, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(STATEMENTS, STATEMENTS, st.booleans())
def test_whatever_a_provider_lists_nobody_gains_unseen(
    diff_json: DiffJson, before: list[Any], after: list[Any], is_added: bool
) -> None:
    """Asked for each list of client IDs that the provider may have: STS takes tokens for these alone."""
    old, new = (document(*each) for each in (before, [*before, *after] if is_added else after))
    found = diff_json(changed(old, new), state=(), gate="gains")
    listed = [each for size in (1, 2, 3) for each in itertools.combinations(AUDIENCES, size)]

    def admitted(said: tuple[str, list[Statement]], client_ids: tuple[str, ...]) -> set[str]:
        requests = [
            (each, WebIdentityRequest(PROVIDER, f"{CLAIM}{each}", one)) for each in EVERYONE for one in client_ids
        ]
        return {each for each, one in requests if evaluate_parsed(*said, one).decision is Decision.ALLOWED}

    gains = any(admitted(parse(new), each) - admitted(parse(old), each) for each in listed)
    assert not gains or found["exitCode"]


def about(line: Any, issuer: str) -> list[str]:
    """Return whom a line is about, of the small cluster."""
    pattern = line["who"].replace("/", ":")
    return [each for each in EVERYONE if line["where"] == issuer and fnmatchcase(each, pattern)]


def test_a_trust_policy_that_iam_does_not_take_is_not_compared(diff_json: DiffJson) -> None:
    """At most 8,192 characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
    before, after = (trust(*(f"a:b{number}" for number in range(first, 2_000))) for first in (0, 1))
    found = diff_json(changed(before, after), gate="gains")

    (row,) = rows(found, "cannotTell")
    assert found["exitCode"] == 3
    assert row["details"][0].endswith("characters, and IAM takes at most 8,192")
