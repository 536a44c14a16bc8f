"""An AWS API that fails as a test says, and passes everything else on."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

Failures = Mapping[str, tuple[int, str, str]]
"""HTTP status, code and message by the action of IAM and STS, or by the path of EKS."""

# STS and IAM answer in XML, EKS in JSON: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
ERROR = "<Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>"
XML = f"<ErrorResponse>{ERROR}<RequestId>1</RequestId></ErrorResponse>"
NOT_FORWARDED = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}


@contextmanager
def failing_aws(failures: Failures, otherwise: str = "") -> Iterator[str]:
    """Yield the address of an AWS API with these failures; other requests go to the address in `otherwise`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
            failure = failures.get(action) or failures.get(self.path)
            if failure and action:
                status, code, message = failure
                self.reply(status, XML.format(code, message).encode(), {"Content-Type": "text/xml"})
            elif failure:
                status, code, message = failure
                headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
                self.reply(status, json.dumps({"message": message}).encode(), headers)
            else:
                self.forward(body)

        do_GET = do_POST = answer  # noqa: N815 (the server's own names)

        def forward(self, body: bytes) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
            request = Request(otherwise + self.path, body or None, headers, method=self.command)
            try:
                with urlopen(request) as response:
                    self.reply(response.status, response.read(), dict(response.headers))
            except HTTPError as error:
                self.reply(error.code, error.read(), dict(error.headers))

        def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in NOT_FORWARDED | {"date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
