"""The settings of a stack, from the values of its stack file: typed, with a marker for what is wrong or not known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irsa.keys.binding import is_model
from irsa.rules.leaves import leaves, mapping_of, part_at
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.unknown import SECRET, WRONG, Unknown, without_places
from irsa_config.argument_places import spelled
from irsa_config.between_keys import mistakes_between_keys
from irsa_config.defaults import limits_of, with_defaults
from irsa_config.key_types import type_at
from irsa_config.lint import RULES
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import Defaults
from irsa_config.policy_sources import PolicySources
from irsa_config.reading import read_top
from irsa_config.stack import Binding, Stack
from irsa_config.team_files import TeamBindings, read_team_bindings
from irsa_config.variables import BUILT_IN, references

NONE: frozenset[Place] = frozenset()
NO_BOUNDARY = Mistake(
    "a team without a permissions boundary: a document could give what policyArns does not",
    "permissionsBoundary here or in irsa:defaults",
    "add it",
)
NO_SECRET = Mistake(
    "a secret, with which irsa compares no limit",
    "plain text",
    "write it; a binding with secrets stays in the stack file",
)
EMPTY = Mistake("an empty value", "a value", "write a value, or remove the key")

NO_BLANK = Mistake(
    "a colon within a key that has no value", "a blank after the colon of a key", "write a blank after the colon"
)


@dataclass(frozen=True)
class LoadedSettings:
    """The settings of a stack.

    Attributes:
        stack: The settings, with `irsa:defaults` merged into the bindings.
        written: The values as in the file, with the file of each policy read into its document.
        mistakes: What is wrong with single values, and between keys; what is read of a binding is not judged yet.
        secrets: The places of secrets.
    """

    stack: Stack
    written: Mapping[str, Any]
    mistakes: list[LocatedMistake]
    secrets: list[Place]
    sources: PolicySources
    of_teams: TeamBindings

    def placed(self, mistakes: Iterable[LocatedMistake]) -> list[LocatedMistake]:
        """Return mistakes with their places in this stack's files, in its words, and each once."""
        found: dict[tuple[Any, ...], LocatedMistake] = {}
        for mistake in mistakes:
            each = self.sources.in_file(mistake._replace(place=self._where_written(mistake.place)))
            each = self.of_teams.in_file(each)._replace(mistake=each.mistake.spelled(spelled))
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
                team: Place = ("teams", self.of_teams.teams.get(str(place[1]), ""), "role") if place[1:] else ()
                of_team = mapping_of(part_at(self.written, team))
                if place[:1] == ("bindings",) and key in of_team:
                    return (*team, *place[index:])
                # `tags` of the defaults are merged one by one into those of a binding, which may have no `role`.
                first = index - 1 if place[index - 1 : index] == ("tags",) else index
                names = (at for at in range(first, min(index + 2, len(place))) if place[at] in known)
                return next((("defaults", *place[at:]) for at in names), place)
            value = value[key]
        return place


def read_settings(values: Mapping[str, Any], folder: Path, secret_variables: Iterable[str] = ()) -> LoadedSettings:
    """Return the settings of a stack.

    Args:
        values: The `irsa:` values of a stack, without that prefix.
        folder: The folder of Pulumi.yaml, to which file paths are relative.
        secret_variables: Names of variables that are secret, besides those whose values are not known.
    """
    of_teams = read_team_bindings(values, folder)
    if values.get("teams") is not None:
        own = values.get("bindings", {})
        # In one order, wherever a binding stands.
        every = dict(sorted({**of_teams.bindings, **own}.items())) if isinstance(own, dict) else own
        values = {**values, "bindings": every}
    folders = {key: file.path.parent for key, file in of_teams.files.items()}
    sources, bindings = PolicySources(folder, folders), values.get("bindings")
    written = {**values, "bindings": sources.with_documents(bindings)} if isinstance(bindings, dict) else dict(values)
    all_leaves = leaves(values)
    empty = [place for place, leaf in all_leaves if leaf is None]
    mistakes = [LocatedMistake(place, NO_BLANK if ":" in str(place[-1]) else EMPTY) for place in empty]
    mistakes += [*mistakes_between_keys(without_places(dict(values), empty)), *sources.mistakes, *of_teams.mistakes]
    # What should contain keys is read anyway: what is between keys does not say that it has none.
    between = (each.place for each in mistakes if not is_model(type_at(each.place)))
    judged = {*empty, *(place for place in between if not isinstance(part_at(written, place), dict | list))}
    read, of_values = read_top(without_places(written, judged))
    mistakes += [LocatedMistake(*each) for each in of_values if each[0] not in judged]
    secrets = [place for place, leaf in all_leaves if leaf is SECRET]
    of_a_team = {("bindings", key) for key in of_teams.teams}
    mistakes += [LocatedMistake(each, NO_SECRET) for each in secrets if each[0] == "teams" or each[:2] in of_a_team]
    if isinstance(read.get("variables"), Unknown):
        read["variables"] = dict.fromkeys({*references(written)} - BUILT_IN.keys(), WRONG)
    whole = written.get("variables") is SECRET
    secret = {name for name, value in read.get("variables", {}).items() if whole or value is SECRET}
    read["secret_variables"] = {*secret_variables} | secret
    reported: dict[str, set[Place]] = {}
    for place in judged:
        if place[:1] == ("bindings",) and place[1:]:
            reported.setdefault(str(place[1]), set()).add(place[2:])
    defaults, trees = read.pop("defaults", Defaults.model_construct()), read.pop("bindings", {})
    limits = {name: limits_of(name, team, defaults) for name, team in read.pop("teams", {}).items()}
    without = [name for name, each in limits.items() if each.defaults.permissions_boundary is None]
    mistakes += [LocatedMistake(("teams", name, "role"), NO_BOUNDARY) for name in without]
    read["bindings"] = {}
    for key, tree in trees.items():
        team = limits.get(of_teams.teams.get(key, ""))
        merged = with_defaults(tree, defaults, team) if isinstance(tree, dict) else tree
        read["bindings"][key] = Binding(key, merged, tree, reported.get(key, NONE), team)
    return LoadedSettings(Stack(**read), written, mistakes, secrets, sources, of_teams)
