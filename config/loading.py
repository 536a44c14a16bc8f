"""The settings of a stack file from its values, or all mistakes in them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.argument_places import spelled
from config.between_keys import mistakes_between_keys
from config.cluster_variable import cluster_variable_mistakes
from config.defaults import with_defaults
from config.divided_policies import divided_policy_mistakes
from config.lint import lint, silence_reason
from config.lint.checked import CheckedStack
from config.located_mistake import LocatedMistake
from config.models import Stack
from config.policy_sources import PolicySources
from config.pydantic_errors import mistakes_of
from config.quota_use import quota_usages
from config.trust_policies import judged_trusts
from config.variable_keys import values_with_variables
from config.variables import SECRET, CheckVariables, Secret, check_variables, references
from irsa.rules.mistakes import Mistake, Place, named, path_of
from irsa.rules.tags import role_tags_mistakes


class StackFileError(Exception):
    """All mistakes of a stack file."""

    def __init__(self, mistakes: list[LocatedMistake], file: str | None = None) -> None:
        self.mistakes = mistakes
        where = named(file) if file else "the settings of the stack"
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''} in {where}"
        super().__init__("\n".join([count, *(f"  {mistake}" for mistake in mistakes)]))


@dataclass(frozen=True)
class Examination:
    """The result of checking the settings of a stack.

    Attributes:
        stack: The settings with `irsa:defaults` merged into the bindings; None where there are mistakes or secrets.
        mistakes: What must be fixed before a deployment.
        warnings: The warnings of the lint rules.
        silenced: The warnings that the file silences, with the reason.
        not_checked: What could not be checked, for messages.
    """

    stack: Stack | None
    mistakes: list[LocatedMistake]
    warnings: list[LocatedMistake] = field(default_factory=list)
    silenced: list[tuple[LocatedMistake, str]] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)


def load(values: Mapping[str, Any], folder: Path, region: str | None = None) -> Stack:
    """Return the settings, with `irsa:defaults` merged into the bindings.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.
        region: The stack's `aws:region`.

    Raises:
        StackFileError: All mistakes, those in policy files included; nothing was deployed or looked up.
    """
    examination = examine(values, folder, region)
    if examination.stack is None:
        raise StackFileError(examination.mistakes)
    return examination.stack


def examine(values: Mapping[str, Any], folder: Path, region: str | None = None, thorough: bool = False) -> Examination:
    """Return the result of checking the settings against every rule that needs no look-up.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.
        region: The stack's `aws:region`.
        thorough: Whether slow lint rules run too.
    """
    variables = check_variables(values, region)
    sources = PolicySources(folder, variables)
    secrets, empty = dict.fromkeys(_places_of(values, Secret)), dict.fromkeys(_places_of(values, type(None)))
    mistakes = [LocatedMistake(place, EMPTY) for place in empty]
    mistakes += mistakes_between_keys(values)
    bindings = values.get("bindings")
    settings = {**values, "bindings": sources.with_documents(bindings)} if isinstance(bindings, dict) else dict(values)
    mistakes += sources.mistakes
    mistakes += cluster_variable_mistakes(settings, sources)
    stack, wrong = _validated(settings, variables)
    mistakes += [mistake for mistake in wrong if mistake.place not in empty]
    mistakes = [mistake for mistake in mistakes if not _is_within(mistake.place, secrets)]
    not_checked = [f"irsa:{path_of(place)}: a secret" for place in secrets]
    not_checked += [f"irsa:{path_of(place)}: it contains a secret variable" for place in sources.not_checked]
    usable = stack
    if mistakes or secrets or sources.remainders or sources.unusable_bindings:
        usable = _usable_part(settings, mistakes, secrets, sources, variables)
    warnings: list[LocatedMistake] = []
    if usable:
        usable = with_defaults(usable)
        whole = _without_bindings(usable, {str(source[1]) for source in sources.remainders})
        usages, over_quota = quota_usages(whole, sources, variables)
        mistakes += [*over_quota, *_mistakes_in_tags(whole, values), *divided_policy_mistakes(whole, sources)]
        trusts = judged_trusts(usable, sources, variables)
        complete = stack is not None and not mistakes
        used = set(_used_variables(settings["bindings"], values.get("defaults"))) if complete else set()
        checked = CheckedStack(usable, values, complete, used, sources, variables, usages, trusts)
        warnings, missing = lint(checked, thorough)
        not_checked += missing
    remaining: list[LocatedMistake] = []
    silenced: list[tuple[LocatedMistake, str]] = []
    for warning in warnings:
        reason = silence_reason(warning, usable) if usable else None
        if reason:
            silenced.append((warning, reason))
        else:
            (mistakes if usable and warning.rule in usable.lint.errors else remaining).append(warning)
    without_mistakes = with_defaults(stack) if stack and not mistakes else None
    return Examination(
        without_mistakes, _each_once(map(_spelled, mistakes)), list(map(_spelled, remaining)), silenced, not_checked
    )


def _mistakes_in_tags(stack: Stack, values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield what is wrong between the tags of a role and those of the defaults, which are merged into them."""
    for key, binding in stack.bindings.items():
        role = values["bindings"][key].get("role")
        tags = role.get("tags") if isinstance(role, dict) else None
        # Instead of a mapping there may be a secret, which the engine alone can read.
        own = tags if isinstance(tags, dict) else ()
        for part, mistake in role_tags_mistakes(binding.role.tags):
            place: Place = ("bindings", key, "role") if part[0] in own else ("defaults",)
            yield LocatedMistake((*place, "tags", *part), mistake)


EMPTY = Mistake("an empty value", "a value", "write a value, or remove the key")


def _used_variables(bindings: Mapping[str, Any], defaults: Mapping[str, Any] | None) -> Iterator[str]:
    for binding in bindings.values():
        yield from references([value for _, value in values_with_variables(binding)])
    yield from references((defaults or {}).get("permissionsBoundary"))


def _validated(values: Mapping[str, Any], variables: CheckVariables) -> tuple[Stack | None, list[LocatedMistake]]:
    try:
        return Stack.model_validate(values, context=variables), []
    except ValidationError as error:
        return None, list(mistakes_of(error.errors()))


def _usable_part(
    settings: Mapping[str, Any],
    mistakes: list[LocatedMistake],
    secrets: Collection[Place],
    sources: PolicySources,
    variables: CheckVariables,
) -> Stack | None:
    """Return the settings and bindings without mistakes or secrets, for the rules that can still check them.

    A mistake in a policy's document leaves the binding, with what is right of the document.
    """
    in_documents = {(*source, name) for source in sources.remainders for name in ("document", "file")}
    elsewhere = [mistake for mistake in mistakes if not _is_within(mistake.place, in_documents)]
    bindings = settings.get("bindings")
    linted = {"bindings": sources.with_remainders(bindings)} if isinstance(bindings, dict) else {}
    usable = _without_mistakes(_without_secrets({**settings, **linted}), elsewhere, sources.unusable_bindings)
    stack, wrong = _validated(usable, variables)
    # Without its secrets, a setting may lack a required value.
    with_secret = {place[:2] for place in secrets}
    wrong += [mistake for mistake in mistakes_between_keys(usable) if mistake.place[:2] in with_secret]
    return _validated(_without_mistakes(usable, wrong, ()), variables)[0] if wrong else stack


def _without_bindings(stack: Stack, keys: Collection[str]) -> Stack:
    bindings = {key: binding for key, binding in stack.bindings.items() if key not in keys}
    return stack.model_copy(update={"bindings": bindings}) if keys else stack


def _without_mistakes(
    settings: Mapping[str, Any], mistakes: Iterable[LocatedMistake], unusable: Collection[str]
) -> dict[str, Any]:
    wrong = {mistake.place[:2] if mistake.place[:1] == ("bindings",) else mistake.place[:1] for mistake in mistakes}
    bindings = settings.get("bindings")
    return {
        **{name: value for name, value in settings.items() if (name,) not in wrong and name in SETTINGS},
        "bindings": {
            key: binding
            for key, binding in (bindings if isinstance(bindings, dict) else {}).items()
            if ("bindings", key) not in wrong and key not in unusable
        },
    }


SETTINGS = {field.alias for field in Stack.__pydantic_fields__.values()}


def _without_secrets(value: Any) -> Any:
    """Return a value without keys whose value is a secret; a list that contains one becomes SECRET."""
    if isinstance(value, dict):
        readable = {key: _without_secrets(item) for key, item in value.items()}
        return {key: item for key, item in readable.items() if item is not SECRET}
    if isinstance(value, list):
        items = list(map(_without_secrets, value))
        return SECRET if SECRET in items else items
    return value


def _places_of(value: Any, kind: type, place: Place = ()) -> Iterator[Place]:
    if isinstance(value, kind):
        yield place
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, kind | dict | list):
                yield from _places_of(item, kind, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, kind | dict | list):
                yield from _places_of(item, kind, (*place, index))


def _is_within(place: Place, outer: Collection[Place]) -> bool:
    return bool(outer) and any(place[:length] in outer for length in range(len(place) + 1))


def _spelled(mistake: LocatedMistake) -> LocatedMistake:
    return mistake._replace(mistake=mistake.mistake.spelled(spelled))


def _each_once(mistakes: Iterable[LocatedMistake]) -> list[LocatedMistake]:
    """Return the mistakes without duplicates: the same text at the same place."""
    seen: dict[tuple[Any, ...], LocatedMistake] = {}
    for mistake in mistakes:
        seen.setdefault((mistake.place, mistake.file, mistake.within, mistake.mistake.found), mistake)
    return list(seen.values())
