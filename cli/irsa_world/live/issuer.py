"""What the issuer of a cluster publishes, read as STS reads it; its address, and all that it says, others wrote.

It is asked by https alone, with a trusted certificate of its name, and without credentials. No redirect is followed.
"""

import json
import socket
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from irsa.rules.mistakes import Mistake, named
from irsa.rules.policies import each_key_once
from irsa.rules.unknown import Unknown
from irsa_world.exits import CouldNotLookError
from irsa_world.live.connection import is_of_certificate
from irsa_world.live.kubernetes import DISCOVERY, ClusterClient
from irsa_world.unread import Unread

# STS waits no longer: https://repost.aws/knowledge-center/iam-sts-invalididentitytoken
SECONDS = 5.0
# 200 keys of 4,096 bits are a fifth of it.
LARGEST = 1_000_000
# No token for it is accepted anywhere.
AUDIENCE = "irsa-verify"
PROVE = "whether STS does, `irsa prove` shows"
NO_ANSWER = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, ImportError)


class NotPublished(Unknown):
    """Takes the place of a document that the issuer does not publish, and says what it answers instead."""


@dataclass(frozen=True)
class Issuer:
    """The issuer of a cluster's tokens by its API server, which keeps the own keys, and as it is published."""

    url: str
    token: str | Unknown = field(repr=False)
    own_keys: Any
    discovery: Any
    keys: Any


def read_issuer(cluster: ClusterClient, service_account: tuple[str, str] | None) -> Issuer:
    """Return the issuer of a cluster, with a token of a service account, if there is one.

    Raises:
        CouldNotLookError: The cluster does not say which issuer it has.
    """
    url, token = cluster.issuer, Unknown("there is no service account whose token would show it")
    if service_account:
        token = _unless_unread(lambda: cluster.token(*service_account, AUDIENCE) or token)
    own_keys = _unless_unread(lambda: cluster.signing_keys)
    discovery = published(f"{url}{DISCOVERY}")
    at = discovery.get("jwks_uri") if isinstance(discovery, dict) else None
    keys = published(at) if isinstance(at, str) else NotPublished(f"{named(url + DISCOVERY)} has no jwks_uri")
    return Issuer(url, token, own_keys, discovery, keys)


def published(url: str) -> Any:
    """Return what is published at a URL, read from JSON; an Unknown, if it is not, or not read."""
    answer = Future[Any]()

    def ask() -> None:
        try:
            answer.set_result(_answer(url))
        except Exception as error:
            answer.set_exception(error)

    # Whoever answers one byte after the other keeps each timeout of its own; so does a slow resolver.
    Thread(target=ask, daemon=True).start()
    try:
        return answer.result(SECONDS)
    except TimeoutError:
        return NotPublished(f"{named(url)} does not answer within {SECONDS:.0f} seconds, and STS waits no longer")
    except NO_ANSWER as error:
        if is_of_certificate(error):
            return Unknown(
                f"no CA that is trusted here signed the certificate of {named(url)}, so irsa does not read it. If AWS "
                f"does not trust it either, the IAM OIDC provider needs its thumbprint; {PROVE}"
            )
        return Unread(CouldNotLookError(f"{named(url)}: {named(str(error) or type(error).__name__)}; {PROVE}"))


def _answer(url: str) -> Any:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not url.startswith("https://") or not host:
        return NotPublished(f"{named(url)} is no https URL")
    # An account's password would be sent, or something else on the host be asked.
    if "@" in parts.netloc or parts.port not in (None, 443):
        return Unknown(f"a URL of {named(host)} has a user or a port, and irsa reads no such URL; {PROVE}")
    proxies = {} if proxy_bypass(host) else getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if private := _private_address(host, by_proxy=bool(proxy)):
        return Unknown(f"{named(host)} has here the private address {private}, which irsa does not ask; {PROVE}")
    trust = httpx2.create_ssl_context()
    limits = httpx2.Timeout(2 * SECONDS, connect=0.8 * SECONDS)
    with (
        httpx2.Client(verify=trust, proxy=proxy, timeout=limits, trust_env=False) as client,
        client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer,
    ):
        return _not_ok(url, answer) or _document(url, answer)


def _not_ok(url: str, answer: httpx2.Response) -> Unknown | None:
    if answer.is_redirect:
        to = named(answer.headers.get("Location", ""))
        return Unknown(f"{named(url)} redirects to {to}, which irsa does not follow; {PROVE}")
    text = f"{named(url)} answers HTTP {answer.status_code}"
    if answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return Unread(CouldNotLookError(f"{text}; {PROVE}"))
    return None if answer.status_code == HTTPStatus.OK else NotPublished(text)


def _document(url: str, answer: httpx2.Response) -> Any:
    body = b""
    for part in answer.iter_raw():
        body += part
        if len(body) > LARGEST:
            return NotPublished(f"{named(url)} has more than {LARGEST:,} bytes")
    try:
        read = json.loads(body, object_pairs_hook=each_key_once)
    except Mistake as mistake:
        return Unknown(f"{named(url)} has {mistake.found}: publish it once, since STS may read either")
    except (ValueError, RecursionError):
        read = None
    return read if isinstance(read, dict) else NotPublished(f"{named(url)} has no JSON object")


def _private_address(host: str, by_proxy: bool) -> str:
    """Return an address of a host that is not of the Internet; empty if it has none. A proxy looks names up itself."""
    try:
        found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST if by_proxy else 0)
    except socket.gaierror:
        if by_proxy:
            return ""
        raise
    addresses = [ip_address(address[0]) for *_, address in found]
    return next((str(each) for each in addresses if not each.is_global), "")


def _unless_unread(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except CouldNotLookError as error:
        return Unread(error)
