"""Asking STS and EKS for the session of a token."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import session_for_tokens
from irsa_world.live.sts import AssumedRoleUser, PodIdentityService, Refused, TokenService
from tests.world import aws_response, refusal

ROLE = "arn:aws:iam::123456789012:role/app"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenService]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield TokenService(session_for_tokens({"region": "us-west-2"}))


def answering(service: TokenService, answer: Callable[..., Any]) -> None:
    service._anonymous.client.meta.events.register_first("before-send.sts.AssumeRoleWithWebIdentity", answer)


def test_throttling_is_waited_for(no_pauses: None, service: TokenService) -> None:
    """600 requests per second: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
    throttled = iter(range(5))
    answering(service, lambda **_: None if next(throttled, None) is None else refusal(400, "Throttling"))

    assert service.identity("token", ROLE).startswith("arn:aws:sts::123456789012:assumed-role/app/")
    assert next(throttled, None) is None


def test_an_answer_that_ends_early_is_no_defect_of_irsa(service: TokenService) -> None:
    answering(service, lambda **_: aws_response(200, "<AssumeRoleWithWebIdentityResponse><Assum"))
    with pytest.raises(CouldNotLookError, match=r"^STS: ResponseParserError$"):
        service.identity("token", ROLE)


# EKS, where moto has no answer


TOKEN = "e30.SECRET-TOKEN.x"
# https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
ANSWER = {
    "assumedRoleUser": {"arn": "arn:aws:sts::111122223333:assumed-role/app/eks-x", "assumeRoleId": "AROA:eks-x"},
    "audience": "pods.eks.amazonaws.com",
    "credentials": {"accessKeyId": "A", "secretAccessKey": "S", "sessionToken": "T", "expiration": 1},
    "podIdentityAssociation": {"associationArn": "arn:aws:eks:x", "associationId": "a-1"},
    "subject": {"namespace": "web", "serviceAccount": "app"},
}


def of_pods(monkeypatch: pytest.MonkeyPatch, status: int, body: str, sent: list[Any] | None = None) -> Any:
    """Return EKS's service for Pods, to which AWS answers so."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    session = boto3.session.Session("AKIA", "secret", region_name="us-east-1")
    found = PodIdentityService(session, "eu-central-1")

    def answer(request: Any, **_: Any) -> Any:
        (sent if sent is not None else []).append(request)
        return aws_response(status, body)

    found._eks_auth.client.meta.events.register_first("before-send.eks-auth", answer)
    return found


def test_a_token_goes_to_the_region_of_its_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    answer = of_pods(monkeypatch, 200, json.dumps(ANSWER), sent).pod_session("my-cluster", TOKEN)

    assert answer == AssumedRoleUser("arn:aws:sts::111122223333:assumed-role/app/eks-x", "a-1")
    assert sent[0].url == "https://eks-auth.eu-central-1.api.aws/clusters/my-cluster/assume-role-for-pod-identity"
    assert json.loads(sent[0].body) == {"token": TOKEN}


def test_a_refusal_has_the_words_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"__type": "InvalidTokenException", "message": "The token is invalid."})
    with pytest.raises(Refused) as raised:
        of_pods(monkeypatch, 400, body).pod_session("my-cluster", TOKEN)

    assert (raised.value.code, raised.value.message) == ("InvalidTokenException", "The token is invalid.")


@pytest.mark.parametrize("name", ["my-cluster", ""])
def test_no_answer_shows_no_token(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(CouldNotLookError) as raised:
        of_pods(monkeypatch, 200, '{"assumedRole').pod_session(name, TOKEN)

    assert "SECRET" not in str(raised.value)
    assert str(raised.value).startswith("eks-auth:AssumeRoleForPodIdentity: ")
