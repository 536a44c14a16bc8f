"""Print a report as JSON, for a terminal or for a pipe, and write it as JUnit XML."""

import argparse
import sys
from collections.abc import Sequence

from irsa.rules.mistakes import named
from irsa_cli.exits import COULD_NOT_LOOK
from irsa_cli.report.checks import Report
from irsa_cli.report.json import as_json
from irsa_cli.report.text import plain


def publish(report: Report, headings: Sequence[str], rows: Sequence[Sequence[str]], options: argparse.Namespace) -> int:
    """Print a report as the options say, and return the exit code."""
    if options.json:
        print(as_json(report))
    elif sys.stdout.isatty():
        from irsa_cli.report.terminal import show  # noqa: PLC0415 (it imports rich, which a pipe does not need)

        show(report, headings, rows)
    else:
        print("\n".join(plain(report, headings, rows)))
    try:
        if options.junit:
            from irsa_cli.report.junit import junit  # noqa: PLC0415 (it imports an XML library)

            options.junit.write_text(junit(report), encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"irsa {report.verb}: cannot write {named(str(options.junit))}: {error.strerror}\n")
        return report.exit_code or COULD_NOT_LOOK
    return report.exit_code
