"""What a kubeconfig says is followed as kubectl follows it, or refused by its key.

Sources: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ and
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from irsa_world.exits import CouldNotLookError
from irsa_world.live.kubeconfig import configuration
from irsa_world.live.kubernetes import ClusterClient
from tests.unit.irsa_world.live.kubernetes_api import Api, kubeconfig, serving
from tests.world import program

VERSIONS = [f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1")]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with serving(monkeypatch, lambda *_: (200, {"metadata": {}})) as server:
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
    return ClusterClient(configuration({"kubeconfig": str(folder / "kubeconfig")}))


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
    config = {"kubeconfig": str(folder / "kubeconfig")}
    connected(folder, "http://127.0.0.1:9", {"exec": {"apiVersion": VERSIONS[0], "command": "aws"}})

    user = configuration(config).user
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
