"""What is legal in a stack file and yet worth a look."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from config.actions import are_known, matching, nearest_action, writes_anywhere
from config.documents import Documents
from config.lint_rules import LintRule
from config.models import Binding, Stack
from config.places import LocatedMistake, Place
from config.variables import Unseen, references
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake
from irsa.rules.trust import minified


class Surroundings(NamedTuple):
    """What the rules look at besides a binding."""

    stack: Stack
    documents: Documents
    variables: Mapping[str, str]


Rule = Callable[[str, Binding, Surroundings], Iterator[LocatedMistake]]


def lint(
    stack: Stack, documents: Documents, variables: Mapping[str, str], check_actions: bool
) -> Iterator[LocatedMistake]:
    """Give what the rules on bindings find.

    Args:
        stack: The stack with its defaults in the bindings, all of them without mistakes.
        documents: Its documents.
        variables: Their variables.
        check_actions: Whether actions are looked up, which takes a moment.
    """
    surroundings = Surroundings(stack, documents, variables)
    rules = (*RULES, _unknown_action) if check_actions and are_known() else RULES
    for key, binding in stack.bindings.items():
        for rule in rules:
            yield from rule(key, binding, surroundings)


def silenced_reason(warning: LocatedMistake, stack: Stack) -> str | None:
    """Give the reason for which a warning is silent, or nothing."""
    silences = {str(rule): silence for rule, silence in stack.lint.silence.items()}
    silence = silences.get(warning.rule)
    if silence is None:
        return None
    in_all = not silence.bindings
    return (
        silence.reason if in_all or (warning.place[0] == "bindings" and warning.place[1] in silence.bindings) else None
    )


def _warning(rule: LintRule, place: Place, found: str, allowed: str, fix: str) -> LocatedMistake:
    return LocatedMistake(place, Mistake(found, allowed, fix), rule=rule)


def _wide_trust(key: str, binding: Binding, _surroundings: Surroundings) -> Iterator[LocatedMistake]:
    place: Place = ("bindings", key, "trust")
    for index, subject in enumerate(binding.trust.subjects):
        namespace, _, name = subject.partition(":")
        several = {"*", "?"} & set(namespace)
        if several or not name.strip("*"):
            found = f"{subject!r} trusts all service accounts of {'several namespaces' if several else namespace}"
            if several and name.strip("*"):
                found = f"{subject!r} trusts service accounts of several namespaces"
            fix = "name the accounts, or silence the rule with the reason"
            yield _warning("wide-trust", (*place, "subjects", index), found, "best only those that need the role", fix)
    for index, statement in enumerate(binding.trust.statements):
        principal = statement.get("Principal")
        anybody = principal == "*" or (isinstance(principal, dict) and "*" in _several(principal.get("AWS")))
        if anybody and statement.get("Effect") == "Allow" and not statement.get("Condition"):
            fix = "name the principal, or add a Condition"
            yield _warning(
                "wide-trust", (*place, "statements", index), "everybody may assume the role", "named principals", fix
            )


def _write_everything(key: str, binding: Binding, surroundings: Surroundings) -> Iterator[LocatedMistake]:
    for source, part, statement in _statements(key, binding, surroundings):
        if statement.get("Effect") != "Allow" or statement.get("Condition"):
            continue
        if "*" not in _several(statement.get("Resource")):
            continue
        writing = [action for action in _several(statement.get("Action")) if writes_anywhere(action)]
        writing += ["all but NotAction"] if "NotAction" in statement else []
        if writing:
            shown = ", ".join(writing[:3]) + (", ..." if writing[3:] else "")
            mistake = Mistake(
                f'{shown} on every resource ("*") of the account',
                "best the resources that the role is for",
                "name them in Resource, such as arn:${partition}:s3:::my-bucket/*, or silence the rule with the reason",
            )
            yield surroundings.documents.locate(source, (*part, "Resource"), mistake, "write-everything")


def _unknown_action(key: str, binding: Binding, surroundings: Surroundings) -> Iterator[LocatedMistake]:
    for source, part, statement in _statements(key, binding, surroundings):
        for element in ("Action", "NotAction"):
            value = statement.get(element)
            for index, action in enumerate(_several(value)):
                if action == "*" or matching(action):
                    continue
                near = nearest_action(action)
                fix = f"did you mean {near}?" if near else "see the service's list of actions"
                mistake = Mistake(f"{action!r} is no action that AWS lists", "actions of the service reference", fix)
                inner: Place = (*part, element, index) if isinstance(value, list) else (*part, element)
                yield surroundings.documents.locate(source, inner, mistake, "unknown-action")


def _attached_twice(key: str, binding: Binding, surroundings: Surroundings) -> Iterator[LocatedMistake]:
    place: Place = ("bindings", key)
    seen: dict[str, int] = {}
    policy = binding.policy
    for index, arn in enumerate(surroundings.documents.filled(binding.policy_arns)):
        here = (*place, "policyArns", index)
        if seen.setdefault(arn, index) != index:
            found = f"{arn} is also policyArns[{seen[arn]}]"
            yield _warning("attached-twice", here, found, "each policy once", "remove one of them")
        names = references(binding.policy_arns[index])
        if any(isinstance(surroundings.variables[name], Unseen) for name in names):
            continue
        parsed = parse_iam_arn(arn, "policy")
        own = f"{policy.path or '/'}{policy.name}".lstrip("/") if policy and policy.name else None
        if parsed.resource == own and parsed.account == surroundings.variables["account"]:
            found = f"{arn} is the policy that this binding makes, and attaches"
            yield _warning("attached-twice", here, found, "each policy once", "remove it here")
    documents: dict[str, Place] = {}
    for source, document in _sources(key, binding):
        text = minified(surroundings.documents.filled(document))
        if documents.setdefault(text, source) != source:
            found = f"the document is also that of {'.'.join(map(str, documents[text][2:]))}"
            yield _warning("attached-twice", source, found, "each policy once", "remove one of them")


RULES: tuple[Rule, ...] = (_wide_trust, _write_everything, _attached_twice)


def unused_settings(values: Mapping[str, Any], stack: Stack, used: Iterable[str]) -> Iterator[LocatedMistake]:
    """Give the defaults and variables that nothing uses.

    Args:
        values: The settings as they are in the file.
        stack: The stack of them.
        used: Names of the variables that documents and ARNs refer to.
    """
    names = set(used)
    for name in stack.variables:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            fix = f"remove it, or write ${{{name}}} where it is meant{f' instead of ${{{close[0]}}}' if close else ''}"
            found = f"no document and no ARN holds ${{{name}}}"
            yield _warning("unused-setting", ("variables", name), found, "a variable that is used", fix)
    bindings = [binding for binding in values["bindings"].values() if isinstance(binding, dict)]
    for name in values.get("defaults", {}):
        if not any(map(TAKES[name], bindings)):
            found = f"every binding has a {name} of its own, or nothing to use it for"
            yield _warning("unused-setting", ("defaults", name), found, "a default that is used", "remove it")


def _creates_role_without(setting: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda binding: "arn" not in binding.get("role", {}) and setting not in binding.get("role", {})


def _has_account_without(setting: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda binding: "serviceAccount" in binding and setting not in binding["serviceAccount"]


# Whether a binding, as it is in the file, takes a default.
TAKES: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "namespace": _has_account_without("namespace"),
    "audience": lambda binding: "audience" not in binding,
    "path": lambda binding: _creates_role_without("path")(binding) or "path" not in binding.get("policy", {"path": ""}),
    "permissionsBoundary": _creates_role_without("permissionsBoundary"),
    "tags": lambda binding: "arn" not in binding.get("role", {}),
    "maxSessionDuration": _creates_role_without("maxSessionDuration"),
    "stsRegionalEndpoints": _has_account_without("stsRegionalEndpoints"),
    "tokenExpiration": _has_account_without("tokenExpiration"),
    "retainNamespaces": lambda binding: bool(binding.get("serviceAccount", {}).get("createNamespace")),
}


def _sources(key: str, binding: Binding) -> Iterator[tuple[Place, Any]]:
    place: Place = ("bindings", key)
    if binding.policy and binding.policy.document:
        yield (*place, "policy"), binding.policy.document
    for name, source in binding.inline_policies.items():
        if source.document:
            yield (*place, "inlinePolicies", name), source.document


def _statements(
    key: str, binding: Binding, surroundings: Surroundings
) -> Iterator[tuple[Place, Place, Mapping[str, Any]]]:
    """Give each statement of a binding's policies: the policy's place, its place in that, and itself."""
    for source, document in _sources(key, binding):
        statements = surroundings.documents.filled(document).get("Statement")
        if isinstance(statements, dict):
            yield source, ("Statement",), statements
        for index, statement in enumerate(statements if isinstance(statements, list) else ()):
            yield source, ("Statement", index), statement


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
