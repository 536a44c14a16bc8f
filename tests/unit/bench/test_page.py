"""bench/performance.md: each goal with its figure, met or not, as the results of the last run have it."""

import re
from dataclasses import replace
from pathlib import Path

from bench import page
from bench.results import Figure, Result, read, write

RESULT = Result(
    "floors",
    "The program against its floor",
    "How it is measured.",
    (
        Figure("a limit that is kept, to the floor", "times", (1.3, 1.0, 1.05), 1.1, of="2.1 s, floor 2.0 s"),
        Figure("a limit that is missed, to the floor", "times", (1.2,), 1.1),
        Figure("calls", "calls", (58.0,), 60),
        Figure("how much faster", "times", (4.0,), 5, at_least=True),
        Figure("without a goal", "s", (12.0, 14.0)),
    ),
    "2026-11-25",
    0.3,
    "2 cores, 8 GiB of memory",
    {"Python": "3.11.7"},
)


def table(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its own heading."""
    rows = re.findall(r"^\| (.*) \|$", text.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0], re.MULTILINE)
    return [row.split(" | ") for row in rows[1:]]


def test_each_goal_has_its_figure_and_says_whether_it_is_met() -> None:
    """Protects who reads the page for a decision: the median counts, of how many runs, and a miss is as visible."""
    assert table(page.page([RESULT]), "Goals") == [
        ["a limit that is kept, to the floor", "1.05 times", "3", "at most 1.1", "yes"],
        ["a limit that is missed, to the floor", "1.20 times", "1", "at most 1.1", "**no**"],
        ["calls", "58.0 calls", "1", "at most 60", "yes"],
        ["how much faster", "4.00 times", "1", "at least 5", "**no**"],
    ]
    assert "2 of 4 goals are met" in page.page([RESULT])


def test_what_was_not_measured_is_named() -> None:
    """Protects against a page that looks complete because a benchmark failed."""
    said = page.page([RESULT]).split("## Goals")[0]
    assert "Not measured yet: `organisation`, `verify`, " in said
    assert "`floors`" not in said


def test_a_figure_shows_its_spread_its_runs_and_what_it_comes_from() -> None:
    """Protects against a lucky run that passes for the rule."""
    first, *_, last = table(page.page([RESULT]), RESULT.title)
    assert first == [
        RESULT.figures[0].name,
        "1.05 times",
        "1.00 to 1.30",
        "3",
        "at most 1.1",
        "yes",
        "2.1 s, floor 2.0 s",
    ]
    assert last == ["without a goal", "13.0 s", "12.0 to 14.0", "2", "", "", ""]


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Protects the page from figures that a file rounds, or that another version of a file leaves out."""
    write(RESULT, tmp_path)
    write(replace(RESULT, benchmark="check"), tmp_path)
    assert read(("check", "missing", "floors"), tmp_path) == [replace(RESULT, benchmark="check"), RESULT]


def test_the_page_is_that_of_the_results() -> None:
    """Protects the page from figures that nobody measured: it is generated, by `make bench` alone."""
    results = read(page.BENCHMARKS)
    assert results
    assert page.PAGE.read_text() == page.page(results)
