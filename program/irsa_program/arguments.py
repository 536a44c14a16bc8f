"""A binding of a stack file as arguments of ServiceAccountRole, with values for its variables and clusters; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.add_ons.catalog import add_on, names
from irsa.add_ons.parameters import CLUSTER_NAMES
from irsa.role.in_aws_account import AwsAccount, clusters_elsewhere
from irsa.rules.arns import iam_arn
from irsa.rules.grammar import wrong_partition
from irsa.rules.leaves import list_of, mapping_of
from irsa.rules.mistakes import Located, Mistake, Place, listed, path_of
from irsa.rules.unknown import WRONG, Unknown, has_unknown, sampled
from irsa.spec import Spec
from irsa_config.argument_places import place_of
from irsa_config.arguments_with_variables import takes_variables, with_variables_replaced
from irsa_config.stack import Binding, Stack
from irsa_config.variables import Values, Written, as_written, replaced
from irsa_program.lookups.values import NOBODY, UNKNOWN_PROVIDER, Lookups


class PlannedBinding(NamedTuple):
    """What a binding declares of its role."""

    binding: Binding
    args: Mapping[str, Any]
    """The arguments of ServiceAccountRole, with a marker in place of what is wrong."""
    spec: Spec
    cluster_names: Sequence[str]
    """Names of the clusters whose service accounts the role trusts."""


def variables_of(binding: Binding, stack: Stack, lookups: Lookups) -> Values:
    """Return what the variables of a binding stand for. What is not looked up is not used."""
    identity = lookups.aws_accounts.get(binding.aws_account, NOBODY).identity
    return {
        **({"account": identity.account_id} if identity else {}),
        **({"region": lookups.region} if lookups.region else {}),
        **({"partition": identity.partition} if identity else {}),
        "cluster": _cluster_name(binding, stack, lookups),
        **stack.variables,
    }


def _cluster_name(binding: Binding, stack: Stack, lookups: Lookups) -> "str | Unknown | Mistake":
    """Return the name of a binding's only cluster, or why there is none."""
    clusters = stack.clusters_of(binding)
    if has_unknown(binding.clusters):
        return WRONG
    if len(clusters) > 1:
        found = f"${{cluster}}, with several clusters: {listed(clusters)}"
        return Mistake(found, "the name of one cluster", "write the name itself, or a binding for each cluster")
    name = lookups.clusters[clusters[0]].name if clusters else None
    if name or not clusters or has_unknown(stack.clusters_by_key[clusters[0]].name):
        return name or WRONG
    place = path_of(stack.place_of_cluster(clusters[0]))
    found, fix = f"${{cluster}}, and irsa:{place} has no name", f"add name to irsa:{place}, or write the name itself"
    return Mistake(found, "the name of the EKS cluster", fix)


def arguments(
    binding: Binding, stack: Stack, lookups: Lookups, variables: Values
) -> tuple[dict[str, Any], list[Located]]:
    """Return the component's arguments for a binding, with its variables replaced, and what is wrong with these."""
    found: list[Located] = []
    args: dict[str, Any] = with_variables_replaced(
        binding.args, lambda at, value: replaced(value, variables, found, place_of(at))
    )
    if binding.identity.needs("cluster_arns"):
        args["cluster_arns"] = {key: lookups.clusters[key].arn for key in stack.clusters_of(binding)}
    found += _with_clusters(args, binding, stack, lookups)
    role = mapping_of(args.get("role"))
    # For an existing role too: what it excludes has the right shape all the same.
    if isinstance(args.get("policy_arns"), list):
        args["policy_arns"] = _keyed(args["policy_arns"], found)
    if "arn" in role:
        found += _partition_of_role(role["arn"], lookups)
        return args, found
    found += [(place_of(at), each) for at, each in _clusters_elsewhere(args, binding, lookups)]
    pairs = ((cluster, binding.aws_account) for cluster in stack.clusters_of(binding))
    providers = [lookups.oidc_providers.get(pair, UNKNOWN_PROVIDER) for pair in pairs]
    if binding.identity.needs("oidc_provider_arns"):
        args["oidc_provider_arns"] = providers or [UNKNOWN_PROVIDER]
    args["quotas"] = {name: getattr(stack.quotas, name) for name in ("trust_policy_size", "attached_policies")}
    return args, found


def _with_clusters(args: dict[str, Any], binding: Binding, stack: Stack, lookups: Lookups) -> Iterator[Located]:
    """Add the names of the binding's clusters to its add-ons that take them; yield those whose cluster has no name."""
    clusters = stack.clusters_of(binding)
    # Of a cluster that has none, the name is never known.
    without = [key for key in clusters if not lookups.clusters[key].name and stack.clusters_by_key[key].name is None]
    several = [(("policies", index), each) for index, each in enumerate(list_of(args.get("policies")))]
    for place, settings in [(("policy",), args.get("policy")), *several]:
        name = settings.get("add_on") if isinstance(settings, dict) else None
        takes = isinstance(name, str) and name in names() and CLUSTER_NAMES in add_on(name).parameters
        if not takes or {CLUSTER_NAMES, "scope"} & settings.keys():
            continue
        if without:
            cluster = path_of(stack.place_of_cluster(without[0]))
            what = f"{name} without clusterNames, for irsa:{cluster}, which has no name"
            fix = f"add name to irsa:{cluster}, or write clusterNames"
            yield place, Mistake(what, "the names of its EKS clusters", fix)
        settings[CLUSTER_NAMES] = [lookups.clusters[key].name or WRONG for key in clusters] or WRONG


def _partition_of_role(role_arn: Any, lookups: Lookups) -> Iterator[Located]:
    """Yield the mistake of an existing role in another partition than the stack."""
    of_stack = lookups.aws_accounts.get(None, NOBODY).identity
    role = iam_arn(role_arn, "role")
    if role and of_stack and "partition" not in sampled(of_stack.partition):
        mistake = wrong_partition(role_arn, role.partition, of_stack.partition)
        if mistake:
            yield ("role", "arn"), mistake


def _clusters_elsewhere(args: Mapping[str, Any], binding: Binding, lookups: Lookups) -> Iterator[Located]:
    """Yield the clusters of EKS Pod Identity in another AWS account than that in which the role is created."""
    identity = lookups.aws_accounts.get(binding.aws_account, NOBODY).identity
    if identity:
        known = [None if sampled(part) else part for part in (identity.partition, identity.account_id)]
        yield from clusters_elsewhere(args.get("cluster_arns", {}), AwsAccount(*known))


def _keyed(policy_arns: Sequence[Any], found: list[Located]) -> dict[str, Any]:
    keyed: dict[str, Any] = {}
    for index, (key, arn) in enumerate(zip(_policy_keys(policy_arns), policy_arns, strict=True)):
        other = keyed.setdefault(key, arn)
        # What is looked up may be the number that is written, or another one.
        if other != arn and not sampled(other) | sampled(arn):
            same = f"{arn}, which has the same name as {other}"
            found.append((("policyArns", index), Mistake(same, "policies of one AWS account", "remove one of them")))
    return keyed


def unkeyed(keyed: Any, policy_arns: Any) -> Any:
    """Return the ARNs as a list, where they are written so; what is wrong in the mapping is a marker."""
    if not isinstance(keyed, dict) or not isinstance(policy_arns, list):
        return keyed
    by_key = zip(_policy_keys(policy_arns), policy_arns, strict=True)
    return [arn if keyed.get(key) == arn else WRONG for key, arn in by_key]


def _policy_keys(policy_arns: Sequence[Any]) -> list[str]:
    keys = (policy_key(arn) if isinstance(arn, str) else None for arn in policy_arns)
    # No policy's name has a colon.
    return [key or f"unknown:{index}" for index, key in enumerate(keys)]


def policy_key(arn: str) -> str | None:
    """Return the part of an attachment's logical name for a policy; None for what is no policy's ARN.

    It is the policy's path and name, with `aws:` before those of AWS managed policies.
    """
    parsed = iam_arn(arn, "policy")
    if parsed is None:
        return None
    return f"aws:{parsed.resource}" if parsed.account_id == "aws" else parsed.resource


def place_in_binding(argument: Place, binding: Binding, variables: Values, written: Written) -> Place:
    """Return the place of an argument in the binding, as it is written there."""
    if argument[:1] == ("policy_arns",) and argument[1:]:
        arns = binding.args.get("policy_arns")
        if isinstance(arns, list) and id(arns) not in written:
            keys = _policy_keys(replaced(arns, variables, []))
            # The first of several with the same name.
            written[id(arns)] = {key: index for index, key in reversed([*enumerate(keys)])}
        return ("policyArns", written[id(arns)][str(argument[1])] if id(arns) in written else argument[1])
    place = place_of(argument)
    value: Any = binding.args
    for end, step in enumerate(argument):
        if takes_variables(argument[:end]):
            return (*place[:end], *as_written(value, place[end:], variables, written))
        # The plan adds a subject to those of the file.
        value = next(iter(list_of(value)[step:]), None) if isinstance(step, int) else mapping_of(value).get(step)
    return place
