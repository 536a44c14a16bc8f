"""The report of `irsa check` on a terminal; only this module imports rich."""

from collections.abc import Sequence

from irsa.rules.mistakes import named, visible
from irsa_cli.report.terminal import show_labeled, show_parts
from program.check_report import FileReport, marks_of, parts_of


def show_files(reports: Sequence[FileReport]) -> None:
    """Print the reports with colors."""
    for report in reports:
        for fix in report.fixes:
            show_parts([f"fixed: {named(report.file)}:{fix.line}  {fix}"], "green")
        findings = [(m, "bold red") for m in report.mistakes] + [(w, "bold yellow") for w in report.warnings]
        for finding, style in findings:
            show_parts([f"{finding.where}{marks_of(finding)}"], style)
            for label, text in parts_of(finding):
                show_labeled(f"    {label:<9}", text, "green" if label == "do:" else "")
            show_parts([""], "")
        for text in report.not_checked:
            show_parts([f"not checked: {visible(text)}"], "dim")
        show_parts([report.summary], "bold green" if report.good else "bold red")
