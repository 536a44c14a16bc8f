"""Asking the Kubernetes API: pages, a busy server, many threads, refusals."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.kubernetes import ClusterClient, NoSuchKindError
from irsa_world.model import ServiceAccount
from tests.unit.irsa_world.live.kubernetes_api import Answer, Api, client_of, kubeconfig, serving, with_program

# As kube-apiserver 1.37 answers for a kind that it does not have.
OLD = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
UNKNOWN_KIND = {"kind": "Status", "message": "the server could not find the requested resource", "reason": "NotFound"}
FORBIDDEN = {"kind": "Status", "message": 'serviceaccounts "forbidden" is forbidden'}


def answer(path: str, _: Mapping[str, str]) -> Answer:
    if path.endswith("/forbidden"):
        return 403, FORBIDDEN
    if path.startswith("/apis/"):
        return 404, {**UNKNOWN_KIND, "details": {} if path.startswith(OLD) else {"name": "missing"}}
    if path.endswith("/missing"):
        return 404, {"kind": "Status", "reason": "NotFound", "message": "not found"}
    if path.startswith("/api/v1/namespaces/elsewhere/"):
        return 404, "404 page not found"
    return 200, {"metadata": {"annotations": {"path": path}}}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with serving(monkeypatch, answer) as server:
        yield server


@pytest.fixture
def cluster(api: Api) -> ClusterClient:
    return api.cluster


def test_no_two_threads_use_one_client_at_a_time(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS handshakes of threads on one client ended the process; the credential program runs once for all of them."""
    document, runs = with_program(api.url, tmp_path, '{"status": {"token": "t"}}')
    cluster = client_of(document)
    assert cluster.service_account("a", "first") is not None
    used: list[httpx2.Client] = []
    together, genuine = threading.Barrier(8), httpx2.Client.request

    def request(client: httpx2.Client, *arguments: Any, **values: Any) -> Any:
        used.append(client)
        together.wait(timeout=60)
        return genuine(client, *arguments, **values)

    monkeypatch.setattr(httpx2.Client, "request", request)
    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            assert None not in pool.map(lambda name: cluster.service_account("a", name), "bcdefghi")

    assert [len({*clients}) for clients in (used[:8], used[8:], used)] == [8, 8, 8]
    assert runs.read_text().count("run") == 1


BINDINGS, POLICIES = "validatingadmissionpolicybindings", "validatingadmissionpolicies"


@pytest.mark.parametrize(
    ("ask", "kind", "said"),
    [
        (lambda it: it.service_account("a", "forbidden"), NoPermissionError, r'"serviceaccounts \\"forbidden\\"'),
        # A kind that is unknown is no missing object, and the page of something else says nothing.
        (lambda it: it.objects_of(BINDINGS, "x"), NoSuchKindError, "could not find the requested resource"),
        (lambda it: it.object_of(BINDINGS, "missing"), NoSuchKindError, "could not find the requested resource"),
        (lambda it: it.service_account("elsewhere", "a"), CouldNotLookError, "serviceaccounts elsewhere/a: HTTP 404"),
        (lambda it: it.pods("elsewhere", "a"), CouldNotLookError, "list pods in elsewhere: HTTP 404"),
        (lambda it: it._items("missing", "nowhere"), NoSuchKindError, "list missing in nowhere: there is nothing of"),
    ],
)
def test_refused_missing_and_unknown_are_told_apart(
    cluster: ClusterClient, ask: Callable[[ClusterClient], Any], kind: type[CouldNotLookError], said: str
) -> None:
    assert cluster.service_account("a", "missing") is None
    assert cluster.object_of(POLICIES, "missing") is None
    with pytest.raises(kind, match=said):
        ask(cluster)


def test_a_silent_server_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irsa_world.live.connection.TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        cluster = client_of(kubeconfig(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        reasons = set()
        for _ in range(20):
            with pytest.raises(CouldNotLookError) as refused:
                cluster.service_account("a", "b")
            reasons.add(str(refused.value))
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()

    assert len(reasons) == 1


@pytest.mark.parametrize(("said", "pause"), [("7", 7), ("86400", 10), ("soon", 1), ("", 1), ("-1", 1)])
def test_a_busy_server_may_say_when(
    cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch, said: str, pause: float
) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110.html#section-10.2.3."""
    pauses: list[float] = []
    answers = iter([httpx2.Response(429, headers={"Retry-After": said}), httpx2.Response(200, json={"metadata": {}})])
    monkeypatch.setattr(httpx2.Client, "request", lambda *_, **__: next(answers))
    monkeypatch.setattr("irsa_world.live.connection.time.sleep", pauses.append)

    assert cluster.service_account("a", "b") == ServiceAccount(cluster.context, "a", "b")
    assert pauses == [pause]
    busy = httpx2.Response(429, json={"message": "too many requests"})
    monkeypatch.setattr(httpx2.Client, "request", lambda *_, **__: busy)
    with pytest.raises(CouldNotLookError, match='get serviceaccounts a/b: "too many requests"'):
        cluster.service_account("a", "b")


@pytest.mark.parametrize(("said", "words"), [("{}", "KeyError"), ("[]", "TypeError"), ("no JSON", "JSONDecodeError")])
def test_a_credential_program_that_gives_no_token_is_one_sentence(tmp_path: Path, said: str, words: str) -> None:
    document, runs = with_program("http://127.0.0.1:9", tmp_path, said)
    cluster = client_of(document)
    for _ in range(3):
        with pytest.raises(CouldNotLookError, match=rf"^cluster test: .* no token \({words}\)") as error:
            cluster.service_account("a", "b")
        assert error.value.cause is Cause.NO_CREDENTIALS

    assert runs.read_text().count("run") == 1


@pytest.mark.parametrize(
    ("reason", "cause"),
    [(ssl.SSLCertVerificationError("self-signed certificate"), Cause.NOT_TRUSTED), (OSError("refused"), Cause.UNKNOWN)],
)
def test_a_certificate_that_is_not_trusted_is_no_broken_network(
    cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch, reason: OSError, cause: Cause
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise httpx2.ConnectError(str(reason)) from reason

    monkeypatch.setattr(httpx2.Client, "request", refuse)
    for _ in range(2):
        with pytest.raises(CouldNotLookError) as error:
            cluster.service_account("a", "b")
        assert error.value.cause is cause


@pytest.mark.parametrize("token", ["SECRET\n", "SECRET\x00"])
def test_a_token_that_cannot_be_sent_is_not_shown(api: Api, token: str) -> None:
    document = kubeconfig(api.url)
    document["users"][0]["user"]["token"] = token
    with pytest.raises(CouldNotLookError) as refused:
        client_of(document).service_account("a", "b")

    assert str(refused.value).startswith("cluster test: ")
    assert "SECRET" not in str(refused.value)


def test_a_server_that_is_no_url_is_one_sentence() -> None:
    with pytest.raises(CouldNotLookError, match="connect: Invalid port: 'abc'"):
        client_of(kubeconfig("https://host:abc"))
