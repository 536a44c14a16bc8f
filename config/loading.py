"""The settings of a stack, from the values of its stack file: typed, with a marker for what is wrong or not known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from config.argument_places import spelled
from config.between_keys import mistakes_between_keys
from config.defaults import with_defaults
from config.lint import RULES
from config.located_mistake import LocatedMistake
from config.models import Lint, Stack
from config.policy_sources import PolicySources
from config.pydantic_errors import mistakes_of, secret_mistake, step
from config.variables import BUILT_IN, partition_of, references
from irsa.keys.binding import is_model
from irsa.rules.leaves import leaves
from irsa.rules.mistakes import Mistake, Place, likely, path_of
from irsa.rules.unknown import SECRET, WRONG, Unknown, without_places

EMPTY = Mistake("an empty value", "a value", "write a value, or remove the key")


@dataclass(frozen=True)
class Settings:
    """The settings of a stack.

    Attributes:
        stack: The settings, with `irsa:defaults` merged into the bindings. For a mistake or a secret stands a marker
            (irsa.rules.unknown), whatever the type of the field is.
        written: The values as in the file, with the file of each policy read into its document.
        mistakes: What is wrong with single values, and between keys.
        not_checked: The secrets, for messages.
    """

    stack: Stack
    written: Mapping[str, Any]
    mistakes: list[LocatedMistake]
    not_checked: list[str]
    sources: PolicySources

    def placed(self, mistakes: Iterable[LocatedMistake]) -> list[LocatedMistake]:
        """Return mistakes with their places in this stack's files, in its words, and each once."""
        found: dict[tuple[Any, ...], LocatedMistake] = {}
        for mistake in mistakes:
            each = self.sources.in_file(mistake._replace(place=self._where_written(mistake.place)))
            each = each._replace(mistake=each.mistake.spelled(spelled))
            # A mistake in a file is the same for all its bindings; a warning may be silenced for one of them.
            of_file = each.within and each.rule not in RULES
            where = (each.file, each.within) if of_file else (each.place, each.file, each.within)
            found.setdefault((*where, each.rule, each.mistake.found), each)
        return list(found.values())

    def _where_written(self, place: Place) -> Place:
        """Return the place of a setting of a binding, which may come from `irsa:defaults`."""
        value: Any = self.written
        for index, key in enumerate(place):
            if not isinstance(value, Mapping) or key not in value:
                defaults = self.written.get("defaults")
                known = defaults if place[:1] == ("bindings",) and isinstance(defaults, Mapping) else {}
                # `tags` of the defaults are merged one by one into those of a binding, which may have no `role`.
                first = index - 1 if place[index - 1 : index] == ("tags",) else index
                names = (at for at in range(first, min(index + 2, len(place))) if place[at] in known)
                return next((("defaults", *place[at:]) for at in names), place)
            value = value[key]
        return place


def read_settings(values: Mapping[str, Any], folder: Path, region: str | None = None) -> Settings:
    """Return the settings of a stack.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.
        region: The stack's `aws:region`.
    """
    values = _with_long_guards(values)
    sources, bindings = PolicySources(folder), values.get("bindings")
    written = {**values, "bindings": sources.with_documents(bindings)} if isinstance(bindings, dict) else dict(values)
    all_leaves = leaves(values)
    empty = [place for place, leaf in all_leaves if leaf is None]
    marked = without_places(written, empty)
    mistakes = [LocatedMistake(place, EMPTY) for place in empty]
    mistakes += [*mistakes_between_keys(without_places(dict(values), empty)), *sources.mistakes]
    wrong = [mistake.place for mistake in mistakes if not isinstance(_at(marked, mistake.place), dict | list)]
    try:
        stack = Stack.model_validate(marked, context=partition_of(region) if region else None)
        if wrong:
            stack = _constructed(Stack, without_places(marked, wrong))
    except ValidationError as error:
        errors = error.errors()
        mistakes += [each for each in mistakes_of(errors) if not isinstance(_at(marked, each.place), Unknown)]
        # The value of a wrong key is judged as that of any other.
        of_values = mistakes_of(each for each in errors if each["loc"][-1:] != ("[key]",))
        wrong += [each.place for each in of_values if not isinstance(_at(marked, each.place), Unknown)]
        marked = without_places(marked, wrong)
        if isinstance(marked.get("variables"), Unknown):
            marked = {**marked, "variables": dict.fromkeys({*references(written)} - BUILT_IN.keys(), WRONG)}
        stack = _constructed(Stack, marked)
    secrets = [place for place, leaf in all_leaves if leaf is SECRET]
    refused = {place: mistake for place in secrets if (mistake := secret_mistake(place))}
    mistakes += [LocatedMistake(*each) for each in refused.items()]
    not_checked = [f"irsa:{path_of(place)}: a secret" for place in secrets if place not in refused]
    return Settings(with_defaults(stack), written, mistakes, not_checked, sources)


def _with_long_guards(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with a mapping for each guard that is one word."""

    def long(settings: Any) -> Any:
        word = settings.get("guard") if isinstance(settings, dict) else None
        return {**settings, "guard": {"mode": word}} if isinstance(word, str) else settings

    clusters = values.get("clusters")
    several = {"clusters": {key: long(each) for key, each in clusters.items()}} if isinstance(clusters, dict) else {}
    one = {"cluster": long(values["cluster"])} if "cluster" in values else {}
    return {**long(dict(values)), **several, **one}


def _constructed(annotation: Any, value: Any) -> Any:
    """Return the value of a type, without validation: what is wrong in it is marked already."""
    if is_model(annotation):
        return _model(annotation, value) if isinstance(value, dict) else value
    item = step(annotation, 0)
    if isinstance(value, dict) and get_args(annotation):
        read = {key: _constructed(item, each) for key, each in value.items() if isinstance(key, str)}
        of_models = is_model(item)
        return {k: _unknown_setting(item) if of_models and isinstance(v, Unknown) else v for k, v in read.items()}
    return [_constructed(item, each) for each in value] if isinstance(value, list) else value


def _model(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    fields: dict[str, Any] = {}
    known = {field.alias or name for name, field in model.model_fields.items()}
    misspelled = [likely(key, known - values.keys()) for key in values.keys() - known]
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in values:
            fields[key] = _constructed(step(model, key), values[key])
        elif field.is_required() or key in misspelled:
            fields[key] = WRONG
        if model in (Stack, Lint) and isinstance(fields.get(key), Unknown):
            fields[key] = _unknown_setting(step(model, key))
    return model.model_construct(**fields)


def _unknown_setting(annotation: Any) -> Any:
    """Return a setting of the stack of which nothing is known: each of its keys is a marker."""
    if is_model(annotation):
        return _model(annotation, {field.alias or name: WRONG for name, field in annotation.model_fields.items()})
    return (get_origin(annotation) or (lambda: WRONG))()


def _at(value: Any, place: Place) -> Any:
    for key in place:
        inside = (isinstance(value, dict) and key in value) or (
            isinstance(value, list) and isinstance(key, int) and key < len(value)
        )
        if isinstance(value, Unknown):
            return value
        value = value[key] if inside else None
    return value
