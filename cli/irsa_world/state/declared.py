"""What a stack declares: its bindings, as the last `pulumi up` recorded them in the state."""

import contextlib
import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import Any

from irsa import outputs, types
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE
from irsa.rules.arns import cluster_of_association, parse_cluster_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, listed, named, nearest
from irsa.rules.names import snake
from irsa.rules.policies import parse_object
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, federated_providers
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, ONLY_IRSA, Identity, parse_identity
from irsa_world.exits import CouldNotLookError
from irsa_world.model import Association, Role, ServiceAccount
from irsa_world.state.resource import SECRET, Resource, is_secret, is_unknown, known_text

Document = Mapping[str, Any] | Unknown
# Outputs of the component that every check of a binding needs.
NEEDED = (outputs.ROLE_ARN, outputs.ANNOTATIONS, outputs.NAMESPACE, outputs.SERVICE_ACCOUNT_NAME, outputs.SUBJECTS)
# What the outputs are, and what is in each.
FORMS: Mapping[str, tuple[Any, Any]] = {
    **dict.fromkeys((outputs.ROLE_ARN, outputs.NAMESPACE, outputs.SERVICE_ACCOUNT_NAME), (str, str)),
    outputs.TRUST_POLICY: (str, str),
    **dict.fromkeys((outputs.POLICY_ARNS, outputs.SUBJECTS), (list, str)),
    outputs.ANNOTATIONS: (dict, str),
    outputs.ROLE_SETTINGS: (dict, str | int | float),
    outputs.CREATES_SERVICE_ACCOUNT: (bool, bool),
    outputs.IDENTITY: (dict, str),
    outputs.ASSOCIATIONS: (list, dict),
}
# Outputs of a guard, in the order of DeclaredGuard, and what they are.
GUARD_OUTPUTS = {"stack": str, "mode": str, "namespace": str, "configMaps": dict, "policies": dict, "bindings": dict}
PARSERS: Mapping[str, Any] = {
    outputs.ROLE_ARN: functools.partial(parse_iam_arn, resource_type="role"),
    outputs.TRUST_POLICY: parse_object,
    outputs.IDENTITY: parse_identity,
}


@dataclass(frozen=True)
class DeclaredServiceAccount(ServiceAccount):
    """A service account of a binding, in one cluster.

    Attributes:
        created: Whether the stack creates it; else it annotates an existing one.
        cluster_key: The cluster's key in the stack file; empty where there is only one.
    """

    created: bool = False
    cluster_key: str = ""

    @property
    def place(self) -> str:
        """`namespace/name`, and the cluster in a stack of several clusters."""
        return in_cluster(str(self), self.cluster_key)

    def command_to_create(self, stack: str) -> str:
        """Return the command that creates the service account."""
        return commands.up_with_service_account(stack, self.namespace, self.name, self.created)

    def command_to_remove(self, annotation: str) -> str:
        """Return the command that removes one of its annotations."""
        return commands.remove_annotations(self.namespace, self.name, annotation)

    def command_to_restore(self, stack: str, live: Mapping[str, str]) -> str:
        """Return the command that restores its declared annotations, of which it has others now."""
        overwritten = [key for key, value in self.annotations.items() if live.get(key, value) != value]
        return commands.up_with_annotations(stack, self.namespace, self.name, overwritten)


def secret(what: str) -> Unknown:
    """Return what takes the place of a value that the state keeps as a secret."""
    return Unknown(f"the state keeps {what} as a secret")


def in_cluster(name: str, cluster_key: str) -> str:
    """Return `namespace/name` for a message, and the cluster in a stack of several clusters."""
    return f"{named(name)} in {named(cluster_key)}" if cluster_key else named(name)


@dataclass(frozen=True)
class DeclaredBinding:
    """One binding of the stack, as declared.

    Attributes:
        key: Its key in the stack file.
        role_arn: The role that service accounts assume.
        role: That role with its policies, if the stack creates it; None for an existing one.
        documents: Documents of the policies that the stack creates, by ARN; Unknown for a secret one.
        service_accounts: Its service accounts, one per cluster.
        subjects: Trusted `namespace:name` patterns, as far as the stack declares them.
        audience: The audience of the tokens.
        provider: Reference of the AWS provider that created the role.
        modified: When the stack last changed one of its resources; None where the state does not say.
        unreadable: Why the binding cannot be checked; empty where it can.
        failed_updates: The types and logical names of its resources whose last creation or update failed.
        in_stack_file: Whether a stack file declares it; else a program of one's own does.
        identity: How its Pods get the role.
        associations: Its EKS Pod Identity associations, one per cluster where that is used.
        providers: References of the AWS providers that created these, by the ARN of the cluster.
        kubernetes: References of the Kubernetes providers that reach these clusters, where it is certain which do.
    """

    key: str
    role_arn: str
    role: Role | None = None
    documents: Mapping[str, Document] = field(default_factory=dict)
    service_accounts: tuple[DeclaredServiceAccount, ...] = ()
    subjects: tuple[str, ...] = ()
    audience: str = DEFAULT_AUDIENCE
    provider: str = ""
    modified: datetime | None = None
    unreadable: str = ""
    failed_updates: tuple[tuple[str, str], ...] = ()
    in_stack_file: bool = True
    identity: Identity = ONLY_IRSA
    associations: tuple[Association, ...] = ()
    providers: Mapping[str, str] = field(default_factory=dict)
    kubernetes: Mapping[str, str] = field(default_factory=dict)

    @property
    def trust(self) -> Mapping[str, Any] | None:
        """The trust policy; None where the stack does not declare it, or keeps it as a secret."""
        return None if self.role is None or isinstance(self.role.trust, Unknown) else self.role.trust


@dataclass(frozen=True)
class DeclaredGuard:
    """The guard of a stack in one cluster.

    Attributes:
        name: What it is called in reports: `irsa:guard`, with the cluster's key in a stack of several.
        stack: With it start the names of its policies and bindings.
        mode: Where no exception is declared: `warn` or `deny`.
        namespace: Where its ConfigMaps are.
        config_maps: Their data, by name.
        policies: What the policies say, by name.
        bindings: What their bindings say, by name.
        cluster: Reference of the Kubernetes provider that reaches its cluster.
        unreadable: Why it cannot be checked; empty where it can.
    """

    name: str
    stack: str = ""
    mode: str = ""
    namespace: str = ""
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bindings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cluster: str = ""
    unreadable: str = ""


@dataclass(frozen=True)
class DeclaredStack:
    """What a stack declares, and the inputs of its AWS and Kubernetes providers."""

    stack: str
    bindings: tuple[DeclaredBinding, ...]
    aws: Mapping[str, Mapping[str, Any]]
    clusters: Mapping[str, Mapping[str, Any]]
    oidc_providers: frozenset[str] = frozenset()
    failed_providers: tuple[str, ...] = ()
    """Logical names of the OIDC providers of the stack whose last creation or update failed."""
    guards: tuple[DeclaredGuard, ...] = ()

    @functools.cached_property
    def cluster_keys(self) -> Mapping[str, str]:
        """Keys of the clusters in the stack file, by provider reference; empty in a stack of one cluster."""
        service_accounts = (each for binding in self.bindings for each in binding.service_accounts)
        return {each.cluster: each.cluster_key for each in service_accounts if each.cluster_key}

    def chosen(self, keys: Sequence[str]) -> tuple[DeclaredBinding, ...]:
        """Return the bindings with these keys; all bindings if no key is given.

        Raises:
            CouldNotLookError: There is no such binding, or the stack has none.
        """
        if not self.bindings:
            raise CouldNotLookError(f"stack {named(self.stack)} has no bindings")
        known = {binding.key: binding for binding in self.bindings}
        for key in keys:
            if key not in known:
                hint = nearest(key, known, f"it has: {listed(sorted(known))}")
                raise CouldNotLookError(f"stack {named(self.stack)} has no binding {key!r}; {hint}")
        return tuple(known[key] for key in dict.fromkeys(keys)) if keys else self.bindings


def declared_stack(state: Iterable[Resource], stack: str | None = None) -> DeclaredStack:
    """Return what the resources of a state declare.

    Raises:
        CouldNotLookError: Nothing is deployed yet, or a binding has another form.
    """
    resources = [each for each in state if not each.pending]
    if not resources:
        raise CouldNotLookError(f"stack {f'{named(stack)} ' if stack else ''}has no resources yet: run `pulumi up`")
    children: dict[str, list[Resource]] = {}
    for each in resources:
        children.setdefault(each.parent, []).append(each)
    bindings: dict[str, DeclaredBinding] = {}
    components = [each for each in resources if each.type == outputs.COMPONENT_TYPE]
    times = Counter(each.keys for each in components)
    # The components of a binding's clusters are merged into the one that has its role.
    for component in sorted(components, key=lambda each: (bool(each.keys[1]), each.keys)):
        key, cluster_key = component.keys
        if times[component.keys] > 1:
            # In another program, two components of one name have different parents.
            key = component.urn.split("::", 2)[2]
        found = _binding(key, cluster_key, component, children.get(component.urn, []))
        if key in bindings and not found.in_stack_file and found.role_arn != bindings[key].role_arn:
            # There, `app@blue` is a name like any other.
            key = component.urn.split("::", 2)[2]
            found = replace(found, key=key)
        bindings[key] = _merged(bindings[key], found) if key in bindings else found
    providers = [each for each in resources if each.type == types.OIDC_PROVIDER]
    return DeclaredStack(
        resources[0].urn.split("::")[0].removeprefix("urn:pulumi:"),
        tuple(bindings[key] for key in sorted(bindings)),
        {each.reference: each.inputs for each in resources if each.type == types.AWS_PROVIDER},
        {each.reference: each.inputs for each in resources if each.type == types.KUBERNETES_PROVIDER},
        frozenset(arn for each in providers if not each.external and (arn := each.arn)),
        tuple(each.name for each in providers if each.failed),
        tuple(_guards([each for each in resources if each.type == outputs.GUARD_TYPE], children)),
    )


def _guards(components: Sequence[Resource], children: Mapping[str, Sequence[Resource]]) -> Iterator[DeclaredGuard]:
    # That of a single cluster is known without its key.
    keys = [known_text(each.outputs.get(outputs.KEY)) if len(components) > 1 else "" for each in components]
    names = [outputs.component_name(types.GUARD, key or None) for key in keys]
    for component, name in sorted(zip(components, names, strict=True), key=itemgetter(1)):
        # In a program of one's own, none may have a cluster's key.
        called = (
            name if names.count(name) == 1 else outputs.component_name(types.GUARD, component.urn.split("::", 2)[2])
        )
        own = (each.provider for each in children.get(component.urn, ()) if each.provider)
        yield _guard(called, component, next(own, ""))


def _guard(name: str, component: Resource, cluster: str) -> DeclaredGuard:
    """Return what a guard declares, as its component recorded it.

    Raises:
        CouldNotLookError: An output has another form than the component gives it.
    """
    found = {key: component.outputs.get(key) for key in GUARD_OUTPUTS}
    if any(each is None or is_unknown(each) for each in found.values()):
        return DeclaredGuard(name, unreadable="the last `pulumi up` did not complete it: run `pulumi up --refresh`")
    if secrets := [key for key, value in found.items() if is_secret(value)]:
        return DeclaredGuard(name, unreadable=f"the state keeps {', '.join(secrets)} as a secret")
    for key, value in found.items():
        items = value.values() if isinstance(value, dict) else ()
        texts = (each.values() if key == "configMaps" and isinstance(each, dict) else () for each in items)
        well_formed = isinstance(value, GUARD_OUTPUTS[key]) and all(isinstance(each, dict) for each in items)
        if not well_formed or not all(isinstance(text, str) for each in texts for text in each):
            where = f"pulumi stack export: {named(component.urn)}"
            raise CouldNotLookError(f"{where} has another output {key} than irsa gives it")
    values: list[Any] = [*found.values(), cluster]
    return DeclaredGuard(name, *values)


def _binding(key: str, cluster_key: str, component: Resource, children: Sequence[Resource]) -> DeclaredBinding:
    recorded, known = component.outputs, _known(component)
    failed_updates = tuple((child.type, child.name) for child in children if child.failed)
    if reason := _unreadable(recorded):
        return DeclaredBinding(key, known.get(outputs.ROLE_ARN, ""), unreadable=reason, failed_updates=failed_updates)
    own = [child for child in children if not child.external]
    roles = [each for each in own if each.type == types.ROLE]
    annotations = known.get(outputs.ANNOTATIONS, {})
    objects = [
        (each.provider, *each.object_name.partition("/")[::2], each.type == types.SERVICE_ACCOUNT)
        for each in own
        if each.type in {types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH}
    ]
    existing = [each for each in children if each.external and each.type == types.SERVICE_ACCOUNT]
    if not objects and known.get(outputs.SERVICE_ACCOUNT_NAME):
        # `pulumi refresh` removes a deleted service account from the state; the component's outputs still have it.
        created = known.get(outputs.CREATES_SERVICE_ACCOUNT, True)
        namespace = known.get(outputs.NAMESPACE, DEFAULT_NAMESPACE)
        # Without an annotation, nothing of the existing one is managed.
        cluster = existing[0].provider if existing else ""
        objects = [(cluster, namespace, known[outputs.SERVICE_ACCOUNT_NAME], created)]
    service_accounts = tuple(
        DeclaredServiceAccount(*place, annotations, created=created, cluster_key=cluster_key)
        for *place, created in objects
    )
    associations = tuple(map(_association, known.get(outputs.ASSOCIATIONS, [])))
    of_type = (each for each in own if each.type == types.POD_IDENTITY_ASSOCIATION)
    creators = {cluster_of_association(each.text("associationArn")): each for each in of_type}
    clusters = {each.cluster for each in service_accounts}
    identity = parse_identity(known[outputs.IDENTITY]) if outputs.IDENTITY in known else ONLY_IRSA
    return DeclaredBinding(
        key,
        known[outputs.ROLE_ARN],
        _role(recorded, known, own),
        _documents(recorded.get(outputs.POLICY_DOCUMENTS), [e.arn for e in own if e.type == types.POLICY]),
        service_accounts,
        tuple(known.get(outputs.SUBJECTS) or (subject_of(each.namespace, each.name) for each in service_accounts)),
        annotations.get(AUDIENCE, _trusted_audience(identity, parse_object(known.get(outputs.TRUST_POLICY, "{}")))),
        roles[0].provider if roles else "",
        max((each.modified for each in own if each.modified), default=None),
        failed_updates=failed_updates,
        in_stack_file=outputs.KEY in recorded,
        identity=identity,
        associations=tuple(
            replace(each, association_id=creators[each.cluster_arn].text("associationId"))
            if each.cluster_arn in creators
            else each
            for each in associations
        ),
        providers={arn: each.provider for arn, each in creators.items()},
        # A component has one service account, and may have associations of its name in other clusters.
        kubernetes={associations[0].cluster_arn: clusters.pop()} if len(clusters) == len(associations) == 1 else {},
    )


def _trusted_audience(identity: Identity, trust: Mapping[str, Any] | None) -> str:
    """Return the audience of tokens where no annotation has it: without one, the trust policy may have another."""
    if trust and identity.only_trusts(IRSA):
        # The statements of irsa come before those of the caller's own.
        with contextlib.suppress(AttributeError, TypeError):
            statements = itertools.chain(*federated_providers(trust).values())
            return str(next(itertools.chain(*statements), DEFAULT_AUDIENCE))
    return DEFAULT_AUDIENCE


def _association(declared: Mapping[str, Any]) -> Association:
    texts = (str(declared.get(name)) for name in ("clusterArn", "namespace", "serviceAccount", "roleArn"))
    policy, tags, target = declared.get("policy"), declared.get("tags") or {}, declared.get("targetRoleArn")
    found = Association(
        *texts,
        session_tags=declared.get("disableSessionTags") is not True,
        target_role_arn=target if isinstance(target, str) else "",
        policy=secret("the session policy") if is_secret(policy) else policy or "",
        tags=secret("a tag of the association") if is_secret(tags) else tags,
    )
    parse_cluster_arn(found.cluster_arn)
    return found


def _known(component: Resource) -> dict[str, Any]:
    """Return the outputs of a component that are no secret, and are known.

    Raises:
        CouldNotLookError: One has another form than the component gives it.
    """
    recorded = {name: value for name, value in component.outputs.items() if name in FORMS and value is not None}
    known = {name: value for name, value in recorded.items() if not is_secret(value) and not is_unknown(value)}
    for name, value in known.items():
        form, inner = FORMS[name]
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        with contextlib.suppress(Mistake):
            if isinstance(value, form) and all(isinstance(each, inner) for each in items):
                PARSERS.get(name, bool)(value)
                continue
        where = f"pulumi stack export: {named(component.urn)}"
        raise CouldNotLookError(f"{where} has another output {name} than irsa gives it")
    return known


def _unreadable(recorded: Mapping[str, Any]) -> str:
    # What was not known yet when an update failed.
    if recorded.get(outputs.ROLE_ARN) is None or is_unknown(recorded):
        return "the last `pulumi up` did not complete this binding: run `pulumi up --refresh`"
    secrets = [name for name in NEEDED if is_secret(recorded.get(name))]
    return f"the state keeps {', '.join(secrets)} as a secret" if secrets else ""


def _merged(binding: DeclaredBinding, further: DeclaredBinding) -> DeclaredBinding:
    """Return a binding with its service account in one more cluster."""
    return replace(
        binding,
        providers={**binding.providers, **further.providers},
        kubernetes={**binding.kubernetes, **further.kubernetes},
        service_accounts=(*binding.service_accounts, *further.service_accounts),
        subjects=tuple(dict.fromkeys((*binding.subjects, *further.subjects))),
        modified=max(filter(None, (binding.modified, further.modified)), default=None),
        unreadable=binding.unreadable or further.unreadable,
        failed_updates=(*binding.failed_updates, *further.failed_updates),
        # The first is of the role, and of no service account.
        identity=further.identity,
        associations=(*binding.associations, *further.associations),
    )


def _role(recorded: Mapping[str, Any], known: Mapping[str, Any], own: Sequence[Resource]) -> Role | None:
    """Return the declared role; `pulumi refresh` removes the resource of a deleted role from the state."""
    roles = [each for each in own if each.type == types.ROLE]
    if not roles and recorded.get(outputs.TRUST_POLICY) is None:
        return None
    # The component's outputs are what the program declared; `pulumi refresh` rewrites the inputs of its children.
    # States of earlier versions lack this one: the role's own inputs have the same names.
    settings = recorded.get(outputs.ROLE_SETTINGS)
    if settings is None:
        settings = {key: roles[0].inputs.get(key) for key in types.ROLE_SETTINGS} if roles else {}
    is_hidden = is_secret(settings) or any(isinstance(each, dict | list) for each in settings.values())
    found = {
        snake(key): secret("a setting of the role") if is_hidden else settings[key]
        for key in types.ROLE_SETTINGS
        if is_hidden or settings.get(key) is not None
    }
    attached = [each.text("policyArn") for each in own if each.type == types.ATTACHMENT]
    has_secret_policy = is_secret(recorded.get(outputs.POLICY_ARNS)) or not all(attached)
    arns: Any = tuple(sorted({*known.get(outputs.POLICY_ARNS, ()), *attached}))
    names = [each.text("name") for each in own if each.type == types.INLINE_POLICY]
    trust = known.get(outputs.TRUST_POLICY)
    return Role(
        known[outputs.ROLE_ARN],
        parse_object(trust) if trust else secret("the trust policy"),
        attached_policies=secret("the ARN of a policy") if has_secret_policy else arns,
        inline_policies=_documents(recorded.get(outputs.INLINE_POLICIES), names),
        **found,
    )


def _documents(declared: Any, kept: Iterable[str]) -> dict[str, Any]:
    """Return the declared documents by name, with Unknown for one that the state keeps as a secret."""
    documents = declared if isinstance(declared, Mapping) and SECRET not in declared else {}
    names = {*documents, *filter(None, kept)}
    return {name: _document(documents.get(name)) for name in names}


def _document(text: Any) -> Document:
    try:
        return parse_object(text) if isinstance(text, str) else secret("the document")
    except Mistake as mistake:
        return Unknown(str(mistake))
