"""AssumeRole and AssumeRoleWithWebIdentity as AWS answers them. moto grants everything, so a check refuses first.

The order, the error codes and the words are those of STS
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html#API_AssumeRoleWithWebIdentity_Errors).
"""

import base64
import json
import re
import ssl
import time
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from moto.backends import get_backend
from moto.sts.responses import TokenResponse

from sandbox.faster_moto import role_named
from sandbox.layout import ADMINISTRATOR
from sandbox.sts_decision import CannotDecideError, listed, trusts

ROLE_ARN = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:[\x21-\x7E]+/)?([\w+=,.@-]+)")
KEYS_TIMEOUT_SECONDS = 5
# What STS says of a token that it cannot read, and of one whose key it cannot find.
NOT_A_TOKEN = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"  # noqa: S105
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
NOT_AUTHORIZED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
NO_ROLE_ARN = "Request ARN is invalid"
REQUIRED_CLAIMS = ("iss", "aud", "sub", "exp")


class Refusal(Exception):
    """An error that STS answers with."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class PublishedKeys:
    """The public keys of the clusters' tokens, fetched from their API servers."""

    def __init__(self, clusters: Path) -> None:
        self._clusters = clusters
        self._kept: dict[str, KeySet] = {}

    def of(self, issuer: str, key_id: str) -> KeySet:
        """Return an issuer's keys; they are fetched again if this one is not among them."""
        kept = self._kept.get(issuer)
        if kept is None or key_id not in {key.kid for key in kept.keys}:
            kept = self._kept[issuer] = self._fetch(issuer)
        return kept

    def _fetch(self, issuer: str) -> KeySet:
        entries = [entry for entry in json.loads(self._clusters.read_text()) if entry["issuer"] == issuer]
        if not entries:
            raise Refusal("InvalidIdentityToken", NO_KEY)
        try:
            context = ssl.create_default_context(cadata=_pem(entries[0]["ca"]))
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
            with opener.open(f"{entries[0]['endpoint']}/openid/v1/jwks", timeout=KEYS_TIMEOUT_SECONDS) as answer:
                return KeySet.import_key_set(json.load(answer))
        except (OSError, ValueError, JoseError) as error:
            raise Refusal("InvalidIdentityToken", NO_KEY) from error


def _pem(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def refuse_as_sts(clusters: Path, log: Callable[[str], None]) -> None:
    """Have moto's STS refuse what AWS refuses."""
    keys = PublishedKeys(clusters)
    sts: Any = TokenResponse
    dispatch, grant, assume = sts._dispatch, sts.assume_role_with_web_identity, sts.assume_role

    def answer(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return dispatch(self, *arguments, **named)
        except Refusal as refusal:
            log(f"STS refused: {refusal.code}: {refusal.message}")
            return refusal.status, {"Content-Type": "text/xml"}, _error(refusal)

    def grant_if_trusted(self: Any) -> Any:
        address = self.normalized_request.environ.get("REMOTE_ADDR", "")
        check(self._get_param("RoleArn", ""), self._get_param("WebIdentityToken", ""), address, keys, log)
        return grant(self)

    def assume_if_exists(self: Any) -> Any:
        arn = ROLE_ARN.fullmatch(self._get_param("RoleArn", ""))
        if arn and arn[3] != ADMINISTRATOR:
            caller = f"arn:{arn[1]}:sts::{self.current_account}:user/moto"
            refusal = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn[0]}"
            _role(arn[1], arn[2], arn[3], arn[0], refusal)
        return assume(self)

    sts._dispatch, sts.assume_role_with_web_identity, sts.assume_role = answer, grant_if_trusted, assume_if_exists


def check(arn: str, token: str, address: str, keys: PublishedKeys, log: Callable[[str], None]) -> None:
    """Refuse a request for credentials unless STS would grant it.

    Raises:
        Refusal: What STS would answer.
    """
    role_arn = ROLE_ARN.fullmatch(arn)
    if not role_arn:
        raise Refusal("ValidationError", NO_ROLE_ARN)
    partition, aws_account, role_name = role_arn.groups()
    claims, key_id = claims_of_token(token)
    issuer = claims["iss"]
    provider_arn, client_ids = _provider(partition, aws_account, issuer)
    verify(token, keys.of(issuer, key_id))
    require_in_time(claims)
    accepted = [audience for audience in listed(claims["aud"]) if audience in client_ids]
    if not accepted:
        raise Refusal("InvalidIdentityToken", "Incorrect token audience")
    role = _role(partition, aws_account, role_name, role_arn.group())
    host_path = issuer.removeprefix("https://")
    context = {f"{host_path}:sub": claims["sub"], f"{host_path}:aud": accepted[0], "aws:SourceIp": address}
    try:
        if not trusts(json.loads(role.assume_role_policy_document), provider_arn, context):
            raise Refusal("AccessDenied", NOT_AUTHORIZED, 403)
    except CannotDecideError as error:
        log(f"the sandbox has no rule for {error} in the trust policy of {role.arn}, and refuses")
        raise Refusal("AccessDenied", NOT_AUTHORIZED, 403) from error


def claims_of_token(token: str) -> tuple[dict[str, Any], str]:
    """Return a token's claims and the id of its key; nothing of it is verified."""
    try:
        signed = jws.extract_compact(token.encode())
        claims, key_id = json.loads(signed.payload), str(signed.protected["kid"])
    except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refusal("InvalidIdentityToken", NOT_A_TOKEN) from error
    if not isinstance(claims, dict) or not all(map(claims.get, REQUIRED_CLAIMS)):
        raise Refusal("InvalidIdentityToken", NOT_A_TOKEN)
    return claims, key_id


def _provider(partition: str, aws_account: str, issuer: str) -> tuple[str, list[str]]:
    """Return the ARN and the client IDs of the issuer's OIDC provider in the role's AWS account."""
    arn = f"arn:{partition}:iam::{aws_account}:oidc-provider/{issuer.removeprefix('https://')}"
    try:
        providers = get_backend("iam")[aws_account][partition].open_id_providers
    except KeyError as error:
        raise Refusal("ValidationError", NO_ROLE_ARN) from error
    if not issuer.startswith("https://") or arn not in providers:
        raise Refusal("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}")
    return arn, list(providers[arn].client_id_list)


def verify(token: str, keys: KeySet) -> None:
    """Refuse a token that none of these keys has signed."""
    try:
        jws.deserialize_compact(token, keys, algorithms=["RS256"])
    except (JoseError, ValueError) as error:
        raise Refusal("InvalidIdentityToken", NO_KEY) from error


def require_in_time(claims: Mapping[str, Any]) -> None:
    """Refuse a token that has expired."""
    now, expires = int(time.time()), int(claims["exp"])
    if now >= expires:
        raise Refusal(
            "ExpiredTokenException",
            f"Token expired: current date/time {now} must be before the expiration date/time {expires}",
        )


def _role(partition: str, aws_account: str, name: str, arn: str, refusal: str = NOT_AUTHORIZED) -> Any:
    found = role_named(get_backend("iam")[aws_account][partition], name)
    # STS does not tell a role that is not there from one that does not trust.
    if found is None or found.arn != arn:
        raise Refusal("AccessDenied", refusal, 403)
    return found


def _error(refusal: Refusal) -> str:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )
