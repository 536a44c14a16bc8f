"""Asking the Kubernetes API: pages, a busy server, many threads, refusals; and which kubeconfig is read."""

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
from lightkube import KubeConfig

from irsa_world.causes import Cause
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.kubeconfig import configuration
from irsa_world.live.kubernetes import ClusterClient, ClusterClients, NoSuchKindError
from irsa_world.model import ServiceAccount
from tests.unit.irsa_world.live.kubernetes_api import Answer, Api, kubeconfig, serving
from tests.world import program

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
    """Protects from a crash: TLS handshakes of threads on one client ended the process.

    The next threads use the same clients, and the kubeconfig's credential program runs once for all of them.
    """
    runs = tmp_path / "runs"
    command = program(tmp_path / "program", f"echo run >> {runs}\necho '{json.dumps({'status': {'token': 't'}})}'")
    document = kubeconfig(api.url)
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


BINDINGS, POLICIES = "validatingadmissionpolicybindings", "validatingadmissionpolicies"


@pytest.mark.parametrize(
    ("ask", "kind", "said"),
    [
        (lambda it: it.service_account("a", "missing"), None, ""),
        (lambda it: it.object_of(POLICIES, "missing"), None, ""),
        (
            lambda it: it.service_account("a", "forbidden"),
            NoPermissionError,
            r'"serviceaccounts \\"forbidden\\" is forb',
        ),
        # A kind that is unknown is no missing object, and the page of something else says nothing.
        (lambda it: it.objects_of(BINDINGS, "x"), NoSuchKindError, "could not find the requested resource"),
        (lambda it: it.object_of(BINDINGS, "missing"), NoSuchKindError, "could not find the requested resource"),
        (
            lambda it: it.service_account("elsewhere", "a"),
            CouldNotLookError,
            "get serviceaccounts elsewhere/a: HTTP 404",
        ),
        (lambda it: it.pods("elsewhere", "a"), CouldNotLookError, "list pods in elsewhere: HTTP 404"),
        (lambda it: it._items("missing", "nowhere"), NoSuchKindError, "list missing in nowhere: there is nothing of"),
    ],
)
def test_refused_missing_and_unknown_are_told_apart(
    cluster: ClusterClient, ask: Callable[[ClusterClient], Any], kind: type[CouldNotLookError] | None, said: str
) -> None:
    if kind is None:
        assert ask(cluster) is None
        return
    with pytest.raises(kind, match=said):
        ask(cluster)


def test_a_silent_server_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irsa_world.live.connection.TIMEOUT", 0.2)
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


@pytest.mark.parametrize(("said", "pause"), [("7", 7), ("86400", 10), ("soon", 1), ("", 1), ("-1", 1)])
def test_a_busy_server_may_say_when(
    cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch, said: str, pause: float
) -> None:
    """Protects who asks through a gateway: https://www.rfc-editor.org/rfc/rfc9110.html#section-10.2.3."""
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


@pytest.mark.parametrize("token", ["SECRET\n", "SECRET\x00"])
def test_a_token_that_cannot_be_sent_is_not_shown(api: Api, token: str) -> None:
    document = kubeconfig(api.url)
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
        ("current-context: 5\n", "has no context 5"),
        ("current-context: [a]\n", "has no context "),
    ],
)
def test_a_broken_kubeconfig_is_named_and_its_secrets_are_not(tmp_path: Path, text: str, words: str) -> None:
    """Refuses to quote a token, behind a tag as in `token: !!int SECRET` too: which file, what is wrong, no more."""
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(CouldNotLookError) as refused:
        configuration({"kubeconfig": str(file)})

    assert str(refused.value).startswith(f"kubeconfig {file}")
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
