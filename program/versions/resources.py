"""The resources of a plan, as a preview has them.

The component registers the same ones from the same values: a test compares them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic.alias_generators import to_camel

from config.models import Stack
from irsa.guard.policies import LABELS, STACK_LABEL, bindings, config_map_name, policies
from irsa.guard.spec import read_guard
from irsa.later import Later
from irsa.outputs import COMPONENT_TYPE, GUARD_TYPE, KEY, child_name
from irsa.rules.annotations import PATCH_FORCE, webhook_annotations
from irsa.rules.arns import Arn, issuer_host_path, parse_cluster_arn
from irsa.rules.identity import Use
from irsa.rules.unknown import OUTPUT, Unknown
from irsa.spec import AnnotatedServiceAccount, CreatedRole, ManagedPolicy, Spec
from irsa_cli.diff.versions import UNKNOWN
from irsa_cli.state import types
from irsa_cli.state.resource import Resource
from program.guards import PlannedGuard
from program.logical_names import oidc_provider
from program.lookups.values import AwsIdentity, Lookups, audience_of, needs_of
from program.plan import Plan, PlannedComponent

# In the ARN of a role with an automatic name, what stands for the end that is chosen during the deployment.
AUTOMATIC_END = "..."


class _Component(NamedTuple):
    """A component, and where it is."""

    urn: str
    planned: PlannedComponent
    spec: Spec
    identity: AwsIdentity
    issuer: str
    role_arn: str
    role_urns: tuple[str, ...]

    def child(self, type_: str, name: str, inputs: Mapping[str, Any], **more: Any) -> Resource:
        """Return a resource of it."""
        provider = f"aws:{self.identity.account_id}" if type_.startswith("aws:") else _kubernetes(self.issuer)
        return Resource(
            _urn(self.urn, type_, name),
            type_,
            parent=self.urn,
            provider=provider,
            inputs=inputs,
            retained=bool(self.spec.retain_on_delete),
            protected=self.planned.protect,
            **more,
        )


def planned_resources(stack_name: str, stack: Stack, plan: Plan, lookups: Lookups) -> list[tuple[Resource, bool]]:
    """Return the resources of a plan, components included, each with whether it is imported."""
    root = f"urn:pulumi:{stack_name}::irsa::pulumi:pulumi:Stack::irsa-{stack_name}"
    found: dict[str, tuple[Resource, bool]] = {}
    role_arns: dict[str, str] = {}
    role_urns: dict[str, tuple[str, ...]] = {}
    for planned, spec in plan.components:
        identity = lookups.aws_accounts[planned.aws_account].identity
        assert identity
        issuer = lookups.clusters[planned.cluster].issuer if planned.cluster else ""
        role_arn = role_arns[planned.binding] if planned.takes_role else _role_arn(spec, identity)
        role_arns.setdefault(planned.binding, role_arn)
        urn = _urn(root, COMPONENT_TYPE, planned.name)
        if spec.role:
            role_urns[planned.binding] = (_urn(urn, types.ROLE, spec.role.logical_name),)
        component = _Component(urn, planned, spec, identity, issuer, role_arn, role_urns.get(planned.binding, ()))
        for each, import_id in (*_in_aws(component), *_service_account(component)):
            found[each.urn] = each, import_id is not None
        if namespace := planned.namespace:
            type_ = f"{types.NAMESPACE}Patch" if plan.retain_namespaces else types.NAMESPACE
            inputs = {"metadata": {"name": namespace.name}}
            urn = _urn(root, type_, namespace.logical_name)
            found[urn] = Resource(urn, type_, provider=_kubernetes(issuer), inputs=inputs), False
    for guard in plan.guards:
        issuer = lookups.clusters[guard.cluster].issuer
        for each in _guard(root, stack_name, guard, issuer, role_arns):
            found[each.urn] = each, False
    for each in _oidc_providers(root, stack, lookups):
        found[each.urn] = each, False
    return [*found.values()]


def _urn(parent: str, type_: str, name: str) -> str:
    """Return the URN of a resource, whose parent is the stack or a component."""
    start, of_parent = parent.rsplit("::", 2)[0], parent.rsplit("::", 2)[1]
    is_component = of_parent in {COMPONENT_TYPE, GUARD_TYPE}
    return f"{start}::{f'{of_parent}$' if is_component else ''}{type_}::{name}"


def _kubernetes(issuer: str) -> str:
    return f"kubernetes:{issuer_host_path(issuer)}" if issuer else ""


def _value(value: Any) -> Any:
    """Return an input; what is known only during the deployment is what a preview has in its place."""
    if isinstance(value, Later | Unknown):
        return UNKNOWN
    return str(value) if isinstance(value, str) else value


def _inputs(**values: Any) -> dict[str, Any]:
    return {to_camel(key): _value(value) for key, value in values.items() if value is not None}


def _role_arn(spec: Spec, identity: AwsIdentity) -> str:
    """Return the ARN of a component's role, as far as it is known."""
    role = spec.role
    if role is None:
        return str(_value(spec.role_arn))
    start = f"{role.logical_name}-" if role.name_prefix is None else _value(role.name_prefix)
    name = f"{start}{AUTOMATIC_END}" if role.name is None else role.name
    return _arn(identity, "role", role.settings.get("path"), name)


def _arn(identity: AwsIdentity, kind: str, path: Any, name: Any) -> str:
    if isinstance(path, Later) or isinstance(name, Later):
        return UNKNOWN
    return str(Arn(identity.partition, identity.account_id, kind, Arn.with_path(path, name)))


def _in_aws(component: _Component) -> Iterator[tuple[Resource, str | None]]:
    """Yield the component and what it creates in AWS, each with its import ID."""
    spec = component.spec
    recorded = {key: value for key, value in spec.recorded.items() if value is not None}
    yield Resource(component.urn, COMPONENT_TYPE, outputs=recorded), None
    if spec.role is None:
        yield from _associations(component)
        return
    yield _role(component, spec.role), spec.role.import_id
    role = UNKNOWN if spec.role.name is None else _value(spec.role.name)
    for policy in spec.policies:
        created = _policy(component, policy)
        yield created, policy.import_id
        inputs = {"role": role, "policyArn": created.outputs.get("arn", UNKNOWN)}
        attachment = component.child(types.ATTACHMENT, policy.attachment_name, inputs, policies=(created.urn,))
        yield attachment, policy.attachment_import_id
    for each in spec.attachments:
        inputs = _inputs(role=role, policy_arn=each.policy_arn)
        yield component.child(types.ATTACHMENT, each.logical_name, inputs), each.import_id
    for inline in spec.inline_policies:
        inputs = _inputs(role=role, name=inline.name, policy=inline.document)
        yield component.child(types.INLINE_POLICY, inline.logical_name, inputs), inline.import_id
    yield from _associations(component)


def _associations(component: _Component) -> Iterator[tuple[Resource, str | None]]:
    for each in component.spec.associations:
        known = isinstance(each.cluster_arn, str)
        cluster = parse_cluster_arn(each.cluster_arn) if known else None
        inputs = _inputs(
            cluster_name=cluster.name if cluster else each.cluster_arn,
            region=cluster.region if cluster else each.cluster_arn,
            namespace=each.namespace,
            service_account=each.service_account,
            role_arn=component.role_arn,
            disable_session_tags=not each.session_tags,
            target_role_arn=each.target_role_arn,
            policy=each.policy,
            tags=each.tags,
        )
        association = component.child(
            types.POD_IDENTITY_ASSOCIATION, each.logical_name, inputs, roles=component.role_urns
        )
        yield association, each.import_id


def _role(component: _Component, role: CreatedRole) -> Resource:
    outputs = {"arn": component.role_arn} if role.name is not None and component.role_arn != UNKNOWN else {}
    inputs = _inputs(assume_role_policy=role.trust_policy, **role.settings) | _names(role)
    return component.child(types.ROLE, role.logical_name, inputs, outputs=outputs)


def _policy(component: _Component, policy: ManagedPolicy) -> Resource:
    arn = _arn(component.identity, "policy", policy.path, policy.name) if policy.name is not None else UNKNOWN
    settings = {"path": policy.path, "description": policy.description, "tags": policy.tags}
    inputs = _inputs(policy=policy.document, **settings) | _names(policy)
    return component.child(types.POLICY, policy.logical_name, inputs, outputs={} if arn == UNKNOWN else {"arn": arn})


def _names(created: CreatedRole | ManagedPolicy) -> dict[str, Any]:
    """Return the inputs for a name; without one it is automatic, which a preview notes as a default."""
    automatic = [] if created.name is not None else ["name"]
    return {**_inputs(name=created.name, name_prefix=created.name_prefix), "__defaults": automatic}


def _service_account(component: _Component) -> Iterator[tuple[Resource, str | None]]:
    """Yield the service account of a component, if it has one, with its import ID."""
    if account := component.spec.service_account:
        type_ = types.SERVICE_ACCOUNT if account.create else types.SERVICE_ACCOUNT_PATCH
        yield component.child(type_, account.logical_name, _account_inputs(account, component)), account.import_id


def _account_inputs(account: AnnotatedServiceAccount, component: _Component) -> dict[str, Any]:
    webhook, declared = component.spec.webhook, _value(account.annotations)
    settings = (_value(webhook.audience), _value(webhook.sts_regional_endpoints), webhook.token_expiration)
    annotations: Any = UNKNOWN
    if declared != UNKNOWN:
        forced = {PATCH_FORCE: "true"} if account.take_over else {}
        is_used = component.spec.identity.irsa is Use.USED
        written = webhook_annotations(component.role_arn, *settings) if is_used else {}
        # As the component: an empty mapping would be a change in each preview.
        annotations = {**declared, **written, **forced} or None
    metadata = _inputs(name=account.name, namespace=account.namespace, labels=account.labels, annotations=annotations)
    secrets = _value(account.image_pull_secrets)
    return _inputs(
        metadata=metadata,
        image_pull_secrets=[{"name": each} for each in secrets] if isinstance(secrets, list) else secrets,
        automount_service_account_token=account.automount_service_account_token,
    )


def _guard(
    root: str, stack_name: str, planned: PlannedGuard, issuer: str, role_arns: Mapping[str, str]
) -> Iterator[Resource]:
    """Yield the guard of a cluster and its children, as IdentityGuard registers them."""
    accounts = [
        {**account, "role_arn": OUTPUT if role_arns[binding] == UNKNOWN else role_arns[binding]}
        for account, binding in zip(planned.args["service_accounts"], planned.bindings, strict=True)
    ]
    args = {**planned.args, "service_accounts": accounts}
    spec = read_guard(planned.name, args, f"irsa/{stack_name}")[0]._replace(recorded={KEY: planned.cluster})
    urn = _urn(root, GUARD_TYPE, planned.name)
    settings = spec.settings._replace(namespace=str(_value(spec.namespace)))
    yield Resource(urn, GUARD_TYPE, inputs=spec.inputs)

    def child(type_: str, name: str, **inputs: Any) -> Resource:
        return Resource(_urn(urn, type_, name), type_, parent=urn, provider=_kubernetes(issuer), inputs=inputs)

    for each in policies(settings):
        yield child(types.ADMISSION_POLICY, child_name(planned.name, each["metadata"]["name"]), **_said(each))
    names = [config_map_name(settings.stack, planned.name, number) for number in range(len(spec.parts))]
    metadata = {"namespace": settings.namespace, "labels": {**LABELS, STACK_LABEL: settings.stack}}
    for name, part in zip(names, spec.parts, strict=True):
        yield child(types.CONFIG_MAP, name, metadata=metadata, data=_value(part.data))
    samples = [part.sample for part in spec.parts]
    for each in bindings(settings, samples, [f"{name}-{AUTOMATIC_END}" for name in names]):
        yield child(types.ADMISSION_BINDING, child_name(planned.name, each["metadata"]["name"]), **_said(each))


def _said(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: manifest[key] for key in ("metadata", "spec")}


def _oidc_providers(root: str, stack: Stack, lookups: Lookups) -> Iterator[Resource]:
    """Yield the IAM OIDC providers that the stack creates, as program.resolve does."""
    audiences = sorted({audience_of(binding) for binding in stack.bindings.values()})
    for cluster, aws_account in needs_of(stack).audiences:
        if stack.clusters_by_key[cluster].create_oidc_provider:
            issuer, identity = lookups.clusters[cluster].issuer, lookups.aws_accounts[aws_account].identity
            yield Resource(
                _urn(root, types.OIDC_PROVIDER, oidc_provider(stack, aws_account, issuer)),
                types.OIDC_PROVIDER,
                provider=f"aws:{identity.account_id if identity else ''}",
                inputs={"url": str(issuer), "clientIdLists": audiences},
                outputs={"arn": str(lookups.oidc_providers[cluster, aws_account])},
            )
