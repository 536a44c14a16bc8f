"""What users install, as the box of first-role.md says, from a clone; `make release-check` tries the wheels."""

import json
import re
import shlex
import shutil
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irsa.version import VERSION
from irsa_cli.verify import kinds
from sandbox.virtual_environment import UV, package_index
from tests.output_schemas import check_output
from tests.sandbox.irsa_command import ISSUER, PROVIDER, ROLE_ARN
from tests.sandbox.project import ROOT, Stack

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

GUIDES = ROOT / "docs" / "guides"
OWN_PROGRAM = (GUIDES / "own-program.md").read_text()
EXAMPLE = ROOT / "examples" / "python-stack"


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The line for pip of the guide's box, with a clone of this checkout: no index is asked for ours."""
    folder = tmp_path_factory.mktemp("cloned")
    subprocess.run(["git", "clone", "--quiet", ROOT, folder / "irsa"], check=True)
    (line,) = re.findall(r"^> \$ pip install (.*)$", (GUIDES / "first-role.md").read_text(), re.MULTILINE)
    pins = folder / "pins.txt"
    pins.write_text("".join(line for line in (ROOT / "requirements.txt").open() if not line.startswith("-e")))
    # It takes what pip does, and has most files already.
    venv.create(folder / ".venv")
    uv = (UV, "pip", "install", "--quiet", "--python", folder / ".venv", "--constraint", pins)
    words = shlex.split(line.replace("$IRSA", str(folder / "irsa")))
    subprocess.run([*uv, *words], env=package_index(), check=True)
    return folder / ".venv"


@pytest.fixture(scope="module")
def stack(cloud: Any, cloned: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("own-program")
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(EXAMPLE / name, folder)
    (folder / ".venv").symlink_to(cloned)
    _, _, section = OWN_PROGRAM.partition("\n## Deploy it\n")
    init, *commands = re.findall(r"^\$ (.*)$", section.partition("\n## ")[0], re.MULTILINE)
    assert init == "pulumi stack init prod"
    stack = Stack(cloud, folder, "prod")
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


def test_a_stack_that_uses_only_the_component_is_verified(stack: Stack, cloned: Path) -> None:
    said = subprocess.check_output([cloned / "bin" / "irsa", "--version"], cwd=cloned, text=True)
    assert said == f"irsa {VERSION}\n"

    def irsa(*arguments: str) -> Any:
        answer: subprocess.CompletedProcess[str] = stack.cloud.run(
            str(cloned / "bin" / "irsa"), *arguments, "--json", folder=stack.folder, **stack.variables
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return check_output(arguments[0], answer.stdout)

    outcomes = {check["check"]: check["outcome"] for check in irsa("verify", "--stack", "prod")["checks"]}
    optional = (kinds.ASSOCIATION, kinds.PODS, kinds.STAGE, kinds.ISSUER, kinds.GUARD)
    assert outcomes == dict.fromkeys((name for name in kinds.CHECKS if name not in optional), "ok")
    assert [check["outcome"] for check in irsa("prove", "--stack", "prod")["checks"]] == ["ok", "ok"]

    outputs = stack.outputs()
    explained = irsa("explain", f"{outputs['namespace']}/report-reader", outputs["roleArn"], "--stack", "prod")
    assert explained["request"]["issuer"] == f"https://{ISSUER}"
