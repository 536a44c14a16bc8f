"""The documents of an issuer outside EKS, over https: a proxy leads to them, so that its URL needs no port."""

import datetime
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "issuer.example.com"
ISSUER = f"https://{HOST}/own"
DISCOVERY, KEYS = f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/openid/v1/jwks"


class Page(NamedTuple):
    """What is answered; each byte after a pause."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    pause: float = 0.0


class Site(NamedTuple):
    """What is published, by URL, and the variables with which it is found and trusted."""

    pages: dict[str, Page]
    variables: dict[str, str]
    asked: list[str]

    def publish(self, url: str, document: Any) -> None:
        text = document if isinstance(document, str) else json.dumps(document)
        self.pages[url] = Page(text.encode())


def certificate(folder: Path, host: str = HOST) -> Path:
    """Write a certificate with its key, which is trusted by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now, own = datetime.datetime.now(datetime.UTC), x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    until = now + datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(own, critical=False)
        .sign(key, hashes.SHA256())
    )
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / f"{host}.pem"
    file.write_bytes(key.private_bytes(*kinds) + made.public_bytes(kinds[0]))
    return file


@contextmanager
def issuer_site(folder: Path) -> Iterator[Site]:
    pages, asked, file = dict[str, Page](), list[str](), certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            self.handle_one_request()

        def do_GET(self) -> None:
            # The sandbox's STS asks without a proxy.
            host = self.headers["Host"]
            url = f"https://{HOST if host.startswith('127.') else host}{self.path}"
            asked.append(url)
            page = pages.get(url, Page(b"", 404))
            self.send_response(page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.end_headers()
            size = 1 if page.pause else len(page.body) or 1
            for start in range(0, len(page.body), size):
                time.sleep(page.pause)
                self.wfile.write(page.body[start : start + size])

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Whoever does not trust it, or does not wait, takes no answer."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Site(pages, {"HTTPS_PROXY": f"http://127.0.0.1:{server.server_port}", "SSL_CERT_FILE": str(file)}, asked)
    finally:
        server.shutdown()
        server.server_close()
