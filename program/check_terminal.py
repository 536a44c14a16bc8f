"""The report of `irsa check` on a terminal; only this module imports rich."""

from collections.abc import Sequence

from irsa.rules.mistakes import named
from irsa_cli.report.message import Message
from irsa_cli.report.terminal import show_message
from program.check_report import FileReport, messages


def show_files(reports: Sequence[FileReport]) -> None:
    """Print the reports with colors."""
    for report in reports:
        for fix in report.fixes:
            show_message(Message(f"fixed: {named(report.file)}:{fix.line}  {fix}"), "green")
        for message, style in messages(report):
            show_message(message, style)
        for text in report.not_checked:
            show_message(Message(f"not checked: {text}"), "dim")
        show_message(Message(report.summary), "bold green" if report.good else "bold red")
