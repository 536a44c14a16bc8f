"""`irsa inventory` and `irsa adopt` on an estate as eksctl, Terraform, CDK, scripts and hands make it, then the engine.

Nothing of what is adopted may change, and nobody may get in or be shut out, whatever the report says: STS is asked.
"""

import json
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube.resources.core_v1 import ServiceAccount

from tests.output_schemas import check_output
from tests.sandbox import estate
from tests.sandbox.estate import AUDIENCE, OWN_AUDIENCE, POLICIES, role, trust_policies
from tests.sandbox.guide import commands_of
from tests.sandbox.irsa_command import irsa, not_good, report
from tests.sandbox.project import STACK, Project
from tests.sandbox.sessions import admitted, all_service_accounts, tokens
from tests.sandbox.test_verify import access

pytestmark = pytest.mark.sandbox

FILE = f"Pulumi.{STACK}.yaml"
OWNERS = ("eksctl", "terraform", "cloudformation", "helm")
TAKE_FROM = tuple(word for owner in OWNERS for word in ("--take-from", owner))
# The roles that irsa can declare: eksctl's template, the modules, CDK and the AWS page write what irsa means.
PLAIN = tuple(each.name for each in estate.ROLES if not each.name.startswith("hand-"))
WIDE = (role("web").name, "ops-namespace-role", "hand-everybody", "hand-no-subject")
# What an inventory finds of the estate, and nothing else: service accounts, or roles where it is about none.
FINDINGS: dict[str, set[str]] = {
    "missing-role": {"shop/cart"},
    "unseen-account": {"team-b/other-account"},
    "not-admitted": {"payments/ledger", "payments/refunds", "vault/injector", "batch/old"},
    "missing-service-account": {"payments/refund"},
    "misspelled-annotation": {"shop/catalog"},
    "literal-wildcard": {"hand-literal-wildcard"},
    "no-audience": {"hand-no-audience"},
    "several-namespaces": {"shared-role"},
    "orphaned-issuer": {"hand-replaced-cluster", role("tempo").name},
    "missing-provider": {"hand-deleted-provider"},
    "wide-trust": {*WIDE},
    "not-annotated": {*WIDE, "ci-runner"},
}
# A Deny that excludes some of those whom a pattern admits, and a service account that does not exist.
NOT_PROVABLE = {"hand-deny", "hand-typo"}
# A condition on the caller's network: STS refuses the tests.
REFUSED = {"batch-office"}


@dataclass
class Adoption:
    """What was there, what the command said, what the engine did, and what is there now."""

    project: Project
    said: str
    done: list[dict[str, Any]]
    sessions: tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]
    roles: tuple[dict[str, Any], dict[str, Any]]
    accounts: tuple[dict[str, Any], dict[str, Any]]

    @property
    def sections(self) -> dict[str, list[str]]:
        return sections(self.said)

    @property
    def bindings(self) -> dict[str, dict[str, Any]]:
        return bindings_of(self.project)

    @property
    def taken(self) -> set[str]:
        return {each["role"]["name"] for each in self.bindings.values() if "name" in each.get("role", {})}

    @property
    def updated(self) -> set[str]:
        """Names of the roles whose trust policy the stack has changed."""
        updates = (each for each in self.done if (each["op"], kind_of(each)) == ("update", "Role"))
        return {each["new"]["inputs"]["name"] for each in updates}


def adopt(project: Project, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return irsa(project, "adopt", "--output", FILE, *arguments, **variables)


def sections(said: str) -> dict[str, list[str]]:
    """Return the lines below each heading of a report; `roles, exact: ... (12)` is `roles, exact`."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in said.splitlines():
        if line.startswith("  "):
            lines.append(line.strip())
        elif line:
            lines = found.setdefault(line.partition(":")[0].partition(" (")[0], [])
    return found


def stack_file(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((project.folder / FILE).read_text())
    return found


def bindings_of(project: Project) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = stack_file(project)["config"].get("irsa:bindings") or {}
    return found


def without_groups(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps that do something to a resource, without the stack and the components."""
    groups = ("ServiceAccountRole", "Stack", "aws", "kubernetes")
    return [each for each in steps if each["op"] not in ("same", "read") and kind_of(each) not in groups]


def any_has(lines: list[str], name: str) -> bool:
    """Return whether one of the lines has this name, and not just a longer one."""
    return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", line) for line in lines)


def kind_of(step: dict[str, Any]) -> str:
    return str(step["urn"]).split("::")[2].rpartition("$")[2].rpartition(":")[2]


def kinds(steps: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((each["op"], kind_of(each)) for each in steps)


def details(cloud: Any) -> dict[str, Any]:
    """Return all roles of the AWS account with everything that belongs to them, by name, and the managed policies."""
    iam = cloud.aws("iam")
    found: dict[str, Any] = {}
    for page in iam.get_paginator("get_account_authorization_details").paginate(Filter=["Role", "LocalManagedPolicy"]):
        found |= {each["RoleName"]: each for each in page["RoleDetailList"]}
        found |= {each["Arn"]: each for each in page["Policies"]}
    for each in found.values():
        # What changes by itself: when it was used, and to how many roles it is attached.
        for volatile in ("RoleLastUsed", "AttachmentCount", "UpdateDate"):
            each.pop(volatile, None)
    return found


def live_accounts(cloud: Any) -> dict[str, Any]:
    """Return what people and Pods see of each service account: not who manages its fields, nor its version."""
    found = {}
    for each in cloud.kubernetes().list(ServiceAccount, namespace="*"):
        manifest = each.to_dict()
        metadata = {key: manifest["metadata"].get(key) or {} for key in ("uid", "annotations", "labels")}
        secrets = manifest.get("imagePullSecrets") or []
        found[f"{each.metadata.namespace}/{each.metadata.name}"] = {**metadata, "imagePullSecrets": secrets}
    return found


def follow(cloud: Any, command: str, service_accounts: Iterable[str]) -> None:
    """Run a command of a guide, which has it for a service account or a namespace in prod, for each of these."""
    context = cloud.kubectl("config", "current-context").stdout.strip()
    for each in service_accounts:
        namespace, _, name = each.partition("/")
        instead = {"web": name, "team-a": namespace, "monitoring": namespace, "my-cluster": context}
        answer = cloud.kubectl(*(instead.get(word, word) for word in shlex.split(command)[1:]))
        assert answer.returncode == 0, (command, each, answer.stderr)


def kubectl_of(guide: str) -> list[str]:
    return [each for each in commands_of(guide) if each.startswith("kubectl ")]


def without_marks(accounts: dict[str, Any]) -> dict[str, Any]:
    """Return service accounts without what says to whom they belong, which is irsa now, and kubectl's own note."""
    marks = (estate.MANAGED_BY, "meta.helm.sh/", "helm.sh/resource-policy", "kubectl.kubernetes.io/")
    return {
        name: {
            field: {key: each for key, each in values.items() if not key.startswith(marks)}
            if isinstance(values, dict)
            else values
            for field, values in account.items()
        }
        for name, account in accounts.items()
    }


def sessions(cloud: Any, arns: list[str]) -> set[tuple[str, str, str]]:
    service_accounts = all_service_accounts(cloud.kubernetes())
    # A token of another audience counts where a role wants it, or none.
    of_another = [each for each in service_accounts if each.startswith(("vault/", "payments/", "shop/"))]
    of = [*tokens(cloud, service_accounts, [AUDIENCE]), *tokens(cloud, of_another, [OWN_AUDIENCE])]
    return admitted(cloud, of, arns)


@pytest.fixture(scope="module")
def planted(cloud: Any) -> Iterator[Any]:
    """Create the estate. The tests of some of it only preview; those of all of it come after them, and deploy."""
    with estate.planted(cloud):
        yield cloud


@pytest.fixture(scope="module")
def adoption(planted: Any, tmp_path_factory: pytest.TempPathFactory) -> Adoption:
    """Adopt all that may be adopted, deploy it twice, and ask STS before and after."""
    cloud = planted
    project = Project(cloud, tmp_path_factory.mktemp("adopt") / "project", {})
    before = details(cloud), live_accounts(cloud)
    said = adopt(project, "--all", *TAKE_FROM)
    # Something is left: that is for those who read the exit code.
    assert said.returncode == 1, said.stdout + said.stderr
    of_eksctl = said.stdout.partition("eksctl: before `pulumi up`")[2]
    for command in kubectl_of("from-eksctl"):
        follow(cloud, command, re.findall(r"^ {7}service account (\S+) in ", of_eksctl, re.MULTILINE))
    rewritten = sections(said.stdout)["roles, rewritten"]
    arns = [each.arn for each in estate.ROLES if any_has(rewritten, each.name)]
    sessions_before = sessions(cloud, arns)
    done = without_groups(project.events("up", "--yes", "--skip-preview"))
    after = details(cloud), live_accounts(cloud)
    return Adoption(
        project,
        said.stdout + said.stderr,
        done,
        (sessions_before, sessions(cloud, arns)),
        (before[0], after[0]),
        (before[1], after[1]),
    )


# --- All of it, looked at ---------------------------------------------------------------------------------------------


def test_an_inventory_has_each_error_and_agrees_with_sts(planted: Any, tmp_path: Path) -> None:
    """STS is asked about every fifth service account; the documented rights are enough, and no wider ones."""
    taking = access(planted, tmp_path, "taking-inventory", "kubernetes-inventory.yaml")
    answer = planted.run("irsa", "inventory", "--json", **taking)
    assert answer.returncode == 0, answer.stderr
    found, some = check_output("inventory", answer.stdout), all_service_accounts(planted.kubernetes())[::5]
    # Whether the caller is in the office is not known to anybody but STS.
    assert [each for each in found["notChecked"] if role("hand-office").arn not in each] == []
    own = {each.arn for each in estate.ROLES} | {str(each) for each in estate.ACCOUNTS}
    findings: dict[str, set[str]] = {}
    for each in found["findings"]:
        if {each["role"], each["serviceAccount"]} & own:
            name = each["serviceAccount"] or each["role"].rpartition("/")[2]
            findings.setdefault(each["kind"], set()).add(name)
    assert findings == FINDINGS
    expected = {
        (service_account, audience, each["role"])
        for each in found["admissions"]
        for service_account in each["serviceAccounts"]
        for audience in each["audiences"]
        if service_account in some and each["decision"] == "allowed"
    }
    assert expected
    assert admitted(planted, tokens(planted, some, (AUDIENCE, OWN_AUDIENCE)), trust_policies(planted)) == expected
    for command in (("get", "secrets", "-A"), ("create", "token", "default", "-n", "default")):
        assert "forbidden" in planted.run("kubectl", *command, **taking).stderr.lower()


# --- Some of it ------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(planted: Any, tmp_path: Path) -> Project:
    """Return a new project beside the estate; nothing is deployed."""
    return Project(planted, tmp_path / "project", {})


def test_what_another_tool_manages_is_left_to_it(project: Project) -> None:
    said = adopt(project, "--all")
    taken = {each["role"].get("name") for each in bindings_of(project).values()}
    # Without a tag, Terraform leaves a mark on the service account, and CloudFormation one in the role's name.
    owned = {each.name: each.maker for each in estate.ROLES if each.maker}

    assert said.returncode == 1, said.stdout + said.stderr
    assert taken & owned.keys() == set()
    assert taken >= {"my-role", "shared-role"}
    left = sections(said.stdout)["skipped"]
    for name, maker in owned.items():
        assert any_has([line for line in left if f"--take-from {maker}" in line], name), name


def test_a_new_file_is_enough(project: Project) -> None:
    """Protects the first step: a file that is not there yet is written so that it passes the check and imports only.

    With `--policies`, the policy is an import, and nothing of it changes. Before, a dry run
    shows the file. The first command of the report creates the stack.
    """
    chosen = ("--role", role("loki").arn, *TAKE_FROM, "--policies")
    there = {*project.folder.rglob("*")}
    shown = irsa(project, "adopt", *chosen)
    assert ({*project.folder.rglob("*")}, shown.returncode) == (there, 0), shown.stderr
    assert shown.stderr.startswith("dry run: nothing is written")
    said = irsa(project, "adopt", *chosen, "--output", "Pulumi.fresh.yaml")
    assert said.returncode == 0, said.stdout + said.stderr
    assert (project.folder / "Pulumi.fresh.yaml").read_text() == shown.stdout
    checked = irsa(project, "check", "Pulumi.fresh.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    first = sections(said.stdout)["next, in this order"][0].removeprefix("1. ")
    assert first.startswith("pulumi stack init fresh   (unless")
    project.pulumi("stack", "init", "fresh")
    previewed: list[dict[str, Any]] = json.loads(project.pulumi("preview", "--json", "--stack", "fresh"))["steps"]
    counted = Counter({kind: number for kind, number in kinds(previewed).items() if kind[0] in ("import", "update")})

    for kind in ("Policy", "Role", "RolePolicyAttachment", "ServiceAccount"):
        assert counted["import", kind] == 1
    assert {kind for op, kind in counted if op == "update"} <= {"ServiceAccount"}
    assert {op for op, kind in kinds(without_groups(previewed)) if kind != "ServiceAccount"} == {"import"}
    config = yaml.safe_load((project.folder / "Pulumi.fresh.yaml").read_text())["config"]
    # The engine and the AWS provider take it: a preview with another AWS account is refused in test_conflicts.py.
    assert config["aws:allowedAccountIds"] == [estate.ACCOUNT]
    (binding,) = config["irsa:bindings"].values()
    assert binding["policy"]["document"] == POLICIES[estate.LOKI]


def test_what_another_stack_owns_is_left(project: Project) -> None:
    name = "of-another-stack"
    binding = {"serviceAccount": {"name": name}, "role": {"name": name}}
    owner = Project(project.cloud, project.folder.parent / "owner", {"bindings": {"mine": binding}})
    owner.up()
    backend = {"PULUMI_BACKEND_URL": owner.variables["PULUMI_BACKEND_URL"]}
    said = irsa(project, "adopt", "--role", name, "--output", "Pulumi.fresh.yaml", **backend)
    own = adopt(owner, "--role", name)
    owner.destroy()

    why = f"it belongs to pulumi ({STACK}): --take-from pulumi"
    left = [line.partition("; ") for line in sections(said.stdout)["skipped"]]
    assert (said.returncode, [reason for _, _, reason in left]) == (1, [why, why]), said.stdout + said.stderr
    assert not (project.folder / "Pulumi.fresh.yaml").exists()
    # The stack itself has declared it.
    assert (own.returncode, len(sections(own.stdout)["declared already"])) == (0, 2), own.stdout + own.stderr


# --- All of it -------------------------------------------------------------------------------------------------------


def test_it_only_imports(adoption: Adoption) -> None:
    """Protects what is there: no role, policy or account is created, replaced or deleted; updates are those announced.

    The update of a service account's metadata is the one that the Kubernetes plugin always makes after an import. A
    role's is that of a trust policy that the report calls rewritten.
    """
    counted = kinds(adoption.done)

    assert {op for op, _ in counted} <= {"import", "update", "create"}
    # Only the annotation of a role that is elsewhere is new to Pulumi: a patch, which adds nothing to the account.
    assert {kind for op, kind in counted if op == "create"} <= {"ServiceAccountPatch"}
    assert {kind for op, kind in counted if op == "update"} <= {"Role", "ServiceAccount"}
    assert counted["import", "Role"] == len(adoption.taken)
    for step in adoption.done:
        if step["op"] == "update":
            changed = {"Role": "assumeRolePolicy", "ServiceAccount": "metadata"}[kind_of(step)]
            assert {each.split(".")[0] for each in step["detailedDiff"]} == {changed}, step["urn"]
    updated = adoption.updated
    for heading, names in (("roles, rewritten", updated), ("roles, exact", adoption.taken - updated)):
        assert {name for name in adoption.taken if any_has(adoption.sections[heading], name)} == names


def test_the_same_service_accounts_get_sessions(adoption: Adoption) -> None:
    before, after = adoption.sessions

    assert before
    assert after - before == set(), "somebody new gets in"
    assert before - after == set(), "somebody is shut out"


def test_nothing_else_changes(adoption: Adoption) -> None:
    before, after = adoption.roles
    assert before.keys() == after.keys()
    for name, role_before in before.items():
        changed = {key for key in role_before if role_before[key] != after[name].get(key)}
        assert changed <= ({"AssumeRolePolicyDocument"} if name in adoption.updated else set()), name
    assert without_marks(adoption.accounts[1]) == without_marks(adoption.accounts[0])


def test_verify_and_prove_are_green(adoption: Adoption) -> None:
    code, checks = report(adoption.project, "verify")
    assert (code, not_good(checks)) == (0, [])
    _, proven = report(adoption.project, "prove")
    assert {check["binding"] for check in proven if check["outcome"] == "cannot tell"} == NOT_PROVABLE
    assert {check["binding"] for check in proven if check["outcome"] == "finding"} == REFUSED
    assumed = {check["binding"] for check in proven if check["check"] == "assumes" and check["outcome"] == "ok"}
    plain = {key for key, each in adoption.bindings.items() if each["role"].get("name") in PLAIN}
    assert plain - assumed == set()


def test_it_takes_nothing_twice_and_gives_nothing_away(adoption: Adoption) -> None:
    before = (adoption.project.folder / FILE).read_text()
    again = adopt(adoption.project, "--all", *TAKE_FROM)

    # What was left is left again.
    assert again.returncode == 1, again.stdout + again.stderr
    assert (adoption.project.folder / FILE).read_text() == before
    assert "protect" in adoption.project.refused("destroy", "--yes", "--skip-preview")


def test_the_old_owners_let_go_without_a_moment_without_a_role(adoption: Adoption) -> None:
    """Protects Pods during the move: when a chart lets go of its account, the account tells Helm to keep it.

    None of it is a change to the stack, whose second `up` this is; nor is a file without its `import:` lines, which
    gives back what it declares, as docs/commands/adopt.md says.

    helm upgrade looks at the live object for that: https://github.com/helm/helm/blob/v3.14.0/pkg/kube/client.go.
    """
    cloud = adoption.project.cloud
    keep, remove_marks = kubectl_of("../commands/adopt")
    of_helm = [str(each) for each in estate.ACCOUNTS if each.labels.get(estate.MANAGED_BY) == "Helm"]
    follow(cloud, keep, of_helm)
    live = live_accounts(cloud)
    assert {live[name]["annotations"].get("helm.sh/resource-policy") for name in of_helm} == {"keep"}
    follow(cloud, remove_marks, of_helm)
    live = live_accounts(cloud)

    assert without_marks(live) == without_marks(adoption.accounts[0])
    assert not [key for name in of_helm for key in live[name]["annotations"] if key.startswith("meta.helm.sh/")]
    # eksctl deletes the accounts that have its label, with their stack.
    assert not [name for name, each in live.items() if each["labels"].get(estate.MANAGED_BY) == "eksctl"]
    file, settings = adoption.project.folder / FILE, stack_file(adoption.project)
    for binding in settings["config"]["irsa:bindings"].values():
        binding |= {"protect": False, "retainOnDelete": True}
        binding.pop("import", None)
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    assert adoption.project.up("--refresh") == {}


def test_what_was_adopted_outlives_the_stack(adoption: Adoption) -> None:
    cloud = adoption.project.cloud
    adoption.project.destroy()

    assert details(cloud) == adoption.roles[1]
    assert without_marks(live_accounts(cloud)) == without_marks(adoption.accounts[0])
