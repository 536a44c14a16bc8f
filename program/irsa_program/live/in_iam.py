"""What IAM would refuse: names that are taken, policies that do not exist, what is to be adopted, and quotas."""

import functools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from irsa import types
from irsa.resources import DeclaredResource, Ref
from irsa.rules import commands
from irsa.rules.arns import Arn, issuer_of_provider
from irsa.rules.mistakes import Place, likely, named
from irsa.rules.policies import policy_size
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Stack
from irsa_program.live.held import Held, account_and_name, named_in_iam
from irsa_program.live.planned import Planned, changed, finding, fixed, known
from irsa_program.live.reads import AwsReads, Reads
from irsa_program.lookups import rules as live_rules
from irsa_program.lookups.imported import There, import_differences
from irsa_program.lookups.values import Lookups
from irsa_world.state.resource import Resource

# The default, and the most to which AWS raises it (Service Quotas: L-858F3967). GetAccountSummary says nothing of it.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
OIDC_PROVIDERS, MOST_OIDC_PROVIDERS = 100, 700


def iam_conflicts(
    components: Collection[Planned], held: Held, aws_settings: Mapping[str, Any]
) -> Iterator[LocatedMistake]:
    """Yield what IAM would refuse of roles and policies, and what is to be adopted and differs from what is declared.

    The settings are those of the stack's default AWS provider, by their names without `aws:`.
    """
    created = {planned.arn_of(each) for planned in components for each in planned.spec.of(types.POLICY)}
    nearest = functools.cache(_nearest)
    for planned in components:
        aws_account, role = planned.aws_account, planned.spec.role
        if aws_account is None or role is None:
            continue
        if aws_account.roles is not None:
            yield from _name(planned, role, aws_account, held)
        if aws_account.policies is not None:
            for policy in planned.spec.of(types.POLICY):
                yield from _name(planned, policy, aws_account, held)
            for rule, place, arn in _existing_policies(planned, role):
                known = aws_account.policies.get(arn)
                if known is None and arn not in created:
                    fix = nearest(arn, "policy", tuple(aws_account.policies))
                    yield finding(rule, place, f"there is no policy {named(arn)}", "the ARN of an existing policy", fix)
                elif known is False:
                    found = f"the policy {named(arn)} cannot be attached any more"
                    yield finding(rule, place, found, "a policy that can be attached", "use another policy")
        yield from _to_adopt(planned, role, aws_account, held)
        yield from _differences(planned, aws_account, aws_settings)
        yield from _quotas_of_role(planned, role, aws_account, held)


def _name(planned: Planned, created: DeclaredResource, aws_account: AwsReads, held: Held) -> Iterator[LocatedMistake]:
    """Yield what is wrong with the name of a role or policy that is created, or imported."""
    is_role, kind, resource_type = created.type == types.ROLE, types.NOUNS[created.type], created.type
    arn, rule = planned.arn_of(created), live_rules.ROLE_EXISTS if is_role else live_rules.POLICY_EXISTS
    before, place = held.find(resource_type, created.logical_name), planned.place(kind, "name")
    # One of the state that has another name is to be replaced.
    if arn is None:
        return
    account_id, name = account_and_name(arn, kind)
    if before and named_in_iam(before) in ((account_id, name), ("", name)):
        return
    existing = (aws_account.roles_by_name if is_role else aws_account.policies_by_name).get(name)
    has, wanted = (existing and Arn.name_in(existing), created.import_id) if is_role else (existing, arn)
    others = (held.by_name.get((resource_type, each, name)) for each in (account_id, ""))
    if existing and (other := next(filter(None, others), None)):
        about = f"the {kind} {named(existing)} is in this stack's state already"
        found = f"{about}, as {named(other.name)}, which goes at the end of `pulumi up`"
        allowed = "a name of its own, also with import: what goes is deleted by its name"
        yield finding(rule, place, found, allowed, "write another name; or leave the name out where it is automatic")
    elif existing and not created.import_id:
        found = f"the {kind} {named(existing)} exists already, and this stack did not create it"
        otherwise = "role.arn, if it stays another stack's" if is_role else "name its ARN in policyArns to attach it"
        fix = f"write another name; or import: [{kind}] to adopt it; or {otherwise}"
        allowed = f"a name that no {kind} of the AWS account has, in upper or lower case"
        yield finding(rule, place, found, allowed, fix)
    elif created.import_id and has != wanted:
        found = f"the {kind} {wanted} does not exist" + (f" in the AWS account {account_id}" if is_role else "")
        differs = "write it as" if is_role else "the path or the name differs from"
        fix = f"{differs} {named(has)}" if has else f"remove {kind} from import"
        yield finding(live_rules.IMPORT_MISSING, place, found, f"an existing {kind} to import", fix)


def _existing_policies(planned: Planned, role: DeclaredResource) -> Iterator[tuple[str, Place, str]]:
    """Yield the ARN of each policy that must exist, with its rule and its place."""
    attached = [each.inputs["policyArn"] for each in planned.spec.of(types.ATTACHMENT)]
    arns = [known(each) for each in attached if not isinstance(each, Ref)]
    written = planned.binding.args.get("policy_arns", ())
    steps = [*written] if isinstance(written, dict) else [*range(len(written))]
    for index, arn in enumerate(arns):
        if arn is not None:
            at = steps[index : index + 1] if len(steps) == len(arns) else ()
            yield live_rules.POLICY_MISSING, planned.place("policyArns", *at), arn
    boundary = known(role.inputs["permissionsBoundary"])
    if boundary is not None:
        yield live_rules.BOUNDARY_MISSING, planned.place("role", "permissionsBoundary"), boundary


def missing_roles(components: Collection[Planned], reads: Reads) -> Iterator[LocatedMistake]:
    """Yield the roles that bindings only name, and that their AWS account does not have."""
    aws_accounts = {each.identity.account_id: each for each in reads.aws_accounts.values() if each.roles is not None}
    created = {planned.role_arn for planned in components if planned.spec.role}
    for planned in components:
        arn = planned.role_arn
        account_id, name = account_and_name(arn or "", "role")
        aws_account = aws_accounts.get(account_id)
        if aws_account and arn and arn not in created and aws_account.roles_by_name.get(name) != arn:
            found = f"there is no role {named(arn)}: Pods get no credentials"
            fix = _nearest(arn, "role", tuple(each.arn for each in aws_account.roles or ()))
            yield finding(live_rules.ROLE_MISSING, planned.place("role", "arn"), found, "an existing role", fix)


def _nearest(arn: str, kind: str, known: tuple[str, ...]) -> str:
    """Return the advice to use the role or policy whose name is most similar, by its whole ARN."""
    names = {account_and_name(each, kind)[1]: each for each in known}
    name = likely(account_and_name(arn, kind)[1], names, most=len(names))
    return f"did you mean {named(names[name])}?" if name else f"name one that exists, of {commands.LIST_ARNS[kind]}"


def _to_adopt(planned: Planned, role: DeclaredResource, aws_account: AwsReads, held: Held) -> Iterator[LocatedMistake]:
    """Yield what is wrong with the policies of a role that exists: it is adopted with them, or without."""
    name = known(role.inputs["name"])
    if name is None:
        return
    attached, inline = aws_account.attached.get(name), aws_account.inline.get(name)
    for each, arn in zip(planned.spec.of(types.ATTACHMENT), planned.attached_arns(), strict=True):
        if not each.import_id or attached is None or held.find(types.ATTACHMENT, each.logical_name):
            continue
        if arn not in attached:
            found = f"the policy {arn} is not attached to the role {name}"
            fix = "remove attachments from import, or attach it first"
            yield finding(live_rules.IMPORT_MISSING, planned.place("import"), found, "attachments that exist", fix)
    for policy in planned.spec.of(types.INLINE_POLICY):
        if inline is None or held.find(types.INLINE_POLICY, policy.logical_name):
            continue
        if policy.import_id and policy.inputs["name"] not in inline:
            found = f"the role {name} has no inline policy {policy.inputs['name']}"
            fix = "remove inlinePolicies from import: then irsa creates it"
            yield finding(live_rules.IMPORT_MISSING, planned.place("import"), found, "inline policies that exist", fix)
        elif not policy.import_id and policy.inputs["name"] in inline:
            place = planned.place("inlinePolicies", policy.inputs["name"])
            found = f"the role {name} has an inline policy {policy.inputs['name']} already, which this one overwrites"
            fix = "write another name, or import: [inlinePolicies] to adopt it"
            allowed = "a name that is not in use on the role"
            yield finding(live_rules.INLINE_POLICY_EXISTS, place, found, allowed, fix)


def _differences(planned: Planned, reads: AwsReads, aws_settings: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    name = (planned.spec.role and planned.spec.role.import_id) or ""
    inline = {each: reads.inline_documents.get((name, each)) for each in reads.inline.get(name, ())}
    there = There(reads.imported.get(name), reads.attached.get(name, ()), inline, reads.imported)
    settings = {} if planned.component.aws_account else aws_settings
    yield from import_differences(planned.key, planned.spec, there, settings)


def provider_conflicts(stack: Stack, lookups: Lookups, reads: Reads, held: Held) -> Iterator[LocatedMistake]:
    """Yield the OIDC providers that exist, although the stack is to create them, and those that exceed the quota."""
    new: dict[str, set[object]] = {}
    for (cluster, key), arn in lookups.oidc_providers.items():
        aws_account = reads.aws_accounts.get(key)
        if aws_account is None or not stack.clusters_by_key[cluster].create_oidc_provider or arn in held.arns:
            continue
        place = (*stack.place_of_cluster(cluster), "createOidcProvider")
        providers, account_id = aws_account.oidc_providers or frozenset(), aws_account.identity.account_id
        if arn in providers:
            found = f"the IAM OIDC provider {named(str(arn))} exists already, and this stack did not create it"
            allowed = f"an AWS account without a provider for {named(issuer_of_provider(str(arn)))}"
            yield finding(live_rules.PROVIDER_EXISTS, place, found, allowed, "remove createOidcProvider")
            continue
        created = new.setdefault(account_id, set())
        created.add(arn)
        used, total = len(providers), len(providers) + len(created)
        found = f"IAM OIDC providers of the AWS account {account_id}: {used:,}, and {len(created):,} to be created"
        if total > MOST_OIDC_PROVIDERS:
            fix = "remove some that are not in use"
            yield finding(live_rules.QUOTA_REACHED, place, found, f"at most {MOST_OIDC_PROVIDERS}", fix)
        # An AWS account that has more has a higher quota.
        elif used <= OIDC_PROVIDERS < total:
            allowed = f"at most {OIDC_PROVIDERS}, unless AWS raised the quota, to {MOST_OIDC_PROVIDERS} at most"
            fix = "ask AWS to raise the quota (Service Quotas: L-858F3967), or remove some that are not in use"
            yield finding(live_rules.DEFAULT_QUOTA, place, found, allowed, fix)


def _quotas_of_role(
    planned: Planned, role: DeclaredResource, aws_account: AwsReads, held: Held
) -> Iterator[LocatedMistake]:
    if aws_account.summary is None:
        return
    ask, where = "use fewer, or ask AWS to raise the quota (Service Quotas)", aws_account.identity.account_id
    quota = aws_account.summary.get("AttachedPoliciesPerRoleQuota")
    attached, detached = _attachments(planned, role, aws_account, held)
    if quota is not None and attached + detached > quota:
        found = f"managed policies of the role: {attached + detached:,}"
        found += f", until {detached:,} that it has now are detached at the end" if detached else ""
        fix = f"{ask}; or remove the old ones first, in a change of its own" if detached else ask
        allowed = f"at most {quota:,} in the AWS account {where}"
        yield finding(live_rules.QUOTA_REACHED, planned.place("policyArns"), found, allowed, fix)
    trust, quota = known(role.inputs["assumeRolePolicy"]), aws_account.summary.get("AssumeRolePolicySizeQuota")
    if quota is not None and trust is not None and (used := policy_size(trust)) > quota:
        found = f"characters of the trust policy: {used:,}"
        allowed = f"at most {quota:,} in the AWS account {where}"
        yield finding(live_rules.QUOTA_REACHED, planned.place("trust"), found, allowed, ask)


def _attachments(planned: Planned, role: DeclaredResource, aws_account: AwsReads, held: Held) -> tuple[int, int]:
    """Return how many policies the role gets, and how many more it has until the engine detaches those at the end."""
    policies = planned.attached_arns()
    before = held.attached.get(planned.role_arn or "", frozenset())
    before |= aws_account.attached.get(known(role.inputs["name"]), frozenset())
    # One with an automatic name is among those that the state holds, or new.
    automatic = min(policies.count(None), len((before & held.arns) - {*policies}))
    new = len({*policies} - before - {None}) + policies.count(None) - automatic
    return len(policies), len(before - {*policies}) - automatic if new else 0


def _is_created(created: DeclaredResource, before: Resource | None) -> bool:
    """Return whether there is one more for a time: one with an automatic name is replaced before it is deleted."""
    if before is None:
        return True
    inputs = {**fixed(created), "namePrefix": created.inputs["namePrefix"]}
    return known(created.inputs["name"]) is None and bool(changed(inputs, before))


def account_quotas(components: Collection[Planned], held: Held) -> Iterator[LocatedMistake]:
    """Yield the quotas of AWS accounts that the new roles and policies exceed, at the first that does."""
    new: dict[str, dict[str, list[Planned]]] = {}
    summaries: dict[str, Mapping[str, int]] = {}
    for planned in components:
        aws_account = planned.aws_account
        if aws_account is None or aws_account.summary is None or planned.spec.role is None:
            continue
        account_id = aws_account.identity.account_id
        summaries[account_id] = aws_account.summary
        kinds = new.setdefault(account_id, {"role": [], "policy": []})
        for each in planned.spec.of(types.ROLE, types.POLICY):
            if not each.import_id and _is_created(each, held.find(each.type, each.logical_name)):
                kinds[types.NOUNS[each.type]].append(planned)
    for account_id, kinds in new.items():
        for kind, created in kinds.items():
            name = "Roles" if kind == "role" else "Policies"
            used, quota = summaries[account_id].get(name), summaries[account_id].get(f"{name}Quota")
            if used is None or quota is None or used + len(created) <= quota or not created:
                continue
            first = created[max(quota - used, 0)]
            found = f"{name.lower()} of the AWS account {account_id}: {used:,}, and {len(created):,} to be created"
            fix = "remove some that are not in use, or ask AWS to raise the quota (Service Quotas)"
            yield finding(live_rules.QUOTA_REACHED, first.place(kind), found, f"at most {quota:,}", fix)
