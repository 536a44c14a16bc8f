"""A stand-in for the program `jq` around its library, with the options of the pages and the workflows."""

import argparse
import json
import sys
from pathlib import Path

import jq


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-r", dest="raw", action="store_true")
    parser.add_argument("-c", dest="compact", action="store_true")
    parser.add_argument("-s", dest="slurp", action="store_true")
    parser.add_argument("--arg", nargs=2, action="append", default=[])
    parser.add_argument("--slurpfile", nargs=2, action="append", default=[])
    parser.add_argument("filter")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    style = {"separators": (",", ":")} if options.compact else {"indent": 2}
    try:
        arguments = dict(options.arg)
        for name, file in options.slurpfile:
            arguments[name] = jq.all(".", text=Path(file).read_text())
        text = "\n".join(file.read_text() for file in options.files) if options.files else sys.stdin.read()
        for found in jq.compile(options.filter, args=arguments).input_text(text, slurp=options.slurp):
            text = found if options.raw and isinstance(found, str) else json.dumps(found, ensure_ascii=False, **style)
            sys.stdout.write(f"{text}\n")
    except (OSError, ValueError) as error:
        sys.exit(f"jq: error: {error}")


if __name__ == "__main__":
    main()
