"""What IAM would refuse: names that are taken, and policies that do not exist."""

import functools
from collections.abc import Collection, Iterator

from irsa import types
from irsa.resources import DeclaredResource, Ref
from irsa.rules import commands
from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import Place, likely, named
from irsa.rules.unknown import known_or
from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.held import Held, account_and_name, named_in_iam
from irsa_program.live.in_use import name_conflicts
from irsa_program.live.planned import PlannedStack
from irsa_program.live.reads import AwsReads
from irsa_program.lookups import live_rules
from irsa_program.lookups.live_rules import finding
from irsa_program.plan import PlannedComponent, known_value


def iam_conflicts(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield what IAM would refuse of roles and policies."""
    created = {planned.arn_of(each) for planned in stack.components for each in planned.spec.of(types.POLICY)}
    nearest = functools.cache(_nearest)
    for planned in stack.components:
        aws_account, role = stack.aws_accounts.get(planned.aws_account), planned.spec.role
        if aws_account is None or role is None:
            continue
        options = stack.options(planned.aws_account, "")
        if aws_account.roles is not None:
            yield from _name(planned, role, aws_account, stack.held)
        if aws_account.policies is not None:
            for policy in planned.spec.of(types.POLICY):
                yield from _name(planned, policy, aws_account, stack.held)
            for rule, place, arn in _existing_policies(planned, role):
                if not aws_account.policies.get(arn) and arn not in created:
                    fix = nearest(options, arn, tuple(aws_account.policies))
                    found = f"the policy {named(arn)} does not exist, or may no longer be attached"
                    yield finding(rule, place, found, "the ARN of a policy that may be attached", fix)


def _name(
    planned: PlannedComponent, created: DeclaredResource, aws_account: AwsReads, held: Held
) -> Iterator[LocatedMistake]:
    """Yield what is wrong with the name of a role or policy that is created."""
    is_role, noun = created.type == types.ROLE, types.NOUNS[created.type]
    arn, before = planned.arn_of(created), held.find(created.type, created.logical_name)
    if arn is None:
        return
    account_id, name = account_and_name(arn, noun)
    # One of the state that has another name is to be replaced.
    if before and named_in_iam(before) in ((account_id, name), ("", name)):
        return
    existing = (aws_account.roles_by_name if is_role else aws_account.policies_by_name).get(name)
    others = (held.by_name.get((created.type, each, name)) for each in (account_id, ""))
    other = next(filter(None, others), None)
    yield from name_conflicts(planned, created, f"the {noun} {named(existing or arn)}", existing, other)


def _existing_policies(planned: PlannedComponent, role: DeclaredResource) -> Iterator[tuple[str, Place, str]]:
    """Yield the ARN of each policy that must exist, with its rule and its place."""
    attached = [each.inputs["policyArn"] for each in planned.spec.of(types.ATTACHMENT)]
    arns = [known_value(each) for each in attached if not isinstance(each, Ref)]
    written = planned.spec.declared.policy_arns
    steps = [getattr(key, "written", key) for key in known_or(written, {})]
    for index, arn in enumerate(arns):
        if arn is not None:
            at = steps[index : index + 1] if len(steps) == len(arns) else ()
            yield live_rules.POLICY_MISSING, planned.place("policyArns", *at), arn
    boundary = known_value(role.inputs["permissionsBoundary"])
    if boundary is not None:
        yield live_rules.BOUNDARY_MISSING, planned.place("role", "permissionsBoundary"), boundary


def _nearest(place: commands.AwsPlace, arn: str, known: Collection[str]) -> str:
    """Return the advice to use the policy whose name is most similar, by its whole ARN."""
    names = {account_and_name(each, "policy")[1]: each for each in known}
    name = likely(account_and_name(arn, "policy")[1], names, most=len(names))
    return (
        f"did you mean {named(names[name])}?"
        if name
        else f"name one that exists, of {commands.LIST_ARNS['policy'](place)}"
    )


def provider_conflicts(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield the OIDC providers that exist, although the stack is to create them."""
    for (cluster, key), arn in stack.lookups.oidc_providers.items():
        aws_account, settings = stack.aws_accounts.get(key), stack.stack.clusters_by_key[cluster]
        if aws_account is None or not settings.create_oidc_provider or arn in stack.held.arns:
            continue
        if isinstance(arn, str) and arn in (aws_account.oidc_providers or ()):
            place = (*stack.stack.place_of_cluster(cluster), "createOidcProvider")
            found = f"the IAM OIDC provider {named(arn)} exists already, and this stack did not create it"
            allowed = f"an AWS account without a provider for {named(issuer_of_provider(arn))}"
            yield finding(live_rules.PROVIDER_EXISTS, place, found, allowed, "remove createOidcProvider")
