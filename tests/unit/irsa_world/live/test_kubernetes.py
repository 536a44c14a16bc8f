"""Asking the Kubernetes API: pages, a busy server, many threads, refusals."""

import json
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
from irsa_world.live.kubernetes import ClusterClient, ClusterClients, NoSuchKindError
from irsa_world.model import ServiceAccount
from irsa_world.state.declared import DeclaredServiceAccount
from tests.unit.irsa_world.live.kubernetes_api import (
    Answer,
    Api,
    client_of,
    kubeconfig,
    object_at,
    serving,
    with_program,
)

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
    return 200, {"metadata": {**object_at(path)["metadata"], "annotations": {"path": path}}}


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


@pytest.mark.parametrize("body", [{}, [], "signed out"])
def test_json_of_another_server_is_no_answer(monkeypatch: pytest.MonkeyPatch, body: Any) -> None:
    with (
        serving(monkeypatch, lambda *_: (200, body)) as api,
        pytest.raises(CouldNotLookError, match=r"publishes no issuer|is not of Kubernetes"),
    ):
        api.cluster.issuer  # noqa: B018 (a property)


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
    answers = iter(
        [
            httpx2.Response(429, headers={"Retry-After": said}),
            httpx2.Response(200, json=object_at("a/serviceaccounts/b")),
        ]
    )
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


# Service accounts in bulk: when a list is asked for, when it ends, and that nothing is lost without it


EVERYWHERE = "/api/v1/serviceaccounts"


class Namespaces:
    """Two service accounts in each of 600 namespaces; lists may be denied."""

    api: Api

    def __init__(self) -> None:
        self.places = [(f"n{number:04}", name) for number in range(600) for name in ("app", "default")]
        self.lists_denied: set[str] = set()

    @property
    def lists(self) -> list[str]:
        return [path for path in self.api.asked if path.endswith("/serviceaccounts")]

    @property
    def single(self) -> list[str]:
        return [path for path in self.api.asked if not path.endswith("/serviceaccounts")]

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        words = path.split("/")
        if not path.endswith("/serviceaccounts"):
            place = words[4], words[6]
            return (200, item(place)) if place in self.places else (404, {"reason": "NotFound", "message": "no"})
        if path in self.lists_denied:
            return 403, {"message": "forbidden"}
        places = [place for place in self.places if path == EVERYWHERE or place[0] == words[4]]
        start, limit = int(query.get("continue", 0)), int(query["limit"])
        metadata = {"continue": str(start + limit)} if len(places) > start + limit else {}
        return 200, {
            "kind": "ServiceAccountList",
            "items": [item(place) for place in places[start : start + limit]],
            "metadata": metadata,
        }


def item(place: tuple[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": place[0], "name": place[1]}
    if place[1] == "app":
        metadata["annotations"] = {"of": "/".join(place)}
    return {"metadata": metadata}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespaces]:
    monkeypatch.setattr("irsa_world.live.kubernetes.MANY", 2)
    found = Namespaces()
    with serving(monkeypatch, found.answer) as found.api:
        yield found


def found(cluster: ClusterClient, *places: tuple[str, str]) -> list[Mapping[str, str] | None]:
    """Return the annotations of service accounts."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: cluster.service_account(*place), places))
    return [each.annotations if each else None for each in found]


def test_a_list_answers_what_the_questions_would(there: Namespaces) -> None:
    wanted = [*there.places[::7], ("n0001", "missing")]
    listing, asking = there.api.cluster, there.api.cluster
    listing.service_accounts(None)
    asked_for_lists = len(there.api.asked)
    of_lists = found(listing, *wanted)

    # 1,200 service accounts, 500 on a page, and the missing one, which no list says is missing.
    assert (asked_for_lists, len(there.api.asked)) == (3, 4)
    assert of_lists == found(asking, *wanted)
    assert of_lists[0] == {"of": "n0000/app"}
    assert of_lists[-1] is None


def test_who_may_not_list_asks_for_each(there: Namespaces) -> None:
    there.lists_denied = {EVERYWHERE}
    cluster = there.api.cluster
    with pytest.raises(NoPermissionError):
        cluster.service_accounts(None)

    assert None not in found(cluster, *there.places[:20])
    assert len(there.single) == 20
    assert there.lists == [EVERYWHERE]


def test_every_list_is_asked_for_once(there: Namespaces) -> None:
    cluster = there.api.cluster
    cluster.service_accounts(None)
    with ThreadPoolExecutor(8) as pool:
        everything = list(pool.map(cluster.service_accounts, [None] * 8))
        in_one = list(pool.map(cluster.service_accounts, ["n0001", "n0002"] * 4))
    assert found(cluster, *there.places[:20]) == [item(p)["metadata"].get("annotations", {}) for p in there.places[:20]]

    assert there.api.asked == [EVERYWHERE] * 3
    assert [len(each) for each in everything] == [1200] * 8
    of_two = [["n0001:app", "n0001:default"], ["n0002:app", "n0002:default"]]
    assert [[each.subject for each in those] for those in in_one[:2]] == of_two


def test_each_cluster_is_read_by_itself(there: Namespaces) -> None:
    one, two = (json.dumps(each) for each in (kubeconfig(there.api.url), kubeconfig("http://127.0.0.1:9", "broken")))
    providers: dict[str, Any] = {
        "one": {"kubeconfig": one},
        "two": {"kubeconfig": two},
        "three": {"kubeconfig": {"ciphertext": "v1:x"}},
    }
    clusters = ClusterClients(providers)
    wanted = [
        DeclaredServiceAccount(reference, namespace, "app", created=True)
        for reference in ("one", "two", "three", "forgotten")
        for namespace in ("n0001", "n0002", "n0003")
    ]
    # A few are asked for by themselves.
    clusters.read_service_accounts(wanted[:2])
    assert there.api.asked == []
    clusters.read_service_accounts(wanted)

    assert found(clusters.of("one"), ("n0002", "app")) == [{"of": "n0002/app"}]
    assert there.api.asked == [EVERYWHERE] * 3
    with pytest.raises(CouldNotLookError, match="cluster broken"):
        clusters.of("two").service_account("n0002", "app")
