"""The ServiceAccountRole component: an IAM role for a Kubernetes service account on EKS."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self
from weakref import WeakKeyDictionary

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from irsa import outputs, types
from irsa.args import ServiceAccountRoleArgs
from irsa.association_hooks import association_hooks
from irsa.failed_update import components
from irsa.failed_update import hooks as update_hooks
from irsa.imported import import_hooks, inline_policy_hooks
from irsa.later import InvalidArgumentsError, Later, Read, applied, parsed
from irsa.read import ArgumentMistakes
from irsa.resources import ARN_OF_THE_ROLE, THE_ROLE, THE_SERVICE_ACCOUNT, DeclaredResource, Ref
from irsa.role.in_aws_account import PartialAwsAccount, clusters_elsewhere
from irsa.role.lint import RULES, JudgedRole, findings
from irsa.rules.annotations import PATCH_FORCE, ROLE_KEY, conflicts, webhook_annotations
from irsa.rules.mistakes import Mistake, Place, path_of
from irsa.rules.names import snake
from irsa.spec import WEBHOOK, read, read_again
from irsa.ways import IRSA, ONLY_IRSA

Hooks = Callable[[pulumi.Resource | None], pulumi.ResourceHookBinding | None]
# The class and the hooks of each type of AWS.
OF_AWS: Mapping[str, tuple[Callable[..., pulumi.Resource], Hooks | None]] = {
    types.POLICY: (aws.iam.Policy, update_hooks),
    types.ROLE: (aws.iam.Role, update_hooks),
    types.ATTACHMENT: (aws.iam.RolePolicyAttachment, None),
    types.INLINE_POLICY: (aws.iam.RolePolicy, update_hooks),
    types.POD_IDENTITY_ASSOCIATION: (aws.eks.PodIdentityAssociation, association_hooks),
}
# What waits until the AWS accounts of role and clusters are compared.
DOCUMENT = {types.ROLE: "assumeRolePolicy", types.POLICY: "policy"}
# Inputs of an association in place of which the outputs have the ARN of the cluster.
OF_THE_CLUSTER = {"clusterName", "region"}

# Of each deployment, by its providers of AWS; None is the default one.
_account_ids: WeakKeyDictionary[Any, dict[pulumi.ProviderResource | None, pulumi.Output[str]]] = WeakKeyDictionary()


class ServiceAccountRole(pulumi.ComponentResource):
    """An IAM role that Kubernetes service accounts assume, with its policies, and the annotated service account.

    It does not create the cluster, the IAM OIDC provider or the namespace, and it restarts no Pods.
    """

    role_arn: pulumi.Output[str]
    """ARN of the role."""
    role_name: pulumi.Output[str]
    """Name of the role."""
    policy_arns: pulumi.Output[list[str]]
    """ARNs of the managed policies that are attached, sorted."""
    subjects: pulumi.Output[list[str] | None]
    """Trusted `namespace:name` patterns, sorted: those that the trust policy admits, `*:*` for all of them.

    Null for an existing role, if a Deny excludes some subjects, or if irsa cannot tell: your statements depend on
    conditions that irsa cannot evaluate, or leave out some of a pattern by StringNotLike."""
    namespace: pulumi.Output[str | None]
    """Namespace of the service account; null without one."""
    service_account_name: pulumi.Output[str | None]
    """Name of the service account; null without one."""
    annotations: pulumi.Output[dict[str, str]]
    """The annotations that a service account needs to use this role."""

    def __new__(cls, name: str = "", *_: Any, **keywords: Any) -> Self:
        """Refuse arguments that are passed as keywords, as other resources take them.

        Raises:
            InvalidArgumentsError: There are some.
        """
        # Pulumi makes the schema of the signature of __init__, which stays as it is; a subclass may have its own.
        wrong = [each for each in keywords if each not in ServiceAccountRole.__init__.__annotations__]
        if wrong and cls.__init__ is ServiceAccountRole.__init__:
            keys = ", ".join(f'"{each}": ...' for each in wrong)
            fix = f"write one dictionary: ServiceAccountRole({str(name)!r}, {{{keys}}})"
            mistake = Mistake(f"keyword arguments: {', '.join(wrong)}", "name, args and opts", fix)
            raise InvalidArgumentsError(ArgumentMistakes(name, [((), mistake)], path_of))
        return super().__new__(cls)

    def __init__(
        self,
        name: str,
        args: ServiceAccountRoleArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Create the role, its policies and the service account.

        Args:
            name: Logical name; automatic names start with it.
            args: See ServiceAccountRoleArgs.
            opts: Options of the component; its children use the `providers`.

        Raises:
            InvalidArgumentsError: All arguments that AWS, Kubernetes or this component would refuse.
        """
        # Nothing is registered before all arguments are checked. A class method for what is read already would be one
        # more stack frame, and the engine keeps those of each resource in the state.
        given: Any = args
        spec, hooks = given if isinstance(given, Read) else Read(parsed(read, name, args))
        super().__init__(outputs.COMPONENT_TYPE, name, {}, opts)
        self._spec, self._hooks = spec, hooks
        self._later = Later(functools.partial(read_again, spec.reading))
        settings = filter(spec.declared.has, WEBHOOK)
        self._webhook = {str(place[-1]): self._later.value(spec, ("declared", *place)) for place in settings}
        # Both by a resource's key.
        self._at = {each.key: index for index, each in enumerate(spec.resources)}
        self._made: dict[str, Any] = {}
        self._accounts = self._compared_accounts()
        # Those of a stack file are said with its lines.
        if not spec.recorded:
            self._warn()
        if spec.trust is None:
            self.role_arn = pulumi.Output.from_input(self._later.value(spec, ("role_arn",)))
            self.role_name = self.role_arn.apply(lambda arn: arn.rsplit("/", 1)[-1])
        for resource in spec.resources:
            if resource.key == THE_ROLE:
                role = self._registered(resource)
                self.role_arn, self.role_name = role.arn, role.name
            elif resource.key != THE_SERVICE_ACCOUNT:
                self._registered(resource)
        self.annotations = self._webhook_annotations()
        if spec.service_account:
            self._service_account(spec.service_account)
        self._set_outputs()

    def _set_outputs(self) -> None:
        spec, role, service_account = self._spec, self._spec.role, self._spec.service_account
        created = [self._made[policy.key] for policy in spec.of(types.POLICY)]
        documents = self._inputs(types.POLICY, "policy")
        self.policy_arns = pulumi.Output.all(*self._inputs(types.ATTACHMENT, "policyArn")).apply(sorted)
        self.subjects = pulumi.Output.from_input(self._of_trust("subjects"))
        self.namespace, self.service_account_name = (
            pulumi.Output.from_input(service_account and self._input(service_account, f"metadata.{each}"))
            for each in ("namespace", "name")
        )
        self.register_outputs(
            {
                outputs.ROLE_ARN: self.role_arn,
                outputs.ROLE_NAME: self.role_name,
                outputs.POLICY_ARNS: self.policy_arns,
                outputs.SUBJECTS: self.subjects,
                outputs.NAMESPACE: self.namespace,
                outputs.SERVICE_ACCOUNT_NAME: self.service_account_name,
                outputs.ANNOTATIONS: self.annotations,
                outputs.TRUST_POLICY: role and self._input(role, "assumeRolePolicy"),
                outputs.POLICY_DOCUMENTS: pulumi.Output.all(
                    arns=[policy.arn for policy in created], documents=documents
                ).apply(lambda known: dict(zip(known["arns"], known["documents"], strict=True))),
                outputs.ROLE_SETTINGS: role
                and {each: self._input(role, each) for each in types.ROLE_SETTINGS if role.inputs[each] is not None},
                outputs.INLINE_POLICIES: {
                    policy.inputs["name"]: self._input(policy, "policy") for policy in spec.of(types.INLINE_POLICY)
                },
                outputs.CREATES_SERVICE_ACCOUNT: service_account and service_account.type == types.SERVICE_ACCOUNT,
                **self._recorded_identity(),
                **spec.recorded,
            }
        )

    def _recorded_identity(self) -> dict[str, Any]:
        """Return what is recorded of the ways to the role; nothing for IRSA alone."""
        if self._spec.identity == ONLY_IRSA:
            return {}
        associations = [
            {"clusterArn": self._cluster_arn(each)}
            | {name: self._input(each, name) for name in each.inputs if name not in OF_THE_CLUSTER}
            for each in self._spec.of(types.POD_IDENTITY_ASSOCIATION)
        ]
        recorded = {outputs.IDENTITY: self._spec.identity.recorded}
        return {**recorded, outputs.ASSOCIATIONS: associations} if associations else recorded

    def _of_trust(self, name: str) -> Any:
        return self._later.value(self._spec, ("trust", name)) if self._spec.trust else None

    def _input(self, resource: DeclaredResource, name: str) -> Any:
        """Return an input: now or, with outputs in it, when these are known."""
        value = resource.inputs[name]
        if isinstance(value, Ref):
            return self.role_arn if value == ARN_OF_THE_ROLE else getattr(self._made[value.key], value.output)
        return self._later.value(self._spec, ("resources", self._at[resource.key], "inputs", name))

    def _inputs(self, kind: str, name: str) -> list[Any]:
        return [self._input(each, name) for each in self._spec.of(kind)]

    def _cluster_arn(self, association: DeclaredResource) -> Any:
        return self._later.value(self._spec, ("resources", self._at[association.key], "facts", "clusterArn"))

    def _warn(self) -> None:
        """Print what the lint rules find, and when outputs are known, what they find then."""
        said = set[tuple[str, Place]]()

        def warn(judged: JudgedRole, is_secret: bool = False) -> None:
            found = [each for each in findings(judged) if (each.rule, each.place) not in said]
            for rule, place, mistake in found:
                text = RULES[rule].description if is_secret else mistake.found
                pulumi.log.warn(f"{self._spec.reading.spelling(place)}: {text} [{rule}]", self)
            said.update((each.rule, each.place) for each in found)

        warn(self._spec.judged)
        later = self._later.value(self._spec, ("judged",))
        if isinstance(later, pulumi.Output):
            secret: Any = pulumi.Output.all(later.is_secret())
            secret.apply(lambda found: later.apply(lambda known: warn(known, found[0])))

    def _options(self, resource: DeclaredResource, *hooks: pulumi.ResourceHookBinding | None) -> pulumi.ResourceOptions:
        """Return a child's options: parent, dependencies, import ID, hooks; none of the caller's."""
        own = pulumi.ResourceOptions(
            parent=self,
            depends_on=[self._made[key] for key in resource.after],
            import_=resource.import_id,
            retain_on_delete=self._spec.retain_on_delete,
            hooks=import_hooks(self) if resource.import_id else None,
        )
        of_hooks = (pulumi.ResourceOptions(hooks=each) for each in hooks)
        return functools.reduce(pulumi.ResourceOptions.merge, [*of_hooks, own])

    def _registered(self, resource: DeclaredResource) -> Any:
        """Register a resource of AWS."""
        inputs = {name: self._input(resource, name) for name in resource.inputs}
        if resource.type in DOCUMENT:
            document = inputs[DOCUMENT[resource.type]]
            inputs[DOCUMENT[resource.type]] = applied(
                lambda known: known["document"], document=document, accounts=self._accounts
            )
        components[resource.type, resource.logical_name].add(self)
        make, hooks = OF_AWS[resource.type]
        of_role, of_type = None, hooks(self) if hooks else None
        if resource.type == types.INLINE_POLICY and self._spec.role and self._spec.role.import_id:
            of_role = inline_policy_hooks(self)
        arguments = {snake(name): value for name, value in inputs.items()}
        self._made[resource.key] = made = make(
            resource.logical_name, opts=self._options(resource, of_role, of_type), **arguments
        )
        return made

    def _compared_accounts(self) -> Any:
        """Return what fails where the role would be in another AWS account than a cluster of its associations.

        EKS refuses those, but only when policy and role are there.
        """
        associations = self._spec.of(types.POD_IDENTITY_ASSOCIATION)
        if self._spec.recorded or not (self._spec.trust and associations):
            return None  # a stack file says both AWS accounts

        arns = {each.logical_name: self._cluster_arn(each) for each in associations}

        def compare(found: Sequence[Any]) -> None:
            (known, account_id), secret = found
            wrong = clusters_elsewhere(known, PartialAwsAccount(None, account_id))
            if mistakes := [(("cluster_arns",), mistake) for _, mistake in wrong]:
                raise InvalidArgumentsError(self._spec.reading.refusal(mistakes, secret))

        both = pulumi.Output.all(arns, self._account_id())
        return pulumi.Output.all(both, both.is_secret()).apply(compare)

    def _account_id(self) -> pulumi.Output[str]:
        """Return the AWS account in which the role is created, asked once of each provider."""
        asked = _account_ids.setdefault(pulumi.runtime.settings.get_monitor(), {})
        provider = self.get_provider("aws:index:Provider")
        if provider not in asked:
            found = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self))
            asked[provider] = found.account_id
        return asked[provider]

    def _webhook_annotations(self) -> pulumi.Output[dict[str, str]]:
        if IRSA not in self._spec.identity.used:
            return pulumi.Output.from_input({})
        annotations: pulumi.Output[dict[str, str]] = applied(
            lambda known: dict(webhook_annotations(**known)), role_arn=self.role_arn, **self._webhook
        )
        return annotations

    def _service_account(self, service_account: DeclaredResource) -> None:
        def of(name: str) -> Any:
            return self._input(service_account, name)

        name, namespace, declared = (of(f"metadata.{each}") for each in ("name", "namespace", "annotations"))
        logical_name, take_over = service_account.logical_name, service_account.facts["takeOver"]
        annotations = applied(lambda known: known["own"] | known["webhook"], own=declared, webhook=self.annotations)
        if service_account.type == types.SERVICE_ACCOUNT:
            metadata = kubernetes.meta.v1.ObjectMetaArgs(
                name=name,
                namespace=namespace,
                labels=of("metadata.labels"),
                # The API server keeps no empty mapping: each preview would show it as a change.
                annotations=applied(lambda known: known["annotations"] or None, annotations=annotations),
            )
            secrets = of("imagePullSecrets")
            kubernetes.core.v1.ServiceAccount(
                logical_name,
                metadata=metadata,
                image_pull_secrets=None if secrets is None else applied(_references, secrets=secrets),
                automount_service_account_token=of("automountServiceAccountToken"),
                opts=self._options(service_account, self._hooks),
            )
            return
        # A patch would create a missing service account; reading it first fails when it does not exist.
        identifier = applied(lambda known: f"{known['namespace']}/{known['name']}", namespace=namespace, name=name)
        is_patched = IRSA in self._spec.identity.used or declared != {}
        existing = kubernetes.core.v1.ServiceAccount.get(
            # One that the stack created is not deleted when `create` becomes false: the patch takes its place in the
            # state or, without one, what is read.
            outputs.child_name(logical_name, "existing") if is_patched else logical_name,
            # The SDK reads no resource by a secret ID.
            pulumi.Output.unsecret(identifier) if isinstance(identifier, pulumi.Output) else identifier,
            opts=pulumi.ResourceOptions(parent=self),
        )
        if not is_patched:
            return
        kubernetes.core.v1.ServiceAccountPatch(
            logical_name,
            metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(
                name=name,
                namespace=namespace,
                annotations=self._by_key(
                    declared, self._patched(service_account, annotations, existing.metadata), take_over
                ),
            ),
            opts=pulumi.ResourceOptions.merge(
                self._options(service_account),
                pulumi.ResourceOptions(
                    depends_on=[existing],
                    # What the stack created keeps its settings.
                    aliases=[pulumi.Alias(type_=types.SERVICE_ACCOUNT)],
                    ignore_changes=["metadata.labels", "imagePullSecrets", "automountServiceAccountToken"],
                ),
            ),
        )

    def _patched(self, service_account: DeclaredResource, annotations: Any, live: Any) -> Any:
        """Return the annotations of a patch, and warn of those that the API server will not let it overwrite."""
        if service_account.facts["takeOver"]:
            return annotations

        # With the marker of an output, which may be a secret.
        about = "/".join(str(service_account.inputs[f"metadata.{each}"]) for each in ("namespace", "name"))

        def warned(known: Mapping[str, Any]) -> Any:
            # Without an answer of the API, as in a program's own mocks, there is nothing to compare.
            if found := known["live"]:
                fields = found.get("managed_fields") or ()
                managed = [(each.get("manager", ""), each.get("fields_v1")) for each in fields]
                values = found.get("annotations") or {}
                argument = self._spec.reading.spelling(("service_account", "take_over"))
                for warning in conflicts(about, known["annotations"], values, managed, argument):
                    pulumi.log.warn(warning, self)
            return known["annotations"]

        # As part of the annotations, it is reported before the patch is sent.
        return applied(warned, annotations=annotations, live=live)

    def _by_key(self, declared: Any, annotations: Any, take_over: bool) -> Any:
        """Return the annotations of a patch one by one: a preview shows all but the ARN of a role that is created."""
        forced = {PATCH_FORCE: "true"} if take_over else {}
        is_later = any(isinstance(each, pulumi.Output) for each in (declared, *self._webhook.values()))
        if is_later or IRSA not in self._spec.identity.used:
            return applied(lambda known: {**known["annotations"], **forced}, annotations=annotations)
        return {
            **declared,
            **webhook_annotations("", **self._webhook),
            ROLE_KEY: annotations.apply(lambda known: known[ROLE_KEY]),
            **forced,
        }


def _references(known: Mapping[str, Sequence[str]]) -> list[kubernetes.core.v1.LocalObjectReferenceArgs]:
    return [kubernetes.core.v1.LocalObjectReferenceArgs(name=secret) for secret in known["secrets"]]
