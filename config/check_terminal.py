"""The report of `irsa check` on a terminal; only this module imports rich."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.check_report import FileReport, marks_of, parts_of
from irsa.rules.mistakes import named, visible


def show_files(reports: Sequence[FileReport]) -> None:
    """Print the reports with colors and tables."""
    console = Console(highlight=False)
    for report in reports:
        for fix in report.fixes:
            console.print(Text(f"fixed: {named(report.file)}:{fix.line}  {fix}", style="green"), soft_wrap=True)
        findings = [(m, "bold red") for m in report.mistakes] + [(w, "bold yellow") for w in report.warnings]
        for finding, style in findings:
            place = finding.file_and_line
            heading = Text.assemble((place, style), (finding.where.removeprefix(place), "bold"))
            heading.append(marks_of(finding), style="yellow")
            console.print(heading, soft_wrap=True)
            table = Table.grid(padding=(0, 2))
            table.add_column(style="dim")
            table.add_column(overflow="fold")
            for label, text in parts_of(finding):
                table.add_row(f"    {label}", Text(text, style="green" if label == "do:" else ""))
            console.print(table)
            console.print()
        for text in report.not_checked:
            console.print(Text(f"not checked: {visible(text)}", style="dim"), soft_wrap=True)
        console.print(Text(report.summary, style="bold green" if report.good else "bold red"), soft_wrap=True)
