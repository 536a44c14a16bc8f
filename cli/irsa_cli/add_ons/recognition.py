"""Whose policy a document is: an add-on's as irsa writes it, or as another tool does. Pure."""

import functools
import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.add_ons.catalog import AddOn, Statement, add_on, names, snake
from irsa.add_ons.document import Where, document, managed_policies
from irsa.add_ons.parameters import CLUSTER_NAMES, EVERYTHING, PARAMETERS, SWITCHES
from irsa.evaluation.globs import overlap
from irsa.evaluation.normal_form import Document, are_equivalent
from irsa.rules.arns import PARTITIONS
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake

_VARIABLE = re.compile(r"(\$\{\w+\})")
# What a template has in place of these; a policy variable of IAM, such as ${aws:username}, is none of them.
_OF_WHERE = {"partition": "|".join(PARTITIONS), "account": r"[0-9]{12}|\*", "region": r"[a-z0-9-]+|\*"}

# Services that applications use themselves. Who only reads a bucket need not be Mountpoint.
OF_APPLICATIONS = {"kms", "s3", "secretsmanager", "ssm"}


class Recognised(NamedTuple):
    """The add-on whose policy a document is.

    Attributes:
        version: The newest version with that document.
        scope: `*` for everything; None for what the parameters name.
        parameters: By their names as arguments.
        where: Where its role is, as far as the document says so.
    """

    add_on: AddOn
    version: str
    scope: str | None
    parameters: Mapping[str, Any]
    where: Where


class Known(NamedTuple):
    """The add-on that documents are meant for.

    Attributes:
        by: Who writes them so, in words; empty where only the actions are those of the add-on.
    """

    add_on: AddOn
    by: str


def recognised(of_document: Document) -> Recognised | None:
    """Return the add-on that gets a document, or one that the AWS provider takes for the same; None where none does."""
    return _recognised(json.dumps(of_document))


# Hundreds of roles may have one document.
@functools.lru_cache(maxsize=4_096)
def _recognised(text: str) -> Recognised | None:
    statements = _statements(json.loads(text))
    actions = _actions(statements)
    for each in map(add_on, names()):
        for version in each.versions:
            if actions and actions <= _actions_of(each.name, version):
                for found in _candidates(each, version, statements):
                    if _is_of(found, json.loads(text)):
                        return found
    return None


def _is_of(found: Recognised, of_document: Document) -> bool:
    try:
        return are_equivalent(rendered(found, found.where), of_document)
    except Mistake:
        return False


def rendered(found: Recognised, where: Where) -> dict[str, Any]:
    """Return the document that an add-on gets."""
    return document(found.add_on, found.version, found.scope, found.parameters, where)


def _candidates(each: AddOn, version: str, statements: Sequence[Mapping[str, Any]]) -> Iterator[Recognised]:
    """Yield what may have been written for a document: its parameters are read back from it."""
    where, lists = values_in(each, version, statements, lambda one, other: one == other)
    required = {name for name, taken in each.parameters.items() if taken.required}
    switches = [name for name in each.parameters if name in SWITCHES]
    for scope in (None, EVERYTHING):
        if (scope and not each.everything) or managed_policies(each, version, scope):
            continue
        of_scope = {*required, *each.require_one_of}
        given = {name: those for name, those in lists.items() if not scope or name not in of_scope}
        if not scope and (required - given.keys() or (each.require_one_of and not of_scope & given.keys())):
            continue
        for count in range(len(switches) + 1):
            for chosen in itertools.combinations(switches, count):
                yield Recognised(each, version, scope, {**given, **dict.fromkeys(chosen, True)}, where)


def values_in(
    each: AddOn, version: str, statements: Sequence[Mapping[str, Any]], alike: Any
) -> tuple[Where, dict[str, list[str]]]:
    """Return what the variables of an add-on's statements stand for in a document: where it is, and its parameters.

    Args:
        each: The add-on.
        version: The version.
        statements: Those of the document.
        alike: Takes two sets of actions, and returns whether they can be of one statement.
    """
    known = each.versions[version]
    values: dict[str, dict[str, None]] = {}
    for statement in statements:
        actions = {*map(str, items_of(statement.get("Action", ())))}
        for template in known.statements:
            if alike(actions, {*template.actions}):
                for name, value in _matched(template, statement):
                    values.setdefault(name, {})[value] = None
    partition, account, regions = (
        [*values.pop(name, {default: None})]
        for name, default in (("partition", "aws"), ("account", EVERYTHING), ("region", EVERYTHING))
    )
    lists = {name: [value for value in found if value != EVERYTHING] for name, found in values.items()}
    return Where(partition[0], account[0], regions), {name: found for name, found in lists.items() if found}


def _matched(template: Statement, statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the variables of a statement's template with their values in a statement."""
    yield from _matches(template.resources, items_of(statement.get("Resource", ())))
    written = [(key, values) for keys in _mappings(statement.get("Condition")) for key, values in keys.items()]
    for keys in template.conditions.values():
        for key, values in keys.items():
            for other, others in written:
                if _pattern(key).fullmatch(other):
                    yield from _matches([key], [other])
                    yield from _matches(map(str, items_of(values)), items_of(others))


def _matches(templates: Iterable[str], texts: Iterable[Any]) -> Iterator[tuple[str, str]]:
    several = [*texts]
    for template in templates:
        for text in several:
            if "${" in template and (found := _pattern(template).fullmatch(str(text))):
                yield from found.groupdict().items()


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return what a template's variables may stand for, each as a group of its name."""
    parts, seen = [], set()
    for part in _VARIABLE.split(template):
        name = snake(part[2:-1]) if _VARIABLE.fullmatch(part) else ""
        if name in seen:
            parts.append(f"(?P={name})")
        elif name in _OF_WHERE or name in PARAMETERS:
            seen.add(name)
            parts.append(f"(?P<{name}>{_OF_WHERE.get(name) or _value(name)})")
        else:
            parts.append(re.escape(part))
    return re.compile("".join(parts), re.ASCII)


def _value(name: str) -> str:
    """Return the pattern of what a statement gets for a parameter: its group `value`, which is its last."""
    pattern = PARAMETERS[name].pattern
    return re.sub(r"\(\?P<\w+>", "(?:", pattern[pattern.index("(?P<value>") :]) + r"|\*"


# --- as others write it ----------------------------------------------------------------------------------------------


def known_as(documents: Iterable[Document], service_accounts: Collection[str] = ()) -> Known | None:
    """Return the add-on that documents together are meant for; None where nobody can tell.

    Args:
        documents: Those of one role.
        service_accounts: Who assumes it, as `namespace:name`.
    """
    actions = frozenset(action.lower() for each in documents for action in _actions(_statements(each)))
    if not actions:
        return None
    usual = {each.name for each in map(add_on, names()) if each.subject in service_accounts}
    exact = _by_actions().get(actions, {})
    if _is_anybodys(actions):
        exact = {name: by for name, by in exact.items() if name in usual}
    if len(exact) == 1 or usual & exact.keys():
        name = next(iter(usual & exact.keys() or exact))
        return Known(add_on(name), exact[name])
    for name in sorted(usual):
        own = [action.lower() for version in add_on(name).versions for action in _actions_of(name, version)]
        shared = [each for each in actions if any(overlap(each, action) for action in own)]
        if len(shared) * 2 > len(actions):
            return Known(add_on(name), "")
    return None


def is_likely(found: Recognised, service_accounts: Collection[str]) -> bool:
    """Return whether a role with an add-on's document is for that add-on: an application may need just the same."""
    statements = rendered(found, found.where)["Statement"]
    return found.add_on.subject in service_accounts or not _is_anybodys(_actions(statements))


def _is_anybodys(actions: Iterable[str]) -> bool:
    return {action.partition(":")[0].lower() for action in actions} <= OF_APPLICATIONS


def of_managed_policy(key: str, service_accounts: Collection[str] = ()) -> AddOn | None:
    """Return the add-on of a managed policy of AWS, by its path and name; None where nobody can tell.

    That is one whose data name it; where none does, the add-on that usually has the service account.
    """
    found = [each for each in map(add_on, names()) if is_named(each, key)] or [*map(add_on, names())]
    usual = [each for each in found if each.subject in service_accounts]
    found = usual or found
    return found[0] if len(found) == 1 else None


def is_named(each: AddOn, key: str) -> bool:
    """Return whether a managed policy of AWS is attached for an add-on, by its path and name."""
    return any(
        key in (*known.managed_policies, *known.managed_policies_for_everything) for known in each.versions.values()
    )


@functools.cache
def _by_actions() -> Mapping[frozenset[str], Mapping[str, str]]:
    """Return who writes policies with these actions, in words, by the name of the add-on."""
    found: dict[frozenset[str], dict[str, str]] = {}
    for each in map(add_on, names()):
        for one in each.recognised:
            actions = frozenset(map(str.lower, one["actions"]))
            found.setdefault(actions, {}).setdefault(each.name, one["by"])
        for version, known in each.versions.items():
            always = [one for one in known.statements if not one.only_with]
            for statements in (known.statements, always):
                actions = frozenset(action.lower() for one in statements for action in one.actions)
                found.setdefault(actions, {}).setdefault(each.name, f"its own policy for {version}")
    return found


@functools.cache
def _actions_of(name: str, version: str) -> frozenset[str]:
    return frozenset(action for one in add_on(name).versions[version].statements for action in one.actions)


def _actions(statements: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(action) for each in statements for action in items_of(each.get("Action", EVERYTHING))}


def _statements(of_document: Document) -> list[Mapping[str, Any]]:
    """Return the statements that give something."""
    parsed = json.loads(of_document) if isinstance(of_document, str) else of_document
    statements = (each for each in items_of(parsed.get("Statement", ())) if isinstance(each, Mapping))
    return [each for each in statements if each.get("Effect") == "Allow"]


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value.values() if isinstance(each, Mapping)] if isinstance(value, Mapping) else []


# --- in its place ----------------------------------------------------------------------------------------------------


def in_place(each: AddOn, documents: Iterable[Document]) -> dict[str, Any]:
    """Return the parameters with which an add-on's newest version is like documents, as far as these say so."""
    statements = [statement for one in documents for statement in _statements(one)]
    known, actions = each.versions[each.newest].statements, _actions(statements)
    _, lists = values_in(each, each.newest, statements, lambda one, other: bool(one & other))
    found: dict[str, Any] = {name: those for name, those in lists.items() if name in each.parameters}
    for name in each.parameters.keys() & SWITCHES.keys():
        with_it, others = (
            {action for one in known if (name in one.only_with) is own for action in one.actions}
            for own in (True, False)
        )
        found |= {name: True} if (with_it - others) & actions else {}
    return {name: found[name] for name in each.parameters if name in found and name != CLUSTER_NAMES}
