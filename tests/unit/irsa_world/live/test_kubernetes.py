"""Asking the Kubernetes API: pages, a busy server, many threads, refusals; and which kubeconfig is read."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube import KubeConfig

from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError
from irsa_world.live.kubeconfig import configuration
from irsa_world.live.kubernetes import ClusterClient, ClusterClients, NoSuchKindError, _pause
from irsa_world.model import ServiceAccount
from tests.world import program

# As kube-apiserver 1.37 answers for a kind that it does not have.
OLD = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
UNKNOWN_KIND = {
    "kind": "Status",
    "message": "the server could not find the requested resource",
    "reason": "NotFound",
    "details": {},
}


NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Api(ThreadingHTTPServer):
    """A Kubernetes API, which counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.asked: list[str] = []
        self.busy = 0
        self.lock = threading.Lock()
        self.meet: threading.Barrier | None = None
        self.beside_the_first = -1


class Requests(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.asked.append(self.path)
            number = len(self.server.asked)
        if self.server.meet and number == 1:
            time.sleep(0.2)
            self.server.beside_the_first = len(self.server.asked) - 1
        elif self.server.meet and number in (2, 3):
            # Both wait for each other, which they can only do when they are asked together.
            self.server.meet.wait(timeout=60)
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with self.server.lock:
            busy = self.server.busy > 0
            self.server.busy -= busy
        if "Running" in query.get("fieldSelector", ""):
            running = {"metadata": {"namespace": "web", "name": "app-0"}}
            ends = {"metadata": {**running["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
            self.answer(200, {"items": [ends, running], "metadata": {"continue": "more"}})
        elif busy:
            self.answer(429, {"message": "too many requests"}, {"Retry-After": "0"})
        elif url.path.endswith("/forbidden"):
            self.answer(403, {"kind": "Status", "message": 'serviceaccounts "forbidden" is forbidden'})
        elif url.path.startswith("/apis/"):
            details = {} if url.path.startswith(OLD) else {"name": "missing", "kind": "validatingadmissionpolicies"}
            self.answer(404, {**UNKNOWN_KIND, "details": details})
        elif url.path.endswith("/missing"):
            self.answer(404, {"kind": "Status", "reason": "NotFound", "message": "not found"})
        elif url.path.startswith("/api/v1/namespaces/elsewhere/"):
            self.answer(404, "404 page not found")
        else:
            self.answer(200, {"metadata": {"annotations": {"path": url.path}}})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(201, {"status": {"token": json.dumps(request["spec"])}})

    def answer(self, code: int, body: Any, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        for key, value in {"Content-Length": str(len(text)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


def kubeconfig(url: str, context: str = "test") -> dict[str, Any]:
    return {
        "current-context": context,
        "clusters": [{"name": f"{context}-cluster", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": context, "context": {"cluster": f"{context}-cluster", "user": "u"}}],
    }


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, server: Any) -> Iterator[Any]:
    """Yield an API that is served until the end."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with serving(monkeypatch, Api()) as server:
        yield server


@pytest.fixture
def cluster(api: Api) -> ClusterClient:
    return ClusterClient(configuration({"kubeconfig": json.dumps(kubeconfig(f"http://127.0.0.1:{api.server_port}"))}))


def test_some_running_pods_are_enough(api: Api, cluster: ClusterClient) -> None:
    for _ in range(2):
        pods = cluster.running_pods("web", "spec.serviceAccountName=app")
        assert [pod["metadata"] for pod in pods] == [{"namespace": "web", "name": "app-0"}]
    cluster.running_pods(None, "metadata.namespace!=web")

    asked = [urlsplit(each) for each in api.asked]
    selectors = [parse_qs(each.query)["fieldSelector"][0] for each in asked]
    assert [each.path for each in asked] == ["/api/v1/namespaces/web/pods", "/api/v1/pods"]
    # https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/#chained-selectors
    assert selectors == [
        "status.phase=Running,spec.serviceAccountName=app",
        "status.phase=Running,metadata.namespace!=web",
    ]


def test_a_token_is_bound_to_a_pod(cluster: ClusterClient) -> None:
    """Protects the proof of EKS Pod Identity, which takes no other token: the Pod's name, and its UID.

    https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
    """
    pod = {"metadata": {"namespace": "web", "name": "app-0", "uid": "u-1", "labels": {}}}
    bound = json.loads(cluster.token("web", "app", "pods.eks.amazonaws.com", pod) or "")
    unbound = json.loads(cluster.token("web", "app", "sts.amazonaws.com") or "")

    assert bound["boundObjectRef"] == {"apiVersion": "v1", "kind": "Pod", "name": "app-0", "uid": "u-1"}
    assert bound["audiences"] == ["pods.eks.amazonaws.com"]
    assert unbound == {"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600}


def test_a_busy_server_is_asked_again(api: Api, cluster: ClusterClient) -> None:
    api.busy = 3
    assert cluster.service_account("a", "b") is not None
    api.busy = 5
    with pytest.raises(CouldNotLookError, match='get serviceaccount a/b: "too many requests"'):
        cluster.service_account("a", "b")


def test_the_first_request_goes_alone_and_the_others_together(api: Api, cluster: ClusterClient) -> None:
    api.meet = threading.Barrier(2)
    with ThreadPoolExecutor(16) as pool:
        names = [f"n{index}" for index in range(64)]
        found = list(pool.map(lambda name: cluster.service_account("a", name), names))

    assert [each and each.annotations["path"] for each in found] == [
        f"/api/v1/namespaces/a/serviceaccounts/{name}" for name in names
    ]
    assert (api.beside_the_first, api.meet.broken) == (0, False)


def test_no_two_threads_use_one_client_at_a_time(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from a crash: TLS handshakes of threads on one client ended the process.

    The next threads use the same clients, and the kubeconfig's credential program runs once for all of them.
    """
    runs = tmp_path / "runs"
    command = program(tmp_path / "program", f"echo run >> {runs}\necho '{json.dumps({'status': {'token': 't'}})}'")
    document = kubeconfig(f"http://127.0.0.1:{api.server_port}")
    document["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command}}
    cluster = ClusterClient(configuration({"kubeconfig": json.dumps(document)}))
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


def test_refused_and_missing_are_told_apart(cluster: ClusterClient) -> None:
    assert cluster.service_account("a", "missing") is None
    with pytest.raises(
        CouldNotLookError, match=r'get serviceaccount a/forbidden: "serviceaccounts \\"forbidden\\" is forb'
    ):
        cluster.service_account("a", "forbidden")


def test_a_kind_that_is_unknown_is_no_missing_object(cluster: ClusterClient) -> None:
    assert cluster.object_of("validatingadmissionpolicies", "missing") is None
    for ask in (cluster.objects_of, cluster.object_of):
        with pytest.raises(NoSuchKindError, match="could not find the requested resource"):
            ask("validatingadmissionpolicybindings", "missing")


def test_a_missing_page_of_something_else_is_no_missing_account(cluster: ClusterClient) -> None:
    with pytest.raises(CouldNotLookError, match="get serviceaccount elsewhere/a: HTTP 404"):
        cluster.service_account("elsewhere", "a")
    with pytest.raises(CouldNotLookError, match="list pods in elsewhere: HTTP 404"):
        cluster.pods("elsewhere", "a")
    with pytest.raises(CouldNotLookError, match="list serviceaccounts in missing: there is nothing of this kind"):
        cluster._items("list serviceaccounts in missing", "/api/missing")


def test_a_silent_server_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irsa_world.live.kubernetes.TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cluster = ClusterClient(configuration({"kubeconfig": json.dumps(kubeconfig(url))}))
        reasons = set()
        for _ in range(200):
            with pytest.raises(CouldNotLookError) as refused:
                cluster.service_account("a", "b")
            reasons.add(str(refused.value))
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()

    assert len(reasons) == 1


@pytest.mark.parametrize("error", [httpx2.ReadTimeout, httpx2.ConnectTimeout, httpx2.ConnectError])
def test_a_cluster_that_falls_silent_is_waited_for_once(
    cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch, error: type[httpx2.TransportError]
) -> None:
    assert cluster.service_account("a", "b") is not None
    asked: list[str] = []
    under_way = threading.Barrier(16)

    def silent(_client: Any, _method: str, path: str, **_: Any) -> Any:
        asked.append(path)
        if len(asked) <= 16:
            under_way.wait(timeout=60)
        raise error("no answer")

    monkeypatch.setattr(httpx2.Client, "request", silent)

    def ask(number: int) -> str:
        with pytest.raises(CouldNotLookError) as raised:
            cluster.service_account("a", f"n{number}")
        return str(raised.value)

    with ThreadPoolExecutor(16) as pool:
        reasons = set(pool.map(ask, range(200)))

    assert reasons == {"cluster test: no answer"}
    # Where there was no connection at all it is tried twice: a kept one may have been closed.
    attempts = 1 if issubclass(error, httpx2.TimeoutException) else 2
    assert len(asked) == attempts * 17


def test_the_issuer_is_asked_for_once_whatever_the_answer(
    cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.service_account("a", "b") is not None
    asked: list[str] = []

    def broken(_client: Any, _method: str, path: str, **_: Any) -> Any:
        asked.append(path)
        time.sleep(0.05)
        return httpx2.Response(500, json={"message": "etcd is gone"})

    monkeypatch.setattr(httpx2.Client, "request", broken)

    def issuer(_number: int) -> str:
        with pytest.raises(CouldNotLookError) as raised:
            _ = cluster.issuer
        return str(raised.value)

    with ThreadPoolExecutor(16) as pool:
        reasons = set(pool.map(issuer, range(64)))

    assert reasons == {'get /.well-known/openid-configuration: "etcd is gone"'}
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("7", 7),
        ("86400", 10),
        (NOW + timedelta(seconds=6), 6),
        (NOW - timedelta(hours=1), 0),
        # Neither form: the pause of an answer that does not say.
        ("soon", 1),
    ],
)
def test_a_busy_server_may_say_when_in_both_forms(
    cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch, said: str | datetime, pause: float
) -> None:
    """Protects who asks through a gateway: a number of seconds, a date, and what is neither, is a pause of 0 to 10 s.

    https://www.rfc-editor.org/rfc/rfc9110.html#section-10.2.3
    """
    pauses: list[float] = []
    after = said if isinstance(said, str) else format_datetime(said, usegmt=True)
    answers = iter([httpx2.Response(429, headers={"Retry-After": after}), httpx2.Response(200, json={"metadata": {}})])
    monkeypatch.setattr(httpx2.Client, "request", lambda *_, **__: next(answers))
    monkeypatch.setattr("irsa_world.live.kubernetes.time.sleep", pauses.append)
    monkeypatch.setattr("irsa_world.live.kubernetes.datetime", SimpleNamespace(now=lambda _: NOW))

    assert cluster.service_account("a", "b") == ServiceAccount(cluster.context, "a", "b")
    assert pauses == [pause]


@pytest.mark.parametrize(("said", "words"), [("{}", "KeyError"), ("[]", "TypeError"), ("no JSON", "JSONDecodeError")])
def test_a_credential_program_that_gives_no_token_is_one_sentence(tmp_path: Path, said: str, words: str) -> None:
    runs = tmp_path / "runs"
    command = program(tmp_path / "program", f"echo run >> {runs}\necho '{said}'")
    document = kubeconfig("http://127.0.0.1:9")
    document["users"] = [
        {"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command}}}
    ]
    cluster = ClusterClient(configuration({"kubeconfig": json.dumps(document)}))
    for _ in range(3):
        with pytest.raises(
            CouldNotLookError, match=rf"cluster test: the kubeconfig's credential program returned no token \({words}\)"
        ) as error:
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


def test_a_slow_answer_costs_no_other_one(api: Api, cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster.service_account("a", "b") is not None
    genuine = httpx2.Client.request

    def slow(client: Any, method: str, path: str, **values: Any) -> Any:
        if "pods" in path:
            raise httpx2.ReadTimeout("timed out")
        return genuine(client, method, path, **values)

    monkeypatch.setattr(httpx2.Client, "request", slow)
    with pytest.raises(CouldNotLookError, match="cluster test: timed out"):
        cluster.pods("a", "b")
    assert cluster.service_account("a", "b") is not None


@pytest.mark.parametrize("token", ["SECRET\n", "SECRET\x00"])
def test_a_token_that_cannot_be_sent_is_not_shown(api: Api, token: str) -> None:
    document = kubeconfig(f"http://127.0.0.1:{api.server_port}")
    document["users"][0]["user"]["token"] = token
    with pytest.raises(CouldNotLookError) as refused:
        ClusterClient(configuration({"kubeconfig": json.dumps(document)})).service_account("a", "b")

    assert str(refused.value).startswith("cluster test: ")
    assert "SECRET" not in str(refused.value)


def test_a_server_that_is_no_url_is_one_sentence() -> None:
    with pytest.raises(CouldNotLookError, match="connect: Invalid port: 'abc'"):
        ClusterClient(configuration({"kubeconfig": json.dumps(kubeconfig("https://host:abc"))}))


def test_files_are_merged_as_kubectl_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects who keeps contexts, clusters and users in files of their own: the first that has something counts.

    https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
    """
    whole, other = kubeconfig("https://one.example.com"), kubeconfig("https://two.example.com", "other")
    contexts = {key: whole[key] for key in ("current-context", "contexts")}
    rest = {key: whole[key] for key in ("clusters", "users")}
    files = [tmp_path / name / "config" for name in ("contexts", "rest", "other")]
    whole["users"][0]["user"] = {"client-certificate": "me.crt", "client-key": "/keys/me.key"}
    contexts |= {"clusters": None, "users": None}
    for file in files:
        file.parent.mkdir()
    for file, content in zip(files, (contexts, rest, other), strict=True):
        file.write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))

    found = configuration({})
    assert (found.context_name, found.cluster.server, found.fname) == ("test", "https://one.example.com", files[1])
    assert found.user is not None
    assert (found.user.client_cert, found.user.client_key) == (str(tmp_path / "rest" / "me.crt"), "/keys/me.key")
    assert configuration({"context": "other"}).cluster.server == "https://two.example.com"


def test_the_provider_of_the_stack_says_which_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(json.dumps(kubeconfig("https://one.example.com", "one")))
    two.write_text(json.dumps(kubeconfig("https://two.example.com", "two")))
    monkeypatch.setenv("KUBECONFIG", f"{one}:{two}")

    assert configuration({}).cluster.server == "https://one.example.com"
    assert configuration({"context": "two"}).cluster.server == "https://two.example.com"
    assert configuration({"kubeconfig": str(two)}).cluster.server == "https://two.example.com"
    both = {**kubeconfig("https://one.example.com"), "clusters": []}
    for name in ("a", "b"):
        both["clusters"].append({"name": name, "cluster": {"server": f"https://{name}.example.com"}})
    assert configuration({"kubeconfig": json.dumps(both), "cluster": "b"}).cluster.server == "https://b.example.com"
    assert configuration({"kubeconfig": two.read_text()}).cluster.server == "https://two.example.com"
    with pytest.raises(CouldNotLookError, match="no context three; it has: one, two"):
        configuration({"context": "three"})
    # pulumi-kubernetes takes an object as well, such as the output `kubeconfig` of pulumi-eks.
    assert (
        configuration({"kubeconfig": kubeconfig("https://two.example.com")}).cluster.server == "https://two.example.com"
    )
    in_state = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
    in_a_stack_file = {"secure": "v1:x"}
    for secret in (in_state, in_a_stack_file, {**both, "users": [{"name": "u", "user": {"token": in_state}}]}):
        with pytest.raises(CouldNotLookError, match="as a secret"):
            ClusterClients({"urn::id": {"kubeconfig": secret}}).of("urn::id")


def test_no_cluster_is_guessed() -> None:
    clusters = {name: {"kubeconfig": json.dumps(kubeconfig(f"https://{name}.example.com", name))} for name in "ab"}

    assert ClusterClients({"a": clusters["a"]}).of("forgotten").context == "a"
    assert ClusterClients(clusters).of("b").context == "b"
    with pytest.raises(CouldNotLookError, match="does not say in which of 2 clusters"):
        ClusterClients(clusters).of("forgotten")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("users:\n- user: {token: SECRET\n  name: u\n", "not YAML, line"),
        ("- a\n- list of SECRET\n", "not a kubeconfig"),
        ("apiVersion: v1\nkind: Config\n", "no current context"),
        ("clusters: [{name: c, cluster: {server: 1}}]\ncontexts: []\n", "not a kubeconfig"),
        ("clusters: []\nusers: [{name: u, user: {token: SECRET}}]\ncontexts: []\n", "no current context"),
        (
            "current-context: c\nclusters: []\ncontexts: [{name: c, context: {cluster: d}}]\n",
            "no cluster d, which context c names",
        ),
        (
            "current-context: c\nclusters: [{name: d, cluster: {}}]\ncontexts: [{name: c, context: {cluster: d}}]\n",
            'no user "", which context c names',
        ),
        *(
            (f"users:\n- name: u\n  user: {{token: !!{tag} SECRET}}\n", words)
            for tag, words in (
                *((tag, "not a kubeconfig (") for tag in ("int", "float", "bool", "timestamp")),
                *((tag, "not YAML, line 3") for tag in ("binary", "set", "python/object:os.SECRET")),
            )
        ),
        ("users: [{name: u, user: {token: x, SECRET: y}}]\n", "no current context"),
        ("users: [SECRET]\n", "not a kubeconfig"),
        ("SECRET", "not a kubeconfig"),
        ("\x00", "not a kubeconfig"),
        ("", "no current context"),
    ],
)
def test_a_broken_kubeconfig_is_named_and_its_secrets_are_not(tmp_path: Path, text: str, words: str) -> None:
    """Refuses to quote a token, behind a tag as in `token: !!int SECRET` too: which file, what is wrong, no more."""
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(CouldNotLookError) as refused:
        configuration({"kubeconfig": str(file)})

    assert str(refused.value).startswith(f"kubeconfig {file}: ")
    assert words in str(refused.value)
    error: BaseException | None = refused.value
    while error is not None:
        # Nor in what a traceback would print.
        assert "secret" not in str(error).lower()
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_one_thread_at_a_time_reads_a_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    together, read = threading.Barrier(2), KubeConfig.from_dict

    def slow(*arguments: Any) -> KubeConfig:
        with pytest.raises(threading.BrokenBarrierError):
            together.wait(timeout=0.2)
        return read(*arguments)

    monkeypatch.setattr(KubeConfig, "from_dict", slow)
    texts = [json.dumps(kubeconfig(f"https://{name}.example.com")) for name in ("one", "two")]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda text: configuration({"kubeconfig": text}), texts))

    assert [each.cluster.server for each in found] == ["https://one.example.com", "https://two.example.com"]


PARTS = st.sampled_from(
    [
        *("Wed,", "25", "Nov", "2026", "10:00:00", "GMT", "-0000", "+9959", ":", "-", ",", "(", "99999", "٣", "²"),
        *("-1", "1e9"),
    ]
)
HEADERS = st.one_of(
    st.text(max_size=30),
    st.lists(PARTS, max_size=8).map(" ".join),
    st.integers().map(str),
    st.datetimes().map(format_datetime),
)


@given(HEADERS)
def test_every_header_is_a_pause(said: str) -> None:
    assert 0 <= _pause(said) <= 10


@given(st.integers(min_value=0))
def test_a_number_of_seconds_is_kept_up_to_ten(seconds: int) -> None:
    assert _pause(str(seconds)) == min(seconds, 10)
