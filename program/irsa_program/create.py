"""The resources of the plan, and the stack's outputs."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from irsa import types
from irsa.component import ServiceAccountRole
from irsa.failed_update import hooks
from irsa.guard_component import IdentityGuard, read_of_stack
from irsa.keys.binding import ServiceAccountKeys
from irsa.later import Read, parsed
from irsa.outputs import KEY
from irsa.rules.arns import issuer_host_path
from irsa.rules.unknown import known_or, text_of
from irsa_config.stack import Stack
from irsa_program.existing import creation_hooks
from irsa_program.guards import PlannedGuard, arguments_of
from irsa_program.logical_names import oidc_provider
from irsa_program.lookups.values import Lookups, audience_of
from irsa_program.plan import Plan, PlannedComponent, PlannedNamespace


def send_no_debug_messages() -> None:
    """Have the SDK send the engine none of its debug messages.

    For each resource it sends four, and waits for each before the program goes on: a fifth of its time
    (https://github.com/pulumi/pulumi/issues/7292). `pulumi up --debug` still shows those of the engine and its plugins.
    """
    pulumi.log.debug = lambda *_, **__: None


def create_oidc_providers(planned: Plan, stack: Stack, lookups: Lookups) -> dict[str, pulumi.Output[str]]:
    """Create the OIDC providers of the stack, and return their ARNs by those that are known beforehand.

    What has such an output comes after the provider, and a preview shows it all the same.
    """
    audiences: dict[tuple[str, str | None], set[str]] = {}
    # An existing role, of whichever AWS account, may trust any provider of its cluster.
    of_existing: dict[str, set[str]] = {}
    for each in planned.bindings.values():
        for cluster in stack.clusters_of(each.binding):
            # Tokens are for IRSA only.
            uses_tokens = each.binding.identity.needs("oidc_provider_arns")
            if each.has_existing_role:
                of_existing.setdefault(cluster, set()).update({audience_of(each)} if uses_tokens else ())
            else:
                key = known_or(each.binding.aws_account, None)
                audiences.setdefault((cluster, key), set()).update({audience_of(each)} if uses_tokens else ())
    listed: dict[str, set[str]] = {}
    for pair in lookups.issuers_to_create:
        of_provider = listed.setdefault(str(lookups.oidc_providers[pair]), set())
        of_provider.update(audiences[pair], of_existing.get(pair[0], ()))
    made: dict[str, pulumi.Output[str]] = {}
    # Two keys may be of one AWS account: the first of the file creates its provider, in whichever order bindings are.
    keys = [None, *stack.aws_accounts]
    for pair, issuer in sorted(lookups.issuers_to_create.items(), key=lambda each: keys.index(each[0][1])):
        arn = str(lookups.oidc_providers[pair])
        if arn not in made:
            options = pulumi.ResourceOptions(provider=lookups.aws_providers[pair[1]], hooks=hooks(None))
            name = oidc_provider(stack, pair[1], issuer)
            listing = sorted(listed[arn])
            provider = aws.iam.OpenIdConnectProvider(name, url=issuer, client_id_lists=listing, opts=options)
            made[arn] = provider.urn.apply(lambda _, arn=arn: arn)  # type: ignore[misc]
    return made


async def create(plan: Plan, lookups: Lookups, warnings: Mapping[str, Sequence[str]] = MappingProxyType({})) -> None:
    """Create what is planned, show the warnings of each binding, and export the stack's outputs."""
    namespaces: dict[PlannedNamespace, pulumi.Resource] = {}
    # By the binding's key: the component with its role.
    roles: dict[str, ServiceAccountRole] = {}
    # By the binding and the cluster, None for the role of several: what must be there before the cluster's guard.
    made: dict[tuple[str, str | None], list[pulumi.Resource]] = {}
    creating = {planned.cluster for planned in plan.components if planned.spec.of(types.SERVICE_ACCOUNT)}
    existing = {
        key: creation_hooks(issuer_host_path(text_of(cluster.issuer)), cluster.inputs)
        for key, cluster in lookups.clusters.items()
        if key in creating and cluster.inputs is not None
    }
    for planned in plan.components:
        if planned.namespace and planned.namespace not in namespaces:
            namespaces[planned.namespace] = _namespace(planned.namespace, lookups)
        spec = planned.spec
        key = planned.binding.key
        if planned.of_the_role:
            spec = spec._replace(role_arn=roles[key].role_arn)
        options = _options(planned, lookups, roles, namespaces)
        args: Any = Read(spec, existing.get(planned.cluster or ""))
        component = ServiceAccountRole(planned.name, args, options)
        if roles.setdefault(key, component) is component:
            for warning in warnings.get(key, ()):
                pulumi.log.warn(warning, component)
        made.setdefault((key, planned.cluster), []).append(component)
        # The engine works on this one while the next is made, and what is done with leaves the memory.
        await asyncio.sleep(0)
    for guard in plan.guards:
        keys = [each.binding for each in guard.accounts]
        after = [[*made.get((key, None), []), *made.get((key, guard.cluster), [])] for key in keys]
        _guard(guard, lookups, roles, after)
    bindings: dict[str, Any] = {
        key: _output(plan.bindings[key].declared.service_account, role) for key, role in roles.items()
    }
    pulumi.export("bindings", bindings)


def _guard(
    planned: PlannedGuard,
    lookups: Lookups,
    roles: Mapping[str, ServiceAccountRole],
    after: Sequence[Sequence[pulumi.Resource]],
) -> None:
    """Create the guard of a cluster, after what its service accounts need."""
    args = arguments_of(planned.written, [(each, roles[each.binding].role_arn) for each in planned.accounts])
    spec = parsed(read_of_stack, planned.name, args)._replace(recorded={KEY: planned.cluster})
    provider = lookups.clusters[planned.cluster].provider
    options = pulumi.ResourceOptions(providers=[provider] if provider else None)
    read: Any = Read(spec, after)
    IdentityGuard(planned.name, read, options)


def _namespace(planned: PlannedNamespace, lookups: Lookups) -> pulumi.Resource:
    """Create a namespace unless it exists."""
    # A patch creates a missing namespace, uses an existing one, and leaves it when the stack is destroyed.
    options = pulumi.ResourceOptions(provider=lookups.clusters[planned.cluster].provider)
    metadata = kubernetes.meta.v1.ObjectMetaPatchArgs(name=planned.name)
    return kubernetes.core.v1.NamespacePatch(planned.logical_name, metadata=metadata, opts=options)


def _options(
    planned: PlannedComponent,
    lookups: Lookups,
    roles: Mapping[str, ServiceAccountRole],
    namespaces: Mapping[PlannedNamespace, pulumi.Resource],
) -> pulumi.ResourceOptions:
    providers: list[pulumi.ProviderResource | None] = [lookups.aws_providers[planned.aws_account]]
    if planned.cluster is not None:
        providers.append(lookups.clusters[planned.cluster].provider)
    depends_on: list[pulumi.Resource] = [roles[planned.binding.key]] if planned.of_the_role else []
    if planned.namespace:
        depends_on.append(namespaces[planned.namespace])
    used = [provider for provider in providers if provider]
    return pulumi.ResourceOptions(providers=used, protect=planned.binding.protect or None, depends_on=depends_on)


def _output(account: ServiceAccountKeys | None, role: ServiceAccountRole) -> dict[str, Any]:
    """Return a binding's part of the stack output `bindings`."""
    return {
        "namespace": account and account.namespace,
        "serviceAccount": account and account.name,
        "roleArn": role.role_arn,
        "policyArns": role.policy_arns,
        "subjects": role.subjects,
        "annotations": role.annotations,
    }
