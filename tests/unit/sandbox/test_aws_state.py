"""The AWS API's file of its state: what is in it, which files are read, and what becomes of those that cannot be."""

import json
import pickle
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import moto
import pytest

from sandbox import aws_state
from sandbox.aws_state import SERVICES, Snapshot, backends
from sandbox.layout import write_atomically
from sandbox.pod_identity import addons_of, associations_of

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}]}
)
AWS_OWN = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
OWN = f"arn:aws:iam::{ACCOUNT}:policy/own"


class Log(list[str]):
    """What the snapshot said."""

    def __call__(self, line: str) -> None:
        self.append(line)


def forget() -> None:
    for service in SERVICES:
        backends(service).clear()
    backends("s3").bucket_accounts.clear()


@pytest.fixture(autouse=True)
def empty_models(faster_moto: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto's models are one per process."""
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    forget()
    yield
    forget()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.pickle"


def iam(aws_account: str = ACCOUNT) -> Any:
    return backends("iam")[aws_account]["aws"]


def create_role(name: str) -> Any:
    return iam().create_role(name, POLICY, "/", None, "", [{"Key": "team", "Value": "a"}], 3600)


def fill() -> None:
    """Create a role with a policy of its own and one of AWS's."""
    create_role("app")
    iam().create_policy("", "/", POLICY, "own", [])
    for arn in (OWN, AWS_OWN):
        iam().attach_role_policy(arn, "app")


def saved(path: Path) -> Log:
    """Write the state, forget it, and read it again."""
    log = Log()
    Snapshot(path, log).save()
    forget()
    Snapshot(path, log).load()
    return log


def test_a_restart_changes_nothing(path: Path) -> None:
    """Roles, policies, attachments and their counts are those of before; AWS's policies are all there."""
    fill()
    before = create_role("other").id, iam().get_policy(OWN).id, iam().account_summary.summary_map
    number = len(iam().managed_policies)
    assert saved(path) == []
    assert (iam().get_role("other").id, iam().get_policy(OWN).id, iam().account_summary.summary_map) == before
    assert set(iam().get_role("app").managed_policies) == {OWN, AWS_OWN}
    assert len(iam().managed_policies) == number
    assert len(iam().aws_managed_policies) == number - 1
    assert {arn: iam().get_policy(arn).attachment_count for arn in (OWN, AWS_OWN)} == {OWN: 1, AWS_OWN: 1}


def test_what_is_attached_stays_one_policy_after_a_restart(path: Path) -> None:
    """A new version of a policy, and a detachment, must be seen from the role and in the list of policies."""
    fill()
    saved(path)
    for arn in (OWN, AWS_OWN):
        assert iam().get_role("app").managed_policies[arn] is iam().get_policy(arn)
        iam().detach_role_policy(arn, "app")
        assert iam().get_policy(arn).attachment_count == 0


def test_the_file_holds_what_was_created_alone(path: Path) -> None:
    """1,500 policies of AWS in each account would be 4 MB in each file, and would be written after each change."""
    iam()
    iam(OTHER_ACCOUNT)
    Snapshot(path, Log()).save()
    assert path.stat().st_size < 10_000
    fill()
    Snapshot(path, Log()).save()
    assert path.stat().st_size < 20_000


def test_associations_and_add_ons_survive(path: Path) -> None:
    """A Pod gets its role after a restart, too; a cluster that is written without associations has none."""

    def clusters() -> Any:
        return backends("eks")[ACCOUNT]["us-west-2"].clusters

    for name in ("green", "blue"):
        backends("eks")[ACCOUNT]["us-west-2"].create_cluster(name, f"arn:aws:iam::{ACCOUNT}:role/eks", {})
    association = {"associationId": "a-1", "namespace": "web", "createdAt": datetime.now(UTC)}
    associations_of(clusters()["green"])["a-1"] = association
    addons_of(clusters()["green"])["eks-pod-identity-agent"] = {"status": "ACTIVE"}
    assert saved(path) == []
    assert associations_of(clusters()["green"]) == {"a-1": association}
    assert addons_of(clusters()["green"]) == {"eks-pod-identity-agent": {"status": "ACTIVE"}}
    assert (associations_of(clusters()["blue"]), addons_of(clusters()["blue"])) == ({}, {})


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_put_aside(path: Path, part: float) -> None:
    """The server starts empty, with nothing of the file, and says so; the file is kept for whoever wants to look."""
    fill()
    log = Log()
    Snapshot(path, log).save()
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    forget()
    Snapshot(path, log).load()
    assert list(iam().roles) == []
    assert iam().get_policy(AWS_OWN).attachment_count == 0
    assert len(log) == 1
    assert "starting empty" in log[0]
    assert not path.exists()
    assert path.with_suffix(".damaged").exists()


def test_a_file_with_something_else_in_it_leaves_nothing_behind(path: Path) -> None:
    """What was read before the mistake must not stay: a half state is worse than none."""
    fill()
    Snapshot(path, Log()).save()
    state = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({**state, "buckets": 7}))
    forget()
    log = Log()
    Snapshot(path, log).load()
    assert list(iam().roles) == []
    assert "starting empty" in log[0]


def test_the_file_of_another_moto_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its models may have other attributes: the server starts empty, and the file is there for the moto of before."""
    fill()
    with monkeypatch.context() as older:
        older.setattr(moto, "__version__", "1.0.0")
        Snapshot(path, Log()).save()
    before = path.read_bytes()
    forget()
    log = Log()
    Snapshot(path, log).load()
    assert list(iam().roles) == []
    assert len(log) == 1
    assert f"state was written by moto 1.0.0, this is {moto.__version__}: starting empty" in log[0]
    Snapshot(path, log).save()
    assert path.with_suffix(".other-moto").read_bytes() == before


def test_what_could_not_be_written_is_written_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk must not make the server forget that something has changed."""
    log, attempts, write = Log(), [], write_atomically

    def full_at_first(file: Path, content: bytes) -> None:
        attempts.append(file)
        if len(attempts) == 1:
            raise OSError(28, "No space left on device")
        write(file, content)

    monkeypatch.setattr(aws_state, "write_atomically", full_at_first)
    monkeypatch.setattr(aws_state, "SHORTEST_PAUSE_SECONDS", 0)
    monkeypatch.setattr(aws_state, "PAUSE_AFTER_FAILURE_SECONDS", 0)
    snapshot = Snapshot(path, log)
    create_role("app")
    snapshot.changed.set()
    threading.Thread(target=snapshot.save_after_changes, daemon=True).start()
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert len(log) == 1
    assert "No space left on device" in log[0]
