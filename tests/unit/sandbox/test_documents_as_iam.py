"""Documents as IAM answers with them, in the bytes of the answer: boto3 would decode them."""

import json
import re
from urllib.parse import unquote

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client

from sandbox.missing_in_moto import answer_with_documents_as_iam

# A literal percent sign that looks like an escape, a plus sign, and what RFC 3986 reserves or does not know.
TEXT = "100%25 a+b/c*d~e é 漢 &<>\"'"
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"a:b": TEXT}}}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": STATEMENT}, ensure_ascii=False)
POLICY_ARN = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:policy/app"
NAMED = {"UserName": "app", "GroupName": "app", "RoleName": "app", "PolicyName": "app", "InstanceProfileName": "app"}
MADE: list[tuple[str, dict[str, str]]] = [
    ("CreateRole", {"AssumeRolePolicyDocument": DOCUMENT}),
    ("PutRolePolicy", {"PolicyDocument": DOCUMENT}),
    ("CreateUser", {}),
    ("PutUserPolicy", {"PolicyDocument": DOCUMENT}),
    ("CreateGroup", {}),
    ("PutGroupPolicy", {"PolicyDocument": DOCUMENT}),
    ("CreatePolicy", {"PolicyDocument": DOCUMENT}),
    ("CreatePolicyVersion", {"PolicyArn": POLICY_ARN, "PolicyDocument": DOCUMENT, "SetAsDefault": "true"}),
    ("CreateInstanceProfile", {}),
    ("AddRoleToInstanceProfile", {}),
]
# What each operation answers with: https://docs.aws.amazon.com/IAM/latest/APIReference/. The document of a version is
# in the answers of GetPolicyVersion and GetAccountAuthorizationDetails alone: API_PolicyVersion.html.
DOCUMENTS = {
    "CreateRole": 1,
    "CreatePolicyVersion": 0,
    "GetRole": 1,
    "GetRolePolicy": 1,
    "GetUserPolicy": 1,
    "GetGroupPolicy": 1,
    "GetPolicyVersion": 1,
    "GetInstanceProfile": 1,
    "ListInstanceProfiles": 1,
    "ListInstanceProfilesForRole": 1,
    "ListPolicyVersions": 0,
    "ListRoles": 1,
    "UpdateRoleDescription": 1,
    # The inline policies of a user, a group and a role, a role's trust policy twice, with and in its instance profile,
    # and two versions of a policy.
    "GetAccountAuthorizationDetails": 7,
}


@pytest.fixture
def answers(faster_moto: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The answer of each operation; moto's classes and models are as before after the test."""
    own = "RESPONSE_KEY_PATH_TO_TRANSFORMER"
    monkeypatch.setattr(IamResponse, own, getattr(IamResponse, own))
    answer_with_documents_as_iam()
    iam_backends.reset()
    client = Client(DomainDispatcherApplication(create_backend_app))
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request"}

    def answer(operation: str, more: dict[str, str]) -> str:
        form = {"Action": operation, "Version": "2010-05-08", **NAMED, **more}
        answered = client.post("/", data=form, headers=headers)
        assert answered.status_code == 200, answered.text
        return answered.text

    made = {operation: answer(operation, more) for operation, more in MADE}
    further = {"PolicyArn": POLICY_ARN, "VersionId": "v2"}
    found = {each: made[each] if each in made else answer(each, further) for each in DOCUMENTS}
    iam_backends.reset()
    return found


@pytest.mark.parametrize(("operation", "number"), DOCUMENTS.items())
def test_each_document_is_url_encoded(operation: str, number: int, answers: dict[str, str]) -> None:
    """Protects provider code that decodes each document, as IAM's clients must: a literal % broke it.

    "URL-encoded compliant with RFC 3986": https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicyVersion.html
    """
    found = re.findall(r"<\w*Document>(.*?)</", answers[operation], re.DOTALL)

    # Of RFC 3986: section 2.3 has what needs no escape, section 2.1 the escapes.
    assert [each for each in found if not re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+", each)] == []
    assert [unquote(each) for each in found] == [DOCUMENT] * number
