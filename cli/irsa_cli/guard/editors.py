"""Who may change or delete a guard, by RBAC. Pure.

Whoever may write its ConfigMaps, policies or bindings can switch it off. Who may only create such objects cannot: what
is created stands beside the guard. Other authorizers, such as the access policies of EKS, are not read.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.guard.rules import GROUPS, USER_PREFIXES, USERS
from irsa_cli.live.kubernetes import ClusterClient
from irsa_cli.state.declared import DeclaredGuard

WRITES = {"update", "patch", "delete", "deletecollection", "*"}
# docs/permissions/kubernetes-deployer-guard.yaml: whoever has it is the deployer.
DEPLOYER_ROLE = "irsa-deployer-guard"
# Of what the API server creates: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
BOOTSTRAPPING = "kubernetes.io/bootstrapping"
# What names of Kubernetes' and of EKS's own users begin with; others must not:
# https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
RESERVED = ("system:", "eks:", "aws:", "amazon:", "iam:")
EVERYBODY = ("system:authenticated", "system:unauthenticated", "system:anonymous", "system:serviceaccounts")

Object = Mapping[str, Any]


class Rbac(NamedTuple):
    """The roles and their bindings that hold for a guard: those of the cluster, and of the ConfigMaps' namespace."""

    cluster_roles: Sequence[Object]
    cluster_bindings: Sequence[Object]
    roles: Sequence[Object]
    bindings: Sequence[Object]

    @classmethod
    def of(cls, cluster: ClusterClient, namespace: str) -> "Rbac":
        """Return what a cluster has.

        Raises:
            CouldNotLookError: It does not answer, or denies it.
        """
        return cls(
            cluster.objects_of("clusterroles"),
            cluster.objects_of("clusterrolebindings"),
            cluster.objects_of("roles", namespace),
            cluster.objects_of("rolebindings", namespace),
        )


class Editor(NamedTuple):
    """Somebody who may change the guard.

    Attributes:
        kind: User, Group or ServiceAccount.
        name: Their name, with the namespace of a service account.
        role: The role that allows it.
        binding: What binds the role: its kind, and its name.
        namespace: That of the binding; empty for one of the cluster.
    """

    kind: str
    name: str
    role: str
    binding: tuple[str, str]
    namespace: str

    @property
    def is_everybody(self) -> bool:
        """Whether these are all users, or all service accounts of the cluster or of a namespace."""
        return self.kind != "ServiceAccount" and (
            self.name in EVERYBODY or self.name.startswith("system:serviceaccounts:")
        )


def editors(rbac: Rbac, guard: DeclaredGuard) -> list[Editor]:
    """Return who may change a guard, but for its deployers, system:masters and controllers of Kubernetes and EKS."""
    cluster_wide = {
        "validatingadmissionpolicies": {*guard.policies},
        "validatingadmissionpolicybindings": {*guard.bindings},
        "configmaps": {*guard.config_maps},
    }
    in_namespace = {"configmaps": {*guard.config_maps}}
    cluster_roles = {each["metadata"]["name"]: each.get("rules") or () for each in rbac.cluster_roles}
    roles = {each["metadata"]["name"]: each.get("rules") or () for each in rbac.roles}
    known = {"ClusterRole": cluster_roles, "Role": roles}
    found: dict[tuple[str, str], Editor] = {}
    for binding, kind, own in (
        *((each, "clusterrolebinding", cluster_wide) for each in rbac.cluster_bindings),
        *((each, "rolebinding", in_namespace) for each in rbac.bindings),
    ):
        reference, name = binding["roleRef"], binding["metadata"]["name"]
        rules = known.get(reference["kind"], {}).get(reference["name"], ())
        if not any(_writes(rule, own) for rule in rules):
            continue
        is_default = BOOTSTRAPPING in (binding["metadata"].get("labels") or {})
        for subject, subject_name in _subjects(binding, is_default):
            everybody = subject_name in EVERYBODY
            if everybody or not (reference["name"] == DEPLOYER_ROLE or _is_deployer(guard, subject, subject_name)):
                place = binding["metadata"].get("namespace") or ""
                editor = Editor(subject, subject_name, reference["name"], (kind, name), place)
                found.setdefault((subject, subject_name), editor)
    return sorted(found.values())


def _writes(rule: Object, own: Mapping[str, Collection[str]]) -> bool:
    groups, resources, verbs = (rule.get(key) or () for key in ("apiGroups", "resources", "verbs"))
    names = rule.get("resourceNames") or ()
    return not WRITES.isdisjoint(verbs) and any(
        (resource in resources or "*" in resources)
        and (("" if resource == "configmaps" else "admissionregistration.k8s.io") in groups or "*" in groups)
        and (not names or not {*existing}.isdisjoint(names))
        for resource, existing in own.items()
    )


def _subjects(binding: Object, is_default: bool) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the subjects of a binding, but for those of Kubernetes and EKS themselves."""
    for each in binding.get("subjects") or ():
        kind, name = each["kind"], each["name"]
        if kind == "ServiceAccount":
            name = f"{each.get('namespace') or binding['metadata'].get('namespace') or ''}/{name}"
            # Controllers of the control plane have service accounts of their own there.
            is_own = is_default and name.startswith("kube-system/") and binding["roleRef"]["name"].startswith("system:")
        else:
            # Groups such as system:nodes have others in them: they are Kubernetes' own in its own bindings alone.
            in_own_binding = is_default or binding["metadata"]["name"].startswith(RESERVED)
            of_kubernetes = kind == "User" or in_own_binding or name == "system:masters"
            is_own = of_kubernetes and name.startswith(RESERVED)
            is_own = is_own and not name.startswith((*EVERYBODY, "system:serviceaccount:"))
        if not is_own:
            yield kind, name


def _is_deployer(guard: DeclaredGuard, kind: str, name: str) -> bool:
    """Return whether the guard's rule for annotations names a subject as a deployer."""
    users, prefixes, groups = (
        {line for data in guard.config_maps.values() for line in data.get(key, "").split("\n") if line}
        for key in (USERS, USER_PREFIXES, GROUPS)
    )
    if kind == "Group":
        return name in groups
    as_user = f"system:serviceaccount:{name.replace('/', ':')}" if kind == "ServiceAccount" else name
    return as_user in users or as_user.startswith(tuple(prefixes))
