"""The report of `irsa check`: as plain text, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.located_mistake import LocatedMistake
from irsa.rules.mistakes import named, path_of
from irsa_cli.exits import FINDINGS, GOOD
from irsa_cli.report.json import document
from irsa_cli.report.message import DO, Message
from irsa_cli.report.text import VERDICTS, Answer, counted


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
