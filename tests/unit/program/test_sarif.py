"""`irsa check --sarif` against the schema of SARIF 2.1.0, and against what GitHub's code scanning requires besides.

sarif-schema-2.1.0.json is OASIS's, unchanged:
https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json
"""

import gzip
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from config.lint import RULES
from config.located_mistake import LocatedMistake
from irsa.rules.mistakes import Mistake
from program.check import report_of
from program.check_report import FileReport, sarif
from program.lookups.rules import RULES as LIVE_RULES

ROOT = Path(__file__).parents[3]
GOLDEN = Path("tests/golden/mistakes.yaml")
SCHEMA = Draft4Validator(json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text()))
HOSTILE = (
    *("[x](https://evil.example)", "a\n::error::b", "\u202eforged", "{0}", "\udc80", "\0", "##[error]x", "<img src=x>"),
)


def valid_run(text: str) -> dict[str, Any]:
    """Return the run of a SARIF log that is valid, and that GitHub takes."""
    log = json.loads(text)
    (run,) = log["runs"]
    # The schema says nothing of how many results there are: one of each is held against it.
    distinct = list({json.dumps(result): result for result in run["results"]}.values())
    errors = SCHEMA.iter_errors({**log, "runs": [{**run, "results": distinct}]})
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
    # https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support, "Supported SARIF
    # output file properties" and "Validating your SARIF file"
    assert (log["version"], urlsplit(log["$schema"]).scheme, bool(run["tool"]["driver"]["name"])) == (
        "2.1.0",
        "https",
        True,
    )
    rules = run["tool"]["driver"]["rules"]
    identifiers = {rule["id"] for rule in rules}
    assert len(identifiers) == len(rules) <= 25_000
    assert len(run["results"]) <= 25_000
    assert len(gzip.compress(text.encode())) <= 10_000_000
    for rule in rules:
        for description in (rule["shortDescription"], rule["fullDescription"]):
            assert 0 < len(description["text"]) <= 1024
        assert rule["help"]["text"]
    for result in run["results"]:
        assert result["ruleId"] in identifiers
        assert result["message"]["text"]
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9_.~%/-]+", uri)
        assert not uri.startswith("/")
        assert location["physicalLocation"]["region"]["startLine"] >= 1
    for message in (*run["results"], *run["invocations"][0]["toolExecutionNotifications"]):
        # SARIF, 3.11.6: a link is [text](destination), and a bracket behind a backslash is a bracket.
        assert not re.search(r"(?<!\\)\]\(", message["message"]["text"])
    found: dict[str, Any] = run
    return found


@pytest.mark.parametrize("file", [GOLDEN, Path("Pulumi.dev.yaml"), Path("Pulumi.showcase.yaml")])
def test_what_check_finds_is_valid(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects code scanning: every class of mistake and warning of the real check is taken, with file and line."""
    monkeypatch.chdir(ROOT)
    report = report_of(file)
    run = valid_run(sarif([report]))

    assert len(run["results"]) == len(report.mistakes) + len(report.warnings) + len(report.silenced)
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        lines = (ROOT / unquote(place["artifactLocation"]["uri"])).read_text().count("\n") + 1
        assert place["region"]["startLine"] <= lines


@pytest.mark.parametrize("rule", ["error", *RULES, *LIVE_RULES])
def test_every_rule_and_every_kind_of_finding(rule: str) -> None:
    """Protects code scanning: a mistake, a warning and a silenced one of each rule, and what was not checked."""
    finding = LocatedMistake(("bindings", "a"), Mistake("F", "A", "D"), "Pulumi.dev.yaml", None, rule=rule)
    reports = [
        FileReport("Pulumi.dev.yaml", 1, [finding], [finding], [(finding, "known")], ["a secret"], has_looked=False),
        FileReport("Pulumi.none.yaml", 0, [], could_not_read="No such file"),
    ]
    run = valid_run(sarif(reports))

    assert [result["level"] for result in run["results"]] == ["error", "warning", "warning"]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 2


@given(st.text(min_size=1) | st.sampled_from(HOSTILE), st.text() | st.sampled_from(HOSTILE), st.sampled_from([None, 7]))
@settings(max_examples=60, deadline=None)
def test_hostile_names_are_valid(name: str, text: str, line: int | None) -> None:
    """Protects code scanning from what others wrote: no file name, key or value makes the log invalid, or a link."""
    finding = LocatedMistake(("bindings", text, 3), Mistake(text, name, text), f"./x{name}", line)
    valid_run(sarif([FileReport(f"x{name}", 1, [finding], [finding], [(finding, text)], [text], text)]))


def test_paths_are_those_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the annotation in a pull request: a file is named from the working directory, and any other whole."""
    monkeypatch.chdir(tmp_path)
    finding = LocatedMistake((), Mistake("F", "A", "D"), line=1)
    files = [str(tmp_path / "in a" / "Pulumi.dev.yaml"), "./Pulumi.dev.yaml", "/elsewhere/Pulumi.dev.yaml"]
    (run,) = json.loads(sarif([FileReport(file, 0, [finding._replace(file=file)]) for file in files]))["runs"]

    assert [each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in run["results"]] == [
        "in%20a/Pulumi.dev.yaml",
        "Pulumi.dev.yaml",
        "file:///elsewhere/Pulumi.dev.yaml",
    ]


def test_more_than_github_takes_is_counted() -> None:
    """Protects a huge stack from a refused upload: mistakes come first, and what is left out is said."""
    finding = LocatedMistake(("bindings", "a"), Mistake("F", "A", "D"), "Pulumi.dev.yaml", 3)
    run = valid_run(sarif([FileReport("Pulumi.dev.yaml", 1, [finding] * 24_999, [finding] * 3)]))

    assert [result["level"] for result in run["results"][24_998:]] == ["error", "warning"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("2 more results, ")
