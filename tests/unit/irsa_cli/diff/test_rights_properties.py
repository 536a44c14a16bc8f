"""Who gains and who loses, against shell patterns: https://docs.python.org/3/library/fnmatch.html.

StringLike has the same `*` and `?`; neither brackets nor anything else is special in the names that are drawn here.
And against what IAM decides for each service account of a small cluster, one by one.
"""

import itertools
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Statement, parse
from tests.unit.irsa_cli.diff.previews import (
    ISSUER,
    OTHER_ISSUER,
    PROVIDER,
    oidc_provider,
    rights_of,
    role,
    step,
    trust,
    without_outputs,
)

WORDS = st.text("abs", min_size=1, max_size=3)
NAMES = st.builds("{}:{}".format, WORDS, WORDS)
# What platform teams write: a whole namespace, names or namespaces with a beginning, and single ones.
PATTERNS = st.one_of(
    NAMES, *(st.builds(form.format, WORDS, WORDS) for form in ("{0}:*", "{0}:{1}*", "{0}*:*", "{0}*:{1}", "{0}?:{1}"))
)
SUBJECTS = st.lists(PATTERNS, min_size=1, max_size=4)


def admits(subjects: list[str], name: str) -> bool:
    return any(fnmatchcase(name, each) for each in subjects)


@given(SUBJECTS, SUBJECTS, st.sets(NAMES, max_size=6), NAMES)
def test_the_rights_are_those_of_the_patterns(
    before: list[str], after: list[str], live: set[str], anybody: str
) -> None:
    documents = (without_outputs(role(trust(*after))), role(trust(*before)))
    found = rights_of(step("update", documents[1], documents[0]), live=sorted(live))

    for those, has, had in ((found.gains, after, before), (found.loses, before, after)):
        listed = {name for each in those for name in (each.service_account, *each.such_as)}
        wanted = {each for each in live if admits(has, each) and not admits(had, each)}
        assert {each.replace(":", "/") for each in wanted} == {each.replace(":", "/") for each in live} & {
            name.replace(":", "/") for name in listed
        }
        if admits(has, anybody) and not admits(had, anybody):
            assert any(fnmatchcase(anybody.replace(":", "/"), each.service_account) for each in those)


OTHER_PROVIDER = PROVIDER.replace(ISSUER, OTHER_ISSUER)
PROVIDERS = {ISSUER: PROVIDER, OTHER_ISSUER: OTHER_PROVIDER}
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


POLICIES = st.lists(st.sampled_from(list(PROVIDERS)).flatmap(statements), min_size=1, max_size=3).map(
    lambda each: {"Version": "2012-10-17", "Statement": each}
)


@given(POLICIES, POLICIES, st.lists(st.sampled_from(AUDIENCES), min_size=1, max_size=2, unique=True))
def test_each_service_account_is_told_as_iam_decides(before: Any, after: Any, audiences: list[str]) -> None:
    state = [oidc_provider(*audiences, issuer=each) for each in PROVIDERS]
    found = rights_of(step("update", role(before), without_outputs(role(after))), state=state, live=EVERYONE)

    def has(document: tuple[str, list[Statement]], issuer: str, name: str) -> bool:
        requests = (
            WebIdentityRequest(f"https://{issuer}", PROVIDERS[issuer], f"system:serviceaccount:{name}", each)
            for each in audiences
        )
        return any(evaluate_parsed(*document, each).decision is Decision.ALLOWED for each in requests)

    old, new = parse(before), parse(after)
    for those, one, other in ((found.gains, old, new), (found.loses, new, old)):
        for issuer in PROVIDERS:
            changed = {each for each in EVERYONE if has(other, issuer, each) and not has(one, issuer, each)}
            lines = [each for each in those if each.issuer == issuer]
            listed = {name.replace("/", ":") for each in lines for name in (each.service_account, *each.such_as)}
            patterns = [each.service_account.replace("/", ":") for each in lines]
            assert all(any(fnmatchcase(name, each) for each in patterns) for name in changed)
            assert listed & {*EVERYONE} <= changed
            if issuer == ISSUER:
                assert changed <= listed
