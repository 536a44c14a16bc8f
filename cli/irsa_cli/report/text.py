"""What a verb found, for a pipe: aligned text, a line for each failure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from irsa_cli.report.checks import Check, Outcome, Report

# So many bindings are named where one reason stands for all of them.
NAMED = 5


def plain(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the report as aligned text: one row per binding, one line per failure."""
    table = [headings, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    for outcomes in ((Outcome.FINDING, Outcome.COULD_NOT_LOOK), (Outcome.NOT_CHECKED,)):
        own = [text for outcome in outcomes for text in told(report, outcome)]
        lines += ["", *own] if own else []
    return [*lines, "", summary(report)]


def told(report: Report, outcome: Outcome) -> Iterator[str]:
    """Return a line for each finding, and for what was not looked at one for each reason."""
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
    """Return one check in one line."""
    parts = [f"{check.binding}: {check.check}: {check.about}: {check.outcome.value}"]
    if check.outcome is Outcome.FINDING:
        parts += [f"found {check.found}", f"expected {check.expected}"]
    elif check.found:
        parts.append(check.found)
    parts += [f"fix: {check.fix}"] if check.fix and check.outcome is not Outcome.OK else []
    return visible("; ".join(parts))


def visible(text: str) -> str:
    """Return a text in one line: what is found may hold what ends a line, turns a terminal's colors or is not in XML."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def summary(report: Report) -> str:
    """Return the last line."""
    counts = Counter(check.outcome for check in report.checks)
    bindings = len({check.binding for check in report.checks})
    parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
    return f"stack {report.stack}: {bindings} bindings, {len(report.checks)} checks: {', '.join(parts) or 'none'}"
