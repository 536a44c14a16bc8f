"""The plan: from settings and look-ups to the components to create, and all mistakes in them.

`irsa check`, `irsa check --live` and `pulumi up` call it alike; they differ in who answers the look-ups. Nothing is
looked up or created here. What is not known is a marker or a sample (irsa.rules.unknown), and no mistake only for that.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from config.argument_places import KEYS_OF_A_CREATED_ROLE, arguments_of, place_of, spelled
from config.located_mistake import LocatedMistake
from config.models import Binding, ServiceAccount, Stack
from config.variable_keys import with_variables_replaced
from config.variables import Values, as_written, filled
from irsa.outputs import CLUSTER, KEY, LogicalName, component_name
from irsa.rules.arns import parse_iam_arn
from irsa.rules.grammar import wrong_partition
from irsa.rules.mistakes import Located, Mistake, Place, listed, path_of
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.unknown import OUTPUT, WRONG, Unknown, has_unknown, sampled, without_places
from irsa.spec import Spec, read
from program.identity import aws_account_id, identified, in_cluster
from program.lookups import NOBODY, UNKNOWN_PROVIDER, Lookups

# The keys of a binding for which the component has no argument, or one of another shape.
OF_THE_STACK_FILE: Collection[Place] = {
    ("service_account", "create_namespace"),
    ("policy", "file"),
    ("service_account",),
    ("policy",),
    ("oidc_provider_arns",),
    *KEYS_OF_A_CREATED_ROLE,
}


class PlannedNamespace(NamedTuple):
    """A namespace that is created when it is missing."""

    cluster: str
    name: str
    logical_name: LogicalName


class PlannedComponent(NamedTuple):
    """A component to create."""

    binding: str
    """The binding's key."""
    automatic_name: str
    """With it start the automatic names of its role and its policies."""
    earlier_names: tuple[str, ...]
    """Logical names that it had in earlier versions."""
    args: Mapping[str, Any]
    """The arguments of ServiceAccountRole."""
    takes_role: bool
    """Whether its service account gets the role of the binding's first component, not the argument `role_arn`."""
    aws_account: str | None
    """Key of the AWS account; None for the stack's."""
    cluster: str | None
    """Key of the cluster whose Kubernetes API it uses."""
    namespace: PlannedNamespace | None
    """The namespace that is created for it."""
    protect: bool
    name: LogicalName = LogicalName("")
    """Its logical name, which comes from what it creates (program.identity)."""


class PlannedBinding(NamedTuple):
    """What a binding declares of its role."""

    binding: Binding
    args: Mapping[str, Any]
    """The arguments of ServiceAccountRole, with a marker in place of what is wrong."""
    spec: Spec


@dataclass(frozen=True)
class Plan:
    """All that the stack creates.

    Attributes:
        components: Of bindings without mistakes, in the order of creation, each with its arguments parsed; the first of
            a binding has its role.
        bindings: What each binding declares, by its key.
        mistakes: What is wrong in the bindings, each with its place in the settings; then nothing may be created.
        service_accounts: The service account of each binding, by its key.
        retain_namespaces: Whether the namespaces are kept when the stack is destroyed.
    """

    components: Sequence[tuple[PlannedComponent, Spec]]
    bindings: Mapping[str, PlannedBinding]
    mistakes: Sequence[LocatedMistake]
    service_accounts: Mapping[str, ServiceAccount | None]
    retain_namespaces: bool


def plan(stack: Stack, lookups: Lookups) -> Plan:
    """Return the components of all bindings, and all mistakes in them."""
    components: list[tuple[PlannedComponent, Spec]] = []
    bindings: dict[str, PlannedBinding] = {}
    # The service accounts in several clusters have the same settings, and so the same mistakes.
    mistakes: dict[tuple[Any, ...], LocatedMistake] = {}
    for key, binding in stack.bindings.items():
        variables = _variables(binding, stack, lookups)
        args, found = _arguments(binding, stack, lookups, variables)
        planned: list[tuple[PlannedComponent, Spec]] = []
        for index, component in enumerate(_components(key, binding, args, stack, lookups)):
            spec, wrong = read(component.automatic_name, component.args, spelled)
            found += [(_written(argument, binding, variables), each) for argument, each in wrong]
            if not index:
                marked = without_places(args, [argument for argument, _ in wrong if argument[1:]])
                if "policy_arns" in marked:
                    marked["policy_arns"] = _unkeyed(marked["policy_arns"], filled(binding.policy_arns, variables, []))
                bindings[key] = PlannedBinding(binding, marked, spec)
            planned.append((component, spec))
        if not found and not isinstance(binding.aws_account, Unknown):
            components += [_identified(*each, stack, lookups) for each in planned]
        for place, mistake in found:
            mistakes[key, place, mistake.found] = LocatedMistake(("bindings", key, *place), mistake)
    service_accounts = {key: binding.service_account for key, binding in stack.bindings.items()}
    return Plan(components, bindings, list(mistakes.values()), service_accounts, stack.defaults.retain_namespaces)


def _identified(
    component: PlannedComponent, spec: Spec, stack: Stack, lookups: Lookups
) -> tuple[PlannedComponent, Spec]:
    """Return a component and what it creates under their logical names."""
    cluster = component.cluster
    name, spec = identified(
        spec,
        component.automatic_name,
        lookups.clusters[cluster].issuer if cluster else None,
        aws_account_id(stack, component.aws_account),
        component.earlier_names,
    )
    if spec.role and stack.bindings[component.binding].formerly and "role_name_prefix" not in component.args:
        # The prefix of a long key is a hash of it: an earlier version took it from the new key.
        spec = replace(spec, role=replace(spec.role, ignored_changes=("namePrefix",)))
    recorded = {KEY: component.binding, CLUSTER: None if stack.cluster else cluster}
    return component._replace(name=name), replace(spec, recorded=recorded)


def _written(argument: Place, binding: Binding, variables: Values) -> Place:
    """Return the place of an argument in the binding, as it is written there."""
    if argument[:1] == ("policy_arns",) and argument[1:]:
        # The first of several with the same name.
        keys = _policy_keys(filled(binding.policy_arns, variables, []))
        return ("policyArns", keys.index(str(argument[1])))
    place = place_of(argument)
    if place[:2] == ("policy", "document") and binding.policy:
        return (*place[:2], *as_written(binding.policy.document, place[2:], variables))
    if place[:1] == ("inlinePolicies",) and place[2:]:
        document = binding.inline_policies[str(place[1])].document
        return (*place[:2], "document", *as_written(document, place[2:], variables))
    if place[:2] in (("trust", "conditions"), ("trust", "statements")):
        return (*place[:2], *as_written(getattr(binding.trust, str(place[1])), place[2:], variables))
    return place


def _components(
    key: str, binding: Binding, args: dict[str, Any], stack: Stack, lookups: Lookups
) -> Iterator[PlannedComponent]:
    """Yield one component; for several clusters, one for the role and one for the service account in each cluster."""
    clusters = stack.clusters_of(binding)
    service_account = args.get("service_account")
    if stack.cluster or not isinstance(service_account, dict):
        yield _component(key, args, stack, lookups, clusters[0] if stack.cluster and clusters else None)
        return
    annotating: dict[str, Any] = {name: args[name] for name in ("audience", "retain_on_delete") if name in args}
    annotating |= {"service_account": service_account, "role_arn": args.get("role_arn", OUTPUT)}
    if "serviceAccount" in args.get("import_existing", ()):
        annotating["import_existing"] = ["serviceAccount"]
    if "role_arn" not in args:
        of_role = {name: value for name, value in args.items() if name != "service_account"}
        namespace, name = service_account.get("namespace", DEFAULT_NAMESPACE), service_account.get("name", WRONG)
        subject = WRONG if has_unknown([namespace, name]) else subject_of(namespace, name)
        subjects = args.get("subjects", [])
        of_role["subjects"] = [*subjects, subject] if isinstance(subjects, list) else subjects
        if "import_existing" in args:
            of_role["import_existing"] = [what for what in args["import_existing"] if what != "serviceAccount"]
        yield _component(key, of_role, stack, lookups, None)
    for cluster in clusters:
        yield _component(key, annotating, stack, lookups, cluster)._replace(takes_role="role_arn" not in args)


def _component(
    key: str, args: Mapping[str, Any], stack: Stack, lookups: Lookups, cluster: str | None
) -> PlannedComponent:
    """Return a component; without a cluster it creates nothing in Kubernetes."""
    binding, one_of_several = stack.bindings[key], None if stack.cluster else cluster
    service_account, namespace = binding.service_account, None
    if cluster is not None and isinstance(service_account, ServiceAccount) and service_account.create_namespace is True:
        name = service_account.namespace or DEFAULT_NAMESPACE
        logical_name = LogicalName(
            in_cluster(name, lookups.clusters[cluster].issuer), (component_name(name, one_of_several),)
        )
        namespace = PlannedNamespace(cluster, name, logical_name)
    keys = [key, *([binding.formerly] if isinstance(binding.formerly, str) else ())]
    return PlannedComponent(
        key,
        component_name(keys[-1], one_of_several),
        tuple(component_name(each, one_of_several) for each in keys),
        args,
        False,
        binding.aws_account,
        cluster,
        namespace,
        binding.protect,
    )


def _variables(binding: Binding, stack: Stack, lookups: Lookups) -> Values:
    """Return what the variables of a binding stand for. What is not looked up is not used."""
    identity = lookups.aws_accounts.get(binding.aws_account, NOBODY).identity
    return {
        **({"account": identity.account_id} if identity else {}),
        **({"region": lookups.region} if lookups.region else {}),
        **({"partition": identity.partition} if identity else {}),
        "cluster": _cluster_name(stack.clusters_of(binding), stack, lookups),
        **stack.variables,
    }


def _cluster_name(clusters: Sequence[str], stack: Stack, lookups: Lookups) -> "str | Unknown | Mistake":
    """Return the name of a binding's only cluster, or why there is none."""
    if len(clusters) > 1:
        found = f"${{cluster}}, with several clusters: {listed(clusters)}"
        return Mistake(found, "the name of one cluster", "write the name itself, or a binding for each cluster")
    name = lookups.clusters[clusters[0]].name if clusters else None
    if name or not clusters or has_unknown(stack.clusters_by_key[clusters[0]].name):
        return name or WRONG
    place = path_of(stack.place_of_cluster(clusters[0]))
    found, fix = f"${{cluster}}, and irsa:{place} has no name", f"add name to irsa:{place}, or write the name itself"
    return Mistake(found, "the name of the EKS cluster", fix)


def _arguments(
    binding: Binding, stack: Stack, lookups: Lookups, variables: Values
) -> tuple[dict[str, Any], list[Located]]:
    """Return the component's arguments for a binding, with its variables replaced, and what is wrong with these."""
    declared = binding.model_dump(by_alias=True, exclude_defaults=True, warnings=False)
    found: list[Located] = []
    keys = with_variables_replaced(declared, lambda place, value: filled(value, variables, found, place))
    args: dict[str, Any] = {}
    for argument, value in arguments_of(keys).items():
        if argument not in OF_THE_STACK_FILE:
            *outer, name = map(str, argument)
            inner = args.setdefault(outer[0], {}) if outer else args
            inner[name] = value
    for name in ("service_account", "policy"):
        if isinstance(getattr(binding, name), Unknown):
            args[name] = WRONG
    if isinstance(binding.trust, Unknown):
        args |= {"subjects": WRONG, "trust_conditions": WRONG, "trust_statements": WRONG}
    if isinstance(binding.role, Unknown):
        args["role_name"] = WRONG
    if "role_arn" in args:
        found += _partition_of_role(args["role_arn"], lookups)
        return args, found
    if isinstance(args.get("policy_arns"), list):
        args["policy_arns"] = _keyed(args["policy_arns"], found)
    if isinstance(args.get("inline_policies"), dict):
        args["inline_policies"] = {
            name: source.get("document", WRONG) if isinstance(source, dict) else source
            for name, source in args["inline_policies"].items()
        }
    providers = [
        lookups.oidc_providers.get((cluster, binding.aws_account), UNKNOWN_PROVIDER)
        for cluster in stack.clusters_of(binding)
    ]
    args |= {
        "oidc_provider_arns": providers or [UNKNOWN_PROVIDER],
        "trust_policy_size_quota": stack.quotas.trust_policy_size,
        "attached_policies_quota": stack.quotas.attached_policies,
    }
    return args, found


def _partition_of_role(role_arn: Any, lookups: Lookups) -> Iterator[Located]:
    """Yield the mistake of an existing role in another partition than the stack."""
    own = lookups.aws_accounts.get(None, NOBODY).identity
    try:
        role = parse_iam_arn(role_arn, "role") if isinstance(role_arn, str) else None
    except Mistake:
        return  # reported with the argument
    if role and own and not {"partition"} & (sampled(own.partition) | sampled(role_arn)):
        mistake = wrong_partition(role_arn, role.partition, own.partition)
        if mistake:
            yield ("role", "arn"), mistake


def _keyed(policy_arns: Sequence[Any], found: list[Located]) -> dict[str, Any]:
    keyed: dict[str, Any] = {}
    for index, (key, arn) in enumerate(zip(_policy_keys(policy_arns), policy_arns, strict=True)):
        other = keyed.setdefault(key, arn)
        if other != arn:
            found_here = f"{arn}, which has the same name as {other}"
            mistake = Mistake(found_here, "policies of one AWS account", "remove one of them")
            found.append((("policyArns", index), mistake))
    return keyed


def _unkeyed(keyed: Any, policy_arns: Sequence[Any]) -> Any:
    """Return the ARNs as a list again; what is wrong in the mapping is a marker."""
    if not isinstance(keyed, dict):
        return keyed
    by_key = zip(_policy_keys(policy_arns), policy_arns, strict=True)
    return [arn if keyed.get(key) == arn else WRONG for key, arn in by_key]


def _policy_keys(policy_arns: Sequence[Any]) -> list[str]:
    return [policy_key(arn) if isinstance(arn, str) else f"unknown-{index}" for index, arn in enumerate(policy_arns)]


def policy_key(arn: str) -> str:
    """Return the part of an attachment's logical name for a policy.

    It is the policy's path and name, with `aws:` before those of AWS managed policies.
    """
    try:
        parsed = parse_iam_arn(arn, "policy")
    except Mistake:
        return arn
    return f"aws:{parsed.resource}" if parsed.account_id == "aws" else parsed.resource
