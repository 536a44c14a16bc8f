"""What users install, as the box of first-role.md says, from a clone; `make release-check` tries the wheels."""

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
from irsa_cli.verify.kinds import ASSOCIATION, CHECKS, GUARD, PODS, STAGE
from tests.output_schemas import check_output
from tests.sandbox.irsa_command import ISSUER, PROVIDER, ROLE_ARN
from tests.sandbox.project import ROOT, Stack

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

GUIDES = ROOT / "docs" / "guides"
OWN_PROGRAM = (GUIDES / "own-program.md").read_text()
EXAMPLE = ROOT / "examples" / "python-stack"


class Environment(NamedTuple):
    """A virtual environment."""

    folder: Path

    def run(self, program: str, *arguments: str | Path) -> str:
        """Run a program of the environment where nothing of the checkout lies, and return its output."""
        command = [self.folder / "bin" / program, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Run the line for pip of the guide's box in an empty environment, with a clone of this checkout.

    What others wrote has our versions, and no index is asked for ours.
    """
    folder = tmp_path_factory.mktemp("cloned")
    subprocess.run(["git", "clone", "--quiet", ROOT, folder / "irsa"], check=True)
    (line,) = re.findall(r"^> \$ pip install (.*)$", (GUIDES / "first-role.md").read_text(), re.MULTILINE)
    pins = folder / "pins.txt"
    pins.write_text("".join(line for line in (ROOT / "requirements.txt").open() if not line.startswith("-e")))
    venv.create(folder / ".venv", with_pip=True)
    made = Environment(folder / ".venv")
    # Few of its thousands of modules are imported, so pip compiles none.
    options = ("--quiet", "--no-compile", "--disable-pip-version-check", "--no-input", "--constraint", pins)
    made.run("python", "-m", "pip", "install", *options, *shlex.split(line.replace("$IRSA", str(folder / "irsa"))))
    return made


def test_what_a_project_of_the_template_requires_is_installed(cloned: Environment) -> None:
    pip = ("-m", "pip", "install", "--no-index", "--quiet", "--disable-pip-version-check", "-r")
    cloned.run("python", *pip, ROOT / "templates" / "irsa-stack" / "requirements.txt")
    assert cloned.run("irsa", "--version") == f"irsa {VERSION}\n"


@pytest.fixture(scope="module")
def stack(cloud: Any, cloned: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Deploy the guide's whole project by the guide's commands, with the environment's own packages."""
    folder = tmp_path_factory.mktemp("own-program")
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(EXAMPLE / name, folder)
    (folder / ".venv").symlink_to(cloned.folder)
    _, _, section = OWN_PROGRAM.partition("\n## Deploy it\n")
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


def test_a_stack_that_uses_only_the_component_is_verified(stack: Stack, cloned: Environment) -> None:
    def irsa(*arguments: str) -> Any:
        answer: subprocess.CompletedProcess[str] = stack.cloud.run(
            str(cloned.folder / "bin" / "irsa"), *arguments, "--json", folder=stack.folder, **stack.variables
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return check_output(arguments[0], answer.stdout)

    outcomes = {check["check"]: check["outcome"] for check in irsa("verify", "--stack", "dev")["checks"]}
    assert outcomes == dict.fromkeys((name for name in CHECKS if name not in (ASSOCIATION, PODS, STAGE, GUARD)), "ok")
    assert [check["outcome"] for check in irsa("prove", "--stack", "dev")["checks"]] == ["ok", "ok"]

    outputs = stack.outputs()
    explained = irsa("explain", f"{outputs['namespace']}/report-reader", outputs["roleArn"], "--stack", "dev")
    assert explained["request"]["issuer"] == f"https://{ISSUER}"
