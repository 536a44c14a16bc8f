"""The report of `irsa check`: as plain text, as JSON, and as SARIF for code scanning."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from config.lint import RULES as LINT_RULES
from config.located_mistake import LocatedMistake
from irsa.rules.mistakes import named, path_of, visible_json
from irsa_cli.exits import FINDINGS, GOOD
from irsa_cli.report.json import document
from irsa_cli.report.message import DO, Message
from irsa_cli.report.text import VERDICTS, Answer, counted
from program.lookups.rules import RULES as LIVE_RULES

# Those that GitHub takes in one file.
MOST_RESULTS = 25_000
SARIF_RULES = (
    ({"error": "a value that AWS, Kubernetes or irsa would refuse"}, "stack-file.md"),
    ({name: rule.description for name, rule in LINT_RULES.items()}, "stack-file.md#lint-rules"),
    (LIVE_RULES, "reference/findings.md"),
)


@dataclass(frozen=True)
class FileReport:
    """What was found in one stack file, or why it could not be read."""

    file: str
    bindings: int
    mistakes: Sequence[LocatedMistake]
    warnings: Sequence[LocatedMistake] = ()
    silenced: Sequence[tuple[LocatedMistake, str]] = ()
    not_checked: Sequence[str] = field(default=())
    could_not_read: str = ""
    has_looked: bool = True
    """Whether these credentials may ask AWS or Kubernetes something, and all of that was answered."""

    @property
    def good(self) -> bool:
        """Whether the file was read and has no mistake, and what was asked of AWS and Kubernetes has an answer."""
        return self.has_looked and not (self.mistakes or self.could_not_read)

    @property
    def summary(self) -> str:
        """The summary of the file, one line."""
        state = "good" if self.has_looked else "AWS or Kubernetes not checked"
        parts = [counted(len(self.mistakes), "error") if self.mistakes else state]
        parts += [counted(len(self.warnings), "warning")] if self.warnings else []
        parts += [f"{len(self.silenced)} silenced"] if self.silenced else []
        return f"{named(self.file)}: {', '.join(parts)}, {counted(self.bindings, 'binding')}"


def answers(reports: Sequence[FileReport]) -> list[Answer]:
    """Return what is printed about each file."""
    found = []
    for report in reports:
        of_file = f"{named(report.file)}: " if len(reports) > 1 else ""
        unchecked = [(Message(f"not checked: {of_file}{text}"), "dim") for text in report.not_checked]
        style = VERDICTS[GOOD if report.good else FINDINGS]
        found.append(Answer(report.summary, style, [*messages(report), *unchecked]))
    return found


def messages(report: FileReport) -> Iterator[tuple[Message, str]]:
    """Yield the message of each mistake and warning, with the style of its heading."""
    headings = [(each, "" if each.rule == "error" else f"  [{each.rule}]", "bold red") for each in report.mistakes]
    headings += [(each, f"  warning [{each.rule}]", "bold yellow") for each in report.warnings]
    for each, marks, style in headings:
        parts = ("found", each.mistake.found), ("allowed", each.mistake.allowed), (DO, each.mistake.fix)
        yield Message(each.where + marks, parts), style


def as_json(reports: Sequence[FileReport]) -> str:
    """Return the reports as JSON."""
    files = [
        {
            "file": report.file,
            "good": report.good,
            **({"couldNotRead": report.could_not_read} if report.could_not_read else {}),
            "bindings": report.bindings,
            "errors": [_as_object(mistake) for mistake in report.mistakes],
            "warnings": [_as_object(warning) for warning in report.warnings],
            "silenced": [{**_as_object(warning), "reason": reason} for warning, reason in report.silenced],
            "notChecked": list(report.not_checked),
        }
        for report in reports
    ]
    good = all(report.good for report in reports)
    return document("check", good, {"files": files})


def _as_object(mistake: LocatedMistake) -> dict[str, Any]:
    values = {
        "rule": mistake.rule,
        "file": mistake.file,
        "line": mistake.line,
        "path": mistake.path or None,
        "within": path_of(mistake.within) or None,
        "found": mistake.mistake.found,
        "allowed": mistake.mistake.allowed,
        "fix": mistake.mistake.fix,
    }
    return {key: value for key, value in values.items() if value is not None}


def sarif(reports: Sequence[FileReport]) -> str:
    """Return the reports as SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.

    It has what GitHub requires, in its limits:
    https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support
    """
    from importlib.metadata import version  # noqa: PLC0415 (slow to import, and only SARIF needs it)

    results = [_result(report, mistake, "error") for report in reports for mistake in report.mistakes]
    results += [_result(report, warning, "warning") for report in reports for warning in report.warnings]
    for report in reports:
        for warning, reason in report.silenced:
            suppressions = [{"kind": "external", "justification": reason}]
            results.append({**_result(report, warning, "warning"), "suppressions": suppressions})
    unread = [f"cannot read {named(each.file)}: {each.could_not_read}" for each in reports if each.could_not_read]
    not_checked = [f"{named(report.file)}: not checked: {text}" for report in reports for text in report.not_checked]
    if len(results) > MOST_RESULTS:
        more = len(results) - MOST_RESULTS
        not_checked.append(f"{more:,} more results, of which GitHub takes {MOST_RESULTS:,}: `irsa check` lists all")
    notes = [*(("error", text) for text in unread), *(("note", text) for text in not_checked)]
    driver = {
        "name": "irsa check",
        "version": version("irsa-checkout"),
        "rules": [_rule(rule, text, page) for rules, page in SARIF_RULES for rule, text in rules.items()],
    }
    notifications = [{"level": level, "message": _message(text)} for level, text in notes]
    invocation = {"executionSuccessful": not unread, "toolExecutionNotifications": notifications}
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results[:MOST_RESULTS]}
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return visible_json(json.dumps(log, indent=2, ensure_ascii=False))


def _rule(name: str, text: str, page: str) -> dict[str, Any]:
    words = {"text": text}
    return {"id": name, "shortDescription": words, "fullDescription": words, "help": {"text": f"docs/{page}"}}


def _result(report: FileReport, mistake: LocatedMistake, level: str) -> dict[str, Any]:
    found = mistake.mistake
    physical = {
        "artifactLocation": {"uri": _uri(mistake.file or report.file)},
        # What is not in the file has no line, and GitHub shows nothing without one.
        "region": {"startLine": mistake.line or 1},
    }
    logical = [{"fullyQualifiedName": mistake.path or "irsa:"}]
    return {
        "ruleId": mistake.rule,
        "level": level,
        "message": _message(f"found: {found.found}; allowed: {found.allowed}; do: {found.fix}"),
        "locations": [{"physicalLocation": physical, "logicalLocations": logical}],
    }


def _message(text: str) -> dict[str, str]:
    """Return a message in which no quoted text becomes a link (SARIF, 3.11.6)."""
    return {"text": text.replace("](", r"\](")}


def _uri(file: str) -> str:
    """Return a file as a URI from the working directory, which GitHub takes for the repository's top folder."""
    path = Path(file)
    if path.is_absolute():
        if not path.is_relative_to(Path.cwd()):
            return path.as_uri()
        path = path.relative_to(Path.cwd())
    # A name need not be UTF-8.
    return quote(os.fsencode(path))
