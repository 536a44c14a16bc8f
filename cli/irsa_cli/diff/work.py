"""What `irsa diff` does."""

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from irsa.rules import commands
from irsa.rules.mistakes import named, visible
from irsa_cli.diff.documents import document_rows
from irsa_cli.diff.guards import guard_rows
from irsa_cli.diff.live import Live, aws_providers, clusters_by_issuer, read_in_aws, with_read
from irsa_cli.diff.permissions import (
    own_policies,
    permission_rows,
    permits,
    policies_of_no_role,
    policies_to_read,
    session_policies,
)
from irsa_cli.diff.powers import powers_of
from irsa_cli.diff.questions import not_compared, resource_rows
from irsa_cli.diff.render import lines_of, markdown, no_command
from irsa_cli.diff.rows import CANNOT_TELL, Diff, Row, exit_code, in_order, roles_named, some, stopping
from irsa_cli.diff.tags import TagReader, tag_readers, tag_rows
from irsa_cli.diff.trust import ComparedTrust, compared_roles
from irsa_cli.diff.who import About, session_rows
from irsa_cli.options import STREAM
from irsa_cli.progress import under_way
from irsa_cli.text_files import text_of
from irsa_cli.whole_file import write
from irsa_world.exits import COULD_NOT_LOOK, CouldNotLookError, UsageError
from irsa_world.model import UNNAMED
from irsa_world.report.json import document
from irsa_world.report.publish import print_lines
from irsa_world.sessions import Sessions
from irsa_world.state.planned import aws_accounts_of, planned_worlds, resources_before_and_after
from irsa_world.state.preview import Preview, parse_preview
from irsa_world.state.pulumi import exported_state, previewed
from irsa_world.state.resource import Resource

NOT_SEEN = {
    "state": "not seen: what others changed in AWS or Kubernetes (--refresh reads it)",
    "live": "not seen: policies that others put on its roles (`irsa verify` reads them)",
}


def run(options: argparse.Namespace) -> int:
    """Show the diff and return the exit code.

    Raises:
        CouldNotLookError: The preview cannot be read, or is of another stack.
    """
    if options.json and options.markdown == STREAM:
        raise UsageError("--json and --markdown - both print: use one of them, or write the Markdown to a file")
    if options.refresh and options.preview is not None:
        raise UsageError("--refresh is for a preview that irsa runs: write FILE by `pulumi preview --refresh --json`")
    found = _of_preview(options)
    if not found:
        return COULD_NOT_LOOK
    stopped = {gate: rows for gate in options.fail_on if (rows := stopping(gate, found.rows))}
    code = exit_code(stopped)
    if options.json:
        print(document("diff", code, found))
    elif options.markdown != STREAM:
        print_lines(lines_of(found))
    if options.markdown:
        comment = markdown(found, commands.of_stack("diff", found.stack))
        print(comment) if options.markdown == STREAM else write(Path(options.markdown), comment)
    if stopped:
        sys.stderr.write(f"irsa diff: stopped by --fail-on: {', '.join(stopped)}\n")
        next_step = commands.up_without_refresh(found.stack)
        sys.stderr.write(f"  review the rows above; if they are intended, run `{next_step}`\n")
    return code


def _failed(stack: str | None, errors: Iterable[str]) -> None:
    sys.stderr.write(f"irsa diff: the preview{f' of stack {named(stack)}' if stack else ''} failed\n")
    lines = (line for each in errors for line in each.splitlines())
    sys.stderr.writelines(f"{no_command(f'  {visible(line.rstrip())}')}\n" for line in lines)


def _of_preview(options: argparse.Namespace) -> Diff | None:
    """Return what a preview changes; None where it failed.

    Raises:
        CouldNotLookError: It cannot be read, or is of another stack.
    """
    preview = _preview(options)
    if preview.errors:
        _failed(preview.stack or options.stack, preview.errors)
        return None
    if options.stack and preview.stack and preview.stack != options.stack.rsplit("/", 1)[-1]:
        raise CouldNotLookError(f"the preview is of stack {named(preview.stack)}, not of {named(options.stack)}")
    is_file_alone = options.preview is not None and not options.stack
    state: list[Resource] = []
    not_read = (
        "--preview without --stack reads the file alone, and nothing in AWS: add --stack" if is_file_alone else ""
    )
    if not is_file_alone:
        try:
            with under_way("diff", "reading the stack's state"):
                state = exported_state(options.stack)
        except CouldNotLookError as error:
            not_read = str(error)
    resources = resources_before_and_after(state, preview.steps)
    worlds = planned_worlds(resources, preview.steps)
    both = Sessions(worlds[0]), Sessions(worlds[1])
    own = own_policies(*both)
    live = Live()
    if policies := [] if is_file_alone else policies_to_read(*both, preview.steps):
        with under_way("diff", "reading the managed policies of the roles that change"):
            live = read_in_aws(policies, aws_providers(state, preview))
    both = Sessions(with_read(worlds[0], live)), Sessions(with_read(worlds[1], live))
    readers = functools.cache(lambda: tag_readers(both, live.not_read))
    rows = [
        *_of_worlds(both, own, live, state, clusters_by_issuer(state, preview), readers=readers),
        *guard_rows(resources, preview.steps),
        *not_compared(preview.steps),
        *tag_rows(preview.steps, readers),
        *resource_rows(preview.steps),
        *document_rows(preview.steps),
        *_notes(preview, "live" if preview.refreshed or options.refresh else "state", not_read),
    ]
    # As `pulumi up` counts: the stack and the components, too.
    changed = Counter(each.operation for each in preview.steps)
    return Diff(options.stack or preview.stack, in_order(rows), changed, preview.unchanged)


def _preview(options: argparse.Namespace) -> Preview:
    if options.preview is None:
        with under_way("diff", "pulumi preview"):
            text, problem = previewed(options.stack, options.refresh)
        preview = parse_preview(text, "what pulumi printed")
        return preview._replace(errors=preview.errors or ((problem,) if problem else ()))
    source = "standard input" if options.preview == STREAM else named(options.preview)
    read = sys.stdin.buffer.read if options.preview == STREAM else Path(options.preview).read_bytes
    return parse_preview(text_of(read, source), source)


def _of_worlds(
    both: tuple[Sessions, Sessions],
    own: set[str],
    live: Live,
    state: Sequence[Resource],
    clusters: dict[str, str],
    *,
    readers: Callable[[], Sequence[TagReader]],
) -> Iterator[Row]:
    """Yield who gains and loses roles, and what the roles may do; the managed policies of the stack are its own."""
    text = roles_named(arn for each in both for arn in (*each.roles, *each.world.associations))
    compared = compared_roles(*both)
    permitted = [permits(each, own) for each in both]
    places = _places(compared.values(), both, clusters)
    powers = powers_of(permitted[1], both[1])
    yield from session_rows(both, compared, About(text, places, powers, aws_accounts_of(state)))
    yield from permission_rows(both, permitted, live.not_read, text, readers)
    yield from session_policies(*both, text)
    yield from policies_of_no_role(*both)


def _places(compared: Iterable[ComparedTrust], both: Iterable[Sessions], clusters: dict[str, str]) -> dict[str, str]:
    """Return what clusters are called, by issuer or ARN; nothing where there is only one."""
    issuers = {issuer for each in compared for issuer in each.issuers.values()}
    arns = {each.cluster_arn for one in both for those in one.world.associations.values() for each in those}
    several = bool(clusters) or len(issuers) > 1 or len(arns) > 1
    return {each: clusters.get(each) or each.partition(UNNAMED)[0] for each in (*issuers, *arns) if several}


def _notes(preview: Preview, before: str, not_read: str) -> Iterator[Row]:
    if not_read:
        said = "what the preview leaves out, because the state was not read; more may be gained or lost"
        yield Row("unread", "changes", said, CANNOT_TELL, [not_read])
    if failed := sorted(each.old.name for each in preview.steps if each.old and each.old.failed):
        said = f"the last update of {some(failed)} failed, and AWS may still have what was there before; run"
        yield Row("unread", "changes", f"{said} `{commands.up(preview.stack)}`", "may")
    yield from (Row("note", "changes", f"warning: {each}") for each in preview.warnings)
    yield Row("note", "changes", NOT_SEEN[before])
