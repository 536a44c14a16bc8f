"""What an editor shows for Pulumi.dev.yaml, asked of the language server that most editors use."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.toolchains import with_node

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SERVER = HERE / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
# The first test installs the server.
pytestmark = pytest.mark.timeout(300)
DOCUMENT = (ROOT / "Pulumi.dev.yaml").as_uri()


class Server:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process, self._numbers = process, itertools.count(1)
        self.diagnostics: list[dict[str, Any]] = []

    def notify(self, method: str, params: Any, **more: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def ask(self, method: str, params: Any) -> Any:
        number = next(self._numbers)
        self.notify(method, params, id=number)
        return self.wait(lambda message: message.get("id") == number and "method" not in message)["result"]

    def wait(self, wanted: Any) -> dict[str, Any]:
        while True:
            message = self._read()
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics = message["params"]["diagnostics"]
            elif "id" in message and "method" in message:
                # The server asks for the editor's settings: it has none.
                items = message["params"].get("items", []) if isinstance(message.get("params"), dict) else []
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": [None for _ in items] or None}
                body = json.dumps(answer).encode()
                assert self._process.stdin
                self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                self._process.stdin.flush()
            if wanted(message):
                return message

    def open(self, text: str) -> list[dict[str, Any]]:
        """Open the document with this text, as if it had been typed, and give what the editor marks."""
        item = {"uri": DOCUMENT, "languageId": "yaml", "version": next(self._numbers), "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        self.wait(lambda message: message.get("method") == "textDocument/publishDiagnostics")
        return self.diagnostics

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        length = 0
        while (line := self._process.stdout.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Install the language server, and return the variables with which Node.js is found."""
    found = with_node(os.environ)
    command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=HERE, env=found, stdin=subprocess.DEVNULL, check=True)
    return found


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Server]:
    command = ["node", str(SERVER), "--stdio"]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        started = Server(process)
        capabilities = {"textDocument": {"completion": {"completionItem": {"snippetSupport": True}}}}
        root = {"rootUri": ROOT.as_uri(), "workspaceFolders": None}
        started.ask("initialize", {"processId": os.getpid(), "capabilities": capabilities, **root})
        started.notify("initialized", {})
        settings = {"yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}}
        started.notify("workspace/didChangeConfiguration", {"settings": settings})
        yield started
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def test_a_good_file_has_no_marks(server: Server) -> None:
    assert server.open((ROOT / "Pulumi.dev.yaml").read_text()) == []


def test_a_mistake_is_marked_where_it_is(server: Server) -> None:
    text = (ROOT / "Pulumi.dev.yaml").read_text().replace("role: {name: my-role,", "roel: {name: my-role,", 1)
    text = text.replace("role: {name: team-a-role}", f"role: {{name: {'x' * 65}}}")
    marks = {mark["range"]["start"]["line"]: mark["message"] for mark in server.open(text)}
    lines = text.splitlines()

    assert sorted(lines[line].split(":")[0].strip() for line in marks) == ["roel", "role"]
    assert any("roel" in message for message in marks.values())
    assert any("64" in message for message in marks.values())


def test_keys_are_completed_with_their_descriptions(server: Server) -> None:
    modeline = "# yaml-language-server: $schema=config/schema.json"
    server.open(f"{modeline}\nconfig:\n  irsa:bindings:\n    my-app:\n      role:\n        \n")
    position = {"textDocument": {"uri": DOCUMENT}, "position": {"line": 5, "character": 8}}
    offered = {item["label"]: item for item in server.ask("textDocument/completion", position)["items"]}

    assert {"arn", "name", "namePrefix", "path", "permissionsBoundary", "maxSessionDuration"} <= set(offered)
    assert "that is the role's permissions boundary" in json.dumps(offered["permissionsBoundary"])
