"""What a stack declares: its bindings, as the last `pulumi up` recorded them in the state."""

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from irsa import outputs, types
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE
from irsa.rules.arns import cluster_of_association
from irsa.rules.commands import ClusterPlace
from irsa.rules.mistakes import Mistake, listed, named, nearest
from irsa.rules.names import snake
from irsa.rules.policies import parse_object
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, federated_providers
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, ONLY_IRSA, Identity, parse_identity
from irsa_world.exits import CouldNotLookError
from irsa_world.model import Association, Role, audience_of
from irsa_world.state.recorded import FORMS, GUARD_FORMS, MAY_BE_SECRET, NEEDED, known_outputs, secret, unreadable
from irsa_world.state.resource import SECRET, Resource, is_secret, is_unknown, known_text
from irsa_world.trusts.chains import Document

NO_ASSOCIATIONS = "the state does not say which associations it has"


@dataclass(frozen=True)
class DeclaredServiceAccount:
    """A service account of a binding, in the cluster that a Kubernetes provider reaches.

    Attributes:
        provider: The reference of that provider.
        created: Whether the stack creates it; else it annotates an existing one.
        cluster_key: The cluster's key in the stack file; empty where there is only one.
    """

    provider: str
    namespace: str
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    created: bool = False
    cluster_key: str = ""

    def __str__(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def subject(self) -> str:
        """What it is called in subjects: `namespace:name`."""
        return subject_of(self.namespace, self.name)

    @property
    def audience(self) -> str:
        """The audience of the token that the webhook mounts."""
        return audience_of(self.annotations)

    @property
    def place(self) -> str:
        """`namespace/name`, and the cluster in a stack of several clusters."""
        return in_cluster(str(self), self.cluster_key)

    def command_to_create(self, place: ClusterPlace, stack: str, has_namespace: bool | None) -> str:
        """Return the command that creates the service account, and its namespace first where there is none."""
        create, up = commands.create_service_account(place, self.namespace, self.name), commands.up(stack)
        command = up if self.created else commands.together(create, up)
        # The provider patches a namespace of its own, and creates nothing in one that is gone.
        namespace = commands.create_namespace(place, self.namespace)
        return commands.together(namespace, command) if has_namespace is False else command

    def command_to_remove(self, place: ClusterPlace, annotation: str) -> str:
        """Return the command that removes one of its annotations."""
        return commands.remove_annotations(place, self.namespace, self.name, annotation)

    def command_to_restore(self, place: ClusterPlace, stack: str, live: Mapping[str, str]) -> str:
        """Return the command that restores its declared annotations, of which it has others now."""
        overwritten = [key for key, value in self.annotations.items() if live.get(key, value) != value]
        # The API server refuses to overwrite what another manager wrote, so that it is removed first: of an account of
        # the stack's own, too, since the preview takes nothing over.
        removed = commands.remove_annotations(place, self.namespace, self.name, *overwritten)
        return commands.together(removed, commands.up(stack)) if overwritten else commands.up(stack)


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
        return {each.provider: each.cluster_key for each in service_accounts if each.cluster_key}

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
        up = commands.up_without_refresh(stack or "")
        raise CouldNotLookError(f"stack {f'{named(stack)} ' if stack else ''}has no resources yet: run `{up}`")
    # By its name alone, Pulumi finds a stack only in the folder of its project.
    name = stack if stack and "/" in stack else resources[0].stack
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
        found = _binding((key, cluster_key, name), component, children.get(component.urn, []))
        bindings[key] = _merged(bindings[key], found) if key in bindings else found
    providers = [each for each in resources if each.type == types.OIDC_PROVIDER]
    return DeclaredStack(
        name,
        tuple(bindings[key] for key in sorted(bindings)),
        {each.reference: each.inputs for each in resources if each.type == types.AWS_PROVIDER},
        {each.reference: each.inputs for each in resources if each.type == types.KUBERNETES_PROVIDER},
        frozenset(arn for each in providers if not each.external and (arn := each.arn)),
        tuple(each.name for each in providers if each.failed),
        tuple(
            sorted(
                _guards([each for each in resources if each.type == outputs.GUARD_TYPE], children, name),
                key=attrgetter("name"),
            )
        ),
    )


def _guards(
    components: Sequence[Resource], children: Mapping[str, Sequence[Resource]], stack: str
) -> Iterator[DeclaredGuard]:
    # That of a single cluster is known without its key.
    keys = [known_text(each.outputs.get(outputs.KEY)) if len(components) > 1 else "" for each in components]
    for component, key in zip(components, keys, strict=True):
        # In a program of one's own, none may have a cluster's key.
        place = key if keys.count(key) == 1 else component.urn.split("::", 2)[2]
        own = (each.provider for each in children.get(component.urn, ()) if each.provider)
        yield _guard(outputs.component_name(types.GUARD, place or None), component, next(own, ""), stack)


def _guard(name: str, component: Resource, cluster: str, stack: str) -> DeclaredGuard:
    """Return what a guard declares, as its component recorded it.

    Raises:
        CouldNotLookError: An output has another form than the component gives it.
    """
    if reason := unreadable(component, GUARD_FORMS, GUARD_FORMS, stack):
        return DeclaredGuard(name, unreadable=reason)
    known = {snake(key): value for key, value in known_outputs(component, GUARD_FORMS).items()}
    return DeclaredGuard(name, cluster=cluster, **known)


def _binding(names: tuple[str, str, str], component: Resource, children: Sequence[Resource]) -> DeclaredBinding:
    key, cluster_key, stack = names
    recorded, known = component.outputs, known_outputs(component, FORMS)
    failed_updates = tuple((child.type, child.name) for child in children if child.failed)
    own = [child for child in children if not child.external]
    roles = [each for each in own if each.type == types.ROLE]
    provider = roles[0].provider if roles else ""
    if reason := unreadable(component, NEEDED, (outputs.ROLE_ARN,), stack):
        # A failed update of a role hides its ARN among the outputs; its resource has it.
        role_arn = known.get(outputs.ROLE_ARN, roles[0].arn if roles and is_unknown(recorded) else "")
        return DeclaredBinding(key, role_arn, provider=provider, unreadable=reason, failed_updates=failed_updates)
    annotations = known.get(outputs.ANNOTATIONS, {})
    of_place = functools.partial(DeclaredServiceAccount, annotations=annotations, cluster_key=cluster_key)
    service_accounts = [
        of_place(each.provider, *each.object_name.partition("/")[::2], created=each.type == types.SERVICE_ACCOUNT)
        for each in own
        if each.type in {types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH}
    ]
    if not service_accounts and (name := known.get(outputs.SERVICE_ACCOUNT_NAME)):
        # `pulumi refresh` removes a deleted service account from the state; the component's outputs still have it.
        # Without an annotation, nothing of an existing one is managed.
        existing = (each.provider for each in children if each.external and each.type == types.SERVICE_ACCOUNT)
        namespace, created = known.get(outputs.NAMESPACE, DEFAULT_NAMESPACE), known.get(outputs.CREATES_SERVICE_ACCOUNT)
        service_accounts = [of_place(next(existing, ""), namespace, name, created=created is not False)]
    of_type = (each for each in own if each.type == types.POD_IDENTITY_ASSOCIATION)
    creators = {cluster_of_association(each.text("associationArn")): each for each in of_type}
    ids = {arn: each.text("associationId") for arn, each in creators.items()}
    associations = tuple(_association(each, ids) for each in known.get(outputs.ASSOCIATIONS, ()))
    clusters = {each.provider for each in service_accounts}
    identity = parse_identity(known[outputs.IDENTITY]) if outputs.IDENTITY in known else ONLY_IRSA
    return DeclaredBinding(
        key,
        known[outputs.ROLE_ARN],
        _role(recorded, known, own),
        _documents(recorded.get(outputs.POLICY_DOCUMENTS), [e.arn for e in own if e.type == types.POLICY]),
        tuple(service_accounts),
        tuple(known.get(outputs.SUBJECTS) or (each.subject for each in service_accounts)),
        annotations.get(AUDIENCE, _trusted_audience(identity, parse_object(known.get(outputs.TRUST_POLICY, "{}")))),
        provider,
        max((each.modified for each in own if each.modified), default=None),
        failed_updates=failed_updates,
        identity=identity,
        associations=associations,
        providers={arn: each.provider for arn, each in creators.items()},
        # A component has one service account, and may have associations of its name in other clusters.
        kubernetes={associations[0].cluster_arn: clusters.pop()} if len(clusters) == len(associations) == 1 else {},
    )


def _trusted_audience(identity: Identity, trust: Mapping[str, Any]) -> str:
    """Return the audience of tokens where no annotation has it: without one, the trust policy may have another."""
    # The statements of irsa come before those of the caller's own.
    statements = itertools.chain(*federated_providers(trust).values()) if identity.only_trusts(IRSA) else ()
    return str(next(itertools.chain(*statements), DEFAULT_AUDIENCE))


def _association(declared: Mapping[str, Any], ids: Mapping[str, str]) -> Association:
    hidden = {key: secret(what) for key, what in MAY_BE_SECRET.items() if is_secret(declared.get(key))}
    return Association.of({**declared, "associationId": ids.get(str(declared.get("clusterArn"))), **hidden})


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
    settings: Any = recorded.get(outputs.ROLE_SETTINGS)
    is_hidden = not isinstance(settings, dict) or is_secret(settings)
    is_hidden = is_hidden or any(isinstance(each, dict | list) for each in settings.values())
    hidden: Any = (
        Unknown("the state lacks the role's settings") if settings is None else secret("a setting of the role")
    )
    found = {
        snake(key): hidden if is_hidden else settings[key]
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
