"""Reports on a terminal. Only this module draws, and only a terminal needs it."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.findings import WORST_FIRST, Outcome, Report, summary, told, visible
from cli.reports import FileReport, parts_of

COLORS = {
    Outcome.OK: "green",
    Outcome.FINDING: "bold red",
    Outcome.COULD_NOT_LOOK: "yellow",
    Outcome.NOT_CHECKED: "dim",
}


def show(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show what verify or prove found."""
    console = Console(highlight=False)
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_colored(visible(cell)) for cell in row))
    console.print(table)
    for outcome in WORST_FIRST[:-1]:
        for text in told(report, outcome):
            console.print(Text(text, style=COLORS[outcome]), soft_wrap=True)
    console.print(Text(summary(report), style="bold"), soft_wrap=True)


def _colored(cell: str) -> Text:
    return Text(cell, style=COLORS[Outcome(cell)] if cell in list(Outcome) else "")


def show_files(reports: Sequence[FileReport]) -> None:
    """Show what check found."""
    console = Console(highlight=False)
    for report in reports:
        findings = [(m, "bold red") for m in report.mistakes] + [(w, "bold yellow") for w in report.warnings]
        for finding, style in findings:
            place = f"{finding.file or ''}{f':{finding.line}' if finding.line else ''}"
            heading = Text.assemble((place, style), (finding.where.removeprefix(place), "bold"))
            if finding.rule != "mistake":
                heading.append(f"  [{finding.rule}]", style="yellow")
            console.print(heading, soft_wrap=True)
            table = Table.grid(padding=(0, 2))
            table.add_column(style="dim")
            table.add_column(overflow="fold")
            for label, text in parts_of(finding):
                table.add_row(f"    {label}", Text(text, style="green" if label == "do:" else ""))
            console.print(table)
            console.print()
        for text in report.unseen:
            console.print(Text(f"could not see {text}", style="dim"), soft_wrap=True)
        console.print(Text(report.summary, style="bold red" if report.mistakes else "bold green"), soft_wrap=True)


def show_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Show lines of text, each in its style."""
    console = Console(highlight=False)
    for text, style in lines:
        console.print(Text(text, style=style), soft_wrap=True)
