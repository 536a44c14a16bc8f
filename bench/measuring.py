"""How everything here is measured: cases in turn, on a machine that is named."""

import importlib.metadata
import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import psutil

GIBIBYTE = 2**30
LIBRARIES = ("pulumi", "pulumi-aws", "pulumi-kubernetes", "moto", "boto3", "pydantic", "PyYAML")


def seconds(action: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def in_turn(cases: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Return the seconds of every case, run once, then every case again: a busy machine slows all of them."""
    found = {name: list[float]() for name in cases}
    for _ in range(runs):
        for name, case in cases.items():
            found[name].append(seconds(case))
    return found


def say(line: str) -> None:
    """Report progress: what takes long says so before it starts."""
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)


def circumstances(load: float, versions: Mapping[str, str]) -> str:
    """Return the day, the machine, its load before the start, and the versions that a figure depends on.

    Args:
        load: The load average of the last minute: how many others the processors had to serve.
        versions: Versions of what is measured besides Python's and the libraries'.
    """
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    model = named[1] if named else platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total / GIBIBYTE
    machine = f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB of memory, {platform.system()}"
    libraries = {f"{name} (Python)": importlib.metadata.version(name) for name in LIBRARIES}
    of = {"Python": platform.python_version(), **libraries, **versions}
    said = ", ".join(f"{name} {version}" for name, version in of.items())
    return f"{datetime.now(UTC):%Y-%m-%d} on {machine}; load of the machine before the start: {load:.1f}. {said}."
