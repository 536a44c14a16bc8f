"""How long a verb of irsa takes to start, and how long Python takes for the imports that it cannot do without.

The two of a pair run in turn, so that a busy machine slows both; the ratio is the median of the pairs' ratios.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from irsa.rules.trust import trust_document

PAIRS = 15
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
ROLE = "arn:aws:iam::111122223333:role/my-role"
IRSA = str(Path(sys.executable).with_name("irsa"))
ARGPARSE, PYDANTIC = ("import argparse", "import pydantic, yaml")
ROOT = Path(__file__).parents[1]


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trust.json"
        file.write_text(trust_document([f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"], ["default:app"]))
        explain = ["explain", "default/app", ROLE, "--trust", str(file), "--issuer", f"https://{ISSUER}"]
        cases = ((["--help"], ARGPARSE, 5), (explain, ARGPARSE, 8), (["check", "Pulumi.dev.yaml"], PYDANTIC, 3))
        print(f"{'':28}   irsa   least   ratio  goal    ({PAIRS} pairs, medians)")
        for arguments, least, goal in cases:
            pair = ([IRSA, *arguments], [sys.executable, "-c", least])
            times = [[seconds(command) for command in pair] for _ in range(PAIRS + 1)][1:]
            irsa, least_seconds = (statistics.median(column) for column in zip(*times, strict=True))
            ratio = statistics.median(mine / its for mine, its in times)
            named = f"irsa {' '.join(arguments[:2] if len(arguments) == 2 else arguments[:1])}"  # noqa: PLR2004
            print(f"{named:28}{irsa:5.2f} s {least_seconds:5.2f} s  {ratio:5.1f}   {goal}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
