"""The settings of a stack, from the values of its stack file: typed, with a marker for what is wrong or not known."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irsa.fields import MAPPING, READERS, Field, Group, Listed, Node, group_of, node_at, wrong_kind
from irsa.keys.binding import Keys, Mark, SharedKeys, is_model
from irsa.read import Arguments
from irsa.rules.leaves import leaves
from irsa.rules.mistakes import Mistake, Place, path_of
from irsa.rules.unknown import SECRET, WRONG, Unknown, without_places
from irsa_config.argument_places import Written, place_of, spelled
from irsa_config.between_keys import mistakes_between_keys
from irsa_config.defaults import with_defaults
from irsa_config.key_types import type_at
from irsa_config.lint import RULES
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import Defaults, Guard, StackKeys
from irsa_config.policy_sources import PolicySources
from irsa_config.stack import Binding, Stack
from irsa_config.variables import BUILT_IN, references

EMPTY = Mistake("an empty value", "a value", "write a value, or remove the key")
OF_A_STACK = group_of(StackKeys, in_stack_file=True)
UNKNOWN_BINDING = Binding(dict.fromkeys(SharedKeys.model_fields, WRONG), *[WRONG] * 5)  # type: ignore[arg-type]
POLICY_ARNS = node_at(("bindings", "", "policy_arns"), OF_A_STACK)
KINDS = {bool: "true or false", int: "an integer", list: "a list", dict: MAPPING}


@dataclass(frozen=True)
class Settings:
    """The settings of a stack.

    Attributes:
        stack: The settings, with `irsa:defaults` merged into the bindings.
        written: The values as in the file, with the file of each policy read into its document.
        mistakes: What is wrong with single values, and between keys; of a binding, what its component refuses is not
            among them.
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


@dataclass
class StackReader(Arguments):
    """Reads the values of a stack file; those of the component's arguments stay as they are written.

    Attributes:
        of_bindings: What only a stack file has of each binding.
    """

    group: Group = OF_A_STACK
    of_bindings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _name(self, key: Any, group: Group) -> str | None:
        return group.names.get(key) if isinstance(key, str) else None

    def _misspelled(self, values: dict[str, Any], unknown: Sequence[str], group: Group, place: Place) -> list[str]:
        names = super()._misspelled(values, unknown, group, place)
        values.update(dict.fromkeys(names, WRONG))
        return names

    def _unknown_step(self, key: Any) -> str:
        return Written(super()._unknown_step(key))

    def _binding(self, place: Place) -> Place:
        return place[:2] if place[:1] == ("bindings",) else ("bindings", "")

    def _advice_for(self, key: str, names: Sequence[str], place: Place) -> str:
        binding = node_at(("bindings", ""), OF_A_STACK)
        if not place and isinstance(binding, Group) and key in binding.names:
            return "move it to the binding that it is for, below irsa:bindings"
        return super()._advice_for(key, names, place)

    def _group(self, args: Any, group: Group, place: Place) -> Any:
        if args is SECRET and (mistake := _refused(args, group, place)):
            self.found.append((place, mistake))
        if group.model is Guard and isinstance(args, str):
            args = {"mode": args}
        values = super()._group(args, group, place)
        is_of_binding = place[:1] == ("bindings",)
        if values is None and is_of_binding:
            return WRONG
        values = dict.fromkeys(group.fields, WRONG) if values is None else values
        if is_of_binding:
            of_stack_file = [name for name in values if getattr(group.fields[name], "stack_file", False)]
            self.of_bindings.setdefault(str(place[1]), {}).update({name: values.pop(name) for name in of_stack_file})
            # `policyArns: []` beside an existing role, or `anyServiceAccount: false`, is as if it were not there.
            defaults = _defaults(group.model)
            declared = {name: values[name] for name in group.fields if name in values}
            return {name: each for name, each in declared.items() if (type(each), each) != defaults.get(name)}
        values = {name: self._setting(each, group.fields[name], (*place, name)) for name, each in values.items()}
        return group.model.model_construct(None, **values) if place else values

    def _setting(self, value: Any, node: Node, here: Place) -> Any:
        """Return a setting of the stack; of a mapping at the top of which nothing is known, each key is a marker."""
        if not isinstance(value, Unknown) or isinstance(node, Field):
            return value
        if not isinstance(node, Group):
            return {}
        return value if here[1:] else self._group(WRONG, node, here)

    def _argument(self, value: Any, node: Node, here: Place) -> Any:
        if not isinstance(node, Group) and (mistake := _refused(value, node, here)):
            self.found.append((here, mistake))
            return WRONG
        is_of_binding = here[0] == "bindings" and bool(here[2:])
        has_variables = isinstance(node, Field) and node.variables and isinstance(value, str) and "${" in value
        if isinstance(node, Field) and not node.stack_file and (is_of_binding or has_variables):
            # It is read as an argument of the component, when its variables are replaced.
            return value
        read = super()._argument(value, node, here)
        if isinstance(node, Field):
            # What is right of it.
            read = self.given[here]
        return WRONG if read is None else read


@functools.cache
def _defaults(model: type[Keys]) -> Mapping[str, tuple[type, Any]]:
    """Return the values of keys that are not there, each with its type: 1 is not true."""
    found = {
        name: each.get_default(call_default_factory=True)
        for name, each in model.model_fields.items()
        # An empty list that is refused is not as by default.
        if not any(getattr(mark, "min_length", 0) for mark in each.metadata)
    }
    return {name: (dict, {}) if isinstance(each, Keys) else (type(each), each) for name, each in found.items()}


def _refused(value: Any, node: Node, here: Place) -> Mistake | None:
    """Return the mistake in what the component would not find: a program may have JSON text, and no secret is known."""
    example = node.example if isinstance(node, Field) else [] if isinstance(node, Listed) else {}
    if value is SECRET and here[1:] and not isinstance(example, str):
        # The engine makes a string of each within a setting. A whole setting may be one: its text is read as JSON.
        found, fix = "a secret, which Pulumi passes as a string", "write it out; a string within it may be a secret"
        return Mistake(found, KINDS[type(example)], fix)
    if node is POLICY_ARNS and not isinstance(value, list | dict | Unknown):
        return wrong_kind(value, KINDS[list], example)
    is_document = isinstance(node, Field) and node.parse is READERS[Mark.DOCUMENT]
    return wrong_kind(value, MAPPING, example) if is_document and not isinstance(value, dict | Unknown) else None


def read_settings(values: Mapping[str, Any], folder: Path) -> Settings:
    """Return the settings of a stack.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.
    """
    sources, bindings = PolicySources(folder), values.get("bindings")
    written = {**values, "bindings": sources.with_documents(bindings)} if isinstance(bindings, dict) else dict(values)
    all_leaves = leaves(values)
    empty = [place for place, leaf in all_leaves if leaf is None]
    mistakes = [LocatedMistake(place, EMPTY) for place in empty]
    mistakes += [*mistakes_between_keys(without_places(dict(values), empty)), *sources.mistakes]
    # What should contain keys is read anyway: what is between keys does not say that it has none.
    between = (each.place for each in mistakes if not is_model(type_at(each.place)))
    judged = {*empty, *(place for place in between if not isinstance(_at(written, place), dict | list))}
    reader = StackReader("stack", lambda place: f"irsa:{path_of(place_of(place, OF_A_STACK))}")
    read = reader.read(without_places(written, judged))
    of_values = [LocatedMistake(place_of(place, OF_A_STACK), each) for place, each in reader.mistakes]
    mistakes += [each for each in of_values if each.place not in judged]
    refused = {each.place for each in of_values}
    secrets = (place for place, leaf in all_leaves if leaf is SECRET and place not in refused)
    not_checked = [f"irsa:{path_of(place)}: a secret" for place in secrets]
    if isinstance(read.get("variables"), Unknown):
        read["variables"] = dict.fromkeys({*references(written)} - BUILT_IN.keys(), WRONG)
    defaults, bindings = read.pop("defaults", Defaults.model_construct()), read.pop("bindings")
    read["bindings"] = {
        key: _binding(each, defaults, reader.of_bindings.get(key, {})) for key, each in bindings.items()
    }
    return Settings(Stack(**read), written, mistakes, not_checked, sources)


def _binding(args: Any, defaults: Defaults, others: Mapping[str, Any]) -> Binding:
    if isinstance(args, Unknown):
        return UNKNOWN_BINDING
    of_stack_file = {name: each for name, each in others.items() if name != "file"}
    return Binding(with_defaults(args, defaults), **of_stack_file, own=args)


def _at(value: Any, place: Place) -> Any:
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
