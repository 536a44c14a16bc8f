"""The files in which teams write their bindings (`irsa:teams`): which they are, and what they say."""

import functools
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from irsa.evaluation.patterns import overlap
from irsa.rules.leaves import mapping_of, strings_of
from irsa.rules.mistakes import Mistake, Place, named, path_of
from irsa.rules.subjects import WILDCARDS
from irsa.rules.unknown import Unknown
from irsa_config.indentation import keys_to_indent
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import check_files
from irsa_config.nodes import NodeReader, text_of
from irsa_config.project_file import STACK_FILE
from irsa_config.stack_file import StackFile

MOST_FILES = 5_000
PULUMI_FILE = re.compile(rf"Pulumi\.(json|ya?ml)|{STACK_FILE.pattern}", re.DOTALL)
NO_FILE = "no regular file, but a link, a folder or another thing"
IN_FILE = "`bindings:`, with the keys that irsa:bindings has in a stack file"
REGULAR = "regular files in the Git repository of Pulumi.yaml, or else in its folder, without links and submodules"


class TeamFile(StackFile):
    """A team's file: `bindings:`, as a stack file has them below `irsa:bindings`."""

    def _read(self, root: Any) -> None:
        theirs = NodeReader(self.name, self.mistakes, is_ours=False)
        top = self._top(root, theirs, IN_FILE)
        for key, _ in top.values():
            if key.value != "bindings":
                theirs.complain(Mistake(f"the key {named(key.value)}", IN_FILE, "remove it"), key)
        if "bindings" not in top:
            raise Mistake("no `bindings:`", IN_FILE, "add it")
        key, node = top["bindings"]
        if not isinstance(node, yaml.MappingNode):
            theirs.complain(Mistake("no mapping in `bindings:`", IN_FILE, "write the bindings below it"), key)
            return
        bindings = self._setting("bindings", key, node)
        self._note_keys_to_indent(keys_to_indent(node, ("bindings",), ("bindings",)))
        if isinstance(bindings, Unknown):
            wrong = Mistake(
                "a secret in place of the bindings", IN_FILE, "write the bindings; a value of one can be a secret"
            )
            theirs.complain(wrong, key)
            return
        self.settings = {"bindings": bindings}


class TeamBindings(NamedTuple):
    """The bindings of all teams.

    Attributes:
        bindings: What is written under their keys.
        teams: The team of each.
        files: The file of each.
        mistakes: What is wrong with the files, and between the teams.
        of_files: The team of each file, by its name.
    """

    bindings: dict[str, Any]
    teams: dict[str, str]
    files: dict[str, TeamFile]
    mistakes: list[LocatedMistake]
    of_files: dict[str, str]

    def in_file(self, mistake: LocatedMistake) -> LocatedMistake:
        """Return a mistake with its team; one in a team's binding with its file and line there."""
        setting, key = map(str, (*mistake.place, "", "")[:2])
        file = self.files.get(key) if setting == "bindings" else None
        if file and mistake.file is None:
            mistake = mistake._replace(file=file.name, line=file.line(mistake.place))
        of_file = self.of_files.get((file.name if file else mistake.file) or "", "")
        return mistake._replace(team=key if setting == "teams" else of_file)


def read_team_bindings(values: Mapping[str, Any], folder: Path) -> TeamBindings:
    """Return the bindings of the teams' files.

    Args:
        values: The `irsa:` values of a stack.
        folder: The folder of Pulumi.yaml.
    """
    found = TeamBindings({}, {}, {}, [], {})
    if values.get("teams") is None:
        return found
    teams = {name: team for name, team in mapping_of(values["teams"]).items() if isinstance(team, dict)}
    found.mistakes.extend(_overlaps(teams))
    search = Search(folder)
    paths: dict[Path, str] = {}
    stack = mapping_of(values.get("bindings"))
    for name, team in teams.items():
        # One that is not a string is a mistake already.
        for path, refused in search.files(team["files"]) if isinstance(team.get("files"), str) else ():
            wrong = refused or _added(found, path, search.name(path), name, stack)
            found.mistakes.extend([LocatedMistake(("teams", name, "files"), wrong)] if wrong else [])
            if wrong is None:
                paths[path] = name
    found.mistakes.extend(_shared_folders(paths, search))
    return found


def _added(found: TeamBindings, path: Path, name: str, team: str, stack: Mapping[str, Any]) -> Mistake | None:
    """Add the bindings of a file, and what is wrong with them alone; return why the file is not read."""
    if (other := found.of_files.get(name)) is not None:
        what = f"{named(name)}, which is a file of irsa:teams.{other} too"
        return Mistake(what, "each file in one team", "change one of the patterns")
    try:
        file = TeamFile(path, name)
    except OSError as error:
        return Mistake(f"{named(name)}: {error.strerror}", REGULAR, "make it readable")
    found.of_files[name] = team
    found.mistakes.extend(file.mistakes)
    for key, binding in mapping_of(file.settings.get("bindings") if not file.to_indent else {}).items():
        place: Place = ("bindings", key)
        if key in found.files or key in stack:
            first = found.files.get(key)
            where = f"{named(first.name)}:{first.line(place)}" if first else f"irsa:{path_of(place)} of the stack file"
            twice = Mistake(f"the key {key!r}, which {where} has too", "each key once", "rename one of the two")
            found.mistakes.append(LocatedMistake(place, twice, file.name, file.line(place)))
        else:
            found.bindings[key], found.teams[key], found.files[key] = binding, team, file
    return None


class Search:
    """Finds the files of the teams of a stack, below its folder or elsewhere in its Git repository."""

    def __init__(self, folder: Path) -> None:
        self._here = Path(os.path.realpath(folder))
        self._number = 0
        # Why files of each folder may not be read.
        self._why_not = {_repository(self._here) or self._here: ""}

    def name(self, path: Path) -> str:
        """Return the path of a file from the folder of Pulumi.yaml."""
        return os.path.relpath(path, self._here)

    def files(self, pattern: str) -> Iterator[tuple[Path, Mistake | None]]:
        """Yield the files of a path or a pattern, whose `*` crosses no `/`, each with why it may not be read."""
        try:
            found = self._found(pattern)
        except Mistake as mistake:
            yield self._here, mistake
            return
        self._number += len(found)
        for each in found:
            wrong = self._outside(each.parent) or ("" if stat.S_ISREG(each.lstat().st_mode) else NO_FILE)
            wrong = wrong or ("a file of Pulumi" if PULUMI_FILE.fullmatch(each.name) else "")
            found_here = f"{named(self.name(each))}, which is {wrong}"
            yield each, Mistake(found_here, REGULAR, "move it there, or name others") if wrong else None

    def _found(self, pattern: str) -> list[Path]:
        check_files(pattern)
        found = [self._here]
        for part in (each for each in pattern.split("/") if each not in ("", ".")):
            if part == "..":
                found = list(dict.fromkeys(each.parent for each in found))
            elif "*" in part:
                found = [each / name for each in found for name in _names(each) if _expression(part).fullmatch(name)]
            else:
                found = [each / part for each in found]
            # What `*` finds may be a file on the way, or a folder at the end.
            found = [each for each in found if os.path.lexists(each)] if "*" in pattern else found
            if len(found) + self._number > MOST_FILES:
                found_so_far = f"more than {MOST_FILES:,} files of teams"
                raise Mistake(found_so_far, f"at most {MOST_FILES:,}", "divide them over several stacks")
        found = [each for each in found if "*" not in pattern or not each.is_dir() or each.is_symlink()]
        if not found or not os.path.lexists(found[0]):
            raise Mistake(f"no file {named(pattern)}", REGULAR, "create it, or name another")
        return found

    def _outside(self, folder: Path) -> str:
        """Return why files of a folder may not be read; empty where they may."""
        if folder not in self._why_not:
            above = "outside of the Git repository" if folder == folder.parent else self._outside(folder.parent)
            own = "behind a link" if folder.is_symlink() else ""
            own = own or ("in a submodule" if os.path.lexists(folder / ".git") else "")
            self._why_not[folder] = own if own == "behind a link" else above or own
        return self._why_not[folder]


@functools.cache
def _expression(part: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(map(re.escape, part.split("*"))), re.DOTALL)


def is_team_file(path: Path) -> bool:
    """Return whether a file that is named for a check is a team's: no stack file by its name, with `bindings:`."""
    try:
        return not STACK_FILE.fullmatch(path.name) and re.search("(?m)^bindings:", text_of(path)) is not None
    except (OSError, ValueError):
        return False


def _repository(folder: Path) -> Path | None:
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each / ".git")), None)


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, without hidden ones."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208
    except OSError:
        return []


def _overlaps(teams: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield the namespaces and keys that two teams have."""
    for setting in ("namespaces", "keys"):
        patterns = [(each, name) for name, team in teams.items() for each in strings_of(team.get(setting))]
        # IAM ignores the case of the names of roles and policies, which keys become.
        for one, other in _pairs([(WILDCARDS.split(each)[0].lower(), each, name) for each, name in patterns], _overlap):
            found = f"{named(one[1])}, which overlaps {named(other[1])} of irsa:teams.{other[2]}"
            mistake = Mistake(found, f"each of the {setting} in one team", "change one of the two")
            yield LocatedMistake(("teams", one[2], setting), mistake)


def _overlap(one: str, other: str) -> bool:
    return overlap(one.lower(), other.lower())


def _shared_folders(teams: Mapping[Path, str], search: Search) -> Iterator[LocatedMistake]:
    """Yield the folders of two teams, of which each could name the other's policy files."""
    folders = {(f"{path.parent}/", name) for path, name in teams.items()}
    named_twice = [(each, each, name) for each, name in folders]
    for one, other in _pairs(named_twice, lambda *_: True):
        of_one, of_other = (named(search.name(Path(each[0]))) for each in (one, other))
        found = f"files in the folder {of_one}, which is that of irsa:teams.{other[2]}, or within it: {of_other}"
        wrong = Mistake(found, "folders of the files of one team", "move the files of one of the two")
        yield LocatedMistake(("teams", one[2], "files"), wrong)


Item = tuple[str, str, str]


def _pairs(items: Iterable[Item], together: Callable[[str, str], bool]) -> Iterator[tuple[Item, Item]]:
    """Yield the first pair of each item with one of another team, where one starts with what the other starts with."""
    above: list[Item] = []
    for item in sorted(items):
        while above and not item[0].startswith(above[-1][0]):
            above.pop()
        other = next((each for each in above if each[2] != item[2] and together(item[1], each[1])), None)
        if other:
            yield item, other
        above.append(item)
