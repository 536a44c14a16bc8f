"""Who gains and who loses the right to assume a role, case by case, as IAM's documentation decides."""

import json
import string
from typing import Any

import pytest

from irsa_cli.diff.rights import UNDECIDED
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ISSUER,
    OTHER_ISSUER,
    PROVIDER,
    SECRET,
    UNKNOWN,
    oidc_provider,
    pairs,
    rights_of,
    role,
    step,
    trust,
    without_outputs,
)

WORKER = ("team-a/worker", "my-role")
DENY = {
    "Effect": "Deny",
    "Principal": {"Federated": PROVIDER},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {"StringLike": {f"{ISSUER}:sub": "system:serviceaccount:team-a:s*"}},
}


def changed(before: Any, after: Any) -> dict[str, Any]:
    return step("update", role(before), without_outputs(role(after)))


@pytest.mark.parametrize(
    ("before", "after", "gains", "loses"),
    [
        (["a:one"], ["a:one", "a:two"], {"a/two"}, set()),
        (["a:one", "a:two"], ["a:one"], set(), {"a/two"}),
        (["a:one"], ["a:*"], {"a/*"}, set()),
        (["a:*"], ["a:one"], set(), {"a/*"}),
        (["a:s*"], ["a:*"], {"a/*"}, set()),
        (["a:*"], ["a:s*"], set(), {"a/*"}),
        (["a:*"], ["b:*"], {"b/*"}, {"a/*"}),
        (["a:one"], ["*:*"], {"*/*"}, set()),
        (["a:*"], ["*"], {"*/*"}, set()),
        (["a*:*"], ["ab*:*"], set(), {"a*/*"}),
        (["a:?"], ["a:*"], {"a/*"}, set()),
        (["a:one"], ["a:?", "a:*"], {"a/*"}, set()),
        (["dev-?:app", "dev-*:app"], ["a:one"], {"a/one"}, {"dev-*/app"}),
        (["a:bb"], ["a:b*", "a:b?*"], {"a/b*"}, set()),
        (["a:one"], ["a:one"], set(), set()),
        (["a:one", "a:*"], ["a:*"], set(), set()),
        (["a:*"], ["a:*", "a:one", "a:t*"], set(), set()),
    ],
)
def test_a_changed_trust(before: list[str], after: list[str], gains: set[str], loses: set[str]) -> None:
    found = rights_of(changed(trust(*before), trust(*after)))

    assert {each.service_account for each in found.gains} == gains
    assert {each.service_account for each in found.loses} == loses
    assert not found.may_gain
    assert not found.may_lose
    assert not found.cannot_tell


def test_a_pattern_is_seen_whatever_exists() -> None:
    everyone = [f"a:{letter}" for letter in string.ascii_lowercase + string.digits]
    (right,) = rights_of(changed(trust("a:*"), trust("b:one")), live=everyone).loses

    assert (right.service_account, len(right.such_as)) == ("a/*", len(everyone))


def test_a_pattern_names_those_that_exist() -> None:
    """Protects reviewers: whom the pattern admits today, without who was admitted before."""
    found = rights_of(changed(trust("a:one"), trust("a:one", "a:*")), live=["a:one", "a:two", "a:default", "b:default"])

    (right,) = found.gains
    assert (right.service_account, right.such_as, right.issuer) == ("a/*", ("a/default", "a/two"), ISSUER)
    assert right.role_arn == f"arn:aws:iam::{ACCOUNT}:role/my-role"


def test_a_deny_takes_away_a_part() -> None:
    before = trust("team-a:*")
    after = {**before, "Statement": [*before["Statement"], DENY]}
    found = rights_of(changed(before, after), live=["team-a:sun", "team-a:moon"])

    (right,) = found.loses
    assert (right.service_account, right.such_as) == ("team-a/s*", ("team-a/sun",))
    assert not found.gains


@pytest.mark.parametrize(
    ("before", "after", "right", "but_not", "at_most"),
    [
        # What a gain leaves out is denied; what a loss leaves out is kept, or never was.
        (
            trust("team-a:worker"),
            {"Statement": [*trust("team-a:*")["Statement"], DENY]},
            "team-a/*",
            ("team-a/s*",),
            False,
        ),
        (trust("*"), trust("team-a:*"), "*/*", ("team-a/*",), False),
        (
            {"Statement": [*trust("team-a:*")["Statement"], DENY]},
            trust("team-a:worker"),
            "team-a/*",
            ("team-a/s*", "team-a/worker"),
            False,
        ),
        (
            trust("other:one"),
            {
                "Statement": [
                    *trust("t*:*")["Statement"],
                    {
                        **DENY,
                        "Condition": {
                            "StringLike": {f"{ISSUER}:sub": "system:serviceaccount:*:x"},
                            "StringNotLike": {f"{ISSUER}:sub": "system:serviceaccount:ta*:*"},
                        },
                    },
                ]
            },
            "t*/*",
            (),
            True,
        ),
    ],
)
def test_what_a_pattern_leaves_out(
    before: Any, after: Any, right: str, but_not: tuple[str, ...], at_most: bool
) -> None:
    version = {"Version": "2012-10-17"}
    found = rights_of(changed({**version, **before}, {**version, **after}))
    (wide,) = [each for each in (*found.gains, *found.loses) if each.service_account == right]

    assert (wide.but_not, wide.at_most) == (but_not, at_most)


def test_a_role_that_comes_and_goes() -> None:
    there = role(trust("team-a:worker"))

    assert pairs(rights_of(step("create", None, without_outputs(there))).gains) == {WORKER}
    assert pairs(rights_of(step("delete", there)).loses) == {WORKER}
    assert not rights_of(step("delete", {**there, "retainOnDelete": True})).loses
    assert not rights_of(step("import", None, without_outputs(there))).gains


def test_a_renamed_role_is_another_one() -> None:
    old, new = role(trust("team-a:worker")), role(trust("team-a:worker"), "new-role")
    found = rights_of(step("replace", old, without_outputs(new), replaceReasons=["name"]))

    assert pairs(found.gains) == {("team-a/worker", "new-role")}
    assert pairs(found.loses) == {WORKER}
    assert not rights_of(step("replace", old, without_outputs(old))).gains


def test_a_role_whose_name_iam_chooses() -> None:
    new = without_outputs(role(trust("team-a:worker")))
    del new["inputs"]["name"]
    (right,) = rights_of(step("create", None, new)).gains

    assert (right.role, right.role_arn, right.service_account) == ("app", "", "team-a/worker")


@pytest.mark.parametrize(
    ("old", "new", "gains", "loses"),
    [
        (oidc_provider("sts.amazonaws.com"), None, set(), {WORKER}),
        (None, oidc_provider("sts.amazonaws.com"), {WORKER}, set()),
        (oidc_provider("sts.amazonaws.com"), oidc_provider("other"), set(), {WORKER}),
        (oidc_provider("other"), oidc_provider("other", "sts.amazonaws.com"), {WORKER}, set()),
        (oidc_provider("sts.amazonaws.com"), oidc_provider("other", "sts.amazonaws.com"), set(), set()),
        (oidc_provider("sts.amazonaws.com", issuer=OTHER_ISSUER), None, set(), set()),
    ],
)
def test_an_oidc_provider_that_changes(old: Any, new: Any, gains: set[Any], loses: set[Any]) -> None:
    """Protects roles that stay: without the provider, or with an audience that it does not list, STS refuses."""
    op = "update" if old and new else "create" if new else "delete"
    found = rights_of(
        step(op, old, without_outputs(new) if new else None),
        state=[role(trust("team-a:worker")), *([old] if old else [])],
    )

    assert (pairs(found.gains), pairs(found.loses)) == (gains, loses)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (UNKNOWN, "its trust policy is not known until `pulumi up`"),
        (SECRET, "its trust policy is a secret"),
        ("{}", "its trust policy: Statement: no Statement"),
        ("no JSON", "its trust policy: "),
    ],
)
def test_a_trust_policy_that_cannot_be_read(written: str, reason: str) -> None:
    found = rights_of(changed(trust("team-a:worker"), written))

    (undecided,) = found.cannot_tell
    assert undecided.role == "my-role"
    assert reason in undecided.reason
    assert not found.gains
    assert not found.loses


def test_a_secret_trust_policy_that_changes() -> None:
    secret = role(SECRET)
    tagged = {**secret, "inputs": {**secret["inputs"], "tags": {"team": "payments"}}}
    changes = rights_of(step("update", secret, without_outputs(secret), diffReasons=["assumeRolePolicy"]))

    assert [each.reason for each in changes.cannot_tell] == ["its trust policy is a secret"]
    assert not rights_of(step("update", secret, without_outputs(tagged), diffReasons=["tags"])).cannot_tell


@pytest.mark.parametrize("gone", [role(trust("team-a:worker")), oidc_provider("sts.amazonaws.com")])
def test_what_a_refresh_finds_deleted(gone: Any) -> None:
    """Protects nightly checks: the state still has what somebody deleted, and `pulumi up` creates it again."""
    state = [role(trust("team-a:worker")), oidc_provider("sts.amazonaws.com")]
    found = rights_of(step("refresh", gone), step("create", None, without_outputs(gone)), state=state)

    assert (pairs(found.gains), pairs(found.loses)) == ({WORKER}, set())


def test_a_trust_policy_that_somebody_changed_by_hand() -> None:
    """Protects nightly checks: only what AWS answered differs from what the stack declares, then and now."""
    declared = role(trust("team-a:worker"))
    opened = {**declared, "outputs": {**declared["outputs"], "assumeRolePolicy": json.dumps(trust("team-a:*"))}}
    found = rights_of(
        step("update", opened, without_outputs(declared), diffReasons=["assumeRolePolicy"]), state=[opened]
    )

    assert (pairs(found.gains), pairs(found.loses)) == (set(), {("team-a/*", "my-role")})


def test_a_role_that_another_resource_takes_over() -> None:
    old, new = role(trust("team-a:worker"), retainOnDelete=True), role(trust("team-a:worker", "team-a:two"))
    taken = {**without_outputs(new), "urn": "urn:pulumi:dev::irsa::aws:iam/role:Role::other"}

    assert rights_of(step("import", None, taken), step("delete", old), state=[old]) == rights_of()


def test_client_ids_that_are_not_known() -> None:
    old, new = oidc_provider("sts.amazonaws.com"), oidc_provider(UNKNOWN)
    found = rights_of(step("update", old, without_outputs(new)), state=[role(trust("team-a:worker")), old])

    assert [each.reason for each in found.cannot_tell] == [
        "the client IDs of its OIDC provider are not known until `pulumi up`"
    ]
    assert not found.loses


def test_conditions_that_cannot_be_evaluated() -> None:
    one, other = (trust("team-a:worker", IpAddress={"aws:SourceIp": f"203.0.113.0/{size}"}) for size in (24, 28))
    plain = trust("team-a:worker")

    assert pairs(rights_of(changed(plain, one)).may_lose) == {WORKER}
    assert pairs(rights_of(changed(one, plain)).may_gain) == {WORKER}
    assert pairs(rights_of(step("create", None, without_outputs(role(one)))).may_gain) == {WORKER}
    assert [each.reason for each in rights_of(changed(one, other)).cannot_tell] == [UNDECIDED]
    assert not rights_of(changed(one, {**one, "Id": "x"})).cannot_tell


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
        },
    ],
)
def test_others_than_service_accounts_are_not_forgotten(statement: Any) -> None:
    """The attack: a role opened for everybody by another principal, of which `gains: nobody` would be the truth."""
    before = trust("team-a:worker")
    after = {**before, "Statement": [*before["Statement"], statement]}
    found = rights_of(changed(before, after))

    assert found.other_principals == ["my-role"]
    assert not found.gains
    assert not rights_of(changed(after, json.loads(json.dumps(after)))).other_principals


def test_a_second_cluster() -> None:
    other = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OTHER_ISSUER}"
    both = {
        "Version": "2012-10-17",
        "Statement": [*trust("a:one")["Statement"], *trust("a:one", provider=other)["Statement"]],
    }
    found = rights_of(changed(trust("a:one"), both))

    assert [(each.service_account, each.issuer) for each in found.gains] == [("a/one", OTHER_ISSUER)]


def test_a_provider_of_another_account_admits_nobody() -> None:
    """Protects the rule that STS takes the provider in the role's own AWS account."""
    foreign = PROVIDER.replace(ACCOUNT, "444455556666")

    assert not rights_of(changed(trust("a:one"), trust("a:one", "a:two", provider=foreign))).gains
    assert pairs(rights_of(changed(trust("a:one"), trust("a:two", provider=foreign))).loses) == {("a/one", "my-role")}


def test_what_a_statement_says_in_other_words_changes_nothing() -> None:
    before = trust("a:one", "a:two")
    after = trust("a:two", "a:one")
    after["Statement"][0] |= {"Sid": "Pods", "Action": ["STS:AssumeRoleWithWebIdentity"]}

    assert rights_of(changed(before, after)) == rights_of()


def test_a_cluster_outside_of_eks_that_loses_its_condition() -> None:
    """The attack: without `sub`, every service account of the cluster gets in, though the trust names none any more."""
    own = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example.org"
    before, after = (trust("a:one", provider=own) for _ in range(2))
    del after["Statement"][0]["Condition"]["StringLike"]
    found = rights_of(changed(before, after))

    assert pairs(found.gains) == {("*/*", "my-role")}
    assert not found.loses
    assert not found.other_principals


def test_an_audience_that_is_a_pattern() -> None:
    """The attack: a condition on `aud` that no usual audience meets; some audience of the provider may."""
    for operator, value in (("StringLike", "my-*"), ("StringNotEquals", "sts.amazonaws.com")):
        after = trust("a:two")
        del after["Statement"][0]["Condition"]["StringEquals"]
        after["Statement"][0]["Condition"].setdefault(operator, {})[f"{ISSUER}:aud"] = value
        assert pairs(rights_of(changed(trust("a:one"), after)).gains) == {("a/two", "my-role")}


def test_everybody_alone() -> None:
    """The attack: a trust policy that names no OIDC provider, and takes those of every cluster."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity"}
    opened = {"Version": "2012-10-17", "Statement": [statement]}
    found = rights_of(changed(trust("a:one"), opened), live=["a:two"])

    assert pairs(found.gains) == {("*/*", "my-role")}
    assert found.gains[0].such_as == ("a/two",)


def anybody(**condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}


@pytest.mark.parametrize("state", [[], [oidc_provider("sts.amazonaws.com", issuer=OTHER_ISSUER)]])
def test_everybody_has_what_a_named_provider_has(state: Any) -> None:
    """Protects reviewers: `*` is for an OIDC provider, too, that one side alone names and no cluster was read of."""
    other = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OTHER_ISSUER}"
    before = trust("a:one", provider=other)
    same = {f"{OTHER_ISSUER}:sub": f"{CLAIM}a:one"}
    after = {**before, "Statement": [anybody(StringEquals=same)]}

    for one, two in ((before, after), (after, before)):
        found = rights_of(changed(one, two), state=state)
        assert not (*found.gains, *found.loses)
        assert found.other_principals == ["my-role"]


def test_everybody_with_the_stacks_own_provider() -> None:
    """The attack: `*` where no cluster was read, though the stack itself has an OIDC provider of one."""
    state = [oidc_provider("sts.amazonaws.com", issuer=OTHER_ISSUER)]
    before = trust("a:one")
    found = rights_of(changed(before, {**before, "Statement": [*before["Statement"], anybody()]}), state=state)

    assert {(each.service_account, each.issuer) for each in found.gains} == {("*/*", ISSUER), ("*/*", OTHER_ISSUER)}


def test_everybody_with_another_audience() -> None:
    """The attack: a statement for `*` and an audience that no statement for a named provider has."""
    before = trust("team-a:worker")
    added = anybody(StringEquals={AUD: "hidden", SUB: f"{CLAIM}team-b:stranger"})
    found = rights_of(changed(before, {**before, "Statement": [*before["Statement"], added]}))

    assert pairs(found.gains) == {("team-b/stranger", "my-role")}


def test_a_provider_that_goes_where_patterns_combine_too_much() -> None:
    """The attack: patterns without end, behind which somebody loses unseen though no trust policy changes."""
    patterns = [f"*:q{'?' * size}{letter}*" for size, letter in enumerate("abcdefghijklmnopqr")]
    there = role(for_conditions({"StringLike": {SUB: [f"{CLAIM}{each}" for each in patterns]}}))
    found = rights_of(step("delete", oidc_provider("sts.amazonaws.com")), state=[there])

    assert [each.role for each in found.cannot_tell] == ["my-role"]


def test_a_provider_of_the_stack_in_another_account_admits_nobody() -> None:
    """Protects stacks of two AWS accounts: the provider that one of them has is none of the other's."""
    foreign = oidc_provider("sts.amazonaws.com")
    foreign["outputs"]["arn"] = PROVIDER.replace(ACCOUNT, "444455556666")
    before, after = trust("a:one"), trust("a:one", "a:two", provider=foreign["outputs"]["arn"])

    assert not rights_of(changed(before, after), state=[foreign]).gains


def test_letter_case_that_does_not_count() -> None:
    """The attack: an operator that ignores case, with a value that no service account has."""
    after = trust("A:Two")
    after["Statement"][0]["Condition"]["StringEqualsIgnoreCase"] = after["Statement"][0]["Condition"].pop("StringLike")

    assert pairs(rights_of(changed(trust("a:one"), after)).gains) == {("a/two", "my-role")}


def test_two_resources_that_change_their_urns() -> None:
    one, two = role(trust("a:one"), "one", "x"), role(trust("a:two"), "two", "y")
    moved = {**two, "urn": one["urn"]}
    found = rights_of(
        step("update", two, without_outputs(moved)), step("update", one, {**without_outputs(one), "urn": "a::b::c::z"})
    )

    assert not found.gains
    assert not found.loses


SUB, AUD = f"{ISSUER}:sub", f"{ISSUER}:aud"
CLAIM = "system:serviceaccount:"
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


def for_conditions(conditions: Any, provider: str = PROVIDER) -> dict[str, Any]:
    (statement,) = trust("team-a:worker", provider=provider)["Statement"]
    return {"Version": "2012-10-17", "Statement": [{**statement, "Condition": conditions}]}


@pytest.mark.parametrize(
    ("conditions", "who"),
    [
        (
            {"StringLike": {SUB: f"{CLAIM}team-b:ab*"}, "StringLikeIfExists": {SUB: f"{CLAIM}team-b:*cd"}},
            "team-b/ab*cd",
        ),
        (
            {"StringLike": {AUD: "ab*", SUB: f"{CLAIM}team-b:worker"}, "StringLikeIfExists": {AUD: "*cd"}},
            "team-b/worker",
        ),
        ({"StringNotLike": {SUB: f"{CLAIM}??*:*"}}, "every service account"),
    ],
)
def test_nobody_gains_unseen_where_patterns_combine(conditions: Any, who: str) -> None:
    """The attack: two patterns that only a name meets which stands for neither of them."""
    found = rights_of(changed(trust("team-a:worker"), for_conditions(conditions)))

    assert {each.service_account.replace("*/*", "every service account") for each in found.gains} == {who}


@pytest.mark.parametrize(
    "conditions",
    [
        {"StringLike": {SUB: f"{CLAIM}${{{AUD}}}:x"}},
        {"StringEquals": {AUD: f"${{{SUB}}}"}},
        {
            "StringLike": {SUB: f"{CLAIM}b:q*"},
            "StringNotLike": {SUB: [f"*:q{'?' * size}{letter}*" for size, letter in enumerate("abcdefghijklmnopqr")]},
        },
    ],
)
def test_who_cannot_be_tried_is_no_nobody(conditions: Any) -> None:
    """The attack: policy variables, or patterns without end, behind which somebody gains unseen."""
    found = rights_of(changed(trust("team-a:worker"), for_conditions(conditions)))

    assert [each.role for each in found.cannot_tell] == ["my-role"]


def test_a_version_that_brings_variables() -> None:
    """The attack: only the Version changes, and what was plain text stands for the token's audience."""
    new = for_conditions({"StringLike": {SUB: f"{CLAIM}${{{AUD}}}:x"}})

    assert [each.role for each in rights_of(changed({**new, "Version": "2008-10-17"}, new)).cannot_tell] == ["my-role"]
    assert rights_of(changed(new, new)) == rights_of()


def test_a_client_id_that_a_variable_stands_for() -> None:
    """The attack: no trust policy changes, and a client ID is the namespace of whom a variable lets in."""
    there = role(for_conditions({"StringLike": {SUB: f"{CLAIM}${{{AUD}}}:x"}}))
    found = rights_of(step("update", oidc_provider("team-a"), oidc_provider("team-a", "team-b")), state=[there])

    assert [each.role for each in found.cannot_tell] == ["my-role"]


@pytest.mark.parametrize("added", ["repo:stranger/*", "r?po:stranger/*"])
def test_an_issuer_is_no_cluster_for_one_service_account(added: str) -> None:
    """The attack: a subject of Kubernetes among those of GitHub, beside which another repository gains unseen."""
    key = "token.actions.githubusercontent.com:sub"
    before, after = (
        for_conditions({"StringLike": {key: ["repo:us/app:*", f"{CLAIM}team-a:worker", *more]}}, GITHUB)
        for more in ([], [added])
    )

    assert rights_of(changed(before, after)).other_principals == ["my-role"]


@pytest.mark.parametrize(
    "conditions", [{"Null": {SUB: "false"}}, {"StringEqualsIgnoreCase": {SUB: "SYSTEM:serviceaccount:team-b:worker"}}]
)
def test_service_accounts_alone_are_no_others(conditions: Any) -> None:
    found = rights_of(changed(trust("team-a:worker"), for_conditions(conditions)))

    assert found.gains
    assert not found.other_principals


def test_another_aws_account_hides_nobody() -> None:
    """The attack: in a new stack, a provider of somebody else's AWS account comes first, and nobody gains by it."""
    other = "arn:aws:iam::999999999999:oidc-provider/oidc.example.com"
    (statement,) = trust("team-b:worker", provider=other)["Statement"]
    never = {**statement, "Condition": {"StringEquals": {"oidc.example.com:sub": "nobody"}}}
    document = {"Version": "2012-10-17", "Statement": [never, *trust("team-a:worker")["Statement"]]}

    assert WORKER in pairs(rights_of(step("create", None, without_outputs(role(document)))).gains)


def test_two_resources_that_are_one_role() -> None:
    """The attack: what one resource gives away, another one of the same role, as it was, hides."""
    old = {**role(trust("team-a:worker")), "retainOnDelete": True}
    new = role(trust("team-b:stranger"), logical="again")
    found = rights_of(step("create", None, without_outputs(new)), step("delete", old), state=[old])

    assert [each.role for each in found.cannot_tell] == ["my-role"]
