"""Lint rules about the guard: a namespace without a use, and who may avoid it."""

from collections.abc import Iterator

from irsa.evaluation.lint.rule import Warnings, rule
from irsa.guard.rules import SYSTEM, is_everybody, is_wide_prefix
from irsa.role.add_ons import service_account_of
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Mistake, Place, likely, named
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.unknown import known_or, or_else
from irsa_config.lint.checked import CheckedStack
from irsa_config.models import Guard
from irsa_config.stack import Stack


@rule()
def unused_setting(checked: CheckedStack) -> Warnings:
    """A guard's setting for a namespace is not used.

    A misspelled name is not used either, and the namespace that it was meant for has another mode.

    Bad:
        irsa:guard: {mode: deny, namespaces: {team-a: warn}}
        irsa:bindings:
          my-app:
            serviceAccount: {name: my-app, namespace: team-b}
            policyArns: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    Good:
        irsa:guard: {mode: deny, namespaces: {team-b: warn}}
        irsa:bindings:
          my-app:
            serviceAccount: {name: my-app, namespace: team-b}
            policyArns: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    """
    namespaces = _namespaces(checked)
    for place, guard in _guards(checked.stack) if checked.complete else ():
        for namespace, mode in known_or(guard.namespaces, {}).items():
            at = (*place, "namespaces", namespace)
            if guard.mode == "off" and mode != "off":
                fix = "write mode: warn or deny, or remove namespaces"
                yield at, Mistake("mode: off guards no namespace, this one neither", "a guard that is on", fix)
            elif namespace not in namespaces:
                close = likely(namespace, namespaces)
                found = f"no service account of this stack is in the namespace {named(namespace)}"
                fix = f"write {close}" if close else "remove it"
                yield at, Mistake(found, "a namespace of its service accounts", fix)


@rule()
def wide_guard(checked: CheckedStack) -> Warnings:
    """More than one role or user may avoid a guard, or who may edit ConfigMaps in a guarded namespace.

    Whoever may avoid a guard can give Pods another role, or none.

    Bad:
        irsa:guard:
          mode: deny
          annotations: {mode: deny, groups: ["system:authenticated"]}
    Good:
        irsa:guard:
          mode: deny
          annotations: {mode: deny, userPrefixes: ["arn:aws:sts::111122223333:assumed-role/deploy/"]}
    """
    for place, guard in _guards(checked.stack) if checked.complete else ():
        rule, namespace = guard.annotations, guard.namespace
        names = {"users": rule.users, "userPrefixes": rule.user_prefixes, "groups": rule.groups} if rule else {}
        every = ((key, *each) for key, those in names.items() for each in enumerate(strings_of(known_or(those, []))))
        for key, index, name in every:
            if is_wide_prefix(name) if key == "userPrefixes" else is_everybody(name):
                found = f"{named(name)}: these are more than one user, role or group of your own"
                fix = "name the deployer: arn:aws:sts::111122223333:assumed-role/deploy/ in userPrefixes, for example"
                yield (*place, "annotations", key, index), Mistake(found, "the deployer, and nobody else", fix)
        is_of_tenants = namespace in _namespaces(checked) - {SYSTEM}
        modes = known_or(guard.namespaces, {})
        if isinstance(namespace, str) and is_of_tenants and modes.get(namespace, guard.mode) != "off":
            found = f"{named(namespace)} has guarded service accounts: who may edit ConfigMaps there can switch it off"
            mistake = Mistake(found, "a namespace of the platform's team", "remove it, or name another")
            yield (*place, "namespace"), mistake


def _guards(stack: Stack) -> Iterator[tuple[Place, Guard]]:
    of_clusters = {(*stack.place_of_cluster(key), "guard"): each.guard for key, each in stack.clusters_by_key.items()}
    guards = {("guard",): stack.guard, **of_clusters}
    yield from ((place, guard) for place, guard in guards.items() if guard)


def _namespaces(checked: CheckedStack) -> set[str]:
    """Return the namespaces of the service accounts of a stack, those of its add-ons' charts included."""
    accounts = (service_account_of(each.declared) for each in checked.bindings.values())
    return {str(or_else(each.namespace, DEFAULT_NAMESPACE)) for each in accounts if each}
