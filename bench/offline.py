"""What is measured without the sandbox: `irsa check`, `irsa diff` and the start of each subcommand."""

import contextlib
import io
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench.figures import Figure, compared
from bench.measuring import in_turn
from irsa.ways import TrustParts, trust_document
from irsa_cli.main import main as irsa
from irsa_cli.subcommands import SUBCOMMANDS
from irsa_program.check_report import report_of

ROOT = Path(__file__).parents[1]

CHECKED, CHECK_RUNS = 10_000, 3
HEAD = """config:
  aws:region: us-west-2
  irsa:cluster: {name: my-cluster}
  irsa:bindings:
"""
BINDING = """    app-%(number)d:
      serviceAccount: {name: app-%(number)d, namespace: team-%(team)d}
      role: {name: app-%(number)d, description: The role of an app}
      policyArns: ["arn:${partition}:iam::aws:policy/AmazonSQSReadOnlyAccess"]
      policy:
        name: app-%(number)d
        document:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Action: ["s3:GetObject", "s3:PutObject"]
              Resource: arn:${partition}:s3:::bucket-%(number)d/*
"""

PREVIEWED, DIFF_RUNS, DIFF_GOAL = 1_070, 5, 1.6
RECORD = ROOT / "tests" / "program" / "recorded" / "dev.json"
# In all names of one binding's resources there, and in no others.
NAMED = "report"

STARTS = 9
IRSA = str(Path(sys.executable).with_name("irsa"))
ARGPARSE, PYDANTIC = ("import argparse", "import pydantic, yaml")
START_GOALS = {"irsa explain": 8, "irsa check": 3}
HELP_GOAL = 4
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
ROLE = "arn:aws:iam::111122223333:role/my-role"


def check(folder: Path) -> list[Figure]:
    """irsa check

    A stack file with 10,000 bindings is checked offline, in one process that is started already. The floor is PyYAML's
    C loader alone on the same file.
    """
    file = folder / "Pulumi.bench.yaml"
    text = HEAD + "".join(BINDING % {"number": number, "team": number % 50} for number in range(CHECKED))
    file.write_text(text)
    checked = report_of(file)
    assert (list(checked.mistakes), list(checked.warnings), checked.bindings) == ([], [], CHECKED)
    loader = partial(yaml.load, file.read_bytes(), Loader=yaml.CSafeLoader)
    times = in_turn({"irsa": partial(report_of, file), "loader": loader}, CHECK_RUNS)
    return [compared("10,000 bindings, to PyYAML's C loader", times["irsa"], times["loader"], "s")]


def diff(folder: Path) -> list[Figure]:
    """irsa diff

    A preview, as `pulumi` prints it, creates the resources of 1,070 bindings. It is read in one process that is started
    already.
    """
    preview = folder / "preview.json"
    resources = json.loads(RECORD.read_text())["resources"]
    of_binding = json.dumps([_step(urn, each["asked"]) for urn, each in resources.items() if NAMED in urn])
    steps = [step for number in range(PREVIEWED) for step in json.loads(of_binding.replace(NAMED, f"app-{number}"))]
    preview.write_text(json.dumps({"steps": steps, "changeSummary": {}}))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        times = in_turn({"irsa": partial(irsa, ["diff", "--preview", str(preview)])}, DIFF_RUNS)["irsa"]
    assert f"app-{PREVIEWED - 1}" in printed.getvalue()
    return [Figure("a preview", "s", times, DIFF_GOAL)]


def _step(urn: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the step that creates a resource that was recorded, as a preview has it."""
    new = {"urn": urn, "type": urn.split("::")[2].rpartition("$")[2], "parent": asked["parent"]}
    new |= {"inputs": asked.get("object", {}), "propertyDependencies": asked["propertyDependencies"]}
    return {"op": "create", "urn": urn, "newState": new}


def startup(folder: Path) -> list[Figure]:
    """Start-up of each subcommand

    From the start of the process to its end, beside Python with nothing but the imports that it needs: argparse; for
    `check` and `stacks`, pydantic and PyYAML. Those with `--help` ask nobody; the others do their work, on a small
    input.
    """
    trust = folder / "trust.json"
    trust.write_text(trust_document(TrustParts([f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"], ["default:app"])))
    work = {
        "check": ["Pulumi.dev.yaml"],
        "explain": ["default/app", ROLE, "--trust", str(trust), "--issuer", f"https://{ISSUER}"],
        "stacks": [],
    }
    started = {"irsa --help": ["--help"]}
    for name in SUBCOMMANDS:
        started[f"irsa {name}" if name in work else f"irsa {name} --help"] = [name, *work.get(name, ["--help"])]
    floors = {least: [sys.executable, "-c", least] for least in (ARGPARSE, PYDANTIC)}
    commands = {**floors, **{name: [IRSA, *arguments] for name, arguments in started.items()}}
    # The first run of each fills caches.
    runs = in_turn({name: partial(_start, command) for name, command in commands.items()}, STARTS + 1)
    times = {name: its[1:] for name, its in runs.items()}
    least = dict.fromkeys(("irsa check", "irsa stacks"), PYDANTIC)
    return [
        compared(
            name,
            times[name],
            times[least.get(name, ARGPARSE)],
            "s",
            HELP_GOAL if name.endswith("--help") else START_GOALS.get(name),
        )
        for name in started
    ]


def _start(command: list[str]) -> None:
    # Without bytecode files, irsa's own modules would be compiled at each start, and those of the floor would not.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
