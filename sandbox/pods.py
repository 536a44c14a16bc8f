"""What EKS and its nodes do to Pods: the webhook gives them their AWS identity, and nodes report that they run.

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
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from lightkube import ApiError, Client, KubeConfig
from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration
from lightkube.resources.core_v1 import Pod, ServiceAccount
from lightkube.types import PatchType

from sandbox.layout import CONTEXT, Sandbox
from sandbox.pod_identity_webhook import injected

HOST = "127.0.0.1"
HEALTH = "/healthz"
PAUSE_SECONDS = 0.5
# moto takes account, service and region from it, and checks no signature.
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=sandbox/20260101/{}/eks/aws4_request, SignedHeaders=host, Signature=none"


class Cluster(NamedTuple):
    """A cluster, and how EKS knows it."""

    client: Client
    aws_port: int
    region: str
    name: str

    def annotations(self, namespace: str, service_account: str) -> Mapping[str, str]:
        metadata = self.client.get(ServiceAccount, service_account, namespace=namespace).metadata
        return (metadata and metadata.annotations) or {}

    def has_association(self, namespace: str, service_account: str) -> bool:
        wanted = urllib.parse.urlencode({"namespace": namespace, "serviceAccount": service_account})
        address = f"http://{HOST}:{self.aws_port}/clusters/{self.name}/pod-identity-associations?{wanted}"
        request = urllib.request.Request(address, headers={"Authorization": AUTHORIZATION.format(self.region)})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return bool(json.load(answer)["associations"])


# --- the webhook -----------------------------------------------------------------------------------------------------


def configuration(port: int, certificate: bytes) -> Any:
    """Return the configuration by which the API server calls the webhook. As in EKS, it fails open.

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
    metadata = {"name": "pod-identity-webhook"}
    return MutatingWebhookConfiguration.from_dict({"metadata": metadata, "webhooks": [webhook]})


def review(cluster: Cluster, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a request of the API server."""
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
        except (OSError, httpx2.HTTPError) as error:
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


# --- the nodes -------------------------------------------------------------------------------------------------------


def run_pods(cluster: Cluster) -> None:
    """Report each Pod that waits for a node as one that runs and is ready, for as long as the process lives."""
    while True:
        try:
            events: Any = cluster.client.watch(Pod, namespace="*", fields={"status.phase": "Pending"})
            for kind, pod in events:
                if kind in ("ADDED", "MODIFIED") and not pod.metadata.deletionTimestamp:
                    _run(cluster, pod)
        except (httpx2.HTTPError, ValueError) as error:
            log(f"Pods are watched again after {error!r}")
        time.sleep(PAUSE_SECONDS)


def _run(cluster: Cluster, pod: Any) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    containers = [
        {
            "name": each.name,
            "image": each.image,
            "imageID": "",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        for each in pod.spec.containers
    ]
    conditions = [
        {"type": each, "status": "True", "lastTransitionTime": now}
        for each in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    status = {"phase": "Running", "startTime": now, "conditions": conditions, "containerStatuses": containers}
    patch = {"metadata": {"resourceVersion": pod.metadata.resourceVersion}, "status": status}
    # It is gone, or has changed: then there is another event.
    with suppress(ApiError):
        cluster.client.patch(
            Pod.Status, pod.metadata.name, patch, namespace=pod.metadata.namespace, patch_type=PatchType.MERGE
        )


def log(line: str) -> None:
    """Write to the server's log file."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def serve(port: int, sandbox: Sandbox, aws_port: int, region: str, name: str) -> None:
    """Serve until a signal ends it."""
    # kubectl and the AWS CLI may have chosen another context.
    config = KubeConfig.from_file(sandbox.kubeconfig).get(CONTEXT)
    cluster = Cluster(Client(config, field_manager="eks", trust_env=False), aws_port, region, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sandbox.certificate, sandbox.certificate.with_suffix(".key"))
    server = ThreadingHTTPServer((HOST, port), type("OfCluster", (Handler,), {"cluster": cluster}))
    server.daemon_threads = True
    # Of each connection, the handshake is made by its own thread.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    cluster.client.apply(configuration(port, sandbox.certificate.read_bytes()), force=True)
    threading.Thread(target=run_pods, args=(cluster,), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Sandbox(Path(sys.argv[2])), int(sys.argv[3]), sys.argv[4], sys.argv[5])
