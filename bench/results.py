"""The figures of a benchmark: typed values, written as JSON to bench/results, from which bench.page writes the page."""

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.layout import write_atomically

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """What was measured, as the median of its runs."""

    name: str
    unit: str
    """`s`, `ms`, `MB` (1,000,000 bytes), `times`, or what is counted, in the plural."""
    values: tuple[float, ...]
    """One for each run, in the order of the runs."""
    goal: float | None = None
    """The bound; None where there is no goal."""
    at_least: bool = False
    """Whether the goal is a lower bound."""
    of: str = ""
    """What the figure is computed from, such as `2.1 s, floor 1.9 s`."""

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median meets the goal; None where there is no goal."""
        if self.goal is None:
            return None
        return self.median >= self.goal if self.at_least else self.median <= self.goal


@dataclass(frozen=True)
class Result:
    """One run of a benchmark."""

    benchmark: str
    """The name of its module."""
    title: str
    description: str
    """What was measured and how: a paragraph of Markdown in one line."""
    figures: tuple[Figure, ...]
    date: str
    """The day, as in 2026-11-25."""
    load: float
    """The load average of the last minute before the run: how many others the processors had to serve."""
    machine: str
    versions: Mapping[str, str]


def write(result: Result, folder: Path = FOLDER) -> None:
    """Write a result in place of the benchmark's previous one."""
    content = json.dumps(dataclasses.asdict(result), indent=1, ensure_ascii=False)
    write_atomically(folder / f"{result.benchmark}.json", f"{content}\n", mode=0o644)


def read(benchmarks: Sequence[str], folder: Path = FOLDER) -> list[Result]:
    """Return the last result of each benchmark that was run, in the order of their names here."""
    files = [folder / f"{benchmark}.json" for benchmark in benchmarks]
    return [_parsed(json.loads(file.read_text())) for file in files if file.exists()]


def _parsed(content: dict[str, Any]) -> Result:
    figures = (Figure(**{**figure, "values": tuple(figure["values"])}) for figure in content["figures"])
    return Result(**{**content, "figures": tuple(figures)})
