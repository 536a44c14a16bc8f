"""Which roles a role of the stack may assume in turn afterwards, and which ones no more. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from irsa.rules.trust import ASSUME_ROLE
from irsa_cli.diff.rights import Rights, holders
from irsa_cli.diff.world import World
from irsa_world.trusts.chains import RolePolicies, Trusting, answers, elsewhere

# What it means that a chain was allowed, open or absent before, and is afterwards.
CHANGES = {(False, True): "gains", (True, False): "loses", (None, True): "may_gain", (False, None): "may_gain"}
CHANGES |= {(True, None): "may_lose", (None, False): "may_lose"}
# Whether a role, by its key, may assume another one, by its ARN; None where that cannot be decided.
Chains = Mapping[tuple[str, str], bool | None]
UNCERTAIN = {"gains": "may_gain", "loses": "may_lose"}


def add_chains(found: Rights, before: World, after: World) -> Chains:
    """Add the roles that a role may assume in turn afterwards, or no more; return all those of afterwards."""
    policies = [{key: role.policies for key, role in each.roles.items()} for each in (before, after)]
    old, new = _chains(before, after, *policies), _chains(after, before, *reversed(policies))
    known = {arn for each in (before, after) for arn in arns_of(each).values()}
    for key, other in sorted({*old, *new}):
        name = CHANGES.get((old.get((key, other), False), new.get((key, other), False)))
        if name:
            role = (after if "gain" in name else before).roles[key]
            for certain, each in holders(role):
                right = replace(each, then=other, if_trusted=other not in known)
                getattr(found, name if certain else UNCERTAIN.get(name, name)).append(right)
    return new


def _chains(
    world: World, other_one: World, of_roles: Mapping[str, RolePolicies], of_other_one: Mapping[str, RolePolicies]
) -> dict[tuple[str, str], bool | None]:
    """Return the roles that each role of the stack may assume; None where that cannot be decided."""
    arns = arns_of(world)
    trusts = {arns[key]: role.parsed for key, role in world.roles.items()}
    trusting, at_the_other_time = Trusting(trusts), {*arns_of(other_one).values()}
    found: dict[tuple[str, str], bool | None] = {}
    for key, arn in arns.items():
        policies = of_roles[key]
        others = trusting.by_name(arn) | trusting.by_account(arn, policies)
        found |= {(key, other): answer.outcome for other, answer in answers(arn, policies, others)}
        for other in elsewhere(policies) | elsewhere(of_other_one.get(key, policies)):
            if other in world.roles and world.roles[other].trust is None:
                found[key, other] = None
            # What the stack has only at the other time is not there.
            elif other not in trusts and other not in at_the_other_time:
                found[key, other] = policies.own.of(ASSUME_ROLE, other)
    return found


def arns_of(world: World) -> dict[str, str]:
    """Return the ARNs of roles by their keys; while IAM has yet to choose its name, one that no other role can have."""
    found: dict[str, str] = {}
    alike: Counter[tuple[str, ...]] = Counter()
    for key, role in world.roles.items():
        place = role.partition, role.aws_account, role.name
        # Two of them may have one logical name, with parents of other types.
        alike[place] += not role.arn
        number = f" {alike[place]}" if alike[place] > 1 else ""
        unnamed = f"arn:{role.partition}:iam::{role.aws_account}:role/{role.name}-(not created yet{number})"
        found[key] = role.arn or unnamed
    return found
