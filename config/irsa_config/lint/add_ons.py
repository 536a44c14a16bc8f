"""Lint rules about well-known add-ons: the version that is meant, and policies for them that are written by hand."""

import functools
import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from pydantic.alias_generators import to_camel

from irsa.add_ons.catalog import AddOn, add_on, service_accounts
from irsa.add_ons.document import Where, document, managed_policies
from irsa.add_ons.parameters import EVERYTHING, PARAMETERS
from irsa.evaluation.lint import actions
from irsa.evaluation.lint.actions import UNNAMED
from irsa.evaluation.lint.rule import Policies, Statement, Warnings, rule
from irsa.evaluation.patterns import matches, pattern_of
from irsa.role.add_ons import add_ons_of
from irsa.rules.arns import PARTITIONS
from irsa.rules.leaves import items_of, strings_of
from irsa.rules.mistakes import Mistake, Place, listed
from irsa.rules.subjects import is_pattern
from irsa.rules.unknown import Unknown, has_unknown, known_or, or_else, sampled
from irsa_config.lint.checked import CheckedBinding
from irsa_config.lint.trust import own_subject
from irsa_config.scalars import scalar

# How many of the actions that are too much are named.
NAMED = 5


@rule()
def add_on_version(checked: CheckedBinding) -> Warnings:
    """An add-on has no version, so that a newer irsa may change its policy.

    What a role may do should change when the stack file does.

    Bad:
        policies: [{addOn: cluster-autoscaler, clusterNames: [my-cluster]}]
    Good:
        policies: [{addOn: cluster-autoscaler, version: v1.36.1, clusterNames: [my-cluster]}]
    """
    for place, settings, each in add_ons_of(checked.declared):
        if settings.version is None:
            name, newest = each.name, each.newest
            found = f"{name} without a version: the newest of this release, {newest}"
            # In quotes where YAML would read no text without them.
            fix = f"write version: {newest if scalar(newest) == newest else json.dumps(newest)}"
            allowed = "a version, so that a newer irsa does not change the policy"
            yield (*checked.place, *place, "addOn"), Mistake(found, allowed, fix)


def add_on_of(checked: CheckedBinding) -> AddOn | None:
    """Return the add-on that a role is for, by its only service account; None where that is not known."""
    own, subjects, account = own_subject(checked), checked.declared.trust.subjects, checked.declared.service_account
    trusted = {*([own] if own else []), *strings_of(known_or(subjects, []))}
    if len(trusted) != 1 or has_unknown(subjects) or (account and has_unknown([*account.written().values()])):
        return None
    name = _by_service_account(trusted.pop())
    return add_on(name) if name else None


@functools.cache
def _by_service_account(subject: str) -> str | None:
    """Return the add-on of a service account; in another namespace, only of one that has the add-on's own name."""
    if is_pattern(subject):
        return None
    known, name = service_accounts(), subject.partition(":")[2]
    of_name = (add_ons for usual, add_ons in known.items() if usual.partition(":")[2] == name)
    found = known.get(subject) or [each for add_ons in of_name for each in add_ons if each in name]
    return found[0] if len(found) == 1 else None


def as_policies(each: AddOn) -> str:
    """Return what to write for an add-on, with samples of what it needs to know."""
    samples = [f"{to_camel(first)}: [{PARAMETERS[first].example}]" for first, *_ in each.must_be_named]
    with_yours = ", with your values" if samples else ""
    return f"`policies: [{{{', '.join([f'addOn: {each.name}', *samples])}}}]`{with_yours}"


@rule()
def add_on_policy(checked: CheckedBinding) -> Warnings:
    """A policy for an add-on, written by hand, lacks an action that it needs, or gives one that it never needed.

    The add-on fails when it needs the action, or a Pod of it can do more than it has to.

    Bad:
        serviceAccount: {name: external-dns, namespace: external-dns}
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "route53:ListHostedZones", Resource: "*"}]
    Good:
        serviceAccount: {name: external-dns, namespace: external-dns}
        policies: [{addOn: external-dns, version: v0.23.0, hostedZones: [Z0123456789ABCDEFGHIJ]}]
    """
    declared, documents = checked.declared, checked.documents
    each = add_on_of(checked) if documents and not declared.policies else None
    if each is None:
        return
    contents = [document for _, document, _ in documents]
    lacking, others = _judged(each.name, _partition(checked), Documents(repr(contents), contents))
    use = f"use {as_policies(each)}, in place of the document"
    inline = or_else(declared.inline_policies, {})
    policies = bool(declared.policy) + (1 if isinstance(inline, Unknown) else len(inline))
    are_known = len(documents) == policies and not any(map(has_unknown, contents))
    if lacking and are_known and not declared.policy_arns:
        found = f"a policy for {each.name} that does not allow {listed(lacking)}"
        allowed = f"what {each.name} {each.newest} needs ({each.versions[each.newest].source})"
        yield documents[0][0], Mistake(found, allowed, f"add what it lacks, or {use}")
    if others:
        (index, *place), _ = others[0]
        found = ", ".join(label for _, label in others[:NAMED]) + (", ..." if others[NAMED:] else "")
        allowed = f"what {each.name} needs, in any version that is known here"
        fix = f"remove it, {use}, or silence the rule with a reason"
        mistake = Mistake(f"{found}, which {each.name} never needed", allowed, fix)
        yield (*documents[int(index)][0], "document", *place), mistake


@dataclass(frozen=True)
class Documents:
    """The documents of a role, and their text, by which they are told from others."""

    content: str
    documents: Sequence[Any] = field(compare=False)


# Thousands of bindings may have one document.
@functools.lru_cache(maxsize=1024)
def _judged(name: str, partition: str | None, of_role: Documents) -> tuple[Sequence[str], Sequence[tuple[Place, str]]]:
    """Return the actions that documents lack for an add-on, and those that are no add-on's, with their places."""
    policies = Policies(of_role.documents)
    ever = _ever(name)
    # What a Deny takes away is not asked: it may leave the resources that the add-on has.
    lacking = [each for each in needed(name, partition) if not policies.permissions.allowing(each)]
    return lacking, [*_others(policies, ever)] if ever else []


@functools.cache
def needed(name: str, partition: str | None) -> Sequence[str]:
    """Return the actions of the newest version that are needed whatever the parameters; in any partition, if None."""
    each = add_on(name)
    required = {key for key, taken in each.parameters.items() if taken.required}
    excluding = {one.only_without for one in each.versions[each.newest].statements} - {""}
    # AWS's managed policies, where they are in place of statements, are not known here.
    scopes = [None, *([EVERYTHING] if each.everything else [])]
    rendered = [
        document(each, each.newest, scope, {key: _sample(key) for key in given}, Where(where, "", [""]))
        for where in ([partition] if partition else PARTITIONS)
        for scope in scopes
        if not managed_policies(each, each.newest, scope)
        for given in (set() if scope else required, excluding | (set() if scope else required))
    ]
    actions_of = [{action for one in every["Statement"] for action in items_of(one["Action"])} for every in rendered]
    together = set.intersection(*actions_of) if actions_of else set()
    return sorted(action for action in together if not is_pattern(action))


def _sample(parameter: str) -> Any:
    return [PARAMETERS[parameter].example] if parameter in PARAMETERS else True


@functools.cache
def _ever(name: str) -> Set[str]:
    """Return the actions that an add-on or its upstream had in any version; none where AWS's documents have them.

    They are in lower case, and some have wildcards.
    """
    each = add_on(name)
    if not all(version.statements for version in each.versions.values()):
        return frozenset()
    own = [one.actions for version in each.versions.values() for one in version.statements]
    of_upstream = [one.get("actions", ()) for version in each.versions.values() for one in version.differences]
    recognised = [other["actions"] for other in each.recognised]
    return frozenset(action.lower() for actions in (*recognised, *own, *of_upstream) for action in actions)


def _others(policies: Policies, ever: Set[str]) -> Iterator[tuple[Place, str]]:
    """Yield the actions that a role has for certain and an add-on never had, or the patterns with such a one."""
    had = [pattern_of(each, wildcards=True) for each in ever if is_pattern(each)]
    for place, statement in policies.statements:
        resources = [*_samples(statement)] if statement.allows else []
        element = "NotAction" if "NotAction" in statement.values else "Action"
        patterns = ["*"] if element == "NotAction" else statement.items("Action") if resources else []
        for pattern in dict.fromkeys(patterns):
            prefix = pattern.partition(":")[0].lower()
            known = [f"{prefix}:{each.name}" for each in actions.matching(pattern)]
            given = (
                action
                for action in ([actions.ANY.action] if pattern == "*" else known)
                if action.lower() not in ever
                and not any(matches(action.lower(), each) for each in had)
                and any(policies.permissions.of(action, resource) for resource in resources)
            )
            if action := next(given, None):
                of_pattern = f"{pattern} (such as {action})" if is_pattern(pattern) else action
                label = of_pattern if pattern != "*" else "all actions" if element == "Action" else "all but NotAction"
                yield (*place, element), label


def _samples(statement: Statement) -> Iterator[str]:
    """Yield a resource for each pattern of a statement, as far as it is known."""
    for pattern in statement.items("Resource") or [UNNAMED]:
        if "${" not in pattern:
            yield pattern.replace("*", "x").replace("?", "x")


def _partition(checked: CheckedBinding) -> str | None:
    """Return the partition of a role, where it is known."""
    providers, clusters = checked.declared.oidc_provider_arns, checked.declared.cluster_arns
    arns = strings_of([*known_or(providers, []), *known_or(clusters, {}).values()])
    return next((arn.split(":")[1] for arn in arns if "partition" not in sampled(arn)), None)
