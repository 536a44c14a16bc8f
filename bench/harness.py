"""How everything here is measured: cases in turn, medians and spread, on a machine that is named."""

import importlib.metadata
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psutil

from bench.results import Figure, Result, read, write

RUN = TypeVar("RUN")
GIBIBYTE = 2**30
MEGABYTE = 1_000_000


def seconds(action: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def in_turn(cases: Mapping[str, Callable[[], RUN]], runs: int) -> dict[str, list[RUN]]:
    """Run every case once, then every case again: a busy machine slows all of them. Each round starts with the next."""
    names, found = list(cases), {name: list[RUN]() for name in cases}
    for turn in range(runs):
        for index in range(len(names)):
            name = names[(turn + index) % len(names)]
            found[name].append(cases[name]())
    return found


def compared(name: str, mine: list[float], its: list[float], unit: str, goal: float | None = None) -> Figure:
    """Return how many times the floor's values a program's own are: the ratio of each pair that ran in turn."""
    of = f"{written(statistics.median(mine))} {unit}, floor {written(statistics.median(its))} {unit}"
    return Figure(name, "times", tuple(a / b for a, b in zip(mine, its, strict=True)), goal, of=of)


def written(value: float) -> str:
    """Return a figure with two digits or more: 0.012, 1.23, 12.3, 1,234."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3  # noqa: PLR2004
    return f"{value:,.{digits}f}"


def say(line: str) -> None:
    """Report progress: what takes long says so before it starts."""
    sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")
    sys.stdout.flush()


def report(
    benchmark: str, title: str, description: str, measure: Callable[[], list[Figure]], versions: Mapping[str, str]
) -> Result:
    """Measure, print the figures beside those of the last time, and keep them.

    Args:
        benchmark: The name of the module.
        title: The heading of its part of the page.
        description: What is measured and how.
        measure: Returns the figures; it may take minutes.
        versions: Versions of what is measured besides Python's and the SDKs'.
    """
    load = os.getloadavg()[0]
    say(f"{benchmark}: {title} (load of the machine {load:.1f})")
    last = {figure.name: figure.median for result in read([benchmark]) for figure in result.figures}
    figures = measure()
    text = " ".join(description.split())
    today = datetime.now(UTC).date().isoformat()
    result = Result(
        benchmark,
        title,
        text,
        tuple(figures),
        today,
        round(load, 1),
        machine(),
        all_versions(versions),
    )
    write(result)
    for figure in figures:
        goal = "" if figure.goal is None else f", goal {figure.goal:g}: {'met' if figure.met else 'NOT MET'}"
        before = f", last time {written(last[figure.name])}" if figure.name in last else ""
        say(f"  {figure.name}: {written(figure.median)} {figure.unit}{before}{goal}")
    return result


def machine() -> str:
    """Return the processors and the memory of this machine."""
    information = Path("/proc/cpuinfo")
    named = (
        re.search(r"^model name\s*:\s*(.+)$", information.read_text(), re.MULTILINE) if information.exists() else None
    )
    model = named[1] if named else platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total / GIBIBYTE
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB of memory, {platform.system()}"


def all_versions(more: Mapping[str, str]) -> dict[str, str]:
    """Return the versions that a figure depends on, those of Python and of libraries first."""
    libraries = ("pulumi", "pulumi-aws", "pulumi-kubernetes", "moto", "boto3", "pydantic", "PyYAML")
    return {
        "Python": platform.python_version(),
        **{f"{name} (Python)": importlib.metadata.version(name) for name in libraries},
        **more,
    }
