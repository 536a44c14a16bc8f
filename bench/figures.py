"""The figures of the benchmarks: results.json keeps the last ones, and performance.md is generated from it."""

import dataclasses
import json
import statistics
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import write_atomically

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent / "performance.md"
HEAD = """# Performance

```console
$ make bench         # a quarter of an hour on two idle cores; then this page has your figures
```

Figures are medians; the spread is from the lowest run to the highest. A ratio is the median of the ratios of runs that
took turns. `goal` is a limit; a figure that misses it says **no**. AWS and Kubernetes are those of the sandbox, on the
same machine, so that nothing here has the delays of a network.
This page is generated from `bench/results.json`; a run prints each figure beside that of the run before.
"""


@dataclass(frozen=True)
class Figure:
    """What was measured, as the median of its runs."""

    name: str
    unit: str
    """`s` or `times`."""
    values: Sequence[float]
    """One for each run, in the order of the runs."""
    goal: float | None = None
    """The upper bound; None where there is no goal."""
    of: str = ""
    """What the figure is computed from, such as `2.1 s, floor 1.9 s`."""

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        """Whether the median meets the goal, if there is one."""
        return self.goal is None or self.median <= self.goal


@dataclass(frozen=True)
class Result:
    """One run of a benchmark."""

    title: str
    description: str
    """What was measured and how: a paragraph of Markdown in one line."""
    figures: Sequence[Figure]
    measured: str
    """The day, the machine, its load before the start, and the versions of what was measured."""


def compared(name: str, mine: Sequence[float], its: Sequence[float], unit: str, goal: float | None = None) -> Figure:
    """Return how many times the floor's values a program's own are: the ratio of each pair that ran in turn."""
    of = f"{written(statistics.median(mine))} {unit}, floor {written(statistics.median(its))} {unit}"
    return Figure(name, "times", [a / b for a, b in zip(mine, its, strict=True)], goal, of)


def written(value: float) -> str:
    """Return a figure with two digits or more: 0.012, 1.23, 12.3, 1,234."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3  # noqa: PLR2004
    return f"{value:,.{digits}f}"


def read() -> dict[str, Result]:
    """Return the last result of each benchmark that was run, by its name."""
    contents = json.loads(RESULTS.read_text())
    return {
        name: Result(**{**content, "figures": [Figure(**figure) for figure in content["figures"]]})
        for name, content in contents.items()
    }


def write(results: Mapping[str, Result]) -> None:
    """Write the results, and the page."""
    contents = {name: dataclasses.asdict(result) for name, result in results.items()}
    content = json.dumps(contents, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(RESULTS, f"{content}\n", mode=0o644)
    write_atomically(PAGE, page(results), mode=0o644)


def page(results: Mapping[str, Result]) -> str:
    """Return the page."""
    sections = [line for _, result in sorted(results.items()) for line in _section(result)]
    with_goal = [figure for result in results.values() for figure in result.figures if figure.goal is not None]
    missed = [figure for figure in with_goal if not figure.met]
    goals = f"{len(with_goal) - len(missed)} of {len(with_goal)} goals are met"
    named = "".join(f"\n- missed: {figure.name}, {_median(figure)}, goal {_goal(figure)}" for figure in missed)
    return "\n".join([HEAD, f"{goals}{':' if missed else '.'}\n{named}\n", *sections])


def _section(result: Result) -> Iterator[str]:
    yield f"## {result.title}\n\n{_wrapped(result.description)}\n"
    yield "| figure | measured | spread | runs | goal | met | computed from |\n|---|---|---|---|---|---|---|"
    for figure in result.figures:
        spread = f"{written(min(figure.values))} to {written(max(figure.values))}" if len(figure.values) > 1 else ""
        met = "" if figure.goal is None else "yes" if figure.met else "**no**"
        cells = (figure.name, _median(figure), spread, str(len(figure.values)), _goal(figure), met, figure.of)
        yield f"| {' | '.join(cells)} |"
    yield f"\n{_wrapped(f'Measured on {result.measured}')}\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _median(figure: Figure) -> str:
    return f"{written(figure.median)} {figure.unit}"


def _goal(figure: Figure) -> str:
    return "" if figure.goal is None else f"at most {figure.goal:g}"
