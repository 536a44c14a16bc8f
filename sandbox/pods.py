"""What happens to Pods in an EKS cluster, and needs nodes or EKS: they get their AWS identity, and are reported to run.

It is a program of its own, started by servers.py for each cluster:
python -m sandbox.pods <port> <folder of the cluster> <port of the AWS API> <region> <name of the cluster>
"""

import base64
import json
import signal
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from sandbox.layout import Sandbox
from sandbox.pod_identity_webhook import injected

HOST = "127.0.0.1"
HEALTH = "/healthz"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
NAME = "pod-identity-webhook"
PAUSE_SECONDS = 0.5
# moto takes account, service and region from it, and checks no signature.
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=sandbox/20260101/{}/eks/aws4_request, SignedHeaders=host, Signature=none"


class Cluster(NamedTuple):
    """A cluster, and how EKS knows it."""

    sandbox: Sandbox
    aws_port: int
    region: str
    name: str

    def ask(self, method: str, path: str, body: Any = None, kind: str = "json", seconds: float | None = 10) -> Any:
        """Return the API server's answer, to be read.

        Raises:
            urllib.error.HTTPError: It refused.
        """
        # Not the kubeconfig, which kubectl and the AWS CLI rewrite in YAML, with other entries first.
        port = json.loads((self.sandbox.folder / "ports.json").read_text())["kube-apiserver"]
        token = (self.sandbox.kubernetes / "tokens.csv").read_text().split(",")[0]
        request = urllib.request.Request(
            f"https://{HOST}:{port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": f"application/{kind}"},
        )
        context = ssl.create_default_context(cafile=str(self.sandbox.certificate))
        return _opener(urllib.request.HTTPSHandler(context=context)).open(request, timeout=seconds)

    def annotations(self, namespace: str, service_account: str) -> Mapping[str, str]:
        with self.ask("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}") as answer:
            found: Mapping[str, str] = json.load(answer)["metadata"].get("annotations") or {}
        return found

    def has_association(self, namespace: str, service_account: str) -> bool:
        wanted = urllib.parse.urlencode({"namespace": namespace, "serviceAccount": service_account})
        address = f"http://{HOST}:{self.aws_port}/clusters/{self.name}/pod-identity-associations?{wanted}"
        request = urllib.request.Request(address, headers={"Authorization": AUTHORIZATION.format(self.region)})
        with _opener().open(request, timeout=10) as answer:
            return bool(json.load(answer)["associations"])


def _opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)


# --- the webhook -----------------------------------------------------------------------------------------------------


def configuration(port: int, certificate: bytes) -> dict[str, Any]:
    """Return what has the API server call the webhook, as EKS registers it: it fails open.

    https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/deploy/mutatingwebhook.yaml
    """
    webhook = {
        "name": "iam-for-pods.amazonaws.com",
        "failurePolicy": "Ignore",
        "clientConfig": {
            "url": f"https://{HOST}:{port}/mutate",
            "caBundle": base64.b64encode(certificate).decode(),
        },
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [webhook],
    }


def review(cluster: Cluster, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a request of the API server.

    Raises:
        OSError: Kubernetes or EKS did not answer.
    """
    pod, namespace = request["object"], request["namespace"]
    service_account = pod["spec"]["serviceAccountName"]
    associated = cluster.has_association(namespace, service_account)
    changed = injected(pod, cluster.annotations(namespace, service_account), associated, cluster.region)
    # `add` also replaces: https://www.rfc-editor.org/rfc/rfc6902#section-4.1
    patch = [{"op": "add", "path": f"/{part}", "value": changed[part]} for part in ("metadata", "spec")]
    return {
        "uid": request["uid"],
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": base64.b64encode(json.dumps(patch).encode()).decode(),
    }


class Handler(BaseHTTPRequestHandler):
    """Answers the API server, and who asks whether it runs."""

    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def do_GET(self) -> None:
        self._answer(200 if self.path == HEALTH else 404, {})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        try:
            response = review(self.cluster, request)
        except OSError as error:
            log(f"a Pod of {request['namespace']} was not changed: {error!r}")
            self._answer(500, {"message": str(error)})
            return
        self._answer(200, {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing of a request that succeeds."""


def register(cluster: Cluster, port: int) -> None:
    """Register the webhook at the API server."""
    manifest = configuration(port, cluster.sandbox.certificate.read_bytes())
    query = "?fieldManager=eks&force=true"
    cluster.ask("PATCH", f"{CONFIGURATIONS}/{NAME}{query}", manifest, "apply-patch+yaml").close()


# --- the nodes -------------------------------------------------------------------------------------------------------


def run_pods(cluster: Cluster) -> None:
    """Report each Pod that waits for a node as one that runs and is ready, for as long as the process lives."""
    while True:
        try:
            for pod in _waiting(cluster):
                _run(cluster, pod)
        except (OSError, ValueError) as error:
            log(f"Pods are watched again after {error!r}")
        time.sleep(PAUSE_SECONDS)


def _waiting(cluster: Cluster) -> Iterator[Mapping[str, Any]]:
    with cluster.ask("GET", "/api/v1/pods?watch=1&fieldSelector=status.phase=Pending", seconds=None) as events:
        for line in events:
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED") and "deletionTimestamp" not in event["object"]["metadata"]:
                yield event["object"]


def _run(cluster: Cluster, pod: Mapping[str, Any]) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    metadata = pod["metadata"]
    containers = [
        {
            "name": each["name"],
            "image": each["image"],
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        for each in pod["spec"]["containers"]
    ]
    conditions = [
        {"type": each, "status": "True", "lastTransitionTime": now}
        for each in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    status = {"phase": "Running", "startTime": now, "conditions": conditions, "containerStatuses": containers}
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": status}
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
    # It is gone, or has changed: then there is another event.
    with suppress(urllib.error.HTTPError):
        cluster.ask("PATCH", path, patch, "merge-patch+json").close()


def log(line: str) -> None:
    """Write to the server's log file."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def serve(port: int, cluster: Cluster) -> None:
    """Serve until a signal ends it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cluster.sandbox.certificate, cluster.sandbox.certificate.with_suffix(".key"))
    server = ThreadingHTTPServer((HOST, port), type("OfCluster", (Handler,), {"cluster": cluster}))
    server.daemon_threads = True
    # Of each connection, the handshake is made by its own thread.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    register(cluster, port)
    threading.Thread(target=run_pods, args=(cluster,), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Cluster(Sandbox(Path(sys.argv[2])), int(sys.argv[3]), sys.argv[4], sys.argv[5]))
