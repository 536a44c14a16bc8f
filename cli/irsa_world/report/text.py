"""What a subcommand prints for a reader: the answer in the first line, then what to do, then the rest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from irsa.rules.commands import in_order
from irsa.rules.mistakes import named, visible
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_world.message import BLANK, INDENT, PLAIN, Line, Message, first_few
from irsa_world.report.checks import ALLOWED, UNANSWERED, WORST_FIRST, Check, Outcome, Report

REASON = "reason"
IN_ORDER = "To repair it, run these in this order:"
# How the first line says the outcomes of checks, in its order: what the exit code is of comes first.
FIRST = {
    Outcome.FINDING: "with findings",
    Outcome.NO_PERMISSION: "with no permission",
    Outcome.NO_ANSWER: "with no answer",
    Outcome.CANNOT_TELL: "cannot tell",
    **{each: each.value for each in (Outcome.OK, *ALLOWED)},
}
# Styles on a terminal: of a first line by the exit code, and of an outcome.
VERDICTS = {GOOD: "bold green", FINDINGS: "bold red", COULD_NOT_LOOK: "bold yellow"}
COLORS: dict[Outcome, str] = {
    Outcome.OK: "green",
    Outcome.FINDING: "bold red",
    **dict.fromkeys(UNANSWERED, "yellow"),
    **dict.fromkeys(ALLOWED, "dim"),
}
# How the rows begin that are of a guard, or of another part of the stack.
OF_NO_BINDING = "irsa:"


class Section(NamedTuple):
    """What a subcommand says about one thing.

    Attributes:
        summary: The first line; empty for a table that belongs to the section before.
        style: Its style on a terminal.
        messages: What to do, the worst first.
        headings: Those of the table.
        rows: Those of the table; without any there is no table.
        below: What is neither to do nor in the table.
        commands: What to paste after them, in this order.
    """

    summary: str
    style: str
    messages: Sequence[Message] = ()
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    below: Sequence[Message] = ()
    commands: Sequence[str] = ()


def arranged(sections: Sequence[Section]) -> list[Line]:
    """Return all lines, in their one order: each summary, then of each section its messages and its table."""
    lines = [(visible(each.summary), each.style) for each in sections if each.summary]
    for each in sections:
        blocks = (
            [line for message in each.messages for line in message.lines()],
            [(IN_ORDER, PLAIN), *((f"{INDENT}{command}", "") for command in each.commands)] if each.commands else [],
            [(line, "") for line in aligned(each.headings, each.rows)] if each.rows else [],
            [line for message in each.below for line in message.lines()],
        )
        for block in blocks:
            # A message with parts ends with an empty line.
            lines += [BLANK, *(block if block[-1] != BLANK else block[:-1])] if block else []
    return lines


def plain(sections: Sequence[Section]) -> list[str]:
    """Return the lines without their styles."""
    return [text for text, _ in arranged(sections)]


def section_of(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Section:
    """Return a report as a section: messages, the worst first, and the table, first where there is nothing to do.

    Checks that say the same share a message.
    """
    alike: dict[tuple[str, ...], list[Check]] = {}
    for check in sorted(report.checks, key=lambda each: WORST_FIRST.index(each.outcome)):
        if check.outcome is not Outcome.OK:
            alike.setdefault((check.outcome, check.found, check.expected, check.fix), []).append(check)
    failures = [*map(message_of, alike.values())]
    commands = in_order(fix for fix in dict.fromkeys(message.command for message in failures) if fix)
    # Each alone, one may fail by what another one repairs.
    several = len({message.command for message in failures} - {""}) > 1
    if several:
        failures = [message._replace(command="") for message in failures]
    above, below = ([], failures) if report.exit_code == GOOD else (failures, [])
    below = [*below, *map(Message, report.notes)]
    summarized, style = summary(report, rows), VERDICTS[report.exit_code]
    return Section(summarized, style, above, headings, rows, below, commands if several else ())


def aligned(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as lines with aligned columns."""
    table = [headings, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


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
    return Message(heading, parts, first.fix, COLORS[first.outcome])


def summary(report: Report, rows: Iterable[Sequence[str]]) -> str:
    """Return the first line: whether all is good, the outcomes in the table, the bad ones first, and bindings."""
    counts = Counter(cell for row in rows for cell in row if isinstance(cell, Outcome))
    # The guard of a stack is of no binding.
    bindings = len({check.binding for check in report.checks if not check.binding.startswith(OF_NO_BINDING)})
    present = [each for each in FIRST if counts[each]]
    numbers = [f"{counts[each]:,}" for each in present]
    numbers[:1] = [counted(counts[each], "check") for each in present[:1]]
    parts = [f"{number} {FIRST[each]}" for number, each in zip(numbers, present, strict=True)]
    verdict = "good, " if report.exit_code == GOOD else ""
    return f"stack {named(report.stack)}: {verdict}{', '.join(parts) or 'no checks'}: {counted(bindings, 'binding')}"


def counted(number: int, what: str) -> str:
    """Return a count with its noun."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
