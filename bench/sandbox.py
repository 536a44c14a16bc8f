"""What the sandbox's AWS API costs beside plain moto: python -m bench.sandbox [roles ...].

Each role comes with a policy and its attachment and is read once: five calls through boto3. Both servers get the same
calls, in turns of some roles each, so that whatever else the machine does slows both.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from bench.harness import compared, report
from bench.results import Figure
from sandbox.layout import AWS_ACCOUNT, CHECKOUT
from sandbox.servers import HOST, free_port

TITLE = "The sandbox's AWS API"
DESCRIPTION = """\
The same calls to the sandbox's AWS API and to moto's own server, in turns of 50 roles: each role is created with a
policy and its attachment, and read. The processor time has the writing of the state."""
GOAL = 1.2
# 5,000 take some minutes: python -m bench.sandbox 5000
SIZES = (100, 1_000)
ROLES_PER_TURN = 50
START_SECONDS = 120
CALLS_PER_ROLE = 5
DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
QUOTAS = {AWS_ACCOUNT: {"RolesQuota": 1_000_000, "PoliciesQuota": 1_000_000}}


class Cost(NamedTuple):
    """Seconds that passed, and seconds of processor time that the server took."""

    passed: float
    processor: float


class Served(NamedTuple):
    """A server, its client, and the seconds of processor time that its start took."""

    process: psutil.Process
    iam: Any
    start: float


@contextmanager
def served(module: str, *arguments: str) -> Iterator[Served]:
    """Run a server of the AWS API until the end of the block."""
    port = free_port()
    variables = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    # As in the sandbox, the log goes to a file.
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", module, *(argument.format(port=port) for argument in arguments)]
        process = subprocess.Popen(command, cwd=CHECKOUT, env=variables, stdout=log, stderr=log)
        try:
            iam = _client(port)
            _wait(iam)
            running = psutil.Process(process.pid)
            yield Served(running, iam, _processor(running))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _processor(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _client(port: int) -> Any:
    session: Any = boto3.session.Session("AKIAEXAMPLE", "none", region_name="us-west-2")
    return session.client(
        "iam", endpoint_url=f"http://{HOST}:{port}", config=Config(proxies={}, read_timeout=START_SECONDS)
    )


def _wait(iam: Any) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            iam.list_roles()
        except (EndpointConnectionError, ClientError):
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("the server does not answer")


def create(server: Served, first: int, number: int) -> float:
    """Create roles, each with a policy, and read each; return the seconds that it took."""
    before = time.monotonic()
    for index in range(first, first + number):
        name = f"app-{index}"
        server.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        policy = server.iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(DOCUMENT))["Policy"]["Arn"]
        server.iam.attach_role_policy(RoleName=name, PolicyArn=policy)
        server.iam.get_role(RoleName=name)
        server.iam.list_attached_role_policies(RoleName=name)
    return time.monotonic() - before


def compare(sizes: list[int]) -> Iterator[tuple[int, Cost, Cost]]:
    """Yield the number of roles, and what they cost so far with plain moto and with the sandbox's AWS API."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "aws").mkdir()
        (folder / "clusters.json").write_text("[]")
        (folder / "quotas.json").write_text(json.dumps(QUOTAS))
        plain = stack.enter_context(served("moto.server", "--port={port}"))
        ours = stack.enter_context(served("sandbox.aws_api", "{port}", str(folder)))
        passed, done = [0.0, 0.0], 0
        for size in sorted(sizes):
            while done < size:
                number = min(ROLES_PER_TURN, size - done)
                for which, server in enumerate((plain, ours)):
                    passed[which] += create(server, done, number)
                done += number
            # The processor time is all of the server's: it writes its state whenever it will.
            costs = [
                Cost(seconds, _processor(server.process) - server.start)
                for seconds, server in zip(passed, (plain, ours), strict=True)
            ]
            yield size, costs[0], costs[1]


def measure(sizes: list[int]) -> list[Figure]:
    figures = []
    for size, plain, ours in compare(sizes):
        name = f"AWS API, {size:,} roles, {size * CALLS_PER_ROLE:,} calls, to plain moto"
        figures += [
            compared(name, [ours.passed], [plain.passed], "s", GOAL),
            compared(f"{name}, processor time", [ours.processor], [plain.processor], "s", GOAL),
        ]
    return figures


def main(sizes: list[int]) -> int:
    report("sandbox", TITLE, DESCRIPTION, lambda: measure(sizes), {})
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.sandbox", description=__doc__)
    parser.add_argument("roles", type=int, nargs="*", help="how many roles, one or several numbers")
    sys.exit(main(parser.parse_args().roles or list(SIZES)))
