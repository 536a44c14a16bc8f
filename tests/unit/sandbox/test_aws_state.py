"""The AWS API's file of its state: what is in it, which files are read, and what becomes of those that cannot be."""

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws_state import SERVICES, Snapshot, backends
from sandbox.pod_identity import addons_of, associations_of

ACCOUNT = "111122223333"
STATEMENT = {"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
AWS_OWN = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
OWN = f"arn:aws:iam::{ACCOUNT}:policy/own"


def forget() -> None:
    for service in SERVICES:
        backends(service).clear()
    backends("s3").bucket_accounts.clear()


@pytest.fixture(autouse=True)
def empty_models(faster_moto: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    forget()
    yield
    forget()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a role that has a policy of its own and one of AWS's, and with a cluster."""
    iam().create_role("app", POLICY, "/", None, "", [{"Key": "team", "Value": "a"}], 3600)
    iam().create_policy("", "/", POLICY, "own", [])
    for arn in (OWN, AWS_OWN):
        iam().attach_role_policy(arn, "app")
    eks().create_cluster("green", f"arn:aws:iam::{ACCOUNT}:role/eks", {})
    associations_of(eks().clusters["green"])["a-1"] = {"associationId": "a-1", "namespace": "web"}
    addons_of(eks().clusters["green"])["eks-pod-identity-agent"] = {"status": "ACTIVE"}
    Snapshot(tmp_path / "state.pickle", print).save()
    return tmp_path / "state.pickle"


def iam() -> Any:
    return backends("iam")[ACCOUNT]["aws"]


def eks() -> Any:
    return backends("eks")[ACCOUNT]["us-west-2"]


def loaded(path: Path) -> list[str]:
    forget()
    log: list[str] = []
    Snapshot(path, log.append).load()
    return log


def with_other(content: bytes, **changed: Any) -> bytes:
    return pickle.dumps({**pickle.loads(content), **changed})


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half of it": lambda content: content[: len(content) // 2],
    "nearly whole": lambda content: content[:-1],
    # What was read before the mistake must not stay.
    "something else in it": lambda content: with_other(content, buckets=7),
    # Its models may have other attributes.
    "another moto": lambda content: with_other(content, moto="1.0.0"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_cannot_be_read_is_put_aside(path: Path, damage: str) -> None:
    content = DAMAGES[damage](path.read_bytes())
    path.write_bytes(content)
    (said,) = loaded(path)
    assert "starting empty" in said
    assert [*iam().roles] == []
    assert iam().get_policy(AWS_OWN).attachment_count == 0
    assert not path.exists()
    kept = path.with_suffix(".other-moto" if damage == "another moto" else ".damaged")
    assert kept.read_bytes() == content
