"""Several clusters in one stack, one of another stack's outputs, and two checkouts, through the real engine."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.conflicts import provider_arn
from tests.sandbox.irsa_command import ACCOUNT, ROLE_ARN, not_good, report
from tests.sandbox.live import service_account, trust_of
from tests.sandbox.project import ROOT, STACK, Project, Stack, blue_and_green

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]


def platform_stack(cloud: Any, folder: Path) -> Stack:
    shutil.copytree(ROOT / "examples" / "platform-stack", folder)
    project = yaml.safe_load((folder / "Pulumi.yaml").read_text())
    project["runtime"]["options"]["virtualenv"] = str(cloud.virtualenv)
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    return Stack(cloud, folder, "sandbox")


@pytest.fixture
def platform(cloud: Any, tmp_path: Path) -> Iterator[Stack]:
    stack = platform_stack(cloud, tmp_path / "platform")
    yield stack
    stack.clean_up()


def test_a_cluster_from_another_stacks_outputs(deploy: Deploy, platform: Stack, iam: Any) -> None:
    binding = {"role": {"name": "platform"}, "trust": {"subjects": ["a:b"]}}
    values = {"cluster": {"stack": "organization/platform/sandbox"}, "bindings": {"app": binding}}
    stack = deploy(values, PULUMI_BACKEND_URL=platform.variables["PULUMI_BACKEND_URL"])
    early = stack.refused("preview")
    assert "irsa:cluster.stack" in early

    platform.up()
    stack.up()
    issuer = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE55555555555555555PLATFORM"
    (statement,) = trust_of(iam, "platform")
    assert statement["Principal"] == {"Federated": provider_arn(issuer)}
    assert stack.up() == {}


BOTH = f"arn:aws:iam::{ACCOUNT}:role/both-role"


@pytest.fixture(scope="module")
def both(cloud: Any, green: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    bindings = {
        "both": {"serviceAccount": {"name": "both"}, "role": {"name": "both-role"}, "policyArns": []},
        "green-only": {"clusters": ["green"], "trust": {"subjects": ["kube-system:*"]}, "policyArns": []},
    }
    folder = tmp_path_factory.mktemp("both") / "project"
    stack = Project(cloud, folder, {"clusters": blue_and_green(green), "bindings": bindings})
    stack.up()
    yield stack
    stack.destroy()


def test_each_cluster_is_looked_at_and_proven_with_its_own_tokens(both: Project, cloud: Any, green: str) -> None:
    verified, proven = report(both, "verify"), report(both, "prove")

    assert (verified[0], not_good(verified[1]), proven[0], not_good(proven[1])) == (0, [], 0, [])
    assert {check["about"] for check in verified[1]} >= {
        "cluster of default/both in blue",
        "cluster of default/both in green",
    }
    admitted = [check for check in proven[1] if check["check"] == "assumes"]
    assert [(check["binding"], check["about"]) for check in admitted] == [
        ("both", "default/both in blue"),
        ("both", "default/both in green"),
        ("green-only", "kube-system/* by kube-system/default in green"),
    ]
    refused = [check["about"] for check in proven[1] if check["check"] == "is refused"]
    assert [about.partition(" in ")[2].partition(",")[0] for about in refused] == ["blue", "green", "green"]

    assert cloud.kubectl("annotate", "sa", "both", f"{ROLE_ARN}-", "--kubeconfig", green).returncode == 0
    for subcommand, kind in (("verify", "service account"), ("prove", "assumes")):
        code, checks = report(both, subcommand, "both")
        (bad,) = not_good(checks)
        assert (code, bad["check"], bad["outcome"]) == (1, kind, "finding")
        assert bad["found"].partition(" so ")[0] in (f"it has no {ROLE_ARN},", f"no {ROLE_ARN}")


@pytest.mark.parametrize("written", ["kube/config", "~/config"])
def test_a_second_checkout_shows_no_change(written: str, deploy: Deploy, cloud: Any, tmp_path: Path) -> None:
    """Protects a team: the path of whoever deployed last was in the state, and everybody else saw a change."""

    def kubeconfig(checkout: Path) -> dict[str, str]:
        for each in ("kube", "home"):
            (checkout / each).mkdir()
            shutil.copy(cloud.sandbox.kubeconfig, checkout / each / "config")
        return {"HOME": str(checkout / "home")}

    cluster = {"name": "my-cluster", "kubernetes": {"kubeconfig": written, "context": "irsa-sandbox"}}
    bindings = {"app": {"serviceAccount": {"name": "of-checkouts"}}}
    project = deploy({"cluster": cluster, "bindings": bindings})
    project.variables |= kubeconfig(project.folder)
    project.up()
    uid = service_account(cloud, "of-checkouts")["metadata"]["uid"]
    (provider,) = project.resources("kubernetes").values()
    assert provider["inputs"]["kubeconfig"] == written
    assert report(project, "verify")[0] == 0

    second = Project(cloud, tmp_path / "second", {"bindings": bindings})
    shutil.copy(project.folder / f"Pulumi.{STACK}.yaml", second.folder)
    second.variables, second.checkpoint = project.variables | kubeconfig(second.folder), project.checkpoint
    shutil.rmtree(project.folder / "kube")
    shutil.rmtree(project.folder / "home")
    assert second.up() == {}
    assert report(second, "verify")[0] == 0
    assert service_account(cloud, "of-checkouts")["metadata"]["uid"] == uid
    second.destroy()
