"""Quotas of IAM and EKS that `pulumi up` would reach half-way.

Those of IAM: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html. It does not say how many
OIDC providers there may be.
"""

from collections.abc import Iterator, Mapping

from irsa import types
from irsa.rules.policies import policy_size
from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.planned import PlannedStack
from irsa_program.lookups import live_rules
from irsa_program.lookups.live_rules import finding
from irsa_program.plan import PlannedComponent, known_value

# What is counted, by its type: the setting of a binding, how it is called, and by which name IAM reports it.
COUNTED = {
    types.ROLE: ("role", "roles", "Roles"),
    types.POLICY: ("policy", "policies", "Policies"),
    types.POD_IDENTITY_ASSOCIATION: ("identity", "associations", ""),
}
# EKS raises it for nobody: https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html
MOST_ASSOCIATIONS = 5_000
RAISE = "remove some that are not in use, or ask AWS to raise the quota (Service Quotas)"
REMOVE = "remove some that are not in use, or leave the rest at identity: irsa"


def quota_conflicts(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield the quotas that are exceeded: of a role; of an AWS account or a cluster, at the first that exceeds it."""
    new: dict[tuple[str, str], list[PlannedComponent]] = {}
    used: dict[tuple[str, str], tuple[int, int, str]] = {}
    for planned in stack.components:
        aws_account, cluster = stack.aws_accounts.get(planned.aws_account), stack.cluster(planned.cluster)
        summary = (aws_account.summary if aws_account else None) or {}
        yield from _of_role(planned, summary)
        for each in planned.spec.of(*COUNTED):
            name, there = COUNTED[each.type][2], cluster.associations
            if name and {name, f"{name}Quota"} <= summary.keys():
                where = f"of the AWS account {aws_account.number if aws_account else ''}"
                key, found = (each.type, where), (summary[name], summary[f"{name}Quota"], RAISE)
            elif not name and there is not None:
                where = f"of the EKS cluster{planned.where}"
                key, found = (each.type, where), (len(there), MOST_ASSOCIATIONS, REMOVE)
            else:
                continue
            used[key] = found
            if not (each.import_id or stack.held.find(each.type, each.logical_name)):
                new.setdefault(key, []).append(planned)
    for (kind, where), created in new.items():
        number, quota, fix = used[kind, where]
        if number + len(created) > quota:
            setting, plural, _ = COUNTED[kind]
            found_here = f"{plural} {where}: {number:,}, and {len(created):,} to be created"
            first = created[max(quota - number, 0)]
            yield finding(live_rules.QUOTA_REACHED, first.place(setting), found_here, f"at most {quota:,}", fix)


def _of_role(planned: PlannedComponent, summary: Mapping[str, int]) -> Iterator[LocatedMistake]:
    """Yield what exceeds a quota of one role: the stack file may say that AWS has raised one, which it has not."""
    trust = known_value(planned.spec.role.inputs["assumeRolePolicy"]) if planned.spec.role else None
    attached = len([*planned.spec.of(types.ATTACHMENT)])
    size = policy_size(trust) if trust else 0
    for name, what, number, setting in (
        ("AttachedPoliciesPerRoleQuota", "managed policies of the role", attached, "policyArns"),
        ("AssumeRolePolicySizeQuota", "characters of the trust policy", size, "trust"),
    ):
        if number > summary.get(name, number):
            fix = "use fewer, or ask AWS to raise the quota (Service Quotas)"
            allowed = f"at most {summary[name]:,} in its AWS account"
            yield finding(live_rules.QUOTA_REACHED, planned.place(setting), f"{what}: {number:,}", allowed, fix)
