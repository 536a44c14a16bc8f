"""How long `irsa check` takes for 10,000 bindings, beside PyYAML's C loader alone on the same file."""

import sys
import tempfile
from pathlib import Path

import yaml

from bench.harness import compared, in_turn, report, seconds
from bench.results import Figure
from program.check import report_of

TITLE = "irsa check"
DESCRIPTION = """\
A stack file with 10,000 bindings is checked offline, in one process that is started already. The floor is PyYAML's C
loader alone on the same file."""
BINDINGS = 10_000
RUNS = 3
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


def text_of(bindings: int) -> str:
    """Return a stack file."""
    return HEAD + "".join(BINDING % {"number": number, "team": number % 50} for number in range(bindings))


def measure(folder: Path) -> list[Figure]:
    file, twice, wrong = (folder / f"Pulumi.{name}.yaml" for name in ("bench", "twice", "wrong"))
    file.write_text(text_of(BINDINGS))
    twice.write_text(text_of(2 * BINDINGS))
    # With an error in every binding, the lines of all of them are looked up.
    wrong.write_text(text_of(BINDINGS).replace("serviceAccount:", "serviceAccout:"))
    content = file.read_bytes()
    checked = report_of(file)
    assert (list(checked.mistakes), list(checked.warnings), checked.bindings) == ([], [], BINDINGS)
    cases = {
        "loader": lambda: seconds(lambda: yaml.load(content, Loader=yaml.CSafeLoader)),
        "check": lambda: seconds(lambda: report_of(file)),
    }
    times = in_turn(cases, RUNS)
    return [
        compared("10,000 bindings, to PyYAML's C loader", times["check"], times["loader"], "s"),
        Figure("10,000 bindings with an error in each", "s", (seconds(lambda: report_of(wrong)),)),
        Figure("20,000 bindings", "s", (seconds(lambda: report_of(twice)),)),
    ]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report("check", TITLE, DESCRIPTION, lambda: measure(Path(folder)), {})
    return 0


if __name__ == "__main__":
    sys.exit(main())
