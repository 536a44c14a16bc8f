"""How long `irsa check` takes for many bindings, beside PyYAML's C loader alone on the same file."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from config.check import report_of

BINDINGS = 10_000
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


def seconds(action: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "Pulumi.bench.yaml"
        file.write_text(HEAD + "".join(BINDING % {"number": n, "team": n % 50} for n in range(BINDINGS)))
        text = file.read_bytes()
        loading = min(seconds(lambda: yaml.load(text, Loader=yaml.CSafeLoader)) for _ in range(3))
        report = report_of(file)
        assert (list(report.mistakes), list(report.warnings), report.bindings) == ([], [], BINDINGS)
        checking = min(seconds(lambda: report_of(file)) for _ in range(3))
        print(f"{BINDINGS:,} bindings, {len(text):,} bytes")
        print(f"PyYAML's C loader alone  {loading:5.2f} s")
        print(f"irsa check               {checking:5.2f} s, {checking / loading:.1f} times that")
        # With a mistake in every binding, the lines of all of them are looked up.
        file.write_text(file.read_text().replace("serviceAccount:", "serviceAccout:"))
        wrong = seconds(lambda: report_of(file))
        print(f"with 10,000 mistakes     {wrong:5.2f} s")
        twice = range(2 * BINDINGS)
        file.write_text(HEAD + "".join(BINDING % {"number": n, "team": n % 50} for n in twice))
        print(f"twice the bindings       {seconds(lambda: report_of(file)):5.2f} s")
        # 366 bytes of aliases of aliases, which stand for a billion values.
        levels = (f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]\n" for n in range(9))
        file.write_text("config:\n" + "".join(levels))
        print(f"aliases, refused         {seconds(lambda: report_of(file)) * 1000:5.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
