"""What is generated from the code: `python -m docs.generate` writes the schemas and the reference pages."""

from collections.abc import Iterator
from pathlib import Path

from docs.generate import actions, arguments, outputs, schema, sections, stack_file

ROOT = Path(__file__).parents[2]


def files() -> Iterator[tuple[Path, str]]:
    """Yield each generated file and its text."""
    # The subcommands are imported below, and read it.
    yield sections.KINDS_FILE, sections.kinds_text()
    yield from schema.files()
    for module in (arguments, stack_file):
        yield module.FILE, module.text()
    yield from actions.files()
    yield from outputs.pages()
    yield from sections.pages()
