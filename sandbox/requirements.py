"""Compile requirements*.txt from the ranges in the three pyproject.toml: make requirements."""

import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox.layout import CHECKOUT, write_atomically

SOURCES = ("pyproject.toml", "components/pyproject.toml", "cli/pyproject.toml")
# Where this machine gets its packages from must not be in a requirements file.
FLAGS = ("--quiet", "--strip-extras", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
    "--no-emit-trusted-host")  # fmt: skip
HEADER = "# Exact versions, compiled from the ranges in the three pyproject.toml: make requirements"
DEVELOPMENT_HEADER = "# What the sandbox and the tests need besides requirements.txt: make requirements"
# pip takes no hash of a folder, so that our own packages are in requirements.txt only.
HASHES_HEADER = "# requirements.txt with hashes, and what builds our own packages: make requirements"
EDITABLE = ("-e ./components", "-e ./cli", "-e .")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        pinned = compile_pins(Path(name) / "requirements.txt")
        constraint = ("--constraint", str(Path(name) / "requirements.txt"))
        development = compile_pins(Path(name) / "development.txt", "--extra", "dev", *constraint)
        hashed = compile_pins(
            Path(name) / "hashes.txt", "--generate-hashes", "--build-deps-for", "editable", *constraint
        )
    _write("requirements.txt", HEADER, *pinned, *EDITABLE)
    _write("requirements-hashes.txt", HASHES_HEADER, *hashed)
    more = [line for line in development if line not in pinned]
    _write("requirements-dev.txt", DEVELOPMENT_HEADER, "-r requirements.txt", *more)


def _write(name: str, *lines: str) -> None:
    write_atomically(CHECKOUT / name, "\n".join(lines) + "\n", mode=0o644)


def compile_pins(output: Path, *more: str) -> list[str]:
    subprocess.run(
        [sys.executable, "-m", "piptools", "compile", *FLAGS, *more, "--output-file", str(output), *SOURCES],
        cwd=CHECKOUT,
        check=True,
    )
    # `dev` names the extra `lint` of this checkout: pip-tools pins the checkout itself, as a folder of this machine.
    lines = [line for line in output.read_text().splitlines() if line and not line.startswith(("#", "-"))]
    return [line for line in lines if " @ file:" not in line]


if __name__ == "__main__":
    main()
