"""The stacks that are measured on the real engine: this program's, and the two floors with the very same resources."""

import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bench.bindings import MeasuredBinding, declared, literal
from bench.harness import MEGABYTE, compared, seconds, written
from bench.results import Figure
from sandbox.layout import AWS_ACCOUNT
from tests.sandbox.conftest import Cloud, running_cloud
from tests.sandbox.project import ROOT, STACK

FLOOR = Path(__file__).parent / "floor_program" / "__main__.py"
TIMEOUT_SECONDS = 7200
UP = ("up", "--yes", "--skip-preview", "--suppress-outputs")
DESTROY = ("destroy", "--yes", "--skip-preview", "--suppress-outputs")
# The program's own process says at its end what it used: the engine and the plugins are other processes.
USAGE = "BENCH_USAGE"
REPORTING = f"""import atexit, os, pathlib, resource, sys
def report(usage=resource.getrusage, file=pathlib.Path(os.environ["{USAGE}"])):
    file.write_text(str(usage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)))
atexit.register(report)
"""
# AWS's default quotas, raised as an organisation of this size has them raised.
QUOTAS = {AWS_ACCOUNT: {"RolesQuota": 20_000, "PoliciesQuota": 20_000, "AttachedPoliciesPerRoleQuota": 20}}


class Run(NamedTuple):
    """One run of pulumi."""

    seconds: float
    """From its start to its end."""
    processor_seconds: float
    """Processor time of the engine, its plugins and the program; not that of the servers of AWS and Kubernetes."""
    program_megabytes: float
    """Peak memory of the program's own process; 0 where the engine does not run it."""


def compared_runs(name: str, mine: Sequence[Run], its: Sequence[Run], goal: float | None = None) -> Figure:
    """Return how many times the floor's seconds a program's own are, with the same of the processor time."""
    figure = compared(name, [run.seconds for run in mine], [run.seconds for run in its], "s", goal)
    processor = compared(name, [run.processor_seconds for run in mine], [run.processor_seconds for run in its], "s")
    return replace(figure, of=f"{figure.of}; processor time {written(processor.median)} times")


class FailedError(Exception):
    """A command failed that is measured: there is no figure."""


@dataclass(frozen=True)
class MeasuredStack:
    """A stack in a folder of its own, with a state of its own."""

    cloud: Cloud
    folder: Path
    variables: Mapping[str, str]
    """Environment variables besides the sandbox's."""

    def run(self, *arguments: str, **variables: str) -> Run:
        """Run pulumi.

        Raises:
            FailedError: It failed; with all that it said.
        """
        usage = self.folder / "usage"
        usage.unlink(missing_ok=True)

        def pulumi() -> None:
            answer = self.cloud.pulumi(
                self.folder, *arguments, timeout=TIMEOUT_SECONDS, **{**self.variables, USAGE: str(usage), **variables}
            )
            if answer.returncode:
                raise FailedError(f"pulumi {' '.join(arguments)}:\n{answer.stdout[-4000:]}{answer.stderr[-4000:]}")

        before = _processor_seconds()
        taken = seconds(pulumi)
        processor = _processor_seconds() - before
        peak = float(usage.read_text()) if usage.exists() else 0
        return Run(taken, processor, peak / MEGABYTE)

    def resources(self) -> list[tuple[str, str]]:
        """Return type and inputs of all resources of AWS and Kubernetes, sorted: what two stacks of one size share."""
        (file,) = (self.folder / "state" / ".pulumi" / "stacks").rglob(f"{STACK}.json")
        state = json.loads(file.read_text())["checkpoint"]["latest"]["resources"]
        ours = ("aws:", "kubernetes:")
        found = [(each["type"], json.dumps(each["inputs"], sort_keys=True)) for each in state if each.get("custom")]
        return sorted(each for each in found if each[0].startswith(ours))


def _processor_seconds() -> float:
    """Return the processor time of all commands that have ended, with that of the processes that each waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def irsa_stack(cloud: Cloud, folder: Path, bindings: Sequence[MeasuredBinding], **variables: str) -> MeasuredStack:
    """Return a stack of this program."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    settings = {
        f"irsa:{key}": value for key, value in {"cluster": {"name": "my-cluster"}, **declared(bindings)}.items()
    }
    return _stack(
        cloud, folder, project, {"irsa:sandbox": True, **settings}, program=ROOT / "__main__.py", variables=variables
    )


def floor_stack(
    cloud: Cloud, folder: Path, bindings: Sequence[MeasuredBinding], *, wrapped: bool, **variables: str
) -> MeasuredStack:
    """Return a stack of the floor's program."""
    project = {"name": "floor", "runtime": {"name": "python", "options": {}}}
    stack = _stack(cloud, folder, project, {}, program=FLOOR, variables=variables)
    (folder / "resources.json").write_text(json.dumps(literal(bindings, wrapped)))
    return stack


def _stack(
    cloud: Cloud,
    folder: Path,
    project: dict[str, Any],
    settings: Mapping[str, Any],
    *,
    program: Path,
    variables: Mapping[str, str],
) -> MeasuredStack:
    (folder / "state").mkdir(parents=True)
    project["runtime"]["options"]["virtualenv"] = str(ROOT / ".venv")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (folder / "__main__.py").write_text(REPORTING + program.read_text())
    stack = MeasuredStack(cloud, folder, {"PULUMI_BACKEND_URL": f"file://{folder / 'state'}", **variables})
    stack.run("stack", "init", STACK)
    file = folder / f"Pulumi.{STACK}.yaml"
    salt = yaml.safe_load(file.read_text()) if file.exists() else {}
    config = {"aws:region": "us-west-2", "aws:allowedAccountIds": [AWS_ACCOUNT], "kubernetes:context": "irsa-sandbox"}
    file.write_text(yaml.safe_dump({**salt, "config": {**config, **settings}}, sort_keys=False))
    return stack


@contextmanager
def measured_cloud() -> Iterator[tuple[Cloud, Path]]:
    """Start a sandbox in a temporary folder, and yield it with a folder for stacks."""
    # The user's own settings of the engine would be measured too.
    for name in [name for name in os.environ if name.startswith("PULUMI_")]:
        del os.environ[name]
    # As Ctrl-C does: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="irsa-bench-") as folder, running_cloud(Path(folder) / "sandbox") as cloud:
        cloud.sandbox.quotas.write_text(json.dumps(QUOTAS))
        yield cloud, Path(folder)


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
