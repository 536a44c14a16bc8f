"""Reports on a terminal, in color. Only this module imports rich."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from irsa.rules.mistakes import visible
from irsa_cli.report.checks import ALLOWED, UNANSWERED, WORST_FIRST, Outcome, Report
from irsa_cli.report.text import outcome_lines, summary

COLORS = {
    Outcome.OK: "green",
    Outcome.FINDING: "bold red",
    **dict.fromkeys(UNANSWERED, "yellow"),
    **dict.fromkeys(ALLOWED, "dim"),
}


def show(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a report as a table, then a line per failure."""
    console = Console(highlight=False)
    show_table(headings, rows)
    for outcome in WORST_FIRST[:-1]:
        for text in outcome_lines(report, outcome):
            console.print(Text(text, style=COLORS[outcome]), soft_wrap=True)
    console.print(Text(summary(report), style="bold"), soft_wrap=True)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; a cell that is an outcome has its color."""
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_colored(visible(cell)) for cell in row))
    Console(highlight=False).print(table)


def _colored(cell: str) -> Text:
    return Text(cell, style=COLORS[Outcome(cell)] if cell in list(Outcome) else "")


def show_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines of text, each in its style."""
    console = Console(highlight=False)
    for text, style in lines:
        console.print(Text(text, style=style), soft_wrap=True)
