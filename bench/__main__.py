"""Run benchmarks and write the page: python -m bench [benchmark ...]."""

import argparse
import importlib
import sys

from bench import page
from bench.harness import say

# The real size takes an hour more: `make bench-real`.
ALL = tuple(benchmark for benchmark in page.BENCHMARKS if benchmark != "organisation")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benchmarks", nargs="*", choices=[*page.BENCHMARKS, []], default=ALL)
    chosen = parser.parse_args().benchmarks
    failed = []
    for benchmark in chosen:
        try:
            importlib.import_module(f"bench.{benchmark}").main()
        except Exception as error:  # the others are measured all the same
            say(f"{benchmark} failed, and keeps its previous figures: {error}")
            failed.append(benchmark)
        page.main()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
