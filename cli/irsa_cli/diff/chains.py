"""Which roles a role of the stack may assume in turn afterwards, and which ones no more. Pure."""

from collections import Counter
from dataclasses import replace

from irsa.rules.trust import ASSUME_ROLE
from irsa_cli.diff.rights import Right, Rights, holders
from irsa_cli.diff.snapshots import Snapshot
from irsa_world.trusts.chains import Trusting, answers, elsewhere

# What it means that a chain was allowed, open or absent before, and is afterwards.
CHANGES = {(False, True): "gains", (True, False): "loses", (None, True): "may_gain", (False, None): "may_gain"}
CHANGES |= {(True, None): "may_lose", (None, False): "may_lose"}
UNCERTAIN = {"gains": "may_gain", "loses": "may_lose"}


def with_chains(found: Rights, before: Snapshot, after: Snapshot) -> Rights:
    """Return who gains and who loses, with the roles that a role may assume in turn afterwards, or no more."""
    old, new = _chains(before, after), _chains(after, before)
    added: dict[str, list[Right]] = {name: [] for name in CHANGES.values()}
    known = {arn for each in (before, after) for arn in _arns(each).values()}
    for key, other in sorted({*old, *new}):
        name = CHANGES.get((old.get((key, other), False), new.get((key, other), False)))
        if name:
            role = (after if "gain" in name else before).roles[key]
            for certain, each in holders(role):
                added[name if certain else UNCERTAIN.get(name, name)].append(
                    replace(each, then=other, if_trusted=other not in known)
                )
    return Rights(**vars(found) | {name: [*getattr(found, name), *those] for name, those in added.items()})


def _chains(snapshot: Snapshot, other_one: Snapshot) -> dict[tuple[str, str], bool | None]:
    """Return the roles that each role of the stack may assume; None where that cannot be decided."""
    arns = _arns(snapshot)
    trusts = {arns[key]: role.parsed for key, role in snapshot.roles.items()}
    trusting, at_the_other_time = Trusting(trusts), {*_arns(other_one).values()}
    found: dict[tuple[str, str], bool | None] = {}
    for key, arn in arns.items():
        policies = snapshot.policies[key]
        others = trusting.by_name(arn) | trusting.by_account(arn, policies)
        found |= {(key, other): answer.outcome for other, answer in answers(arn, policies, others)}
        for other in elsewhere(policies) | elsewhere(other_one.policies.get(key, policies)):
            if other in snapshot.roles and snapshot.roles[other].trust is None:
                found[key, other] = None
            # What the stack has only at the other time is not there.
            elif other not in trusts and other not in at_the_other_time:
                found[key, other] = policies.own.of(ASSUME_ROLE, other)
    return found


def _arns(snapshot: Snapshot) -> dict[str, str]:
    """Return the ARNs of roles by their keys; while IAM has yet to choose its name, one that no other role can have."""
    found: dict[str, str] = {}
    alike: Counter[tuple[str, ...]] = Counter()
    for key, role in snapshot.roles.items():
        place = role.partition, role.aws_account, role.name
        # Two of them may have one logical name, with parents of other types.
        alike[place] += not role.arn
        number = f" {alike[place]}" if alike[place] > 1 else ""
        unnamed = f"arn:{role.partition}:iam::{role.aws_account}:role/{role.name}-(not created yet{number})"
        found[key] = role.arn or unnamed
    return found
