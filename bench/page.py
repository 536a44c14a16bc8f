"""Write docs/performance.md and docs/performance.svg from the results: python -m bench.page."""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.harness import written
from bench.plot import bars
from bench.results import Figure, Result, read

# In the order of the page; each is a module with a `main`.
BENCHMARKS = (
    "floors",
    "growth",
    "organisation",
    "engine",
    "verify",
    "inventory",
    "inventory_page",
    "check",
    "diff",
    "startup",
    "commands",
    "sandbox",
)
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PLOT = PAGE.with_suffix(".svg")
PLOTTED = ("floors", "organisation")
HEAD = """# Performance

```console
$ make bench         # three quarters of an hour on two cores; then this page has your figures
$ make bench-real    # the size of a large organisation, and the engine's settings: an hour
```

Figures are medians; the spread is from the lowest run to the highest. A ratio is the median of the ratios of runs that
took turns. `goal` is a limit; a figure that misses it says **no**. AWS and Kubernetes are those of the sandbox, on the
same machine, so that nothing here has the delays of a network unless it says so.
This page is generated from `bench/results`.

![How many times the floor's time each command takes](performance.svg)
"""


# Tried on the program, with what it gave in a `preview` against an engine that answers at once.
TRIED = (
    (
        "registering resources while the others are still made, and sending none of the SDK's debug messages",
        "300 bindings: 10.3 to 8.4 s of processor time, 207 to 135 MB",
        "yes",
    ),
    (
        "one stack frame less in the making of each resource: the engine keeps them in the state",
        "3% of the state of 1,000 bindings",
        "yes",
    ),
    (
        "a profile of the sandbox's stand-in plugins",
        "they take a tenth of an `up` of 100 bindings, nearly all of it in botocore",
        "nothing changed",
    ),
    (
        "the declared trust policy and documents in the children alone, not in the component's outputs",
        "5% of the state; `pulumi refresh` overwrites the children's, so that `irsa verify` would compare with itself",
        "no",
    ),
)


def page(results: Sequence[Result]) -> str:
    """Return the page."""
    figures = (line for result in results for line in _benchmark(result))
    return "\n".join([HEAD, *_missing(results), *_goals(results), *figures, *_tried()])


def _tried() -> Iterator[str]:
    yield "## What was tried\n\nOn the program, by what a profile showed.\n"
    yield "| tried | gave | kept |\n|---|---|---|"
    yield from (f"| {' | '.join(row)} |" for row in TRIED)
    yield ""


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
    measured = (
        f"Measured on {result.date} in {result.minutes:g} minutes on {result.machine}; load of the machine before "
    )
    yield "\n" + textwrap.fill(f"{measured}the start: {result.load:g}. {versions}.", 120) + "\n"


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


def plot(results: Sequence[Result]) -> str:
    """Return the picture of the page: the ratios to the floors."""
    plotted = [figure for result in results if result.benchmark in PLOTTED for figure in result.figures]
    return bars([(figure.name, figure.median, figure.goal) for figure in plotted if "floor" in figure.name])


def main() -> int:
    results = read(BENCHMARKS)
    PAGE.write_text(page(results))
    PLOT.write_text(plot(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
