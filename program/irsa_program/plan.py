"""The plan: from settings and look-ups to the components to create, and all mistakes in them.

`irsa check`, `irsa check --live` and `pulumi up` call it alike; they differ in who answers the look-ups. Nothing is
looked up or created here. What is not known is a marker or a sample (irsa.rules.unknown), and no mistake only for that.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa import types
from irsa.fields import Found, collect
from irsa.outputs import CLUSTER, KEY, component_name
from irsa.rules.arns import parse_iam_arn
from irsa.rules.combinations import OF_AN_EXISTING_ROLE
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Located, Mistake, Place, listed, path_of, shortened
from irsa.rules.subjects import DEFAULT_NAMESPACE, check_subject, subject_of
from irsa.rules.unknown import OUTPUT, WRONG, Unknown, derive, without_places
from irsa.spec import Spec, read
from irsa.ways import POD_IDENTITY, TRUSTED
from irsa_config.argument_places import spelled
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Binding, Stack
from irsa_config.variables import Written, replaced
from irsa_program.arguments import PlannedBinding, arguments, place_in_binding, unkeyed, variables_of
from irsa_program.guards import PlannedGuard, planned_guards
from irsa_program.logical_names import identified, in_cluster
from irsa_program.lookups.values import NOBODY, Lookups, account_id_of


class PlannedNamespace(NamedTuple):
    """A namespace that is created when it is missing."""

    cluster: str
    name: str
    logical_name: str


class PlannedComponent(NamedTuple):
    """A component to create."""

    binding: str
    """The binding's key."""
    automatic_name: str
    """With it start the automatic names of its role and its policies."""
    args: Mapping[str, Any]
    """The arguments of ServiceAccountRole."""
    takes_role: bool
    """Whether its service account gets the role of the binding's first component, not the argument `role.arn`."""
    aws_account: str | None
    """Key of the AWS account; None for the stack's."""
    cluster: str | None
    """Key of the cluster whose Kubernetes API it uses."""
    namespace: PlannedNamespace | None
    """The namespace that is created for it."""
    protect: bool
    name: str = ""
    """Its logical name, which comes from what it creates (program.logical_names)."""


class Plan(NamedTuple):
    """All that the stack creates.

    Attributes:
        components: Of bindings without mistakes, in the order of creation, each with its arguments parsed; the first of
            a binding has its role.
        bindings: What each binding declares, by its key.
        mistakes: What is wrong in the bindings, each with its place in the settings; then nothing may be created.
        guards: The guard of each cluster that has one.
    """

    components: Sequence[tuple[PlannedComponent, Spec]]
    bindings: Mapping[str, PlannedBinding]
    mistakes: Sequence[LocatedMistake]
    guards: Sequence[PlannedGuard] = ()


def plan(stack: Stack, lookups: Lookups) -> Plan:
    """Return the components of all bindings, and all mistakes in them."""
    components: list[tuple[PlannedComponent, Spec]] = []
    bindings: dict[str, PlannedBinding] = {}
    # The service accounts in several clusters have the same settings, and so the same mistakes.
    mistakes: dict[tuple[Any, ...], LocatedMistake] = {}
    for key, binding in stack.bindings.items():
        bindings[key], planned, found = _of_binding(key, binding, stack, lookups)
        for place, mistake in found:
            mistakes[key, place, mistake.found] = LocatedMistake(("bindings", key, *place), mistake)
        if not found and not isinstance(binding.aws_account, Unknown):
            components += [_identified(*each, stack, lookups) for each in planned]
    for place, mistake in (*_providers_not_allowed(stack, lookups), *_clusters_without_name(stack)):
        mistakes[place] = LocatedMistake(place, mistake)
    for key, (place, mistake) in _taken(bindings, stack, lookups):
        mistakes[key, place, mistake.found] = LocatedMistake(("bindings", key, *place), mistake)
    guards, of_guards = planned_guards(stack, lookups, bindings)
    mistakes |= {(located.place, located.mistake.found): located for located in of_guards}
    return Plan(components, bindings, [*mistakes.values()], guards)


def _of_binding(
    key: str, binding: Binding, stack: Stack, lookups: Lookups
) -> tuple[PlannedBinding, list[tuple[PlannedComponent, Spec]], list[Located]]:
    """Return what a binding declares, its components, and what is wrong with them."""
    variables = variables_of(binding, stack, lookups)
    args, found = arguments(binding, stack, lookups, variables)
    planned: list[tuple[PlannedComponent, Spec]] = []
    places: list[Place] = []
    written: Written = {}
    for component in _components(key, binding, args, stack, lookups):
        spec, wrong = read(component.automatic_name, component.args, spelled)
        # An automatic name starts with the binding's key, which has a rule of its own.
        named = "name" in mapping_of(component.args.get("role"))
        wrong = [each for each in wrong if each[0] != ("role", "name") or named]
        if component.args.get("import_") != args.get("import_"):
            # A component has some of its items.
            wrong = [(at[:1] if at[:1] == ("import_",) else at, each) for at, each in wrong]
        found += [(place_in_binding(argument, binding, variables, written), each) for argument, each in wrong]
        if not planned:
            # A list of statements that is too long is still a list of statements.
            too_long = ("document", "Statement")
            places = [argument for argument, _ in wrong if argument[1:] and argument[-2:] != too_long]
        planned.append((component, spec))
    marked = {**without_places(args, places)}
    if "policy_arns" in marked:
        marked["policy_arns"] = unkeyed(marked["policy_arns"], replaced(binding.args["policy_arns"], variables, []))
    clusters = [lookups.clusters[name].name for name in stack.clusters_of(binding)]
    return PlannedBinding(binding, marked, planned[0][1], clusters), planned, found


def _providers_not_allowed(stack: Stack, lookups: Lookups) -> Iterator[Located]:
    """Yield the OIDC providers of an AWS account that the stack's own cannot be."""
    for key, cluster in stack.clusters_by_key.items():
        arn = cluster.oidc_provider_arn if cluster.aws_account is None and lookups.account_ids else None
        owner = parse_iam_arn(arn, "oidc-provider").account_id if isinstance(arn, str) else None
        if owner and owner not in lookups.account_ids:
            allowed = f"one in an AWS account of aws:allowedAccountIds: {listed(lookups.account_ids)}"
            found = f"{arn!r}, a provider in the AWS account {owner}"
            yield (*stack.place_of_cluster(key), "oidcProviderArn"), Mistake(found, allowed, "fix one of the two")


def _clusters_without_name(stack: Stack) -> Iterator[Located]:
    """Yield the clusters of EKS Pod Identity without the name by which EKS tells their ARN."""
    with_pod_identity = [each for each in stack.bindings.values() if each.identity.needs("cluster_arns")]
    for key in dict.fromkeys(key for each in with_pod_identity for key in stack.clusters_of(each)):
        if stack.clusters_by_key[key].name is None:
            found, fix = "no name, of a cluster with EKS Pod Identity", "add name"
            yield stack.place_of_cluster(key), Mistake(found, "the name of the EKS cluster, which has its ARN", fix)


def _taken(bindings: Mapping[str, PlannedBinding], stack: Stack, lookups: Lookups) -> Iterator[tuple[str, Located]]:
    """Yield the roles and policies whose name another binding has in the same AWS account; IAM ignores case.

    Two keys may be of one AWS account. A document that is too long has a policy for each part, of which the first has
    the name that is written.
    """
    claims = [
        (key, part, kind, resource.inputs["name"])
        for kind, of_type in (("role", types.ROLE), ("policy", types.POLICY))
        for key, each in bindings.items()
        for part, resource in enumerate(each.spec.of(of_type))
    ]
    owners: dict[tuple[str | None, str, str], str] = {}
    for key, part, kind, name in sorted(claims, key=lambda each: each[1]):
        if isinstance(name, str):
            aws_account = bindings[key].binding.aws_account
            account_id = account_id_of(stack, aws_account, lookups.aws_accounts.get(aws_account, NOBODY).identity)
            other = owners.setdefault((account_id, kind, name.lower()), key)
            if other != key:
                found = f"{kind} {shortened(name)} is already used by irsa:{path_of(('bindings', other))}"
                if part:
                    found = f"a document divided over {len(bindings[key].spec.of(types.POLICY))} policies, and {found}"
                fix = "rename one, or merge the two bindings"
                yield key, ((kind, "name"), Mistake(found, "each in one binding only", fix))


def _identified(
    component: PlannedComponent, spec: Spec, stack: Stack, lookups: Lookups
) -> tuple[PlannedComponent, Spec]:
    """Return a component and what it creates under their logical names."""
    cluster, account_id = component.cluster, stack.account_id(component.aws_account)
    issuer = lookups.clusters[cluster].issuer if cluster else None
    clusters = lookups.clusters.values() if spec.of(types.POD_IDENTITY_ASSOCIATION) else ()
    issuers = {each.arn: each.issuer for each in clusters}
    name, spec = identified(spec, component.automatic_name, issuer, account_id, issuers)
    recorded = {KEY: component.binding, CLUSTER: None if stack.cluster else cluster}
    return component._replace(name=name), spec._replace(recorded=recorded)


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
    annotating |= {"service_account": service_account, "role": {"arn": OUTPUT}}
    annotating |= {name: args[name] for name in ("identity", "pod_identity") if name in args}
    adopted = args.get("import_", [])
    if isinstance(adopted, list) and "serviceAccount" in adopted:
        annotating["import_"] = ["serviceAccount"]
    existing = "arn" in mapping_of(args.get("role"))
    if existing:
        # Nothing reads these but the rule that refuses them.
        annotating |= {name: value for name, value in args.items() if (name,) not in OF_AN_EXISTING_ROLE}
    else:
        of_role = {name: value for name, value in args.items() if name != "service_account"}
        namespace, name = service_account.get("namespace", DEFAULT_NAMESPACE), service_account.get("name", WRONG)
        subject = derive(subject_of, namespace, name)
        with_mistake: Found = []
        collect(lambda: isinstance(subject, str) and check_subject(subject), (), with_mistake)
        # What is wrong in it is a mistake of the service account.
        subject = WRONG if with_mistake else subject
        trust = args.get("trust", {})
        subjects = mapping_of(trust).get("subjects", [])
        subjects = [*subjects, subject] if isinstance(subjects, list) else subjects
        of_role["trust"] = {**trust, "subjects": subjects} if isinstance(trust, dict) else trust
        ways = binding.identity
        if POD_IDENTITY in ways.used:
            # Of it, the associations are with the service accounts.
            of_role["identity"] = ways.recorded | {POD_IDENTITY.key: TRUSTED}
        if isinstance(adopted, list) and adopted:
            of_role["import_"] = [what for what in adopted if what != "serviceAccount"]
        yield _component(key, of_role, stack, lookups, None)
    # Where no key of a cluster is right, the service account is judged all the same.
    for cluster in clusters or (None,):
        in_cluster = {**annotating, **_of_the_cluster(args, cluster)}
        yield _component(key, in_cluster, stack, lookups, cluster)._replace(takes_role=not existing)


def _of_the_cluster(args: Mapping[str, Any], cluster: str | None) -> dict[str, Any]:
    """Return the arguments of Pod Identity for the service account in one of several clusters."""
    clusters = args.get("cluster_arns", {})
    if cluster not in clusters:
        return {}
    of_cluster: dict[str, Any] = {"cluster_arns": {cluster: clusters[cluster]}}
    settings = args.get("pod_identity", {})
    if isinstance(settings, dict):
        role = mapping_of(args.get("role"))
        tags = {"tags": role["tags"]} if "tags" in role else {}
        ids = settings.get("import_ids")
        if isinstance(ids, dict):
            settings = {**settings, "import_ids": {key: each for key, each in ids.items() if key == cluster}}
        of_cluster["pod_identity"] = {**tags, **settings}
    return of_cluster


def _component(
    key: str, args: Mapping[str, Any], stack: Stack, lookups: Lookups, cluster: str | None
) -> PlannedComponent:
    """Return a component; without a cluster it creates nothing in Kubernetes."""
    binding, one_of_several = stack.bindings[key], None if stack.cluster else cluster
    namespace = None
    if cluster is not None and binding.create_namespace is True:
        name = binding.argument("service_account", "namespace")
        namespace = PlannedNamespace(cluster, name, in_cluster(name, lookups.clusters[cluster].issuer))
    aws_account = binding.aws_account
    existing = "arn" in mapping_of(args.get("role"))
    if cluster is not None and existing and "cluster_arns" in args:
        aws_account = stack.clusters_by_key[cluster].aws_account
    return PlannedComponent(
        key,
        component_name(binding.formerly if isinstance(binding.formerly, str) else key, one_of_several),
        args,
        False,
        aws_account,
        cluster,
        namespace,
        binding.protect,
    )
