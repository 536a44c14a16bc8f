"""The stack file that is written or merged into: every line of what is there stays as it is."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from irsa.rules.mistakes import Mistake, named
from irsa_cli.text_files import text_of
from irsa_config.engine_files import setting_of
from irsa_config.nodes import TooManyValuesError, composed, step
from irsa_world.exits import CouldNotLookError

NAME = re.compile(r"Pulumi\.(.+)\.yaml")
# What every reader of YAML takes for a string without quotes: Pulumi's own reads `yes`, 2012-10-17 and 0123 otherwise.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./+@=,-]*(:[A-Za-z0-9_./+@=,*?:-]*[A-Za-z0-9_./+@=,*?-])?")
_WORDS = re.compile(r"(?i:true|false|null|yes|no|on|off|y|n)")
# Settings that decide what is declared already, or to which something is added.
ADDED_TO = ("accounts", "bindings", "cluster", "clusters", "defaults", "variables")
_NEW = "# yaml-language-server: $schema=config/schema.json\n"
ITS_FORM = "irsa cannot add to its form of YAML without changing what is there"
_WIDTH = 2**20
_INDENT = 2
# The C parser, if PyYAML was built with it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Dumper(yaml.SafeDumper):
    """It writes block style, with quotes around the strings that need some for any reader of YAML."""

    def ignore_aliases(self, _: Any) -> bool:
        """Write what stands in two places twice."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 (PyYAML's own)
        """Indent the items of a list, too."""
        super().increase_indent(flow)


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = _PLAIN.fullmatch(text) and not _WORDS.fullmatch(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _string)


class AdoptedFile:
    """A stack file, which need not exist yet.

    Attributes:
        path: Where it is.
        text: Its text.
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
        try:
            self.exists = path.exists()
        except OSError as error:
            raise CouldNotLookError(f"cannot read {named(str(path))}: {error.strerror}") from error
        self.text = text_of(path.read_bytes, named(str(path))) if self.exists else ""
        self._newline = "\r\n" if "\r\n" in self.text else "\n"
        config = self._root(self.text).get("config") or {}
        if not isinstance(config, dict):
            raise self._unusable("its `config:` is not a mapping")
        try:
            self._keys = {":".join(setting_of(str(key))): key for key in config}
        except Mistake as mistake:
            raise self._unusable(mistake.found) from mistake
        self.settings: dict[str, Any] = {
            name.removeprefix("irsa:"): config[key] for name, key in self._keys.items() if name.startswith("irsa:")
        }
        for setting in ADDED_TO:
            value = self.settings.get(setting)
            # https://www.pulumi.com/docs/iac/concepts/secrets/
            if isinstance(value, Mapping) and {*value} == {"secure"}:
                raise self._unusable(f"irsa:{setting} is encrypted, so irsa cannot read it")
        region = config.get("aws:region")
        self.region = region if isinstance(region, str) else ""

    def with_additions(self, region: str, aws_account: str, additions: Mapping[str, Mapping[str, Any]]) -> str:
        """Return the text of the file with what is added.

        Args:
            region: The `aws:region` of a new file; may be empty.
            aws_account: The ID of the only AWS account that the AWS provider then accepts, unless the file configures
                it: a second list of AWS accounts may be refused.
            additions: New keys of settings that are mappings, such as `bindings`, which the file may have.

        Raises:
            CouldNotLookError: A setting of the file is of another shape than the addition, or its form of YAML is such
                that something would be lost, in another setting too, which may share an anchor.
        """
        root = self._root(self.text)
        config = {**(root.get("config") or {})}
        new = self._of_provider(region, aws_account)
        present = {name: each for name, each in additions.items() if each and f"irsa:{name}" in self._keys}
        new |= {f"irsa:{name}": each for name, each in additions.items() if each and name not in present}
        text = self.text if self.exists else _NEW
        text = self._inserted(text, ("config",), new) if new else text
        config |= new
        for name, entries in present.items():
            key = self._keys[f"irsa:{name}"]
            text = self._inserted(text, ("config", key), entries)
            config[key] = {**(config.get(key) or {}), **entries}
        try:
            found = self._root(text)
        except CouldNotLookError:
            found = {}
        if {**found, "config": found.get("config") or {}} != {**root, "config": config}:
            raise self._unusable(ITS_FORM)
        return text

    def nodes_of_bindings(self) -> list[Any]:
        """Return the node of each binding, each once."""
        node = yaml.compose(self.text, Loader=_LOADER)
        for name in ("config", self._keys.get("irsa:bindings", "")):
            _, node = step(node, name) or (None, None)
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        return [*{id(value): value for _, value in pairs}.values()]

    def differs_only_by(self, text: str, bindings: Mapping[str, Any]) -> bool:
        """Return whether a text says the same as the file, but for these bindings in place of its own."""
        root, key = self._root(self.text), self._keys["irsa:bindings"]
        try:
            return self._root(text) == {**root, "config": {**root["config"], key: bindings}}
        except CouldNotLookError:
            return False

    def _of_provider(self, region: str, aws_account: str) -> dict[str, Any]:
        found: dict[str, Any] = {"aws:region": region} if region and not self.exists else {}
        if not any(name.startswith("aws:") and name != "aws:region" for name in self._keys):
            found["aws:allowedAccountIds"] = [aws_account]
        return found

    def _inserted(self, text: str, place: tuple[str, ...], entries: Mapping[str, Any]) -> str:
        """Return the text with new entries at the beginning of a mapping, which may be missing."""
        key, node = None, yaml.compose(text, Loader=_LOADER)
        for name in place:
            found = step(node, name)
            if found is None:
                entries = {name: entries}
                break
            key, node = found
            if isinstance(node, yaml.MappingNode) and node.flow_style and node.value:
                raise self._unusable(ITS_FORM)
        if key is None or node is None:
            ended = not text or text.endswith(self._newline)
            return f"{text}{'' if ended else self._newline}{self._rendered(entries, 0)}"
        start, end = node.start_mark.index, node.end_mark.index
        if not node.value or node.tag.endswith(":null"):
            rest = text[end:].lstrip(" ").removeprefix(self._newline)
            rendered = self._rendered(entries, key.start_mark.column + _INDENT)
            return text[:start].rstrip(" ") + self._newline + rendered + rest
        if not isinstance(node, yaml.MappingNode):
            raise self._unusable(f"{place[-1]} has another shape than what is added")
        lines, line = text.splitlines(keepends=True), key.end_mark.line + 1
        column = node.value[0][0].start_mark.column
        return "".join((*lines[:line], self._rendered(entries, column), *lines[line:]))

    def _rendered(self, entries: Mapping[str, Any], column: int) -> str:
        text = yaml.dump(
            entries, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True, default_flow_style=False
        )
        return "".join(f"{' ' * column}{line}{self._newline}" for line in text.splitlines())

    def _root(self, text: str) -> dict[str, Any]:
        try:
            if "&" in text:
                composed(text)
            root = yaml.load(text, Loader=_LOADER)  # noqa: S506 (it is the safe loader)
        except TooManyValuesError as mistake:
            raise self._unusable(f"line {mistake.line}: {mistake.found}") from mistake
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise self._unusable(f"it is not YAML: {str(error).splitlines()[0]}") from error
        if root is not None and not isinstance(root, dict):
            raise self._unusable("it is not a mapping with `config:`")
        return root or {}

    def _unusable(self, reason: str) -> CouldNotLookError:
        return CouldNotLookError(f"cannot change {named(str(self.path))}: {named(reason)}; run `irsa check` on it")
