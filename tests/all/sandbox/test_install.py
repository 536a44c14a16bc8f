"""The guide for programs of one's own, in an empty environment, with a clone of this checkout as the repository."""

import json
import re
import shlex
import shutil
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from irsa.version import VERSION
from irsa_cli.compared import ASSOCIATION, CHECKS, GUARD, PODS, STAGE
from tests.output_schemas import check_output
from tests.sandbox.irsa_command import ISSUER, PROVIDER, ROLE_ARN
from tests.sandbox.project import ROOT, Stack

pytestmark = pytest.mark.sandbox

GUIDE = (ROOT / "docs" / "guides" / "own-program.md").read_text()
EXAMPLE = ROOT / "examples" / "python-stack"
TAG = "a-release"


class Environment(NamedTuple):
    """A virtual environment, and the repository that both distributions come from."""

    folder: Path
    repository: Path
    pins: Path

    @property
    def origin(self) -> str:
        return f"file://{self.repository}@{TAG}"

    def run(self, program: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a program of the environment in its own folder, where nothing of the checkout lies."""
        command = [self.folder / "bin" / program, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=300)

    def pip(self, *arguments: str | Path) -> None:
        done = self.run("python", "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, *requirements: str) -> None:
        """Install from the repository; only what others wrote comes from an index, at our versions.

        Few of its thousands of modules are imported, so pip compiles none.
        """
        self.pip("install", "--quiet", "--no-compile", "--constraint", self.pins, *requirements)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("install")
    repository = folder / "irsa"
    subprocess.run(["git", "clone", "--quiet", ROOT, repository], check=True)
    subprocess.run(["git", "-C", repository, "tag", TAG], check=True)
    pins = folder / "pins.txt"
    pinned = (line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("-e"))
    pins.write_text("\n".join(pinned))
    venv.create(folder / "empty", with_pip=True)
    made = Environment(folder / "empty", repository, pins)
    # An older pip takes no `NAME @ URL` of a repository on this machine, as it does of one elsewhere.
    made.pip("install", "--quiet", "--upgrade", "pip")
    (line,) = re.findall(r"^\$ \.venv/bin/pip install (.*)$", GUIDE, re.MULTILINE)
    requirements = shlex.split(line.replace("$IRSA", str(repository)))
    assert len(requirements) == 2
    made.install(*requirements)
    return made


@pytest.fixture(scope="module")
def stack(cloud: Any, environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Deploy the guide's whole project by the guide's commands, with the environment's own packages."""
    folder = tmp_path_factory.mktemp("own-program")
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(EXAMPLE / name, folder)
    (folder / ".venv").symlink_to(environment.folder)
    _, _, section = GUIDE.partition("\n## Deploy it\n")
    init, *commands = re.findall(r"^\$ (.*)$", section.partition("\n## ")[0], re.MULTILINE)
    assert init == "pulumi stack init dev"
    stack = Stack(cloud, folder, "dev")
    for command in commands:
        words = shlex.split(command)
        more = ["--yes", "--non-interactive"] if words[:2] == ["pulumi", "up"] else []
        answer = cloud.run(*words, *more, folder=folder, **stack.variables)
        assert answer.returncode == 0, (command, answer.stdout + answer.stderr)
    yield stack
    stack.destroy()


def test_nothing_generic_is_installed(environment: Environment) -> None:
    code = """
import importlib.metadata, importlib.util, json
files = [file for name in ("irsa", "irsa-cli") for file in importlib.metadata.files(name)]
found = [name for name in ("cli", "config", "program") if importlib.util.find_spec(name)]
print(json.dumps([found, sorted({file.parts[0] for file in files}), importlib.metadata.requires("irsa-cli")]))
"""
    found, brought, requires = json.loads(environment.run("python", "-c", code).stdout)

    assert found == []
    assert [name for name in brought if not name.endswith(".dist-info")] == ["..", "irsa", "irsa_cli", "irsa_world"]
    assert [name for name in requires if re.match(r"irsa\b", name)] == []


@pytest.mark.parametrize("package", ["components/irsa", "cli/irsa_cli", "cli/irsa_world"])
def test_each_file_of_a_package_is_installed(environment: Environment, package: str) -> None:
    packages = environment.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    installed = Path(packages) / Path(package).name
    tracked = subprocess.run(
        ["git", "-C", environment.repository / package, "ls-files"], capture_output=True, text=True, check=True
    ).stdout.split()

    assert len(tracked) > 10
    assert [name for name in tracked if not (installed / name).is_file()] == []


def test_check_is_no_subcommand_outside_its_checkout(environment: Environment) -> None:
    said = environment.run("irsa", "--help")
    refused = environment.run("irsa", "check")

    subcommands = re.findall(r"^    (\w+)", said.stdout.partition("subcommands:")[2], re.MULTILINE)
    assert {"explain", "prove", "verify"} <= {*subcommands}
    assert "check" not in subcommands
    assert refused.returncode == 2
    assert refused.stderr.startswith("irsa check: it works in a checkout of irsa only")
    assert environment.run("irsa", "--version").stdout == f"irsa {VERSION}\n"


def test_the_guide_deploys_what_it_says(stack: Stack, cloud: Any) -> None:
    """Protects pulumi-eks#1495 users: outputs of their own stack reach AWS and Kubernetes, with 0 changes after it."""
    outputs = stack.outputs()
    (policy,) = stack.resources("Policy").values()
    (role,) = stack.resources("Role").values()
    (deployment,) = stack.resources("Deployment").values()
    namespace = outputs["namespace"]
    answer = cloud.kubectl("get", "serviceaccount", "report-reader", "-n", namespace, "-o", "json")
    (statement,) = json.loads(role["outputs"]["assumeRolePolicy"])["Statement"]

    assert json.loads(policy["outputs"]["policy"])["Statement"][0]["Resource"] == f"{outputs['bucketArn']}/*"
    assert deployment["outputs"]["spec"]["template"]["spec"]["serviceAccountName"] == "report-reader"
    assert json.loads(answer.stdout)["metadata"]["annotations"] == {ROLE_ARN: outputs["roleArn"]}
    assert statement["Principal"] == {"Federated": PROVIDER}
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:sub"] == f"system:serviceaccount:{namespace}:report-reader"
    assert stack.up() == {}


def test_a_stack_that_uses_only_the_component_is_verified(stack: Stack, environment: Environment) -> None:
    def irsa(*arguments: str) -> Any:
        answer: subprocess.CompletedProcess[str] = stack.cloud.run(
            str(environment.folder / "bin" / "irsa"), *arguments, "--json", folder=stack.folder, **stack.variables
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return check_output(arguments[0], answer.stdout)

    outcomes = {check["check"]: check["outcome"] for check in irsa("verify", "--stack", "dev")["checks"]}
    assert outcomes == dict.fromkeys((name for name in CHECKS if name not in (ASSOCIATION, PODS, STAGE, GUARD)), "ok")
    assert [check["outcome"] for check in irsa("prove", "--stack", "dev")["checks"]] == ["ok", "ok"]

    outputs = stack.outputs()
    explained = irsa("explain", f"{outputs['namespace']}/report-reader", outputs["roleArn"], "--stack", "dev")
    assert explained["request"]["issuer"] == f"https://{ISSUER}"


def test_the_missing_component_is_named_with_what_to_install(environment: Environment) -> None:
    environment.install("--force-reinstall", "--no-deps", f"irsa-cli @ git+{environment.origin}#subdirectory=cli")
    environment.pip("uninstall", "--quiet", "--yes", "irsa")
    alone = environment.run("irsa", "explain", "default/app", "my-role")
    requirement = f"irsa @ git+{environment.origin}#subdirectory=components"
    needs = f"irsa-cli {VERSION} needs the package irsa {VERSION}"
    assert alone.returncode == 2
    assert alone.stderr == f"irsa explain: {needs}, but it is not installed: install '{requirement}'\n"
    assert environment.run("irsa", "--help").returncode == 0

    environment.install(requirement)
    asked = environment.run("irsa", "explain", "default/app", "x" * 65)
    assert needs not in asked.stderr
