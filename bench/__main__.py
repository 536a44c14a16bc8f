"""Run benchmarks, and write the page: python -m bench [benchmark ...]."""

import argparse
import inspect
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.figures import Figure, Result, read, write, written
from bench.measuring import circumstances, say
from bench.offline import check, diff, startup
from bench.stacks import floors, measured_cloud, organisation, versions_of

OFFLINE = {"check": check, "diff": diff, "startup": startup}
WITH_SANDBOX = {"floors": floors, "organisation": organisation}
BENCHMARKS = {**OFFLINE, **WITH_SANDBOX}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="benchmark", help=f"of {', '.join(BENCHMARKS)}")
    chosen = parser.parse_args().benchmarks or list(BENCHMARKS)
    if unknown := set(chosen) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    # As Ctrl-C does: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="irsa-bench-") as name:
        folder = Path(name)
        met = [kept(each, partial(OFFLINE[each], folder), {}) for each in chosen if each in OFFLINE]
        if on_engine := [each for each in chosen if each in WITH_SANDBOX]:
            with measured_cloud(folder / "sandbox") as cloud:
                versions = versions_of(cloud)
                met += [kept(each, partial(WITH_SANDBOX[each], cloud, folder), versions) for each in on_engine]
    return 0 if all(met) else 1


def kept(benchmark: str, measure: Callable[[], list[Figure]], versions: Mapping[str, str]) -> bool:
    """Measure, print the figures beside those of the last time, and keep them; where it fails, those of before stay."""
    title, _, description = (inspect.getdoc(BENCHMARKS[benchmark]) or "").partition("\n\n")
    load = os.getloadavg()[0]
    say(f"{benchmark}: {title} (load of the machine {load:.1f})")
    try:
        figures = measure()
    except Exception:
        # The others are measured all the same.
        traceback.print_exc()
        say(f"{benchmark} failed, with the figures of an earlier run if there are any")
        return False
    results = read()
    last = {figure.name: figure.median for result in results.values() for figure in result.figures}
    result = Result(title, " ".join(description.split()), figures, circumstances(load, versions))
    write({**results, benchmark: result})
    for figure in figures:
        goal = "" if figure.goal is None else f", goal {figure.goal:g}: {'met' if figure.met else 'NOT MET'}"
        before = f", last time {written(last[figure.name])}" if figure.name in last else ""
        say(f"  {figure.name}: {written(figure.median)} {figure.unit}{before}{goal}")
    return True


if __name__ == "__main__":
    sys.exit(main())
