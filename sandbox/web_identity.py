"""AssumeRoleWithWebIdentity as AWS answers it: moto grants any token, so refusals happen before it is asked.

The order, the error codes and the words are those of STS
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html#API_AssumeRoleWithWebIdentity_Errors).
"""

import base64
import io
import json
import re
import ssl
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from moto.backends import get_backend

from sandbox.trust import CannotEvaluateError, trusts

ACTION = "AssumeRoleWithWebIdentity"
ROLE_ARN = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:[\x21-\x7E]+/)?([\w+=,.@-]+)")
KEYS_TIMEOUT_SECONDS = 5
SHORTEST_SESSION, LONGEST_SESSION = 900, 43200
# What STS says of a token that it cannot read, and of one whose key it cannot find.
NOT_A_TOKEN = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"  # noqa: S105
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
NOT_AUTHORIZED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]


class Refusal(Exception):
    """An error that STS answers with."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Provider(NamedTuple):
    """An IAM OIDC provider."""

    arn: str
    client_ids: list[str]


class PublishedKeys:
    """The keys that the clusters publish for their tokens, as anybody may read them."""

    def __init__(self, clusters: Path) -> None:
        self._clusters = clusters
        self._kept: dict[str, KeySet] = {}

    def of(self, issuer: str, key_id: str) -> KeySet:
        """Give an issuer's keys; they are asked for again when one is not among them."""
        kept = self._kept.get(issuer)
        if kept is None or key_id not in {key.kid for key in kept.keys}:
            kept = self._kept[issuer] = self._fetch(issuer)
        return kept

    def _fetch(self, issuer: str) -> KeySet:
        entries = [entry for entry in json.loads(self._clusters.read_text()) if entry["issuer"] == issuer]
        if not entries:
            raise Refusal("InvalidIdentityToken", NO_KEY)
        context = ssl.create_default_context(cadata=_pem(entries[0]["ca"]))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(f"{entries[0]['endpoint']}/openid/v1/jwks", timeout=KEYS_TIMEOUT_SECONDS) as answer:
                return KeySet.import_key_set(json.load(answer))
        except (OSError, ValueError, JoseError) as error:
            raise Refusal("InvalidIdentityToken", NO_KEY) from error


def _pem(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def refusing(application: Application, clusters: Path, log: Callable[[str], None]) -> Application:
    """Answer what STS would refuse; the rest goes on to moto."""
    keys = PublishedKeys(clusters)

    def answer(environ: Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        parameters = _parameters(environ)
        if parameters.get("Action") != ACTION:
            return application(environ, start_response)
        try:
            check(parameters, keys, environ.get("REMOTE_ADDR", ""), log)
        except Refusal as refusal:
            log(f"{ACTION} refused: {refusal.code}: {refusal.message}")
            return _error(refusal, start_response)
        return application(environ, start_response)

    return answer


def _parameters(environ: Environment) -> dict[str, str]:
    body = environ["wsgi.input"].read() if int(environ.get("CONTENT_LENGTH") or 0) else b""
    environ["wsgi.input"] = io.BytesIO(body)
    if ACTION.encode() not in body and ACTION not in environ.get("QUERY_STRING", ""):
        return {}
    pairs = parse_qsl(f"{environ.get('QUERY_STRING', '')}&{body.decode(errors='replace')}", keep_blank_values=True)
    return dict(pairs)


def check(parameters: Mapping[str, str], keys: PublishedKeys, address: str, log: Callable[[str], None]) -> None:
    """Refuse a request for credentials unless STS would grant it.

    Raises:
        Refusal: What STS would answer.
    """
    role_arn = ROLE_ARN.fullmatch(parameters.get("RoleArn", ""))
    if not role_arn:
        raise Refusal("ValidationError", "Request ARN is invalid")
    partition, account, role_name = role_arn.groups()
    claims, key_id = _read(parameters.get("WebIdentityToken", ""))
    issuer, audiences = str(claims.get("iss")), _texts(claims.get("aud"))
    provider = _provider(partition, account, issuer)
    _verify(parameters["WebIdentityToken"], keys.of(issuer, key_id))
    _require_in_time(claims)
    accepted = [audience for audience in audiences if audience in provider.client_ids]
    if not accepted:
        raise Refusal("InvalidIdentityToken", "Incorrect token audience")
    role = _role(partition, account, role_name, role_arn.group())
    host_path = issuer.removeprefix("https://")
    context = {f"{host_path}:sub": str(claims["sub"]), f"{host_path}:aud": accepted[0], "aws:SourceIp": address}
    try:
        if not trusts(json.loads(role.assume_role_policy_document), provider.arn, context):
            raise Refusal("AccessDenied", NOT_AUTHORIZED, 403)
    except CannotEvaluateError as error:
        log(f"the sandbox has no rule for {error} in the trust policy of {role.arn}, and refuses")
        raise Refusal("AccessDenied", NOT_AUTHORIZED, 403) from error
    _require_duration(parameters.get("DurationSeconds"), role)


def _read(token: str) -> tuple[dict[str, Any], str]:
    """Read a token's claims and the id of its key, nothing of it verified yet."""
    try:
        signed = jws.extract_compact(token.encode())
        claims = json.loads(signed.payload)
        return dict(claims), str(signed.protected["kid"])
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Refusal("InvalidIdentityToken", NOT_A_TOKEN) from error


def _provider(partition: str, account: str, issuer: str) -> Provider:
    """Find the provider of the issuer in the role's account."""
    arn = f"arn:{partition}:iam::{account}:oidc-provider/{issuer.removeprefix('https://')}"
    providers = get_backend("iam")[account][partition].open_id_providers
    if not issuer.startswith("https://") or arn not in providers:
        raise Refusal("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}")
    return Provider(arn, list(providers[arn].client_id_list))


def _verify(token: str, keys: KeySet) -> None:
    try:
        jws.deserialize_compact(token, keys, algorithms=["RS256"])
    except (JoseError, ValueError) as error:
        raise Refusal("InvalidIdentityToken", NO_KEY) from error


def _require_in_time(claims: Mapping[str, Any]) -> None:
    now, expires = int(time.time()), int(claims.get("exp", 0))
    if now >= expires:
        raise Refusal(
            "ExpiredTokenException",
            f"Token expired: current date/time {now} must be before the expiration date/time {expires}",
        )
    if int(claims.get("nbf", now)) > now:
        raise Refusal("InvalidIdentityToken", NOT_A_TOKEN)


def _role(partition: str, account: str, name: str, arn: str) -> Any:
    roles = get_backend("iam")[account][partition].roles.values()
    # STS does not tell a role that is not there from one that does not trust.
    found = next((role for role in roles if role.name == name and role.arn == arn), None)
    if found is None:
        raise Refusal("AccessDenied", NOT_AUTHORIZED, 403)
    return found


def _require_duration(duration: str | None, role: Any) -> None:
    seconds = int(duration) if duration else SHORTEST_SESSION
    if not SHORTEST_SESSION <= seconds <= LONGEST_SESSION:
        raise Refusal(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
            f"Member must have value between {SHORTEST_SESSION} and {LONGEST_SESSION}",
        )
    if seconds > int(role.max_session_duration or 3600):
        raise Refusal(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _error(refusal: Refusal, start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    ).encode()
    reason = {400: "Bad Request", 403: "Forbidden"}[refusal.status]
    start_response(f"{refusal.status} {reason}", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]
