"""The files in which teams write their bindings (`irsa:teams`): which they are, and what they say."""

import itertools
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from irsa.evaluation.patterns import overlap
from irsa.rules.leaves import leaves, mapping_of, strings_of
from irsa.rules.mistakes import Mistake, Place, named, path_of
from irsa.rules.subjects import WILDCARDS
from irsa.rules.unknown import SECRET, Unknown
from irsa.rules.variables import reference
from irsa_config.arguments_with_variables import values_with_variables
from irsa_config.indentation import as_meant
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import check_files
from irsa_config.nodes import NodeReader, text_of
from irsa_config.project_file import STACK_FILE, project_above, project_settings
from irsa_config.stack_file import StackFile
from irsa_config.variables import BUILT_IN, references

MOST_FILES = 5_000
NO_FILE = "no regular file, but a link, a folder or another thing"
IN_FILE = "`bindings:`, with the keys that irsa:bindings has in a stack file"
REGULAR = "regular files in the Git repository of Pulumi.yaml, or else in its folder, without links and submodules"


class TeamFile(StackFile):
    """A team's file: `bindings:`, as a stack file has them below `irsa:bindings`."""

    def _read(self, root: Any) -> None:
        if not isinstance(root, yaml.MappingNode):
            found = "nothing" if root is None else "not a mapping"
            self._complain(Mistake(found, IN_FILE, "write `bindings:`, and the bindings below it"), 1)
            return
        ours, theirs = NodeReader(self.name, self.mistakes), NodeReader(self.name, self.mistakes, is_ours=False)
        top = {key.value: (key, node) for key, node in theirs.written(root)}
        for name, (key, _) in top.items():
            if name != "bindings":
                theirs.complain(Mistake(f"the key {named(name)}", IN_FILE, "remove it"), key)
        if "bindings" not in top:
            self._complain(Mistake("no `bindings:`", IN_FILE, "add it"), 1)
            return
        key, node = top["bindings"]

        def complain(place: Place, mistake: Mistake) -> None:
            self.mistakes.append(LocatedMistake(place, mistake, self.name, self.line(place)))

        self._settings["bindings"] = (key, node)
        if not isinstance(node, yaml.MappingNode):
            theirs.complain(Mistake("no mapping in `bindings:`", IN_FILE, "write the bindings below it"), key)
            return
        self.settings["bindings"] = ours.setting("bindings", as_meant(node, ("bindings",), complain))


class TeamBindings(NamedTuple):
    """The bindings of all teams.

    Attributes:
        bindings: What is written under their keys.
        teams: The team of each.
        files: The file of each.
        mistakes: What is wrong with the files, and between the teams.
    """

    bindings: Mapping[str, Any]
    teams: Mapping[str, str]
    files: Mapping[str, TeamFile]
    mistakes: list[LocatedMistake]

    def in_file(self, mistake: LocatedMistake) -> LocatedMistake:
        """Return a mistake in a team's binding with its file and line there."""
        key = mistake.place[1] if mistake.place[:1] == ("bindings",) and mistake.place[1:] else None
        file = self.files.get(str(key)) if mistake.file is None else None
        return mistake._replace(file=file.name, line=file.line(mistake.place)) if file else mistake


def read_team_bindings(values: Mapping[str, Any], folder: Path, secrets: Iterable[str] = ()) -> TeamBindings:
    """Return the bindings of the teams' files.

    Args:
        values: The `irsa:` values of a stack.
        folder: The folder of Pulumi.yaml.
        secrets: Names of variables that are secret, besides those whose values are not known.
    """
    found = TeamBindings({}, {}, {}, [])
    if values.get("teams") is None:
        return found
    teams = {name: team for name, team in mapping_of(values["teams"]).items() if isinstance(team, dict)}
    hidden = [place for place, leaf in leaves(values["teams"], ("teams",)) if leaf is SECRET]
    found.mistakes.extend(LocatedMistake(place, _SECRET_LIMIT) for place in hidden)
    found.mistakes.extend(_overlaps(teams))
    of_files: dict[Path, str] = {}
    for name, team in teams.items():
        place: Place = ("teams", name, "files")
        try:
            # One that is not a string is a mistake already.
            paths = files_of(folder, team["files"], len(of_files)) if isinstance(team.get("files"), str) else {}
        except Mistake as mistake:
            found.mistakes.append(LocatedMistake(place, mistake))
            continue
        found.mistakes.extend(LocatedMistake(place, each) for each in paths.values() if each)
        for path in (each for each, wrong in paths.items() if not wrong):
            if (other := of_files.setdefault(path, name)) != name:
                what = f"{named(_name(path, folder))}, which is a file of irsa:teams.{other} too"
                wrong = Mistake(what, "each file in one team", "change one of the patterns")
                found.mistakes.append(LocatedMistake(place, wrong))
    found.mistakes.extend(_shared_folders(of_files, folder))
    unknown = _secret_variables(values) | {*secrets}
    stack = mapping_of(values.get("bindings"))
    for path, name in of_files.items():
        try:
            _add(found, TeamFile(path, _name(path, folder)), name, stack, unknown)
        except OSError as error:
            wrong = Mistake(f"{named(_name(path, folder))}: {error.strerror}", REGULAR, "make it readable")
            found.mistakes.append(LocatedMistake(("teams", name, "files"), wrong))
    return found


_SECRET_LIMIT = Mistake("a secret, with which `irsa check` compares nothing", "plain text", "write it out")


def _add(found: TeamBindings, file: TeamFile, team: str, stack: Mapping[str, Any], secrets: set[str]) -> None:
    """Add the bindings of a file, and what is wrong with them alone."""
    found.mistakes.extend(file.mistakes)
    for key, binding in mapping_of(file.settings.get("bindings")).items():
        place: Place = ("bindings", key)
        wrong: list[tuple[Place, Mistake]] = []
        if key in found.files or key in stack:
            other = found.files.get(key)
            where = f"{named(other.name)}:{other.line(place)}" if other else f"irsa:{path_of(place)} of the stack file"
            twice = Mistake(f"the key {key!r}, which {where} has too", "each key once", "rename one of the two")
            found.mistakes.append(LocatedMistake(place, twice, file.name, file.line(place)))
            continue
        for at, leaf in leaves(binding):
            if leaf is SECRET:
                fix = "write it out, or move the binding to the stack file"
                wrong.append((at, Mistake("a secret in a team's file, which only the engine reads", "plain text", fix)))
        for at, value in values_with_variables(binding) if secrets else ():
            for below, leaf in leaves(value):
                for variable in sorted(secrets.intersection(references(leaf))):
                    about = f"{named(reference(variable))}, a secret variable"
                    fix = "write the value, or move the binding to the stack file"
                    wrong.append(((*at, *below), Mistake(about, "variables that are not secret", fix)))
        places = [((*place, *at), mistake) for at, mistake in wrong]
        found.mistakes.extend(LocatedMistake(at, each, file.name, file.line(at)) for at, each in places)
        found.bindings[key], found.teams[key], found.files[key] = binding, team, file  # type: ignore[index]


def _secret_variables(values: Mapping[str, Any]) -> set[str]:
    variables = values.get("variables")
    if isinstance(variables, Unknown):
        return {*references({**values})} - BUILT_IN.keys()
    return {name for name, value in mapping_of(variables).items() if isinstance(value, Unknown)}


def files_of(folder: Path, pattern: str, others: int = 0) -> dict[Path, Mistake | None]:
    """Return the files of a path or a pattern, whose `*` crosses no `/`, each with why it may not be read.

    Args:
        folder: The folder of Pulumi.yaml.
        pattern: The path, relative to it.
        others: How many files other teams have.

    Raises:
        Mistake: There is none, or there are too many.
    """
    check_files(pattern)
    here = Path(os.path.realpath(folder))
    found = [here]
    for part in (each for each in pattern.split("/") if each not in ("", ".")):
        if part == "..":
            found = list(dict.fromkeys(each.parent for each in found))
        elif "*" in part:
            wanted = re.compile("[^/]*".join(map(re.escape, part.split("*"))), re.DOTALL)
            found = [each / name for each in found for name in _names(each) if wanted.fullmatch(name)]
        else:
            found = [each / part for each in found]
        # What `*` finds may be a file on the way, or a folder at the end.
        found = [each for each in found if "*" not in pattern or os.path.lexists(each)]
        if len(found) + others > MOST_FILES:
            found_so_far = f"more than {MOST_FILES:,} files of teams"
            raise Mistake(found_so_far, f"at most {MOST_FILES:,}", "divide them over several stacks")
    found = [each for each in found if "*" not in pattern or not each.is_dir() or each.is_symlink()]
    if not found or not os.path.lexists(found[0]):
        raise Mistake(f"no file {named(pattern)}", REGULAR, "create it, or name another")
    root = _repository(here) or here
    outside = {each: _why_not(each, root) for each in {each.parent for each in found}}
    why = {each: outside[each.parent] or ("" if stat.S_ISREG(each.lstat().st_mode) else NO_FILE) for each in found}
    fix = "move it there, or name others"
    return {
        each: Mistake(f"{named(_name(each, folder))}, which is {wrong}", REGULAR, fix) if wrong else None
        for each, wrong in why.items()
    }


def is_team_file(path: Path) -> bool:
    """Return whether a file that is named for a check is a team's: no stack file by its name, with `bindings:`."""
    try:
        return not STACK_FILE.fullmatch(path.name) and re.search("(?m)^bindings:", text_of(path)) is not None
    except (OSError, ValueError):
        return False


def stack_files_with(file: Path) -> list[Path]:
    """Return the stack files in the Git repository of a team's file, or in its project, that name the file."""
    wanted, here = Path(os.path.realpath(file)), Path(os.path.realpath(file)).parent
    root = _repository(here) or project_above(here) or here
    found = []
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name != "node_modules")
        # A link to nowhere, or a pipe, is none.
        for name in sorted(each for each in names if STACK_FILE.fullmatch(each) and (Path(folder) / each).is_file()):
            stack = StackFile(Path(os.path.relpath(Path(folder) / name)))
            settings = {**project_settings(stack.folder).settings, **stack.settings}
            if any(_names_file(team, stack.folder, wanted) for team in mapping_of(settings.get("teams")).values()):
                found.append(stack.path)
    return found


def _names_file(team: Any, folder: Path, wanted: Path) -> bool:
    pattern = mapping_of(team).get("files")
    try:
        return isinstance(pattern, str) and wanted in files_of(folder, pattern)
    except Mistake:
        # Of a pattern that finds what it may not, all is said where its stack file is checked.
        return wanted.match(os.path.basename(str(pattern)))  # noqa: PTH119


def _repository(folder: Path) -> Path | None:
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each / ".git")), None)


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, without hidden ones."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208
    except OSError:
        return []


def _why_not(folder: Path, root: Path) -> str:
    """Return why files of a folder may not be read; empty where they may."""
    if os.path.realpath(folder) != str(folder):
        return "behind a link"
    if not folder.is_relative_to(root):
        return "outside of the Git repository"
    between = itertools.takewhile(lambda each: each != root, (folder, *folder.parents))
    return "in a submodule" if any(os.path.lexists(each / ".git") for each in between) else ""


def _name(path: Path, folder: Path) -> str:
    return os.path.relpath(path, os.path.realpath(folder))


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


def _shared_folders(teams: Mapping[Path, str], folder: Path) -> Iterator[LocatedMistake]:
    """Yield the folders of two teams, of which each could name the other's policy files."""
    folders = {(f"{path.parent}/", name) for path, name in teams.items()}
    named_twice = [(each, each, name) for each, name in folders]
    for one, other in _pairs(named_twice, lambda *_: True):
        of_one, of_other = (named(_name(Path(each[0]), folder)) for each in (one, other))
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
