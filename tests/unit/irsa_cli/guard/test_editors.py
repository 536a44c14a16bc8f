"""Who may change a guard, by RBAC: https://kubernetes.io/docs/reference/access-authn-authz/rbac/."""

from dataclasses import replace
from typing import Any

import pytest

from irsa_cli.guard.checks import of_guard
from irsa_cli.guard.editors import Rbac, editors
from irsa_cli.report.checks import Outcome, Report
from irsa_cli.state.declared import DeclaredGuard
from tests.unit.irsa_cli.guard.guarded import CONFIG_MAP, DATA, GUARD, POLICY, StubCluster

ADMISSION, RBAC = "admissionregistration.k8s.io", "rbac.authorization.k8s.io"
ALICE = {"kind": "User", "name": "alice", "apiGroup": RBAC}


def rule(resource: str, *verbs: str, group: str = ADMISSION, **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": [*verbs], **more}


def role(*rules: dict[str, Any], name: str = "some") -> dict[str, Any]:
    return {"metadata": {"name": name}, "rules": [*rules]}


def bound(*subjects: dict[str, Any], kind: str = "ClusterRole", name: str = "some", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "its", **metadata},
        "roleRef": {"kind": kind, "name": name},
        "subjects": [*subjects],
    }


def names(rbac: Rbac, guard: DeclaredGuard = GUARD) -> list[str]:
    return [f"{each.kind} {each.name}" for each in editors(rbac, guard)]


@pytest.mark.parametrize(
    ("cluster_wide", "in_namespace", "its"),
    [
        (True, False, rule("validatingadmissionpolicies", "patch")),
        (True, False, rule("validatingadmissionpolicybindings", "delete", resourceNames=[POLICY])),
        (True, True, rule("*", "*", group="*")),
        (True, True, rule("configmaps", "update", group="")),
        (True, True, rule("configmaps", "deletecollection", group="")),
        (True, True, rule("configmaps", "patch", group="", resourceNames=["other", CONFIG_MAP])),
        # To whom deletes its namespace, or gets another one's rights first.
        (True, True, rule("namespaces", "delete", group="")),
        (True, True, rule("namespaces", "delete", group="", resourceNames=["platform"])),
        (True, True, rule("clusterroles", "bind", group=RBAC)),
        (True, True, rule("roles", "escalate", group=RBAC, resourceNames=["other"])),
        (True, True, rule("users", "impersonate", group="")),
        (True, True, rule("groups", "impersonate", group="", resourceNames=["system:masters"])),
        (False, False, rule("namespaces", "delete", group="", resourceNames=["other"])),
        (False, False, rule("namespaces", "update", group="")),
        (False, False, rule("clusterroles", "bind", group=RBAC, resourceNames=["view"])),
        (False, False, rule("clusterroles", "create", "update", group=RBAC)),
        (False, False, rule("groups", "impersonate", group="", resourceNames=["developers"])),
        (False, False, rule("validatingadmissionpolicies", "get", "list", "watch", "create")),
        (False, False, rule("configmaps", "get", "create", group="")),
        (False, False, rule("configmaps", "update", group="", resourceNames=["other"])),
        (False, False, rule("configmaps", "update", group="apps")),
        (False, False, rule("validatingadmissionpolicies/status", "update")),
    ],
)
def test_who_may_write_one_of_its_objects(cluster_wide: bool, in_namespace: bool, its: dict[str, Any]) -> None:
    """Protects the guard from whoever could switch it off; policies are of the cluster: no RoleBinding reaches them."""
    assert names(Rbac([role(its)], [bound(ALICE)], [], [])) == ["User alice"] * cluster_wide
    for kind, roles in (("ClusterRole", ([role(its)], [])), ("Role", ([], [role(its)]))):
        assert names(Rbac(roles[0], [], roles[1], [bound(ALICE, kind=kind)])) == ["User alice"] * in_namespace


@pytest.mark.parametrize(
    ("kind", "name", "metadata", "left_out"),
    [
        ("Group", "system:masters", {}, True),
        ("User", "system:kube-controller-manager", {}, True),
        ("User", "eks:addon-manager", {}, True),
        ("User", "alice", {}, False),
        ("Group", "system:authenticated", {}, False),
        ("Group", "system:nodes", {}, False),
        ("Group", "system:nodes", {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}, True),
        ("Group", "system:serviceaccounts:flux-system", {}, False),
        ("User", "system:anonymous", {}, False),
        ("User", "system:serviceaccount:flux-system:flux", {}, False),
    ],
)
def test_kubernetes_and_eks_themselves_are_left_out(kind: str, name: str, metadata: Any, left_out: bool) -> None:
    """Protects from a list that nobody can shorten. Names of EKS's own users cannot be taken by others:
    https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
    """
    rbac = Rbac([role(rule("*", "*", group="*"))], [bound({"kind": kind, "name": name}, **metadata)], [], [])

    assert names(rbac) == ([] if left_out else [f"{kind} {name}"])


@pytest.mark.parametrize("is_default", [True, False])
def test_a_controller_of_the_control_plane_is_known_by_its_default_binding(is_default: bool) -> None:
    """Protects from another service account of kube-system that somebody has bound to a strong role."""
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"} if is_default else {}
    subject = {"kind": "ServiceAccount", "name": "generic-garbage-collector", "namespace": "kube-system"}
    name = "system:controller:generic-garbage-collector"
    rbac = Rbac([role(rule("*", "delete", group="*"), name=name)], [bound(subject, name=name, labels=labels)], [], [])

    assert names(rbac) == ([] if is_default else ["ServiceAccount kube-system/generic-garbage-collector"])


def test_the_deployers_are_left_out() -> None:
    """Protects from an alarm about who must be able to: those of the rule for annotations, and of irsa's own role."""
    data = {
        **DATA,
        "annotation-users": "alice\nsystem:serviceaccount:ci:deployer",
        "annotation-user-prefixes": "arn:aws:sts::111122223333:assumed-role/deploy/",
        "annotation-groups": "deployers",
    }
    subjects = [
        ALICE,
        {"kind": "User", "name": "arn:aws:sts::111122223333:assumed-role/deploy/ci"},
        {"kind": "Group", "name": "deployers"},
        {"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"},
        {"kind": "ServiceAccount", "name": "deployer", "namespace": "web"},
    ]
    guard = replace(GUARD, config_maps={CONFIG_MAP: data})
    strong = rule("*", "*", group="*")

    assert names(Rbac([role(strong)], [bound(*subjects)], [], []), guard) == ["ServiceAccount web/deployer"]
    wide = replace(GUARD, config_maps={CONFIG_MAP: {**data, "annotation-user-prefixes": "arn:"}})
    found = names(Rbac([role(strong)], [bound(*subjects)], [], []), wide)
    assert found == ["ServiceAccount web/deployer", "User arn:aws:sts::111122223333:assumed-role/deploy/ci"]
    own = "irsa-deployer-guard"
    roles, its = [role(strong), role(strong, name=own)], bound(ALICE, name=own)
    assert names(Rbac(roles, [its], [], [])) == []
    # Whatever else they have.
    assert names(Rbac(roles, [bound(ALICE), its], [], [])) == []
    # Without the rule, an empty list names nobody.
    assert names(Rbac([role(strong)], [bound(ALICE)], [], [])) == ["User alice"]


@pytest.mark.parametrize("namespace", ["kube-system", "platform"])
def test_some_namespaces_cannot_be_deleted(namespace: str) -> None:
    """Protects from a false alarm: the admission plugin NamespaceLifecycle never deletes kube-system."""
    rbac = Rbac([role(rule("namespaces", "delete", group=""))], [bound(ALICE)], [], [])

    assert bool(names(rbac, replace(GUARD, namespace=namespace))) == (namespace != "kube-system")


def test_who_may_bind_a_role_that_may_change_the_guard() -> None:
    """Protects from who gives the right to himself, by the name of a role that has it."""
    strong, named = role(rule("*", "*", group="*"), name="strong"), ["strong"]
    binder = role(rule("clusterroles", "bind", group=RBAC, resourceNames=named))

    assert names(Rbac([strong, binder], [bound(ALICE)], [], [])) == ["User alice"]


def test_everybody_is_a_finding_and_somebody_a_warning() -> None:
    """Protects a nightly verify: an administrator beside the deployer is no failure, and all users are one."""
    cluster: Any = StubCluster()
    cluster.objects["clusterroles"] = {"some": role(rule("validatingadmissionpolicies", "update"))}
    everybody = {"kind": "Group", "name": "system:authenticated"}
    cluster.objects["clusterrolebindings"] = {"its": bound(ALICE, everybody)}
    _, finding, line = of_guard(GUARD, cluster, "prod")

    assert (finding.outcome, finding.about) == (Outcome.FINDING, "Group system:authenticated")
    assert finding.fix == "kubectl edit clusterrolebinding its"
    assert line.outcome is Outcome.WARNING
    assert line.found.startswith("by RBAC, these may change it, too: User alice (some); not read: ")

    cluster.objects["clusterrolebindings"] = {"its": bound(ALICE)}
    assert Report("verify", "prod", of_guard(GUARD, cluster, "prod")).exit_code == 0
