"""Lint rules about who may assume a role."""

from irsa.evaluation.lint.rule import Warnings, rule
from irsa.evaluation.patterns import matches
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.subjects import DEFAULT_NAMESPACE, is_pattern, subject_of
from irsa.rules.unknown import has_unknown, or_else
from irsa_config.lint.checked import CheckedBinding

DEFAULT_SERVICE_ACCOUNT = "default"
SYSTEM_NAMESPACE = "kube-system"


@rule()
def default_service_account(checked: CheckedBinding) -> Warnings:
    """A role trusts the service account that Pods have by default.

    Every Pod of the namespace that names no service account gets the role.

    Source: https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts

    Bad:
        serviceAccount: {name: default, namespace: team-a, create: false}
    Good:
        serviceAccount: {name: report, namespace: team-a}
    """
    own = own_subject(checked)
    places = [((*checked.place, "serviceAccount", "name"), own)] if own else []
    if not checked.has_existing_role:
        places += _trusted(checked)
    for where, subject in places:
        namespace, _, name = subject.partition(":")
        if name == DEFAULT_SERVICE_ACCOUNT:
            found = f"{subject!r}, which every Pod of {namespace} has that names no service account"
            fix = "create a service account for the Pods that need the role, and name it in them"
            yield where, Mistake(found, "a service account of its own", fix)


def _trusted(checked: CheckedBinding) -> list[tuple[Place, str]]:
    """Return whom it trusts besides its service account, and where it says so."""
    return [((*checked.place, "trust", *place), subject) for place, subject, _ in checked.role.trusted.trusted]


@rule()
def kube_system_wildcard(checked: CheckedBinding) -> Warnings:
    """A role for kube-system trusts subjects with wildcards.

    Other parts of the cluster get permissions that are meant for one of them.

    Roles of the cluster's own components (network, volumes, load balancers, nodes) may change what all Pods run on:
    https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces and
    https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html

    Bad:
        trust: {subjects: ["kube-system:*-controller"]}
    Good:
        trust: {subjects: ["kube-system:my-controller"]}
    """
    if checked.has_existing_role:
        return
    trusted, own = _trusted(checked), own_subject(checked)
    subjects = [*([own] if own else []), *(subject for _, subject in trusted)]
    system = [*filter(_names_kube_system, subjects)]
    for where, subject in trusted if system else ():
        if is_pattern(subject):
            others = "" if subject == system[0] else f", on the role of {system[0]!r}"
            found = f"the wildcard {subject!r}{others}, in a role for {SYSTEM_NAMESPACE}"
            fix = "name the service accounts, and give others a binding of their own"
            yield where, Mistake(found, f"in a role for {SYSTEM_NAMESPACE}, subjects without wildcards", fix)


def _names_kube_system(subject: str) -> bool:
    """Return whether a subject is of kube-system; a pattern is too, unless its namespace is wildcards only."""
    namespace = subject.partition(":")[0]
    return bool(namespace.strip("*?")) and matches(SYSTEM_NAMESPACE, namespace)


def own_subject(checked: CheckedBinding) -> str | None:
    """Return the binding's service account as a subject, where it has one that is known."""
    account = checked.declared.service_account
    names = [or_else(account.namespace, DEFAULT_NAMESPACE), account.name] if account else []
    return subject_of(*strings_of(names)) if names and not has_unknown(names) else None
