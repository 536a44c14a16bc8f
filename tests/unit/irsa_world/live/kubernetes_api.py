"""A Kubernetes API without a cluster, which answers as a test says, and the kubeconfig of who asks it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from irsa_world.live.kubernetes import ClusterClient
from tests.world import program

Answer = tuple[int, Any]


class Api(ThreadingHTTPServer):
    """A Kubernetes API that answers to a path and its query, with bytes or JSON; `asked` has the paths."""

    def __init__(self, answer: Callable[[str, Mapping[str, str]], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.answer, self.asked, self.url = answer, list[str](), f"http://127.0.0.1:{self.server_port}"

    @property
    def cluster(self) -> ClusterClient:
        return client_of(kubeconfig(self.url))


class Requests(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.asked.append(self.path.partition("?")[0])
        code, body = self.server.answer(url.path, dict(parse_qsl(url.query)))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str, Mapping[str, str]], Answer]) -> Iterator[Api]:
    """Yield an API that is served until the end."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Api(answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def object_at(path: str) -> dict[str, Any]:
    """Return an object of a namespace, as the API has it at a path."""
    *_, namespace, _, name = path.split("/")
    return {"metadata": {"namespace": namespace, "name": name}}


def kubeconfig(url: str, context: str = "test") -> dict[str, Any]:
    return {
        "current-context": context,
        "clusters": [{"name": f"{context}-cluster", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": context, "context": {"cluster": f"{context}-cluster", "user": "u"}}],
    }


def client_of(document: dict[str, Any]) -> ClusterClient:
    return ClusterClient({"kubeconfig": json.dumps(document)})


def with_program(url: str, folder: Path, answer: str) -> tuple[dict[str, Any], Path]:
    """Return a kubeconfig whose user has a credential program, and the file with a line for each of its runs."""
    runs = folder / "runs"
    command = program(folder / "program", f"echo run >> {runs}\necho '{answer}'")
    document = kubeconfig(url)
    document["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command}}
    return document, runs
