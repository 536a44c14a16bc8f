"""How long `irsa verify` takes for many bindings: python -m bench.verify [number].

Each binding has a role, a policy and a service account. IAM is moto's server with pages of 100, a round trip and, if
that is set, a rate above which it answers Throttling; the Kubernetes API is a server of service accounts alone. Each is
a process. One by one: the lists are denied, as for a caller without the rights of
docs/permissions/iam-verify-in-bulk.json and without `list` in Kubernetes.
"""

import argparse
import io
import json
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from bench.harness import in_turn, report, say, written
from bench.results import Figure
from irsa.rules.trust import trust_document
from irsa_cli.report.checks import Report
from irsa_cli.report.text import summary
from irsa_cli.state.declared import DeclaredBinding, DeclaredRole, DeclaredServiceAccount, DeclaredStack
from irsa_cli.verify import CHECKS, look, rows_of
from sandbox.environment import UNSET
from sandbox.faster_moto import make_moto_faster
from sandbox.missing_in_moto import page_as_iam

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
AWS_ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:iam::{AWS_ACCOUNT}:oidc-provider/{ISSUER}"
DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)
ROUND_TRIP_SECONDS = 0.02
# A guess on the safe side for a page of 100 roles with their documents: AWS says nothing of it.
SLOW_DETAILS_SECONDS = 0.3
DETAILS = "GetAccountAuthorizationDetails"
RUNS = 3
READY_SECONDS = 120
TITLE = "irsa verify"
DESCRIPTION = """\
An AWS account with as many roles and customer policies as the stack has bindings, all as declared; every request
takes 20 ms, besides the time that moto takes to answer it; in the last case, for which there is no goal, a page of
GetAccountAuthorizationDetails takes 300 ms. In bulk, roles, policies and service accounts are listed. One by one, the
lists are denied, and each is asked for, as all were before there was another way. Calls that are throttled are tried
again, and are not counted."""
NUMBER = 1000
FASTER_GOAL, CALLS_GOAL = 5, 60
ERROR = "<ErrorResponse><Error><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"
THROTTLED = "400 Bad Request", ERROR.format("Throttling", "Rate exceeded").encode()
DENIED = "403 Forbidden", ERROR.format("AccessDenied", "You may not").encode()
FIRST_IN_BULK = "GetAccountSummary"
IN_BULK, ONE_BY_ONE = "in bulk", "one by one"
ACTION = re.compile(rb"Action=(\w+)")
COUNTS = "/counts"


def binding(index: int) -> DeclaredBinding:
    arn = f"arn:aws:iam::{AWS_ACCOUNT}:role/app-{index}"
    trust = trust_document([PROVIDER], [f"default:app-{index}"])
    policy = f"arn:aws:iam::{AWS_ACCOUNT}:policy/app-{index}"
    service_account = DeclaredServiceAccount("default", f"app-{index}", {"eks.amazonaws.com/role-arn": arn}, True, "")
    return DeclaredBinding(
        f"app-{index}",
        arn,
        DeclaredRole(f"app-{index}", trust),
        (policy,),
        {policy: DOCUMENT},
        service_accounts=(service_account,),
    )


def service_account_object(name: str) -> dict[str, Any]:
    annotations = {"eks.amazonaws.com/role-arn": f"arn:aws:iam::{AWS_ACCOUNT}:role/{name}"}
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


class Kubernetes(BaseHTTPRequestHandler):
    """Answers for the service accounts of the benchmark."""

    protocol_version = "HTTP/1.1"
    number, may_list, requests = 0, True, 0

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == COUNTS:
            return self.answer(200, {"requests": Kubernetes.requests})
        time.sleep(ROUND_TRIP_SECONDS)
        Kubernetes.requests += 1
        name = url.path.rsplit("/", 1)[-1]
        if name == "openid-configuration":
            return self.answer(200, {"issuer": f"https://{ISSUER}"})
        if name != "serviceaccounts":
            return self.answer(200, service_account_object(name))
        if not self.may_list:
            return self.answer(403, {"message": "forbidden"})
        query = parse_qs(url.query)
        start, limit = int(query.get("continue", ["0"])[0]), int(query["limit"][0])
        items = [service_account_object(f"app-{n}") for n in range(start, min(start + limit, self.number))]
        left = max(0, self.number - start - limit)
        metadata = {"continue": str(start + limit), "remainingItemCount": left} if left else {}
        return self.answer(200, {"items": items, "metadata": metadata})

    def answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def serve_kubernetes(pipe: Connection, number: int, may_list: bool) -> None:
    Kubernetes.number, Kubernetes.may_list = number, may_list
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kubernetes)
    pipe.send(server.server_port)
    server.serve_forever()


class Rate:
    """A limit of requests per second that fills up steadily, as those of AWS's APIs."""

    def __init__(self, per_second: float) -> None:
        self.per_second, self.left, self.at, self.lock = per_second, per_second, time.monotonic(), threading.Lock()

    def exceeded(self) -> bool:
        with self.lock:
            now = time.monotonic()
            self.left = min(self.per_second, self.left + (now - self.at) * self.per_second)
            self.at = now
            if self.left < 1:
                return True
            self.left -= 1
            return False


class WithoutLog(WSGIRequestHandler):
    """Handles requests and logs none."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        pass


def serve_iam(pipe: Connection, number: int, per_second: float, details_seconds: float, may_list: bool) -> None:
    make_moto_faster()
    page_as_iam()
    moto: Any = DomainDispatcherApplication(create_backend_app)
    rate, ready, calls = Rate(per_second), threading.Event(), Counter[str]()

    def answer(environ: Any, start_response: Callable[..., Any]) -> Any:
        def plain(status: str, body: bytes) -> list[bytes]:
            start_response(status, [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
            return [body]

        if environ["PATH_INFO"] == COUNTS:
            return plain("200 OK", json.dumps(calls).encode())
        if ready.is_set():
            content = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(content)
            found = ACTION.search(content)
            action = found[1].decode() if found else ""
            time.sleep(details_seconds if action == DETAILS else ROUND_TRIP_SECONDS)
            if per_second and rate.exceeded():
                calls["Throttling"] += 1
                return plain(*THROTTLED)
            calls[action] += 1
            if action == FIRST_IN_BULK and not may_list:
                return plain(*DENIED)
        return moto(environ, start_response)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=WithoutLog)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    iam: Any = boto3.client("iam", endpoint_url=f"http://127.0.0.1:{server.port}", config=Config(proxies={}))
    iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"])
    for index in range(number):
        role = binding(index).role
        assert role
        iam.create_role(RoleName=role.name, AssumeRolePolicyDocument=role.trust)
        arn = iam.create_policy(PolicyName=role.name, PolicyDocument=DOCUMENT)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=role.name, PolicyArn=arn)
    ready.set()
    pipe.send(server.port)
    threading.Event().wait()


@contextmanager
def served(target: Callable[..., None], *arguments: Any) -> Iterator[int]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=target, args=(there, *arguments), daemon=True)
    process.start()
    # Ours would keep the pipe open where the process has ended.
    there.close()
    try:
        if not here.poll(READY_SECONDS):
            raise TimeoutError(f"{target.__name__} is not ready after {READY_SECONDS} s")
        yield int(here.recv())
    finally:
        process.terminate()
        process.join()


def counts(port: int) -> dict[str, int]:
    """Return how often each operation was asked of a server."""
    with urlopen(f"http://127.0.0.1:{port}{COUNTS}") as answer:
        found: dict[str, int] = json.load(answer)
        return found


class Measured(NamedTuple):
    """One run of `irsa verify`."""

    seconds: float
    calls: int
    """Requests of AWS that were answered."""


def measured(number: int, per_second: float, details_seconds: float, one_by_one: bool) -> Measured:
    """Verify bindings, which must all be as declared.

    Args:
        number: How many bindings.
        per_second: How many requests AWS answers in a second; 0 for any number.
        details_seconds: How long a page of GetAccountAuthorizationDetails takes.
        one_by_one: Whether AWS and Kubernetes deny the lists.
    """
    for name in UNSET:
        os.environ.pop(name, None)
    os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-west-2",
                   "AWS_DEFAULT_REGION": "us-west-2", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        served(serve_iam, number, per_second, details_seconds, not one_by_one) as iam,
        served(serve_kubernetes, number, not one_by_one) as kubernetes,
    ):
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{iam}"
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(
            json.dumps(
                {
                    "current-context": "bench",
                    "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{kubernetes}"}}],
                    "users": [{"name": "bench", "user": {"token": "bench"}}],
                    "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
                }
            )
        )
        os.environ["KUBECONFIG"] = str(kubeconfig)
        declared = DeclaredStack("bench", tuple(binding(index) for index in range(number)), {}, {})
        started = time.perf_counter()
        checks = look(declared, declared.bindings, pods=False)
        seconds = time.perf_counter() - started
        calls = counts(iam)
        throttled = calls.pop("Throttling", 0)
    report = Report("verify", "bench", checks)
    assert report.exit_code == 0, summary(report, rows_of(checks, [*CHECKS]))
    way = ONE_BY_ONE if one_by_one else IN_BULK
    limit = per_second or "any number of"
    say(f"  {number} bindings {way}, {limit} requests per second: {seconds:.1f} s, {throttled} throttled")
    return Measured(seconds, sum(calls.values()))


def measure(number: int) -> list[Figure]:
    figures = []
    # The goals are those of 1,000 bindings.
    faster, fewest = (FASTER_GOAL, CALLS_GOAL) if number == NUMBER else (None, None)
    cases = (
        ("any number of requests", 0, ROUND_TRIP_SECONDS),
        ("100 requests a second", 100, ROUND_TRIP_SECONDS),
        ("a page of details in 300 ms", 0, SLOW_DETAILS_SECONDS),
    )
    for limit, per_second, details in cases:
        ways = {way: partial(measured, number, per_second, details, way == ONE_BY_ONE) for way in (IN_BULK, ONE_BY_ONE)}
        goal = faster if details == ROUND_TRIP_SECONDS else None
        runs = in_turn(ways, RUNS)
        pairs = [*zip(runs[IN_BULK], runs[ONE_BY_ONE], strict=True)]
        bulk, single = (statistics.median(run.seconds for run in runs[way]) for way in ways)
        name = f"{number:,} bindings, {limit}"
        of = f"{written(bulk)} s in bulk, {written(single)} s and {pairs[0][1].calls:,} calls one by one"
        times = tuple(slow.seconds / fast.seconds for fast, slow in pairs)
        calls = tuple(fast.calls for fast, _ in pairs)
        figures += [
            Figure(f"irsa verify in bulk, {name}: faster", "times", times, goal, True, of),
            Figure(f"irsa verify in bulk, {name}: of IAM and STS", "calls", calls, fewest),
        ]
    return figures


def main(number: int = NUMBER) -> int:
    report("verify", TITLE, DESCRIPTION, lambda: measure(number), {})
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=NUMBER)
    sys.exit(main(parser.parse_args().number))
