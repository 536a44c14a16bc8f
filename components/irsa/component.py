"""The ServiceAccountRole component: an IAM role for a Kubernetes service account on EKS."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self
from weakref import WeakKeyDictionary

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from irsa import outputs
from irsa.args import ServiceAccountRoleArgs
from irsa.association_hooks import association_hooks
from irsa.evaluation.unlimited import unlimited
from irsa.failed_update import hooks as update_hooks
from irsa.imported import import_hooks, inline_policy_hooks
from irsa.in_aws_account import AwsAccount, clusters_elsewhere
from irsa.later import InvalidArgumentsError, Later, applied
from irsa.pod_identity import Association
from irsa.read import REDACTED, ArgumentMistakes
from irsa.rules.annotations import PATCH_FORCE, ROLE_ARN, conflicts, webhook_annotations
from irsa.rules.arns import parse_cluster_arn
from irsa.rules.identity import ONLY_IRSA, Use
from irsa.rules.mistakes import Mistake, Spelling, path_of
from irsa.rules.unknown import has_unknown
from irsa.spec import AnnotatedServiceAccount, CreatedRole, ManagedPolicy, Spec, parse, read_again

# Of each deployment, by its providers of AWS; None is the default one.
_account_ids: WeakKeyDictionary[Any, dict[pulumi.ProviderResource | None, pulumi.Output[str]]] = WeakKeyDictionary()


def parsed(name: str, args: Any, spelling: Spelling = path_of) -> Spec:
    """Return what the arguments of a component declare.

    Raises:
        InvalidArgumentsError: All mistakes in them.
    """
    try:
        return parse(name, args, spelling)
    except ArgumentMistakes as found:
        raise InvalidArgumentsError(found) from None


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

    Null for an existing role, or if irsa cannot tell: your statements depend on conditions that it cannot evaluate, or
    their patterns combine in too many ways."""
    denied_subjects: pulumi.Output[list[str] | None]
    """Patterns of those whom `subjects` matches and the trust policy denies. Null where it denies none of them.

    An empty list where no pattern says whom it denies, or each cluster denies others."""
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
        *,
        spec: Spec | None = None,
        hooks: pulumi.ResourceHookBinding | None = None,
    ) -> None:
        """Create the role, its policies and the service account.

        Args:
            name: Logical name; automatic names start with it.
            args: See ServiceAccountRoleArgs.
            opts: Options of the component; its children use the `providers`.
            spec: What the arguments declare, where they are parsed already: then `args` are not read.
            hooks: Hooks of the service account that it creates.

        Raises:
            InvalidArgumentsError: All arguments that AWS, Kubernetes or this component would refuse.
        """
        # Nothing is registered before all arguments are checked. A class method for what is parsed already would be one
        # more stack frame, and the engine keeps those of each resource in the state.
        spec = spec or parsed(name, args)
        super().__init__(outputs.COMPONENT_TYPE, name, {}, opts)
        for warning in spec.warnings:
            pulumi.log.warn(warning, self)
        self._spec, self._hooks = spec, hooks
        self._later = Later(functools.partial(read_again, spec.reading))
        self._accounts = self._compared_accounts()
        # Of a stack file, the lint rules say more.
        if spec.role and not spec.recorded:
            self._warn_of_what_is_unlimited(spec.role)
        policies = [(policy, self._policy(index, policy)) for index, policy in enumerate(spec.policies)]
        role = self._role(spec.role, [resource for _, resource in policies]) if spec.role else None
        if role:
            self.role_arn, self.role_name = role.arn, role.name
        else:
            self.role_arn = pulumi.Output.from_input(self._input("role_arn"))
            self.role_name = self.role_arn.apply(lambda arn: arn.rsplit("/", 1)[-1])
        attached = self._permissions(role, policies) if role else []
        # A Pod must not start before its role has permissions, nor before its association is there.
        attached += [self._association(index, each, attached) for index, each in enumerate(spec.associations)]
        self.annotations = self._webhook_annotations()
        if spec.service_account:
            self._service_account(spec.service_account, attached)
        self._set_outputs([resource.arn for _, resource in policies])

    def _set_outputs(self, created_policy_arns: Sequence[pulumi.Output[str]]) -> None:
        spec, service_account = self._spec, self._spec.service_account
        attachments, inline_policies = range(len(spec.attachments)), enumerate(spec.inline_policies)
        attached = (self._input("attachments", each, "policy_arn") for each in attachments)
        policy_arns = [*created_policy_arns, *attached]
        documents = [self._document(index) for index in range(len(spec.policies))]
        self.policy_arns = pulumi.Output.all(*policy_arns).apply(sorted)
        self.subjects = pulumi.Output.from_input(self._subjects(spec.role) if spec.role else None)
        denied = spec.role.denied_subjects if spec.role else None
        self.denied_subjects = pulumi.Output.from_input(
            denied if denied is None else self._input("role", "denied_subjects")
        )
        self.namespace, self.service_account_name = (
            pulumi.Output.from_input(service_account and self._input("service_account", each))
            for each in ("namespace", "name")
        )
        self.register_outputs(
            {
                outputs.ROLE_ARN: self.role_arn,
                outputs.ROLE_NAME: self.role_name,
                outputs.POLICY_ARNS: self.policy_arns,
                outputs.SUBJECTS: self.subjects,
                **({} if denied is None else {outputs.DENIED_SUBJECTS: self.denied_subjects}),
                outputs.NAMESPACE: self.namespace,
                outputs.SERVICE_ACCOUNT_NAME: self.service_account_name,
                outputs.ANNOTATIONS: self.annotations,
                outputs.TRUST_POLICY: self._input("role", "trust_policy") if spec.role else None,
                outputs.POLICY_DOCUMENTS: pulumi.Output.all(arns=[*created_policy_arns], documents=documents).apply(
                    lambda known: dict(zip(known["arns"], known["documents"], strict=True))
                ),
                outputs.ROLE_SETTINGS: self._recorded_settings(spec.role),
                outputs.INLINE_POLICIES: {
                    policy.name: self._inline_document(index) for index, policy in inline_policies
                },
                outputs.CREATES_SERVICE_ACCOUNT: service_account.create if service_account else None,
                **self._recorded_identity(),
                **spec.recorded,
            }
        )

    def _recorded_identity(self) -> dict[str, Any]:
        """Return what is recorded of the ways to the role; nothing for IRSA alone, as in states of older versions."""
        if self._spec.identity == ONLY_IRSA:
            return {}
        associations = [
            {
                "clusterArn": self._of_association(index, "cluster_arn"),
                "namespace": self._of_association(index, "namespace"),
                "serviceAccount": self._of_association(index, "service_account"),
                "roleArn": self.role_arn,
                "disableSessionTags": not each.session_tags,
                "targetRoleArn": self._of_association(index, "target_role_arn"),
                "policy": self._of_association(index, "policy"),
                "tags": self._of_association(index, "tags"),
            }
            for index, each in enumerate(self._spec.associations)
        ]
        recorded = {outputs.IDENTITY: self._spec.identity.recorded}
        return {**recorded, outputs.ASSOCIATIONS: associations} if associations else recorded

    def _input(self, *path: str | int) -> Any:
        """Return a value of the spec for a resource, now or, with outputs in it, when these are known."""
        return self._later.value(self._spec, path)

    def _document(self, index: int) -> Any:
        return self._input("policies", index, "document")

    def _inline_document(self, index: int) -> Any:
        return self._input("inline_policies", index, "document")

    def _of_association(self, index: int, name: str) -> Any:
        return self._input("associations", index, name)

    def _recorded_settings(self, role: CreatedRole | None) -> dict[str, Any] | None:
        if role is None:
            return None
        given = (each for each in outputs.RECORDED_SETTINGS.items() if role.settings[each[0]] is not None)
        return {name: self._input("role", "settings", key) for key, name in given}

    def _warn_of_what_is_unlimited(self, role: CreatedRole) -> None:
        policies, inline, attached = self._spec.policies, self._spec.inline_policies, self._spec.attachments
        documents = {f"document {each.logical_name}": self._document(index) for index, each in enumerate(policies)}
        documents |= {f"inline {each.name}": self._inline_document(index) for index, each in enumerate(inline)}
        arns = {
            f"attached {each.logical_name}": self._input("attachments", index, "policy_arn")
            for index, each in enumerate(attached)
        }

        def warn(known: Mapping[str, Any]) -> None:
            read = [json.loads(known[each]) for each in documents]
            for warning in unlimited(read, [known[each] for each in arns], known["subjects"]):
                pulumi.log.warn(warning, self)

        # Where the trust policy has statements of the caller's, it is judged as a whole.
        subjects = self._input("role", "subjects") if role.admission is None else []
        applied(warn, **documents, **arns, subjects=subjects)

    def _subjects(self, role: CreatedRole) -> Any:
        """Return whom the role trusts, and warn of others as soon as it is known."""
        subjects = self._input("role", "subjects")
        if not has_unknown(role.trust_warnings):
            return subjects

        def warned(known: Mapping[str, Any]) -> Any:
            for warning in known["warnings"]:
                pulumi.log.warn(warning, self)
            return known["subjects"]

        return applied(warned, subjects=subjects, warnings=self._input("role", "trust_warnings"))

    def _child(self, import_id: str | None = None, after: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        """Return a child's options: parent, dependencies, import ID; none of the caller's."""
        return pulumi.ResourceOptions(
            parent=self,
            depends_on=[*after],
            import_=import_id,
            retain_on_delete=self._spec.retain_on_delete,
            hooks=import_hooks(self) if import_id else None,
        )

    def _updated_child(
        self, import_id: str | None = None, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Return the same of a child of AWS that may be updated in place."""
        return pulumi.ResourceOptions.merge(
            pulumi.ResourceOptions(hooks=update_hooks(self)), self._child(import_id, after)
        )

    def _compared_accounts(self) -> Any:
        """Return what fails where the role would be in another AWS account than a cluster of its associations.

        EKS refuses those, but only when policy and role are there.
        """
        if self._spec.recorded or not (self._spec.role and self._spec.associations):
            return None  # a stack file says both AWS accounts

        arns = {
            each.logical_name: self._of_association(at, "cluster_arn")
            for at, each in enumerate(self._spec.associations)
        }

        def compare(found: Sequence[Any]) -> None:
            (known, account_id), secret = found
            wrong = clusters_elsewhere(known, AwsAccount(None, account_id))
            if mistakes := [(("cluster_arns",), REDACTED if secret else mistake) for _, mistake in wrong]:
                raise InvalidArgumentsError(ArgumentMistakes(self._name, mistakes, self._spec.reading.spelling))

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

    def _role(self, role: CreatedRole, policies: Sequence[aws.iam.Policy]) -> aws.iam.Role:
        return aws.iam.Role(
            role.logical_name,
            assume_role_policy=self._compared(self._input("role", "trust_policy")),
            name=self._input("role", "name"),
            name_prefix=self._input("role", "name_prefix"),
            # With a role that is replaced go its attachments, and the engine lets nothing else wait for them. IAM
            # refuses to delete a policy that is still attached, if that is replaced too.
            opts=self._updated_child(role.import_id, after=policies),
            **{key: self._input("role", "settings", key) for key in role.settings},
        )

    def _compared(self, document: Any) -> Any:
        """Return a document once the AWS accounts of role and clusters are compared."""
        return applied(lambda known: known["document"], document=document, accounts=self._accounts)

    def _policy(self, index: int, policy: ManagedPolicy) -> aws.iam.Policy:
        def of(name: str) -> Any:
            return self._input("policies", index, name)

        return aws.iam.Policy(
            policy.logical_name,
            policy=self._compared(of("document")),
            name=of("name"),
            name_prefix=policy.name_prefix,
            path=of("path"),
            description=of("description"),
            tags=of("tags"),
            opts=self._updated_child(policy.import_id),
        )

    def _permissions(
        self, role: aws.iam.Role, policies: Sequence[tuple[ManagedPolicy, aws.iam.Policy]]
    ) -> list[pulumi.Resource]:
        attachments: list[tuple[str, pulumi.Input[str], str | None]] = [
            (policy.attachment_name, resource.arn, policy.attachment_import_id) for policy, resource in policies
        ]
        attachments += [
            (each.logical_name, self._input("attachments", index, "policy_arn"), each.import_id)
            for index, each in enumerate(self._spec.attachments)
        ]
        attached: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(logical_name, role=role.name, policy_arn=arn, opts=self._child(import_id))
            for logical_name, arn, import_id in attachments
        ]
        is_imported = self._spec.role is not None and self._spec.role.import_id is not None
        attached += [
            aws.iam.RolePolicy(
                policy.logical_name,
                role=role.name,
                name=policy.name,
                policy=self._inline_document(index),
                opts=pulumi.ResourceOptions.merge(
                    pulumi.ResourceOptions(
                        hooks=inline_policy_hooks(self, policy.logical_name) if is_imported else None
                    ),
                    self._updated_child(policy.import_id),
                ),
            )
            for index, policy in enumerate(self._spec.inline_policies)
        ]
        return attached

    def _association(self, index: int, each: Association, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        cluster = self._of_association(index, "cluster_arn")
        name, region = (
            applied(lambda known, part=part: getattr(parse_cluster_arn(known["arn"]), part), arn=cluster)  # type: ignore[misc]
            for part in ("name", "region")
        )
        opts = pulumi.ResourceOptions(hooks=association_hooks(self))
        return aws.eks.PodIdentityAssociation(
            each.logical_name,
            cluster_name=name,
            region=region,
            namespace=self._of_association(index, "namespace"),
            service_account=self._of_association(index, "service_account"),
            role_arn=self.role_arn,
            disable_session_tags=not each.session_tags,
            target_role_arn=self._of_association(index, "target_role_arn"),
            policy=self._of_association(index, "policy"),
            tags=self._of_association(index, "tags"),
            opts=pulumi.ResourceOptions.merge(opts, self._child(each.import_id, after)),
        )

    def _webhook_annotations(self) -> pulumi.Output[dict[str, str]]:
        webhook = self._spec.webhook
        if self._spec.identity.irsa is not Use.USED:
            return pulumi.Output.from_input({})
        annotations: pulumi.Output[dict[str, str]] = applied(
            lambda known: dict(webhook_annotations(**known, token_expiration=webhook.token_expiration)),
            role_arn=self.role_arn,
            audience=self._input("webhook", "audience"),
            sts_regional_endpoints=self._input("webhook", "sts_regional_endpoints"),
        )
        return annotations

    def _service_account(self, service_account: AnnotatedServiceAccount, attached: Sequence[pulumi.Resource]) -> None:
        def of(attribute: str) -> Any:
            return self._input("service_account", attribute)

        name, namespace, declared = of("name"), of("namespace"), of("annotations")
        logical_name = service_account.logical_name
        annotations = applied(lambda known: known["own"] | known["webhook"], own=declared, webhook=self.annotations)
        if service_account.create:
            metadata = kubernetes.meta.v1.ObjectMetaArgs(
                name=name,
                namespace=namespace,
                labels=of("labels"),
                # The API server keeps no empty mapping: each preview would show it as a change.
                annotations=applied(lambda known: known["annotations"] or None, annotations=annotations),
            )
            secrets = of("image_pull_secrets")
            kubernetes.core.v1.ServiceAccount(
                logical_name,
                metadata=metadata,
                image_pull_secrets=None if secrets is None else applied(_references, secrets=secrets),
                automount_service_account_token=of("automount_service_account_token"),
                opts=pulumi.ResourceOptions.merge(
                    pulumi.ResourceOptions(hooks=self._hooks), self._child(service_account.import_id, after=attached)
                ),
            )
            return
        # A patch would create a missing service account; reading it first fails when it does not exist.
        identifier = applied(lambda known: f"{known['namespace']}/{known['name']}", namespace=namespace, name=name)
        existing = kubernetes.core.v1.ServiceAccount.get(
            outputs.existing_name(logical_name),
            # The SDK reads no resource by a secret ID.
            pulumi.Output.unsecret(identifier) if isinstance(identifier, pulumi.Output) else identifier,
            opts=pulumi.ResourceOptions(parent=self),
        )
        if self._spec.identity.irsa is not Use.USED and declared == {}:
            return
        kubernetes.core.v1.ServiceAccountPatch(
            logical_name,
            metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(
                name=name,
                namespace=namespace,
                annotations=self._by_key(
                    declared, self._patched(annotations, existing.metadata, service_account), service_account.take_over
                ),
            ),
            opts=self._child(after=[*attached, existing]),
        )

    def _patched(self, annotations: Any, live: Any, service_account: AnnotatedServiceAccount) -> Any:
        """Return the annotations of a patch, and warn of those that the API server will not let it overwrite."""
        if service_account.take_over:
            return annotations

        def warned(known: Mapping[str, Any]) -> Any:
            # Without an answer of the API, as in a program's own mocks, there is nothing to compare.
            if found := known["live"]:
                fields = found.get("managed_fields") or ()
                managed = [(each.get("manager", ""), each.get("fields_v1")) for each in fields]
                about, values = f"{found.get('namespace')}/{found.get('name')}", found.get("annotations") or {}
                argument = self._spec.reading.spelling(("service_account", "take_over"))
                for warning in conflicts(about, known["annotations"], values, managed, argument):
                    pulumi.log.warn(warning, self)
            return known["annotations"]

        # As part of the annotations, it is reported before the patch is sent.
        return applied(warned, annotations=annotations, live=live)

    def _by_key(self, declared: Any, annotations: Any, take_over: bool) -> Any:
        """Return the annotations of a patch one by one: a preview shows all but the ARN of a role that is created."""
        forced = {PATCH_FORCE: "true"} if take_over else {}
        webhook, is_used = self._spec.webhook, self._spec.identity.irsa is Use.USED
        audience = self._input("webhook", "audience")
        endpoints = self._input("webhook", "sts_regional_endpoints")
        if not is_used or any(isinstance(each, pulumi.Output) for each in (declared, audience, endpoints)):
            return applied(lambda known: {**known["annotations"], **forced}, annotations=annotations)
        settings = webhook_annotations("", audience, endpoints, webhook.token_expiration)
        return {**declared, **settings, ROLE_ARN: annotations.apply(lambda known: known[ROLE_ARN]), **forced}


def _references(known: Mapping[str, Sequence[str]]) -> list[kubernetes.core.v1.LocalObjectReferenceArgs]:
    return [kubernetes.core.v1.LocalObjectReferenceArgs(name=secret) for secret in known["secrets"]]
