"""Run benchmarks, each as a process of its own, and write the page: python -m bench [benchmark ...]."""

import argparse
import signal
import subprocess
import sys
from functools import partial

from bench import page


def _pass_on(process: subprocess.Popen[bytes], number: int, _: object) -> None:
    process.send_signal(number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="benchmark", help=f"of {', '.join(page.BENCHMARKS)}")
    chosen = parser.parse_args().benchmarks or page.BENCHMARKS
    if unknown := set(chosen) - set(page.BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(page.BENCHMARKS)}")
    failed = []
    for benchmark in chosen:
        # One that fails keeps its previous figures, and the others are measured all the same.
        with subprocess.Popen([sys.executable, "-m", f"bench.{benchmark}"]) as process:
            signal.signal(signal.SIGTERM, partial(_pass_on, process))
            if process.wait():
                failed.append(benchmark)
        page.main()
    if failed:
        sys.stderr.write(f"failed, with the figures of an earlier run if there are any: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
