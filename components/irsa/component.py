"""The ServiceAccountRole component: an IAM role for a Kubernetes service account on EKS."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from irsa.rules.annotations import webhook_annotations
from irsa.rules.arns import Arn, parse_iam_arn
from irsa.rules.names import POLICY, POLICY_PREFIX, ROLE, ROLE_PREFIX, automatic_name_prefix
from irsa.rules.policies import parse_document, split_document
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.validation import check_arguments, late_document, trust_policy, trusted_subjects, warnings

# Between a component's name and what stands for one of its children: not in the keys of bindings (config/across.py),
# so that no two bindings make children of one name, and allowed in IAM's names, since automatic ones start with it.
SEPARATOR = "@"


class ServiceAccountArgs(TypedDict):
    """The Kubernetes service account that is annotated with the role."""

    name: str
    """Name of the service account."""
    namespace: NotRequired[str]
    """Its namespace, which must exist. Default: `default`."""
    create: NotRequired[bool]
    """False: the account exists already; it is annotated and keeps everything else that it has. Default: true."""
    labels: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Labels of a created account."""
    annotations: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Further annotations; none of `eks.amazonaws.com/`."""
    image_pull_secrets: NotRequired[Sequence[str]]
    """Names of Secrets with registry credentials, for a created account."""
    automount_service_account_token: NotRequired[bool]
    """Whether Pods mount a token of a created account."""
    sts_regional_endpoints: NotRequired[bool]
    """Whether AWS SDKs call the regional endpoint of STS."""
    token_expiration: NotRequired[int]
    """Lifetime of the projected token in seconds, at least 600."""


class PolicyArgs(TypedDict):
    """A managed IAM policy that the component creates."""

    document: pulumi.Input[str]
    """The policy document in JSON. A plain text over 6,144 characters is divided over several policies."""
    name: NotRequired[str]
    """Name of the policy. Default: an automatic one."""
    path: NotRequired[str]
    """IAM path. Default: `/`."""
    description: NotRequired[str]
    """Description; IAM never changes it, so another one replaces the policy."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags of the policy. Default: those of the role."""


class ServiceAccountRoleArgs(TypedDict):
    """What a ServiceAccountRole is made of. It has either `oidc_provider_arns` (a role is created) or `role_arn`."""

    service_account: NotRequired[ServiceAccountArgs]
    """The service account. Without it: the role only."""
    role_arn: NotRequired[pulumi.Input[str]]
    """ARN of an existing role: nothing of it is changed, the service account is only annotated."""
    oidc_provider_arns: NotRequired[Sequence[pulumi.Input[str]]]
    """ARNs of the IAM OIDC providers of the clusters, in the role's account."""
    subjects: NotRequired[Sequence[str]]
    """Trusted `namespace:name` patterns (`*` and `?` allowed) besides the service account."""
    any_service_account: NotRequired[bool]
    """True: allows `*:*` among the subjects, every service account of the cluster."""
    audience: NotRequired[str]
    """Audience of the tokens. Default: sts.amazonaws.com."""
    trust_conditions: NotRequired[Mapping[str, Mapping[str, Any]]]
    """Further conditions of the trust policy: operator, key, value or values, as IAM writes them."""
    trust_statements: NotRequired[Sequence[Mapping[str, Any]]]
    """Further statements of the trust policy, as IAM writes them."""
    role_name: NotRequired[str]
    """Name of the role, 1 to 64 characters. Default: an automatic one."""
    role_name_prefix: NotRequired[str]
    """Prefix of the role's name, 1 to 38 characters."""
    description: NotRequired[str]
    """Description of the role."""
    path: NotRequired[str]
    """IAM path of the role. Default: `/`."""
    permissions_boundary: NotRequired[pulumi.Input[str]]
    """ARN of the policy that bounds the role's permissions."""
    max_session_duration: NotRequired[int]
    """Longest session in seconds, 3600 to 43200."""
    force_detach_policies: NotRequired[bool]
    """Whether policies that others attached are detached when the role is deleted."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags of the role, and of the policy unless it has its own; at most 50."""
    policy: NotRequired[PolicyArgs]
    """A managed policy to create and attach."""
    policy_arns: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Existing policies to attach: a name of yours, which stays the same, and the ARN."""
    inline_policies: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Inline policies of the role: name and document in JSON."""
    import_existing: NotRequired[Sequence[str]]
    """What exists already, with the given names, and is adopted instead of created.

    Any of role, policy, attachments, inlinePolicies, serviceAccount."""
    retain_on_delete: NotRequired[bool]
    """True: nothing is deleted in AWS or Kubernetes when the component is removed."""
    trust_policy_size_quota: NotRequired[int]
    """Characters that the account allows in a trust policy. Default: 2,048."""
    attached_policies_quota: NotRequired[int]
    """Managed policies that the account allows on a role. Default: 10."""


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
    """Trusted `namespace:name` patterns, sorted; nothing for an existing role."""
    namespace: pulumi.Output[str | None]
    """Namespace of the service account; nothing for a role only."""
    service_account_name: pulumi.Output[str | None]
    """Name of the service account; nothing for a role only."""
    annotations: pulumi.Output[dict[str, str]]
    """The annotations that a service account needs to use this role."""

    def __init__(self, name: str, args: ServiceAccountRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the role and what belongs to it.

        Args:
            name: Logical name; automatic names start with it.
            args: See ServiceAccountRoleArgs.
            opts: Options of the component. `providers` reach its children.

        Raises:
            pulumi.RunError: Arguments that AWS, Kubernetes or this component would refuse, all of them at once.
        """
        super().__init__("irsa:index:ServiceAccountRole", name, {}, opts)
        check_arguments(name, args)
        for warning in warnings(args):
            pulumi.log.warn(warning, self)
        self._name, self._args = name, args
        attached: list[pulumi.Resource] = []
        policy_arns: list[pulumi.Input[str]] = []
        subjects: list[str] | None = None
        trust: pulumi.Output[str] | None = None
        self._documents: list[pulumi.Output[list[str]]] = []
        if "role_arn" in args:
            self.role_arn = pulumi.Output.from_input(args["role_arn"])
            self.role_name = self.role_arn.apply(lambda arn: arn.rsplit("/", 1)[-1])
        else:
            subjects = trusted_subjects(args)
            trust = pulumi.Output.all(*args["oidc_provider_arns"]).apply(
                lambda provider_arns: trust_policy(args, subjects, provider_arns)
            )
            role = self._role(trust)
            self.role_arn, self.role_name = role.arn, role.name
            policy_arns, attached = self._permissions(role)
        settings = args.get("service_account", {})
        token_expiration = settings.get("token_expiration")
        audience = args.get("audience", DEFAULT_AUDIENCE)
        self.annotations = self.role_arn.apply(
            lambda arn: dict(
                webhook_annotations(
                    arn,
                    None if audience == DEFAULT_AUDIENCE else audience,
                    settings.get("sts_regional_endpoints"),
                    None if token_expiration is None else int(token_expiration),
                )
            )
        )
        self._service_account(attached)
        self.subjects = pulumi.Output.from_input(subjects)
        self.policy_arns = pulumi.Output.all(*policy_arns).apply(sorted)
        account = args.get("service_account")
        self.namespace = pulumi.Output.from_input(account.get("namespace", "default") if account else None)
        self.service_account_name = pulumi.Output.from_input(account["name"] if account else None)
        self.register_outputs(
            {
                "roleArn": self.role_arn,
                "roleName": self.role_name,
                "policyArns": self.policy_arns,
                "subjects": self.subjects,
                "namespace": self.namespace,
                "serviceAccountName": self.service_account_name,
                "annotations": self.annotations,
                # What was declared, for `irsa verify`: a refresh rewrites the children's inputs, but not these.
                "trustPolicy": trust,
                "policyDocuments": pulumi.Output.all(*self._documents).apply(dict),
                "inlinePolicies": args.get("inline_policies", {}),
                "createsServiceAccount": account.get("create", True) if account else None,
            }
        )

    def _child(
        self, kind: str, import_id: str | None = None, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Give a child's options: nothing of the caller's but the parent, and the id of what is adopted."""
        adopted = import_id if kind in self._args.get("import_existing", ()) else None
        return pulumi.ResourceOptions(
            parent=self,
            depends_on=list(after),
            import_=adopted,
            retain_on_delete=self._args.get("retain_on_delete"),
        )

    def _role(self, trust: pulumi.Output[str]) -> aws.iam.Role:
        name, args = self._name, self._args
        role_name = args.get("role_name")
        prefix = args.get("role_name_prefix") or (None if role_name else automatic_name_prefix(name, ROLE, ROLE_PREFIX))
        duration = args.get("max_session_duration")
        return aws.iam.Role(
            name,
            assume_role_policy=trust,
            name=role_name,
            name_prefix=prefix,
            description=args.get("description"),
            path=args.get("path"),
            permissions_boundary=args.get("permissions_boundary"),
            max_session_duration=None if duration is None else int(duration),
            force_detach_policies=args.get("force_detach_policies"),
            tags=args.get("tags"),
            opts=self._child("role", role_name),
        )

    def _permissions(self, role: aws.iam.Role) -> tuple[list[pulumi.Input[str]], list[pulumi.Resource]]:
        name, args = self._name, self._args
        policies: dict[str, tuple[pulumi.Input[str], str | None]] = {
            logical_name: (policy.arn, arn) for logical_name, (policy, arn) in self._policies().items()
        }
        for key, arn in args.get("policy_arns", {}).items():
            policies[f"{name}{SEPARATOR}{key}"] = (arn, arn if isinstance(arn, str) else None)
        attached: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                logical_name,
                role=role.name,
                policy_arn=arn,
                opts=self._child("attachments", known_arn and f"{args.get('role_name')}/{known_arn}"),
            )
            for logical_name, (arn, known_arn) in policies.items()
        ]
        attached += [
            aws.iam.RolePolicy(
                f"{name}{SEPARATOR}{key}",
                role=role.name,
                name=key,
                policy=document,
                opts=self._child("inlinePolicies", f"{args.get('role_name')}:{key}"),
            )
            for key, document in args.get("inline_policies", {}).items()
        ]
        return [arn for arn, _ in policies.values()], attached

    def _policies(self) -> dict[str, tuple[aws.iam.Policy, str | None]]:
        """Give the managed policies by logical name, each with its ARN where that is known beforehand."""
        name, settings = self._name, self._args.get("policy")
        if settings is None:
            return {}
        document = settings["document"]
        # What is known only later can't decide how many policies there are.
        documents: list[pulumi.Input[str]] = (
            [*split_document(parse_document(document))]
            if isinstance(document, str)
            else [pulumi.Output.all(document).apply(lambda texts: late_document(texts[0]))]
        )
        given = settings.get("name")
        policies = {}
        for index, part in enumerate(documents):
            suffix = f"-{index + 1}" if index else ""
            logical_name = f"{name}{SEPARATOR}part{suffix}" if index else name
            arn = self._policy_arn(f"{given}{suffix}", settings.get("path", "/")) if given else None
            policy = aws.iam.Policy(
                logical_name,
                policy=part,
                name=f"{given}{suffix}" if given else None,
                name_prefix=None if given else automatic_name_prefix(logical_name, POLICY, POLICY_PREFIX),
                path=settings.get("path"),
                description=settings.get("description"),
                tags=settings.get("tags", self._args.get("tags")),
                opts=self._child("policy", arn),
            )
            policies[logical_name] = (policy, arn)
            self._documents.append(pulumi.Output.all(policy.arn, part))
        return policies

    def _policy_arn(self, policy_name: str, path: str) -> str | None:
        """Give the ARN that a policy will have: it is in the account of the OIDC providers."""
        provider_arn = next(iter(self._args["oidc_provider_arns"]))
        if not isinstance(provider_arn, str):
            return None
        provider = parse_iam_arn(provider_arn, "oidc-provider")
        return str(Arn(provider.partition, provider.account, "policy", f"{path}{policy_name}".lstrip("/")))

    def _service_account(self, attached: Sequence[pulumi.Resource]) -> None:
        name, settings = self._name, self._args.get("service_account")
        if settings is None:
            return
        namespace = settings.get("namespace", "default")
        account_id = f"{namespace}/{settings['name']}"
        own = settings.get("annotations", {})
        annotations = pulumi.Output.all(own=own, webhook=self.annotations).apply(
            lambda parts: {**parts["own"], **parts["webhook"]}
        )
        if settings.get("create", True):
            secrets = settings.get("image_pull_secrets")
            kubernetes.core.v1.ServiceAccount(
                name,
                metadata=kubernetes.meta.v1.ObjectMetaArgs(
                    name=settings["name"], namespace=namespace, labels=settings.get("labels"), annotations=annotations
                ),
                image_pull_secrets=None
                if secrets is None
                else [kubernetes.core.v1.LocalObjectReferenceArgs(name=secret) for secret in secrets],
                automount_service_account_token=settings.get("automount_service_account_token"),
                # A Pod must not start with a role that can do nothing yet.
                opts=self._child("serviceAccount", account_id, after=attached),
            )
            return
        # A patch of an account that does not exist would create it; reading it first insists that it exists.
        existing = kubernetes.core.v1.ServiceAccount.get(
            f"{name}{SEPARATOR}existing", account_id, opts=pulumi.ResourceOptions(parent=self)
        )
        kubernetes.core.v1.ServiceAccountPatch(
            name,
            metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(
                name=settings["name"],
                namespace=namespace,
                # The force takes our annotation back when somebody overwrote it, instead of a conflict.
                annotations=annotations.apply(lambda values: {**values, "pulumi.com/patchForce": "true"}),
            ),
            opts=self._child("patch", after=[*attached, existing]),
        )
