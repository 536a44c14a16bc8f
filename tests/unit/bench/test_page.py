"""bench/performance.md: each figure with its goal, met or not, as the results of the last run have it."""

from bench.figures import PAGE, Figure, Result, page, read

FIGURES = (
    Figure("a limit that is kept, to the floor", "times", (1.3, 1.0, 1.05), 1.1, of="2.1 s, floor 2.0 s"),
    Figure("a limit that is missed, to the floor", "times", (1.2,), 1.1),
    Figure("without a goal", "s", (12.0, 14.0)),
)


def test_a_figure_shows_its_spread_its_runs_its_goal_and_what_it_comes_from() -> None:
    text = page({"floors": Result("The program against its floor", "How.", FIGURES, "2026-11-25.")})
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in row] for row in rows[2:]] == [
        [FIGURES[0].name, "1.05 times", "1.00 to 1.30", "3", "at most 1.1", "yes", "2.1 s, floor 2.0 s"],
        [FIGURES[1].name, "1.20 times", "", "1", "at most 1.1", "**no**"],
        ["without a goal", "13.0 s", "12.0 to 14.0", "2"],
    ]
    assert "1 of 2 goals are met:" in text
    assert f"- missed: {FIGURES[1].name}, 1.20 times, goal at most 1.1\n" in text


def test_the_page_is_that_of_the_results() -> None:
    assert read()
    assert PAGE.read_text() == page(read())
