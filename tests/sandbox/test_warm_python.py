"""The warm Python of the other tests: what it runs is as if Python itself had been started."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the tests start Python itself"),
]

TELL = """
import os, sys
content = sys.stdin.read()
os.write(int(sys.argv[1]), b"to an inherited file")
print(sys.argv[2:], content, os.getcwd(), os.environ.get("ONE"), "PATH" in os.environ, sys.path[0] != os.getcwd())
sys.stderr.write("to standard error")
sys.exit(7)
"""


def run(python: str | Path, folder: Path) -> tuple[int, str, str, bytes]:
    reading, writing = os.pipe()
    answer = subprocess.run(
        [python, "-P", "-c", TELL, str(writing), "an argument", ""],
        cwd=folder,
        env={"ONE": "1"},
        input="content",
        capture_output=True,
        text=True,
        pass_fds=[writing],
        check=False,
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        return answer.returncode, answer.stdout, answer.stderr, file.read()


@pytest.fixture
def warm(cloud: Any) -> Path:
    python: Path = cloud.virtualenv / "bin" / "python"
    return python


def test_a_process_is_as_python_itself_would_be(warm: Path, tmp_path: Path) -> None:
    assert run(warm, tmp_path) == run(sys.executable, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_process_ends_with_its_client(warm: Path, number: signal.Signals) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with subprocess.Popen([warm, "-c", code], stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        process = psutil.Process(int(client.stdout.readline()))
        assert process.pid != client.pid
        client.send_signal(number)
        process.wait(timeout=10)
        assert client.wait() == -number
