"""Damaged stack files: each is accepted and then deployable, or refused with a place."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from irsa_config.located_mistake import LocatedMistake
from irsa_config.project_file import project_settings
from irsa_config.stack_file import StackFile
from irsa_program.check_report import FileReport, as_json, report_of, sections
from irsa_program.examine import examine
from irsa_program.settings import StackSettings
from irsa_world.report.text import plain
from tests.fuzz.conftest import SHARDS, amount_of
from tests.fuzz.deployment import deploy
from tests.fuzz.hidden import hidden_in
from tests.fuzz.mutations import ROOT, case
from tests.unit.config.yaml_lines import keys_of, line_of

FEW, MANY = 400, 10_000
FILE = Path("Pulumi.test.yaml")


@pytest.mark.parametrize("shard", range(SHARDS))
def test_each_is_deployable_or_refused_with_a_place(
    shard: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, Any], None]
) -> None:
    """Protects the promise of `irsa check`: what is in the file is deployable, or told where and what to do.

    The slip and the attack: any file at all; a traceback, a mistake without a place, a line that the file forged, or a
    resource that AWS or Kubernetes refuses half-way through `pulumi up`.
    """
    (tmp_path / "policies").symlink_to(ROOT / "policies")
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    amount = amount_of(shard, FEW, MANY)
    outcomes: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for number in amount.numbers:
        text = case(amount.seed, number)
        FILE.write_text(text)
        try:
            outcomes[outcome()] += 1
        except Exception as error:
            # One of each kind says all; the file itself is what a repetition needs.
            kind = f"{type(error).__name__}: {str(error)[:17]}"
            failures.setdefault(kind, f"seed {amount.seed}, case {number}: {error!r}\n{text}")
    record_property("fuzz", f"seed {amount.seed}: {', '.join(f'{n} {what}' for what, n in outcomes.most_common())}")

    assert not failures, "\n\n".join(failures.values())
    assert outcomes["no place"] == 0
    # Each happens, or the mutations would be too weak or too wild to show anything.
    assert outcomes["deployed"] > len(amount.numbers) / 20
    assert outcomes["refused"] > len(amount.numbers) / 4


def outcome() -> str:
    """Check the file and deploy what is accepted, and return what came of it."""
    report = report_of(FILE)
    hidden = hidden_in([*plain(sections([report])), *as_json([report]).split("\n")])
    assert not hidden, f"hidden characters: {hidden[0]!a}"
    if report.mistakes:
        assert_told(report)
        return "refused"
    file = StackFile(FILE)
    found = examine({**project_settings(Path()).settings, **file.settings}, Path(), "us-west-2")
    if found.stack is None:
        # Pulumi has them as text when the program runs.
        return "accepted, with secrets"
    try:
        deploy(StackSettings(found.stack, found.settings, found.bindings, Path()))
    except pulumi.RunError as error:
        return "refused by a look-up" if "irsa:" in str(error) else "no place"
    return "deployed"


def assert_told(report: FileReport) -> None:
    """Assert that each mistake has a place and all parts."""
    text = FILE.read_text(encoding="utf-8")
    for mistake in report.mistakes:
        parts = (mistake.mistake.found, mistake.mistake.allowed, mistake.mistake.fix)
        assert mistake.file, mistake
        assert mistake.line in expected_lines(mistake, text), mistake
        assert all(parts), mistake
        assert not any("Traceback" in part or "pydantic" in part for part in parts), mistake


def expected_lines(mistake: LocatedMistake, text: str) -> set[int | None]:
    """Give the lines that a mistake may have; what is about the file as a whole is taken as it is."""
    if not mistake.place:
        return {mistake.line}
    if mistake.file != FILE.name:
        return {line_of((ROOT / str(mistake.file)).read_text(), mistake.within)}
    # A key without a namespace is the project's own: where both are written, either may be the one that is wrong.
    written = keys_of(text, "config")
    there = [key for key in (f"irsa:{mistake.place[0]}", str(mistake.place[0])) if key in written]
    # A setting that is not in the file at all has no line.
    # A document right below `policy` is reported at its own lines, by the place that it belongs to.
    places = (mistake.place[1:], [step for step in mistake.place[1:] if step != "document"])
    lines = {max(line_of(text, ["config", key, *place]) for place in places) for key in there}
    # What it lacks stands at its first key, below `policy`.
    below = {line + 1 for line in lines if "document" in mistake.place}
    return {*lines, *below} or {None}
