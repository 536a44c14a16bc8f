"""The servers of the sandbox: etcd, kube-apiserver, kube-controller-manager, what happens to Pods, and the AWS API.

Each has a record in run/<name>.json: process id, that process's start time and a fingerprint of how it was started.
Because of the start time, a stale record never stops another process that got the same id.
"""

import base64
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.environment import UNSET, sandbox_variables
from sandbox.layout import AUDIENCE, CHECKOUT, CLUSTER, CONTEXT, ISSUER, REGION, Sandbox, SandboxError, write_atomically
from sandbox.step_progress import StepProgress

HOST = "127.0.0.1"
READY_SECONDS = 60.0
STOP_SECONDS = 10.0
TOKEN_BYTES = 24
AWS_API_SOURCES = (
    "aws_api.py",
    "eks_auth.py",
    "faster_moto.py",
    "missing_in_moto.py",
    "pod_identity.py",
    "web_identity.py",
    "sts_decision.py",
)
PODS_SOURCES = ("pods.py", "pod_identity_webhook.py")
ORDER = ("aws-api", "etcd", "kube-apiserver", "kube-controller-manager", "pods")
PORTS = {
    "aws-api": ("aws-api",),
    "etcd": ("etcd", "etcd-peer"),
    "kube-apiserver": ("kube-apiserver",),
    "kube-controller-manager": ("kube-controller-manager",),
    "pods": ("pods",),
}


@dataclass(frozen=True)
class Server:
    """How to start a server, and how to see that it answers."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    variables: dict[str, str] = field(default_factory=dict)
    sources: tuple[Path, ...] = ()

    def fingerprint(self) -> str:
        content = [json.dumps([self.command, self.variables], sort_keys=True).encode()]
        content += [path.read_bytes() for path in self.sources]
        return hashlib.sha256(b"\0".join(content)).hexdigest()


# --- processes -------------------------------------------------------------------------------------------------------


def running(sandbox: Sandbox, name: str) -> psutil.Process | None:
    """Return the server's process, None if the recorded one no longer runs."""
    record = _record(sandbox, name)
    try:
        process = psutil.Process(int(record["pid"]))
        if process.create_time() == record["started"] and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except (psutil.Error, KeyError, TypeError, ValueError):
        pass
    return None


def stop_servers(sandbox: Sandbox, progress: StepProgress) -> int:
    """Stop all servers; return how many ran."""
    if not any(running(sandbox, name) for name in ORDER):
        return 0
    with progress.step("servers", "stopping") as detail:
        # etcd last: an API server that has lost it takes ten seconds to end.
        stopped = stop(sandbox, *(name for name in ORDER if name != "etcd")) + stop(sandbox, "etcd")
        detail[:] = [f"{stopped} stopped"]
    return stopped


def stop(sandbox: Sandbox, *names: str) -> int:
    """End servers by their recorded process ids, by SIGTERM, then by SIGKILL; return how many ran."""
    ran = [name for name in names if running(sandbox, name)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in filter(None, (running(sandbox, name) for name in ran)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        until = time.monotonic() + STOP_SECONDS
        # psutil's own wait does not end for a child of another process before that one has asked for its code.
        while any(running(sandbox, name) for name in ran) and time.monotonic() < until:
            time.sleep(0.02)
    for name in names:
        (sandbox.records / f"{name}.json").unlink(missing_ok=True)
    return len(ran)


def start_servers(sandbox: Sandbox, progress: StepProgress) -> dict[str, int]:
    """Start the servers that do not run, and return the ports."""
    ports = choose_ports(sandbox, progress)
    write_credentials(sandbox)
    started = []
    with progress.step("servers", "starting") as detail:
        # The AWS API comes up while the Kubernetes servers do: it is waited for last.
        aws = aws_api(sandbox, ports)
        aws_process = _ensure(sandbox, aws, progress)
        for describe in (etcd, kube_apiserver, kube_controller_manager, pods):
            server = describe(sandbox, ports)
            detail[:] = [f"starting {server.name}"]
            process = _ensure(sandbox, server, progress)
            if process is not None:
                _wait(sandbox, server, process)
                started.append(server.name)
            if server.name == "kube-apiserver":
                # Its certificate exists only now, and what follows reads the kubeconfig.
                write_access(sandbox, ports)
        if aws_process is not None:
            detail[:] = [f"starting {aws.name}"]
            _wait(sandbox, aws, aws_process)
            started.append(aws.name)
            if (sandbox.state / ".pulumi" / "stacks").exists():
                progress.say("  aws-api: starts empty; `pulumi up --refresh` creates again what a stack has in AWS")
        detail[:] = [f"started {', '.join(started)}" if started else "running already"]
    return ports


def start(sandbox: Sandbox, server: Server, progress: StepProgress) -> None:
    """Start a server unless it runs, and wait until it answers."""
    process = _ensure(sandbox, server, progress)
    if process is not None:
        _wait(sandbox, server, process)


def _ensure(sandbox: Sandbox, server: Server, progress: StepProgress) -> "subprocess.Popen[bytes] | None":
    """Start a server, unless one runs that was started the same way and answers; return the new process."""
    record = _record(sandbox, server.name)
    if running(sandbox, server.name) is not None:
        if record.get("fingerprint") == server.fingerprint() and _answers(server):
            return None
        stop(sandbox, server.name)
    elif record:
        progress.say(f"  {server.name}: its process is gone, starting it again")
    return _launch(sandbox, server)


def _launch(sandbox: Sandbox, server: Server) -> "subprocess.Popen[bytes]":
    log = sandbox.logs / f"{server.name}.log"
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in UNSET and not name.startswith(("ETCD_", "MOTO_", "KUBE"))
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            server.command,
            cwd=CHECKOUT,
            env={**kept, **server.variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # A process that has already ended is a zombie of this one: its start time can still be read.
    record = {
        "pid": process.pid,
        "started": psutil.Process(process.pid).create_time(),
        "fingerprint": server.fingerprint(),
    }
    write_atomically(sandbox.records / f"{server.name}.json", json.dumps(record))
    return process


def _wait(sandbox: Sandbox, server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    pause = 0.02
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SandboxError(
                f"{server.name} ended with code {process.returncode} while it started: "
                f"{_last_line(sandbox, server)} (log: {sandbox.logs / server.name}.log). Run the same command again; "
                "if that fails too, run `make clean` first."
            )
        if _answers(server):
            return
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    stop(sandbox, server.name)
    raise SandboxError(
        f"{server.name} did not answer within {READY_SECONDS:.0f} s (log: {sandbox.logs / server.name}.log)."
    )


def _last_line(sandbox: Sandbox, server: Server) -> str:
    lines = (sandbox.logs / f"{server.name}.log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "no output"


def _answers(server: Server) -> bool:
    try:
        return server.ready()
    except (OSError, ValueError):
        return False


def _record(sandbox: Sandbox, name: str) -> dict[str, Any]:
    """Return a server's record, empty if it cannot be read."""
    try:
        record = json.loads((sandbox.records / f"{name}.json").read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


# --- ports -----------------------------------------------------------------------------------------------------------


# Below those that the kernel gives to connections, which begin at 32768 or above:
# https://docs.kernel.org/networking/ip-sysctl.html (ip_local_port_range).
FIRST_PORT, LAST_PORT, PORTS_OF_A_PROCESS = 20_000, 32_767, 100


def choose_ports(sandbox: Sandbox, progress: StepProgress) -> dict[str, int]:
    """Return the ports: those of the last start, others where another program has taken one."""
    path = sandbox.folder / "ports.json"
    try:
        known = {name: int(port) for name, port in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        known = {}
    ports: dict[str, int] = {}
    for server, names in PORTS.items():
        ours = running(sandbox, server) is not None
        for name in names:
            port = known.get(name)
            if port is None or not (ours or _free(port)):
                ports[name] = free_port(taken=set(ports.values()) | set(known.values()))
                if port is not None:
                    progress.say(f"  {name}: port {port} is taken by another program, using {ports[name]}")
            else:
                ports[name] = port
    write_atomically(path, json.dumps(ports))
    return ports


def read_ports(sandbox: Sandbox) -> dict[str, int]:
    """Return the ports of a sandbox that has been started before."""
    try:
        ports: dict[str, int] = json.loads((sandbox.folder / "ports.json").read_text())
    except (OSError, ValueError):
        raise SandboxError("There is no sandbox here yet: run `make up` first.") from None
    return ports


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """Return a port of the loopback interface that nothing listens on, and that is none of those taken.

    Processes that start servers at the same time look at different ports, so that none takes those of another.
    """
    every = range(FIRST_PORT, LAST_PORT + 1)
    first = os.getpid() * PORTS_OF_A_PROCESS % len(every)
    ports: list[int] = [*every[first:], *every[:first]]
    return next(port for port in ports if port not in taken and _free(port))


# --- keys and access -------------------------------------------------------------------------------------------------


def write_credentials(sandbox: Sandbox) -> None:
    """Create the keys that survive restarts: the API server's token, and the key that signs service account tokens."""
    folder = sandbox.kubernetes
    tokens = folder / "tokens.csv"
    if not tokens.exists():
        write_atomically(tokens, f"{os.urandom(TOKEN_BYTES).hex()},admin,admin,system:masters\n")
    if not (folder / "service-account.key").exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_atomically(folder / "service-account.pub", public.decode())
        write_atomically(folder / "service-account.key", private.decode())
    aws = sandbox.folder / "aws"
    aws.mkdir(exist_ok=True)
    write_atomically(aws / "config", "[default]\n")
    write_atomically(aws / "credentials", "[default]\n")


def write_access(sandbox: Sandbox, ports: dict[str, int]) -> None:
    """Write the kubeconfig and what EKS answers for the cluster, once the API server has its certificate."""
    ca = base64.b64encode(sandbox.certificate.read_bytes()).decode()
    token = (sandbox.kubernetes / "tokens.csv").read_text().split(",")[0]
    server = f"https://{HOST}:{ports['kube-apiserver']}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        # The second is that of the guides, which `aws eks update-kubeconfig --alias` writes.
        "contexts": [
            {"name": name, "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": "default"}}
            for name in (CONTEXT, CLUSTER)
        ],
    }
    write_atomically(sandbox.kubeconfig, json.dumps(config, indent=2) + "\n")
    add_cluster(sandbox, {"name": CLUSTER, "region": REGION, "issuer": ISSUER, "endpoint": server, "ca": ca})


def add_cluster(sandbox: Sandbox, cluster: dict[str, str]) -> None:
    """Write what EKS answers for a cluster; other clusters in the file are kept."""
    others = json.loads(sandbox.clusters.read_text()) if sandbox.clusters.exists() else []
    kept = [entry for entry in others if (entry["name"], entry["region"]) != (cluster["name"], cluster["region"])]
    write_atomically(sandbox.clusters, json.dumps([cluster, *kept], indent=2) + "\n")


# --- what each server is ---------------------------------------------------------------------------------------------


def aws_api(sandbox: Sandbox, ports: dict[str, int]) -> Server:
    port = ports["aws-api"]
    return Server(
        name="aws-api",
        command=(sys.executable, "-m", "sandbox.aws_api", str(port), str(sandbox.folder)),
        ready=lambda: _status(f"http://{HOST}:{port}/healthz") == 200,  # noqa: PLR2004
        variables={
            **sandbox_variables(sandbox, port),
            "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        },
        sources=(*(CHECKOUT / "sandbox" / name for name in AWS_API_SOURCES), CHECKOUT / "requirements-dev.txt"),
    )


def etcd(sandbox: Sandbox, ports: dict[str, int]) -> Server:
    client, peer = (f"http://{HOST}:{ports[name]}" for name in ("etcd", "etcd-peer"))
    return Server(
        name="etcd",
        command=(
            str(sandbox.programs / "etcd"),
            f"--data-dir={sandbox.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            # The sandbox survives killed processes, not a power cut; with fsync, a slow disk slows everything.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
        ready=lambda: _status(f"{client}/health") == 200,  # noqa: PLR2004
    )


def kube_apiserver(sandbox: Sandbox, ports: dict[str, int], issuer: str = ISSUER) -> Server:
    folder = sandbox.kubernetes
    url = f"https://{HOST}:{ports['kube-apiserver']}/readyz"
    return Server(
        name="kube-apiserver",
        command=(
            str(sandbox.programs / "kube-apiserver"),
            f"--etcd-servers=http://{HOST}:{ports['etcd']}",
            f"--bind-address={HOST}",
            f"--secure-port={ports['kube-apiserver']}",
            f"--cert-dir={folder / 'certificates'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            # Tokens as EKS makes them: its issuer, and STS among the audiences.
            f"--service-account-issuer={issuer}",
            f"--service-account-key-file={folder / 'service-account.pub'}",
            f"--service-account-signing-key-file={folder / 'service-account.key'}",
            f"--api-audiences=https://kubernetes.default.svc,{AUDIENCE}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # There are no nodes to reach the API server from, and its address is a loopback one.
            "--endpoint-reconciler-type=none",
            "--enable-priority-and-fairness=false",
        ),
        ready=lambda: _status(url, sandbox.certificate) == 200,  # noqa: PLR2004
    )


def kube_controller_manager(sandbox: Sandbox, ports: dict[str, int]) -> Server:
    address = f"{HOST}:{ports['kube-controller-manager']}"
    return Server(
        name="kube-controller-manager",
        command=(str(sandbox.programs / "kube-controller-manager"), str(sandbox.kubeconfig), address),
        ready=lambda: _status(f"http://{address}/") == 200,  # noqa: PLR2004
        # It reads the address of the API server only when it starts.
        sources=(sandbox.kubeconfig,),
    )


def pods(
    sandbox: Sandbox, ports: dict[str, int], region: str = REGION, cluster: str = CLUSTER, aws_port: int = 0
) -> Server:
    port = str(ports["pods"])
    own = (port, str(sandbox.folder), str(aws_port or ports["aws-api"]), region, cluster)
    return Server(
        name="pods",
        command=(sys.executable, "-m", "sandbox.pods", *own),
        ready=lambda: _status(f"https://{HOST}:{port}/healthz", sandbox.certificate) == 200,  # noqa: PLR2004
        sources=(*(CHECKOUT / "sandbox" / name for name in PODS_SOURCES), sandbox.kubeconfig),
    )


def _status(url: str, certificate: Path | None = None) -> int:
    context = ssl.create_default_context(cafile=str(certificate)) if certificate else None
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=3) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
