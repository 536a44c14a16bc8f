"""Show what a preview would change, and who gains or loses the right to assume a role."""

import argparse
import re
import sys
from collections.abc import Set
from pathlib import Path

from irsa.rules import commands
from irsa.rules.mistakes import named, visible
from irsa_cli.diff.chains import with_chains
from irsa_cli.diff.changes import changes
from irsa_cli.diff.components import clusters_by_issuer, component_keys_of, kubernetes_providers
from irsa_cli.diff.lines import ADDED, CHANGED, REMOVED, rows_of
from irsa_cli.diff.live import Annotations, patched, read_service_accounts, with_annotations
from irsa_cli.diff.markdown import markdown
from irsa_cli.diff.output import Diff
from irsa_cli.diff.permissions import permission_changes
from irsa_cli.diff.preview import Preview, parse_preview
from irsa_cli.diff.rights import changed_roles, rights
from irsa_cli.diff.snapshots import before_and_after
from irsa_cli.exits import COULD_NOT_LOOK, GOOD, CouldNotLookError
from irsa_cli.options import stack_name
from irsa_cli.progress import under_way
from irsa_cli.report.json import as_object, document
from irsa_cli.report.publish import print_lines
from irsa_cli.state.pulumi import exported_state, previewed
from irsa_cli.state.resource import Resource
from irsa_cli.text_files import text_of
from irsa_cli.whole_file import write

STREAM = "-"
COLORS = {ADDED: "green", REMOVED: "red", CHANGED: "yellow", "": "bold"}
OUTPUT = Diff
DESCRIPTION = """\
Show what `pulumi up` would change, in words: first who gains and who loses the
right to assume a role, and which roles this one may assume in turn, then the
statements, annotations, tags and settings that change of each binding. Nothing
is changed.

It runs `pulumi preview --json`, or reads what that printed. Who may assume a
role is evaluated for the service accounts that the stack or a trust policy
names, for those that the clusters have, and for ones that nobody named. With
--preview and without --stack, only the file is read.
"""
EXAMPLE = """\
examples:
  irsa diff --stack dev
  pulumi preview --json --stack dev > preview.json
  irsa diff --stack dev --preview preview.json --markdown comment.md

exit codes: 0 shown, 2 the preview failed, or cannot be read"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.add_argument("--stack", metavar="S", type=stack_name, help="name of the stack (default: the selected one)")
    parser.add_argument(
        "--preview", metavar="FILE", help="read what `pulumi preview --json` printed; - is standard input"
    )
    parser.add_argument(
        "--markdown", metavar="FILE", help="also write Markdown for a comment to FILE; - prints it in place of the text"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the diff and return the exit code.

    Raises:
        CouldNotLookError: The preview cannot be read, or is of another stack.
    """
    if options.json and options.markdown == STREAM:
        raise CouldNotLookError("--json and --markdown - both print: use one of them, or write the Markdown to a file")
    preview = _preview(options)
    if preview.errors:
        stack = preview.stack or options.stack
        sys.stderr.write(f"irsa diff: the preview{f' of stack {named(stack)}' if stack else ''} failed\n")
        lines = (line for each in preview.errors for line in each.splitlines())
        # GitHub's runner takes `::` for a command behind spaces, too.
        escaped = (re.sub(r"^\s*:(?=:)", r"\\x3a", visible(line.rstrip())) for line in lines)
        sys.stderr.writelines(f"  {line}\n" for line in escaped)
        return COULD_NOT_LOOK
    if options.stack and preview.stack and preview.stack != options.stack.rsplit("/", 1)[-1]:
        raise CouldNotLookError(f"the preview is of stack {named(preview.stack)}, not of {named(options.stack)}")
    diff = _diff(preview, options)
    _print(diff, options)
    if options.markdown not in {None, STREAM}:
        write(Path(options.markdown), markdown(diff, commands.of_stack("diff", diff.stack)))
    return GOOD


def _preview(options: argparse.Namespace) -> Preview:
    if options.preview is None:
        with under_way("diff", "pulumi preview"):
            text, problem = previewed(options.stack)
        preview = parse_preview(text, "what pulumi printed")
        return preview._replace(errors=preview.errors or ((problem,) if problem else ()))
    source = "standard input" if options.preview == STREAM else named(options.preview)
    read = sys.stdin.buffer.read if options.preview == STREAM else Path(options.preview).read_bytes
    return parse_preview(text_of(read, source), source)


def _diff(preview: Preview, options: argparse.Namespace) -> Diff:
    is_file_alone = options.preview is not None and not options.stack
    state: list[Resource] = []
    not_read = []
    if is_file_alone:
        not_read.append("the state and the clusters: --preview without --stack reads the file alone")
    else:
        try:
            with under_way("diff", "reading the stack's state"):
                state = exported_state(options.stack)
        except CouldNotLookError as error:
            not_read.append(f"the state: {error}")
    before, after = before_and_after(state, preview.steps)
    keys = component_keys_of(state, preview)
    names: dict[str, Set[str]] = {}
    clusters = clusters_by_issuer(keys)
    annotations: dict[str, Annotations] = {}
    if not is_file_alone and (changed_roles(before, after) or any(map(patched, preview.steps))):
        providers = kubernetes_providers(state, preview, keys)
        if not providers:
            not_read.append("service accounts: the stack has no Kubernetes provider")
        with under_way("diff", "reading the service accounts of the clusters"):
            live = read_service_accounts({reference: each for reference, (each, _) in providers.items()})
        for reference, answer in live.items():
            if isinstance(answer, str):
                not_read += [] if answer in not_read else [answer]
                continue
            issuer, annotations[reference] = answer
            names[issuer] = names.get(issuer, frozenset()) | annotations[reference].keys()
            clusters |= {issuer: key} if (key := providers[reference][1]) else {}
    found = with_chains(rights(before, after, names), before, after)
    permissions, undecided = permission_changes(before, after)
    bindings, other = changes(with_annotations(preview.steps, annotations), keys)
    return Diff(
        options.stack or preview.stack,
        **vars(found),
        permissions=permissions,
        permissions_cannot_tell=undecided,
        clusters=clusters,
        bindings=bindings,
        other=other,
        unchanged=preview.unchanged,
        warnings=preview.warnings,
        not_read=not_read,
        failed_updates=sorted(step.old.name for step in preview.steps if step.old and step.old.failed),
    )


def _print(diff: Diff, options: argparse.Namespace) -> None:
    if options.json:
        print(document("diff", True, as_object(diff)))
    elif options.markdown == STREAM:
        print(markdown(diff, commands.of_stack("diff", diff.stack)))
    else:
        print_lines((line, COLORS.get(row.sign, "")) for row in rows_of(diff) for line in row.lines)
