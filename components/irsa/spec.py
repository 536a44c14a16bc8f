"""What a ServiceAccountRole creates, as one frozen value; or all mistakes in its arguments.

Arguments are read here only: the component creates resources from this value.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic.alias_generators import to_camel

from irsa import types
from irsa.add_ons.combinations import add_on_mistakes
from irsa.fields import ROLE_INPUTS, Found, collect
from irsa.outputs import part_name
from irsa.read import ArgumentMistakes, Arguments, Reading
from irsa.read import read_again as again
from irsa.resources import ROLE, SERVICE_ACCOUNT, DeclaredResource
from irsa.role.add_on_policies import add_on_policies
from irsa.role.associations import associations, existing_role, ways_of
from irsa.role.in_aws_account import in_aws_account
from irsa.role.policies import attachments, inline_policies, policies
from irsa.role.trust import SUBJECTS, Trust, quota_of, trust_of, trust_usage_of
from irsa.rules import names
from irsa.rules.combinations import combination_mistakes
from irsa.rules.leaves import list_of, mapping_of, strings_of
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, path_of
from irsa.rules.policies import role_usages, tags_usage
from irsa.rules.quotas import ATTACHED_POLICIES, MANAGED_POLICY_SIZE, USUAL_TOKEN_EXPIRATION, Usage, check_usage
from irsa.rules.subjects import DEFAULT_NAMESPACE, check_any_service_account
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown, has_output, least, stands
from irsa.ways import WAYS, Identity, identity_mistakes, identity_of

Usages = Sequence[tuple[Place, Usage]]


class Spec(NamedTuple):
    """What a ServiceAccountRole creates, for a role of its own or for an existing one."""

    resources: tuple[DeclaredResource, ...]
    """In the order of creation."""
    trust: Trust | None
    """None for an existing role."""
    role_arn: Any
    """ARN of an existing role; None for one to create."""
    identity: Identity
    webhook: Mapping[str, Any]
    """The settings in annotations for the EKS webhook, besides the role; None for no annotation."""
    retain_on_delete: bool | None
    usages: Usages
    """How much it uses of each quota, at least, with the argument that adds to it."""
    warnings: tuple[str, ...]
    reading: Reading
    recorded: Mapping[str, str | None] = MappingProxyType({})
    """Further outputs that are recorded in the state: the keys of a stack file."""

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


def parse(name: str, args: Mapping[str, Any], spelling: Spelling = path_of) -> Spec:
    """Return what the arguments of a ServiceAccountRole declare.

    Raises:
        ArgumentMistakes: All mistakes, in single arguments and between them.
    """
    spec, mistakes = read(name, args, spelling)
    if mistakes:
        raise ArgumentMistakes(name, mistakes, spelling)
    return spec


def read(name: str, args: Mapping[str, Any], spelling: Spelling = path_of) -> tuple[Spec, Sequence[Located]]:
    """Return what the arguments of a ServiceAccountRole declare, and all mistakes in and between them.

    What is wrong or not known is a marker, and so is what is computed of it; the rest is judged all the same.

    Args:
        name: The component's logical name.
        args: ServiceAccountRoleArgs; a marker (irsa.rules.unknown) may stand for any value that is not known.
        spelling: How the caller spells an argument, for messages.
    """
    arguments = Arguments(name, spelling)
    spec = _read(arguments, args)
    return spec, arguments.mistakes


def _read(arguments: Arguments, args: Mapping[str, Any]) -> Spec:
    values: Mapping[str, Any] = arguments.read(args)
    if isinstance(args, Mapping):
        arguments.found += combination_mistakes(arguments.given, arguments.spelling)
        arguments.found += add_on_mistakes(arguments.given, arguments.spelling)
        arguments.found += identity_mistakes(arguments.given, arguments.spelling)
        arguments.found += _between(arguments, values)
    of_role = values.get("role", {})
    identity = ways_of(values)
    trusts = any(way.needs in values if way.needs else way in identity.trusted for way in WAYS)
    creates = trusts and "arn" not in of_role
    values = in_aws_account(arguments, values) if creates else values
    trust = trust_of(arguments, values) if creates else None
    of_the_role: tuple[DeclaredResource, ...] = ()
    if trust:
        of_add_ons = add_on_policies(arguments, values)
        managed = policies(arguments, values, of_add_ons)
        inline = inline_policies(arguments, values)
        attached = attachments(arguments, values, managed, of_add_ons)
        of_the_role = (*managed, _role(arguments, values, trust, managed), *attached, *inline)
    usages = tuple(_usages(arguments, values, trust, of_the_role))
    for place, usage in usages:
        collect(lambda usage=usage: check_usage(usage), place, arguments.found)  # type: ignore[misc]
    tags = values.get("pod_identity", {}).get("tags", of_role.get("tags"))
    service_account = values.get("service_account", {})
    webhook = {name: service_account.get(name) for name in ("sts_regional_endpoints", "token_expiration")}
    role_arn = existing_role(arguments, values) if "arn" in of_role else None
    # A Pod must not start before its role has permissions, nor before its association is there.
    permissions = tuple(each.key for each in of_the_role if each.type in (types.ATTACHMENT, types.INLINE_POLICY))
    of_pod_identity = tuple(associations(arguments, values, tags, permissions))
    before = (*permissions, *(each.key for each in of_pod_identity))
    return Spec(
        resources=(*of_the_role, *of_pod_identity, *_service_account(arguments, values, before)),
        trust=trust,
        role_arn=role_arn,
        identity=identity,
        webhook={"audience": values.get("audience"), **webhook},
        retain_on_delete=values.get("retain_on_delete"),
        usages=usages,
        warnings=() if arguments.found else tuple(_warnings(arguments, values, trust, usages, of_the_role)),
        reading=arguments.reading(args),
    )


read_again = functools.partial(again, _read)


def _warnings(
    arguments: Arguments,
    values: Mapping[str, Any],
    trust: Trust | None,
    usages: Usages,
    of_the_role: Sequence[DeclaredResource],
) -> Iterator[str]:
    """Yield warnings: what is legal, but likely not intended, as far as it is known."""
    policies = [each.logical_name for each in of_the_role if each.type == types.POLICY]
    parts = [each for index, each in enumerate(policies) if each == part_name(arguments.name, index)]
    if len(parts) > 1:
        longer = f"more than {MANAGED_POLICY_SIZE:,} characters"
        yield f"policy: its document has {longer} and is split over {len(parts)} managed policies"
    for _, usage in usages:
        if check_usage(usage):
            yield f"more than 80% of a quota is used: {usage}"
    if trust is not None and not isinstance(trust.warnings, Unknown):
        yield from trust.warnings
    identity = ways_of(values)
    for way in identity.trusted:
        for place, mistake in way.warnings(identity, arguments.given.get, trust is not None):
            yield f"{arguments.spelling(place)}: {mistake.found}"
    expiration = values.get("service_account", {}).get("token_expiration")
    if expiration is not None and expiration > USUAL_TOKEN_EXPIRATION:
        argument = arguments.spelling(("service_account", "token_expiration"))
        yield f"{argument}: {expiration:,} seconds is longer than the default of {USUAL_TOKEN_EXPIRATION:,}"


def _between(arguments: Arguments, values: Mapping[str, Any]) -> Iterator[Located]:
    """Yield what is wrong between arguments, where that is not the same in a stack file."""
    spelling = arguments.spelling
    identity = identity_of(arguments.given)
    needs_provider = identity is not None and identity.needs("oidc_provider_arns")
    # Pod Identity has no wildcards, which is a mistake of its own.
    has_wildcards = identity is None or needs_provider
    if has_wildcards and arguments.given.get(("trust", "any_service_account"), False) is False:
        given = list_of(arguments.given.get(SUBJECTS))
        wide: Found = []
        for index, subject in enumerate(given):
            collect(lambda subject=subject: check_any_service_account(strings_of([subject])), (*SUBJECTS, index), wide)  # type: ignore[misc]
        if not wide:
            collect(lambda: check_any_service_account(strings_of(given)), SUBJECTS, wide)
        yield from wide
    existing, created = ("role", "arn"), ("oidc_provider_arns",)
    if needs_provider and created not in arguments.given and not stands(existing, arguments.given):
        found = f"neither {spelling(existing)} nor {spelling(created)}"
        fix = f"set {spelling(existing)} for an existing role, or {spelling(created)} for a new one"
        if ("cluster_arns",) in arguments.given:
            fix += f"; or {spelling(('identity',))} to podIdentity"
        yield created, Mistake(found, "exactly one of them", fix)
    found_by: Mapping[str, Sequence[Place]] = {
        "policy": [created, ("policy", "path")],
        "serviceAccount": [("service_account", "namespace")],
        "attachments": [("policy_arns", key) for key in values.get("policy_arns", ())],
    }
    adopted = [
        (argument, f"{kind!r} in {spelling(('import_',))}")
        for kind in list_of(arguments.given.get(("import_",)))
        for argument in found_by.get(str(kind), ())
    ]
    ids: Place = ("pod_identity", "import_ids")
    adopted += [(("cluster_arns", key), spelling((*ids, key))) for key in mapping_of(arguments.given.get(ids))]
    for argument, what in adopted:
        if has_output(arguments.given.get(argument)):
            fix = "write the value, or deploy its source first"
            found = f"an output, together with {what}"
            yield argument, Mistake(found, "a plain value, by which the existing resource is found", fix)
    automatic = not any(stands(each, arguments.given) for each in (("role", "name"), ("role", "name_prefix")))
    automatic = automatic or ("policy" in values and ("policy", "name") not in arguments.given)
    automatic = automatic or bool(values.get("policies"))
    if not stands(existing, arguments.given) and automatic:
        kind = "the start of an automatic name in IAM"
        rule = names.NameRule(kind, len(arguments.name), names.IAM_NAME, names.IAM_WORDS)
        try:
            names.check_name(arguments.name, rule)
        except Mistake as mistake:
            named = (("role", "name"), ("policy", "name"))
            fix = "rename the component, or set {} and {}"
            yield ("role", "name"), Mistake(mistake.found, mistake.allowed, fix, *named)


def _role(
    arguments: Arguments,
    values: Mapping[str, Any],
    trust: Trust,
    policies: Sequence[DeclaredResource],
) -> DeclaredResource:
    settings = values.get("role", {})
    name, prefix = settings.get("name"), settings.get("name_prefix")
    if name is None and prefix is None:
        prefix = names.automatic_name_prefix(arguments.name, names.ROLE, names.ROLE_PREFIX)
    inputs = {"assumeRolePolicy": trust.policy, "name": name, "namePrefix": prefix}
    inputs |= {to_camel(key): settings.get(key) for key in ROLE_INPUTS}
    import_id = name if "role" in values.get("import_", ()) else None
    # With a role that is replaced go its attachments, and the engine lets nothing else wait for them. IAM refuses to
    # delete a policy that is still attached, if that is replaced too.
    return DeclaredResource(ROLE, types.ROLE, arguments.name, inputs, import_id, tuple(each.key for each in policies))


def _service_account(
    arguments: Arguments, values: Mapping[str, Any], before: tuple[str, ...]
) -> Iterator[DeclaredResource]:
    settings = values.get("service_account")
    if settings is None:
        return
    name, namespace = settings["name"], settings.get("namespace", DEFAULT_NAMESPACE)
    inputs = {
        "metadata.name": name,
        "metadata.namespace": namespace,
        "metadata.labels": settings.get("labels"),
        "metadata.annotations": settings.get("annotations", {}),
        "imagePullSecrets": settings.get("image_pull_secrets"),
        "automountServiceAccountToken": settings.get("automount_service_account_token"),
    }
    kind = types.SERVICE_ACCOUNT if settings.get("create", True) else types.SERVICE_ACCOUNT_PATCH
    import_id = f"{namespace}/{name}" if "serviceAccount" in values.get("import_", ()) else None
    take_over = {"takeOver": settings.get("take_over", False)}
    yield DeclaredResource(SERVICE_ACCOUNT, kind, arguments.name, inputs, import_id, before, take_over)


def _usages(
    arguments: Arguments, values: Mapping[str, Any], trust: Trust | None, of_the_role: Sequence[DeclaredResource]
) -> Iterator[tuple[Place, Usage]]:
    """Yield how much of each quota the role and its associations use, at least."""
    yield from _tags_usages(arguments, (("association", ("pod_identity", "tags")),))
    if trust is None:
        return
    yield SUBJECTS, trust_usage_of(arguments, values, trust)
    yield from _tags_usages(arguments, (("role", ("role", "tags")), ("policy", ("policy", "tags"))))
    documents = [
        text
        if isinstance(text := each.inputs["policy"], str)
        else minified(least(arguments.given.get(("inline_policies", each.inputs["name"], "document"), {})))
        for each in of_the_role
        if each.type == types.INLINE_POLICY
    ]
    attached = sum(each.type == types.ATTACHMENT for each in of_the_role)
    yield from role_usages(attached, documents, quota_of(arguments, values, "attached_policies", ATTACHED_POLICIES))


def _tags_usages(arguments: Arguments, places: Sequence[tuple[str, Place]]) -> Iterator[tuple[Place, Usage]]:
    for what, place in places:
        tags = arguments.given.get(place)
        if isinstance(tags, dict):
            yield place, tags_usage(what, tags)
