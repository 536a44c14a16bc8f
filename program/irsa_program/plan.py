"""The plan: from settings and look-ups to the components to create, and all mistakes in them.

`irsa check`, `irsa check --live` and `pulumi up` call it alike; they differ in who answers the look-ups. Nothing is
looked up or created here. What is not known is a marker (irsa.rules.unknown), and no mistake only for that.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa import types
from irsa.keys.binding import Keys, PodIdentity, RoleKeys, ServiceAccountKeys, ServiceAccountRoleKeys
from irsa.outputs import CLUSTER, KEY, component_name
from irsa.read import perhaps
from irsa.resources import DeclaredResource
from irsa.role.combinations import OF_AN_EXISTING_ROLE
from irsa.rules.arns import Arn, parse_iam_arn
from irsa.rules.mistakes import Located, Mistake, Place, listed, named, path_of, shortened
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.unknown import OUTPUT, WRONG, Unknown, derive, has_unknown, is_there, known_or, or_else, text_of
from irsa.spec import Spec, read
from irsa.ways import POD_IDENTITY, Identity
from irsa_config.argument_places import place_of, spelled
from irsa_config.beyond_limits import Asked, NotComparedMistake, beyond_limits
from irsa_config.lint.checked import CheckedBinding
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Binding, Stack
from irsa_program.arguments import declared_of, variables_of
from irsa_program.guards import PlannedGuard, planned_guards
from irsa_program.logical_names import identified, in_cluster
from irsa_program.lookups.values import NOBODY, AwsIdentity, Lookups, account_id_of


class PlannedNamespace(NamedTuple):
    """A namespace that is created when it is missing."""

    cluster: str
    name: str
    logical_name: str


class PlannedComponent(NamedTuple):
    """A component to create."""

    binding: Binding
    spec: Spec
    """What it creates, under the logical names of the stack."""
    of_the_role: "PlannedComponent | None"
    """The component of the binding whose role its service account gets, where that is another one."""
    aws_account: str | None
    """Key of the AWS account; None for the stack's."""
    identity: AwsIdentity | None
    """That of this AWS account, as far as it is looked up."""
    cluster: str | None
    """Key of the cluster whose Kubernetes API it uses."""
    namespace: PlannedNamespace | None
    """The namespace that is created for it."""
    name: str = ""
    """Its logical name, which comes from what it creates (program.logical_names)."""

    def place(self, *keys: str | int) -> Place:
        """Return a place in its binding."""
        return ("bindings", self.binding.key, *keys)

    @property
    def where(self) -> str:
        """The cluster, for messages; empty in a stack of one cluster."""
        cluster = self.spec.recorded.get(CLUSTER)
        return f" in the cluster {named(cluster)}" if cluster else ""

    @property
    def with_role(self) -> "PlannedComponent":
        """The component that has the role of its service account: this one, or another of the binding."""
        return self.of_the_role or self

    @property
    def role_arn(self) -> str | None:
        """ARN of the role; None where IAM chooses the name."""
        if self.of_the_role:
            return self.of_the_role.role_arn
        return self.arn_of(self.spec.role) if self.spec.role else known_value(self.spec.role_arn)

    def arn_of(self, created: DeclaredResource) -> str | None:
        """Return the ARN of the role or a policy that it creates; None where IAM chooses the name."""
        name, path = (known_value(created.inputs[each]) for each in ("name", "path"))
        account_id, partition = self.identity or NOBODY
        if name is None or not isinstance(account_id, str) or not isinstance(partition, str):
            return None
        return str(Arn(partition, account_id, types.NOUNS[created.type], Arn.with_path(path, name)))


def known_value(value: Any) -> Any:
    """Return a value that is known; None for another."""
    return None if has_unknown(value) else value


class Plan(NamedTuple):
    """All that the stack creates.

    Attributes:
        components: Of bindings without mistakes, in the order of creation; the first of a binding has its role.
        bindings: What each binding declares, by its key.
        mistakes: What is wrong in the bindings, each with its place in the settings; then nothing may be created.
        guards: The guard of each cluster that has one.
        not_compared: What cannot be compared with the limits of teams; then nothing may be created either.
    """

    components: Sequence[PlannedComponent]
    bindings: Mapping[str, CheckedBinding]
    mistakes: Sequence[LocatedMistake]
    guards: Sequence[PlannedGuard] = ()
    not_compared: Sequence[LocatedMistake] = ()


def plan(stack: Stack, lookups: Lookups) -> Plan:
    """Return the components of all bindings, and all mistakes in them."""
    components: list[PlannedComponent] = []
    bindings: dict[str, CheckedBinding] = {}
    # The service accounts in several clusters have the same settings, and so the same mistakes.
    mistakes: dict[tuple[object, ...], LocatedMistake] = {}
    for key, binding in stack.bindings.items():
        bindings[key], planned, found = _of_binding(key, binding, stack, lookups)
        for place, mistake in found:
            mistakes[key, place, mistake.found] = LocatedMistake(("bindings", key, *place), mistake)
        if all(isinstance(each, NotComparedMistake) for _, each in found) and not isinstance(
            binding.aws_account, Unknown
        ):
            components += [_identified(each, stack, lookups) for each in planned]
    for place, mistake in (*_providers_not_allowed(stack, lookups), *_clusters_without_name(stack)):
        mistakes[place] = LocatedMistake(place, mistake)
    for key, (place, mistake) in _taken(bindings, stack, lookups):
        mistakes[key, place, mistake.found] = LocatedMistake(("bindings", key, *place), mistake)
    guards, of_guards = planned_guards(stack, lookups, bindings)
    mistakes |= {(located.place, located.mistake.found): located for located in of_guards}
    waiting = [each for each in mistakes.values() if isinstance(each.mistake, NotComparedMistake)]
    wrong = [each for each in mistakes.values() if not isinstance(each.mistake, NotComparedMistake)]
    return Plan(components, bindings, wrong, guards, waiting)


def with_oidc_providers(planned: Plan, made: Mapping[Any, object], stack: Stack, lookups: Lookups) -> Plan:
    """Return the plan with the outputs of OIDC providers that are created, in place of the ARNs that they will have."""

    def with_outputs(component: PlannedComponent) -> PlannedComponent:
        declared = component.spec.declared
        arns = known_or(declared.oidc_provider_arns, [])
        if made.keys().isdisjoint(arns):
            return component
        outputs = [Unknown(OUTPUT.reason, [made[arn]]) if arn in made else arn for arn in arns]
        spec, _ = read(component.spec.reading.name, declared.put(("oidc_provider_arns",), outputs), spelled)
        return _identified(component._replace(spec=spec), stack, lookups)

    return planned._replace(components=[with_outputs(each) for each in planned.components])


def _of_binding(
    key: str, binding: Binding, stack: Stack, lookups: Lookups
) -> tuple[CheckedBinding, list[PlannedComponent], list[Located]]:
    """Return what a binding declares, its components, and what is wrong with them."""
    declared, found, with_variables = declared_of(binding, stack, lookups)
    planned: list[PlannedComponent] = []
    marked = declared
    for component, mistakes in _components(key, binding, declared, stack, lookups):
        # An automatic name starts with the binding's key, which has a rule of its own.
        named = is_there(component.spec.declared.role.name)
        wrong = [each for each in mistakes if each[0] != ("role", "name") or named]
        if component.spec.declared.import_ != declared.import_:
            # A component has some of its items.
            wrong = [(at[:1] if at[:1] == ("import_",) else at, each) for at, each in wrong]
        found += [(place_of(argument), each) for argument, each in wrong]
        for argument, _ in wrong if not planned else ():
            # A list of statements that is too long is still a list of statements.
            if argument[1:] and argument[-2:] != ("document", "Statement") and marked.has(argument):
                inner = marked.at(argument)
                marked = marked.put(argument, perhaps(type(inner)) if isinstance(inner, Keys) else WRONG)
        planned.append(component)
    checked = CheckedBinding(binding, marked, planned[0].spec, with_variables)
    if binding.limits:
        specs, variables = [each.spec for each in planned], variables_of(binding, stack, lookups)
        clusters, secret = stack.clusters_of(binding), stack.secret_variables
        asked = Asked(binding, declared, specs, clusters, binding.limits, variables, with_variables, secret)
        found += beyond_limits(asked)
    return checked, planned, found


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


def _taken(bindings: Mapping[str, CheckedBinding], stack: Stack, lookups: Lookups) -> Iterator[tuple[str, Located]]:
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
            aws_account = known_or(bindings[key].binding.aws_account, None)
            account_id = account_id_of(stack, aws_account, lookups.aws_accounts.get(aws_account, NOBODY))
            other = owners.setdefault((account_id, kind, name.lower()), key)
            if other != key:
                found = f"{kind} {shortened(name)} is already used by irsa:{path_of(('bindings', other))}"
                if part:
                    found = f"a document divided over {len(bindings[key].spec.of(types.POLICY))} policies, and {found}"
                fix = "rename one, or merge the two bindings"
                yield key, ((kind, "name"), Mistake(found, "each in one binding only", fix))


def _identified(component: PlannedComponent, stack: Stack, lookups: Lookups) -> PlannedComponent:
    """Return a component with the logical names of itself and of what it creates."""
    spec, cluster = component.spec, component.cluster
    account_id = stack.account_id(component.aws_account)
    issuer = text_of(lookups.clusters[cluster].issuer) if cluster else None
    clusters = lookups.clusters.values() if spec.of(types.POD_IDENTITY_ASSOCIATION) else ()
    issuers = {text_of(each.arn): text_of(each.issuer) for each in clusters}
    name, spec = identified(spec, issuer, account_id, issuers)
    recorded = {KEY: component.binding.key, CLUSTER: None if stack.cluster else cluster}
    return component._replace(name=name, spec=spec._replace(recorded=recorded))


def _components(
    key: str, binding: Binding, declared: ServiceAccountRoleKeys, stack: Stack, lookups: Lookups
) -> Iterator[tuple[PlannedComponent, Sequence[Located]]]:
    """Yield one component; for several clusters, one for the role and one for the service account in each cluster.

    Beside each stands what is wrong with its arguments.
    """
    clusters, account = stack.clusters_of(binding), declared.service_account
    if stack.cluster or account is None:
        yield _component(key, declared, stack, lookups, clusters[0] if stack.cluster and clusters else None)
        return
    written, adopted = declared.written(), known_or(declared.import_, [])
    names = ("audience", "retain_on_delete", "service_account", "role", "identity", "pod_identity")
    annotating = {name: written[name] for name in names if name in written}
    if "serviceAccount" in adopted:
        annotating["import_"] = ["serviceAccount"]
    of_the_role = None
    if is_there(declared.role.arn):
        # Nothing reads these but the rule that refuses them.
        annotating |= {name: value for name, value in written.items() if (name,) not in OF_AN_EXISTING_ROLE}
    else:
        annotating["role"] = RoleKeys.of({"arn": OUTPUT})
        of_the_role, wrong = _component(key, _of_the_role(declared, account, binding.identity), stack, lookups, None)
        yield of_the_role, wrong
    # Where no key of a cluster is right, the service account is judged all the same.
    for cluster in clusters or (None,):
        in_cluster = ServiceAccountRoleKeys.of({**annotating, **_of_the_cluster(declared, cluster)})
        component, wrong = _component(key, in_cluster, stack, lookups, cluster)
        yield component._replace(of_the_role=of_the_role), wrong


def _of_the_role(
    declared: ServiceAccountRoleKeys, account: ServiceAccountKeys, ways: Identity
) -> ServiceAccountRoleKeys:
    """Return the arguments of the role of several clusters, without its service account."""
    subjects = or_else(declared.trust.subjects, [])
    if not isinstance(subjects, Unknown):
        subjects = [*subjects, derive(subject_of, or_else(account.namespace, DEFAULT_NAMESPACE), account.name)]
    of_role = {
        **declared.written(),
        "service_account": None,
        "trust": declared.trust.model_copy(update={"subjects": subjects}),
    }
    if POD_IDENTITY in ways.used:
        # Of it, the associations are with the service accounts.
        of_role["identity"] = ways._replace(used=tuple(way for way in ways.used if way is not POD_IDENTITY))
    if declared.import_ is not None and not isinstance(declared.import_, Unknown):
        of_role["import_"] = [what for what in declared.import_ if what != "serviceAccount"]
    return ServiceAccountRoleKeys.of(of_role)


def _of_the_cluster(declared: ServiceAccountRoleKeys, cluster: str | None) -> dict[str, object]:
    """Return the arguments of Pod Identity for the service account in one of several clusters."""
    clusters = known_or(declared.cluster_arns, {})
    if cluster not in clusters:
        return {}
    settings = declared.pod_identity or PodIdentity.of({})
    tags = declared.role.tags if settings.tags is None else settings.tags
    ids = settings.import_ids
    if isinstance(ids, dict):
        ids = {key: each for key, each in ids.items() if key == cluster}
    with_role = settings.model_copy(update={"tags": tags, "import_ids": ids})
    return {"cluster_arns": {cluster: clusters[cluster]}, "pod_identity": with_role}


def _component(
    key: str, declared: ServiceAccountRoleKeys, stack: Stack, lookups: Lookups, cluster: str | None
) -> tuple[PlannedComponent, Sequence[Located]]:
    """Return a component, with what is wrong with its arguments; without a cluster it has nothing in Kubernetes."""
    binding, one_of_several = stack.bindings[key], None if stack.cluster else cluster
    namespace, account = None, declared.service_account
    if cluster is not None and account and account.create_namespace is True and isinstance(account.namespace, str):
        in_the_cluster = in_cluster(account.namespace, text_of(lookups.clusters[cluster].issuer))
        namespace = PlannedNamespace(cluster, account.namespace, in_the_cluster)
    aws_account = known_or(binding.aws_account, None)
    if cluster is not None and is_there(declared.role.arn) and declared.cluster_arns is not None:
        aws_account = stack.clusters_by_key[cluster].aws_account
    spec, wrong = read(component_name(binding.formerly or key, one_of_several), declared, spelled)
    identity = lookups.aws_accounts.get(aws_account)
    return PlannedComponent(binding, spec, None, aws_account, identity, cluster, namespace), wrong
