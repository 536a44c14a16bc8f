"""A stack file as the engine reads it, with the line of every value.

The engine reads YAML by Go's yaml.v3, whose plain scalars differ from PyYAML's: `yes` is a text, 0o17 a number, a date
a moment in time. So PyYAML gives the nodes and their lines here, and this module their values.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from config.places import LocatedMistake, Place
from config.variables import Unseen
from irsa.mistakes import Mistake

PREFIX = "irsa"
# The C parser where PyYAML was built with it. It resolves no types, which is this module's part.
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|0[0-7_]+|[0-9][0-9_]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
BASES = {"0b": 2, "0o": 8, "0x": 16}


class StackFile:
    """The `irsa:` settings of a stack file and what else of it matters here.

    Attributes:
        name: The file as messages name it.
        settings: The settings by their names without `irsa:`.
        region: `aws:region`, where it is there.
        mistakes: What is wrong with the file as YAML, and keys that look like settings and are none.
        imports_environments: Whether Pulumi ESC adds values to it that are not in the file.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Read the file.

        Raises:
            OSError: It can't be read.
        """
        self.name = name or str(path)
        self.settings: dict[str, Any] = {}
        self.region: str | None = None
        self.mistakes: list[LocatedMistake] = []
        self.imports_environments = False
        self._settings: dict[str, tuple[Any, Any]] = {}
        try:
            root = yaml.compose(path.read_bytes().decode(), Loader=LOADER)
            self._read(root)
        except UnicodeDecodeError as error:
            self._complain(Mistake(f"not UTF-8: {error.reason}", "a YAML file in UTF-8", "save it as UTF-8"), 1)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            found = f"not YAML: {error.problem or error.context}"
            fix = "mend that line: indentation, quotes, colons and brackets" + (
                "; a tab can't indent" if "\\t" in found else ""
            )
            self._complain(Mistake(found, "a YAML file", fix), mark.line + 1 if mark else None)
        except (yaml.YAMLError, RecursionError) as error:
            found = "values nested too deeply" if isinstance(error, RecursionError) else f"not YAML: {error}"
            self._complain(Mistake(" ".join(found.split()), "a YAML file", "mend the file"), None)

    def line(self, place: Place) -> int | None:
        """Give the line of a setting, or of the nearest one above it that is in the file."""
        if not place or place[0] not in self._settings:
            return None
        key, node = self._settings[str(place[0])]
        return line_in(node, place[1:], key)

    def _complain(self, mistake: Mistake, line: int | None) -> None:
        self.mistakes.append(LocatedMistake((), mistake, self.name, line))

    def _read(self, root: Any) -> None:
        if not isinstance(root, yaml.MappingNode):
            found = "nothing" if root is None else "no map of keys and values"
            self._complain(Mistake(found, "a stack file: a map with `config:`", "see docs/stack-file.md"), 1)
            return
        reader = _Reader(self)
        top = {key.value: (key, node) for key, node in root.value}
        self.imports_environments = "environment" in top
        if "config" not in top:
            near = next(
                (key for key in top if key.lower().strip("_") in ("config", "confg", "conifg", "configs")), None
            )
            fix = f"did you mean config instead of {near}?" if near else "add `config:` with the settings"
            self._complain(Mistake("no `config:`", "a stack file: a map with `config:`", fix), 1)
            return
        key, config = top["config"]
        if not isinstance(config, yaml.MappingNode):
            found = "nothing" if not config.value else "no map of keys and values"
            self._complain(
                Mistake(f"{found} in `config:`", "keys such as irsa:bindings", "add them"), key.start_mark.line + 1
            )
            return
        for setting, node, name in self._config(config):
            self._settings[name] = (setting, node)
            reader.path = [name]
            value = reader.value(node)
            # The engine hands every value over as text, and the program reads it as JSON.
            self.settings[name] = parsed(value) if isinstance(value, str) and not isinstance(value, Unseen) else value

    def _config(self, config: Any) -> Iterator[tuple[Any, Any, str]]:
        """Give the irsa settings with their names; look at the other keys."""
        lines: dict[str, int] = {}
        for key, node in config.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                self._complain(repeated(key.value, lines[key.value], line), line)
            lines[key.value] = line
            parts = [part for part in str(key.value).split(":") if part != "config"]
            if parts == ["aws", "region"] and isinstance(node, yaml.ScalarNode):
                self.region = str(node.value)
            elif len(parts) > 1 and parts[0] != PREFIX and sorted(parts[0]) == sorted(PREFIX):
                fix = f"did you mean {PREFIX}:{parts[1]}?"
                self._complain(
                    Mistake(f"a key of {parts[0]!r}", "keys of irsa, aws, kubernetes, pulumi, ...", fix), line
                )
            if len(parts) == 1 or parts[0] == PREFIX:
                # A key without a namespace is the project's own.
                yield key, node, ":".join(parts[-1:] if len(parts) == 1 else parts[1:])


def project_settings(folder: Path) -> tuple[dict[str, Any], str | None]:
    """Give the `irsa:` settings and the region that Pulumi.yaml holds for all stacks of the project."""
    try:
        project = yaml.safe_load((folder / "Pulumi.yaml").read_bytes())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}, None  # the engine refuses it before anything of this matters
    declared = project.get("config") if isinstance(project, dict) else None
    settings: dict[str, Any] = {}
    for key, item in (declared if isinstance(declared, dict) else {}).items():
        value = item.get("value", item.get("default")) if isinstance(item, dict) else item
        if value is not None:
            settings[str(key).removeprefix(f"{PREFIX}:")] = value
    region = settings.pop("aws:region", None)
    return {key: value for key, value in settings.items() if ":" not in key}, region


def located(
    mistakes: Iterable[LocatedMistake], file: StackFile, values: Mapping[str, Any] | None = None
) -> list[LocatedMistake]:
    """Give the mistakes with their lines, sorted by them.

    Args:
        mistakes: Mistakes in the settings.
        file: The stack file.
        values: The settings that were examined, where they may be others than the file's.
    """
    found = []
    for mistake in mistakes:
        setting = str(mistake.place[0]) if mistake.place else ""
        own = values is None or (setting in file.settings and file.settings[setting] == values.get(setting))
        line = file.line(mistake.place) if mistake.file is None else mistake.line
        name = (file.name if own else None) if mistake.file is None else mistake.file
        found.append(mistake._replace(file=name, line=line if own or mistake.file else None))
    return sorted(found, key=lambda mistake: (mistake.file != file.name, mistake.file or "", mistake.line or 0))


def repeated(key: str, first: int, second: int) -> Mistake:
    """Give the mistake of a key that is there twice."""
    return Mistake(
        f"the key {key!r} twice, on lines {first} and {second}", "each key once", "merge the two, or remove one"
    )


def parsed(text: str) -> Any:
    """Give a value that the engine handed over as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


class _Reader:
    """Values of YAML nodes."""

    def __init__(self, file: StackFile) -> None:
        self._file = file
        self._open: set[int] = set()
        self.path: list[str | int] = []

    def value(self, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return scalar(node.value) if not node.style else node.value
        if id(node) in self._open:
            raise yaml.composer.ComposerError(None, None, "an alias inside of what it stands for", node.start_mark)
        self._open.add(id(node))
        value = self._list(node) if isinstance(node, yaml.SequenceNode) else self._map(node)
        self._open.discard(id(node))
        return value

    def _list(self, node: Any) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self.path.append(index)
            values.append(self.value(item))
            self.path.pop()
        return values

    def _map(self, node: Any) -> Any:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, item in node.value:
            name = key.value
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.composer.ComposerError(None, None, "a key that is a list or a map", key.start_mark)
            if name == "<<" and not key.style:
                for part in item.value if isinstance(item, yaml.SequenceNode) else [item]:
                    more = self.value(part)
                    merged = {**more, **merged} if isinstance(more, Mapping) else merged
                continue
            if name in lines:
                line = key.start_mark.line + 1
                mistake = repeated(name, lines[name], line)
                self._file.mistakes.append(LocatedMistake((*self.path, name), mistake, self._file.name, line))
            lines[name] = key.start_mark.line + 1
            self.path.append(name)
            values[name] = self.value(item)
            self.path.pop()
        if values.keys() == {"secure"} and isinstance(values["secure"], str):
            return Unseen("secret")
        return {**merged, **values} if merged else values


def scalar(text: str) -> Any:
    """Give the value of a scalar without quotes."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in "0123456789-+.":
        return text
    if INTEGER.fullmatch(text):
        return _integer(text)
    if FLOAT.fullmatch(text):
        number = float(text)
        return int(number) if number.is_integer() else number
    date = DATE.fullmatch(text)
    # What Pulumi makes of a date.
    return f"{date[1]}-{date[2]:0>2}-{date[3]:0>2} 00:00:00 +0000 UTC" if date else text


def _integer(text: str) -> Any:
    digits = text.replace("_", "").lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    base = BASES.get(digits[:2]) or (8 if re.fullmatch("0[0-7]+", digits) else 10)
    try:
        return sign * int(digits[2:] if digits[:2] in BASES else digits, base)
    except ValueError:
        return text


def line_in(node: Any, part: Place, key: Any = None) -> int | None:
    """Give the line of a place below a node, or of the nearest one above it that is there."""
    for step in part:
        found = _step(node, step)
        if found is None:
            break
        key, node = found
    mark = (key or node).start_mark if key or node else None
    return int(mark.line) + 1 if mark else None


def _step(node: Any, part: str | int) -> tuple[Any, Any] | None:
    """Give the key and the value of a step, or the item twice."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return _keys(node).get(str(part)) if isinstance(node, yaml.MappingNode) else None


@functools.lru_cache(maxsize=64)
def _keys(node: Any) -> Mapping[str, tuple[Any, Any]]:
    """Give the keys of a map, merged ones included; of a key that is there twice, the last."""
    keys: dict[str, tuple[Any, Any]] = {}
    for key, value in node.value:
        if key.value == "<<":
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in parts:
                keys = {**(_keys(part) if isinstance(part, yaml.MappingNode) else {}), **keys}
    return {**keys, **{key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}}
