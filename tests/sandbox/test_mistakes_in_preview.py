"""What a preview says of a stack file with mistakes, and how the engine reads its scalars."""

import json
import random
from collections.abc import Callable
from datetime import date

import pytest

from irsa.rules.unknown import WRONG
from irsa_config.scalars import other_key, scalar
from tests.sandbox.project import Project
from tests.unit.config.test_scalars import ENGINE

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
BAD = {
    "bindings": {
        "my-app": {"serviceAccont": {"name": "my-app"}, "policy": {"file": "policies/my-polcy.json"}},
        "other": {"serviceAccount": {"name": "other"}, "policyArns": ["arn:aws-cn:iam::aws:policy/ReadOnlyAccess"]},
        "dated": {
            "serviceAccount": {"name": "dated"},
            "inlinePolicies": {"p": {"document": {"Version": "2008-10-17", "Statement": []}}},
            "role": {"tags": {"until": date(2026, 12, 31)}},
        },
    }
}


def line_of(project: Project, words: str) -> int:
    lines = (project.folder / "Pulumi.test.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if words in line)


def test_every_mistake_with_its_line_in_one_error(deploy: Deploy) -> None:
    """Protects the promise of one clean engine error: all mistakes, each with file and line, before any provider."""
    project = deploy(BAD)
    said = project.refused("preview")

    for words, path in (
        ("serviceAccont", "irsa:bindings.my-app.serviceAccont"),
        ("my-polcy.json", "irsa:bindings.my-app.policy.file"),
        ("aws-cn", "irsa:bindings.other.policyArns[0]"),
        ("2008-10-17", "irsa:bindings.dated.inlinePolicies.p.document.Version"),
        ("2026-12-31", "irsa:bindings.dated.role.tags.until"),
    ):
        assert f"Pulumi.test.yaml:{line_of(project, words)}  {path}" in said
    assert "did you mean 'serviceAccount'?" in said
    assert "did you mean 'policies/my-policy.json'?" in said
    # `pulumi config set` has written the whole file again.
    assert 'write what is meant in quotes: "2026-12-31"' in said
    assert said.partition("Diagnostics:")[2].count("error: ") == 1


def test_the_engine_reads_scalars_as_check_does(deploy: Deploy) -> None:
    seeded = random.Random(24)
    times = ["2026-", "0000-", "02-", "2-", "30", "T", "t", " ", "23:", "5:", "59", "60", ".25", "Z", "+02:00"]
    parts = (list("0178bBoxX_.e+-f"), times)
    texts = {"".join(seeded.choices(each, k=seeded.randint(2, 8))) for each in parts for _ in range(2_000)}
    recorded = [text for text, (value, _) in ENGINE.items() if value != "refused"]
    others = (text for text in sorted(texts) if text[0] in "0123456789." and ": " not in f"{text} ")
    plain = [*recorded, *map(str.strip, others)]
    project = deploy({"bindings": {}})
    lines = "".join(f"  - {{v: {text} , k: {{? {text} : x}}}}\n" for text in plain)
    (project.folder / "Pulumi.test.yaml").write_text(f"config:\n  irsa:scalars:\n{lines}")
    read = json.loads(json.loads(project.pulumi("config", "--json"))["irsa:scalars"]["value"])

    for text, each in zip(plain, read, strict=True):
        assert scalar(text) in (WRONG, each["v"]), text
        assert other_key(text) or each["k"] == {text: "x"}
