"""What a verb found, and how it is shown: to people, to a pipe, to programs, to CI."""

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

GOOD, FINDINGS, COULD_NOT_LOOK = 0, 1, 2
EXIT_CODES = "exit codes: 0 all good, 1 findings, 2 could not look"
PROGRESS_LINE_SECONDS = 10.0
# So many bindings are named where one reason stands for all of them.
NAMED = 5


Binding = TypeVar("Binding")


class CouldNotLookError(Exception):
    """A question that got no answer, and why: no right to ask, nobody there."""

    def __init__(self, reason: str) -> None:
        """Take the reason, of which every report has one line."""
        super().__init__(" ".join(reason.split()))


def unexpected(error: Exception) -> str:
    """Say that the fault is ours. No word of the error's own: it may hold a token."""
    return f"unexpected {type(error).__name__}; please report it"


class Outcome(StrEnum):
    """How one check came out."""

    OK = "ok"
    FINDING = "finding"
    COULD_NOT_LOOK = "could not look"
    NOT_CHECKED = "not checked"


_COLORS = {
    Outcome.OK: "green",
    Outcome.FINDING: "bold red",
    Outcome.COULD_NOT_LOOK: "yellow",
    Outcome.NOT_CHECKED: "dim",
}
_WORST_FIRST = (Outcome.FINDING, Outcome.COULD_NOT_LOOK, Outcome.NOT_CHECKED, Outcome.OK)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        binding: Key of the binding in the stack file.
        check: What kind of check it is.
        outcome: How it came out.
        about: What was looked at, such as `role my-role`.
        found: What is there; for a check without an answer, why there is none.
        expected: What should be there.
        fix: The command that puts it right.
    """

    binding: str
    check: str
    outcome: Outcome
    about: str
    found: str = ""
    expected: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All checks of one run."""

    verb: str
    stack: str
    checks: Sequence[Check]

    @property
    def exit_code(self) -> int:
        """Give the command's exit code."""
        outcomes = {check.outcome for check in self.checks}
        if Outcome.FINDING in outcomes:
            return FINDINGS
        # Where nothing at all was looked at, nothing is known to be good.
        return GOOD if Outcome.OK in outcomes and Outcome.COULD_NOT_LOOK not in outcomes else COULD_NOT_LOOK


def by_binding(checks: Iterable[Check]) -> dict[str, list[Check]]:
    """Give the checks of each binding, in their order."""
    found: dict[str, list[Check]] = {}
    for check in checks:
        found.setdefault(check.binding, []).append(check)
    return found


def worst(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Give the outcome that counts for all of them."""
    present = set(outcomes)
    return next((outcome for outcome in _WORST_FIRST if outcome in present), None)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every reporting verb has."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="also write JUnit XML, for CI")


def publish(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]], options: argparse.Namespace) -> int:
    """Show a report as asked for, and give the exit code."""
    if options.json:
        print(as_json(report))
    elif sys.stdout.isatty():
        _show(report, headings, rows)
    else:
        print("\n".join(plain(report, headings, rows)))
    try:
        if options.junit:
            options.junit.write_text(junit(report))
    except OSError as error:
        sys.stderr.write(f"irsa {report.verb}: cannot write {options.junit}: {error.strerror}\n")
        return report.exit_code or COULD_NOT_LOOK
    return report.exit_code


def as_json(report: Report) -> str:
    """Give the report for programs."""
    counts = Counter(check.outcome for check in report.checks)
    document = {
        "verb": report.verb,
        "stack": report.stack,
        "good": report.exit_code == GOOD,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome},
        "checks": [asdict(check) for check in report.checks],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def plain(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Give the report as aligned text: one row per binding, one line per failure."""
    table = [headings, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    for outcomes in ((Outcome.FINDING, Outcome.COULD_NOT_LOOK), (Outcome.NOT_CHECKED,)):
        own = [text for outcome in outcomes for text in told(report, outcome)]
        lines += ["", *own] if own else []
    return [*lines, "", summary(report)]


def told(report: Report, outcome: Outcome) -> Iterator[str]:
    """Give a line for each finding, and for what was not looked at one for each reason."""
    those = [check for check in report.checks if check.outcome is outcome]
    reasons: dict[str, list[Check]] = {}
    for number, check in enumerate(those):
        alone = outcome is Outcome.FINDING or check.fix
        reasons.setdefault(str(number) if alone else check.found, []).append(check)
    for reason, checks in reasons.items():
        if len(checks) == 1:
            yield line(checks[0])
            continue
        bindings = list(dict.fromkeys(check.binding for check in checks))
        named = ", ".join(bindings[:NAMED]) + (f" and {len(bindings) - NAMED} more" if len(bindings) > NAMED else "")
        kinds = ", ".join(dict.fromkeys(check.check for check in checks))
        # Within one binding, what was looked at tells the checks apart.
        about = ": " + ", ".join(dict.fromkeys(check.about for check in checks)) if len(bindings) == 1 else ""
        yield visible(f"{named}: {kinds}{about}: {outcome.value}; {reason}")


def line(check: Check) -> str:
    """Give one check in one line."""
    parts = [f"{check.binding}: {check.check}: {check.about}: {check.outcome.value}"]
    if check.outcome is Outcome.FINDING:
        parts += [f"found {check.found}", f"expected {check.expected}"]
    elif check.found:
        parts.append(check.found)
    parts += [f"fix: {check.fix}"] if check.fix and check.outcome is not Outcome.OK else []
    return visible("; ".join(parts))


def visible(text: str) -> str:
    """Give a text in one line: what is found may hold what ends a line, turns a terminal's colors or is not in XML."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def summary(report: Report) -> str:
    """Give the last line."""
    counts = Counter(check.outcome for check in report.checks)
    bindings = len({check.binding for check in report.checks})
    parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
    return f"stack {report.stack}: {bindings} bindings, {len(report.checks)} checks: {', '.join(parts) or 'none'}"


def junit(report: Report) -> str:
    """Give the report as JUnit XML: one suite per binding."""
    root = ElementTree.Element("testsuites", name=f"irsa {report.verb} {report.stack}")
    for binding, checks in by_binding(report.checks).items():
        counts = Counter(check.outcome for check in checks)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=binding,
            tests=str(len(checks)),
            failures=str(counts[Outcome.FINDING]),
            errors=str(counts[Outcome.COULD_NOT_LOOK]),
            skipped=str(counts[Outcome.NOT_CHECKED]),
        )
        for check in checks:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"irsa.{report.verb}.{binding}",
                name=visible(f"{check.check}: {check.about}"),
            )
            element = _JUNIT.get(check.outcome)
            if element:
                message = visible(check.found) or check.outcome.value
                ElementTree.SubElement(case, element, message=message).text = line(check)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


_JUNIT = {Outcome.FINDING: "failure", Outcome.COULD_NOT_LOOK: "error", Outcome.NOT_CHECKED: "skipped"}


def _show(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console = Console(highlight=False)
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_colored(visible(cell)) for cell in row))
    console.print(table)
    for outcome in _WORST_FIRST[:-1]:
        for text in told(report, outcome):
            console.print(Text(text, style=_COLORS[outcome]), soft_wrap=True)
    console.print(Text(summary(report), style="bold"), soft_wrap=True)


def _colored(cell: str) -> Text:
    return Text(cell, style=_COLORS[Outcome(cell)] if cell in list(Outcome) else "")


def look_at_all(
    verb: str, bindings: Sequence[Binding], look: Callable[[Binding], list[Check]], concurrent: int
) -> list[Check]:
    """Look at every binding, several at a time, and give the checks in the order of the bindings."""
    progress = Progress(verb, len(bindings))

    def one(binding: Binding) -> list[Check]:
        checks = look(binding)
        progress.advance()
        return checks

    with ThreadPoolExecutor(concurrent) as pool:
        return [check for checks in pool.map(one, bindings) for check in checks]


class Progress:
    """How far a long run is, on standard error: a line that changes on a terminal, a line now and then in a log."""

    def __init__(self, verb: str, total: int) -> None:
        """Take what is counted."""
        self._verb, self._total, self._done = verb, total, 0
        self._lock, self._said = threading.Lock(), time.monotonic()

    def advance(self) -> None:
        """Count one more."""
        with self._lock:
            self._done += 1
            now = time.monotonic()
            terminal = sys.stderr.isatty()
            if not terminal and now - self._said < PROGRESS_LINE_SECONDS:
                return
            self._said = now
            last = self._done == self._total
            text = f"irsa {self._verb}: {self._done} of {self._total} bindings"
            ending = ("\r" + " " * len(text) + "\r" if last else "") if terminal else "\n"
            sys.stderr.write(("\r" if terminal else "") + text + ending)
            sys.stderr.flush()
