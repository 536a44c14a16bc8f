"""The sandbox's STS refuses tokens as AWS does: codes and words of API_AssumeRoleWithWebIdentity and of real answers.

Words: the reference's table Error -> cause; for an expired token aws/aws-sdk-java-v2#5709, for unknown keys
awslabs/aws-sdk-rust#827.
"""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwk, jws

pytestmark = pytest.mark.sandbox

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
ROLE_NAME = "web-identity-test"
ROLE = f"arn:aws:iam::111122223333:role/{ROLE_NAME}"
SUBJECT = "system:serviceaccount:team-b:worker"
AUDIENCE = "sts.amazonaws.com"
NOT_AUTHORIZED = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
NO_KEY_WORDS = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
NO_KEY = ("InvalidIdentityToken", NO_KEY_WORDS)

TOKENS: dict[tuple[str, str], str] = {}


def trust(condition: dict[str, Any], **statement: Any) -> str:
    whole = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**whole, **statement}]})


EXACT = {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": SUBJECT}}


@pytest.fixture
def role(cloud: Any) -> Iterator[Any]:
    """A role that trusts team-b/worker; yields a function that sets its trust policy."""
    iam = cloud.aws("iam")
    iam.create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=trust(EXACT))
    yield lambda document: iam.update_assume_role_policy(RoleName=ROLE_NAME, PolicyDocument=document)
    iam.delete_role(RoleName=ROLE_NAME)


def token(cloud: Any, audience: str = AUDIENCE, name: str = "worker") -> str:
    """Return a token of a service account of team-b; one serves all tests, which is good for an hour."""
    if (audience, name) not in TOKENS:
        answer = cloud.kubectl("create", "token", name, "-n", "team-b", "--audience", audience)
        assert answer.returncode == 0, answer.stderr
        TOKENS[audience, name] = answer.stdout.strip()
    return TOKENS[audience, name]


def decoded(web_identity: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in web_identity.split(".")[:2]
    )
    return header, claims


def cluster_key(cloud: Any) -> Any:
    return jwk.import_key((cloud.folder / "kubernetes" / "service-account.key").read_text(), "RSA")


def signed(cloud: Any, genuine: str, key_text: str | None = None, **changed: Any) -> str:
    """Return the token with changed claims, signed with the cluster's key or another one."""
    header, claims = decoded(genuine)
    key = jwk.import_key(key_text, "RSA") if key_text else cluster_key(cloud)
    return jws.serialize_compact(header, json.dumps({**claims, **changed}), key, algorithms=["RS256"])


def assume(cloud: Any, web_identity: str, role_arn: str = ROLE, **more: Any) -> Any:
    return cloud.aws("sts").assume_role_with_web_identity(
        RoleArn=role_arn, RoleSessionName="test", WebIdentityToken=web_identity, **more
    )


def refusal(cloud: Any, web_identity: str, role_arn: str = ROLE, **more: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        assume(cloud, web_identity, role_arn, **more)
    error = raised.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def test_the_trusted_account_becomes_the_role(cloud: Any, role: Any) -> None:
    keys = assume(cloud, token(cloud), DurationSeconds=900)["Credentials"]

    assert cloud.aws("sts", keys).get_caller_identity()["Arn"] == (
        f"arn:aws:sts::111122223333:assumed-role/{ROLE_NAME}/test"
    )


def test_what_is_refused_before_the_trust_policy(cloud: Any, role: Any) -> None:
    genuine = token(cloud)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = stranger.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    elsewhere = "https://oidc.eks.us-west-2.amazonaws.com/id/ELSEWHERE"

    assert refusal(cloud, genuine, "arn:aws:iam::111122223333:rolle/x") == ("ValidationError", "Request ARN is invalid")
    code, words = refusal(cloud, "not.a.token")
    assert (code, words.startswith("The ID Token provided is not a valid JWT")) == ("InvalidIdentityToken", True)
    assert refusal(cloud, signed(cloud, genuine, iss=elsewhere)) == (
        "InvalidIdentityToken",
        f"No OpenIDConnect provider found in your account for {elsewhere}",
    )
    assert refusal(cloud, genuine, "arn:aws:iam::999988887777:role/x") == (
        "InvalidIdentityToken",
        f"No OpenIDConnect provider found in your account for https://{ISSUER}",
    )
    assert refusal(cloud, signed(cloud, genuine, pem)) == NO_KEY
    assert refusal(cloud, genuine[:-8] + "AAAAAAAA") == NO_KEY
    now = int(time.time())
    code, words = refusal(cloud, signed(cloud, genuine, exp=now - 10))
    assert code == "ExpiredTokenException"
    assert words.endswith(f"must be before the expiration date/time {now - 10}")
    assert refusal(cloud, token(cloud, "vault")) == ("InvalidIdentityToken", "Incorrect token audience")


def test_the_signature_counts_and_not_only_the_claims(cloud: Any, role: Any) -> None:
    header, payload, signature = token(cloud, name="default").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": SUBJECT}).encode()).decode().rstrip("=")

    assert refusal(cloud, f"{header}.{forged}.{signature}") == NO_KEY


def test_a_missing_role_looks_like_one_that_does_not_trust(cloud: Any) -> None:
    assert refusal(cloud, token(cloud), "arn:aws:iam::111122223333:role/missing") == NOT_AUTHORIZED
