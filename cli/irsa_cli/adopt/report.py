"""What `irsa adopt` prints: what it takes, what it only annotates, what it leaves and why, and what to do next."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from irsa.rules import commands
from irsa.rules.mistakes import named, visible
from irsa_cli.adopt.outcomes import Adoption, Outcome
from irsa_cli.adopt.owners import letting_go

Line = tuple[str, str]


def lines(adoption: Adoption, file: Path, stack: str, not_checked: Sequence[str]) -> Iterator[Line]:
    """Yield the report as lines of text, each with its style."""
    # First: what was taken is to be read with it.
    if not_checked:
        yield "not checked", "bold"
        yield from ((f"  {visible(each)}", "yellow") for each in not_checked)
        yield "", ""
    for outcome in Outcome:
        style, heading = outcome.value
        items = [each for each in adoption.items if each.outcome is outcome]
        if items:
            yield f"{heading} ({len(items)})", "bold"
            for item in items:
                where = f"{named(item.key)}: " if item.key else ""
                yield visible(f"  {'; '.join([where + item.about, *item.notes])}"), style
            yield "", ""
    yield from _written(adoption, file)
    if adoption.bindings:
        yield "", ""
        yield from _next(adoption, file, stack)


def _written(adoption: Adoption, file: Path) -> Iterator[Line]:
    count = len(adoption.bindings)
    if not count:
        yield f"{named(str(file))} is unchanged: there is nothing to add", "bold"
        return
    yield f"{named(str(file))}: {count} binding{'s' if count > 1 else ''} added", "bold"
    for name, quota in adoption.quotas.items():
        yield f"  irsa:quotas.{name} is {quota:,}: AWS has raised it for this AWS account", ""
    for name in sorted(adoption.files):
        yield visible(f"  {name}"), ""


def _next(adoption: Adoption, file: Path, stack: str) -> Iterator[Line]:
    names: dict[str, set[str]] = {}
    for item in adoption.items:
        for owner in item.owners if item.outcome not in (Outcome.DECLARED, Outcome.LEFT) else ():
            names.setdefault(owner.tool, set()).add(named(owner.what) if owner.what else item.about)
    steps = [
        commands.check(str(file)),
        *(letting_go(tool, sorted(names[tool])) for tool in sorted(names)),
        f"{commands.pulumi('preview', stack)}   (imports, and no change but those named above)",
        commands.pulumi("up", stack),
        "remove every `import:` from the file, and run the same command again: 0 changes",
        commands.of_stack("verify", stack),
        commands.of_stack("prove", stack),
    ]
    if names:
        steps.append(f"let {', '.join(map(named, sorted(names)))} go, as said above for after `irsa prove`")
    yield "next, in this order", "bold"
    yield from ((visible(f"  {number}. {step}"), "") for number, step in enumerate(steps, 1))
