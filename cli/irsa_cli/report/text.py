"""A report as plain text: an aligned table, and one line for each failure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from irsa.rules.mistakes import listed, named, visible
from irsa_cli.report.checks import ALLOWED, UNANSWERED, Check, Outcome, Report

# How many bindings are named where all have the same reason.
NAMED = 5
# What follows it is a command.
FIX = "fix: "


def plain(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the report as lines: an aligned table with a row per binding, then a line per failure."""
    lines = aligned(headings, rows)
    for outcomes in ((Outcome.FINDING, *UNANSWERED), ALLOWED):
        block = ["; ".join(parts) for outcome in outcomes for parts in outcome_parts(report, outcome)]
        lines += ["", *block] if block else []
    return [*lines, "", summary(report)]


def aligned(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as lines with aligned columns."""
    table = [headings, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def outcome_parts(report: Report, outcome: Outcome) -> Iterator[list[str]]:
    """Yield a line for each finding, in its parts; checks without an answer share one line for each reason."""
    selected = [check for check in report.checks if check.outcome is outcome]
    reasons: dict[str, list[Check]] = {}
    for number, check in enumerate(selected):
        one_line_each = outcome is Outcome.FINDING or check.fix
        reasons.setdefault(str(number) if one_line_each else check.found, []).append(check)
    for reason, checks in reasons.items():
        if len(checks) == 1:
            yield parts_of(checks[0])
            continue
        bindings = list(dict.fromkeys(check.binding for check in checks))
        first = listed(bindings[:NAMED]) + (f" and {len(bindings) - NAMED} more" if len(bindings) > NAMED else "")
        kinds = ", ".join(dict.fromkeys(check.check for check in checks))
        # Within one binding, the checks differ in what they are about.
        about = ": " + ", ".join(dict.fromkeys(check.about for check in checks)) if len(bindings) == 1 else ""
        yield [visible(f"{first}: {kinds}{about}: {_label(outcome)}"), visible(reason)]


def parts_of(check: Check) -> list[str]:
    """Return the parts of a check's line: what was checked, what was found and expected, and the fix."""
    parts = [f"{named(check.binding)}: {check.check}: {check.about}: {_label(check.outcome)}"]
    if check.outcome is Outcome.FINDING:
        parts += [f"found {check.found}", f"expected {check.expected}"]
    elif check.found:
        parts.append(check.found)
    parts += [f"{FIX}{check.fix}"] if check.fix and check.outcome is not Outcome.OK else []
    return [visible(part) for part in parts]


def _label(outcome: Outcome) -> str:
    return f"not checked: {outcome.value}" if outcome in UNANSWERED else outcome.value


def summary(report: Report) -> str:
    """Return the last line, which counts bindings and checks."""
    counts = Counter(check.outcome for check in report.checks)
    bindings = len({check.binding for check in report.checks})
    parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
    looked_at = f"{counted(bindings, 'binding')}, {counted(len(report.checks), 'check')}"
    return f"stack {named(report.stack)}: {looked_at}: {', '.join(parts) or 'none'}"


def counted(number: int, what: str) -> str:
    """Return a count with its noun."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
