"""Reading AWS: paging, throttling, one question once, no more rights than documented."""

import inspect
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pulumi_aws
import pytest
from botocore.exceptions import BotoCoreError

from irsa.rules.arns import parse_iam_arn
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import FOLLOWED, NOT_FOLLOWED, AwsAccountClients, session_for_tokens, session_of
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.sts import TokenService
from tests.world import document, documented, paged_iam

POLICY = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
# How the engine writes a secret into a state: https://www.pulumi.com/docs/iac/concepts/secrets/
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with paged_iam(monkeypatch, 100) as client:
        yield client


@pytest.fixture
def aws_account(iam: Any) -> AwsAccountClient:
    return AwsAccountClient(boto3.session.Session(), "123456789012")


def calls_of(aws_account: AwsAccountClient) -> list[str]:
    calls: list[str] = []
    aws_account._iam.client.meta.events.register("before-call.iam.*", lambda model, **_: calls.append(model.name))
    return calls


def test_a_question_is_asked_once_however_many_want_the_answer(iam: Any, aws_account: AwsAccountClient) -> None:
    calls, barrier = calls_of(aws_account), threading.Barrier(8)

    def look(_: int) -> Any:
        barrier.wait()
        return aws_account.client_ids("arn:aws:iam::123456789012:oidc-provider/example.com")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(look, range(8))) == {None}
    assert calls == ["GetOpenIDConnectProvider"]


def test_what_is_asked_is_what_the_documented_policy_allows(iam: Any, aws_account: AwsAccountClient) -> None:
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(POLICY))["Policy"]["Arn"]
    iam.create_role(RoleName="app", AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName="app", PolicyName="i", PolicyDocument=json.dumps(POLICY))
    calls = calls_of(aws_account)
    for look in (aws_account.role, aws_account.attached_policies, aws_account.inline_policies):
        look("app")
    assert aws_account.document(arn) == aws_account.inline_document("app", "i") == POLICY
    aws_account.client_ids("arn:aws:iam::123456789012:oidc-provider/example.com")

    assert {f"iam:{call}" for call in calls} == documented("iam-verify.json")


def test_an_aws_account_without_credentials_is_not_read(iam: Any) -> None:
    aws_accounts = AwsAccountClients({"urn::id": {"region": "us-west-2"}})
    here, elsewhere = (f"arn:aws:iam::{number}:role/app" for number in ("123456789012", "444455556666"))

    assert aws_accounts.of_arn(elsewhere) is None
    assert (
        aws_accounts.of_arn(here)
        is aws_accounts.of_resource(parse_iam_arn(here, "role"), "urn::id")
        is aws_accounts.only()
    )
    with pytest.raises(CouldNotLookError, match=f"are of AWS account 123456789012, and {elsewhere} is in another"):
        aws_accounts.of_resource(parse_iam_arn(elsewhere, "role"), "urn::id")


def test_a_forgotten_provider_is_no_other_aws_account(iam: Any) -> None:
    role = {"roleArn": "arn:aws:iam::444455556666:role/deployer"}
    aws_accounts = AwsAccountClients({"one": {}, "two": {"assumeRoles": json.dumps([role])}})
    here, there, nowhere = (f"arn:aws:iam::{n}:role/app" for n in ("123456789012", "444455556666", "777788889999"))

    assert aws_accounts.of_resource(parse_iam_arn(here, "role"), "").number == "123456789012"
    assert aws_accounts.of_resource(parse_iam_arn(there, "role"), "forgotten").number == "444455556666"
    with pytest.raises(
        CouldNotLookError, match="none of the stack's AWS providers has credentials of AWS account 777788889999"
    ):
        aws_accounts.of_resource(parse_iam_arn(nowhere, "role"), "")
    with pytest.raises(CouldNotLookError, match="several AWS accounts: pass the ARN of the role"):
        aws_accounts.only()
    broken = AwsAccountClients({"one": {}, "two": {"profile": "nobody-has-this-profile"}})
    assert broken.of_arn(here) is not None
    with pytest.raises(CouldNotLookError, match="could not be found"):
        broken.of_arn(there)


def test_a_providers_role_is_assumed(iam: Any) -> None:
    roles = json.dumps([{"roleArn": "arn:aws:iam::444455556666:role/deployer", "externalId": "agreed"}])
    session = session_of({"region": "us-west-2", "assumeRoles": roles})

    assert session.client("sts").get_caller_identity()["Account"] == "444455556666"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"accessKey": {"ciphertext": "v1:x"}, "secretKey": {"ciphertext": "v1:x"}}, "has accessKey, secretKey"),
        ({"token": {"ciphertext": "v1:x"}}, "has token"),
        ({"endpoints": '[{"iam": "http://127.0.0.1:9"}]'}, "has endpoints"),
        ({"sharedConfigFiles": '["/elsewhere"]'}, "has sharedConfigFiles"),
        ({"sharedCredentialsFiles": '["/elsewhere"]'}, "has sharedCredentialsFiles"),
        ({"assumeRoleWithWebIdentity": '{"roleArn": "arn:aws:iam::444455556666:role/x"}'}, "has assumeRoleWithWeb"),
        ({"profile": SECRET}, "has profile"),
        ({"assumeRoles": SECRET}, "has assumeRoles"),
        ({"assumeRoles": [{"roleArn": "arn:aws:iam::444455556666:role/x", "externalId": SECRET}]}, "has assumeRoles"),
        ({"profile": "nobody-has-this-profile"}, "could not be found"),
    ],
)
def test_what_is_not_followed_is_said(iam: Any, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(CouldNotLookError, match=words):
        session_of(inputs)


def test_what_is_followed_or_not_are_inputs_of_the_provider() -> None:
    names = inspect.signature(pulumi_aws.ProviderArgs.__init__).parameters
    spelled = {re.sub("_(.)", lambda match: match[1].upper(), name) for name in names}

    assert {*FOLLOWED, *NOT_FOLLOWED} <= spelled


def test_where_nobody_answers_it_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    aws_account, service = (
        AwsAccountClient(boto3.session.Session(region_name="us-west-2"), "1"),
        TokenService(session_for_tokens({"region": "us-west-2"})),
    )
    asked: list[str] = []
    for client in (aws_account._iam.client, service._anonymous.client):
        client.meta.events.register("before-send.*", lambda request, **_: asked.append(request.url))
    for number in range(100):
        with pytest.raises(CouldNotLookError, match="iam:GetRole: Could not connect to the endpoint URL"):
            aws_account.role(f"role-{number}")
        with pytest.raises(CouldNotLookError, match="STS: EndpointConnectionError"):
            service.identity("secret", "arn:aws:iam::111122223333:role/app")

    # The first question of each is sent three times, and no other one.
    assert len(asked) == 6


def test_an_endpoint_that_is_no_url_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "notaurl")
    with pytest.raises(CouldNotLookError, match="Invalid endpoint: notaurl"):
        AwsAccountClients({}).only()
    with pytest.raises(CouldNotLookError, match="sts: Invalid endpoint: notaurl"):
        TokenService(session_for_tokens({"region": "us-west-2"}))


def test_a_failure_of_sts_never_quotes_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    service = TokenService(session_for_tokens({"region": "us-west-2"}))

    class QuotingError(BotoCoreError):
        fmt = "Invalid value {value}"

    error = QuotingError(value="secret-token")
    monkeypatch.setattr(service._anonymous.client, "assume_role_with_web_identity", Mock(side_effect=error))
    with pytest.raises(CouldNotLookError) as refused:
        service.identity("secret-token", "arn:aws:iam::111122223333:role/app")

    assert str(refused.value) == "STS: QuotingError"


# Endpoints: https://docs.aws.amazon.com/general/latest/gr/sts.html, of China https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-Beijing.html
@pytest.mark.parametrize(
    ("inputs", "variables", "endpoint"),
    [
        ({}, {"AWS_REGION": "cn-north-1"}, "https://sts.cn-north-1.amazonaws.com.cn"),
        ({}, {"AWS_DEFAULT_REGION": "cn-northwest-1"}, "https://sts.cn-northwest-1.amazonaws.com.cn"),
        ({"region": "cn-north-1"}, {"AWS_REGION": "eu-west-1"}, "https://sts.cn-north-1.amazonaws.com.cn"),
        ({"profile": "china"}, {}, "https://sts.cn-north-1.amazonaws.com.cn"),
        ({"profile": "china"}, {"AWS_REGION": "us-gov-west-1"}, "https://sts.us-gov-west-1.amazonaws.com"),
        ({}, {"AWS_PROFILE": "china"}, "https://sts.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_tokens_are_sent_to_the_sts_that_verify_asks(
    inputs: dict[str, str], variables: dict[str, str], endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text("[profile china]\nregion = cn-north-1\n")
    for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), **variables}.items():
        monkeypatch.setenv(name, value)

    service = TokenService(session_for_tokens(inputs))
    asked = {service._anonymous.client.meta.endpoint_url, session_of(inputs).client("sts").meta.endpoint_url}

    assert asked == {endpoint}


def test_a_profile_that_is_not_needed_for_the_region_need_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)

    assert session_for_tokens({"profile": "gone", "region": "eu-west-1"}).region_name == "eu-west-1"
    with pytest.raises(CouldNotLookError, match=r"STS: The config profile \(gone\) could not be found"):
        session_for_tokens({"profile": "gone"})
