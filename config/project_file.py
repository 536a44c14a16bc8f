"""Pulumi.yaml: the settings of all stacks, and where their files are."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from config.located_mistake import LocatedMistake
from config.nodes import Reader, composed, text_of
from config.provider_settings import PROVIDERS, region_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.unknown import Unknown

NAME = "Pulumi.yaml"


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


def stack_folder(folder: Path) -> str:
    """Return where the stack files of the project in a folder are, from there: `.`, or what its Pulumi.yaml names."""
    try:
        root = composed(text_of(folder / NAME))
        top = Reader(NAME, [], is_ours=False).value(root) if isinstance(root, yaml.MappingNode) else {}
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        top = {}
    # Older engines have it in `config:`. An absolute path is below the folder too, as Go joins them.
    names = (top.get(key) for key in ("stackConfigDir", "config"))
    return os.path.normpath(f"./{next((name for name in names if isinstance(name, str)), '')}")


def project_above(folder: Path) -> Path | None:
    """Return the nearest folder with a Pulumi.yaml, this one or one above it, as the engine looks for it."""
    return next((near for near in (folder, *folder.resolve().parents) if (near / NAME).is_file()), None)


def project_folder(file: Path) -> Path:
    """Return the folder of the Pulumi.yaml of a stack file, or the file's own where no project has its files there.

    A relative path has the working directory above it, whichever way it leads.
    """
    folder = file.parent.resolve()
    for near in (*file.parents, *folder.parents):
        if (near / NAME).is_file() and (near / stack_folder(near)).resolve() == folder:
            return near
    return file.parent


def project_settings(folder: Path, region_is_set: bool = False) -> ProjectSettings:
    """Return the settings of the Pulumi.yaml in the folder; without one, empty settings."""
    path = folder / NAME
    try:
        return _project_settings(composed(text_of(path)), str(path), region_is_set)
    except FileNotFoundError:
        return ProjectSettings()
    except OSError as error:
        return ProjectSettings(not_checked=f"the settings in {named(str(path))}: {error.strerror}")
    except (ValueError, yaml.YAMLError, RecursionError):
        return ProjectSettings(not_checked=f"the settings in {named(str(path))}: not readable as YAML")


def _project_settings(root: Any, name: str, region_is_set: bool) -> ProjectSettings:
    if not isinstance(root, yaml.MappingNode):
        return ProjectSettings(not_checked=f"the settings in {named(name)}: not a mapping")
    mistakes: list[LocatedMistake] = []
    ours, theirs = Reader(name, mistakes), Reader(name, mistakes, is_ours=False)
    config = next((node for key, node in theirs.items(root) if key.value == "config"), None)
    if isinstance(config, yaml.SequenceNode):
        return ProjectSettings(not_checked=f"the settings in {named(name)}: a list in `config:`")
    settings: dict[str, Any] = {}
    region: str | Unknown | None = None
    providers: dict[str, Any] = {}
    for key, declared in theirs.items(config) if isinstance(config, yaml.MappingNode) else ():
        node = _value_in(declared, theirs)
        setting = str(key.value).removeprefix("irsa:")
        if node is None:
            continue
        if setting.partition(":")[0] in PROVIDERS and ":" in setting:
            providers[setting] = theirs.value(node)
        if setting == "aws:region" and not region_is_set:
            try:
                region = region_of(providers[setting])
            except Mistake as mistake:
                theirs.complain(mistake, key)
        elif ":" not in setting:
            value = ours.setting(setting, node)
            if value is not None:
                settings[setting] = value
    return ProjectSettings(settings, region, providers, mistakes)


def _value_in(declared: Any, theirs: Reader) -> Any:
    """Return the node of a value, beside which there may be its type and its description; None where there is none."""
    if not isinstance(declared, yaml.MappingNode):
        return declared
    parts = {part.value: item for part, item in theirs.items(declared)}
    return parts.get("value", parts.get("default"))
