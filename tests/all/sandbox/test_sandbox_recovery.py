"""What `make up` finds in the real world: killed servers, stale records, taken ports."""

import json
import socket
import subprocess
from collections.abc import Iterator

import psutil
import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from sandbox.layout import ISSUER, Sandbox
from sandbox.seed import aws_client, kubernetes_client, seed
from sandbox.servers import ORDER, running, start_servers, stop_servers
from sandbox.step_progress import StepProgress
from tests.sandbox.cloud import prepared_sandbox

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with prepared_sandbox(tmp_path_factory.mktemp("recovery"), StepProgress()) as made:
        yield made


def started(sandbox: Sandbox) -> dict[str, int]:
    ports = start_servers(sandbox, StepProgress())
    seed(sandbox, ports["aws-api"])
    return ports


def processes(sandbox: Sandbox) -> dict[str, int]:
    return {name: process.pid for name in ORDER if (process := running(sandbox, name))}


def test_killed_servers_come_back(sandbox: Sandbox) -> None:
    started(sandbox)
    kubernetes_client(sandbox).create(Namespace(metadata=ObjectMeta(name="killed")))
    # One alone, and all that are left.
    for names in (("etcd",), ORDER):
        for server in filter(None, [running(sandbox, name) for name in names]):
            server.kill()
            server.wait(10)
        port = started(sandbox)["aws-api"]
        assert set(processes(sandbox)) == set(ORDER)
        assert aws_client(sandbox, port, "iam").get_role(RoleName="eks-cluster-role")
        assert kubernetes_client(sandbox).get(Namespace, "killed").metadata is not None


def test_a_stale_record_never_stops_a_stranger(sandbox: Sandbox) -> None:
    started(sandbox)
    stop_servers(sandbox, StepProgress())
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            record = {"pid": stranger.pid, "started": psutil.Process(stranger.pid).create_time() - 100}
            for name in ORDER:
                (sandbox.records / f"{name}.json").write_text(json.dumps(record))
            assert stop_servers(sandbox, StepProgress()) == 0
            started(sandbox)
            assert set(processes(sandbox)) == {*ORDER}
            assert stranger.pid not in processes(sandbox).values()
            assert stranger.poll() is None
        finally:
            stranger.terminate()


def test_a_port_taken_meanwhile_is_replaced_and_said(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    before = started(sandbox)
    kubernetes_client(sandbox).create(Namespace(metadata=ObjectMeta(name="kept")))
    assert stop_servers(sandbox, StepProgress()) == len(ORDER)
    assert processes(sandbox) == {}
    with socket.socket() as etcd, socket.socket() as api:
        for taken, name in ((etcd, "etcd"), (api, "kube-apiserver")):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", before[name]))
            taken.listen()
        after = started(sandbox)
        assert after["etcd"] != before["etcd"]
        assert after["kube-apiserver"] != before["kube-apiserver"]
        assert after["aws-api"] == before["aws-api"]
        assert f"etcd: port {before['etcd']} is taken" in capsys.readouterr().out
        assert kubernetes_client(sandbox).get(Namespace, "kept").metadata is not None
        cluster = aws_client(sandbox, after["aws-api"], "eks").describe_cluster(name="my-cluster")["cluster"]
        assert cluster["endpoint"] == f"https://127.0.0.1:{after['kube-apiserver']}"
        assert cluster["identity"]["oidc"]["issuer"] == ISSUER
