"""All that can be said of a stack's settings without AWS or Kubernetes: the plan, and then lint."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irsa.rules.leaves import leaves, list_of
from irsa.rules.mistakes import path_of
from irsa.rules.unknown import SECRET
from irsa_config.lint import lint, silence_reason
from irsa_config.lint.checked import CheckedBinding, CheckedStack
from irsa_config.loading import LoadedSettings, read_settings
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Stack
from irsa_config.variables import references
from irsa_program.lookups.values import unanswered
from irsa_program.plan import plan


@dataclass(frozen=True)
class Examination:
    """The result of checking the settings of a stack.

    Attributes:
        stack: The settings with `irsa:defaults` merged into the bindings; None where there are mistakes or secrets.
        settings: The same with markers, and what places mistakes in the stack's files.
        bindings: What each binding declares, by its key.
        mistakes: What must be fixed before a deployment.
        warnings: The warnings of the lint rules, those included by which `irsa check` fails and `pulumi up` does not.
        silenced: The warnings that the file silences, with the reason.
        not_checked: What could not be checked, for messages.
        not_compared: What cannot be compared with the limits of teams before AWS is asked.
    """

    stack: Stack | None
    settings: LoadedSettings
    bindings: Mapping[str, CheckedBinding]
    mistakes: list[LocatedMistake]
    warnings: list[LocatedMistake] = field(default_factory=list)
    silenced: list[tuple[LocatedMistake, str]] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    not_compared: list[LocatedMistake] = field(default_factory=list)


def examine(
    values: Mapping[str, Any],
    folder: Path,
    region: str | None = None,
    allowed: Any = None,
    secrets: Iterable[str] = (),
) -> Examination:
    """Return the result of checking the settings against every rule that needs no look-up.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.
        region: The stack's `aws:region`.
        allowed: The stack's `aws:allowedAccountIds`, of whatever shape.
        secrets: Names of variables that are secret, besides those whose values are not known.
    """
    settings = read_settings(values, folder, secrets)
    stack = settings.stack
    planned = plan(stack, unanswered(stack, region, allowed))
    mistakes = settings.placed([*settings.mistakes, *planned.mistakes])
    # Of a secret that is refused where it is, all is said.
    refused = {each.place for each in (*settings.mistakes, *planned.mistakes)}
    secrets = [f"irsa:{path_of(place)}: a secret" for place in settings.secrets if place not in refused]
    warnings = lint(CheckedStack(stack, planned.bindings, complete=not (mistakes or secrets)))
    remaining: list[LocatedMistake] = []
    silenced: list[tuple[LocatedMistake, str]] = []
    for warning in settings.placed(warnings):
        reason = silence_reason(warning, stack.lint, settings.of_teams.teams)
        if reason:
            silenced.append((warning, reason))
        else:
            (mistakes if warning.rule in list_of(stack.lint.errors) else remaining).append(warning)
    not_checked = [*secrets, *_secret_variables(stack, planned.bindings)]
    good = None if mistakes or secrets else stack
    # Beside what is wrong with a binding anyway, it says nothing.
    wrong = {place[:2] for place in refused}
    not_compared = settings.placed(each for each in planned.not_compared if each.place[:2] not in wrong)
    return Examination(good, settings, planned.bindings, mistakes, remaining, silenced, not_checked, not_compared)


def _secret_variables(stack: Stack, bindings: Mapping[str, CheckedBinding]) -> Iterator[str]:
    """Yield the values that hold a secret variable, and so are not checked."""
    secret = {name for name, value in stack.variables.items() if value is SECRET}
    for key, binding in bindings.items() if secret else ():
        for place, value in binding.with_variables:
            for part, leaf in leaves(value):
                if secret.intersection(references(leaf)):
                    at = ("bindings", key, *place, *part)
                    yield f"irsa:{path_of(at)}: it contains a secret variable"
