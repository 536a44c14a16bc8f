"""The AWS API of the sandbox: moto's server, with clusters that keep their issuer. What it has ends with it.

It is a program of its own, started by servers.py: python -m sandbox.aws_api <port> <folder of the sandbox>
"""

import io
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import moto.iam.models as iam_models
from moto.eks.models import Cluster, EKSBackend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.eks_auth import add_eks_auth
from sandbox.faster_moto import make_moto_faster
from sandbox.last_use import add_last_use
from sandbox.layout import AWS_ACCOUNT
from sandbox.missing_in_moto import add_missing_operations, refuse_as_iam
from sandbox.pod_identity import add_pod_identity
from sandbox.web_identity import refuse_as_sts

HEALTH = "/healthz"
QUERY = re.compile(r"\?\S+")
ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
OPERATION = "irsa.operation"

WsgiEnvironment = dict[str, Any]
Application = Callable[[WsgiEnvironment, Callable[..., Any]], Iterable[bytes]]


def keep_clusters(clusters: Path) -> None:
    """Have moto answer with the issuer, endpoint and certificate authority that the file names for each cluster.

    moto invents an issuer at each start, the same for every cluster of a region. A trust policy names the issuer, so
    another one would break everything that is deployed.
    """
    describe = EKSBackend.describe_cluster

    def describe_cluster(self: EKSBackend, name: str) -> Cluster:
        cluster = describe(self, name)
        for entry in json.loads(clusters.read_text()):
            if (entry["name"], entry["region"]) == (cluster.name, self.region_name):
                cluster.identity = {"oidc": {"issuer": entry["issuer"]}}
                cluster.endpoint = entry["endpoint"]
                cluster.certificate_authority = {"data": entry["ca"]}
        return cluster

    EKSBackend.describe_cluster = describe_cluster  # type: ignore[method-assign]


def serialized(application: Application) -> Application:
    """Answer one request at a time: moto's models are not written for threads."""
    lock = threading.Lock()

    def answer(environ: WsgiEnvironment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == HEALTH:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ok"]
        # The body is read before the lock is taken, so that a client that stalls blocks nobody else.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length:
            content = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = io.BytesIO(content)
            # IAM and STS name the operation in the form, the other services in the path.
            action = ACTION.search(content)
            environ[OPERATION] = f" {action[1].decode()}" if action else ""
        with lock:
            return list(application(environ, start_response))

    return answer


class RequestHandler(MotoRequestHandler):
    """Logs requests with their operation, without colours, and without query and form, which may hold a token."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - the base's arguments
        # A request that could not be parsed has no environment.
        operation = getattr(self, "environ", {}).get(OPERATION, "")
        log(f"{QUERY.sub('?...', self.requestline)}{operation} {code}")


def log(line: str) -> None:
    """Write to the server's log file."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def serve(port: int, folder: Path) -> None:
    """Serve until a signal ends it."""
    # MOTO_ACCOUNT_ID would do the same, and also override the AWS account of every assumed role.
    vars(iam_models)["DEFAULT_ACCOUNT_ID"] = AWS_ACCOUNT
    make_moto_faster()
    keep_clusters(folder / "clusters.json")
    add_missing_operations()
    refuse_as_iam(folder / "quotas.json")
    refuse_as_sts(folder / "clusters.json", log)
    add_last_use(folder / "last_use.json")
    add_pod_identity()
    add_eks_auth(folder / "clusters.json", log)
    application = serialized(DomainDispatcherApplication(create_backend_app))
    make_server("127.0.0.1", port, application, threaded=True, request_handler=RequestHandler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
