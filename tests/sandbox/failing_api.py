"""An API of AWS or Kubernetes that fails as a test says, and passes everything else on."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

Failure = tuple[int, str, str]
"""HTTP status, code and message."""
Failures = Mapping[str, "Failure | Callable[[], Failure | None]"]
"""What fails, always or as a function says: by the action of IAM or STS, or the path of EKS, with a method or not."""


class Question(NamedTuple):
    method: str
    path: str
    action: str
    """Of IAM and STS; empty for others."""


Rewriting = Callable[[Question, bytes], bytes]


class Answer(NamedTuple):
    status: int
    content_type: str
    body: str
    headers: Mapping[str, str] = {}


# STS and IAM answer in XML, EKS in JSON: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
ERROR = "<Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>"
XML = f"<ErrorResponse>{ERROR}<RequestId>1</RequestId></ErrorResponse>"
NOT_FORWARDED = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}


def answer_of_aws(question: Question, failure: Failure) -> Answer:
    status, code, message = failure
    if question.action:
        return Answer(status, "text/xml", XML.format(code, message))
    return Answer(status, "application/json", json.dumps({"message": message}), {"x-amzn-ErrorType": code})


@contextmanager
def failing_aws(
    failures: Failures,
    otherwise: str = "",
    passed_on: Callable[[Question], object] = lambda _: None,
    rewritten: Rewriting = lambda _, body: body,
) -> Iterator[str]:
    """Yield the address of an AWS API with these failures; other requests go to the address in `otherwise`.

    `passed_on` is called with each request that AWS has done, before its answer is given.
    """

    def failure(question: Question) -> Answer | None:
        found = failures.get(question.action) or failures.get(question.path)
        found = found or failures.get(f"{question.method} {question.path}")
        found = found() if callable(found) else found
        return None if found is None else answer_of_aws(question, found)

    with failing_api(failure, otherwise, passed_on, rewritten=rewritten) as address:
        yield address


@contextmanager
def failing_api(
    failure: Callable[[Question], Answer | None],
    otherwise: str,
    passed_on: Callable[[Question], object] = lambda _: None,
    certificate: str | None = None,
    rewritten: Rewriting = lambda _, body: body,
) -> Iterator[str]:
    """Yield the address of an API that answers as `failure` says, or passes a request on where that is None."""
    context = ssl.create_default_context(cafile=certificate)
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
            question = Question(self.command, urlsplit(self.path).path, action)
            answer = failure(question)
            if answer:
                headers = {"Content-Type": answer.content_type, **answer.headers}
                self.reply(answer.status, answer.body.encode(), headers)
            else:
                self.forward(body, question)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 (the server's own names)

        def forward(self, body: bytes, question: Question) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
            request = Request(otherwise + self.path, body or None, headers, method=self.command)
            try:
                with opener.open(request) as response:
                    given = response.status, rewritten(question, response.read()), dict(response.headers)
            except HTTPError as error:
                given = error.code, error.read(), dict(error.headers)
            passed_on(question)
            self.reply(*given)

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

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # The default of 5 refuses some of the connections of 16 threads at once.
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            """A client that was killed takes no answer."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
