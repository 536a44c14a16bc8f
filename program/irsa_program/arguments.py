"""A binding of a stack file as a component's arguments, with values for its variables and clusters; pure."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from irsa.add_ons.parameters import CLUSTER_NAMES
from irsa.keys.binding import RoleKeys, ServiceAccountRoleKeys
from irsa.role.add_ons import add_ons_of
from irsa.role.in_aws_account import PartialAwsAccount, clusters_elsewhere
from irsa.rules.arns import iam_arn
from irsa.rules.grammar import wrong_partition
from irsa.rules.mistakes import Located, Mistake, Place, listed, path_of
from irsa.rules.unknown import WRONG, Unknown, has_unknown, is_there, known_or
from irsa_config.argument_places import place_of
from irsa_config.reading import read_binding
from irsa_config.stack import Binding, Stack
from irsa_config.variables import Values
from irsa_program.lookups.values import NOBODY, UNKNOWN_PROVIDER, AwsIdentity, Lookups


def variables_of(binding: Binding, stack: Stack, lookups: Lookups) -> Values:
    """Return what the variables of a binding stand for. What is not looked up is not used."""
    identity = _identity(binding, lookups)
    return {
        **({"account": identity.account_id} if identity else {}),
        **({"region": lookups.region} if lookups.region else {}),
        **({"partition": identity.partition} if identity else {}),
        "cluster": _cluster_name(binding, stack),
        **stack.variables,
    }


def _identity(binding: Binding, lookups: Lookups) -> AwsIdentity | None:
    key = binding.aws_account
    return NOBODY if isinstance(key, Unknown) else lookups.aws_accounts.get(key, NOBODY)


def _cluster_name(binding: Binding, stack: Stack) -> "str | Unknown | Mistake":
    """Return the name of a binding's only cluster, or why there is none."""
    clusters = stack.clusters_of(binding)
    if has_unknown(binding.clusters):
        return WRONG
    if len(clusters) > 1:
        found = f"${{cluster}}, with several clusters: {listed(clusters)}"
        return Mistake(found, "the name of one cluster", "write the name itself, or a binding for each cluster")
    name = stack.clusters_by_key[clusters[0]].name if clusters else WRONG
    if name is not None:
        return name
    place = path_of(stack.place_of_cluster(clusters[0]))
    found, fix = f"${{cluster}}, and irsa:{place} has no name", f"add name to irsa:{place}, or write the name itself"
    return Mistake(found, "the name of the EKS cluster", fix)


class BindingArguments(NamedTuple):
    """What a binding declares."""

    keys: ServiceAccountRoleKeys
    """The component's arguments for it."""
    mistakes: list[Located]
    """What is wrong with it, at its places in the binding."""
    with_variables: Sequence[tuple[Place, Any]]
    """The values that may have variables, as they are written, each with its place."""


def declared_of(binding: Binding, stack: Stack, lookups: Lookups) -> BindingArguments:
    """Return what a binding declares, with values for its variables and clusters."""
    arguments, found, with_variables = read_binding(binding, variables_of(binding, stack, lookups))
    role = arguments.get("role")
    clusters, exists = stack.clusters_of(binding), isinstance(role, RoleKeys) and is_there(role.arn)
    if binding.identity.needs("cluster_arns"):
        arguments["cluster_arns"] = {key: lookups.clusters[key].arn for key in clusters}
    if binding.identity.needs("oidc_provider_arns") and not exists:
        pairs = ((cluster, known_or(binding.aws_account, None)) for cluster in clusters)
        providers = [lookups.oidc_providers.get(pair, UNKNOWN_PROVIDER) for pair in pairs]
        arguments["oidc_provider_arns"] = providers or [UNKNOWN_PROVIDER]
    if not exists:
        arguments["quotas"] = stack.quotas
    declared, unnamed = _with_clusters(ServiceAccountRoleKeys.of(arguments), binding, stack)
    found += unnamed
    if not exists and any(stack.clusters_by_key[key].create_oidc_provider for key in clusters):
        found += _import_with_a_new_provider(declared)
    if exists:
        found += _partition_of_role(declared.role.arn, lookups)
    else:
        found += [(place_of(at), each) for at, each in _clusters_elsewhere(declared, binding, lookups)]
    return BindingArguments(declared, found, with_variables)


def _import_with_a_new_provider(declared: ServiceAccountRoleKeys) -> Iterator[Located]:
    """Yield the import of a policy beside an OIDC provider that is created: its ARN decides the policy's, too late."""
    if declared.oidc_provider_arns is not None and "policy" in known_or(declared.import_, []):
        found = "'policy' in import, together with an OIDC provider that this stack creates"
        fix = "first deploy the provider without this import; then write its ARN as oidcProviderArn"
        yield ("import",), Mistake(found, "the ARN of a provider that exists", fix)


def _with_clusters(
    declared: ServiceAccountRoleKeys, binding: Binding, stack: Stack
) -> tuple[ServiceAccountRoleKeys, list[Located]]:
    """Return the arguments with the names of the clusters for each add-on that takes them, and what has no name."""
    found: list[Located] = []
    names = {key: stack.clusters_by_key[key].name for key in stack.clusters_of(binding)}
    without = [key for key, name in names.items() if name is None]
    for place, settings, each in add_ons_of(declared):
        if CLUSTER_NAMES not in each.parameters or {CLUSTER_NAMES, "scope"} & settings.written().keys():
            continue
        if without:
            cluster = path_of(stack.place_of_cluster(without[0]))
            what = f"{each.name} without clusterNames, for irsa:{cluster}, which has no name"
            fix = f"add name to irsa:{cluster}, or write clusterNames"
            found.append((place, Mistake(what, "the names of its EKS clusters", fix)))
        declared = declared.put((*place, CLUSTER_NAMES), [name or WRONG for name in names.values()] or WRONG)
    return declared, found


def _partition_of_role(role_arn: object, lookups: Lookups) -> Iterator[Located]:
    """Yield the mistake of an existing role in another partition than the stack."""
    of_stack = lookups.aws_accounts.get(None, NOBODY)
    role = iam_arn(role_arn, "role")
    if isinstance(role_arn, str) and role and of_stack and isinstance(of_stack.partition, str):
        mistake = wrong_partition(role_arn, role.partition, of_stack.partition)
        if mistake:
            yield ("role", "arn"), mistake


def _clusters_elsewhere(declared: ServiceAccountRoleKeys, binding: Binding, lookups: Lookups) -> Iterator[Located]:
    """Yield the clusters of EKS Pod Identity in another AWS account than that in which the role is created."""
    identity = _identity(binding, lookups)
    if identity:
        known = [part if isinstance(part, str) else None for part in (identity.partition, identity.account_id)]
        yield from clusters_elsewhere(known_or(declared.cluster_arns, {}), PartialAwsAccount(*known))
