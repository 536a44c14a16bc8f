"""A stack file as the engine reads it, with the line of every value."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from irsa.rules.mistakes import Mistake, Place, named
from irsa.rules.policies import TOO_DEEP
from irsa_config.engine_files import PREFIX
from irsa_config.indentation import as_meant, below_empty
from irsa_config.key_types import keys_at
from irsa_config.located_mistake import LocatedMistake
from irsa_config.nodes import (
    LIBYAML_TOO_DEEP,
    NodeReader,
    TooManyValuesError,
    composed,
    line_in,
    text_of,
    without_quotes,
)
from irsa_config.project_file import project_folder
from irsa_config.provider_settings import PROVIDERS

IN_FILE = "a stack file: a mapping with `config:`"


class StackFile:
    """The `irsa:` settings of a stack file, and those of its default providers.

    Attributes:
        path: The file.
        name: Its name in messages.
        settings: The settings by their names without `irsa:`.
        providers: The settings `aws:...` and `kubernetes:...` of the stack's default providers, by these names.
        mistakes: Mistakes in the YAML, and misspelled prefixes of settings.
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
        self.lost: list[LocatedMistake] = []
        self.imports_environments = False
        self._settings: dict[str, tuple[Any, Any]] = {}
        self._sent: dict[str, Any] = {}
        text = ""
        try:
            text = text_of(path)
            self._read(composed(text))
        except Mistake as mistake:
            self._complain(mistake, mistake.line if isinstance(mistake, TooManyValuesError) else 1)
        except UnicodeDecodeError as error:
            self._complain(Mistake(f"not UTF-8: {error.reason}", "a YAML file in UTF-8", "save it as UTF-8"), 1)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = error.problem or error.context
            found = TOO_DEEP if problem in (TOO_DEEP, LIBYAML_TOO_DEEP) else f"not YAML: {problem}"
            fix = "fix that line: indentation, quotes, colons and brackets"
            not_yaml = without_quotes(error, text) or Mistake(found, "a YAML file", fix)
            self._complain(not_yaml, mark.line + 1 if mark else 1)
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
        return NodeReader(self.name, [], is_ours=False).setting(name, self._sent[name])

    def line(self, place: Place) -> int | None:
        """Return the line of a setting, or of the nearest parent that is in the file."""
        if not place or place[0] not in self._settings:
            return None
        key, node = self._settings[str(place[0])]
        return line_in(node, place[1:], key)

    def _complain(self, mistake: Mistake, line: int | None) -> None:
        self.mistakes.append(LocatedMistake((), mistake, self.name, line))

    def _top(self, root: Any, theirs: NodeReader, allowed: str) -> dict[str, tuple[Any, Any]]:
        """Return the keys of a file and their values."""
        if not isinstance(root, yaml.MappingNode):
            raise Mistake("nothing" if root is None else "not a mapping", allowed, "write it, and what is below it")
        return {key.value: (key, node) for key, node in theirs.written(root)}

    def _misplaced(self, place: Place, mistake: Mistake) -> None:
        self.mistakes.append(LocatedMistake(place, mistake, self.name, self.line(place)))

    def _setting(self, name: str, key: Any, node: Any) -> Any:
        """Return the value of a setting, whose keys are judged as what they are meant to be."""
        self._settings[name] = (key, node)
        meant = as_meant(node, (name,), self._misplaced)
        self._settings[name] = (key, meant)
        return NodeReader(self.name, self.mistakes).setting(name, meant)

    def _read(self, root: Any) -> None:
        theirs = NodeReader(self.name, self.mistakes, is_ours=False)
        top = self._top(root, theirs, IN_FILE)
        self.imports_environments = "environment" in top
        outside = {name: pair for name, pair in top.items() if ":" in name or name in keys_at(())}
        of_bindings = {name: pair for name, pair in top.items() if name.strip() in keys_at(("bindings", ""))}
        above, before = "" if "config" in top else "write `config:` above it, and ", len(self.mistakes)
        for name, (key, _) in {**outside, **of_bindings}.items():
            fix = f"{above}indent it, with the lines below it"
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
        sent = {id(each): node for each, node in config.value}
        misplaced: list[tuple[Place, Mistake]] = []
        pairs = [*below_empty(config.value, (), lambda *each: misplaced.append(each), ()), *outside.values()]
        config = yaml.MappingNode(config.tag, pairs, config.start_mark, config.end_mark)
        settings = {}
        for setting, node, name in self._config(config, theirs):
            self._sent[name] = sent.get(id(setting), node)
            settings[name] = self._setting(name, setting, node)
        self.settings = settings
        self.mistakes += [LocatedMistake(*each) for each in misplaced]

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
            if sorted(namespace) == sorted(PREFIX):
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
    return sorted(found, key=lambda each: (each.team, each.file != file.name, each.file or "", each.line or 0))
