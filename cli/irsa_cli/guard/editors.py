"""Who may change or delete a guard, by RBAC. Pure.

Whoever may write its ConfigMaps, policies or bindings can switch it off, and whoever may get that right: by `bind` or
`escalate` of roles, or by `impersonate`. Who may only create such objects cannot: what is created stands beside the
guard. Other authorizers, such as the access policies of EKS, are not read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.guard.rules import (
    EVERYBODY,
    GROUPS,
    USER_PREFIXES,
    USERS,
    AnnotationRule,
    is_everybody,
    is_wide_prefix,
    may_annotate,
)
from irsa_cli.live.kubernetes import ClusterClient
from irsa_cli.state.declared import DeclaredGuard

WRITES = {"update", "patch", "delete", "deletecollection"}
ADMISSION, RBAC = "admissionregistration.k8s.io", "rbac.authorization.k8s.io"
MASTERS = "system:masters"
# Which the API server never deletes: https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/admission/namespace/lifecycle/admission.go
IMMORTAL = ("default", "kube-system", "kube-public")
# docs/permissions/kubernetes-deployer-guard.yaml: whoever has it is the deployer.
DEPLOYER_ROLE = "irsa-deployer-guard"
# Of what the API server creates: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
BOOTSTRAPPING = "kubernetes.io/bootstrapping"
# What names of Kubernetes' and of EKS's own users begin with; others must not:
# https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
RESERVED = ("system:", "eks:", "aws:", "amazon:", "iam:")

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


class Right(NamedTuple):
    """A right with which the guard can be changed, of objects of these names; None is any name."""

    group: str
    resource: str
    verbs: Collection[str]
    names: Collection[str] | None = None


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
        return self.kind != "ServiceAccount" and is_everybody(self.name)


def editors(rbac: Rbac, guard: DeclaredGuard) -> list[Editor]:
    """Return who may change a guard, but for its deployers, system:masters and controllers of Kubernetes and EKS."""
    in_namespace = [Right("", "configmaps", WRITES, {*guard.config_maps})]
    # A request about a namespace is one in it: https://kubernetes.io/docs/reference/access-authn-authz/authorization/
    in_namespace += [Right("", "namespaces", {"delete"}, {guard.namespace})] * (guard.namespace not in IMMORTAL)
    cluster_wide = [
        *in_namespace,
        Right(ADMISSION, "validatingadmissionpolicies", WRITES, {*guard.policies}),
        Right(ADMISSION, "validatingadmissionpolicybindings", WRITES, {*guard.bindings}),
    ]
    known = {
        (kind, each["metadata"]["name"]): each.get("rules") or ()
        for kind, several in (("ClusterRole", rbac.cluster_roles), ("Role", rbac.roles))
        for each in several
    }
    strong = {name for (_, name), rules in known.items() if _has(rules, cluster_wide)}
    indirect = [
        *(Right(RBAC, each, {"bind"}, strong) for each in ("roles", "clusterroles")),
        *(Right(RBAC, each, {"escalate"}) for each in ("roles", "clusterroles")),
        *(Right("", each, {"impersonate"}, {MASTERS}) for each in ("users", "groups", "serviceaccounts")),
    ]
    every = [
        *((each, "clusterrolebinding", [*cluster_wide, *indirect]) for each in rbac.cluster_bindings),
        *((each, "rolebinding", [*in_namespace, *indirect]) for each in rbac.bindings),
    ]
    of_deployers = [each for each, _, _ in every if each["roleRef"]["name"] == DEPLOYER_ROLE]
    deployers = {subject for each in of_deployers for subject in _subjects(each, is_default=False)}
    found: dict[tuple[str, str], Editor] = {}
    for binding, kind, rights in every:
        reference, name = binding["roleRef"], binding["metadata"]["name"]
        if not _has(known.get((reference["kind"], reference["name"]), ()), rights):
            continue
        is_default = BOOTSTRAPPING in (binding["metadata"].get("labels") or {})
        for subject, subject_name in _subjects(binding, is_default):
            is_deployer = (subject, subject_name) in deployers or _is_deployer(guard, subject, subject_name)
            if subject_name in EVERYBODY or not is_deployer:
                place = binding["metadata"].get("namespace") or ""
                editor = Editor(subject, subject_name, reference["name"], (kind, name), place)
                found.setdefault((subject, subject_name), editor)
    return sorted(found.values())


def _has(rules: Iterable[Object], rights: Iterable[Right]) -> bool:
    return any(_allows(rule, right) for rule in rules for right in rights)


def _allows(rule: Object, right: Right) -> bool:
    groups, resources, verbs, names = (
        {*(rule.get(key) or ())} for key in ("apiGroups", "resources", "verbs", "resourceNames")
    )
    return (
        not groups.isdisjoint({right.group, "*"})
        and not resources.isdisjoint({right.resource, "*"})
        and not verbs.isdisjoint({*right.verbs, "*"})
        and (not names or right.names is None or not names.isdisjoint(right.names))
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
            of_kubernetes = kind == "User" or in_own_binding or name == MASTERS
            is_own = of_kubernetes and name.startswith(RESERVED)
            is_own = is_own and not name.startswith((*EVERYBODY, "system:serviceaccount:"))
        if not is_own:
            yield kind, name


def _is_deployer(guard: DeclaredGuard, kind: str, name: str) -> bool:
    """Return whether the guard's rule for annotations names a subject as a deployer; a wide prefix names nobody."""
    users, prefixes, groups = (
        tuple(line for data in guard.config_maps.values() for line in data.get(key, "").split("\n") if line)
        for key in (USERS, USER_PREFIXES, GROUPS)
    )
    if kind == "Group":
        return name in groups
    as_user = f"system:serviceaccount:{name.replace('/', ':')}" if kind == "ServiceAccount" else name
    narrow = tuple(each for each in prefixes if not is_wide_prefix(each))
    return may_annotate(AnnotationRule("", users, narrow), as_user)
