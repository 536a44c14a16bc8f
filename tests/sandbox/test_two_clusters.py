import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.showcase import GREEN_ISSUER
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, ROLE_ARN, irsa, not_good, report
from tests.sandbox.kubeconfigs import kubeconfig_of
from tests.sandbox.project import STACK, Project, blue_and_green
from tests.sandbox.test_adopt import kind_of, kinds

pytestmark = pytest.mark.sandbox

BOTH = f"arn:aws:iam::{ACCOUNT}:role/both-role"
GREEN = GREEN_ISSUER.removeprefix("https://")
MANAGED_BY = "app.kubernetes.io/managed-by"
# By role, the service account that it trusts, and in which clusters. Those of `default` are annotated with it.
TRUSTED = {
    "adopted-both": ("default:adopted-both", (ISSUER, GREEN)),
    "adopted-green": ("default:adopted-green", (GREEN,)),
    "hand-green": ("kube-system:default", (GREEN,)),
}
# Context and name.
ANNOTATED = (("blue", "adopted-both"), ("green", "adopted-both"), ("green", "adopted-green"))


def provider(issuer: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"


def statement(issuer: str, subject: str) -> dict[str, Any]:
    """Return the statement of https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html."""
    claims = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": f"system:serviceaccount:{subject}"}
    return {
        "Effect": "Allow",
        "Principal": {"Federated": provider(issuer)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }


# --- What others have made -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kubeconfig(cloud: Any, green: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Create roles and service accounts in both clusters, and yield a kubeconfig with both."""
    iam = cloud.aws("iam")
    contexts = {"blue": cloud.environment()["KUBECONFIG"], "green": green}
    kubeconfig = kubeconfig_of(tmp_path_factory.mktemp("contexts"), contexts)
    iam.create_open_id_connect_provider(Url=GREEN_ISSUER, ClientIDList=["sts.amazonaws.com"])
    for name, (subject, issuers) in TRUSTED.items():
        document = {"Version": "2012-10-17", "Statement": [statement(issuer, subject) for issuer in issuers]}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    for context, name in ANNOTATED:
        where = ("--context", context, "--kubeconfig", kubeconfig)
        for words in (
            ("create", "sa", name),
            ("annotate", "sa", name, f"{ROLE_ARN}=arn:aws:iam::{ACCOUNT}:role/{name}"),
            ("label", "sa", name, f"{MANAGED_BY}=eksctl"),
        ):
            assert cloud.kubectl(*words, *where).returncode == 0
    yield kubeconfig
    for context, name in ANNOTATED:
        cloud.kubectl("delete", "sa", name, "--context", context, "--kubeconfig", kubeconfig)
    for name in TRUSTED:
        iam.delete_role(RoleName=name)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider(GREEN))


def test_an_adoption_only_imports(cloud: Any, kubeconfig: str, tmp_path: Path) -> None:
    project = Project(cloud, tmp_path / "project", {}, variables={"KUBECONFIG": kubeconfig})
    contexts = ("--context", "blue", "--context", "green")
    chosen = ("--role", "adopted-*", "--take-from", "eksctl", "--output", "Pulumi.two.yaml")
    said = irsa(project, "adopt", *contexts, *chosen)
    assert said.returncode == 0, said.stdout + said.stderr

    settings = yaml.safe_load((project.folder / "Pulumi.two.yaml").read_text())["config"]
    assert {key: each["kubernetes"] for key, each in settings["irsa:clusters"].items()} == {
        "blue": {"context": "blue"},
        "green": {"context": "green"},
    }
    assert {key: each["clusters"] for key, each in settings["irsa:bindings"].items()} == {
        "default-adopted-both": ["blue", "green"],
        "default-adopted-green": ["green"],
    }
    lines = [line.strip() for line in said.stdout.splitlines()]
    for name, cluster in (("adopted-both", "blue"), ("adopted-both", "green"), ("adopted-green", "green")):
        assert f"service account default/{name} in {cluster}" in lines

    assert irsa(project, "check", "Pulumi.two.yaml").returncode == 0
    project.pulumi("stack", "init", "two")
    steps = json.loads(project.pulumi("preview", "--json", "--stack", "two"))["steps"]
    counted = kinds([each for each in steps if kind_of(each) in ("Role", "ServiceAccount")])
    assert counted["import", "Role"] == 2
    assert counted["import", "ServiceAccount"] == 3
    # The update of the metadata that the Kubernetes plugin makes after an import.
    assert set(counted) <= {("import", "Role"), ("import", "ServiceAccount"), ("update", "ServiceAccount")}


# --- A stack of both -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(cloud: Any, green: str, kubeconfig: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One role for a blue and a green cluster, whose OIDC providers exist, and a role of the green one."""
    clusters = blue_and_green(green)
    clusters["green"].pop("createOidcProvider")
    bindings = {
        "both": {"serviceAccount": {"name": "both"}, "role": {"name": "both-role"}, "policyArns": []},
        "green-only": {"clusters": ["green"], "trust": {"subjects": ["kube-system:*"]}, "policyArns": []},
    }
    stack = Project(cloud, tmp_path_factory.mktemp("both") / "project", {"clusters": clusters, "bindings": bindings})
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


def test_an_account_that_a_refresh_forgot_is_looked_for_in_no_other_cluster(
    both: Project, cloud: Any, green: str
) -> None:
    assert cloud.kubectl("delete", "sa", "both", "--kubeconfig", green).returncode == 0
    before = report(both, "verify", "both")
    both.pulumi("refresh", "--yes", "--skip-preview")
    after = {subcommand: report(both, subcommand, "both") for subcommand in ("verify", "prove")}
    both.pulumi("up", "--yes", "--skip-preview")

    (found,) = not_good(before[1])
    assert (before[0], found["check"], found["found"]) == (1, "service account", "there is no such service account")
    for code, checks in after.values():
        assert code == 2
        assert all("does not say in which of 2 clusters" in check["found"] for check in not_good(checks))
    assert [report(both, subcommand)[0] for subcommand in ("verify", "prove")] == [0, 0]


def test_explain_asks_which_cluster_is_meant(both: Project) -> None:
    which = irsa(both, "explain", "default/both", BOTH, "--stack", STACK)
    answers = {
        issuer: irsa(both, "explain", "default/both", BOTH, "--stack", STACK, "--issuer", issuer)
        for issuer in (f"https://{ISSUER}", GREEN_ISSUER)
    }

    assert which.returncode == 2
    assert f"pass --issuer with one of {', '.join(sorted(answers))}" in which.stderr
    for issuer, answer in answers.items():
        assert answer.returncode == 0, answer.stderr
        assert f"issuer {issuer}" in " ".join(answer.stdout.split())
