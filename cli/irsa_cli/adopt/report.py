"""What `irsa adopt` prints: what it adopts, what it only annotates, what it skips and why, and what to do next."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from irsa.rules import commands
from irsa.rules.mistakes import named, visible
from irsa_cli.adopt.items import Adoption, Outcome

Line = tuple[str, str]
# The page has the commands, in an order by which no Pod is without permissions at any moment.
LETTING_GO = "{}: before `pulumi up`, let it keep what is adopted; after `irsa prove`, let it go: {}"
PAGE = "docs/adopt.md#who-manages-it-now"


def lines(adoption: Adoption, file: Path, stack: str, not_checked: Sequence[str], *, dry_run: bool) -> Iterator[Line]:
    """Yield the report as lines of text, each with its style; what could not be read is one sentence each."""
    # First: what was taken is to be read with it.
    if not_checked:
        yield "not checked", "bold"
        yield from ((f"  {visible(each)}", "yellow") for each in not_checked)
        yield "", ""
    if not dry_run:
        yield from (*written(adoption, file, dry_run=False), ("", ""))
    for outcome in Outcome:
        style, heading = outcome.value
        items = [each for each in adoption.items if each.outcome is outcome]
        if items:
            yield f"{heading} ({len(items)})", "bold"
            for item in items:
                where = f"{named(item.key)}: " if item.key else ""
                yield visible(f"  {'; '.join([where + item.about, *item.notes])}"), style
            yield "", ""
    if adoption.bindings:
        write = [f"this command with --output {named(str(file))}"] if dry_run else []
        init = commands.init(stack)
        unless = [f"{init}   (unless `pulumi stack ls` lists it)"] if init else []
        yield from _next(adoption, file, stack, [*write, *unless])


def written(adoption: Adoption, file: Path, *, dry_run: bool) -> Iterator[Line]:
    """Yield what is written, for the report; or what would be, which a dry run prints before the stack file."""
    count = len(adoption.bindings)
    if not count:
        yield f"{named(str(file))} is unchanged: there is nothing to add", "bold"
        return
    added = "would be added" if dry_run else "added"
    yield f"{named(str(file))}: {count} binding{'s' if count > 1 else ''} {added}", "bold"


def _word(text: str) -> str:
    """Return a text as one word of a shell: who has hundreds pastes these lines into a loop."""
    quoted = shlex.quote(text)
    # Two colons command CI.
    return f"'{quoted}'" if quoted.startswith(":") else quoted


def _next(adoption: Adoption, file: Path, stack: str, first: Sequence[str]) -> Iterator[Line]:
    names: dict[str, set[str]] = {}
    for item in adoption.items:
        for owner in item.owners if item.outcome not in (Outcome.DECLARED, Outcome.SKIPPED) else ():
            names.setdefault(owner.tool, set()).add(
                _word(owner.what) if owner.what else " ".join(map(_word, item.about.split(" ")))
            )
    owned = {LETTING_GO.format(named(tool), PAGE): sorted(names[tool]) for tool in sorted(names)}
    steps = [
        *first,
        commands.check(str(file)),
        *owned,
        f"{commands.of_stack('diff', stack)}   (imports, and no change but those named above)",
        commands.pulumi("up", stack),
        f"remove every `import:` and `importIds:`, and run `{commands.pulumi('up', stack)}` again: 0 changes",
        commands.of_stack("verify", stack),
        commands.of_stack("prove", stack),
    ]
    if names:
        steps.append(f"let {', '.join(map(named, sorted(names)))} go, as said above for after `irsa prove`")
    yield "next, in this order", "bold"
    for number, step in enumerate(filter(None, steps), 1):
        yield visible(f"  {number}. {step}"), ""
        # All of them, one on a line.
        yield from ((visible(f"       {name}"), "") for name in owned.get(step, ()))
