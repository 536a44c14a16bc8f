"""How long each subcommand of irsa takes to start, and how long Python takes for the imports that it needs."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.harness import compared, in_turn, report, seconds
from bench.results import Figure
from irsa.rules.trust import trust_document

TITLE = "Start-up of each subcommand"
DESCRIPTION = """\
From the start of the process to its end, beside Python with nothing but the imports that it needs:
argparse; for `check` and `stacks`, pydantic and PyYAML. `verify` and `prove` are started with `--help`, which
asks nobody; `check` and `explain` do their work, on a small input."""
RUNS = 9
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
ROLE = "arn:aws:iam::111122223333:role/my-role"
IRSA = str(Path(sys.executable).with_name("irsa"))
ARGPARSE, PYDANTIC = ("import argparse", "import pydantic, yaml")
ROOT = Path(__file__).parents[1]
# Without bytecode files, irsa's own modules would be compiled at each start, and those of the floor would not.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def started(command: list[str]) -> float:
    """Return the seconds that a command takes."""
    return seconds(lambda: subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True))


def measure(folder: Path) -> list[Figure]:
    trust = folder / "trust.json"
    trust.write_text(trust_document([f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"], ["default:app"]))
    explain = ["explain", "default/app", ROLE, "--trust", str(trust), "--issuer", f"https://{ISSUER}"]
    subcommands = {
        "irsa --help": (["--help"], ARGPARSE, 5),
        "irsa explain": (explain, ARGPARSE, 8),
        "irsa check": (["check", "Pulumi.dev.yaml"], PYDANTIC, 3),
        "irsa verify --help": (["verify", "--help"], ARGPARSE, None),
        "irsa prove --help": (["prove", "--help"], ARGPARSE, None),
        "irsa stacks": (["stacks"], PYDANTIC, None),
        "irsa completion": (["completion", "bash"], ARGPARSE, None),
    }
    figures = []
    for subcommand, (arguments, least, goal) in subcommands.items():
        cases = {
            "irsa": partial(started, [IRSA, *arguments]),
            "least": partial(started, [sys.executable, "-c", least]),
        }
        # The first run of each fills caches.
        times = {name: runs[1:] for name, runs in in_turn(cases, RUNS + 1).items()}
        figures.append(compared(subcommand, times["irsa"], times["least"], "s", goal))
    return figures


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report("startup", TITLE, DESCRIPTION, lambda: measure(Path(folder)), {})
    return 0


if __name__ == "__main__":
    sys.exit(main())
