"""What roles never used: rows for each role and statement, and the page of them. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from irsa.evaluation.lint.actions import matching
from irsa.evaluation.patterns import matches
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import named
from irsa_cli.inventory.findings.untidy import TRACKED_DAYS, UNUSED_DAYS
from irsa_cli.inventory.output import NEVER, PARTLY, TOO_YOUNG, USED, Inventory, LastUse
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_world.live.last_use import SERVICE, Report
from irsa_world.message import Message, first_few
from irsa_world.model import CANNOT_TELL, ManagedPolicy, Role, World, role_name
from irsa_world.report.text import VERDICTS, Section, counted
from irsa_world.unread import Unread

# It is a part of calls of other services, so that no use of IAM shows it.
NO_CALL = "PassRole"
# As many as fit on a page.
ROWS = 40
HEADINGS = ("roles", "policy", "statement", "never used", "cannot tell")
MEANING = f"""\
never used: in the {TRACKED_DAYS} days that IAM keeps; a yearly job may fall outside. Denied attempts count as use.
The figures are of the role, not of one service account: what another policy of it allowed counts as use, too.
cannot tell: IAM does not report the action. Inline policies have no date: one may be younger than {UNUSED_DAYS} days.
"""


def last_use(
    inventory: Inventory, world: World, now: datetime, ask: Callable[[list[str]], Mapping[str, Report | Unread]]
) -> list[LastUse]:
    """Return what each role never used that a service account may assume or that an association names.

    There is a row for the role, then those of its statements.

    `ask` returns what roles last used, by their ARNs.
    """
    # The admissions have the target roles of associations alone.
    arns = {each.role for each in inventory.admissions}
    arns |= {role_arns[0] for those in inventory.associations.values() for role_arns in those.values() if role_arns}
    roles = [each for aws_account in world.aws_accounts for each in aws_account.roles if each.arn in arns]
    policies = {each.arn: each for aws_account in world.aws_accounts for each in aws_account.policies}
    limit = now - timedelta(days=UNUSED_DAYS)
    reports = ask([each.arn for each in roles if each.has_details and not _is_young(each, limit)])
    return [row for role in roles for row in _of_role(role, policies, reports.get(role.arn), limit)]


def _is_young(dated: Role | ManagedPolicy, limit: datetime) -> bool:
    return dated.created is not None and dated.created > limit


def _of_role(
    role: Role, policies: Mapping[str, ManagedPolicy], report: Report | Unread | None, limit: datetime
) -> Iterator[LastUse]:
    if _is_young(role, limit):
        yield LastUse(role.arn, TOO_YOUNG, reason=f"created in the last {UNUSED_DAYS} days")
    elif report is None:
        yield LastUse(role.arn, CANNOT_TELL, reason="its policies were not read (iam:GetAccountAuthorizationDetails)")
    elif isinstance(report, Unread):
        yield LastUse(role.arn, CANNOT_TELL, reason=report.reason)
    elif not role.last_used and not any(each[SERVICE] for each in report.values()):
        yield LastUse(role.arn, NEVER)
    else:
        yield LastUse(role.arn, USED)
        for name, document in role.inline_policies.items():
            yield from _of_policy(role.arn, name, document, report)
        for arn in role.attached_policies:
            policy = policies.get(arn)
            if policy is None:
                yield LastUse(role.arn, CANNOT_TELL, arn, reason=f"policy {named(arn)} was not read")
            elif _is_young(policy, limit):
                why = f"policy {named(arn)} has a version of the last {UNUSED_DAYS} days"
                yield LastUse(role.arn, TOO_YOUNG, arn, reason=why)
            else:
                yield from _of_policy(role.arn, arn, policy.document, report)


def _of_policy(role_arn: str, policy: str, document: Mapping[str, Any], report: Report) -> Iterator[LastUse]:
    for number, statement in enumerate(items_of(document.get("Statement"))):
        if statement.get("Effect") == "Allow":
            name = str(statement.get("Sid") or number)
            outcome, services, actions, untracked = _of_actions(items_of(statement.get("Action", "NotAction")), report)
            yield LastUse(role_arn, outcome, policy, name, services, actions, untracked)


def _of_actions(patterns: Iterable[str], report: Report) -> tuple[str, list[str], list[str], list[str]]:
    """Return the outcome of a statement, its services and actions that were never used, and those that are not tracked.

    Only what is in IAM's answer is never used: any other action may be used every day.
    """
    services, actions, untracked, is_used = set[str](), set[str](), set[str](), False
    for pattern in patterns:
        prefix, _, name = pattern.lower().partition(":")
        name = name or "*"
        if prefix == "iam" and {each.name for each in matching(f"iam:{name}")} == {NO_CALL}:
            untracked.add(pattern)
            continue
        those = {each for each in report if matches(each, prefix)}
        unused = {each for each in those if not report[each][SERVICE]}
        services |= unused
        # Somebody used the role: by `*`, it may be what IAM does not report.
        untracked |= {pattern} if not those or (prefix == "*" and those == unused) else set()
        for service in those - unused:
            tracked = {each: used for each, used in report[service].items() if each and matches(each.lower(), name)}
            actions |= {f"{service}:{each}" for each, used in tracked.items() if not used}
            if name == "*" or any(tracked.values()):
                is_used = True
            elif not tracked or not {each.name for each in matching(f"{service}:{name}")} <= tracked.keys():
                untracked.add(pattern)
    some = PARTLY if services or actions else USED
    outcome = some if is_used else CANNOT_TELL if untracked else NEVER
    return outcome, sorted(services), sorted(actions), sorted(untracked)


def last_use_section(rows: Sequence[LastUse], aws_accounts: int, rest: str) -> Section:
    """Return the page: how many roles and statements were never used, what to act on, and last what it leaves out."""

    # In a single AWS account, the names of its roles are enough.
    def names(arns: Sequence[str]) -> str:
        return ", ".join(first_few([named(role_name(arn) if aws_accounts == 1 else arn) for arn in arns]))

    alike: dict[tuple[Any, ...], list[str]] = {}
    reasons: dict[str, list[str]] = {}
    for each in rows:
        never = (*(f"service {named(service)}" for service in each.services), *map(named, each.actions))
        if each.reason:
            reasons.setdefault(f"{each.outcome}: {each.reason}", []).append(each.role)
        elif each.outcome == NEVER or never:
            # A role that was never used has a line of its own.
            where = bool(each.policy), each.outcome != NEVER, each.policy or each.role, each.statement
            alike.setdefault((*where, never, tuple(map(named, each.cannot_tell))), []).append(each.role)
    table = []
    for key, roles in sorted(alike.items(), key=lambda each: (*each[0][:2], -len(each[1]), each[0])):
        of_policy, _, policy, statement, *lists = key
        texts = (", ".join(first_few(each)) for each in lists)
        cells = [named(policy.rpartition("/")[2]), named(statement), *texts] if of_policy else ["", "", "the role", ""]
        table.append([names(roles), *cells])
    below = [f"and {len(table) - ROWS:,} more lines: --json has all of them"] if len(table) > ROWS else []
    below += [f"{reason}: {counted(len(arns), 'role')}: {names(arns)}" for reason, arns in reasons.items()]
    shown = [Message(each, style="yellow") for each in below]
    shown += [Message(each, style="dim") for each in (*MEANING.splitlines(), rest)]
    return Section(*_summary(rows), headings=HEADINGS, rows=table[:ROWS], below=shown)


def _summary(rows: Sequence[LastUse]) -> tuple[str, str]:
    """Return the first line, and its style."""
    of_roles = [each.outcome for each in rows if not each.policy]
    never, young, unknown = map(of_roles.count, (NEVER, TOO_YOUNG, CANNOT_TELL))
    holding = {each.role for each in rows if each.policy and each.outcome == NEVER}
    partly = {each.role for each in rows if each.outcome == PARTLY}
    total = counted(len(of_roles), "role")
    found = f"{never:,} of {total} were never used; {len(holding):,} hold statements never used"
    open_ones = {each.role for each in rows if each.outcome == CANNOT_TELL} - holding - partly
    parts = {"hold actions never used": len(partly - holding), "are too young": young, "cannot tell": len(open_ones)}
    if unknown == len(of_roles) > 0:
        found, parts = f"cannot tell what {total} never used", {}
    style = VERDICTS[FINDINGS if never or holding or partly else COULD_NOT_LOOK if open_ones else GOOD]
    return "; ".join([found, *(f"{count:,} {what}" for what, count in parts.items() if count)]), style
