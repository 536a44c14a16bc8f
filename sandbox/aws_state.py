"""The state of the AWS API in one file: all that callers made, without the policies that every AWS account has."""

import contextlib
import copyreg
import io
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import moto
from moto.backends import get_backend
from moto.iam.models import AWSManagedPolicy, IAMBackend

from sandbox.faster_moto import is_aws_policy
from sandbox.layout import write_atomically

SERVICES = ("iam", "sts", "eks", "s3")
SHORTEST_PAUSE_SECONDS = 0.5
# Requests wait while the state is read out of the models: at most for this part of the time.
LARGEST_SHARE = 0.05
PAUSE_AFTER_FAILURE_SECONDS = 5.0


def backends(service: str) -> Any:
    """Return moto's models of a service, by account and region."""
    return get_backend(service)  # type: ignore[call-overload]


class _Pickler(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table.copy()


def _attached(aws_account: str, partition: str, arn: str, attachments: int) -> AWSManagedPolicy:
    """Return one of AWS's own policies in an account, as it was when it was attached there."""
    policy: AWSManagedPolicy = backends("iam")[aws_account][partition].managed_policies[arn]
    policy.attachment_count = attachments
    return policy


# There are 1,500 of them in each account: their text is moto's, and only how often they are attached is state.
_Pickler.dispatch_table[AWSManagedPolicy] = lambda policy: (
    _attached,
    (policy.account_id, policy.partition, policy.arn, policy.attachment_count),
)


class Snapshot:
    """moto's state in one file, written after changes and read at the start.

    Attributes:
        lock: Held by whoever reads or changes the models.
        changed: Set by whoever has changed them.
    """

    def __init__(self, path: Path, log: Callable[[str], None]) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.changed = threading.Event()
        self._log = log
        self._writing = threading.Lock()

    def load(self) -> None:
        """Read the file if there is one; one that cannot be read, or that another moto wrote, is put aside."""
        if not self.path.exists():
            return
        try:
            # The file is this user's own, in a folder that only this user reads.
            state = pickle.loads(self.path.read_bytes())  # noqa: S301
            if state["moto"] == moto.__version__:
                _restore(state)
                return
            reason, suffix = f"was written by moto {state['moto']}, this is {moto.__version__}", ".other-moto"
        except Exception as error:  # whatever is wrong with it, the server starts empty
            reason, suffix = f"cannot be read ({error!r})", ".damaged"
        kept = self.path.replace(self.path.with_suffix(suffix))
        self._log(f"state {reason}: starting empty; `make up` creates the resources again, the file is now {kept}")
        for service in SERVICES:
            backends(service).clear()

    def save(self) -> float:
        """Write the file; return for how many seconds requests had to wait."""
        with self._writing:
            with self.lock:
                started = time.monotonic()
                self.changed.clear()
                state = _pickled()
                waited = time.monotonic() - started
            write_atomically(self.path, state)
        return waited

    def save_after_changes(self) -> None:
        """Write the file after each change, for as long as the process lives, but not all the time."""
        pause = SHORTEST_PAUSE_SECONDS
        while True:
            self.changed.wait()
            time.sleep(pause)
            try:
                pause = max(SHORTEST_PAUSE_SECONDS, self.save() / LARGEST_SHARE)
            except Exception as error:  # requests go on being answered
                self._log(f"state was not written: {error!r}")
                self.changed.set()
                pause = PAUSE_AFTER_FAILURE_SECONDS

    def save_at_the_end(self) -> None:
        """Write the file whether or not something has changed: a save that is under way must not be cut off."""
        with contextlib.suppress(OSError):
            self.save()


def _pickled() -> bytes:
    state = {
        "moto": moto.__version__,
        "backends": {
            (service, aws_account, region): _attributes(backend)
            for service in SERVICES
            for aws_account, regions in backends(service).items()
            for region, backend in regions.items()
        },
        "buckets": backends("s3").bucket_accounts,
    }
    content = io.BytesIO()
    _Pickler(content, pickle.HIGHEST_PROTOCOL).dump(state)
    return content.getvalue()


def _attributes(backend: Any) -> dict[str, Any]:
    """Return what makes up a model, without what its creation makes again."""
    attributes = dict(vars(backend))
    if isinstance(backend, IAMBackend):
        policies = attributes.pop("managed_policies").items()
        attributes["managed_policies"] = {arn: policy for arn, policy in policies if not is_aws_policy(policy)}
        del attributes["aws_managed_policies"]
        # It counts what is in the model that it was created with.
        del attributes["account_summary"]
    return attributes


def _restore(state: dict[str, Any]) -> None:
    for (service, aws_account, region), attributes in state["backends"].items():
        backend = backends(service)[aws_account][region]
        if isinstance(backend, IAMBackend):
            attributes["managed_policies"] = {**backend.managed_policies, **attributes["managed_policies"]}
        vars(backend).update(attributes)
    backends("s3").bucket_accounts.update(state["buckets"])
