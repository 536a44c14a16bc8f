"""A report as plain text: an aligned table, and a message for each failure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from irsa.rules.mistakes import named, visible
from irsa_cli.report.checks import UNANSWERED, WORST_FIRST, Check, Outcome, Report
from irsa_cli.report.message import Message, first_few, in_a_pipe

REASON = "reason"


def plain(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the report as lines: an aligned table with a row per binding, then a message for each failure."""
    failures = [line for message, _ in messages(report) for line in in_a_pipe(message)]
    return [*aligned(headings, rows), "", *failures, summary(report, rows)]


def aligned(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as lines with aligned columns."""
    table = [headings, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def messages(report: Report) -> Iterator[tuple[Message, Outcome]]:
    """Yield a message for each failure, the worst first; checks that say the same share one."""
    for outcome in WORST_FIRST[:-1]:
        alike: dict[tuple[str, str, str], list[Check]] = {}
        for check in report.checks:
            if check.outcome is outcome:
                alike.setdefault((check.found, check.expected, check.fix), []).append(check)
        yield from ((message_of(checks), outcome) for checks in alike.values())


def message_of(checks: Sequence[Check]) -> Message:
    """Return the message of checks that say the same: what was checked, what was found and expected, and the fix."""
    first = checks[0]
    bindings = [*dict.fromkeys(named(check.binding) for check in checks)]
    kinds, subjects = (dict.fromkeys(getattr(check, name) for check in checks) for name in ("check", "about"))
    subject = f"{first.about}: " if len(subjects) == 1 else ""
    outcome = f"{'not checked: ' if first.outcome in UNANSWERED else ''}{first.outcome.value}"
    heading = f"{', '.join(first_few(bindings))}: {', '.join(kinds)}: {subject}{outcome}"
    # Within one binding, the checks differ in what they are about.
    parts = [("about", each) for each in first_few([*subjects])] if len(bindings) == 1 and not subject else []
    if first.outcome is Outcome.FINDING:
        parts += [("found", first.found), ("expected", first.expected)]
    elif first.found:
        parts.append((REASON, first.found))
    return Message(heading, parts, first.fix)


def summary(report: Report, rows: Iterable[Sequence[str]]) -> str:
    """Return the last line, which counts bindings, and the outcomes in the rows above it."""
    counts = Counter(cell for row in rows for cell in row if isinstance(cell, Outcome))
    bindings = len({check.binding for check in report.checks})
    # A cell may stand for several findings, each with a message of its own.
    words = {**{each: each.value for each in Outcome}, Outcome.FINDING: "with findings"}
    parts = [f"{counts[each]:,} {word}" for each, word in words.items() if counts[each]]
    looked_at = f"{counted(bindings, 'binding')}, {counted(counts.total(), 'check')}"
    return f"stack {named(report.stack)}: {looked_at}: {', '.join(parts) or 'none'}"


def counted(number: int, what: str) -> str:
    """Return a count with its noun."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
