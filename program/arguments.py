"""A binding of a stack file as arguments of ServiceAccountRole: its variables replaced, its keys renamed; pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from config.argument_places import KEYS_OF_A_CREATED_ROLE, arguments_of, place_of
from config.defaults import identity_of
from config.models import Binding, PodIdentity, Stack
from config.variable_keys import with_variables_replaced
from config.variables import Values, Written, as_written, replaced
from irsa.add_ons.catalog import add_on, names, snake
from irsa.add_ons.parameters import CLUSTER_NAMES
from irsa.in_aws_account import AwsAccount, clusters_elsewhere
from irsa.rules.arns import parse_iam_arn
from irsa.rules.grammar import wrong_partition
from irsa.rules.identity import Use
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Located, Mistake, Place, listed, path_of
from irsa.rules.unknown import WRONG, Unknown, has_unknown, sampled
from program.lookups.values import NOBODY, UNKNOWN_PROVIDER, Lookups

# The keys of a binding for which the component has no argument, or one of another shape.
OF_THE_STACK_FILE: Collection[Place] = {
    ("service_account", "create_namespace"),
    ("policy", "file"),
    ("service_account",),
    ("policy",),
    ("policies",),
    ("pod_identity",),
    ("pod_identity", "policy"),
    ("oidc_provider_arns",),
    *KEYS_OF_A_CREATED_ROLE,
}

# The arguments of keys that hold several, where such a key as a whole is not known.
OF_A_WHOLE_KEY = {
    "service_account": ("service_account",),
    "policy": ("policy",),
    "policies": ("policies",),
    "role": ("role_name",),
    "pod_identity": ("pod_identity",),
    "trust": ("subjects", "trust_conditions", "trust_statements"),
}


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
    declared = binding.model_dump(by_alias=True, exclude_defaults=True, warnings=False)
    found: list[Located] = []
    keys = with_variables_replaced(declared, lambda place, value: replaced(value, variables, found, place))
    args: dict[str, Any] = {}
    for argument, value in arguments_of(keys).items():
        if argument not in OF_THE_STACK_FILE:
            *outer, name = map(str, argument)
            inner = args.setdefault(outer[0], {}) if outer else args
            inner[name] = value
    for key, unknown in OF_A_WHOLE_KEY.items():
        if isinstance(getattr(binding, key), Unknown):
            args |= dict.fromkeys(unknown, WRONG)
    args |= _of_pod_identity(args, keys, binding, stack, lookups)
    of_add_ons, without_name = _of_add_ons(args, keys, binding, stack, lookups)
    args, found = {**args, **of_add_ons}, [*found, *without_name]
    if "role_arn" not in args and binding.aws_account is None:
        found += _not_allowed(args, lookups.account_ids)
    # For an existing role too: what it excludes has the right shape all the same.
    if isinstance(args.get("policy_arns"), list):
        args["policy_arns"] = _keyed(args["policy_arns"], found)
    if isinstance(args.get("inline_policies"), dict):
        args["inline_policies"] = {
            name: source.get("document", WRONG) if isinstance(source, dict) else source
            for name, source in args["inline_policies"].items()
        }
    if "role_arn" in args:
        found += _partition_of_role(args["role_arn"], lookups)
        return args, found
    found += [(place_of(at), each) for at, each in _clusters_elsewhere(args, binding, lookups)]
    pairs = ((cluster, binding.aws_account) for cluster in stack.clusters_of(binding))
    providers = [lookups.oidc_providers.get(pair, UNKNOWN_PROVIDER) for pair in pairs]
    if identity_of(binding).irsa is not Use.ABSENT:
        args["oidc_provider_arns"] = providers or [UNKNOWN_PROVIDER]
    args |= {
        "trust_policy_size_quota": stack.quotas.trust_policy_size,
        "attached_policies_quota": stack.quotas.attached_policies,
    }
    return args, found


def _of_pod_identity(
    args: Mapping[str, Any], keys: Mapping[str, Any], binding: Binding, stack: Stack, lookups: Lookups
) -> dict[str, Any]:
    """Return the arguments of EKS Pod Identity that are otherwise in a binding, or looked up."""
    found: dict[str, Any] = {}
    settings = mapping_of(keys.get("podIdentity"))
    if isinstance(binding.pod_identity, PodIdentity):
        # What is as by default is an argument, too.
        found["pod_identity"] = args.get("pod_identity", {})
    if "policy" in settings:
        document = mapping_of(settings["policy"]).get("document", WRONG)
        found["pod_identity"] = {**args.get("pod_identity", {}), "policy": document}
    if identity_of(binding).pod_identity is not Use.ABSENT:
        found["cluster_arns"] = {key: lookups.clusters[key].arn for key in stack.clusters_of(binding)}
    return found


def _of_add_ons(
    args: Mapping[str, Any], keys: Mapping[str, Any], binding: Binding, stack: Stack, lookups: Lookups
) -> tuple[dict[str, Any], list[Located]]:
    """Return the arguments of add-ons, with the names of the binding's clusters for those that take them.

    Then the add-ons whose cluster has no name.
    """
    found: list[Located] = []
    clusters = stack.clusters_of(binding)
    # Of a cluster that has none, the name is never known.
    without = [key for key in clusters if not lookups.clusters[key].name and stack.clusters_by_key[key].name is None]

    def with_clusters(settings: Any, place: Place) -> Any:
        name = settings.get("add_on") if isinstance(settings, dict) else None
        takes = isinstance(name, str) and name in names() and CLUSTER_NAMES in add_on(name).parameters
        if not takes or {CLUSTER_NAMES, "scope"} & settings.keys():
            return settings
        if without:
            cluster = path_of(stack.place_of_cluster(without[0]))
            what = f"{name} without clusterNames, for irsa:{cluster}, which has no name"
            fix = f"add name to irsa:{cluster}, or write clusterNames"
            found.append((place, Mistake(what, "the names of its EKS clusters", fix)))
        return {**settings, CLUSTER_NAMES: [lookups.clusters[key].name or WRONG for key in clusters] or WRONG}

    of_add_ons: dict[str, Any] = {}
    if "policy" in args:
        of_add_ons["policy"] = with_clusters(args["policy"], ("policy",))
    several = keys.get("policies")
    if isinstance(several, list):
        # What is not known of them is dumped as a mapping without keys.
        known = enumerate(zip(several, binding.policies, strict=True))
        of_add_ons["policies"] = [
            each
            if isinstance(each, Unknown)
            else with_clusters({snake(key): value for key, value in dumped.items()}, ("policies", index))
            for index, (dumped, each) in known
        ]
    return of_add_ons, found


def _partition_of_role(role_arn: Any, lookups: Lookups) -> Iterator[Located]:
    """Yield the mistake of an existing role in another partition than the stack."""
    of_stack = lookups.aws_accounts.get(None, NOBODY).identity
    try:
        role = parse_iam_arn(role_arn, "role") if isinstance(role_arn, str) else None
    except Mistake:
        return  # reported with the argument
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


def _not_allowed(args: Mapping[str, Any], account_ids: Collection[str]) -> Iterator[Located]:
    """Yield the policies of an AWS account in which the role cannot be: one of these IDs is that of its own."""
    arns: dict[Place, Any] = {("role", "permissionsBoundary"): args.get("permissions_boundary")}
    policy_arns = args.get("policy_arns")
    arns |= {("policyArns", i): arn for i, arn in enumerate(policy_arns if isinstance(policy_arns, list) else ())}
    for place, arn in arns.items() if len(account_ids) > 1 else ():
        owner = _owner(arn) if isinstance(arn, str) else None
        if owner and owner not in account_ids:
            allowed = f"an AWS managed policy, or one in an AWS account of aws:allowedAccountIds: {listed(account_ids)}"
            yield place, Mistake(f"{arn!r}, a policy in the AWS account {owner}", allowed, "create the policy there")


def _owner(arn: str) -> str | None:
    """Return the AWS account of a policy, where it is known; None for an AWS managed policy."""
    try:
        owner = parse_iam_arn(arn, "policy").account_id
    except Mistake:
        return None  # reported with the argument
    return None if owner == "aws" or "account" in sampled(arn) else owner


def _keyed(policy_arns: Sequence[Any], found: list[Located]) -> dict[str, Any]:
    keyed: dict[str, Any] = {}
    for index, (key, arn) in enumerate(zip(_policy_keys(policy_arns), policy_arns, strict=True)):
        other = keyed.setdefault(key, arn)
        # What is looked up may be the number that is written, or another one.
        if other != arn and not sampled(other) | sampled(arn):
            same = f"{arn}, which has the same name as {other}"
            found.append((("policyArns", index), Mistake(same, "policies of one AWS account", "remove one of them")))
    return keyed


def unkeyed(keyed: Any, policy_arns: Sequence[Any]) -> Any:
    """Return the ARNs as a list again; what is wrong in the mapping is a marker."""
    if not isinstance(keyed, dict):
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
    try:
        parsed = parse_iam_arn(arn, "policy")
    except Mistake:
        return None
    return f"aws:{parsed.resource}" if parsed.account_id == "aws" else parsed.resource


def place_in_binding(argument: Place, binding: Binding, variables: Values, written: Written) -> Place:
    """Return the place of an argument in the binding, as it is written there."""
    if argument[:1] == ("policy_arns",) and argument[1:]:
        arns = binding.policy_arns
        if id(arns) not in written:
            keys = _policy_keys(replaced(arns, variables, []))
            # The first of several with the same name.
            written[id(arns)] = {key: index for index, key in reversed([*enumerate(keys)])}
        return ("policyArns", written[id(arns)][str(argument[1])])
    place = place_of(argument)
    if place[:2] == ("policy", "document") and binding.policy:
        return (*place[:2], *as_written(binding.policy.document, place[2:], variables, written))
    if place[:3] == ("podIdentity", "policy", "document") and binding.pod_identity and binding.pod_identity.policy:
        return (*place[:3], *as_written(binding.pod_identity.policy.document, place[3:], variables, written))
    if place[:1] == ("inlinePolicies",) and place[2:]:
        document = binding.inline_policies[str(place[1])].document
        return (*place[:2], "document", *as_written(document, place[2:], variables, written))
    if place[:2] in (("trust", "conditions"), ("trust", "statements")):
        return (*place[:2], *as_written(getattr(binding.trust, str(place[1])), place[2:], variables, written))
    return place
