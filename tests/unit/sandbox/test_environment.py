"""What points every tool at the sandbox and none at the user's own accounts; and how the environment is installed."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from sandbox import virtual_environment
from sandbox.environment import environment, write_environment_file
from sandbox.layout import CHECKOUT, Sandbox

# What a developer's shell may hold, and what would lead boto3, pulumi or kubectl elsewhere.
HOSTILE = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ACCESS_KEY_ID": "real",
    "AWS_CA_BUNDLE": "/corporate.pem",
    "AWS_ENDPOINT_URL_IAM": "https://iam.example.com",
    "PULUMI_ACCESS_TOKEN": "real",
    "PULUMI_BACKEND_URL": "s3://state",
    "KUBECONFIG": "/home/developer/.kube/config",
    "NO_PROXY": "example.com",
}


@pytest.mark.parametrize("name", ["plain", "with space and 'quote'", "100% #1 ? & $x"])
def test_nothing_of_the_callers_own_accounts_is_left(tmp_path: Path, name: str) -> None:
    sandbox = Sandbox(tmp_path / name)
    sandbox.prepare()
    write_environment_file(sandbox, 4711)
    show = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    command = ["/bin/sh", "-eu", "-c", f'. "$1"; {show}', "sh", str(sandbox.environment_file)]
    answer = subprocess.run(command, env=HOSTILE, capture_output=True, text=True, check=True)
    own = {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    variables = {key: value for key, value in json.loads(answer.stdout).items() if key not in own}
    assert variables == environment(sandbox, 4711, HOSTILE)

    assert {key for key, value in variables.items() if value == "real" or "production" in value} == set()
    assert not {"AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_IAM", "AWS_SESSION_TOKEN"} & variables.keys()
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4711"
    files = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "KUBECONFIG", "KUBECACHEDIR", "PULUMI_HOME")
    assert all(variables[key].startswith(f"{sandbox.folder}/") for key in files)
    # As a URL is read, by which the engine finds its state.
    backend = urlsplit(variables["PULUMI_BACKEND_URL"])
    assert (backend.scheme, backend.netloc, unquote(backend.path)) == ("file", "", f"{sandbox.folder}/state")
    # No older kubectl of the system, and no company's proxy in front of loopback.
    assert variables["PATH"] == f"{CHECKOUT}/.venv/bin:{sandbox.folder}/bin:/usr/bin:/bin"
    assert variables["NO_PROXY"] == "127.0.0.1,localhost,example.com"


def test_all_that_is_installed_has_a_hash() -> None:
    """The attack: an index, or a mirror, serves another file under a known version to whoever tries this checkout."""
    files = [CHECKOUT / name for name in virtual_environment.PINS] + sorted(virtual_environment.TOOLS.iterdir())
    entries = [line for file in files for line in file.read_text().replace("\\\n", " ").splitlines() if line[0] != "#"]
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+==\S+( +--hash=sha256:[0-9a-f]{64})+ *", entry)
    names = [entry.partition("==")[0] for entry in entries]
    assert len({*names}) == len(names)
    # What is installed before the rest is of these versions too.
    assert {*virtual_environment.FIRST} <= {*names}


def test_every_step_of_the_installation_checks_hashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps: list[tuple[str, ...]] = []
    monkeypatch.setattr(virtual_environment, "STAMP", tmp_path / "stamp")

    def run(*step: str) -> tuple[int, str]:
        steps.append(step)
        return 0, ""

    monkeypatch.setattr(virtual_environment, "run", run)
    assert virtual_environment.install("digest", 0.0) == 0
    assert (tmp_path / "stamp").exists()
    uv, first, rest, own = steps
    assert "--require-hashes" in uv
    assert {f"--constraint={name}" for name in virtual_environment.PINS} <= {*first}
    assert "--require-hashes" in rest
    # Else the index is asked for what our packages need, and for what they are built with.
    assert {"--no-deps", "--no-build-isolation"} <= {*own}


def test_a_failed_installation_says_why_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(virtual_environment, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(virtual_environment, "run", lambda *_: (1, "no route to host\n"))
    assert virtual_environment.install("digest", 0.0) == 1
    assert "no route to host\n" in capsys.readouterr().err
    assert not (tmp_path / "stamp").exists()
