"""Whom a final trust policy admits, against what AWS documents for its elements."""

import fnmatch
import json
from collections.abc import Sequence
from typing import Any

import pytest

from irsa.evaluation import Decision, WebIdentityRequest, evaluate
from irsa.evaluation.admission import Admission, admission
from irsa.evaluation.document import parse
from irsa.evaluation.grants import grants
from irsa.ways import TrustParts, trust_document
from tests.unit.irsa.evaluation.page_example import AUD, AUDIENCE, PROVIDER, SUB, document, statement
from tests.unit.irsa.evaluation.page_example import OTHER_PROVIDER as OTHER

PREFIX = "system:serviceaccount:"


def allow(condition: Any = None, **elements: Any) -> dict[str, Any]:
    """Return a statement as a caller adds it, by default one that lets the whole cluster in."""
    return statement(**({"Condition": condition} if condition else {}), **elements)


def judged(
    *statements: Any, subjects: Sequence[str] = ("team-a:app",), providers: Sequence[str] = (PROVIDER,)
) -> Admission:
    """Return whom the trust policy of one account admits, with these statements besides."""
    document = trust_document(TrustParts(providers, subjects, AUDIENCE, statements=statements))
    return admission(document, providers, subjects, AUDIENCE)


OPENING = {
    "no condition": allow(),
    "everybody": allow(Principal="*"),
    "everybody in AWS": allow(Principal={"AWS": "*"}),
    "all actions but one": allow(NotAction="sts:TagSession"),
    "a wildcard in the action": allow(Action="sts:*"),
    "every namespace and name": allow({"StringLike": {SUB: f"{PREFIX}?*:*?"}}),
    "another audience": allow({"StringEquals": {AUD: "made-up"}}),
    "every beginning": allow({"StringLike": {SUB: [f"{PREFIX}{c}*" for c in "abcdefghijklmnopqrstuvwxyz0123456789"]}}),
}


HIDDEN = {
    "the audience that is tried": (allow({"StringNotEquals": {AUD: [AUDIENCE, "stranger.invalid", "strangerzq"]}}),),
    "its pattern": (allow({"StringNotLike": {AUD: ["sts*", "stranger*"]}}),),
    "an audience of a pattern": (allow({"StringLike": {AUD: "s*"}}), allow({"StringLike": {AUD: "*strangerzq*"}})),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_denying_the_one_who_is_tried_hides_nobody_else(name: str) -> None:
    """The attack: the whole cluster is let in, but for the audience by which that is tried."""
    allowing, *denying = HIDDEN[name]
    found = judged(allowing, *({**each, "Effect": "Deny"} for each in denying))

    assert "*:*" in (found.subjects or ())


def test_a_run_of_wildcards_is_one() -> None:
    """The attack: `*` 2,000 times, of which each pair was a pattern of its own: the check had no end."""
    found = judged(allow({"StringLike": {SUB: f"{PREFIX}{'*' * 2_000}:{'*' * 2_000}"}}))

    assert found.subjects == ["*:*", "team-a:app"]


@pytest.mark.parametrize("pattern", ["*a" * 400, f"{PREFIX}{'?' * 400}", f"{PREFIX}{'a' * 64}*:b"])
def test_a_pattern_longer_than_a_name_admits_nobody(pattern: str) -> None:
    """The attack: 800 characters that can be read in 1,600 ways, none of them a service account: 39 seconds."""
    assert judged(allow({"StringLike": {SUB: pattern}})).subjects == ["team-a:app"]


@pytest.mark.parametrize(
    "statements",
    [
        # It compares `*` literally, and no name has it.
        [allow({"StringEqualsIgnoreCase": {SUB: f"{PREFIX}a*:A"}})],
        # No token is without an audience.
        [allow(), allow({"ForAnyValue:StringLike": {AUD: ["S", "*"]}}, Effect="Deny")],
    ],
)
def test_what_looks_open_and_admits_nobody(statements: Any) -> None:
    assert {each.subject for each in judged(*statements).admitted} <= {"team-a:app"}


@pytest.mark.parametrize("name", OPENING)
def test_a_statement_that_opens_the_whole_cluster(name: str) -> None:
    """The attack: one account is declared, and a statement besides lets every account of the cluster in."""
    found = judged(OPENING[name])

    assert any(fnmatch.fnmatchcase("payments:ledger", subject) for subject in found.subjects or [])


@pytest.mark.parametrize(
    "statement",
    [
        allow(Principal={"Federated": "*"}),
        allow({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
        allow({"StringLike": {"aws:SourceVpc": "*"}}),
        allow({"NumericLessThan": {SUB: "5"}}),
        allow({"StringLike": {SUB: f"{PREFIX}*:*"}, "StringNotLike": {SUB: "*-of-others*"}}),
        allow({"StringLike": {SUB: "${aws:username}"}}),
        allow({"ArnLike": {SUB: f"{PREFIX}*"}}),
    ],
)
def test_what_cannot_be_told_is_not_told_for_a_no(statement: Any) -> None:
    """The attack: `Federated: "*"`, or a condition that always holds and that irsa can't evaluate."""
    found = judged(statement)

    assert found.subjects is None


# With each, the audience that is tried decides, and others of which all patterns say the same do not.
OTHERWISE = {
    "ArnLike": {"StringLike": {AUD: "*:*:*:*:*:*"}, "ArnLike": {AUD: ":::::"}},
    "Bool": {"StringLike": {AUD: "true*"}, "Bool": {AUD: "true"}},
    "a variable that reads sub": {"StringEquals": {AUD: f"${{{SUB}}}"}},
    "a variable that reads aud": {"StringLike": {SUB: [f"{PREFIX}${{{AUD.upper()}}}:*", f"{PREFIX}b:*"]}},
    "a letter beyond ASCII in any case": {"StringEqualsIgnoreCase": {AUD: "\u00e9"}},
    "more wildcards than are tried": {"StringLike": {SUB: "*a" * 17}},
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_where_nobody_speaks_for_others_it_cannot_be_told(name: str) -> None:
    """The attack: one token of many is tried, which a condition lets in for what no other one has."""
    found = judged(allow(OTHERWISE[name]))

    assert found.subjects is None


def test_all_but_many_patterns() -> None:
    """The attack: a trust policy that keeps irsa busy for hours, or makes it guess; what can be told is still told."""
    negated = {"StringNotLike": {SUB: [f"{PREFIX}*{a}*{b}*:*" for a in "abcdefgh" for b in "ijklmnop"]}}
    found = judged(allow(negated), allow({"StringLike": {SUB: f"{PREFIX}team-b:*"}}))

    assert found.subjects is None
    assert {(each.subject, each.certain) for each in found.admitted} == {
        ("team-a:app", True),
        ("team-b:*", True),
        ("*:*", False),
    }


@pytest.mark.parametrize(
    "aud",
    [
        {"StringNotLike": {AUD: [f"{each}*" for each in "0123456789abcdefghijklmnopqrstuvwxyz-.:"]}},
        {"StringNotEquals": {AUD: [*"0123456789abcdefghijklmnopqrstuvwxyz"]}},
    ],
)
def test_an_audience_of_letters_that_nobody_named(aud: Any) -> None:
    """The attack: conditions name every letter and digit, and a client ID may have any character."""
    assert "*:*" in (judged(allow(aud)).subjects or ())


def test_a_statement_that_admits_nobody_is_not_doubtful() -> None:
    """Protects from a false alarm: nobody has both audiences, and the role's own subject is within the pattern."""
    assert judged(allow({"StringEquals": {AUD: "x"}, "StringLike": {AUD: "y"}})).subjects == ["team-a:app"]


TWO_AUDIENCES = {"StringEquals": {AUD: ["x", "y"]}}
OF_KUBE_SYSTEM = {"StringLike": {SUB: f"{PREFIX}kube-system:*"}}


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        ([allow(), allow(OF_KUBE_SYSTEM, Effect="Deny")], (True, ("kube-system:*",))),
        # A Deny for all but some, and one that may take somebody.
        ([allow(), allow({"StringNotLike": {SUB: f"{PREFIX}team-a:*"}}, Effect="Deny")], (False, ())),
        ([allow(), allow({**OF_KUBE_SYSTEM, "Bool": {"aws:Unheard": "true"}}, Effect="Deny")], (False, ())),
        # Whom a Deny shuts out with one audience, another one lets in.
        ([allow(TWO_AUDIENCES), allow({**OF_KUBE_SYSTEM, "StringEquals": {AUD: "x"}}, Effect="Deny")], (True, ())),
        # An audience that is none of those written.
        ([allow({"StringLike": {AUD: "a*"}, "ForAnyValue:StringLike": {AUD: "*c"}})], (False, ())),
        ([allow({"StringEqualsIgnoreCase": {AUD: "a"}, "StringNotEquals": {AUD: "a"}})], (False, ())),
    ],
)
def test_whom_a_pattern_leaves_out(statements: Any, answer: tuple[bool, tuple[str, ...]]) -> None:
    """The attack on trust in the answer: whom a Deny shuts out is said too little, or too much."""
    admitted = {each.subject: (each.certain, each.denied) for each in judged(*statements).admitted}

    assert admitted["*:*"] == answer


def test_one_clusters_deny_is_not_the_others() -> None:
    """The attack on trust in the answer: whom one cluster's statement shuts out, another one's may let in."""
    everybody = allow(Principal={"Federated": [PROVIDER, OTHER]})
    deny = allow({"StringLike": {SUB: f"{PREFIX}kube-system:*"}}, Effect="Deny")
    found = judged(everybody, deny, providers=(PROVIDER, OTHER))

    assert found.has_exceptions


def test_anybody_by_another_clusters_tokens() -> None:
    """The attack: `Principal: "*"` with a condition on the claims of another cluster, which any account of it meets."""
    key = OTHER.split(":oidc-provider/")[1] + ":sub"
    found = judged(allow({"StringLike": {key: "*"}}, Principal={"AWS": "*"}))

    assert ("*:*", OTHER) in {(each.subject, each.provider_arn) for each in found.admitted}


@pytest.mark.parametrize("principal", ["arn:aws:iam::111122223333:root", "111122223333"])
def test_a_deny_for_the_roles_own_account(principal: str) -> None:
    """The attack on trust in an answer: AWS does not say whether a web identity counts as the account's, we said no."""
    document = json.loads(trust_document(TrustParts([PROVIDER], ["team-a:app"])))
    document["Statement"].append(allow(Effect="Deny", Principal={"AWS": principal}))
    request = WebIdentityRequest(PROVIDER, f"{PREFIX}team-a:app", AUDIENCE)

    assert evaluate(document, request).decision is Decision.CANNOT_TELL
    document["Statement"][1]["Principal"] = {"AWS": principal.replace("111122223333", "444455556666")}
    assert evaluate(document, request).decision is Decision.ALLOWED
    document["Statement"][1] = allow(Principal={"AWS": principal})
    assert evaluate(document, request).decision is Decision.ALLOWED


@pytest.mark.parametrize(
    ("condition", "version", "expected"),
    [
        ({"StringEquals": {SUB: f"{PREFIX}${{aws:PrincipalTag/team}}:app"}}, "2012-10-17", True),
        ({"StringEquals": {SUB: f"{PREFIX}${{aws:PrincipalTag/team}}:app"}}, "2008-10-17", False),
        ({"StringEquals": {AUD: "${aws:PrincipalTag/audience}", SUB: f"{PREFIX}a:b"}}, "2012-10-17", True),
        # One that can't be decided may compare with a variable.
        ({"ArnLike": {SUB: "*"}}, "2012-10-17", True),
        ({"StringEquals": {SUB: f"{PREFIX}a:b", AUD: AUDIENCE}}, "2012-10-17", False),
    ],
)
def test_what_a_policy_variable_stands_for_may_differ_for_each(condition: Any, version: str, expected: bool) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html"""
    parsed = parse(document(allow(condition), version=version))

    assert grants(parsed, PROVIDER, [AUDIENCE]).has_variables is expected


def test_patterns_that_narrow_others() -> None:
    """The attack: a Deny, or a negated condition, behind whose pattern somebody's change is not seen."""
    both = {"StringLike": {SUB: f"{PREFIX}c:*"}, "StringNotLike": {SUB: f"{PREFIX}*:d"}}
    statements = (
        allow({"StringLike": {SUB: f"{PREFIX}a:*"}}),
        allow({"StringLike": {SUB: f"{PREFIX}*:b"}}, Effect="Deny"),
        allow(both),
    )

    assert grants(parse(document(*statements)), PROVIDER, [AUDIENCE]).narrowing == ["*:b", "*:d", "c:*"]


@pytest.mark.parametrize(("name", "subject"), [("Team-B:APP", "team-b:app"), ("team-\u212a:app", "*:*")])
def test_letters_of_either_case(name: str, subject: str) -> None:
    """No page says what the other case of a letter beyond ASCII is: the Kelvin sign is a k in lower case."""
    found = judged(allow({"StringEqualsIgnoreCase": {SUB: f"{PREFIX}{name}"}})).admitted

    assert {each.subject for each in found} == {"team-a:app", subject}
