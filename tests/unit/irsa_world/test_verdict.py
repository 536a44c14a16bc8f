"""What a verdict can say, and when: against an independent statement of what STS checks, in which order.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation import Decision, WebIdentityRequest, decision
from irsa.evaluation.document import parse
from irsa.rules.annotations import AUDIENCE, ROLE_KEY
from irsa.rules.commands import AwsPlace
from irsa_world import verdict
from irsa_world.model import AwsAccount
from irsa_world.verdict import of_annotations, of_missing_role, of_provider
from tests.world import of_tokens

HOST_PATH = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
ROLE = "arn:aws:iam::111122223333:role/app"
SUBJECTS = [f"system:serviceaccount:{each}" for each in ("a:app", "a:other", "b:app")]
AUDIENCES = ["sts.amazonaws.com", "vault"]
# The list of every sentence of a verdict: those of the trust policy, and those of what comes before it.
SENTENCES = [
    *(decision.DENIED_BY, decision.ALLOWED_BY, decision.NO_ALLOW, decision.NEAREST, decision.MAY_DENY),
    *(decision.MAY_ALLOW, verdict.NO_PROVIDER, verdict.NOT_LISTED, verdict.NO_ROLE, verdict.ROLE_ELSEWHERE),
    *(verdict.NO_SERVICE_ACCOUNT, verdict.NOT_ANNOTATED, verdict.ANNOTATED_WITH, verdict.EMPTY_AUDIENCE),
]
REST = "(, only .+|, nor any other|: .+)?"
PATTERNS = [re.compile(re.sub(r"\\{\w+\\}", ".*", re.escape(each)) + REST) for each in SENTENCES]
CONDITIONS = st.dictionaries(
    st.sampled_from(["StringEquals", "StringLike", "StringNotEquals"]),
    st.dictionaries(
        st.sampled_from([f"{HOST_PATH}:sub", f"{HOST_PATH}:aud", "aws:SourceIp"]),
        st.sampled_from([*SUBJECTS, *AUDIENCES, "system:serviceaccount:a:*"]),
        min_size=1,
    ),
    max_size=2,
)
STATEMENTS = st.builds(
    lambda effect, condition: of_tokens(PROVIDER, condition, Effect=effect),
    st.sampled_from(["Allow", "Allow", "Deny"]),
    CONDITIONS,
)
CLIENT_IDS = st.one_of(st.none(), st.lists(st.sampled_from(AUDIENCES), unique=True))


def is_known(sentence: str) -> bool:
    return any(each.fullmatch(sentence) for each in PATTERNS)


@given(st.lists(STATEMENTS, max_size=3), CLIENT_IDS, st.sampled_from(SUBJECTS), st.sampled_from(AUDIENCES))
def test_the_provider_comes_first_and_each_sentence_is_one_of_the_list(
    statements: list[Any], client_ids: list[str] | None, subject: str, audience: str
) -> None:
    request = WebIdentityRequest(PROVIDER, subject, audience)
    trust, listed = parse({"Statement": statements}), {} if client_ids is None else {PROVIDER: tuple(client_ids)}
    found = verdict.verdict(trust, AwsAccount("111122223333", (), listed, place=AwsPlace()), request)

    assert is_known(found.found)
    assert is_known(found.details)
    assert bool(found.expected) is (found.decision is not Decision.ALLOWED)
    if client_ids is None:
        assert (found.decision, found.fix.split()[2]) == (Decision.DENIED, "create-open-id-connect-provider")
    elif audience not in client_ids:
        assert (found.decision, found.fix.split()[2]) == (Decision.DENIED, "add-client-id-to-open-id-connect-provider")
    else:
        evaluated = decision.evaluate_parsed(*trust, request)
        assert (found.decision, found.found) == (evaluated.decision, evaluated.explanation)


@pytest.mark.parametrize("audiences", [[], ["vault"], ["vault", "sts.amazonaws.com"]])
@pytest.mark.parametrize("client_ids", [[], ["sts.amazonaws.com"]])
def test_one_of_several_audiences_is_enough_and_without_any_the_provider_is(
    audiences: list[str], client_ids: list[str]
) -> None:
    is_good = not audiences or bool({*audiences} & {*client_ids})
    assert (of_provider(AwsPlace(), client_ids, PROVIDER, audiences) is None) is is_good


def test_what_a_pod_asks_for_is_the_annotation() -> None:
    assert of_annotations({ROLE_KEY: ROLE}, ROLE) is None
    for annotations in ({}, {ROLE_KEY: ""}, {ROLE_KEY: f"{ROLE}2"}, {ROLE_KEY: ROLE, AUDIENCE: ""}):
        found = of_annotations(annotations, ROLE)
        assert found
        assert (found.decision, is_known(found.found)) == (Decision.DENIED, True)
    assert all(is_known(of_missing_role(ROLE, near).found) for near in (None, ROLE.upper()))
