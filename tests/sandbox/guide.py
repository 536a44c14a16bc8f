"""The steps of a guide, in their order, as one shell script.

A step is a file or a command. A YAML block whose first line is a comment with a file's name is that whole file, and so
is a JSON block below a line that ends with its name: `policies/my-policy.json`. Each `$ ` line of a console block is a
command; the lines below it are what it prints.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.sandbox.project import ROOT

GUIDES = ROOT / "docs" / "guides"
BLOCK = re.compile(r"(?:`([\w./-]+\.json)`:\n\n)?^```(console|yaml|json)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# ([\w./-]+\.yaml)\n")


class Step(NamedTuple):
    """A file to write with its text, or a command to run and what the guide says that it prints."""

    text: str
    file: str | None = None
    printed: str = ""


def steps(guide: str) -> Iterator[Step]:
    for json_file, kind, block in BLOCK.findall((GUIDES / f"{guide}.md").read_text()):
        named = FILE.match(block)
        if kind == "console":
            commands = re.split(r"^\$ ", re.sub(r"\\\n *", "", block), flags=re.MULTILINE)[1:]
            yield from (Step(command, printed=printed) for command, _, printed in (c.partition("\n") for c in commands))
        elif json_file or named:
            yield Step(block, json_file or (named and named[1]))


def commands_of(guide: str) -> list[str]:
    return [re.sub(r" +", " ", step.text) for step in steps(guide) if step.file is None]


def script(guide: str, instead: Mapping[str, str]) -> str:
    """Return a bash script that runs the steps of a guide, and stops at the first that fails.

    Args:
        guide: Its name without `.md`.
        instead: By the start of a command that cannot run here, the command in its place; empty for none.

    Raises:
        ValueError: A start that no command of the guide has: the table is stale.
    """
    lines, left = ["set -u"], {*instead}
    for step in steps(guide):
        if step.file:
            lines.append(f"cat > {shlex.quote(step.file)} <<'END OF FILE'\n{step.text}END OF FILE")
            continue
        start = start_of(step, instead)
        command = step.text if start is None else instead[start]
        left.discard(start or "")
        lines += [f"echo {shlex.quote(f'$ {command}')}", command or ":", "[ $? -eq 0 ] || exit 1"]
    if left:
        raise ValueError(f"{guide}.md has no command that starts with {', '.join(sorted(left))}")
    return "\n".join(lines)


def start_of(step: Step, instead: Mapping[str, str]) -> str | None:
    """Return the start by which a step is replaced; the longest, as `pulumi login 's3://...'` is not `pulumi login`."""
    return max((start for start in instead if step.text.startswith(start)), key=len, default=None)
