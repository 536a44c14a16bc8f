"""What is measured on the real engine: stacks of this program, and of the floor with the very same resources."""

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench.bindings import MeasuredBinding, declared, literal, numbered, real_size
from bench.figures import Figure, compared
from bench.measuring import say
from sandbox.layout import AWS_ACCOUNT
from tests.sandbox.cloud import Cloud, running_cloud
from tests.sandbox.project import ROOT, STACK, Stack

FLOOR = Path(__file__).parent / "floor_program.py"
BINDINGS, ROUNDS, REAL_SIZE_RUNS, TIMEOUT_SECONDS = 100, 3, 2, 1800
QUIET = ("--non-interactive", "--suppress-outputs")
UP = ("pulumi", "up", "--yes", "--skip-preview", *QUIET)
OPERATIONS = {
    "preview": ("pulumi", "preview", *QUIET),
    "up": UP,
    "second up": (*UP, "--expect-no-changes"),
    "refresh": ("pulumi", "refresh", "--yes", "--skip-preview", "--expect-no-changes", *QUIET),
    "destroy": ("pulumi", "destroy", "--yes", "--skip-preview", *QUIET),
}
GOALS = {"preview": 1.15, "second up": 1.15}
VERIFY = (str(Path(sys.executable).with_name("irsa")), "verify", "--stack", STACK)
# AWS's default quotas, raised as an organisation of this size has them raised.
QUOTAS = {AWS_ACCOUNT: {"RolesQuota": 20_000, "PoliciesQuota": 20_000, "AttachedPoliciesPerRoleQuota": 20}}


class FailedError(Exception):
    """A command failed that is measured: there is no figure."""


def floors(cloud: Cloud, folder: Path) -> list[Figure]:
    """The program against its floor

    A bare Pulumi program creates the very same resources (the states are compared) from literal documents, with the
    same dependencies, in no component. The two stacks take turns at every command, in one sandbox. `preview` is that of
    a new stack; the second `up` and `refresh` find no change. irsa sends none of the SDK's debug messages, and
    registers resources while it makes others; the floor does neither, so that irsa can be below it. The state is
    written before and after each step, as the engine does by default for a state in a folder or a bucket, so that `up`
    and `destroy` follow its size. That of irsa is larger: each binding has a component, which records the declared
    trust policy and documents, with which `irsa verify` compares even after a `pulumi refresh`.
    """
    # The names start with words of one length, so that the stacks exist side by side.
    irsa = irsa_stack(cloud, folder / "irsa", numbered(BINDINGS, "irsa"))
    bare = floor_stack(cloud, folder / "bare", numbered(BINDINGS, "bare"))
    mine, its = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for turn in range(ROUNDS):
        for operation, command in OPERATIONS.items():
            mine[operation].append(run(irsa, *command))
            its[operation].append(run(bare, *command))
            times = f"{mine[operation][-1]:.1f} s, floor {its[operation][-1]:.1f} s"
            say(f"  round {turn + 1} of {ROUNDS}: {operation}: {times}")
            if operation == "up":
                # Else what was measured is not comparable.
                assert resources(irsa, "irsa-") == resources(bare, "bare-")
    to_the_floor = f"{BINDINGS} bindings, to the bare floor"
    return [compared(f"{each}, {to_the_floor}", mine[each], its[each], "s", GOALS.get(each)) for each in OPERATIONS]


def organisation(cloud: Cloud, folder: Path) -> list[Figure]:
    """A large organisation

    The largest public user of IAM roles for service accounts that could be found declares 1,070 roles in one cluster,
    in 732 namespaces, with 1 to 11 managed policies each: 6,688 resources, the stack's own and the components included.
    The state is written at the end (`PULUMI_SKIP_CHECKPOINTS`), for otherwise nearly all of the time is the engine's.
    `irsa verify` finds everything as declared.
    """
    stack = irsa_stack(cloud, folder / "organisation", real_size(), PULUMI_SKIP_CHECKPOINTS="true")
    first = run(stack, *UP)
    say(f"  up: {first:.1f} s")
    second = [run(stack, *OPERATIONS["second up"]) for _ in range(REAL_SIZE_RUNS)]
    verify = [run(stack, *VERIFY) for _ in range(REAL_SIZE_RUNS)]
    return [
        Figure("up, 1,070 bindings", "s", [first]),
        Figure("second up, 1,070 bindings", "s", second),
        Figure("irsa verify, 1,070 bindings", "s", verify),
    ]


def run(stack: Stack, *command: str) -> float:
    """Run a command in the folder of a stack, and return the seconds from its start to its end.

    Raises:
        FailedError: It failed; with all that it said.
    """
    started = time.perf_counter()
    answer = stack.cloud.run(*command, folder=stack.folder, timeout=TIMEOUT_SECONDS, **stack.variables)
    taken = time.perf_counter() - started
    if answer.returncode:
        raise FailedError(f"{' '.join(command)}:\n{answer.stdout[-4000:]}{answer.stderr[-4000:]}")
    return taken


def resources(stack: Stack, prefix: str) -> list[tuple[str, str]]:
    """Return type and inputs of all resources of AWS and Kubernetes, without the word that names start with."""
    found = [each for each in stack.state() if each["type"].startswith(("aws:", "kubernetes:"))]
    return sorted((each["type"], json.dumps(each["inputs"], sort_keys=True).replace(prefix, "")) for each in found)


def irsa_stack(cloud: Cloud, folder: Path, bindings: Sequence[MeasuredBinding], **variables: str) -> Stack:
    """Return a stack of this program."""
    settings = {"sandbox": True, "cluster": {"name": "my-cluster"}, **declared(bindings)}
    named = {f"irsa:{key}": value for key, value in settings.items()}
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    write_project(folder, ROOT / "__main__.py", project, named)
    return Stack(cloud, folder, variables=variables)


def floor_stack(cloud: Cloud, folder: Path, bindings: Sequence[MeasuredBinding]) -> Stack:
    """Return a stack of the floor's program."""
    write_project(folder, FLOOR, {"name": "floor", "runtime": {"name": "python", "options": {}}}, {})
    (folder / "bindings.json").write_text(json.dumps(literal(bindings)))
    return Stack(cloud, folder)


def write_project(folder: Path, program: Path, project: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Write the folder of a stack."""
    folder.mkdir()
    project["runtime"]["options"]["virtualenv"] = str(ROOT / ".venv")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (folder / "__main__.py").write_text(program.read_text())
    config = {"aws:region": "us-west-2", "aws:allowedAccountIds": [AWS_ACCOUNT], "kubernetes:context": "irsa-sandbox"}
    (folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": {**config, **settings}}))


@contextmanager
def measured_cloud(folder: Path) -> Iterator[Cloud]:
    """Start a sandbox in a folder."""
    # The user's own settings of the engine would be measured too.
    for name in [name for name in os.environ if name.startswith("PULUMI_")]:
        del os.environ[name]
    with running_cloud(folder) as cloud:
        cloud.sandbox.quotas.write_text(json.dumps(QUOTAS))
        yield cloud


def versions_of(cloud: Cloud) -> dict[str, str]:
    """Return the versions of the engine, its plugins and the API server."""
    server = json.loads(cloud.kubectl("version", "-o", "json").stdout)["serverVersion"]["gitVersion"]
    plugins = cloud.sandbox.pulumi_home / "plugins"
    stand_ins = [file.parent.name.removeprefix("resource-") for file in sorted(plugins.glob("*/stand-in.json"))]
    official = [file.name.removeprefix("resource-") for file in sorted(plugins.glob("resource-*-v*/"))]
    return {
        "pulumi (engine)": cloud.run("pulumi", "version").stdout.strip(),
        "kube-apiserver": server,
        "plugins": ", ".join(f"{name} (stand-in)" if name in stand_ins else f"{name} (official)" for name in official),
    }
