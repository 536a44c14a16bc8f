"""A stack file as the engine reads it, with the line of every value.

The engine reads YAML with Go's yaml.v3, whose plain scalars differ from PyYAML's: `yes` is a string, 0o17 a number, a
date a timestamp. So PyYAML reads the nodes and their lines, and this module reads their values.
"""

import functools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from config.located_mistake import LocatedMistake
from irsa.rules.mistakes import Mistake, Place, named, shortened
from irsa.rules.names import REGION, check_name
from irsa.rules.policies import DEEPEST, TOO_DEEP, each_key_once, is_too_deep
from irsa.rules.unknown import SECRET, Unknown

PREFIX = "irsa"
# The C parser, if PyYAML was built with it. It resolves no types; this module does.
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|0[0-7_]+|[0-9][0-9_]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
DATE = re.compile("([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
BASES = {"0b": 2, "0o": 8, "0x": 16}
# What libyaml says beyond a thousand levels.
LIBYAML_TOO_DEEP = "exceeded maximum nesting depth"
LARGEST = 16 * 2**20
# What 10,000 bindings with large documents stay below. The engine's yaml.v3 refuses over 400,000 values if 99% are by
# aliases: https://github.com/go-yaml/yaml/blob/v3/decode.go, allowedAliasRatio.
MOST_VALUES, MOST_ALIASED, LARGEST_SHARE = 4_000_000, 400_000, 100
PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
PROVIDERS = ("aws", "kubernetes")
ACCOUNT_LISTS = ("allowedAccountIds", "forbiddenAccountIds")
# In front of every value but the first.
SEPARATORS = (",", "\n", ":", "[", "{", "- ", "?")


class StackFile:
    """The `irsa:` settings of a stack file, and its region.

    Attributes:
        name: The file's name in messages.
        text: Its text; empty where it could not be decoded.
        settings: The settings by their names without `irsa:`.
        region: `aws:region`; None where it is missing, `SECRET` where it is secret.
        providers: The settings `aws:...` and `kubernetes:...` of the stack's default providers, by these names.
        account_ids: The nodes in the lists of AWS accounts of the `aws:` settings.
        mistakes: Mistakes in the YAML, misspelled prefixes of settings, and a wrong region.
        imports_environments: Whether Pulumi ESC adds values that are not in the file.
    """

    def __init__(self, path: Path, name: str | None = None, text: str | None = None) -> None:
        """Read the file, or this text in its place.

        Raises:
            OSError: It can't be read.
        """
        self.name, self.text = name or str(path), text or ""
        self.settings: dict[str, Any] = {}
        self.region: str | Unknown | None = None
        self.providers: dict[str, Any] = {}
        self.account_ids: list[Any] = []
        self.mistakes: list[LocatedMistake] = []
        self.imports_environments = False
        self._settings: dict[str, tuple[Any, Any]] = {}
        try:
            self.text = text_of(path) if text is None else text
            self._read(composed(self.text))
        except Mistake as mistake:
            self._complain(mistake, None)
        except UnicodeDecodeError as error:
            self._complain(Mistake(f"not UTF-8: {error.reason}", "a YAML file in UTF-8", "save it as UTF-8"), 1)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = error.problem or error.context
            found = TOO_DEEP if problem in (TOO_DEEP, LIBYAML_TOO_DEEP) else f"not YAML: {problem}"
            fix = "fix that line: indentation, quotes, colons and brackets"
            if mark and _has_leading_tab(self.text, mark.line):
                found, fix = "a tab before the first word of the line", "write spaces: YAML takes no tabs there"
            self._complain(Mistake(found, "a YAML file", fix), mark.line + 1 if mark else None)
        except (yaml.YAMLError, RecursionError) as error:
            found = TOO_DEEP if isinstance(error, RecursionError) else f"not YAML: {error}"
            self._complain(Mistake(" ".join(found.split()), "a YAML file", "fix the file"), None)

    def line(self, place: Place) -> int | None:
        """Return the line of a setting, or of the nearest parent that is in the file."""
        if not place or place[0] not in self._settings:
            return None
        key, node = self._settings[str(place[0])]
        return line_in(node, place[1:], key)

    def nodes_at(self, place: Place) -> tuple[Any, Any] | None:
        """Return the nodes of the key and the value at a place, or None; of an item of a list, the item's twice.

        What an anchor or `<<` brings from elsewhere is at no place of its own.
        """
        found = self._settings.get(str(place[0])) if place else None
        for step in place[1:]:
            if found is None or self.text.startswith("&", found[1].start_mark.index):
                return None
            found = _step(found[1], step, merged=False)
        return found

    def _complain(self, mistake: Mistake, line: int | None) -> None:
        self.mistakes.append(LocatedMistake((), mistake, self.name, line))

    def _read(self, root: Any) -> None:
        if not isinstance(root, yaml.MappingNode):
            found = "nothing" if root is None else "not a mapping"
            self._complain(Mistake(found, "a stack file: a mapping with `config:`", "see docs/stack-file.md"), 1)
            return
        reader = _Reader(self.name, self.mistakes)
        top = {key.value: (key, node) for key, node in _items(root)}
        self.imports_environments = "environment" in top
        if "config" not in top:
            near = next(
                (key for key in top if key.lower().strip("_") in ("config", "confg", "conifg", "configs")), None
            )
            fix = f"did you mean config instead of {near}?" if near else "add `config:` with the settings"
            self._complain(Mistake("no `config:`", "a stack file: a mapping with `config:`", fix), 1)
            return
        key, config = top["config"]
        if not isinstance(config, yaml.MappingNode):
            found = "nothing" if not config.value else "not a mapping"
            self._complain(
                Mistake(f"{found} in `config:`", "keys such as irsa:bindings", "add them"), key.start_mark.line + 1
            )
            return
        settings = {}
        for setting, node, name in self._config(config):
            if name in self._settings and self._settings[name][0].value != setting.value:
                first, line = (each.start_mark.line + 1 for each in (self._settings[name][0], setting))
                self._complain(repeated(f"{PREFIX}:{name}", first, line), line)
            self._settings[name] = (setting, node)
            settings[name] = reader.setting(name, node)
        self.settings = settings

    def _config(self, config: Any) -> Iterator[tuple[Any, Any, str]]:
        """Yield the irsa settings with their names; look at the other keys."""
        lines: dict[str, int] = {}
        for key, node in _items(config):
            line = key.start_mark.line + 1
            if key.value in lines:
                self._complain(repeated(key.value, lines[key.value], line), line)
            lines[key.value] = line
            parts = [part for part in str(key.value).split(":") if part != "config"] or [str(key.value)]
            if len(parts) > 1 and parts[0] in PROVIDERS:
                self.providers[":".join(parts)] = _Reader(self.name, []).value(node)
            if parts[0] == "aws" and parts[-1] in ACCOUNT_LISTS:
                items = node.value if isinstance(node, yaml.SequenceNode) else []
                self.account_ids += [item for item in items if isinstance(item, yaml.ScalarNode)]
                for item, mistake in account_id_mistakes(parts[-1], _Reader(self.name, []).setting(parts[-1], node)):
                    self._complain(mistake, line_in(node, item, key))
            if parts == ["aws", "region"]:
                self.region = _region(key, node, self.name, self.mistakes)
            elif len(parts) > 1 and parts[0] != PREFIX and sorted(parts[0]) == sorted(PREFIX):
                fix = f"did you mean {PREFIX}:{named(parts[1])}?"
                self._complain(
                    Mistake(f"a key of {parts[0]!r}", "keys of irsa, aws, kubernetes, pulumi, ...", fix), line
                )
            if len(parts) == 1 or parts[0] == PREFIX:
                # A key without a namespace belongs to the project.
                yield key, node, ":".join(parts[-1:] if len(parts) == 1 else parts[1:])


class ProjectSettings(NamedTuple):
    """The settings in Pulumi.yaml, for stacks that do not set them.

    Attributes:
        settings: The `irsa:` settings by their names without `irsa:`.
        region: `aws:region`; None where it is missing, `SECRET` where it is secret.
        providers: The settings `aws:...` and `kubernetes:...`, by these names.
        mistakes: Mistakes in their YAML, and a wrong region.
        not_checked: Why they could not be read; the engine stops for the same reason.
    """

    settings: Mapping[str, Any] = {}
    region: str | Unknown | None = None
    providers: Mapping[str, Any] = {}
    mistakes: Sequence[LocatedMistake] = ()
    not_checked: str = ""


def _has_leading_tab(text: str, line: int) -> bool:
    """Return whether a line has a tab in its indentation, or after the dash of an item."""
    lines = text.splitlines()[line : line + 1]
    return any(re.match(r"[ -]*\t", text) for text in lines)


def project_settings(folder: Path, file: StackFile) -> ProjectSettings:
    """Return the settings of the Pulumi.yaml in the folder; without one, empty settings."""
    path = folder / "Pulumi.yaml"
    try:
        return _project_settings(composed(text_of(path)), str(path), file)
    except FileNotFoundError:
        return ProjectSettings()
    except OSError as error:
        return ProjectSettings(not_checked=f"the settings in {named(str(path))}: {error.strerror}")
    except (ValueError, yaml.YAMLError, RecursionError):
        return ProjectSettings(not_checked=f"the settings in {named(str(path))}: not readable as YAML")


def _project_settings(root: Any, name: str, file: StackFile) -> ProjectSettings:
    if not isinstance(root, yaml.MappingNode):
        return ProjectSettings(not_checked=f"the settings in {named(name)}: not a mapping")
    config = next((node for key, node in _items(root) if key.value == "config"), None)
    if isinstance(config, yaml.SequenceNode):
        return ProjectSettings(not_checked=f"the settings in {named(name)}: a list in `config:`")
    settings: dict[str, Any] = {}
    region: str | Unknown | None = None
    providers: dict[str, Any] = {}
    mistakes: list[LocatedMistake] = []
    reader = _Reader(name, mistakes)
    # A string in `config:` is the folder that older engines kept stack files in.
    for key, declared in _items(config) if isinstance(config, yaml.MappingNode) else ():
        node = declared
        if isinstance(declared, yaml.MappingNode):
            # Beside a value there may be its type and its description.
            parts = {part.value: item for part, item in _items(declared)}
            node = parts.get("value", parts.get("default"))
        setting = str(key.value).removeprefix(f"{PREFIX}:")
        if node is None:
            continue
        if setting.partition(":")[0] in PROVIDERS and ":" in setting:
            providers[setting] = _Reader(name, []).value(node)
        if setting == "aws:region":
            region = None if file.region else _region(key, node, name, mistakes)
        elif ":" not in setting:
            value = reader.setting(setting, node)
            if value is not None:
                settings[setting] = value
    return ProjectSettings(settings, region, providers, mistakes)


def account_id_mistakes(setting: str, values: Any) -> Iterator[tuple[Place, Mistake]]:
    """Yield the items of a provider's list of AWS accounts that are no account IDs, each with its place in the list.

    011112222333 without quotes is another number: an AWS account that is to be refused never would be.
    """
    if values is not None and values is not SECRET and not isinstance(values, list):
        mistake = Mistake(f"{in_yaml_words(values)} as aws:{setting}", 'a list: ["111122223333"]', "write it as a list")
        yield (), mistake
    for index, value in enumerate(values if isinstance(values, list) else ()):
        if value is not SECRET and not (isinstance(value, str) and re.fullmatch("[0-9]{12}", value)):
            fix = "put it in quotes, as it is in the file" if isinstance(value, int | float) else "write the account ID"
            found = f"{in_yaml_words(value)} in aws:{setting}"
            yield (index,), Mistake(found, "account IDs: strings of 12 digits", fix)


def _region(key: Any, node: Any, name: str, mistakes: list[LocatedMistake]) -> str | Unknown | None:
    """Return `aws:region`; None where it is empty or not a region, which is a mistake.

    The engine turns any value into a string, and the AWS provider refuses it later, without naming the key.
    """
    value = _Reader(name, []).value(node)
    if value is None or value == "" or value is SECRET:
        return value or None
    mistake = Mistake(f"{in_yaml_words(value)} as aws:region", f"a string: {REGION.words}", "write the region's name")
    if isinstance(value, str):
        try:
            return check_name(value, REGION)
        except Mistake as error:
            mistake = error
    mistakes.append(LocatedMistake((), mistake, name, key.start_mark.line + 1))
    return None


def text_of(path: Path) -> str:
    """Return the text of a YAML file, with its line endings and without the byte order mark of Windows' editors.

    Raises:
        Mistake: The file is too large.
        OSError, UnicodeDecodeError: It can't be read.
    """
    content = read_at_most(path, LARGEST)
    if content is None:
        raise Mistake("a file of more than 16 MiB", "at most 16 MiB", "divide it over several stacks")
    return content.decode("utf-8-sig")


def composed(text: str) -> Any:
    """Return the node of a YAML text, which may hold others many times over, but not so many that they fill the memory.

    Raises:
        Mistake: The text stands for too many values.
        yaml.YAMLError: It isn't YAML.
    """
    if sum(map(text.count, SEPARATORS)) >= MOST_VALUES:
        _check_number(sum(isinstance(event, yaml.NodeEvent) for event in yaml.parse(text, Loader=LOADER)), 0)
    root = yaml.compose(text, Loader=LOADER)
    if "&" in text:
        _check_number(*_numbers_of_values(root))
    return root


def read_at_most(path: Path, size: int) -> bytes | None:
    """Return what is in a file; None where it is more than that size, in bytes.

    Raises:
        OSError: It can't be read.
    """
    content = b""
    with path.open("rb") as file:
        while len(content) <= size and (chunk := file.read(2**20)):
            content += chunk
    return content if len(content) <= size else None


def _check_number(values: int, nodes: int) -> None:
    if values > MOST_VALUES or (values > MOST_ALIASED and 0 < nodes * LARGEST_SHARE < values):
        found, fix = f"more than {MOST_VALUES if not nodes else MOST_ALIASED:,} values", "divide it over several stacks"
        if nodes:
            found, fix = f"{found}, almost all by aliases (*name)", "write out what the aliases stand for"
        raise Mistake(found, f"at most {MOST_VALUES:,} values, not almost all of them by aliases", fix)


def _numbers_of_values(root: Any) -> tuple[int, int]:
    """Return how many values a node stands for, its aliases expanded, and of how many nodes; each is visited once."""
    values: dict[int, int] = {}
    nodes = 1
    visits = [(root, False)]
    while visits:
        node, all_below = visits.pop()
        inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        outer = [part for part in inner if isinstance(part, yaml.CollectionNode)]
        if all_below:
            number = 1 + len(inner) - len(outer) + sum(values[id(part)] for part in outer)
            values[id(node)] = min(number, MOST_VALUES + 1)
        elif isinstance(node, yaml.CollectionNode) and id(node) not in values:
            # A recursive alias, which the reader refuses, counts nothing.
            values[id(node)] = 0
            nodes += len(inner)
            visits += [(node, True), *((part, False) for part in outer)]
    return values.get(id(root), 1), nodes


def located(
    mistakes: Iterable[LocatedMistake], file: StackFile, values: Mapping[str, Any] | None = None
) -> list[LocatedMistake]:
    """Return the mistakes with their lines, sorted by them.

    Args:
        mistakes: Mistakes in the settings.
        file: The stack file.
        values: The settings that were checked, if they may differ from the file's.
    """
    found = []
    same = {name: values is None or value == values.get(name) for name, value in file.settings.items()}
    for mistake in mistakes:
        setting = str(mistake.place[0]) if mistake.place else ""
        is_in_file = values is None or same.get(setting, False)
        line = file.line(mistake.place) if mistake.file is None else mistake.line
        name = (file.name if is_in_file else None) if mistake.file is None else mistake.file
        found.append(mistake._replace(file=name, line=line if is_in_file or mistake.file else None))
    return sorted(found, key=lambda mistake: (mistake.file != file.name, mistake.file or "", mistake.line or 0))


def repeated(key: str, first: int, second: int) -> Mistake:
    """Return the mistake for a duplicate key."""
    return Mistake(
        f"the key {key!r} twice, on lines {first} and {second}", "each key once", "merge the two, or remove one"
    )


def parsed(text: str) -> Any:
    """Return a value that the engine passed as a string."""
    try:
        value = json.loads(text, object_pairs_hook=each_key_once)
    except (ValueError, RecursionError):
        return text
    return text if reason_not_to_use(value) else value


def in_yaml_words(value: object) -> str:
    """Return a value for a message, in YAML's terms; a long one is shortened."""
    if value is None or value == "":
        return "nothing" if value is None else "an empty string"
    if isinstance(value, Mapping):
        return f"a mapping ({shortened(', '.join(map(str, value)))})" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return str(value).lower() if isinstance(value, bool) else shortened(value)


def reason_not_to_use(value: Any) -> str | None:
    """Return why a JSON value cannot be used; None where it can."""
    if is_too_deep(value):
        return TOO_DEEP
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"{error.object[error.start]!r}, an unpaired surrogate"
    return None


def _items(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the keys and values of a mapping's node.

    Raises:
        yaml.composer.ComposerError: A key is not a scalar.
    """
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.composer.ComposerError(None, None, "a key that is a list or a mapping", key.start_mark)
        yield key, value


class _Reader:
    """Reads values of YAML nodes, and adds to the mistakes of the file."""

    def __init__(self, name: str, mistakes: list[LocatedMistake]) -> None:
        self._name, self._mistakes = name, mistakes
        self._open: set[int] = set()
        self._path: list[str | int] = []

    def setting(self, name: str, node: Any) -> Any:
        """Return the value of a setting as the program gets it."""
        self._path = [name]
        value = self.value(node)
        if not isinstance(value, str):
            return value
        try:
            json.loads(value, object_pairs_hook=each_key_once)
        except Mistake as mistake:
            self._complain(mistake, node)
        except (ValueError, RecursionError):
            pass
        # The engine passes every value as a string, and the program reads it as JSON.
        return parsed(value)

    def _complain(self, mistake: Mistake, node: Any, *steps: str) -> None:
        place = (*self._path, *steps)
        self._mistakes.append(LocatedMistake(place, mistake, self._name, node.start_mark.line + 1))

    def value(self, node: Any) -> Any:
        """Return the value of a node."""
        if node.tag not in PLAIN_TAGS:
            # The engine decodes !!binary, and makes nothing of what !!null tags: another value than the one written.
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._complain(Mistake(f"the tag {named(tag)}", "values without a tag", "remove the tag"), node)
        if isinstance(node, yaml.ScalarNode):
            return scalar(node.value) if not node.style else node.value
        if id(node) in self._open:
            raise yaml.composer.ComposerError(None, None, "a recursive alias", node.start_mark)
        if len(self._open) == DEEPEST:
            raise yaml.composer.ComposerError(None, None, TOO_DEEP, node.start_mark)
        self._open.add(id(node))
        value = self._list(node) if isinstance(node, yaml.SequenceNode) else self._map(node)
        self._open.discard(id(node))
        return value

    def _list(self, node: Any) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self._path.append(index)
            values.append(self.value(item))
            self._path.pop()
        return values

    def _map(self, node: Any) -> Any:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, item in _items(node):
            name = key.value
            is_merge = name == "<<" and not key.style
            line = key.start_mark.line + 1
            wrong = repeated(name, lines[name], line) if name in lines else None if key.style else other_key(name)
            if wrong:
                self._complain(wrong, key, name)
            lines[name] = line
            if is_merge:
                for part in item.value if isinstance(item, yaml.SequenceNode) else [item]:
                    more = self.value(part)
                    if not isinstance(more, Mapping):
                        found = f"{in_yaml_words(more)}, to be merged by <<"
                        fix = "write an alias (*name) of a mapping, or remove it"
                        self._complain(Mistake(found, "a mapping, or a list of mappings", fix), part, name)
                        continue
                    for name_below, value_below in more.items():
                        merged.setdefault(name_below, value_below)
                continue
            self._path.append(name)
            values[name] = self.value(item)
            self._path.pop()
        if values.keys() == {"secure"} and isinstance(values["secure"], str):
            return SECRET
        return {**merged, **values} if merged else values


def other_key(name: str) -> Mistake | None:
    """Return a mistake where the engine makes another key of one without quotes: 1227433179 of 011112222333."""
    value = scalar(name)
    if value == name or in_yaml_words(value) == name:
        return None
    found = f"the key {name} without quotes, which YAML reads as {in_yaml_words(value)}"
    return Mistake(found, "keys that are strings", f'put it in quotes: "{name}"')


def scalar(text: str) -> Any:
    """Return the value of a scalar without quotes."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in "0123456789-+.":
        return text
    if INTEGER.fullmatch(text):
        return _integer(text)
    if FLOAT.fullmatch(text):
        return _float(text)
    date = DATE.fullmatch(text)
    # Pulumi's string for a date.
    return f"{date[1]}-{date[2]:0>2}-{date[3]:0>2} 00:00:00 +0000 UTC" if date else text


def _integer(text: str) -> Any:
    digits = text.replace("_", "").lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    base = BASES.get(digits[:2]) or (8 if re.fullmatch("0[0-7]+", digits) else 10)
    try:
        number = sign * int(digits[2:] if digits[:2] in BASES else digits, base)
    except ValueError:
        return text
    if -(2**63) <= number < 2**64:
        return number
    # Go reads a larger number without prefix as a float.
    return text if digits[:2] in BASES else _float(text)


def _float(text: str) -> Any:
    """Return a number as the engine writes it: with an exponent from 1e21 on; beyond its range, the string."""
    number = float(text.replace("_", ""))
    if math.isinf(number):
        return text
    return int(number) if number.is_integer() and abs(number) < 1e21 else number  # noqa: PLR2004 (as said above)


def line_in(node: Any, part: Place, key: Any = None) -> int | None:
    """Return the line of a place below a node, or of its nearest existing parent."""
    for step in part:
        found = _step(node, step)
        if found is None:
            break
        key, node = found
    mark = (key or node).start_mark if key or node else None
    return int(mark.line) + 1 if mark else None


def _step(node: Any, part: str | int, merged: bool = True) -> tuple[Any, Any] | None:
    """Return the key and the value for a step, from `<<` too if `merged`; for an item of a list, the item twice."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if not isinstance(node, yaml.MappingNode):
        return None
    found = _keys(node).get(str(part))
    return found if merged or found in node.value else None


@functools.lru_cache(maxsize=64)
def _keys(node: Any) -> Mapping[str, tuple[Any, Any]]:
    """Return the keys of a mapping, merged ones included; of a duplicate key, the last."""
    keys: dict[str, tuple[Any, Any]] = {}
    for key, value in node.value:
        if key.value == "<<":
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in parts:
                for name, found in _keys(part).items() if isinstance(part, yaml.MappingNode) else ():
                    keys.setdefault(name, found)
    return {**keys, **{key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}}
