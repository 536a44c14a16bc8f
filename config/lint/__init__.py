"""Lint rules: what is legal in a stack file, but likely an error. `RULES` is the registry."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from config.lint import actions, add_ons, managed_policies, permissions, settings, trust
from config.lint.checked import CheckedStack, Danger, Policies, Warnings, statements
from config.located_mistake import LocatedMistake
from config.models import Lint
from irsa.evaluation.unlimited import POWER_OF_POLICY
from irsa.rules.mistakes import Mistake, nearest, shortened


class LintRule(NamedTuple):
    """A registered rule."""

    description: str
    """When it warns."""
    scope: Literal["statement", "policies", "binding", "stack"]
    """Whether it runs for each statement, for all policy documents of a binding together, for each binding, or once."""
    warnings: Callable[..., Warnings]
    """Yields its warnings, each with its place in the settings, in the statement, or in the policies.

    Takes the Statement, the Policies, the CheckedBinding or the CheckedStack.
    """
    danger: str = ""
    """Which of its warnings `irsa check` fails by, in words; none by default."""


def lint(checked: CheckedStack) -> list[LocatedMistake]:
    """Return the warnings of all rules."""
    warnings: list[LocatedMistake] = []
    judged: dict[str, list[LocatedMistake]] = {}
    judged_together: dict[tuple[str, ...], list[LocatedMistake]] = {}
    scopes = ("statement", "policies", "binding", "stack")
    of_scope = {scope: [each for each in RULES.items() if each[1].scope == scope] for scope in scopes}
    for binding in checked.bindings.values():
        for name, rule in of_scope["binding"]:
            warnings += [LocatedMistake(*found, rule=name) for found in rule.warnings(binding)]
        contents: list[str] = []
        documents = [*binding.documents]
        # A session policy gives nothing, so that it is not judged together with them.
        for source, document, written in [*documents, *binding.session_policies]:
            # Thousands of bindings may have one document.
            content = repr((document, written))
            contents.append(content)
            if content not in judged:
                judged[content] = [
                    LocatedMistake((*part, *inner), mistake, rule=name)
                    for part, statement in statements(document, written)
                    for name, rule in of_scope["statement"]
                    for inner, mistake in rule.warnings(statement)
                ]
            warnings += [each._replace(place=(*source, "document", *each.place)) for each in judged[content]]
        together = tuple(contents)
        if together not in judged_together:
            policies = Policies([(document, written) for _, document, written in documents])
            judged_together[together] = [
                LocatedMistake(*found, rule=name)
                for name, rule in of_scope["policies"]
                for found in rule.warnings(policies)
            ]
        for each in judged_together[together]:
            index, *place = each.place
            warnings.append(each._replace(place=(*documents[int(index)][0], "document", *place)))
    for name, rule in of_scope["stack"]:
        warnings += [LocatedMistake(*found, rule=name) for found in rule.warnings(checked)]
    return warnings


def silence_reason(warning: LocatedMistake, settings: Lint) -> str | None:
    """Return the reason why a warning is silenced; None where it is not."""
    silence = settings.silence.get(warning.rule)
    if silence is None:
        return None
    of_binding = warning.place[1] if warning.place[0] == "bindings" else None
    # For whom it is meant may not be known: then it is meant for nobody.
    is_meant = isinstance(silence.bindings, list) and (not silence.bindings or of_binding in silence.bindings)
    return silence.reason if is_meant and isinstance(silence.reason, str) else None


def fails(warning: LocatedMistake) -> bool:
    """Return whether `irsa check` fails by a warning that is not silenced."""
    return isinstance(warning.mistake, Danger)


def check_rule_name(name: str) -> str:
    """Return the name of a rule.

    Raises:
        Mistake: There is no such rule.
    """
    if name in RULES:
        return name
    raise Mistake(shortened(name), ", ".join(RULES), nearest(name, RULES, "name one of these"))


RULES: Mapping[str, LintRule] = {
    "wide-trust": LintRule(
        "a role trusts a whole namespace or more, anybody, or any customer of an identity provider",
        "binding",
        trust.wide_trust,
        danger="a whole cluster or more",
    ),
    "pod-identity-trust": LintRule(
        "a subject with wildcards, a condition on the network or a session policy holds for one of both ways alone",
        "binding",
        trust.pod_identity_trust,
    ),
    "refused-subject": LintRule("a role's own trust policy refuses a subject", "binding", trust.refused_subject),
    "write-everything": LintRule(
        "write actions are allowed on every resource, or on every one of a type",
        "policies",
        permissions.write_everything,
        danger="always",
    ),
    "pass-any-role": LintRule(
        "iam:PassRole is allowed on every role", "policies", permissions.pass_any_role, danger="always"
    ),
    "administrator-access": LintRule(
        f"a role has {', '.join(POWER_OF_POLICY)}".replace(", IAM", " or IAM"),
        "binding",
        permissions.administrator_access,
        danger="always",
    ),
    "grants-nothing": LintRule("a role has no permissions", "binding", permissions.grants_nothing),
    "default-service-account": LintRule(
        "a role trusts the service account that Pods have by default", "binding", trust.default_service_account
    ),
    "kube-system-wildcard": LintRule(
        "a role for kube-system trusts subjects with wildcards", "binding", trust.kube_system_wildcard
    ),
    "near-limit": LintRule("more than 80% of a quota is used", "binding", settings.near_limit),
    "split-policy": LintRule("a policy is split over several, since it is too long", "binding", settings.split_policy),
    "unknown-action": LintRule("an action does not exist, so it allows nothing", "statement", actions.unknown_action),
    "wrong-resource": LintRule(
        "an action applies to none of its resources, so it allows nothing", "statement", actions.wrong_resource
    ),
    "attached-twice": LintRule("a role has the same policy twice", "binding", permissions.attached_twice),
    "add-on-version": LintRule(
        "an add-on has no version, so that a newer irsa may change its policy", "binding", add_ons.add_on_version
    ),
    "add-on-policy": LintRule(
        "a policy for an add-on, written by hand, lacks an action that it needs, or gives one that it never needed",
        "binding",
        add_ons.add_on_policy,
    ),
    "unknown-managed-policy": LintRule(
        "an AWS managed policy does not exist", "binding", managed_policies.unknown_managed_policy
    ),
    "replaced-managed-policy": LintRule(
        "a newer AWS managed policy replaces one", "binding", managed_policies.replaced_managed_policy
    ),
    "session-tag-policy": LintRule(
        "a managed policy of AWS compares with a tag of the session, which IRSA does not send",
        "binding",
        managed_policies.session_tag_policy,
    ),
    "unused-setting": LintRule(
        "a default, a variable or a guard's namespace is not used", "stack", settings.unused_setting
    ),
    "wide-guard": LintRule(
        "more than one role or user may avoid a guard, or who may edit ConfigMaps in a guarded namespace",
        "stack",
        settings.wide_guard,
    ),
}
