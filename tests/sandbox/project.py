import json
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
STACK = "test"
# Nothing is written: what is as it was, and what is only read, or not read any more.
UNCOUNTED = ("same", "read", "discard")


def blue_and_green(kubeconfig: str) -> dict[str, Any]:
    """Settings of two clusters: the sandbox's own, and the second one with this kubeconfig."""
    green = {
        "name": "my-other-cluster",
        "region": "us-east-1",
        "createOidcProvider": True,
        "kubernetes": {"kubeconfig": kubeconfig, "context": "irsa-sandbox"},
    }
    return {"blue": {"name": "my-cluster"}, "green": green}


def make_environment(folder: Path) -> None:
    """Make a virtual environment that has this one's packages, and none of this checkout's modules."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # Of a folder that is named so, Python reads no further .pth: those that install this checkout.
    (own / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


def copied_plugin(folder: Path) -> Path:
    """Copy the component's plugin into a folder, with an environment of its own as `pulumi install` makes it."""
    plugin = folder / "components"
    leave_out = shutil.ignore_patterns("venv", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "components", plugin, ignore=leave_out)
    make_environment(plugin / "venv")
    return plugin


def counts(events: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return dict(Counter(event["op"] for event in events if event.get("logical") and event["op"] not in UNCOUNTED))


def empty_state(folder: Path, project: str, stack: str) -> Path:
    """Write what `pulumi stack init` writes into a backend in a folder; the first `up` adds the salt."""
    checkpoint = folder / ".pulumi" / "stacks" / project / f"{stack}.json"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    (folder / ".pulumi" / "meta.yaml").write_text("version: 1\n")
    checkpoint.write_text(json.dumps({"version": 3, "checkpoint": {"stack": f"organization/{project}/{stack}"}}))
    return checkpoint


class Stack:
    """A new stack of the project in a folder, with a state of its own beside it."""

    def __init__(self, cloud: Any, folder: Path, name: str = STACK, variables: dict[str, str] | None = None) -> None:
        self.cloud, self.folder = cloud, folder
        own = {"PULUMI_BACKEND_URL": f"file://{folder / 'state'}", "PULUMI_STACK": name}
        self.variables = {**own, **(variables or {})}
        project = yaml.safe_load((folder / "Pulumi.yaml").read_text())["name"]
        state = Path(self.variables["PULUMI_BACKEND_URL"].removeprefix("file://"))
        self.checkpoint = empty_state(state, project, name)

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        answer: subprocess.CompletedProcess[str] = self.cloud.pulumi(
            self.folder, *arguments, **{**self.variables, **variables}
        )
        return answer

    def pulumi(self, *arguments: str) -> str:
        answer = self.run(*arguments)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout + answer.stderr

    def refused(self, *arguments: str, **variables: str) -> str:
        """Run pulumi, which must fail without a traceback, and return its output."""
        answer = self.run(*arguments, **variables)
        said = answer.stdout + answer.stderr
        assert answer.returncode != 0, said
        assert "Traceback" not in said, said
        return said

    def up(self, *arguments: str) -> dict[str, int]:
        """Deploy, and return the number of resources per operation, without those read or unchanged.

        Without the preview, which would take as long again: those that look at one run it themselves.
        """
        return counts(self.events("up", "--yes", "--skip-preview", *arguments))

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """Run an update, which must succeed, and return what happened to each resource, in order."""
        answer = self.run(*arguments, "--json")
        events = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith('{"')]
        said = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
        errors = "".join(each["message"] for each in said if each["severity"] == "error")
        assert answer.returncode == 0, errors or answer.stdout + answer.stderr
        happened = [event["resOutputsEvent"]["metadata"] for event in events if "resOutputsEvent" in event]
        (summary,) = [event["summaryEvent"] for event in events if "summaryEvent" in event]
        changes = {name: count for name, count in summary["resourceChanges"].items() if name not in UNCOUNTED}
        assert counts(happened) == changes
        return happened

    def state(self) -> list[dict[str, Any]]:
        latest = json.loads(self.checkpoint.read_text())["checkpoint"].get("latest") or {}
        resources: list[dict[str, Any]] = latest.get("resources", [])
        return resources

    def outputs(self) -> dict[str, Any]:
        (stack,) = [each for each in self.state() if each["type"] == "pulumi:pulumi:Stack"]
        outputs: dict[str, Any] = stack.get("outputs", {})
        return outputs

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        return {r["urn"].rsplit("::", 1)[-1]: r for r in self.state() if r["type"].rsplit(":", 1)[-1] == kind}

    def destroy(self) -> None:
        self.pulumi("destroy", "--yes", "--skip-preview")

    def clean_up(self) -> None:
        """Destroy what is left; a stack that was stopped by a look-up has nothing, nor the look-up's credentials."""
        if any(each["type"].startswith(("aws:", "kubernetes:")) for each in self.state()):
            self.destroy()


class Project(Stack):
    def __init__(
        self,
        cloud: Any,
        folder: Path,
        values: dict[str, Any],
        region: str = "us-west-2",
        variables: dict[str, str] | None = None,
    ) -> None:
        self.region = region
        folder.mkdir(parents=True, exist_ok=True)
        project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
        project["runtime"]["options"]["virtualenv"] = str(cloud.virtualenv)
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
        shutil.copy(ROOT / "__main__.py", folder)
        shutil.copytree(ROOT / "policies", folder / "policies", dirs_exist_ok=True)
        super().__init__(cloud, folder, variables=variables)
        self.set(values)

    def set(self, values: dict[str, Any], config: Mapping[str, Any] = {}) -> None:
        """Replace the `irsa:` settings; the sandbox's cluster is there unless they name another.

        Settings of the providers are replaced by those in `config`; None takes one away.
        """
        common: dict[str, Any] = {
            "aws:region": self.region,
            "aws:allowedAccountIds": ["111122223333"],
            "kubernetes:context": "irsa-sandbox",
            "irsa:sandbox": True,
        }
        clusters = {} if {"cluster", "clusters"} & values.keys() else {"irsa:cluster": {"name": "my-cluster"}}
        own = {f"irsa:{key}": value for key, value in values.items()}
        written = {key: value for key, value in {**common, **clusters, **own, **config}.items() if value is not None}
        file = self.folder / f"Pulumi.{STACK}.yaml"
        before = yaml.safe_load(file.read_text()) if file.exists() else {}
        file.write_text(yaml.safe_dump({**before, "config": written}, sort_keys=False))


class Program(Stack):
    def __init__(self, cloud: Any, folder: Path, text: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(cloud.virtualenv)}}
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "somebody", "runtime": runtime}))
        (folder / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2"}}))
        super().__init__(cloud, folder)
        self.write(text)

    def write(self, text: str) -> None:
        (self.folder / "__main__.py").write_text(text)
