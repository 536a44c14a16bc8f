"""The shell file and the process environment that point every tool at the sandbox."""

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


@pytest.fixture(params=["plain", "with space and 'quote'", "100% #1 ? & $x"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    """A folder whose name the shell would take apart must do as well."""
    made = Sandbox(tmp_path / request.param)
    made.prepare()
    return made


def sourced(sandbox: Sandbox) -> dict[str, str]:
    write_environment_file(sandbox, 4711)
    show = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    answer = subprocess.run(
        ["/bin/sh", "-eu", "-c", f'. "$1"; {show}', "sh", sandbox.environment_file],
        env=HOSTILE,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(answer.stdout))


def test_nothing_of_the_callers_own_accounts_is_left(sandbox: Sandbox) -> None:
    """A developer with production credentials in the shell must not reach production from the sandbox."""
    for variables in (sourced(sandbox), environment(sandbox, 4711, HOSTILE)):
        assert {name for name, value in variables.items() if value == "real" or "production" in value} == set()
        assert not {"AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_IAM", "AWS_SESSION_TOKEN"} & variables.keys()
        assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4711"
        assert variables["AWS_CONFIG_FILE"].startswith(str(sandbox.folder))
        assert variables["AWS_SHARED_CREDENTIALS_FILE"].startswith(str(sandbox.folder))
        assert variables["KUBECONFIG"] == str(sandbox.folder / "kubeconfig")
        assert variables["KUBECACHEDIR"].startswith(str(sandbox.folder))
        # As a URL is read, by which the engine finds its state.
        backend = urlsplit(variables["PULUMI_BACKEND_URL"])
        assert (backend.scheme, backend.netloc, backend.query) == ("file", "", "metadata=skip")
        assert unquote(backend.path) == f"{sandbox.folder}/state"
        assert variables["PULUMI_HOME"] == str(sandbox.folder / "pulumi-home")


def test_the_sandboxs_programs_come_first_and_a_proxy_last(sandbox: Sandbox) -> None:
    """An older kubectl of the system must not be taken, and a company's proxy must not get loopback requests."""
    for variables in (sourced(sandbox), environment(sandbox, 4711, HOSTILE)):
        assert variables["PATH"].split(":")[:2] == [str(CHECKOUT / ".venv" / "bin"), str(sandbox.folder / "bin")]
        assert variables["PATH"].endswith("/usr/bin:/bin")
        assert variables["NO_PROXY"] == "127.0.0.1,localhost,example.com"
        assert variables["no_proxy"] == "127.0.0.1,localhost"


def test_the_shell_file_and_the_process_environment_say_the_same(sandbox: Sandbox) -> None:
    """What works after `. .sandbox/env` is what `make up` did."""
    shell, process = sourced(sandbox), environment(sandbox, 4711, HOSTILE)
    own = {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    assert {name: value for name, value in shell.items() if name not in own} == process


def test_a_python_that_is_too_old_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an old Python only, one line says which is needed and where to get it."""
    monkeypatch.setattr(virtual_environment, "OLDEST", (99, 0))
    monkeypatch.setattr(virtual_environment, "NEWER", ())
    assert virtual_environment.main() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Python 99.0 or newer is needed" in said
    assert "https://www.python.org/downloads" in said


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
    """Protects the check of the hashes: uv, pip and the index are told to take nothing else, by each step."""
    steps: list[tuple[str, ...]] = []
    monkeypatch.setattr(virtual_environment, "STAMP", tmp_path / "stamp")

    def run(*step: str) -> tuple[int, str]:
        steps.append(step)
        return 0, ""

    monkeypatch.setattr(virtual_environment, "run", run)
    assert virtual_environment.install("digest", 0.0) == 0
    assert (tmp_path / "stamp").read_text() == "digest"
    uv, first, rest, own = steps
    assert "--require-hashes" in uv
    assert {f"--constraint={name}" for name in virtual_environment.PINS} <= {*first}
    assert "--require-hashes" in rest
    # Else the index is asked for what our packages need, and for what they are built with.
    assert {"--no-deps", "--no-build-isolation"} <= {*own}


def test_an_installation_that_fails_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects newcomers without a network: the reason, then the way out, and the next run tries again."""
    monkeypatch.setattr(virtual_environment, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(virtual_environment, "run", lambda *_: (1, "no route to host\n"))
    assert virtual_environment.install("digest", 0.0) == 1
    reason, way_out = capsys.readouterr().err.splitlines()
    assert reason == "no route to host"
    assert "pip config set global.index-url" in way_out
    assert not (tmp_path / "stamp").exists()


def test_uv_finds_packages_where_pip_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Protects companies with a mirror: pip's file names it, which uv does not read; uv's own settings come first."""
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://mirror.example/simple\nextra-index-url =\n    https://a.example\n    https://b.example\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    found = virtual_environment.package_index()
    assert found["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert found["UV_INDEX"] == "https://a.example https://b.example"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example")
    assert virtual_environment.package_index()["UV_DEFAULT_INDEX"] == "https://own.example"


def test_the_first_script_is_read_by_old_interpreters() -> None:
    """A syntax error instead of the line about the version would help nobody: Python 3.6 must be able to read it."""
    import ast

    source = Path(virtual_environment.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 6))
    unions = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)]
    assert unions == []
