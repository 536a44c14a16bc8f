"""Print a report as JSON, for a terminal or for a pipe."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from irsa_world.report.checks import Report
from irsa_world.report.json import as_json
from irsa_world.report.text import Answer, answer_of, plain


def print_lines(lines: Iterable[tuple[str, str]], stream: TextIO | None = None) -> None:
    """Print lines of text to a stream, by default standard output; on a terminal each in its style."""
    stream = stream or sys.stdout
    if stream.isatty():
        from irsa_world.report.terminal import show_lines  # noqa: PLC0415 (it imports rich, which a pipe does not need)

        show_lines(lines, stream)
    else:
        # At once: both streams may go to one file.
        print("\n".join(text for text, _ in lines), file=stream, flush=True)


def print_answers(answers: Sequence[Answer]) -> None:
    """Print answers to standard output, for a terminal or for a pipe."""
    if sys.stdout.isatty():
        from irsa_world.report.terminal import show  # noqa: PLC0415 (it imports rich, which a pipe does not need)

        show(answers)
    elif answers:
        print("\n".join(plain(answers)))


def publish(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]], options: argparse.Namespace) -> int:
    """Print a report as the options say, and return the exit code."""
    if options.json:
        print(as_json(report))
    else:
        print_answers([answer_of(report, headings, rows)])
    return report.exit_code
