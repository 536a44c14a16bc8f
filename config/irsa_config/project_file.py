"""Pulumi.yaml: the settings of all stacks, and where their files are."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from irsa.rules.mistakes import Mistake, named
from irsa_config.engine_files import PREFIX, PROJECT_FILES, refusal
from irsa_config.located_mistake import LocatedMistake
from irsa_config.nodes import NodeReader, composed, text_of
from irsa_config.provider_settings import PROVIDERS

NAME = "Pulumi.yaml"
STACK_FILE = re.compile(r"Pulumi\..+\.(json|ya?ml)", re.DOTALL)


class ProjectSettings(NamedTuple):
    """The settings in Pulumi.yaml, for stacks that do not set them.

    Attributes:
        settings: The `irsa:` settings by their names without `irsa:`.
        providers: The settings `aws:...` and `kubernetes:...`, by these names.
        places: The file and the line of each of the latter.
        mistakes: Mistakes in their YAML.
        refused: Why the engine does not read these settings, or gives none of them to the program of irsa.
        not_checked: Why they could not be read; the engine stops for the same reason.
    """

    settings: Mapping[str, Any] = {}
    providers: Mapping[str, Any] = {}
    places: Mapping[str, Mapping[str, Any]] = {}
    mistakes: Sequence[LocatedMistake] = ()
    refused: Sequence[LocatedMistake] = ()
    not_checked: str = ""


def project_file(folder: Path) -> Path | None:
    """Return the project file that the engine reads in a folder; None where it has none."""
    # Path.is_file raises where it may not look; the engine goes on.
    return next((folder / name for name in PROJECT_FILES if os.path.isfile(folder / name)), None)  # noqa: PTH113


def project_name(folder: Path) -> str:
    """Return the name of the project in a folder; empty where its Pulumi.yaml does not say it."""
    name = _top(folder).get("name")
    return name if isinstance(name, str) else ""


def stack_folder(folder: Path) -> str:
    """Return where the stack files of the project in a folder are, from there: `.`, or what its Pulumi.yaml names."""
    top = _top(folder)
    # Older engines have it in `config:`. An absolute path is below the folder too, as Go joins them.
    names = (top.get(key) for key in ("stackConfigDir", "config"))
    return os.path.normpath(f"./{next((name for name in names if isinstance(name, str)), '')}")


def _top(folder: Path) -> Mapping[str, Any]:
    try:
        root = composed(text_of(project_file(folder) or folder / NAME))
        return NodeReader(NAME, [], is_ours=False).value(root) if isinstance(root, yaml.MappingNode) else {}
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}


def project_above(folder: Path) -> Path | None:
    """Return the nearest folder with a project file, this one or one above it, as the engine looks for it."""
    # Go takes $PWD, in which links stay: https://pkg.go.dev/os#Getwd
    here = Path(os.environ.get("PWD", ""))
    here = here if here.is_absolute() and here.exists() and here.samefile(Path()) else Path.cwd()
    above = Path(os.path.normpath(here / folder)).parents
    return next((near for near in (folder, *above) if project_file(near)), None)


def project_folder(file: Path) -> Path:
    """Return the folder of the Pulumi.yaml of a stack file, or the file's own where no project has its files there.

    A relative path has the working directory above it, whichever way it leads.
    """
    folder = file.parent.resolve()
    for near in (*file.parents, *folder.parents):
        if project_file(near) and (near / stack_folder(near)).resolve() == folder:
            return near
    return file.parent


def unread(file: Path) -> Mistake | None:
    """Return what is wrong with a file that has a stack's name, but is not what the engine reads for that stack."""
    folder = project_folder(file)
    folder = folder if project_file(folder) else project_above(file.parent) or folder
    project = project_file(folder)
    if project is None or not STACK_FILE.fullmatch(file.name):
        return None
    wanted = folder / stack_folder(folder) / f"{file.stem}{project.suffix}"
    same = wanted.name == file.name and wanted.parent.resolve() == file.parent.resolve()
    return None if same else refusal("another file", named(str(wanted)))


def project_settings(folder: Path) -> ProjectSettings:
    """Return the settings of the Pulumi.yaml in the folder; without one, empty settings."""
    path = project_file(folder)
    if path is None:
        return ProjectSettings()
    if path.name != NAME:
        return ProjectSettings(refused=[LocatedMistake((), refusal(path.name), str(path))])
    try:
        return _project_settings(composed(text_of(path)), str(path))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "not readable as YAML"
        return ProjectSettings(not_checked=f"the settings in {named(str(path))}: {why}")


def _project_settings(root: Any, name: str) -> ProjectSettings:
    if not isinstance(root, yaml.MappingNode):
        return ProjectSettings(not_checked=f"the settings in {named(name)}: not a mapping")
    mistakes: list[LocatedMistake] = []
    ours, theirs = NodeReader(name, mistakes), NodeReader(name, mistakes, is_ours=False, is_used=True)
    top = {key.value: (key, node) for key, node in theirs.written(root)}
    refused = [
        LocatedMistake((), refusal(way, named(found)), name, top[way][0].start_mark.line + 1)
        for way, allowed in (("name", "irsa"), ("runtime", "python"))
        if way in top and (found := _text(theirs.value(top[way][1]))) not in (allowed, "")
    ]
    config = top["config"][1] if "config" in top else None
    if isinstance(config, yaml.SequenceNode):
        return ProjectSettings(not_checked=f"the settings in {named(name)}: a list in `config:`")
    if isinstance(config, yaml.ScalarNode) and isinstance(theirs.value(config), str) and "stackConfigDir" in top:
        theirs.complain(refusal("both folders"), top["config"][0])
    if not isinstance(config, yaml.MappingNode):
        return ProjectSettings(mistakes=mistakes, refused=refused)
    settings: dict[str, Any] = {}
    providers: dict[str, Any] = {}
    places: dict[str, dict[str, Any]] = {}
    for key, declared, namespace, setting in theirs.settings(config):
        node = _value_in(declared, theirs)
        if node is not None and namespace in PROVIDERS:
            providers[f"{namespace}:{setting}"] = theirs.value(node)
            places[f"{namespace}:{setting}"] = {"file": NAME, "line": key.start_mark.line + 1}
        elif node is not None and namespace == PREFIX and (value := ours.setting(setting, node)) is not None:
            settings[setting] = value
    return ProjectSettings(settings, providers, places, mistakes, refused)


def _value_in(declared: Any, theirs: NodeReader) -> Any:
    """Return the node of a value, beside which there may be its type and its description; None where there is none."""
    if not isinstance(declared, yaml.MappingNode):
        return declared
    parts = {part.value: item for part, item in theirs.written(declared)}
    return parts.get("value", parts.get("default"))


def _text(value: Any) -> str:
    """Return the name of a project or a runtime, which may be in a mapping with its options; empty for what is none."""
    name = value.get("name") if isinstance(value, Mapping) else value
    return name if isinstance(name, str) else ""
