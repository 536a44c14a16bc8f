"""Print a report as JSON, for a terminal or for a pipe."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from irsa_world.message import INDENT, Line
from irsa_world.report.checks import Report
from irsa_world.report.json import as_json
from irsa_world.report.text import Section, arranged, section_of
from irsa_world.wrapped import wrapped

# Pods keep what they were created with: what is right for new ones says nothing of them.
WITHOUT_PODS = "the running Pods were not looked at: {}"


def print_lines(lines: Iterable[Line], stream: TextIO | None = None) -> None:
    """Print lines of text to a stream, by default standard output; on a terminal each in its style."""
    stream = stream or sys.stdout
    if stream.isatty():
        show(lines, stream)
    else:
        # At once: both streams may go to one file.
        print("\n".join(text for text, _ in lines), file=stream, flush=True)


def show(lines: Iterable[Line], stream: TextIO | None = None) -> None:
    """Print lines within a terminal's width; one without a style may be a command, and stays one line."""
    from rich.console import Console  # noqa: PLC0415 (slow to import, and a pipe does not need it)
    from rich.text import Text  # noqa: PLC0415 (same)

    console = Console(file=stream, highlight=False)
    for text, style in lines:
        indent = " " * (len(text) - len(text.lstrip(" ")))
        for line in wrapped(text.strip(" "), indent, indent + INDENT, console.width) if style else [text]:
            console.print(Text(line, style=style), soft_wrap=True)


def print_sections(sections: Sequence[Section]) -> None:
    """Print sections to standard output."""
    if sections:
        print_lines(arranged(sections))


def publish(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]], options: argparse.Namespace) -> int:
    """Print a report as the options say, and return the exit code."""
    if options.json:
        print(as_json(report))
    else:
        print_sections([section_of(report, headings, rows)])
    return report.exit_code
