"""Lint rules about what the settings leave: defaults and variables without a use, a wide guard."""

from collections.abc import Iterator

from irsa.evaluation.lint.rule import Warnings, rule
from irsa.guard.rules import SYSTEM, is_everybody, is_wide_prefix
from irsa.role.add_ons import service_account_of
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Mistake, Place, likely, named
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.unknown import known_or, or_else
from irsa_config.defaults import with_defaults
from irsa_config.lint.checked import CheckedBinding, CheckedStack
from irsa_config.models import Defaults, Guard
from irsa_config.stack import Stack


@rule()
def unused_setting(checked: CheckedStack) -> Warnings:
    """A default, a variable or a guard's namespace is not used.

    A misspelled name is not used either, and what it was meant for has another value.

    Bad:
        irsa:variables: {bucket: my-bucket, buket: my-other-bucket}
        irsa:bindings:
          my-app:
            serviceAccount: {name: my-app}
            policy:
              document:
                Version: "2012-10-17"
                Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::${bucket}/*"}]
    Good:
        irsa:variables: {bucket: my-bucket}
        irsa:bindings:
          my-app:
            serviceAccount: {name: my-app}
            policy:
              document:
                Version: "2012-10-17"
                Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::${bucket}/*"}]
    """
    if not checked.complete:
        return
    for name in checked.stack.variables:
        if name not in checked.used_variables:
            close = likely(name, checked.used_variables)
            instead = f" instead of ${{{close}}}" if close else ""
            fix = f"remove it, or use ${{{name}}}{instead}"
            found = f"no document and no ARN contains ${{{name}}}"
            yield ("variables", name), Mistake(found, "a variable that is used", fix)
    for name, field in Defaults.model_fields.items():
        key = str(field.alias)
        if key in checked.settings.get("defaults", {}) and not any(
            _takes(each, name) for each in checked.bindings.values()
        ):
            found = f"every binding sets {key}, or does not need it"
            yield ("defaults", key), Mistake(found, "a default that is used", "remove it")
    yield from _unused_in_guards(checked)


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


def _unused_in_guards(checked: CheckedStack) -> Warnings:
    namespaces = _namespaces(checked)
    for place, guard in _guards(checked.stack):
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


def _takes(checked: CheckedBinding, name: str) -> bool:
    """Return whether a binding is another one with a default than without it."""
    identity, own = Defaults.model_construct(identity=checked.binding.written(("identity",))), checked.binding.own
    with_it = identity.model_copy(update={name: {"": ""} if name == "tags" else "-"})
    return with_defaults(own, with_it) != with_defaults(own, identity)
