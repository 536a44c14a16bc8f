"""What others publish as an issuer is read within limits: of time, of size, of whom irsa asks at all."""

import gzip
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from irsa.rules.unknown import Unknown
from irsa_world.live import issuer
from irsa_world.live.issuer import NotPublished, published
from irsa_world.unread import Unread
from tests.issuer_site import HOST, KEYS, Page, Site, issuer_site


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with issuer_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(served: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name in ("https_proxy", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in served.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(issuer, "SECONDS", 1.0)
    served.asked.clear()
    return served


# The attack: an issuer that keeps irsa waiting, fills its memory or stack, or sends it elsewhere.
ANSWERS: dict[str, tuple[Page, type[Unknown], str]] = {
    "slow": (Page(b"{}" * 40, pause=0.2), NotPublished, "does not answer within 1 seconds"),
    "huge": (Page(b" " * 1_000_001), NotPublished, "more than 1,000,000 bytes"),
    "deep": (Page(b"[" * 900_000), NotPublished, "no JSON object"),
    "a long number": (Page(b'{"a": %s}' % (b"1" * 9_000)), NotPublished, "no JSON object"),
    "a page": (Page(b"<html>"), NotPublished, "no JSON object"),
    "compressed": (Page(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}), NotPublished, "no JSON object"),
    "a list": (Page(b"[]"), NotPublished, "no JSON object"),
    "not there": (Page(b"{}", 404), NotPublished, "HTTP 404"),
    "two readings": (Page(b'{"keys": [], "x": {"a": 1, "a\\u0000": 2}, "keys": [1]}'), Unknown, "the key 'keys' twice"),
    "inner": (Page(b'{"keys": [{"kid": "a", "ki\\u0064": "b"}]}'), Unknown, "the key 'kid' twice"),
    "busy": (Page(b"{}", 429), Unread, "HTTP 429"),
    "failing": (Page(b"{}", 503), Unread, "HTTP 503"),
    "elsewhere": (Page(b"{}", 302, {"Location": "http://169.254.169.254/x; do: y"}), Unknown, '"http://169.254.169.254'),
}  # fmt: skip


@pytest.mark.parametrize(("page", "kind", "words"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_no_document(site: Site, page: Page, kind: type[Unknown], words: str) -> None:
    site.pages[KEYS] = page
    found = published(KEYS)

    assert type(found) is kind
    assert words in found.reason
    assert site.asked == [KEYS]


def test_a_resolver_that_keeps_irsa_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: no timeout of a connection has begun yet, and each try of a resolver has one of its own."""

    def waits(*_: object, **__: object) -> list[Any]:
        time.sleep(3)
        return [(0, 0, 0, "", ("127.0.0.1", 443))]

    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setattr(socket, "getaddrinfo", waits)
    found = published(KEYS)

    assert type(found) is NotPublished
    assert "does not answer within 1 seconds" in found.reason


def test_a_document_is_read_as_it_is(site: Site) -> None:
    site.publish(KEYS, {"keys": [1]})

    assert published(KEYS) == {"keys": [1]}


def test_a_certificate_that_nobody_trusts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html"""
    monkeypatch.delenv("SSL_CERT_FILE")
    found = published(KEYS)

    assert (type(found), site.asked) == (Unknown, [])
    assert "needs its thumbprint" in found.reason


@pytest.mark.parametrize("url", ["http://" + HOST, "file:///etc/passwd", "https://", "gopher://x", "", "https:///x"])
def test_only_https_is_asked(site: Site, url: str) -> None:
    assert isinstance(published(url), NotPublished)
    assert site.asked == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "[::1]", "10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]",
     "[::ffff:10.0.0.1]"],
)  # fmt: skip
def test_a_private_address_is_not_asked(site: Site, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a `jwks_uri` of the metadata of the machine on which irsa runs, or of its proxy."""
    monkeypatch.setattr(socket, "create_connection", None)
    for no_proxy in ("", "*"):
        monkeypatch.setenv("NO_PROXY", no_proxy)
        found = published(f"https://{host}/latest/meta-data")
        assert type(found) is Unknown
        assert "private address" in found.reason


@pytest.mark.parametrize("address", [f"{HOST}:8443", f"me:secret@{HOST}", f"@{HOST}"])
def test_no_user_and_no_port_is_asked(site: Site, address: str) -> None:
    """The attack: a `jwks_uri` that has irsa send a password, or ask what else is on a host."""
    found = published(f"https://{address}/keys")

    assert (type(found), site.asked) == (Unknown, [])
    assert "secret" not in found.reason


@pytest.mark.parametrize("url", ["https://[::1", "https://a:99999/", "https://\x00/", "https://a b/", "https://x@/"])
def test_what_is_no_url_is_no_crash(site: Site, url: str) -> None:
    found: Any = published(url)

    assert isinstance(found, Unknown)
    assert "\x00" not in found.reason


def test_nobody_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert isinstance(published(KEYS), Unread)
