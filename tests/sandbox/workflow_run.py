"""Runs the `run:` steps of a workflow's job, in order, as GitHub's runner does on Linux."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sandbox.project import STACK, Project
from tests.workflows import BASH, GH, own_action, workflow, write_programs, write_record

EXPRESSION = re.compile(r"\$\{\{ *(.+?) *\}\}")
ALWAYS = "${{ !cancelled() }}"
# What a program is given by GitHub alone is not in the environment of a step that does not pass it on.
OF_THE_BACKEND = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN")


@dataclass
class Run:
    steps: dict[str, bool] = field(default_factory=dict)
    """Names of the steps that ran, and whether they failed."""
    printed: str = ""
    summary: str = ""

    @property
    def failed(self) -> list[str]:
        return [name for name, failed in self.steps.items() if failed]


class Repository:
    def __init__(self, project: Project, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.record_file = folder / "github.json"
        write_record(self.record_file)
        self.programs = folder / "programs"
        write_programs(self.programs, {"gh": GH, "aws": "exit 0"})
        # What the action `install` creates.
        installed = project.folder / ".venv" / "bin"
        installed.mkdir(parents=True)
        (installed / "irsa").symlink_to(project.cloud.sandbox.programs / "irsa")
        self.checked_out = {*project.folder.iterdir()}

    @property
    def record(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.record_file.read_text())
        return read

    def run(self, name: str, user: Mapping[str, str], by_hand: bool = False, reviewed: bool = False) -> Run:
        for left in {*self.project.folder.iterdir()} - self.checked_out:
            left.unlink()
        values = {
            "matrix.stack": STACK,
            "github.token": "token",
            "github.server_url": "https://github.com",
            "github.repository": "organization/irsa",
            "github.run_id": "1",
            "github.event.pull_request.number": "7",
            "github.event.pull_request.head.sha": "c0ffee",
            "vars.AWS_REGION": "us-west-2",
            "vars.EKS_CLUSTER": "my-cluster",
            **{
                f"vars.AWS_{role}_ROLE_ARN": "arn:aws:iam::111122223333:role/ci"
                for role in ("PREVIEW", "DEPLOY", "DRIFT")
            },
            "vars.PULUMI_DEFAULT_ORGANIZATION": "",
            "vars.PULUMI_BACKEND_URL || 'https://api.pulumi.com'": self.project.variables["PULUMI_BACKEND_URL"],
            "secrets.PULUMI_CONFIG_PASSPHRASE": self.project.cloud.environment()["PULUMI_CONFIG_PASSPHRASE"],
            "secrets.PULUMI_ACCESS_TOKEN": "",
            "github.event.action == 'labeled' && github.event.label.name == 'irsa-reviewed'": str(reviewed).lower(),
            **{f"steps.{step}.outcome": "skipped" for step in ("check", "live", "compare", "preview")},
            "github.event_name == 'workflow_dispatch'": "true" if by_hand else "false",
        }
        files = {each: self.folder / each for each in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        described = workflow(f"{name}.yml")["jobs"][name]
        inherited = self.project.cloud.environment()
        environment = {
            **{key: value for key, value in inherited.items() if key not in OF_THE_BACKEND},
            **{each: str(file) for each, file in files.items()},
            "PATH": os.pathsep.join([str(self.programs), inherited["PATH"]]),
            "GH_RECORD": str(self.record_file),
            "GITHUB_REPOSITORY": "organization/irsa",
            "GITHUB_SHA": "c0ffee",
            **user,
            **_filled(described.get("env", {}), values),
        }
        run = Run()
        self._run_steps(described["steps"], environment, values, run)
        run.summary = files["GITHUB_STEP_SUMMARY"].read_text()
        return run

    def _run_steps(
        self, steps: list[dict[str, Any]], environment: Mapping[str, str], values: dict[str, str], run: Run
    ) -> None:
        for step in steps:
            condition = step.get("if", "")
            if (run.failed and condition != ALWAYS) or (
                condition == "inputs.cluster != ''" and not values["inputs.cluster"]
            ):
                continue
            assert condition in ("", ALWAYS, "inputs.cluster != ''"), condition
            action = own_action(step.get("uses", ""))
            if action is not None and "install" not in step["uses"]:
                given = _filled(step.get("with", {}), values)
                self._run_steps(
                    action["runs"]["steps"],
                    environment,
                    {**values, **{f"inputs.{k}": v for k, v in given.items()}},
                    run,
                )
            elif "run" in step:
                self._run_step(step, {**environment, **_filled(step.get("env", {}), values)}, values, run)

    def _run_step(self, step: dict[str, Any], environment: dict[str, str], values: dict[str, str], run: Run) -> None:
        answer = subprocess.run(
            [*BASH, step["run"]],
            cwd=self.project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        failed = answer.returncode != 0
        run.printed += answer.stdout + answer.stderr
        run.steps[step.get("name", step["run"])] = failed
        if "id" in step:
            values[f"steps.{step['id']}.outcome"] = "failure" if failed else "success"
            written = Path(environment["GITHUB_OUTPUT"]).read_text().splitlines()
            values |= {
                f"steps.{step['id']}.outputs.{name}": value for name, _, value in (e.partition("=") for e in written)
            }


def _filled(texts: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    return {key: EXPRESSION.sub(lambda found: values[found[1]], str(text)) for key, text in texts.items()}
