"""bench/performance.md: each figure with its goal, met or not, as the results of the last run have it."""

from bench.figures import PAGE, page, read


def test_the_page_is_that_of_the_results() -> None:
    assert read()
    assert PAGE.read_text() == page(read())
