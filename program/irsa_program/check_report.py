"""The report of `irsa check`: what it says of stack files, as plain text, and as JSON."""

import argparse
import gc
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irsa.rules.mistakes import PRINTED, Mistake, and_more, listed, named, path_of
from irsa.rules.unknown import SECRET
from irsa_config.engine_files import VARIABLES, refusal
from irsa_config.lint import fails
from irsa_config.located_mistake import LocatedMistake
from irsa_config.project_file import STACK_FILE, ProjectSettings, project_above, project_settings, stack_folder, unread
from irsa_config.provider_settings import provider_mistakes, region_in
from irsa_config.stack_file import StackFile, located
from irsa_config.team_files import is_team_file
from irsa_program.examine import Examination, examine
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD, CouldNotLookError
from irsa_world.message import DO, Message
from irsa_world.report.json import document
from irsa_world.report.publish import print_sections
from irsa_world.report.text import VERDICTS, Section, counted

OWN_PROGRAM = "in your own program, `pulumi preview` checks the component, then run `irsa diff` and `irsa verify`"
NO_SETTINGS = Mistake("no `irsa:` setting", "irsa:cluster and irsa:bindings", f"add them; {OWN_PROGRAM}")


@dataclass(frozen=True)
class FileReport:
    """What was found in one stack file, or why it could not be read."""

    file: str
    bindings: int
    mistakes: Sequence[LocatedMistake]
    warnings: Sequence[LocatedMistake] = ()
    silenced: Sequence[tuple[LocatedMistake, str]] = ()
    not_checked: Sequence[str] = field(default=())
    could_not_read: str = ""
    has_looked: bool = True
    """Whether these credentials may ask AWS or Kubernetes something, and all of that was answered."""
    team_files: frozenset[Path] | None = None
    """The files of teams that its stack reads; None where its settings were not examined."""

    @property
    def good(self) -> bool:
        """Whether the file was read and has no mistake, and what was asked of AWS and Kubernetes has an answer."""
        return self.has_looked and not (self.mistakes or self.could_not_read)

    @property
    def summary(self) -> str:
        """The summary of the file, one line."""
        state = "good" if self.has_looked else "AWS or Kubernetes not checked"
        parts = [counted(len(self.mistakes), "error") if self.mistakes else state]
        parts += [counted(len(self.warnings), "warning")] if self.warnings else []
        parts += [f"{len(self.silenced)} silenced"] if self.silenced else []
        return f"{named(self.file)}: {', '.join(parts)}, {counted(self.bindings, 'binding')}"


def sections(reports: Sequence[FileReport]) -> list[Section]:
    """Return what is printed about each file."""
    found = []
    for report in reports:
        of_file = f"{named(report.file)}: " if len(reports) > 1 else ""
        unchecked = [Message(f"not checked: {of_file}{text}", style="dim") for text in report.not_checked]
        style = VERDICTS[GOOD if report.good else FINDINGS]
        found.append(Section(report.summary, style, [*messages(report), *unchecked]))
    return found


def messages(report: FileReport) -> Iterator[Message]:
    """Yield the message of each mistake and warning."""
    headings = [
        (each, "" if each.rule == "error" else f"  [{each.rule}]", "bold red") for each in report.mistakes[:PRINTED]
    ]
    headings += [(each, f"  warning [{each.rule}]", "bold yellow") for each in report.warnings[:PRINTED]]
    for each, marks, style in headings:
        team = f"  (team {named(each.team)})" if each.team else ""
        parts = ("found", each.mistake.found), ("allowed", each.mistake.allowed), (DO, each.mistake.fix)
        yield Message(each.where + team + marks, parts, style=style)
    for kind, number in (("an error", len(report.mistakes)), ("a warning", len(report.warnings))):
        for more in and_more(number, PRINTED):
            yield Message(f"{more}, each {kind}: --json has all of them", style="dim")


def exit_code(reports: Sequence[FileReport]) -> int:
    """Return the exit code: an error counts, whatever else could not be read."""
    if any(report.mistakes for report in reports):
        return FINDINGS
    return GOOD if all(report.good for report in reports) else COULD_NOT_LOOK


def as_json(reports: Sequence[FileReport]) -> str:
    """Return the reports as JSON."""
    files = [
        {
            "file": report.file,
            "good": report.good,
            **({"couldNotRead": report.could_not_read} if report.could_not_read else {}),
            "bindings": report.bindings,
            "errors": [_as_object(mistake) for mistake in report.mistakes],
            "warnings": [_as_object(warning) for warning in report.warnings],
            "silenced": [{**_as_object(warning), "reason": reason} for warning, reason in report.silenced],
            "notChecked": list(report.not_checked),
        }
        for report in reports
    ]
    return document("check", exit_code(reports), {"files": files})


def _as_object(mistake: LocatedMistake) -> dict[str, Any]:
    values = {
        "rule": mistake.rule,
        "file": mistake.file,
        "line": mistake.line,
        "team": mistake.team or None,
        "path": mistake.path or None,
        "within": path_of(mistake.within) or None,
        "found": mistake.mistake.found,
        "allowed": mistake.mistake.allowed,
        "fix": mistake.mistake.fix,
    }
    return {key: value for key, value in values.items() if value is not None}


def run(arguments: argparse.Namespace) -> int:
    """Check the files, and return the exit code.

    Raises:
        CouldNotLookError: There are no files, or no stack file above a team's file reads it.
    """
    if not arguments.files and (variable := next(filter(os.environ.get, VARIABLES), None)):
        mistake = refusal("PULUMI_OPTION_*", variable)
        raise CouldNotLookError(f"{mistake.found}: {mistake.fix}")
    of_teams = {each.resolve(): each for each in arguments.files if is_team_file(each)}
    named_ones = [each for each in arguments.files if each not in of_teams.values()]
    above = [Path(os.path.relpath(each)) for file in of_teams for each in stack_files(file.parent)]
    files = dict.fromkeys([*named_ones, *above] if arguments.files else stack_files(Path()))
    if not files and not of_teams:
        none = "no Pulumi.*.yaml of a Pulumi.yaml in this folder or above it: name the files"
        raise CouldNotLookError(f"{none}; {OWN_PROGRAM}")
    reports = []
    for file in files:
        try:
            reports.append(report_of(file, arguments.live, () if file in named_ones else of_teams))
        except OSError as error:
            # The other files are reported all the same.
            reports.append(FileReport(str(file), 0, [], could_not_read=error.strerror or type(error).__name__))
            of_stack = file.with_name(f"Pulumi.{file.name}.yaml")
            advice = f"; did you mean {named(of_stack.name)}?" if of_stack.is_file() else ""
            print(f"irsa check: cannot read {named(str(file))}: {reports[-1].could_not_read}{advice}", file=sys.stderr)
    asked = {*map(str, named_ones)}
    reports = [
        each
        for each in reports
        if not of_teams or each.file in asked or each.team_files is None or each.team_files & of_teams.keys()
    ]
    missing = of_teams.keys() - {path for report in reports for path in report.team_files or ()}
    # One that was not examined may read it.
    if missing and all(each.team_files is not None for each in reports):
        none = f"no stack file of a Pulumi.yaml above reads {listed([str(of_teams[each]) for each in sorted(missing)])}"
        raise CouldNotLookError(f"{none}: name it in `files:` of irsa:teams, or run `irsa check` beside Pulumi.yaml")
    if arguments.json:
        print(as_json(reports))
    else:
        print_sections(sections([report for report in reports if not report.could_not_read]))
    return exit_code(reports)


def stack_files(folder: Path) -> list[Path]:
    """Return the stack files of the project that contains the folder, those included that the engine does not read."""
    project = project_above(folder)
    files = (project / stack_folder(project)).glob("Pulumi.?*") if project else ()
    return sorted(file for file in files if STACK_FILE.fullmatch(file.name))


def stack_name(file: Path) -> str:
    """Return the name of a stack file's stack, `prod` of `Pulumi.prod.yaml`; empty for a file of another name."""
    found = re.fullmatch(r"Pulumi\.(.+)\.yaml", file.name)
    return found[1] if found else ""


def placed(mistakes: Iterable[LocatedMistake], file: StackFile) -> list[LocatedMistake]:
    """Return mistakes with their lines in the stack file, and with paths from the working directory."""
    prefix = "" if file.folder == Path() else f"{file.folder}/"
    in_files = [
        each._replace(file=os.path.normpath(f"{prefix}{each.file}")) if each.file else each for each in mistakes
    ]
    return located(in_files, file)


def report_of(path: Path, live: bool = False, of_teams: Collection[Path] = ()) -> FileReport:
    """Return the report of one stack file.

    Args:
        path: The stack file.
        live: Whether AWS, the clusters and the stack's state are asked what `pulumi up` would refuse.
        of_teams: Files of teams of which its stack must read one to be asked about; nothing for any stack.

    Raises:
        OSError: It cannot be read.
    """
    # What is read lives until it is reported: to look for garbage takes a third of the time.
    gc.disable()
    try:
        return _report_of(StackFile(path), live, of_teams)
    finally:
        gc.enable()


def _report_of(file: StackFile, live: bool, of_teams: Collection[Path]) -> FileReport:
    project = project_settings(file.folder)
    if unexamined := _of_the_whole(file, project):
        return FileReport(file.name, 0, unexamined, not_checked=["all else in this file"])
    providers = {**project.providers, **file.providers}
    of_project = {name: at for name, at in project.places.items() if name not in file.providers}
    wrong = [each._replace(**of_project.get(str(each.place[0]), {})) for each in provider_mistakes(providers)]
    region = None if ("aws:region",) in [each.place for each in wrong] else region_in(providers)
    known_region = region if isinstance(region, str) else None
    allowed = providers.get("aws:allowedAccountIds")
    examination = examine({**project.settings, **file.settings}, file.folder, known_region, allowed=allowed)
    team_files = frozenset((file.folder / each).resolve() for each in examination.settings.of_teams.of_files)
    live = live and (not of_teams or not team_files.isdisjoint(of_teams))
    of_values = placed([*wrong, *examination.mistakes], file)
    mistakes = file.without_following([*file.mistakes, *project.mistakes, *of_values])
    warnings, has_looked = [each for each in examination.warnings if not fails(each)], True
    not_checked = [*filter(None, [project.not_checked]), *examination.not_checked]
    # Where AWS is asked, they are compared.
    not_compared = [] if live else placed(examination.not_compared, file)
    not_checked += [f"{each.where}: not compared with the limits of its team" for each in not_compared]
    not_checked += ["aws:region: a secret"] if region is SECRET else []
    if file.imports_environments:
        not_checked.append("`environment:`: the values that Pulumi ESC adds to this file")
    if live and (reason := _not_asked(file, mistakes, examination)):
        not_checked.append(f"AWS and Kubernetes: {reason}")
        has_looked = False
    elif live and examination.stack:
        from irsa_program.live.look import look  # noqa: PLC0415 (the clients take a second to import)

        # Of the answers of AWS and the clusters, most is garbage.
        gc.enable()
        seen = look(examination, stack_name(file.path), file.folder, providers, known_region)
        mistakes += placed(examination.settings.placed(seen.mistakes), file)
        warnings += seen.warnings
        not_checked += seen.not_checked
        has_looked = seen.has_looked
    mistakes += placed(filter(fails, examination.warnings), file)
    return FileReport(
        file.name,
        len(examination.settings.stack.bindings),
        located(mistakes, file),
        placed(warnings, file),
        [(placed([warning], file)[0], reason) for warning, reason in examination.silenced],
        not_checked,
        has_looked=has_looked,
        team_files=team_files,
    )


def _of_the_whole(file: StackFile, project: ProjectSettings) -> Sequence[LocatedMistake]:
    """Return the mistakes of a file because of which its settings are not examined."""
    if refused := project.refused or [LocatedMistake((), each, file.name) for each in [unread(file.path)] if each]:
        return refused
    if file.mistakes and not file.settings:
        return file.mistakes
    if not (file.settings or project.settings or file.imports_environments):
        return [*project.mistakes, LocatedMistake((), NO_SETTINGS, file.name)]
    return ()


def _not_asked(file: StackFile, mistakes: Sequence[LocatedMistake], examination: Examination) -> str | None:
    """Return why AWS and Kubernetes are not asked; None where they are."""
    if not stack_name(file.path):
        return "a stack file is named Pulumi.STACK.yaml, and irsa finds the state by that name"
    if mistakes:
        return "fix the errors first"
    return "a setting is a secret" if examination.stack is None else None
