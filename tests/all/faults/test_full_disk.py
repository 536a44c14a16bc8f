"""The disk is full: the sandbox says so, and the next `make up` finds what was deployed before.

A limit on the size of files stands for the disk, so that it needs no rights: a write past it fails, as on a full disk.
"""

import errno
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from sandbox import __main__ as commands
from sandbox.layout import Sandbox
from sandbox.seed import aws_client, kubernetes_client, seed
from sandbox.servers import ORDER, kill, running, start_servers
from sandbox.step_progress import StepProgress
from tests.sandbox.conftest import prepared_sandbox

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process that runs already"),
]
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
WRITTEN_WITHIN = 60.0
WRITES_SECONDS = 10.0


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox for breaking."""
    with prepared_sandbox(tmp_path / "sandbox", StepProgress()) as made:
        yield made


def create(sandbox: Sandbox, port: int, name: str) -> None:
    """Create a role and a namespace."""
    aws_client(sandbox, port, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    kubernetes_client(sandbox).create(Namespace(metadata=ObjectMeta(name=name)))


def written(state: Path, name: str) -> bool:
    return state.exists() and name.encode() in state.read_bytes()


def try_to_create(sandbox: Sandbox, port: int) -> None:
    """Create what no disk takes; what comes of it is open: the servers may answer, hang or have ended."""
    for number in range(3):
        with suppress(Exception):
            create(sandbox, port, f"lost-{number}")


def test_a_full_disk_costs_nothing_that_was_written(sandbox: Sandbox) -> None:
    port = start_servers(sandbox, StepProgress())["aws-api"]
    seed(sandbox, port)
    create(sandbox, port, "kept")
    until = time.monotonic() + WRITTEN_WITHIN
    while not written(sandbox.folder / "aws" / "state.pickle", "kept"):
        assert time.monotonic() < until
        time.sleep(0.1)

    for name in ORDER:
        process = running(sandbox, name)
        assert process is not None
        process.rlimit(resource.RLIMIT_FSIZE, (1, 1))
    writer = threading.Thread(target=try_to_create, args=(sandbox, port), daemon=True)
    writer.start()
    writer.join(WRITES_SECONDS)
    for name in ORDER:
        kill(sandbox, name)

    port = start_servers(sandbox, StepProgress())["aws-api"]
    seed(sandbox, port)
    assert aws_client(sandbox, port, "iam").get_role(RoleName="kept")["Role"]["RoleName"] == "kept"
    assert kubernetes_client(sandbox).get(Namespace, "kept").metadata is not None
    create(sandbox, port, "new")


def test_a_start_on_a_full_disk_is_one_line(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "checkout_sandbox", lambda: sandbox)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        assert commands.main(["up"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert str(sandbox.folder) in said
    assert "Free some space, then run the same command again." in said
    create(sandbox, start_servers(sandbox, StepProgress())["aws-api"], "new")


def test_a_first_start_on_a_full_disk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class WithoutRoom(Sandbox):
        def prepare(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    folder = tmp_path / "sandbox"
    monkeypatch.setattr(commands, "checkout_sandbox", lambda: WithoutRoom(folder))
    assert commands.main(["up"]) == 1
    said = capsys.readouterr().err
    assert said == f"No space left on device: {folder}. Free some space, then run the same command again.\n"
