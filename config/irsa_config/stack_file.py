"""A stack file as the engine reads it, with the line of every value."""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from irsa.rules.mistakes import Located, Mistake, Place, named
from irsa.rules.policies import TOO_DEEP
from irsa_config.engine_files import PREFIX
from irsa_config.indentation import keys_to_indent
from irsa_config.key_types import keys_at
from irsa_config.located_mistake import LocatedMistake
from irsa_config.nodes import NodeReader, TooManyValuesError, composed, end_of, line_in, text_of
from irsa_config.project_file import project_folder
from irsa_config.provider_settings import PROVIDERS
from irsa_config.syntax import not_yaml

IN_FILE = "a stack file: a mapping with `config:`"


class StackFile:
    """The `irsa:` settings of a stack file, and those of its default providers.

    Attributes:
        path: The file.
        name: Its name in messages.
        settings: The settings by their names without `irsa:`.
        providers: The settings `aws:...` and `kubernetes:...` of the stack's default providers, by these names.
        mistakes: Mistakes in the YAML, and misspelled prefixes of settings.
        to_indent: Those of keys that are not indented.
        lost: Those of what the engine does not read, and says nothing of: what is outside of `config:`.
        imports_environments: Whether Pulumi ESC adds values that are not in the file.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Read the file.

        Raises:
            OSError: It can't be read.
        """
        self.path, self.name = path, name or str(path)
        self.settings: dict[str, Any] = {}
        self.providers: dict[str, Any] = {}
        self.mistakes: list[LocatedMistake] = []
        self.to_indent: list[LocatedMistake] = []
        self.lost: list[LocatedMistake] = []
        self.imports_environments = False
        self._settings: dict[str, tuple[Any, Any]] = {}
        text = ""
        try:
            text = text_of(path)
            self._read(composed(text))
        except Mistake as mistake:
            self._complain(mistake, mistake.line if isinstance(mistake, TooManyValuesError) else 1)
        except UnicodeDecodeError as error:
            self._complain(Mistake(f"not UTF-8: {error.reason}", "a YAML file in UTF-8", "save it as UTF-8"), 1)
        except yaml.MarkedYAMLError as error:
            self._complain(*not_yaml(error, text))
        except (yaml.YAMLError, RecursionError) as error:
            found = TOO_DEEP if isinstance(error, RecursionError) else f"not YAML: {error}"
            line = text.encode()[: getattr(error, "position", 0)].count(b"\n") + 1
            self._complain(Mistake(" ".join(found.split()), "a YAML file", "fix that line"), line)

    @functools.cached_property
    def folder(self) -> Path:
        """The folder of Pulumi.yaml, to which the paths in the file are relative."""
        return project_folder(self.path)

    def as_sent(self, name: str) -> Any:
        """Return the value of a setting as the engine sends it; a marker where quotes are missing."""
        return NodeReader(self.name, [], is_ours=False).setting(name, self._settings[name][1])

    def line(self, place: Place) -> int | None:
        """Return the line of a setting, or of the nearest parent that is in the file."""
        if not place or place[0] not in self._settings:
            return None
        key, node = self._settings[str(place[0])]
        return line_in(node, place[1:], key)

    def without_following(self, mistakes: Iterable[LocatedMistake]) -> list[LocatedMistake]:
        """Return the mistakes without those that only follow from keys that are not indented."""
        around = [each.place[:-1] for each in self.to_indent]
        return [
            each
            for each in mistakes
            if each in self.to_indent or not any(each.place[: len(place)] == place for place in around)
        ]

    def _complain(self, mistake: Mistake, line: int | None) -> None:
        self.mistakes.append(LocatedMistake((), mistake, self.name, line))

    def _top(self, root: Any, theirs: NodeReader, allowed: str) -> dict[str, tuple[Any, Any]]:
        """Return the keys of a file and their values."""
        if not isinstance(root, yaml.MappingNode):
            raise Mistake("nothing" if root is None else "not a mapping", allowed, "write it, and what is below it")
        return {key.value: (key, node) for key, node in theirs.written(root)}

    def _setting(self, name: str, key: Any, node: Any) -> Any:
        self._settings[name] = (key, node)
        return NodeReader(self.name, self.mistakes).setting(name, node)

    def _note_keys_to_indent(self, mistakes: Iterable[Located]) -> None:
        self.to_indent = [LocatedMistake(*each, self.name, self.line(each[0])) for each in mistakes]
        self.mistakes += self.to_indent

    def _read(self, root: Any) -> None:
        theirs = NodeReader(self.name, self.mistakes, is_ours=False)
        top = self._top(root, theirs, IN_FILE)
        self.imports_environments = "environment" in top
        outside = {name: pair for name, pair in top.items() if ":" in name or name in keys_at(())}
        of_bindings = {name: pair for name, pair in top.items() if name.strip() in keys_at(("bindings", ""))}
        misplaced, before = list({**outside, **of_bindings}.items()), len(self.mistakes)
        if misplaced and "config" not in top:
            name, (key, _) = misplaced[0]
            first, last = key.start_mark.line + 1, end_of(root).line + bool(end_of(root).column)
            lines = f"lines {first} to {last}" if last > first else f"line {first}"
            fix = f"write `config:` above it, and indent {lines}"
            theirs.complain(Mistake(f"{named(name)} without `config:`", "every setting below `config:`", fix), key)
        for name, (key, _) in misplaced if "config" in top else ():
            fix = "indent it, with the lines below it"
            theirs.complain(Mistake(f"{named(name)} outside of `config:`", "every setting below `config:`", fix), key)
        self.lost = self.mistakes[before:]
        if outside and "config" not in top:
            return
        if "config" not in top:
            meant = ("config", "confg", "conifg", "configs")
            near = next((key for key in top if key.lower().strip("_") in meant), None)
            fix = f"did you mean config instead of {near}?" if near else "add `config:` with the settings"
            raise Mistake("no `config:`", IN_FILE, fix)
        key, config = top["config"]
        if not isinstance(config, yaml.MappingNode) and (config.value or not outside):
            found = "nothing" if not config.value else "not a mapping"
            theirs.complain(Mistake(f"{found} in `config:`", "keys such as irsa:bindings", "add them"), key)
            return
        config = yaml.MappingNode(config.tag, [*config.value, *outside.values()], config.start_mark, config.end_mark)
        settings = {}
        for setting, node, name in self._config(config, theirs):
            settings[name] = self._setting(name, setting, node)
        self.settings = settings
        self._note_keys_to_indent(keys_to_indent(config))

    def _config(self, config: Any, theirs: NodeReader) -> Iterator[tuple[Any, Any, str]]:
        """Yield the irsa settings with their names; look at the other keys."""
        of_providers = NodeReader(self.name, self.mistakes, is_ours=False, is_used=True)
        for key, node, namespace, setting in theirs.settings(config):
            if namespace == PREFIX:
                yield key, node, setting
                continue
            value = (of_providers if namespace in PROVIDERS else theirs).value(node)
            name = f"{namespace}:{setting}"
            if namespace in PROVIDERS:
                self.providers[name] = value
                self._settings[name] = (key, node)
            if sorted(namespace.lower()) == sorted(PREFIX):
                fix = f"did you mean {PREFIX}:{named(setting)}?"
                allowed = "keys of irsa, aws, kubernetes, pulumi, ..."
                theirs.complain(Mistake(f"a key of {namespace!r}", allowed, fix), key)


def located(
    mistakes: Iterable[LocatedMistake], file: StackFile, values: Mapping[str, Any] | None = None
) -> list[LocatedMistake]:
    """Return the mistakes with their lines, sorted by them; those of each team together.

    Args:
        mistakes: Mistakes in the settings.
        file: The stack file.
        values: The settings that were checked, if they may differ from the file's.
    """
    found = []
    same = {name: values is None or value == values.get(name) for name, value in file.settings.items()}
    same |= dict.fromkeys(file.providers, True)
    for mistake in mistakes:
        setting = str(mistake.place[0]) if mistake.place else ""
        is_in_file = values is None or same.get(setting, False)
        line = file.line(mistake.place) if mistake.file is None else mistake.line
        name = (file.name if is_in_file else None) if mistake.file is None else mistake.file
        found.append(mistake._replace(file=name, line=line if is_in_file or mistake.file else None))
    # A mistake about the stack as a whole comes first, one about a key that is missing comes last.
    return sorted(
        found,
        key=lambda each: (
            *(each.team, each.file != file.name, each.file or ""),
            each.line or (math.inf if each.place else 0),
        ),
    )
