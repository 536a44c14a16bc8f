"""What a kubeconfig says is followed as kubectl follows it, or refused by its key.

Sources: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ and
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from lightkube import KubeConfig

from irsa_world.exits import CouldNotLookError
from irsa_world.live.kubeconfig import configuration
from irsa_world.live.kubernetes import ClusterClient, ClusterClients
from tests.unit.irsa_world.live.kubernetes_api import Api, kubeconfig, object_at, serving
from tests.world import program

VERSIONS = [f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1")]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with serving(monkeypatch, lambda path, _: (200, object_at(path))) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the kubeconfig, which is not the one in which irsa runs."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "of-kubeconfig").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "of-kubeconfig"


def connected(folder: Path, url: str, user: Any = None, cluster: Any = None) -> ClusterClient:
    """Return the cluster of a kubeconfig in this folder."""
    document = kubeconfig(url)
    document["clusters"][0]["cluster"] |= cluster or {}
    document["users"][0]["user"] = user or {"token": "t"}
    (folder / "kubeconfig").write_text(json.dumps(document))
    return ClusterClient({"kubeconfig": str(folder / "kubeconfig")})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx2.Request]:
    """Return what is sent, as a list that grows."""
    requests: list[httpx2.Request] = []
    genuine = httpx2.Client.send

    def send(client: httpx2.Client, request: httpx2.Request, **values: Any) -> httpx2.Response:
        requests.append(request)
        return genuine(client, request, **values)

    monkeypatch.setattr(httpx2.Client, "send", send)
    return requests


@pytest.mark.parametrize("version", VERSIONS)
def test_a_credential_program_of_each_version_is_run(
    api: Api, folder: Path, sent: list[httpx2.Request], version: str
) -> None:
    answer, asked = json.dumps({"status": {"token": "T"}}), folder / "asked"
    program(folder / "program", f"echo \"$KUBERNETES_EXEC_INFO $MORE\" > {asked}\necho '{answer}'")
    run: dict[str, Any] = {"apiVersion": version, "command": "./program", "env": [{"name": "MORE", "value": "more"}]}
    run |= {"interactiveMode": "IfAvailable", "provideClusterInfo": False, "installHint": "x"}
    cluster = connected(folder, api.url, {"exec": run})

    assert cluster.service_account("a", "b") is not None
    assert sent[-1].headers["Authorization"] == "Bearer T"
    told, _, more = asked.read_text().strip().rpartition(" ")
    assert json.loads(told) == {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    assert more == "more"


def test_a_program_without_a_slash_is_looked_for_in_the_path(folder: Path) -> None:
    connected(folder, "http://127.0.0.1:9", {"exec": {"apiVersion": VERSIONS[0], "command": "aws"}})

    user = configuration({"kubeconfig": str(folder / "kubeconfig")}).user
    assert user
    assert user.exec
    assert user.exec.command == "aws"


def test_a_proxy_is_asked(api: Api, folder: Path) -> None:
    proxy = api.url
    cluster = connected(folder, "http://api.example.invalid", cluster={"proxy-url": proxy})

    assert cluster.service_account("a", "b") is not None
    assert api.asked == ["http://api.example.invalid/api/v1/namespaces/a/serviceaccounts/b"]


@pytest.mark.parametrize(
    ("user", "key"),
    [
        ({"as": "SECRET", "token": "SECRET"}, "as"),
        ({"as-uid": "SECRET"}, "as-uid"),
        ({"as-groups": ["SECRET"]}, "as-groups"),
        ({"as-user-extra": {"reason": ["SECRET"]}}, "as-user-extra"),
        ({"auth-provider": {"name": "SECRET"}}, "auth-provider"),
        (
            {"exec": {"apiVersion": VERSIONS[0], "command": "aws", "provideClusterInfo": True}},
            "exec.provideClusterInfo",
        ),
    ],
)
def test_what_irsa_does_not_follow_is_refused_by_its_key(folder: Path, user: dict[str, Any], key: str) -> None:
    with pytest.raises(CouldNotLookError) as refused:
        connected(folder, "https://api.example.com", user)

    file = folder / "kubeconfig"
    assert str(refused.value) == f"kubeconfig {file}: user u has {key}, which irsa does not follow"


@pytest.mark.parametrize("proxy", ["socks5://u:SECRET@proxy.example.com", "SECRET"])
def test_another_kind_of_proxy_is_refused_by_its_key(folder: Path, proxy: str) -> None:
    with pytest.raises(CouldNotLookError, match="cluster test-cluster has a proxy-url that begins with") as refused:
        connected(folder, "https://api.example.com", cluster={"proxy-url": proxy})

    assert "SECRET" not in str(refused.value)


def test_the_keys_of_others_are_left(folder: Path) -> None:
    extensions = [{"name": "cluster_info", "extension": {"provider": "minikube.sigs.k8s.io"}}]
    more = {"extensions": extensions, "disable-compression": True, "x": 1}

    assert connected(folder, "https://api.example.com", {"token": "t", **more}, more).context == "test"


def test_files_are_merged_as_kubectl_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files."""
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
    of_two = kubeconfig("https://two.example.com", "two")
    one.write_text(json.dumps(kubeconfig("https://one.example.com", "one")))
    two.write_text(json.dumps(of_two))
    monkeypatch.setenv("KUBECONFIG", f"{one}:{two}")
    other: dict[str, Any] = {"name": "b", "cluster": {"server": "https://b.example.com"}}
    both = {**of_two, "clusters": [*of_two["clusters"], other]}

    assert configuration({}).cluster.server == "https://one.example.com"
    # pulumi-kubernetes takes an object as well, such as the output `kubeconfig` of pulumi-eks.
    for same in (str(two), two.read_text(), of_two):
        assert configuration({"kubeconfig": same}).cluster.server == "https://two.example.com"
    assert configuration({"context": "two"}).cluster.server == "https://two.example.com"
    assert configuration({"kubeconfig": json.dumps(both), "cluster": "b"}).cluster.server == "https://b.example.com"

    def options(inputs: dict[str, Any]) -> tuple[str, ...]:
        return tuple(ClusterClient(inputs).place)

    assert (options({}), options({"context": "two"})) == (("one", ""), ("two", ""))
    assert options({"kubeconfig": str(two)}) == ("two", str(two))
    # No file has it: kubectl refuses the context that the reader replaces.
    for content in ({"kubeconfig": of_two}, {"cluster": of_two["clusters"][0]["name"], "context": "two"}):
        assert options(content) == ("CONTEXT", "")
    monkeypatch.setenv("KUBECONFIG", str(two))
    assert options({"kubeconfig": str(two)}) == ("two", "")
    monkeypatch.setenv("KUBECONFIG", f"{one}:{two}")
    with pytest.raises(CouldNotLookError, match="no context three; it has: one, two"):
        configuration({"context": "three"})
    in_state = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
    for secret in (in_state, {"secure": "v1:x"}, {**both, "users": [{"name": "u", "user": {"token": in_state}}]}):
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
                *((tag, "not a kubeconfig (") for tag in ("int", "timestamp")),
                *((tag, "not YAML, line 3") for tag in ("binary", "set", "python/object:os.SECRET")),
            )
        ),
        ("SECRET", "not a kubeconfig"),
        ("", "no current context"),
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
