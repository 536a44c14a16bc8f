"""Asking EKS for the role of a Pod, where moto has no answer."""

import json
from typing import Any

import boto3
import pytest

from irsa_world.exits import CouldNotLookError
from irsa_world.live.sts import PodIdentityService, Refused, Session
from tests.world import aws_response

TOKEN = "e30.SECRET-TOKEN.x"
# https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
ANSWER = {
    "assumedRoleUser": {"arn": "arn:aws:sts::111122223333:assumed-role/app/eks-x", "assumeRoleId": "AROA:eks-x"},
    "audience": "pods.eks.amazonaws.com",
    "credentials": {"accessKeyId": "A", "secretAccessKey": "S", "sessionToken": "T", "expiration": 1},
    "podIdentityAssociation": {"associationArn": "arn:aws:eks:x", "associationId": "a-1"},
    "subject": {"namespace": "web", "serviceAccount": "app"},
}


def service(monkeypatch: pytest.MonkeyPatch, status: int, body: str, sent: list[Any] | None = None) -> Any:
    """Return the service, to which AWS answers so."""
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
    answer = service(monkeypatch, 200, json.dumps(ANSWER), sent).pod_session("my-cluster", TOKEN)

    assert answer == Session("arn:aws:sts::111122223333:assumed-role/app/eks-x", "a-1")
    assert sent[0].url == "https://eks-auth.eu-central-1.api.aws/clusters/my-cluster/assume-role-for-pod-identity"
    assert json.loads(sent[0].body) == {"token": TOKEN}


def test_a_refusal_has_the_words_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"__type": "InvalidTokenException", "message": "The token is invalid."})
    with pytest.raises(Refused) as raised:
        service(monkeypatch, 400, body).pod_session("my-cluster", TOKEN)

    assert (raised.value.code, raised.value.message) == ("InvalidTokenException", "The token is invalid.")


@pytest.mark.parametrize("name", ["my-cluster", ""])
def test_no_answer_shows_no_token(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(CouldNotLookError) as raised:
        service(monkeypatch, 200, '{"assumedRole').pod_session(name, TOKEN)

    assert "SECRET" not in str(raised.value)
    assert str(raised.value).startswith("eks-auth:AssumeRoleForPodIdentity: ")
