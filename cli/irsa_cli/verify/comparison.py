"""The work of `irsa verify`: what it reads, what it asks again, and the report of it."""

import argparse
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from irsa import types
from irsa.rules import commands
from irsa.rules.mistakes import named
from irsa_cli.consistency import PAUSES, is_fresh
from irsa_cli.progress import check_all, under_way
from irsa_cli.verify.binding import FAILED_UPDATE, Verification, failed_update
from irsa_cli.verify.guard import of_guard
from irsa_cli.verify.issuer import in_clusters, of_issuer
from irsa_cli.verify.kinds import ASSOCIATION, CHECKS, GUARD, ISSUER, PODS, STAGE
from irsa_world.compare import NONE
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.aws_account import read_world
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.live.service import CONCURRENT
from irsa_world.report.checks import UNANSWERED, Check, Outcome, Report, by_binding, worst
from irsa_world.report.publish import WITHOUT_PODS, publish
from irsa_world.sessions import Sessions
from irsa_world.state.declared import DeclaredBinding, DeclaredStack
from irsa_world.state.pulumi import failed_up, read_stack

# What is said of the OIDC providers that the stack creates.
OF_NO_BINDING = "irsa:createOidcProvider"


def run(options: argparse.Namespace) -> int:
    """Verify the chosen bindings, print the report and return the exit code.

    Raises:
        CouldNotLookError: The stack cannot be read, or has no such binding.
    """
    declared = read_stack(options.stack)
    bindings = declared.chosen(options.bindings)
    checks = checks_of(declared, bindings, options.pods)
    for pause in PAUSES:
        wrong = {check.binding for check in checks if check.outcome is Outcome.FINDING}
        again = [binding for binding in bindings if binding.key in wrong and is_fresh(binding)]
        if not again:
            break
        time.sleep(pause)
        new = by_binding(checks_of(declared, again, options.pods))
        checks = [check for key, old in by_binding(checks).items() for check in _newer(old, new.get(key, old))]
    clusters = ClusterClients(declared.clusters)
    if declared.guards and not options.bindings:
        checks += check_all(
            "verify", declared.guards, lambda each: of_guard(each, clusters, declared.stack), CONCURRENT
        )
    if any(map(_may_be_of_a_failed_up, checks)) and (since := failed_up(options.stack)):
        unchanged = {binding.key for binding in bindings if binding.modified and binding.modified < since}
        checks = [_in_doubt(each) if each.binding not in unchanged else each for each in checks]
    issuers = in_clusters(declared, bindings).items()
    checks += check_all("verify", [*issuers], lambda each: of_issuer(declared, clusters, *each), CONCURRENT)
    columns = columns_of(checks, options.pods)
    notes = [f"{named(check.binding)}: {check.found}" for check in checks if _is_note(check)]
    notes += [] if options.pods else [WITHOUT_PODS.format(commands.verify_pods(declared.stack))]
    report = Report("verify", declared.stack, checks, notes)
    return publish(report, ("binding", *columns), rows_of(checks, columns), options)


def _may_be_of_a_failed_up(check: Check) -> bool:
    return check.outcome is Outcome.FINDING and check.found != FAILED_UPDATE


def _in_doubt(check: Check) -> Check:
    """Return a finding as what it is after an `up` that failed: what that declared, no output of a binding has."""
    if not _may_be_of_a_failed_up(check):
        return check
    found = f"{check.found}; the last `pulumi up` failed. The one before it declared {check.expected or NONE}"
    return replace(check, outcome=Outcome.CANNOT_TELL, found=found, expected="")


def _is_note(check: Check) -> bool:
    return check.check == STAGE or (check.check in (GUARD, ISSUER) and check.outcome is Outcome.OK)


def columns_of(checks: Iterable[Check], pods: bool) -> list[str]:
    """Return the kinds of checks that are columns of the table; a stage is a line of its own."""
    of_some = {ASSOCIATION, GUARD, ISSUER} - {check.check for check in checks}
    absent = {STAGE, *([] if pods else [PODS]), *of_some}
    return [name for name in CHECKS if name not in absent]


def rows_of(checks: Sequence[Check], columns: Sequence[str]) -> list[list[str]]:
    """Return a row for each binding: its key, and the worst outcome of each kind of check; empty where it has none."""
    return [
        [named(key), *(worst(check.outcome for check in of_binding if check.check == each) or "" for each in columns)]
        for key, of_binding in by_binding(checks).items()
    ]


def checks_of(declared: DeclaredStack, bindings: Sequence[DeclaredBinding], pods: bool) -> list[Check]:
    """Return the checks of these bindings, by what AWS and Kubernetes answer now."""
    aws_accounts, clusters = AwsAccountClients(declared.aws), ClusterClients(declared.clusters)
    service_accounts = [each for one in bindings if not one.unreadable for each in one.service_accounts]
    with under_way("verify", "reading AWS"), ThreadPoolExecutor(1) as pool:
        pool.submit(clusters.read_service_accounts, service_accounts)
        sessions = Sessions(read_world(aws_accounts, clusters, bindings))
    verifications = [Verification(declared, aws_accounts, clusters, sessions, binding) for binding in bindings]
    up = commands.up(declared.stack)
    return [
        *(failed_update(OF_NO_BINDING, types.OIDC_PROVIDER, name, up) for name in declared.failed_providers),
        *check_all("verify", verifications, lambda each: each.checks(pods), CONCURRENT),
    ]


def _newer(old: list[Check], new: list[Check]) -> list[Check]:
    """Return the new checks of a binding; the old ones if something that had an answer then has none now."""
    unanswered, before = (
        {(check.check, check.about) for check in checks if check.outcome in UNANSWERED} for checks in (new, old)
    )
    return new if unanswered <= before else old
