"""A network that is slow, resets connections, cuts answers or is gone: https://github.com/Shopify/toxiproxy."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from sandbox.servers import HOST, free_port
from sandbox.step_progress import StepProgress
from sandbox.toolchains import find_go

MODULE = Path(__file__).parent / "go"
# What answers on the loopback interface is never behind a proxy of the user's.
OPENER = build_opener(ProxyHandler({}))
STARTS_WITHIN = 60.0


@dataclass(frozen=True)
class Link:
    """A way to one server.

    Attributes:
        api: The address of toxiproxy's own API for this link.
        address: Where to connect instead of to the server.
    """

    api: str
    address: str

    def add(self, kind: str, toxicity: float = 1.0, **attributes: int) -> None:
        """Add a fault, a "toxic" of toxiproxy, to the answers of so many connections (1.0: all)."""
        toxic = {"type": kind, "stream": "downstream", "toxicity": toxicity, "attributes": attributes}
        _ask("POST", f"{self.api}/toxics", toxic)

    def cut(self) -> None:
        """Take the server away: connections end, new ones are refused."""
        _ask("POST", self.api, {"enabled": False})

    def restore(self) -> None:
        """Bring the server back, and remove all faults."""
        for toxic in _ask("GET", f"{self.api}/toxics"):
            _ask("DELETE", f"{self.api}/toxics/{toxic['name']}")
        _ask("POST", self.api, {"enabled": True})


def _ask(method: str, url: str, body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    with OPENER.open(Request(url, content, {"Content-Type": "application/json"}, method=method), timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


class Network:
    """A running toxiproxy."""

    def __init__(self, api: str) -> None:
        self.api, self._links = api, 0

    def link(self, server: str) -> Link:
        """Return a new way to the server of a URL, without faults yet."""
        url, self._links = urlsplit(server), self._links + 1
        proxy = {"name": f"link-{self._links}", "listen": f"{HOST}:0", "upstream": url.netloc, "enabled": True}
        listening = _ask("POST", f"{self.api}/proxies", proxy)["listen"]
        return Link(f"{self.api}/proxies/{proxy['name']}", f"{url.scheme}://{listening}")


@contextmanager
def running_network(folder: Path) -> Iterator[Network]:
    """Build toxiproxy, or take it from Go's cache, and run it."""
    program = folder / "toxiproxy"
    go = find_go(MODULE, os.environ, StepProgress())
    command = [go, "build", "-o", str(program), "github.com/Shopify/toxiproxy/v2/cmd/server"]
    built = subprocess.run(command, cwd=MODULE, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    port = free_port()
    log = (folder / "toxiproxy.log").open("wb")
    with log, subprocess.Popen([program, "-host", HOST, "-port", str(port)], stdout=log, stderr=log) as process:
        try:
            api, until = f"http://{HOST}:{port}", time.monotonic() + STARTS_WITHIN
            while True:
                try:
                    _ask("GET", f"{api}/proxies")
                    break
                except (URLError, ConnectionError):
                    assert process.poll() is None, (folder / "toxiproxy.log").read_text()
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield Network(api)
        finally:
            process.terminate()
