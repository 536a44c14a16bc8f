"""Create the virtual environment of this checkout, and update it when its requirements have changed.

With the argument `parts`, the sandbox's programs are built beside it: Go needs no environment.
It runs before anything is installed, on whatever `python3` there is: the standard library only, and no syntax that an
old interpreter cannot parse before it can say that it is too old.
"""

import ast
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / ".venv"
PYTHON = FOLDER / "bin" / "python"
UV = FOLDER / "bin" / "uv"
TOOLS = CHECKOUT / "sandbox" / "tools"
# Without it, the environment is made anew: an earlier one has another package of the same commands.
STAMP = FOLDER / "irsa-stack-requirements.sha256"
PINS = ("requirements-hashes.txt", "requirements-dev.txt")
CONTENT = (
    *PINS,
    "sandbox/tools/uv.txt",
    "pyproject.toml",
    "components/pyproject.toml",
    "cli/pyproject.toml",
    "components/irsa/version.py",
)
# What sandbox.parts imports.
FIRST = ("filelock", "rich")
OWN = ("-e", "./components", "-e", "./cli", "-e", ".")
# What pip is configured with, in the words of uv, which does not read pip's files.
OF_PIP = {
    "cert": "SSL_CERT_FILE",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "no-index": "UV_OFFLINE",
    "proxy": "ALL_PROXY",
    "trusted-host": "UV_INSECURE_HOST",
}
NOT_INSTALLED = (
    "The requirements could not be installed; the reason is above. They come from the index that pip is set to "
    "(`pip config set global.index-url URL`), by the proxy in HTTPS_PROXY. Then run the same command again."
)
TICK_SECONDS = 20


def main() -> int:
    version = sys.version.split()[0]
    if sys.version_info < OLDEST:
        newer = next(filter(None, map(shutil.which, NEWER)), None)
        if newer:
            return subprocess.call([newer, __file__, *sys.argv[1:]])
        return complain(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and python3 is {version}: install one "
            "(https://www.python.org/downloads, or your system's package python3.11) and run the same command again."
        )
    wanted = digest()
    if STAMP.exists() and STAMP.read_text() == wanted and answers("pass"):
        return 0
    started = time.monotonic()
    # Of what was interrupted, uv would take for installed what is there in part.
    if not STAMP.exists() or not answers(f"import sys, pip; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"):
        say(f"creating .venv with Python {version}")
        shutil.rmtree(str(FOLDER), ignore_errors=True)
        # The Python of a shell that has activated .venv is the one that is removed.
        code, output = run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(FOLDER))
        if code:
            return complain(
                f"{output.strip()}\npython3 -m venv failed: on Debian and Ubuntu install it with `apt-get install "
                "python3-venv`, then run the same command again."
            )
    return install(wanted, started)


def install(wanted: str, started: float) -> int:
    say("installing the requirements")
    if STAMP.exists():
        STAMP.unlink()
    pip = (str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
    uv = (str(UV), "pip", "install", "--quiet", "--python", str(PYTHON))
    os.environ.update(package_index())
    parts = None
    try:
        for step in (
            (*pip, "--require-hashes", "--requirement", str(TOOLS / "uv.txt")),
            (*uv, *FIRST, *(f"--constraint={name}" for name in PINS)),
            # Where PYTHONDONTWRITEBYTECODE is set, each process would compile what it imports.
            (*uv, "--compile-bytecode", "--require-hashes", *(f"--requirement={name}" for name in PINS)),
            (*uv, "--no-deps", "--no-build-isolation", *OWN),
        ):
            code, output = run(*step)
            if code:
                return complain(f"{output.strip()}\n{NOT_INSTALLED}")
            if FIRST[0] in step and sys.argv[1:] == ["parts"]:
                # It reports in lines, between those of this process; what went wrong is said last.
                own = {**os.environ, "TTY_COMPATIBLE": "0"}
                command = (str(PYTHON), "-m", "sandbox.parts")
                parts = subprocess.Popen(command, cwd=str(CHECKOUT), env=own, stderr=subprocess.PIPE)
        STAMP.write_text(wanted)
        say(f"requirements installed ({time.monotonic() - started:.0f} s)")
        if parts is None:
            return 0
        sys.stderr.write(parts.communicate()[1].decode(errors="replace"))
        return parts.returncode
    finally:
        if parts is not None and parts.poll() is None:
            parts.send_signal(signal.SIGINT)
            parts.wait()


def package_index() -> "dict[str, str]":
    """Return the environment's variables for uv: it finds packages where pip is configured to."""
    listed = subprocess.run(
        (str(PYTHON), "-m", "pip", "config", "list"), stdout=subprocess.PIPE, text=True, check=False
    ).stdout
    found = {}  # type: "dict[str, str]"
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = OF_PIP.get(key.rpartition(".")[2])
        if name:
            separator = "," if name == "UV_FIND_LINKS" else " "
            found.setdefault(name, separator.join(ast.literal_eval(value).split()))
    # pip takes the best version of all indexes, and what is installed is pinned by hash.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never", **found, **os.environ}


def digest() -> str:
    """Return a digest of the requirements, the interpreter's version and the checkout's folder."""
    whole = hashlib.sha256(f"{sys.version_info[:2]} {CHECKOUT}".encode())
    for name in CONTENT:
        whole.update((CHECKOUT / name).read_bytes())
    return whole.hexdigest()


def answers(code: str) -> bool:
    """Return whether the environment's Python exists and runs this code without an error."""
    return PYTHON.exists() and subprocess.call([str(PYTHON), "-c", code], stderr=subprocess.DEVNULL) == 0


def run(*command: str) -> "tuple[int, str]":
    """Run a command, report every twenty seconds that it still runs, and return its exit code and output."""
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=str(CHECKOUT), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        while True:
            try:
                output = process.communicate(timeout=TICK_SECONDS)[0]
            except subprocess.TimeoutExpired:
                say(f"  ... {time.monotonic() - started:.0f} s")
            else:
                return process.returncode, output.decode(errors="replace")


def say(line: str) -> None:
    print(f"  environment: {line}", flush=True)


def complain(line: str) -> int:
    sys.stderr.write(f"{line}\n")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(complain("Interrupted. Run the same command again to continue."))
