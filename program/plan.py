"""The plan: from settings and look-ups to the components to create. Nothing is looked up or created here."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from config.argument_places import KEYS_OF_A_CREATED_ROLE, arguments_of, place_of, spelled
from config.loading import StackFileError
from config.located_mistake import LocatedMistake
from config.models import Binding, ServiceAccount, Stack
from config.variable_keys import with_variables_replaced
from config.variables import fill
from irsa.outputs import CLUSTER, KEY, LogicalName, component_name
from irsa.reading import InvalidArgumentsError
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.policies import CHAINING_POLICY, chaining_policy
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.unknown import UNKNOWN
from irsa.spec import Spec, parse
from program.identity import aws_account_id, identified, in_cluster
from program.lookups.values import Lookups

# The keys of a binding for which the component has no argument, or one of another shape.
OF_THE_STACK_FILE: Collection[Place] = {
    ("service_account", "create_namespace"),
    ("policy", "file"),
    ("service_account",),
    ("policy",),
    ("oidc_provider_arns",),
    ("inline_policies",),
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


class Plan(NamedTuple):
    """All that the stack creates."""

    components: Sequence[tuple[PlannedComponent, Spec]]
    """In the order of creation, each with its arguments parsed; the first one of a binding has its role."""
    service_accounts: Mapping[str, ServiceAccount | None]
    """The service account of each binding, by its key."""
    retain_namespaces: bool
    """Whether the namespaces are kept when the stack is destroyed."""


class _RefusedError(Exception):
    """A setting of a binding that is wrong only with what was looked up."""

    def __init__(self, place: Place, mistake: Mistake) -> None:
        """Keep its place in the binding."""
        super().__init__(mistake.found)
        self.place, self.mistake = place, mistake


def plan(stack: Stack, lookups: Lookups) -> Plan:
    """Return the components of all bindings.

    Raises:
        StackFileError: All mistakes of all bindings that depend on what was looked up.
    """
    components: list[tuple[PlannedComponent, Spec]] = []
    # The service accounts in several clusters have the same settings, and so the same mistakes.
    mistakes: dict[tuple[Any, ...], LocatedMistake] = {}
    for key, binding in stack.bindings.items():
        try:
            planned = list(_components(key, binding, stack, lookups))
        except _RefusedError as refused:
            mistakes[key, refused.place, refused.mistake.found] = LocatedMistake(
                ("bindings", key, *refused.place), refused.mistake
            )
            continue
        for component in planned:
            try:
                spec = parse(component.automatic_name, component.args, spelled)
                components.append(_identified(component, spec, stack, lookups))
            except InvalidArgumentsError as error:
                for argument, mistake in error.mistakes:
                    place = ("bindings", key, *_setting(argument, binding, component.args))
                    mistakes[place, mistake.found] = LocatedMistake(place, mistake.spelled(spelled))
    if mistakes:
        raise StackFileError(list(mistakes.values()))
    service_accounts = {key: binding.service_account for key, binding in stack.bindings.items()}
    return Plan(components, service_accounts, stack.defaults.retain_namespaces)


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


def _setting(argument: Place, binding: Binding, args: Mapping[str, Any]) -> Place:
    """Return the place of an argument in the binding."""
    keys = list(args.get("policy_arns", ()))
    if argument[:1] == ("policy_arns",) and argument[1:] and len(keys) == len(binding.policy_arns):
        return ("policyArns", keys.index(argument[1]))
    return ("assumeRoleArns",) if argument[:2] == ("inline_policies", CHAINING_POLICY) else place_of(argument)


def _components(key: str, binding: Binding, stack: Stack, lookups: Lookups) -> Iterator[PlannedComponent]:
    """Yield one component; for several clusters, one for the role and one for the service account in each cluster."""
    clusters = binding.clusters or list(lookups.clusters)
    args = arguments(binding, stack, _variables(binding, clusters, stack, lookups))
    if "role_arn" not in args:
        args["oidc_provider_arns"] = [lookups.oidc_providers[cluster, binding.aws_account] for cluster in clusters]
    service_account = args.get("service_account")
    if stack.cluster:
        (only,) = clusters
        yield _component(key, args, stack, lookups, only)
        return
    if service_account is None:
        yield _component(key, args, stack, lookups, None)
        return
    annotating: dict[str, Any] = {name: args[name] for name in ("audience", "retain_on_delete") if name in args}
    annotating |= {"service_account": service_account, "role_arn": args.get("role_arn", UNKNOWN)}
    if "serviceAccount" in binding.import_:
        annotating["import_existing"] = ["serviceAccount"]
    if "role_arn" not in args:
        del args["service_account"]
        subject = subject_of(service_account.get("namespace", DEFAULT_NAMESPACE), service_account["name"])
        args["subjects"] = [*binding.trust.subjects, subject]
        args["import_existing"] = [what for what in binding.import_ if what != "serviceAccount"]
        yield _component(key, args, stack, lookups, None)
    for cluster in clusters:
        yield _component(key, annotating, stack, lookups, cluster)._replace(takes_role="role_arn" not in args)


def _component(
    key: str, args: Mapping[str, Any], stack: Stack, lookups: Lookups, cluster: str | None
) -> PlannedComponent:
    """Return a component; without a cluster it creates nothing in Kubernetes."""
    binding, one_of_several = stack.bindings[key], None if stack.cluster else cluster
    service_account, namespace = binding.service_account, None
    if cluster is not None and service_account and service_account.create_namespace:
        name = service_account.namespace or DEFAULT_NAMESPACE
        logical_name = LogicalName(
            in_cluster(name, lookups.clusters[cluster].issuer), (component_name(name, one_of_several),)
        )
        namespace = PlannedNamespace(cluster, name, logical_name)
    keys = [key, *([binding.formerly] if binding.formerly else ())]
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


def _variables(binding: Binding, clusters: Sequence[str], stack: Stack, lookups: Lookups) -> dict[str, str]:
    """Return the values of variables: those looked up and those of the file. What is not looked up is not used."""
    identity = lookups.aws_accounts[binding.aws_account].identity
    names = [lookups.clusters[cluster].name for cluster in clusters]
    return {
        **({"account": identity.account_id, "partition": identity.partition} if identity else {}),
        **({"region": lookups.region} if lookups.region else {}),
        **({"cluster": names[0]} if len(names) == 1 and names[0] else {}),
        **stack.variables,
    }


def arguments(binding: Binding, stack: Stack, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the component's arguments for a binding, with its variables replaced, without the OIDC providers."""
    declared = binding.model_dump(by_alias=True, exclude_defaults=True)
    keys = with_variables_replaced(declared, lambda place, value: _filled(place, value, variables))
    args: dict[str, Any] = {}
    for argument, value in arguments_of(keys).items():
        if argument not in OF_THE_STACK_FILE:
            *outer, name = map(str, argument)
            inner = args.setdefault(outer[0], {}) if outer else args
            inner[name] = value
    if "role_arn" in args:
        return args
    if "policy_arns" in args:
        args["policy_arns"] = _keyed(args["policy_arns"])
    inline: dict[str, Any] = {name: source["document"] for name, source in keys.get("inlinePolicies", {}).items()}
    if binding.assume_role_arns:
        inline[CHAINING_POLICY] = chaining_policy(keys["assumeRoleArns"])
    if inline:
        args["inline_policies"] = inline
    return args | {
        "trust_policy_size_quota": stack.quotas.trust_policy_size,
        "attached_policies_quota": stack.quotas.attached_policies,
    }


def _filled(place: Place, value: Any, variables: Mapping[str, str]) -> Any:
    try:
        return fill(value, variables)
    except Mistake as mistake:
        raise _RefusedError(place, mistake) from None


def _keyed(policy_arns: Iterable[str]) -> dict[str, str]:
    keyed: dict[str, str] = {}
    for arn in policy_arns:
        other = keyed.setdefault(policy_key(arn), arn)
        if other != arn:
            found = f"{arn}, which has the same name as {other}"
            mistake = Mistake(found, "policies of one AWS account", "remove one of them")
            raise _RefusedError(("policyArns",), mistake)
    return keyed


def policy_key(arn: str) -> str:
    """Return the part of an attachment's logical name for a policy.

    It is the policy's path and name, with `aws:` before those of AWS managed policies.
    """
    parsed = parse_iam_arn(arn, "policy")
    return f"aws:{parsed.resource}" if parsed.account_id == "aws" else parsed.resource
