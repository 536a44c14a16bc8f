"""What `irsa diff` does."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from irsa.rules import commands
from irsa.rules.mistakes import named, visible
from irsa_cli.diff.changes import changed_properties, changes
from irsa_cli.diff.dangers import dangerous_gains, policies_that_decide, powers_of
from irsa_cli.diff.fail_on import FAIL_ON, exit_code
from irsa_cli.diff.guards import guard_changes
from irsa_cli.diff.lines import ADDED, CHANGED, REMOVED, rows_of
from irsa_cli.diff.live import Live, aws_providers, clusters_by_issuer, read_in_aws, with_read
from irsa_cli.diff.markdown import markdown
from irsa_cli.diff.output import Diff
from irsa_cli.diff.permissions import (
    own_policies,
    permission_changes,
    permits,
    policies_of_no_role,
    policies_of_others,
    session_policy_changes,
)
from irsa_cli.diff.questions import not_compared
from irsa_cli.diff.trust import Compared, compared_roles
from irsa_cli.diff.who import rights
from irsa_cli.options import STREAM
from irsa_cli.progress import under_way
from irsa_cli.text_files import text_of
from irsa_cli.whole_file import write
from irsa_world.exits import COULD_NOT_LOOK, CouldNotLookError, UsageError
from irsa_world.report.json import document
from irsa_world.report.publish import print_lines
from irsa_world.sessions import Sessions
from irsa_world.state.planned import (
    Both,
    aws_accounts_of,
    planned_worlds,
    resources_before_and_after,
)
from irsa_world.state.preview import Preview, parse_preview
from irsa_world.state.pulumi import exported_state, previewed
from irsa_world.state.resource import Resource

COLORS = {ADDED: "green", REMOVED: "red", CHANGED: "yellow", "": "bold"}


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
    failed = [each for each in dict.fromkeys(options.fail_on) if FAIL_ON[each](found)]
    code = exit_code(found, failed)
    _print(found, options, code)
    if options.markdown not in {None, STREAM}:
        write(Path(options.markdown), _markdown(found))
    if failed:
        sys.stderr.write(f"irsa diff: stopped by --fail-on: {', '.join(failed)}\n")
    return code


def _failed(stack: str | None, errors: Iterable[str]) -> None:
    sys.stderr.write(f"irsa diff: the preview{f' of stack {named(stack)}' if stack else ''} failed\n")
    lines = (line for each in errors for line in each.splitlines())
    # GitHub's runner takes `::` for a command behind spaces, too.
    escaped = (re.sub(r"^\s*:(?=:)", r"\\x3a", visible(line.rstrip())) for line in lines)
    sys.stderr.writelines(f"  {line}\n" for line in escaped)


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
    state_not_read = ""
    if is_file_alone:
        state_not_read = "--preview without --stack reads the file alone, and no managed policies either"
    else:
        try:
            with under_way("diff", "reading the stack's state"):
                state = exported_state(options.stack)
        except CouldNotLookError as error:
            state_not_read = str(error)
    resources = resources_before_and_after(state, preview.steps)
    before, after = map(Sessions, planned_worlds(resources, preview.steps))
    live = Live() if is_file_alone else _live(state, preview, before, after)
    before_: Literal["live", "state"] = "live" if preview.refreshed or options.refresh else "state"
    found = _diff(preview, state, resources, (before, after), live)
    return replace(found, stack=options.stack or preview.stack, before=before_, state_not_read=state_not_read)


def _preview(options: argparse.Namespace) -> Preview:
    if options.preview is None:
        with under_way("diff", "pulumi preview"):
            text, problem = previewed(options.stack, options.refresh)
        preview = parse_preview(text, "what pulumi printed")
        return preview._replace(errors=preview.errors or ((problem,) if problem else ()))
    source = "standard input" if options.preview == STREAM else named(options.preview)
    read = sys.stdin.buffer.read if options.preview == STREAM else Path(options.preview).read_bytes
    return parse_preview(text_of(read, source), source)


def _diff(
    preview: Preview, state: Sequence[Resource], resources: Both, both: tuple[Sessions, Sessions], live: Live
) -> Diff:
    own = own_policies(*both)
    of_no_role = policies_of_no_role(*both)
    before, after = (Sessions(with_read(each.world, live)) for each in both)
    compared = compared_roles(before, after)
    found = rights(before, after, compared.values())
    of_sessions = session_policy_changes(before, after, found)
    permitted = [permits(each, own) for each in (before, after)]
    powers = powers_of(permitted[1], after)
    dangerous = dangerous_gains(found, compared, aws_accounts_of(state), after, powers)
    permissions, undecided = permission_changes(before, after, permitted)
    others = not_compared((e.resource.type, e.resource.name, changed_properties(e)) for e in preview.steps)
    return Diff(
        preview.stack,
        **vars(found),
        permissions=permissions,
        permissions_cannot_tell=[*undecided, *others, *of_sessions, *of_no_role],
        dangerous=dangerous,
        guard=guard_changes(resources, preview.steps),
        clusters={**_of_roles_with_several(compared.values()), **clusters_by_issuer(state, preview)},
        resources=changes(preview.steps),
        unchanged=preview.unchanged,
        warnings=preview.warnings,
        not_read=live.not_read,
        failed_updates=sorted(step.old.name for step in preview.steps if step.old and step.old.failed),
    )


def _of_roles_with_several(compared: Iterable[Compared]) -> dict[str, str]:
    """Return the issuers of the clusters of roles that trust several: what is told of one says in which cluster."""
    issuers = ({*each.issuers.values()} for each in compared)
    return {issuer: issuer for those in issuers if len(those) > 1 for issuer in sorted(those)}


def _live(state: list[Resource], preview: Preview, before: Sessions, after: Sessions) -> Live:
    """Return what is asked of AWS: only about what changes."""
    policies = sorted({*policies_of_others(before, after), *policies_that_decide(before, after)})
    if not policies:
        return Live()
    with under_way("diff", "reading the managed policies of the roles that change"):
        return read_in_aws(policies, aws_providers(state, preview))


def _markdown(diff: Diff) -> str:
    return markdown(diff, commands.of_stack("diff", diff.stack))


def _print(diff: Diff, options: argparse.Namespace, code: int) -> None:
    if options.json:
        print(document("diff", code, diff))
    elif options.markdown == STREAM:
        print(_markdown(diff))
    else:
        print_lines((line, COLORS.get(row.sign, "")) for row in rows_of(diff) for line in row.lines)
