"""Two versions of a stack file, for `irsa diff OLD NEW`: two files, or one file in two revisions of git.

Neither AWS nor Kubernetes nor the backend is asked: where they would answer, samples stand.
"""

import hmac
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from config.nodes import composed, mappings_in
from config.project_file import NAME
from irsa.rules.mistakes import Mistake, listed, named, path_of
from irsa_cli.diff.versions import Version, Versions
from irsa_cli.exits import CouldNotLookError
from irsa_cli.report.message import in_a_pipe
from program.check import Examined, examined, stack_name
from program.check_report import FileReport, messages
from program.plan import plan
from program.stacks import STACK_NAME
from program.versions.resources import planned_resources
from program.versions.revisions import is_revision, revisions, stack_files
from program.versions.samples import Read, Samples, differences

# Nobody else can name a secret by what is encrypted.
KEY = secrets.token_bytes(32)


def versions(old: str, new: str | None, stack: str | None) -> list[Versions]:
    """Return both versions of each stack file that is meant.

    Args:
        old: A stack file or a revision; `A..B` stands for two revisions, `A...B` for B and where it left A.
        new: The other one; None for the files of the working directory, beside a revision.
        stack: Name of the stack; None for all stacks of the revisions.

    Raises:
        CouldNotLookError: There is no such file or revision, or a stack file has no such name.
    """
    if _are_files(old, new, stack):
        before, after = Path(old), Path(new or "")
        return [_versions(stack_name(after) or stack_name(before) or "file", before, after, {})]
    stack = stack and stack.rsplit("/", 1)[-1]
    with tempfile.TemporaryDirectory(prefix="irsa-diff-") as temporary:
        files: list[dict[str, Path]] = []
        labels = {}
        for index, revision in enumerate(revisions(old, new)):
            folder = Path(temporary) / str(index)
            paths = stack_files(revision, folder, stack)
            if wrong := [each.name for each in paths if not STACK_NAME.fullmatch(stack_name(each))]:
                raise CouldNotLookError(f"stack files of no stack: {listed(wrong)}")
            files.append({stack_name(each): each for each in paths})
            labels[f"{folder}/"] = f"{named(revision.name)}:"
        names = sorted({*files[0], *files[1]})
        if not names:
            raise CouldNotLookError(f"neither version has {f'Pulumi.{named(stack)}.yaml' if stack else 'a stack file'}")
        # What both have first: a new stack cannot hide behind others.
        names.sort(key=lambda each: each not in files[0])
        return [_versions(each, files[0].get(each), files[1].get(each), labels) for each in names]


def _are_files(old: str, new: str | None, stack: str | None) -> bool:
    """Return whether two files are meant.

    Raises:
        CouldNotLookError: A name is both, or one of them is none.
    """
    names = [each for each in (old, new) if each is not None]
    files = [each for each in names if Path(each).is_file()]
    if both := [each for each in files if is_revision(each)]:
        name = named(both[0])
        raise CouldNotLookError(f"{name} is a file and a revision: ./{name} is the file, refs/heads/{name} the branch")
    if files and len(files) < 2:  # noqa: PLR2004 (OLD and NEW)
        other = [each for each in names if each not in files]
        missing = f"there is no file {named(other[0])}" if other else "name the other one, NEW"
        raise CouldNotLookError(f"{named(files[0])} is a file: {missing}")
    if files and stack:
        raise CouldNotLookError("OLD and NEW are files: leave out --stack")
    return bool(files)


def _versions(name: str, before: Path | None, after: Path | None, labels: Mapping[str, str]) -> Versions:
    """Return what two versions of the stack file of a stack declare; None where there is no file.

    Raises:
        OSError: A file cannot be read.
    """
    text_by_sample: dict[str, str] = {}
    read = [_read(path, labels, text_by_sample) if path else None for path in (before, after)]
    good = [each for each in read if isinstance(each, Read)]
    samples = Samples(good)
    found = [_version(name, each, samples) if isinstance(each, Read) else Version(errors=each or ()) for each in read]
    not_compared = differences(good)
    if found[0].errors and found[1].resources:
        # Whoever fixes a stack file sees what it declares then.
        not_compared.append("the earlier version has errors, so all of this one is shown as new")
        found[0] = Version()
    return Versions(
        name, found[0], found[1], {**text_by_sample, **samples.text_by_sample}, samples.issuers, not_compared
    )


def _version(name: str, read: Read, samples: Samples) -> Version:
    own = samples.known_of(read)
    # What the other version says may be wrong of this one.
    for known in ({**samples.known, **own}, own):
        lookups = samples.answers(read, known)
        planned = plan(read.stack, lookups)
        if not planned.mistakes:
            break
    if planned.mistakes:
        return Version(errors=[str(each) for each in planned.mistakes])
    found = planned_resources(name, read.stack, planned, lookups)
    return Version(
        [each for each, _ in found],
        frozenset(each.urn for each, is_imported in found if is_imported),
        [
            *(f"{named(component.name)}: {each}" for component, spec in planned.components for each in spec.warnings),
            *read.warnings,
        ],
        read.not_known,
    )


# --- one file --------------------------------------------------------------------------------------------------------


def _read(path: Path, labels: Mapping[str, str], text_by_sample: dict[str, str]) -> Read | list[str]:
    """Return a stack file, or why it cannot be compared, as `irsa check` says it; add what is shown for secrets."""
    found = examined(path)
    original = found.file.text
    text, names = _with_secrets_named(original)
    if names:
        # Encrypted alike, they are alike; where a rule needs the value, it stays a marker.
        named_secrets = examined(path, text)
        if not _errors(named_secrets):
            found = named_secrets
            text_by_sample |= dict.fromkeys(names, "[secret]")
    examination = found.examination
    if (errors := _errors(found)) or not examination or not examination.lookups:
        report = FileReport(found.file.name, 0, errors)
        lines = (line for message, _ in messages(report) for line in in_a_pipe(message))
        return [_relabelled(each, labels) for each in lines]
    silenced = ((each, f"silenced ({named(reason)}): ") for each, reason in examination.silenced)
    lint = [*((each, "") for each in examination.warnings), *silenced]
    return Read(
        examination.settings.stack,
        examination.lookups,
        str(examination.settings.written),
        {**found.project.providers, **found.file.providers},
        _environment(found.file.text) if found.file.imports_environments else "",
        [f"{each}: what it is in is not compared" for each in examination.not_checked],
        f"{original}{_text_of(found.file.folder / NAME)}",
        [f"[{each.rule}] irsa:{path_of(each.place)}: {how}{each.mistake.found}" for each, how in lint],
    )


def _errors(found: Examined) -> list[Any]:
    return [each for each in found.mistakes if each.rule == "error"]


def _relabelled(line: str, labels: Mapping[str, str]) -> str:
    for folder, label in labels.items():
        line = line.replace(folder, label)
    return line


def _with_secrets_named(text: str) -> tuple[str, list[str]]:
    """Return a stack file's text with a name in place of each secret, and the names: one for each encrypted value."""
    if "secure" not in text:
        return text, []
    try:
        found = sorted(_secrets(composed(text)))
    except (Mistake, yaml.YAMLError, RecursionError):
        return text, []
    pieces, names, at = [], [], 0
    for start, end, encrypted in found:
        names.append(f"secret-{hmac.digest(KEY, encrypted.encode(), 'sha256').hex()[:16]}")
        pieces += [text[at:start], f'"{names[-1]}"']
        at = end
    return "".join([*pieces, text[at:]]), names


def _secrets(root: Any) -> Iterator[tuple[int, int, str]]:
    """Yield the secrets in a stack file: where each begins and ends, and what is encrypted."""
    for node in mappings_in(root):
        ((key, value), *others) = node.value or [(None, None)]
        if key is not None and key.value == "secure" and not others and isinstance(value, yaml.ScalarNode):
            whole = (node, node) if node.flow_style else (key, value)
            yield whole[0].start_mark.index, whole[1].end_mark.index, value.value


def _text_of(file: Path) -> str:
    return file.read_text("utf-8", "replace") if file.is_file() else ""


def _environment(text: str) -> str:
    """Return what a stack file has of Pulumi ESC, as text."""
    root = composed(text)
    nodes = root.value if isinstance(root, yaml.MappingNode) else []
    return "".join(yaml.serialize(value) for key, value in nodes if key.value == "environment")
