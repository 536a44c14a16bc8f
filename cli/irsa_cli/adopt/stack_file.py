"""The stack file that is written or merged into: every line of what is there stays as it is."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from irsa.rules.leaves import list_of, map_leaves, mapping_of
from irsa.rules.mistakes import named
from irsa_cli.adopt.declared import is_encrypted
from irsa_cli.exits import CouldNotLookError

NAME = re.compile(r"Pulumi\.(.+)\.yaml")
# What every reader of YAML takes for a string without quotes: Pulumi's own reads `yes`, 2012-10-17 and 0123 otherwise.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./+@=,-]*(:[A-Za-z0-9_./+@=,*?:-]*[A-Za-z0-9_./+@=,*?-])?")
_WORDS = re.compile(r"(?i:true|false|null|yes|no|on|off|y|n)")
# Settings that decide what is declared already, or to which something is added.
ADDED_TO = ("accounts", "bindings", "cluster", "clusters", "defaults", "lint", "quotas", "variables")
_NEW = "# yaml-language-server: $schema=config/schema.json\n"
_WIDTH = 2**20
_OFFSET = 2
# The C parser, if PyYAML was built with it: ruamel takes a minute for some thousand bindings.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class StackFile:
    """A stack file, which need not exist yet.

    Attributes:
        path: Where it is.
        stack: Its stack, `prod` of `Pulumi.prod.yaml`.
        exists: Whether it is there.
        settings: Its `irsa:` settings, by their names without that prefix.
        region: Its `aws:region`; empty where it has none.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            CouldNotLookError: It has another name than a stack file, cannot be read, or has no settings to add to.
        """
        name = NAME.fullmatch(path.name)
        if name is None:
            raise CouldNotLookError(f"{named(str(path))} is not the name of a stack file: write Pulumi.STACK.yaml")
        self.path, self.stack = path, name[1]
        self.exists, self._text = _read(path)
        config = self._config(self._text)
        self._keys = {_setting(key): key for key in config}
        self.settings: dict[str, Any] = {
            name.removeprefix("irsa:"): config[key] for name, key in self._keys.items() if name.startswith("irsa:")
        }
        for setting in ADDED_TO:
            if is_encrypted(self.settings.get(setting)):
                raise self._unusable(f"irsa:{setting} is encrypted, so what it has is not known here")
        region = config.get("aws:region")
        self.region = region if isinstance(region, str) else ""

    def with_additions(
        self,
        region: str,
        aws_account: str,
        additions: Mapping[str, Mapping[str, Any]],
        silences: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> str:
        """Return the text of the file with what is added.

        Args:
            region: The `aws:region` of a new file; empty where there is none.
            aws_account: The ID of the only AWS account that the AWS provider then accepts. A file that configures the
                provider, beyond the region, is not given it: a second list of AWS accounts may be refused.
            additions: New keys of settings that are mappings, such as `bindings`, which the file may have.
            silences: Of lint rules, with bindings and reason; one that the file has gets the bindings.

        Raises:
            CouldNotLookError: A setting of the file is of another shape than the addition, or its form of YAML is such
                that something would be lost, in another setting too, which may share an anchor.
        """
        text, root = self._text, self._root(self._text)
        config = {**(root.get("config") or {})}
        provider: dict[str, Any] = {}
        if not self.exists:
            text = _NEW
            provider |= {"aws:region": region} if region else {}
        if not any(name.startswith("aws:") and name != "aws:region" for name in self._keys):
            provider["aws:allowedAccountIds"] = [aws_account]
        if provider:
            text = self._inserted(text, ("config",), provider)
            config |= provider
        for name, entries in additions.items():
            if entries:
                key = self._keys.get(f"irsa:{name}", f"irsa:{name}")
                text = self._inserted(text, ("config", key), entries)
                config[key] = {**(config.get(key) or {}), **entries}
        text = self._with_silences(text, config, silences)
        found = self._root(text)
        if {**found, "config": found.get("config") or {}} != _python_values({**root, "config": config}):
            raise self._unusable("its form of YAML cannot be added to without changing it")
        return text

    def _with_silences(self, text: str, config: dict[str, Any], silences: Mapping[str, Mapping[str, Any]]) -> str:
        """Return the text with silences of lint rules, which the config gets, too."""
        key = self._keys.get("irsa:lint", "irsa:lint")
        place, present = ("config", key, "silence"), mapping_of(mapping_of(config.get(key)).get("silence"))
        new = {rule: each for rule, each in silences.items() if rule not in present}
        text = self._inserted(text, place, new) if new else text
        both = {**present, **new}
        for rule in silences.keys() & present.keys():
            added = silences[rule]["bindings"]
            text = self._inserted_by_ruamel(text, (*place, rule, "bindings"), added)
            both[rule] = {**present[rule], "bindings": [*list_of(present[rule].get("bindings")), *added]}
        if both:
            config[key] = {**mapping_of(config.get(key)), "silence": both}
        return text

    def _inserted(self, text: str, place: tuple[str, ...], entries: Mapping[str, Any]) -> str:
        """Return the text with new entries at the end of a mapping, which may be missing."""
        node, depth = _mapping_at(yaml.compose(text, Loader=_LOADER), place)
        if node is None:
            # The outer mapping gets the inner one.
            for step in reversed(place[depth:]):
                entries = {step: entries}
            return (
                self._inserted(text, place[:depth], entries) if depth else _appended(text, self._rendered(entries, 0))
            )
        if not isinstance(node, yaml.MappingNode) or not node.value or node.flow_style:
            return self._inserted_by_ruamel(text, place, entries)
        column = node.value[0][0].start_mark.column
        lines = text.splitlines(keepends=True)
        end = _end_of(node, lines, column)
        before, after = "".join(lines[:end]), "".join(lines[end:])
        return _appended(before, self._rendered(entries, column)) + after

    def _inserted_by_ruamel(self, text: str, place: tuple[str, ...], entries: Mapping[str, Any] | Sequence[str]) -> str:
        """Return the same where a mapping is empty, or within braces, and for items at the end of a list.

        Only then other lines may change their form.
        """
        ruamel = self._ruamel()
        root = ruamel.load(text)
        outer = root
        for step in place[:-1]:
            outer = outer[step]
        found = outer.get(place[-1])
        if isinstance(found, CommentedSeq) and not isinstance(entries, Mapping):
            found.extend(_for_ruamel(entries))
        elif found is None or found == {}:
            outer[place[-1]] = _for_ruamel(entries)
        elif isinstance(found, CommentedMap) and "secure" not in found:
            found.update(_for_ruamel(entries))
        else:
            raise self._unusable(f"{place[-1]} is not a mapping that can be added to")
        stream = io.StringIO()
        ruamel.dump(root, stream)
        return stream.getvalue()

    def _rendered(self, entries: Mapping[str, Any], column: int) -> str:
        stream = io.StringIO()
        self._ruamel().dump(_for_ruamel(entries), stream)
        newline = "\r\n" if "\r\n" in self._text else "\n"
        return "".join(f"{' ' * column}{line}{newline}" for line in stream.getvalue().splitlines())

    def _config(self, text: str) -> dict[str, Any]:
        config = self._root(text).get("config")
        if config is not None and not isinstance(config, dict):
            raise self._unusable("its `config:` is not a mapping")
        return config or {}

    def _root(self, text: str) -> dict[str, Any]:
        try:
            root = _python_values(yaml.load(text, Loader=_LOADER))  # noqa: S506 (it is the safe loader)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise self._unusable(f"it is not YAML: {str(error).splitlines()[0]}") from error
        if root is not None and not isinstance(root, dict):
            raise self._unusable("it is not a mapping with `config:`")
        return root or {}

    def _ruamel(self) -> YAML:
        ruamel = YAML()
        ruamel.preserve_quotes = True
        ruamel.width = _WIDTH
        # As far as the file says it, items are indented as it does that.
        item = re.search(r"^( *)(?:[^ #-][^#]*:|- .*)\n( *)- ", self._text, re.MULTILINE)
        offset = max(0, min(len(item[2]) - len(item[1]), _OFFSET)) if item else _OFFSET
        ruamel.indent(mapping=2, sequence=offset + 2, offset=offset)
        return ruamel

    def _unusable(self, reason: str) -> CouldNotLookError:
        return CouldNotLookError(f"cannot add to {named(str(self.path))}: {named(reason)}; run `irsa check` on it")


def _read(path: Path) -> tuple[bool, str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return True, file.read()
    except FileNotFoundError:
        return False, ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CouldNotLookError(f"cannot read {named(str(path))}: {reason}") from error


def _setting(key: str) -> str:
    """Return a key of `config:` as it is commonly written: a key without a namespace belongs to the project."""
    parts = key.split(":")
    if parts[1:-1] == ["config"]:
        del parts[1]
    return ":".join(parts if len(parts) > 1 else ["irsa", key])


def _python_values(value: Any) -> Any:
    return map_leaves(value, lambda _, leaf: str(leaf) if isinstance(leaf, str) else leaf, lambda _, key: str(key))


def _mapping_at(root: yaml.Node | None, place: tuple[str, ...]) -> tuple[yaml.Node | None, int]:
    """Return the node at a place, and how many of its steps are there; None where one is missing."""
    node = root
    for depth, step in enumerate(place):
        entries = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in entries if key.value == step), None)
        if node is None:
            return None, depth
    return node, len(place)


def _end_of(node: yaml.MappingNode, lines: list[str], column: int) -> int:
    """Return the line before which something is added to a block mapping.

    Its end is where the next token starts. Blank lines before that, and comments that are indented less than its keys,
    belong to what follows.
    """
    last = _last(node)
    end = node.end_mark.line if node.end_mark.line > last else last + 1
    while end > last + 1:
        line = lines[end - 1]
        text = line.strip()
        if text and not (text.startswith("#") and len(line) - len(line.lstrip()) < column):
            break
        end -= 1
    return end


def _last(node: yaml.Node) -> int:
    """Return the last line on which a value of a node begins."""
    if isinstance(node, yaml.ScalarNode) or not node.value:
        return int(node.start_mark.line)
    inner = node.value[-1]
    return max(_last(each) for each in (inner if isinstance(inner, tuple) else (inner,)))


def _appended(text: str, more: str) -> str:
    return f"{text}{more}" if not text or text.endswith("\n") else f"{text}\n{more}"


def _for_ruamel(value: Any) -> Any:
    """Return a value in block style, with quotes around the strings that need some for any reader of YAML."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value) else DoubleQuotedScalarString(value)
    if isinstance(value, Mapping):
        return CommentedMap((_for_ruamel(key), _for_ruamel(each)) for key, each in value.items())
    if isinstance(value, list | tuple):
        return CommentedSeq(map(_for_ruamel, value))
    return value
