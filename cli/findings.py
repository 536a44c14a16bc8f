"""What a verb found, and how it is told to a pipe and to programs."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from cli.exits import COULD_NOT_LOOK, FINDINGS, GOOD

# So many bindings are named where one reason stands for all of them.
NAMED = 5


class Outcome(StrEnum):
    """How one check came out."""

    OK = "ok"
    FINDING = "finding"
    COULD_NOT_LOOK = "could not look"
    NOT_CHECKED = "not checked"


WORST_FIRST = (Outcome.FINDING, Outcome.COULD_NOT_LOOK, Outcome.NOT_CHECKED, Outcome.OK)


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
    return next((outcome for outcome in WORST_FIRST if outcome in present), None)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every reporting verb has."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="also write JUnit XML, for CI")


def publish(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]], options: argparse.Namespace) -> int:
    """Show a report as asked for, and give the exit code."""
    if options.json:
        print(as_json(report))
    elif sys.stdout.isatty():
        from cli.terminal import show  # noqa: PLC0415 (it draws, and a pipe needs no drawing)

        show(report, headings, rows)
    else:
        print("\n".join(plain(report, headings, rows)))
    try:
        if options.junit:
            from cli.junit import junit  # noqa: PLC0415 (an XML library, for CI alone)

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
