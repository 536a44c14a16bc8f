"""How long `irsa verify` takes for many bindings, beside reading what it compares: python -m bench verify."""

import sys
from pathlib import Path

from bench.bindings import numbered
from bench.harness import compared, in_turn, report, seconds
from bench.organisation import WITHOUT_CHECKPOINTS
from bench.results import Figure
from bench.stacks import UP, FailedError, MeasuredStack, irsa_stack, measured_cloud, versions_of
from tests.sandbox.conftest import Cloud
from tests.sandbox.project import STACK

TITLE = "irsa verify"
DESCRIPTION = """\
A stack of 1,000 bindings, all as declared, from the start of the process to its end. The floor is a process that reads
the same and compares nothing: the stack's state, the roles and policies of the AWS account with boto3, page by page,
and the service accounts with kubectl."""
BINDINGS, RUNS = 1_000, 3
IRSA = (str(Path(sys.executable).with_name("irsa")), "verify", "--stack", STACK)
FLOOR = f"""
import boto3, json, subprocess
for command in ("pulumi stack export --stack {STACK}", "kubectl get serviceaccounts --all-namespaces --output json"):
    json.loads(subprocess.run(command.split(), check=True, capture_output=True).stdout)
details = boto3.client("iam").get_paginator("get_account_authorization_details")
assert sum(len(page["RoleDetailList"]) for page in details.paginate(Filter=["Role", "LocalManagedPolicy"]))
"""


def ended(stack: MeasuredStack, *command: str) -> None:
    """Run a command in the folder of a stack.

    Raises:
        FailedError: It failed; with all that it said.
    """
    answer = stack.cloud.run(*command, folder=stack.folder, timeout=600, **stack.variables)
    if answer.returncode:
        raise FailedError(answer.stdout + answer.stderr)


def measure(cloud: Cloud, folder: Path) -> list[Figure]:
    stack = irsa_stack(cloud, folder / "verify", numbered(BINDINGS, "irsa"))
    stack.run(*UP, **WITHOUT_CHECKPOINTS)
    cases = {
        "irsa": lambda: seconds(lambda: ended(stack, *IRSA)),
        "floor": lambda: seconds(lambda: ended(stack, sys.executable, "-c", FLOOR)),
    }
    # The first run of each fills caches.
    times = {name: runs[1:] for name, runs in in_turn(cases, RUNS + 1).items()}
    return [compared(f"irsa verify, {BINDINGS:,} bindings", times["irsa"], times["floor"], "s")]


def main() -> int:
    with measured_cloud() as (cloud, folder):
        report("verify", TITLE, DESCRIPTION, lambda: measure(cloud, folder), versions_of(cloud))
    return 0


if __name__ == "__main__":
    sys.exit(main())
