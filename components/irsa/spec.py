"""What a ServiceAccountRole creates, as one frozen value; or all mistakes in its arguments.

Arguments are read here only: the component creates resources from this value.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from irsa import types
from irsa.fields import OF_A_ROLE, Found, KeyGroup, collect
from irsa.keys.binding import PolicyDocument, ServiceAccountRoleKeys
from irsa.read import Arguments
from irsa.read import read_again as again
from irsa.resources import THE_ROLE, THE_SERVICE_ACCOUNT, DeclaredResource
from irsa.role.add_ons import add_on_mistakes
from irsa.role.associations import associations, existing_role
from irsa.role.combinations import combination_mistakes
from irsa.role.in_aws_account import in_aws_account
from irsa.role.lint import JudgedRole, judged
from irsa.role.policy_resources import attachments, inline_policies, policies, policy_sources
from irsa.role.role_trust import SUBJECTS, RoleTrust, quota_of, trust_of, trust_usage_of
from irsa.role.ways import facts_of, identity_mistakes, ways_of
from irsa.rules import names
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, path_of
from irsa.rules.policies import Document, role_usages, tags_usage
from irsa.rules.quotas import ATTACHED_POLICIES, Usage, check_usage
from irsa.rules.subjects import DEFAULT_NAMESPACE, check_any_service_account
from irsa.rules.trust import minified
from irsa.rules.unknown import PERHAPS, Unknown, has_output, is_there, known_or, least, may_be_there, or_else
from irsa.ways import WAYS, Identity

# The arguments in annotations for the webhook of EKS, besides the role.
WEBHOOK: Sequence[Place] = (
    ("audience",),
    ("service_account", "sts_regional_endpoints"),
    ("service_account", "token_expiration"),
)
# Inputs of the role that are arguments of the same name.
ROLE_INPUTS = ("path", "forceDetachPolicies", "tags", *types.ROLE_SETTINGS)
Usages = Sequence[tuple[Place, Usage]]


class Spec(NamedTuple):
    """What a ServiceAccountRole creates, for a role of its own or for an existing one."""

    resources: tuple[DeclaredResource, ...]
    """In the order of creation."""
    trust: RoleTrust | None
    """None for an existing role."""
    role_arn: object
    """ARN of an existing role, or its output; None for one to create."""
    identity: Identity
    retain_on_delete: bool | None
    usages: Usages
    """How much it uses of each quota, at least, with the argument that adds to it."""
    declared: ServiceAccountRoleKeys
    """The arguments that it is made of."""
    reading: Arguments
    recorded: Mapping[str, str | None] = MappingProxyType({})
    """Further outputs that are recorded in the state: the keys of a stack file."""

    @property
    def judged(self) -> JudgedRole:
        """What the lint rules are given of the role."""
        return self.judged_as(self.declared)

    def judged_as(self, declared: ServiceAccountRoleKeys) -> JudgedRole:
        """Return the same for arguments in which more is a marker."""
        return judged(declared, self.trust, facts_of(declared), self.usages)

    def of(self, *types: str) -> tuple[DeclaredResource, ...]:
        """Return the resources of these types."""
        return tuple(each for each in self.resources if each.type in types)

    @property
    def role(self) -> DeclaredResource | None:
        """The role to create."""
        return next(iter(self.of(types.ROLE)), None)

    @property
    def service_account(self) -> DeclaredResource | None:
        """The service account, created or annotated."""
        return next(iter(self.of(types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH)), None)


def read(
    name: str, args: object, spelling: Spelling = path_of, group: KeyGroup = OF_A_ROLE
) -> tuple[Spec, Sequence[Located]]:
    """Return what the arguments of a ServiceAccountRole declare, and all mistakes in and between them.

    What is wrong or not known is a marker, and so is what is computed of it; the rest is judged all the same.

    Args:
        name: The component's logical name.
        args: ServiceAccountRoleArgs, or what is read of them; a marker may stand for any value that is not known.
        spelling: How the caller spells an argument, for messages.
        group: How its keys are read.
    """
    arguments = Arguments(name, spelling, group=group)
    spec = _read(arguments, args)
    return spec, arguments.mistakes


def _read(arguments: Arguments, args: object) -> Spec:
    if isinstance(args, ServiceAccountRoleKeys):
        binding = args.known(arguments.known) if arguments.known else args
    else:
        binding = arguments.read(args, ServiceAccountRoleKeys)
    facts = facts_of(binding)
    if isinstance(args, Mapping | ServiceAccountRoleKeys):
        for mistakes_of in (combination_mistakes, add_on_mistakes):
            arguments.found += mistakes_of(binding, arguments.spelling)
        arguments.found += identity_mistakes(binding, facts, arguments.spelling)
        arguments.found += _between(arguments, binding)
    identity, exists = ways_of(binding), is_there(binding.role.arn)
    creates = not exists and any(
        is_there(binding.at((way.needs,))) if way.needs else way in identity.trusted for way in WAYS
    )
    binding = in_aws_account(arguments, binding) if creates else binding
    trust = trust_of(arguments, binding) if creates else None
    of_the_role: tuple[DeclaredResource, ...] = ()
    if trust:
        sources = [*policy_sources(arguments, binding)]
        managed = policies(arguments, binding, sources)
        inline = inline_policies(arguments, binding)
        attached = attachments(arguments, binding, managed, sources)
        of_the_role = (*managed, _role(arguments, binding, trust, managed), *attached, *inline)
    usages = tuple(_usages(binding, trust, of_the_role))
    for place, usage in usages:
        collect(lambda usage=usage: check_usage(usage), place, arguments.found)  # type: ignore[misc]
    role_arn = existing_role(arguments, binding) if exists else None
    # A Pod must not start before its role has permissions, nor before its association is there.
    permissions = tuple(each.key for each in of_the_role if each.type in (types.ATTACHMENT, types.INLINE_POLICY))
    of_pod_identity = tuple(associations(arguments, binding, permissions))
    before = (*permissions, *(each.key for each in of_pod_identity))
    return Spec(
        resources=(*of_the_role, *of_pod_identity, *_service_account(arguments, binding, before)),
        trust=trust,
        role_arn=role_arn,
        identity=identity,
        retain_on_delete=known_or(binding.retain_on_delete, None),
        usages=usages,
        declared=binding,
        reading=arguments.kept(args),
    )


read_again = functools.partial(again, _read)


def _between(arguments: Arguments, binding: ServiceAccountRoleKeys) -> Iterator[Located]:
    """Yield what is wrong between arguments, where that is not the same in a stack file."""
    spelling, identity, trust = arguments.spelling, binding.identity, binding.trust
    needs_provider = not isinstance(identity, Unknown) and ways_of(binding).needs("oidc_provider_arns")
    # Pod Identity has no wildcards, which is a mistake of its own.
    has_wildcards = isinstance(identity, Unknown) or needs_provider
    if has_wildcards and trust.any_service_account in (None, False, PERHAPS):
        given = known_or(trust.subjects, [])
        wide: Found = []
        for index, subject in enumerate(given):
            collect(lambda subject=subject: check_any_service_account(strings_of([subject])), (*SUBJECTS, index), wide)  # type: ignore[misc]
        if not wide:
            collect(lambda: check_any_service_account(strings_of(given)), SUBJECTS, wide)
        yield from wide
    existing, created = ("role", "arn"), ("oidc_provider_arns",)
    may_exist = may_be_there(binding.role.arn)
    if needs_provider and not may_exist and not is_there(binding.oidc_provider_arns):
        found = f"neither {spelling(existing)} nor {spelling(created)}"
        fix = f"set {spelling(existing)} for an existing role, or {spelling(created)} for a new one"
        if is_there(binding.cluster_arns):
            fix += f"; or {spelling(('identity',))} to podIdentity"
        yield created, Mistake(found, "exactly one of them", fix)
    found_by: Mapping[str, Sequence[Place]] = {
        "policy": [created, ("policy", "path")],
        "serviceAccount": [("service_account", "namespace")],
        "attachments": [("policy_arns", key) for key in known_or(binding.policy_arns, {})],
    }
    adopted = [
        (argument, f"{kind!r} in {spelling(('import_',))}")
        for kind in known_or(binding.import_, [])
        for argument in found_by.get(str(kind), ())
    ]
    ids: Place = ("pod_identity", "import_ids")
    import_ids = binding.pod_identity.import_ids if binding.pod_identity else None
    adopted += [(("cluster_arns", key), spelling((*ids, key))) for key in known_or(import_ids, {})]
    for argument, what in adopted:
        if has_output(binding.at(argument)):
            fix = "write the value, or deploy its source first"
            found = f"an output, together with {what}"
            yield argument, Mistake(found, "a plain value: irsa finds the existing resource by it", fix)
    automatic = not (may_be_there(binding.role.name) or may_be_there(binding.role.name_prefix))
    automatic = automatic or bool(binding.policy and not is_there(binding.policy.name))
    automatic = automatic or bool(binding.policies)
    if not may_exist and automatic:
        kind = "the start of an automatic name in IAM"
        rule = names.NameRule(kind, len(arguments.name), names.IAM_NAME, names.IAM_WORDS)
        try:
            names.check_name(arguments.name, rule)
        except Mistake as mistake:
            named = (("role", "name"), ("policy", "name"))
            fix = "rename the component, or set {} and {}"
            yield ("role", "name"), Mistake(mistake.found, mistake.allowed, fix, *named)


def _role(
    arguments: Arguments, binding: ServiceAccountRoleKeys, trust: RoleTrust, policies: Sequence[DeclaredResource]
) -> DeclaredResource:
    name, prefix = binding.role.name, binding.role.name_prefix
    if name is None and prefix is None:
        prefix = names.automatic_name_prefix(arguments.name, names.ROLE_NAMES, names.ROLE_PREFIX)
    inputs = {"assumeRolePolicy": trust.policy, "name": name, "namePrefix": prefix}
    inputs |= {key: getattr(binding.role, names.snake(key)) for key in ROLE_INPUTS}
    import_id = name if "role" in known_or(binding.import_, []) and isinstance(name, str) else None
    # With a role that is replaced go its attachments, and the engine lets nothing else wait for them. IAM refuses to
    # delete a policy that is still attached, if that is replaced too.
    return DeclaredResource(
        THE_ROLE, types.ROLE, arguments.name, inputs, import_id, tuple(each.key for each in policies)
    )


def _service_account(
    arguments: Arguments, binding: ServiceAccountRoleKeys, before: tuple[str, ...]
) -> Iterator[DeclaredResource]:
    settings = binding.service_account
    if settings is None:
        return
    name, namespace = settings.name, or_else(settings.namespace, DEFAULT_NAMESPACE)
    inputs = {
        "metadata.name": name,
        "metadata.namespace": namespace,
        "metadata.labels": settings.labels,
        "metadata.annotations": or_else(settings.annotations, {}),
        "imagePullSecrets": settings.image_pull_secrets,
        "automountServiceAccountToken": settings.automount_service_account_token,
    }
    kind = types.SERVICE_ACCOUNT_PATCH if settings.create is False else types.SERVICE_ACCOUNT
    import_id = f"{namespace}/{name}" if "serviceAccount" in known_or(binding.import_, []) else None
    take_over = {"takeOver": settings.take_over is True}
    yield DeclaredResource(THE_SERVICE_ACCOUNT, kind, arguments.name, inputs, import_id, before, take_over)


def _usages(
    binding: ServiceAccountRoleKeys, trust: RoleTrust | None, of_the_role: Sequence[DeclaredResource]
) -> Iterator[tuple[Place, Usage]]:
    """Yield how much of each quota the role and its associations use, at least."""
    yield from _tags_usages(binding, (("association", ("pod_identity", "tags")),))
    if trust is None:
        return
    yield SUBJECTS, trust_usage_of(binding, trust)
    yield from _tags_usages(binding, (("role", ("role", "tags")), ("policy", ("policy", "tags"))))
    inline = known_or(binding.inline_policies, {})
    documents = [
        text
        if isinstance(text := each.inputs["policy"], str)
        else minified(least(_content(inline.get(each.inputs["name"]))))
        for each in of_the_role
        if each.type == types.INLINE_POLICY
    ]
    attached = sum(each.type == types.ATTACHMENT for each in of_the_role)
    quota = binding.quotas.attached_policies if binding.quotas else None
    yield from role_usages(attached, documents, quota_of(quota, ATTACHED_POLICIES))


def _content(policy: PolicyDocument | None) -> object:
    """Return what is known of an inline policy; one that is not the caller's has nothing that is."""
    document = policy and policy.document
    return document.content if isinstance(document, Document) else document or {}


def _tags_usages(binding: ServiceAccountRoleKeys, places: Sequence[tuple[str, Place]]) -> Iterator[tuple[Place, Usage]]:
    for what, place in places:
        tags = binding.at(place)
        if isinstance(tags, dict):
            yield place, tags_usage(what, tags)
