"""Take what only the first `pulumi up` needs out of a stack file; every other line of it stays as it is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from irsa.rules import commands
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import listed, named
from irsa_cli.adopt.stack_file import AdoptedFile
from irsa_cli.whole_file import write
from irsa_config.nodes import end_of
from irsa_world.exits import GOOD, CouldNotLookError
from irsa_world.report.publish import print_lines

REFUSED = "irsa cannot remove `import:` without changing more of its YAML, or a binding would be empty: edit it by hand"


def finish(path: Path) -> int:
    """Remove the imports of a stack file, print what was done, and return the exit code.

    Raises:
        CouldNotLookError: It is not there, or cannot be changed.
    """
    file = AdoptedFile(path)
    if not file.exists:
        raise CouldNotLookError(f"cannot read {named(str(path))}: there is no such file")
    text, names = without_imports(file)
    if not names:
        print_lines([(f"{named(str(path))}: no binding has `import:`, nothing to do", "")])
        return GOOD
    write(path, text)
    done = f"{named(str(path))}: `import:` is removed from {listed(names)}"
    next_ = f"next: `{commands.up_without_refresh(file.stack)}`, which shows no change of what was imported before"
    print_lines([(done, "bold"), (next_, "")])
    return GOOD


def without_imports(file: AdoptedFile) -> tuple[str, list[str]]:
    """Return the text of the file without imports, and the bindings that had one.

    Raises:
        CouldNotLookError: More would be lost, or something would be left without a value.
    """
    written = file.settings.get("bindings") or {}
    bindings = mapping_of(written)
    names = [str(name) for name, each in bindings.items() if _without(each) != each]
    removed = {number for each in file.nodes_of_bindings() for number in _lines_of_imports(each)}
    lines = enumerate(file.text.splitlines(keepends=True))
    text = "".join(line for number, line in lines if number not in removed or line.lstrip().startswith("#"))
    expected = {name: _without(each) for name, each in bindings.items()}
    # The engine also takes them as JSON in a string.
    if written != bindings or (names and not (all(expected.values()) and file.differs_only_by(text, expected))):
        raise CouldNotLookError(f"{named(str(file.path))} stays as it is: {REFUSED}")
    return text, names


def _without(binding: Any) -> Any:
    if not isinstance(binding, Mapping):
        return binding
    left = {key: each for key, each in binding.items() if key != "import"}
    of_pods = left.get("podIdentity")
    if isinstance(of_pods, Mapping) and "importIds" in of_pods:
        left["podIdentity"] = {key: each for key, each in of_pods.items() if key != "importIds"}
        if not left["podIdentity"]:
            del left["podIdentity"]
    return left


def _lines_of_imports(binding: Any) -> Iterator[int]:
    """Yield the numbers of the lines that the imports of a binding take; none of a mapping in braces."""
    for key, value in binding.value if isinstance(binding, yaml.MappingNode) else ():
        of_pods = value.value if key.value == "podIdentity" and isinstance(value, yaml.MappingNode) else []
        ids = [(value, *pair) for pair in of_pods if pair[0].value == "importIds"]
        is_whole = key.value == "import" or (ids and len(of_pods) == 1)
        for mapping, first, last in [(binding, key, value)] if is_whole else ids:
            if not mapping.flow_style:
                yield from range(first.start_mark.line, end_of(last).line + 1)
