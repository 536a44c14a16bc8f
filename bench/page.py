"""Write bench/performance.md from the results: python -m bench.page."""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.harness import written
from bench.results import Figure, Result, read

# In the order of the page; each is a module with a `main`.
BENCHMARKS = ("floors", "organisation", "verify", "inventory", "check", "diff", "startup")
PAGE = Path(__file__).parent / "performance.md"
HEAD = """# Performance

```console
$ make bench         # three quarters of an hour on two idle cores; then this page has your figures
```

Figures are medians; the spread is from the lowest run to the highest. A ratio is the median of the ratios of runs that
took turns. `goal` is a limit; a figure that misses it says **no**. AWS and Kubernetes are those of the sandbox, on the
same machine, so that nothing here has the delays of a network.
This page is generated from `bench/results`; a run prints each figure beside that of the run before.
"""


def page(results: Sequence[Result]) -> str:
    """Return the page."""
    figures = (line for result in results for line in _benchmark(result))
    return "\n".join([HEAD, *_missing(results), *_goals(results), *figures])


def _missing(results: Sequence[Result]) -> Iterator[str]:
    missing = [benchmark for benchmark in BENCHMARKS if benchmark not in {result.benchmark for result in results}]
    if missing:
        named = ", ".join(f"`{benchmark}`" for benchmark in missing)
        yield f"Not measured yet: {named} (`.venv/bin/python -m bench NAME`).\n"


def _goals(results: Sequence[Result]) -> Iterator[str]:
    """Yield the table of all goals."""
    with_goal = [figure for result in results for figure in result.figures if figure.goal is not None]
    met = sum(bool(figure.met) for figure in with_goal)
    yield f"## Goals\n\n{met} of {len(with_goal)} goals are met; a goal that is not in the table was not measured.\n"
    yield "| figure | measured | runs | goal | met |\n|---|---|---|---|---|"
    for figure in with_goal:
        yield f"| {figure.name} | {_median(figure)} | {len(figure.values)} | {_goal(figure)} | {_met(figure)} |"
    yield ""


def _benchmark(result: Result) -> Iterator[str]:
    yield f"## {result.title}\n\n{_wrapped(result.description)}\n"
    yield "| figure | measured | spread | runs | goal | met | computed from |\n|---|---|---|---|---|---|---|"
    for figure in result.figures:
        spread = f"{written(min(figure.values))} to {written(max(figure.values))}" if len(figure.values) > 1 else ""
        cells = (figure.name, _median(figure), spread, str(len(figure.values)), _goal(figure), _met(figure), figure.of)
        yield f"| {' | '.join(cells)} |"
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    measured = f"Measured on {result.date} on {result.machine}; load of the machine before the start: {result.load:g}"
    yield "\n" + textwrap.fill(f"{measured}. {versions}.", 120) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _median(figure: Figure) -> str:
    return f"{written(figure.median)} {figure.unit}"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"at {'least' if figure.at_least else 'most'} {figure.goal:g}"


def _met(figure: Figure) -> str:
    return "" if figure.met is None else "yes" if figure.met else "**no**"


def main() -> int:
    PAGE.write_text(page(read(BENCHMARKS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
