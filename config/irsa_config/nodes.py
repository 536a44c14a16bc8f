"""YAML's nodes, with their lines, and the values that the engine reads from them."""

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from irsa.rules.mistakes import Mistake, Place, kind_of, named
from irsa.rules.policies import DEEPEST, TOO_DEEP
from irsa.rules.unknown import SECRET, WRONG, Unknown
from irsa_config.engine_files import refusal, setting_of
from irsa_config.key_types import type_at
from irsa_config.located_mistake import LocatedMistake
from irsa_config.scalars import other_key, parsed, read_as, scalar

# What libyaml says beyond a thousand levels.
LIBYAML_TOO_DEEP = "exceeded maximum nesting depth"
LARGEST = 16 * 2**20
# What 10,000 bindings with large documents stay below. The engine's yaml.v3 refuses over 400,000 values if 99% are by
# aliases: https://github.com/go-yaml/yaml/blob/v3/decode.go, allowedAliasRatio.
MOST_VALUES, MOST_ALIASED, LARGEST_SHARE = 4_000_000, 400_000, 100
STRING = "tag:yaml.org,2002:str"
# They say what the value is anyway.
PLAIN_TAGS = {"", STRING, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}
# In front of every value but the first.
SEPARATORS = (",", "\n", ":", "[", "{", "- ", "?")


class TooManyValuesError(Mistake):
    """A text that stands for too many values.

    Attributes:
        line: The line of the first value whose aliases are too many; 1 where the whole text is too large.
    """

    line = 1


class Untyped:
    """Leaves a node without a tag where the text has none; what type a scalar has, scalars.py knows."""

    def resolve(self, *_: object) -> str:
        """Return no tag."""
        return ""


# The C parser, if PyYAML was built with it.
LOADER: Any = type("Loader", (Untyped, getattr(yaml, "CBaseLoader", yaml.BaseLoader)), {})


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
        TooManyValuesError: The text stands for too many values.
        yaml.YAMLError: It isn't YAML.
    """
    if sum(map(text.count, SEPARATORS)) >= MOST_VALUES:
        _check_number(sum(isinstance(event, yaml.NodeEvent) for event in yaml.parse(text, Loader=LOADER)), 0, 1)
    root = yaml.compose(text, Loader=LOADER)
    if "&" in text:
        _check_number(*_numbers_of_values(root))
    return root


def without_quotes(error: yaml.MarkedYAMLError, text: str) -> Mistake | None:
    """Return the mistake of a text that YAML takes for something else, where it needs quotes or other blanks."""
    mark, problem = error.problem_mark or error.context_mark, error.problem or ""
    if error.context == "while scanning an alias" or problem.startswith("found undefined alias"):
        fix = 'write the value in quotes, such as "*"'
        return Mistake("`*` without quotes, which YAML takes for an alias", "a string in quotes", fix)
    line = text.splitlines()[mark.line : mark.line + 1] if mark and "cannot start any token" in problem else [""]
    char = line[0][mark.column : mark.column + 1] if mark else ""
    if char == "\t" or "tab character" in problem:
        return Mistake("a tab, with which YAML does not indent", "blanks", "write blanks in place of the tab")
    if char:
        fix = "write the value in quotes"
        return Mistake(f"{char!r} at the beginning of a value, which YAML keeps for itself", "a string in quotes", fix)
    return None


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


def _check_number(values: int, nodes: int, line: int) -> None:
    if values > MOST_VALUES or (values > MOST_ALIASED and 0 < nodes * LARGEST_SHARE < values):
        found, fix = f"more than {MOST_VALUES if not nodes else MOST_ALIASED:,} values", "divide it over several stacks"
        if nodes:
            found, fix = f"{found}, almost all by aliases (*name)", "write out what the aliases stand for"
        mistake = TooManyValuesError(found, f"at most {MOST_VALUES:,} values, not almost all of them by aliases", fix)
        mistake.line = line
        raise mistake


def _numbers_of_values(root: Any) -> tuple[int, int, int]:
    """Return how many values a node stands for, its aliases expanded, of how many nodes, and the line of the widest.

    Each node is visited once. The line is that of the first node that alone stands for too many by aliases, or else 1.
    """
    values: dict[int, int] = {}
    nodes = line = 1
    visits = [(root, False)]
    while visits:
        node, all_below = visits.pop()
        inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        outer = [part for part in inner if isinstance(part, yaml.CollectionNode)]
        if all_below:
            number = 1 + len(inner) - len(outer) + sum(values[id(part)] for part in outer)
            values[id(node)] = min(number, MOST_VALUES + 1)
            if line == 1 and number > MOST_ALIASED:
                line = node.start_mark.line + 1
        elif isinstance(node, yaml.CollectionNode) and id(node) not in values:
            # A recursive alias, which the reader refuses, counts nothing.
            values[id(node)] = 0
            nodes += len(inner)
            visits += [(node, True), *((part, False) for part in outer)]
    return values.get(id(root), 1), nodes, line


class NodeReader:
    """Reads values of YAML nodes, and adds to the mistakes of the file.

    Of other projects' settings, these are only what the engine refuses, and what it makes another value of where irsa
    uses the values; elsewhere such a value is not known.
    """

    def __init__(
        self, name: str, mistakes: list[LocatedMistake], is_ours: bool = True, is_used: bool | None = None
    ) -> None:
        self._name, self._mistakes, self._is_ours = name, mistakes, is_ours
        self._is_used = is_ours if is_used is None else is_used
        self._open: set[int] = set()
        self._path: list[str | int] = []

    def setting(self, name: str, node: Any) -> Any:
        """Return the value of a setting as the program gets it."""
        self._path = [name]
        value = self.value(node)
        # The engine passes every value as a string, and the program reads it as JSON.
        return parsed(value, lambda mistake: self.complain(mistake, node)) if isinstance(value, str) else value

    def items(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the nodes of a mapping's keys and values; a key that is there twice is a mistake.

        Raises:
            yaml.composer.ComposerError: A key is not a scalar.
        """
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.composer.ComposerError(None, None, "a key that is a list or a mapping", key.start_mark)
            line = key.start_mark.line + 1
            if key.value in lines:
                self.complain(repeated(key.value, lines[key.value], line), key, key.value)
            if key.tag not in PLAIN_TAGS:
                self.complain(refusal("tag", _tag(key)), key, key.value)
            lines[key.value] = line
            yield key, value

    def written(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the same where the keys decide what is read: what `<<` brings is a mistake there."""
        for key, value in self.items(node):
            if key.value == "<<":
                self.complain(refusal("merge"), key)
            else:
                yield key, value

    def settings(self, config: Any) -> Iterator[tuple[Any, Any, str, str]]:
        """Yield the same of `config:`, with namespace and name of each setting; two keys of one are a mistake."""
        first: dict[tuple[str, str], Any] = {}
        for key, value in self.written(config):
            try:
                setting = setting_of(key.value)
            except Mistake as mistake:
                self.complain(mistake, key)
                continue
            one = first.setdefault(setting, key)
            if one.value != key.value:
                self.complain(repeated(":".join(setting), *(e.start_mark.line + 1 for e in (one, key))), key)
            yield key, value, *setting

    def complain(self, mistake: Mistake, node: Any, *steps: str) -> None:
        """Add a mistake, with the line of a node."""
        place = (*self._path, *steps) if self._is_ours else ()
        self._mistakes.append(LocatedMistake(place, mistake, self._name, node.start_mark.line + 1))

    def value(self, node: Any) -> Any:
        """Return the value of a node."""
        if self._is_used and node.tag not in PLAIN_TAGS:
            # The engine decodes !!binary, and makes nothing of what !!null tags: another value than the one written.
            self.complain(Mistake(f"the tag {_tag(node)}", "values without a tag", "remove the tag"), node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise yaml.composer.ComposerError(None, None, "a recursive alias", node.start_mark)
        if len(self._open) == DEEPEST:
            raise yaml.composer.ComposerError(None, None, TOO_DEEP, node.start_mark)
        self._open.add(id(node))
        is_list = isinstance(node, yaml.SequenceNode)
        value = [self._below(*item) for item in enumerate(node.value)] if is_list else self._map(node)
        self._open.discard(id(node))
        return value

    def _scalar(self, node: Any) -> Any:
        """Return the value of a scalar; where its quotes are missing, the text that is there."""
        text = node.value
        value = text if _is_text(node) else scalar(text)
        is_other = value is WRONG
        if is_other and not self._is_used:
            return value
        if value is None or isinstance(value, bool) or str(value) == text:
            return value
        is_refused = isinstance(value, float) and not math.isfinite(value)
        # Its model refuses what is no string where none is taken.
        if type_at(tuple(self._path)) not in (str, Any) if self._is_ours else not (is_refused or is_other):
            return text if is_other else value
        why = "for which the engine refuses the whole file" if is_refused else f"which YAML reads as {read_as(text)}"
        # In place of a date, the engine writes it with blanks and its zone, which is not what was meant.
        fix = f'write what is meant in quotes: "{text[:10]}"' if " " in text else f'put it in quotes: "{text}"'
        self.complain(Mistake(f"{text} without quotes, {why}", "a string", fix), node)
        return text if self._is_ours else WRONG

    def _below(self, step: str | int, node: Any) -> Any:
        self._path.append(step)
        value = self.value(node)
        self._path.pop()
        return value

    def _map(self, node: Any) -> Any:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        others: list[str] = []
        for key, item in self.items(node):
            name = key.value
            if not _is_text(key) and (wrong := other_key(name)):
                self.complain(wrong, key, name) if self._is_used else others.append(name)
            # The engine writes what it has read once more before it takes the values, and then without quotes.
            if name == "<<":
                for part in item.value if isinstance(item, yaml.SequenceNode) else [item]:
                    more = self.value(part)
                    if isinstance(more, Unknown) and not self._is_used:
                        others.append(name)
                        continue
                    if not isinstance(more, Mapping):
                        found = f"{kind_of(more)}, to be merged by <<"
                        fix = "write an alias (*name) of a mapping, or remove it"
                        self.complain(Mistake(found, "a mapping, or a list of mappings", fix), part, name)
                        continue
                    for name_below, value_below in more.items():
                        merged.setdefault(name_below, value_below)
                continue
            values[name] = self._below(name, item)
        if values.keys() == {"secure"} and isinstance(values["secure"], str):
            return SECRET
        if others:
            # A secret in it has a place that is not known.
            return SECRET
        # As the engine passes them on: of two bindings that collide, check and preview blame the same one.
        return dict(sorted({**merged, **values}.items()))


def _is_text(node: Any) -> bool:
    """Return whether a scalar is a string, whatever it looks like."""
    return bool(node.style) or node.tag == STRING


def _tag(node: Any) -> str:
    return named(node.tag.replace("tag:yaml.org,2002:", "!!"))


def repeated(key: str, first: int, second: int) -> Mistake:
    """Return the mistake for a duplicate key."""
    found = f"the key {key!r} twice, on lines {first} and {second}"
    return Mistake(found, "each key once", "merge the two, or remove one")


def line_in(node: Any, part: Place, key: Any = None) -> int | None:
    """Return the line of a place below a node, or of its nearest existing parent."""
    for each in part:
        found = step(node, each)
        if found is None:
            break
        key, node = found
    mark = (key or node).start_mark if key or node else None
    return int(mark.line) + 1 if mark else None


def step(node: Any, part: str | int) -> tuple[Any, Any] | None:
    """Return the key and the value for a step, from `<<` too; for an item of a list, the item twice."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if not isinstance(node, yaml.MappingNode):
        return None
    return _keys(node).get(str(part))


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


def end_of(node: Any) -> Any:
    """Return the mark at which a node ends; that of a block itself is where the next one begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return end_of(last[1] if isinstance(last, tuple) else last)
    return node.end_mark
