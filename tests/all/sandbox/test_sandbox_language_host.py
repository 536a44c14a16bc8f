"""The language host of the sandbox, driven by the real engine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from pulumi.runtime.proto import language_pb2, plugin_pb2

from sandbox import language_host
from tests.sandbox.conftest import Cloud
from tests.sandbox.project import Stack

# A build backend without dependencies: a package that installs without any registry.
BACKEND = """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/of_the_project-1.2.3-py3-none-any.whl", "w") as wheel:
        info = "of_the_project-1.2.3.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: of-the-project\\nVersion: 1.2.3\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "of_the_project-1.2.3-py3-none-any.whl"
"""
pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(180)]


@pytest.fixture
def project(cloud: Cloud, tmp_path: Path) -> Stack:
    """A project without resources."""
    use(tmp_path, sys.prefix)
    (tmp_path / "__main__.py").write_text("")
    return Stack(cloud, tmp_path)


def use(folder: Path, virtualenv: str) -> None:
    """Name the virtual environment of a project."""
    runtime = {"name": "python", "options": {"virtualenv": virtualenv}}
    (folder / "Pulumi.yaml").write_text(json.dumps({"name": "tiny", "runtime": runtime}))


def run(project: Stack, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (project.folder / "__main__.py").write_text(program)
    return project.run(*(arguments or ("up", "--yes", "--skip-preview", "--suppress-progress")))


def test_a_program_runs_in_its_folder_with_its_own_modules(project: Stack) -> None:
    (project.folder / "beside.py").write_text("VALUE = 'beside'\n")
    project.run("config", "set", "colour", "blue")
    answer = run(
        project,
        "import os, pulumi, beside\n"
        "from pulumi.runtime import get_root_directory\n"
        "pulumi.export('folder', os.getcwd())\n"
        "pulumi.export('root', get_root_directory())\n"
        "pulumi.export('beside', beside.VALUE)\n"
        "pulumi.export('colour', pulumi.Config().require('colour'))\n"
        "pulumi.export('name', __name__)\n"
        "print('looking for it')\n",
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert project.outputs() == {
        "folder": str(project.folder),
        "root": str(project.folder),
        "beside": "beside",
        "colour": "blue",
        "name": "__main__",
    }
    assert "looking for it" in answer.stdout
    assert "warning" not in (answer.stdout + answer.stderr).lower()


def test_preview_and_update_do_not_share_modules(project: Stack) -> None:
    (project.folder / "counter.py").write_text("runs = 0\n")
    program = "import counter, pulumi\ncounter.runs += 1\npulumi.export('runs', counter.runs)\n"
    assert run(project, program, "up", "--yes").returncode == 0
    assert project.outputs() == {"runs": 1}


def test_a_bug_shows_where_it_is(project: Stack) -> None:
    answer = run(project, "def broken():\n    return {}['key']\n\nbroken()\n")
    said = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert f'File "{project.folder}/__main__.py", line 2, in broken' in said
    assert "KeyError: 'key'" in said
    assert "language_host" not in said
    assert "runpy" not in said


def test_a_program_that_dies_is_an_error(project: Stack) -> None:
    answer = run(project, "import os\nos._exit(7)\n")
    assert answer.returncode != 0
    assert "the program ended with code 7" in answer.stdout + answer.stderr


def test_pulumi_install_makes_the_virtual_environment(project: Stack) -> None:
    package = project.folder / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        "[project]\nname = 'of-the-project'\nversion = '1.2.3'\n"
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    (package / "backend.py").write_text(BACKEND)
    (project.folder / "requirements.txt").write_text("./package\n")
    use(project.folder, "made")
    answer = project.run("install", "--no-plugins")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert list((project.folder / "made" / "lib").glob("python*/site-packages/of_the_project-1.2.3.dist-info"))


class Refused(Exception):
    """What gRPC makes of an aborted call."""


class Context:
    """A call from the engine."""

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Refused(f"{code.name}: {details}")


def link(folder: Path) -> str:
    package = plugin_pb2.PackageDependency(name="tiny", kind="resource", version="1.0.0")
    request = language_pb2.LinkRequest(
        info=language_pb2.ProgramInfo(root_directory=str(folder), program_directory=str(folder), entry_point="."),
        packages=[language_pb2.LinkRequest.LinkDependency(path="sdks/tiny", package=package)],
    )
    return str(language_host.LanguageHost("").Link(request, Context()).import_instructions)


def test_a_generated_sdk_becomes_a_requirement_once(tmp_path: Path) -> None:
    plugin = tmp_path / "sdks" / "tiny" / "pulumi_tiny" / "pulumi-plugin.json"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("{}")
    (tmp_path / "requirements.txt").write_text("# ours\npulumi>=3")
    assert "import pulumi_tiny as tiny" in link(tmp_path)
    assert link(tmp_path) == link(tmp_path)
    assert (tmp_path / "requirements.txt").read_text() == "# ours\npulumi>=3\nsdks/tiny\n"


def test_an_interrupted_program_is_no_error_of_its_own() -> None:
    """The engine interrupts its plugins' process groups when it is done: no traceback of asyncio may come of it."""
    receiving, sending = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-P", language_host.__file__, language_host.RUN, str(sending)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[sending],
    ) as runner:
        assert runner.stderr is not None
        time.sleep(2)  # it has started and waits for its request
        runner.send_signal(signal.SIGINT)
        said = runner.stderr.read()
    os.close(sending)
    os.close(receiving)
    assert runner.returncode == language_host.INTERRUPTED
    assert said == b""
