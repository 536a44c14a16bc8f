"""The settings of a stack file. Docstrings of attributes become the descriptions in editors and docs."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic.alias_generators import to_camel

from config.variables import replaced
from irsa.add_ons.catalog import check_add_on, names
from irsa.add_ons.parameters import PARAMETERS, check_scope
from irsa.guard.modes import EXCEPTIONS, MODES, check_exception, check_mode
from irsa.rules import commands, quotas
from irsa.rules.annotations import check_annotation_key
from irsa.rules.arns import EXAMPLES, LONGEST_ISSUER, check_issuer, parse_iam_arn
from irsa.rules.combinations import ADOPTABLE, check_adoptable
from irsa.rules.identity import SHORT, Use, parse_identity
from irsa.rules.mistakes import Located, Mistake, shortened
from irsa.rules.names import AUDIENCE, check_name
from irsa.rules.names import RULES as NAME_RULES
from irsa.rules.subjects import check_subject
from irsa.rules.unknown import Unknown


# pydantic parses the text of the signatures of `list` and `dict`, at each field: a thirtieth of a short run.
def _list() -> list[Any]:
    return []


def _mapping() -> dict[str, Any]:
    return {}


def _name(kind: str) -> AfterValidator:
    return AfterValidator(lambda value: check_name(value, NAME_RULES[kind]))


def _name_schema(kind: str, example: str) -> WithJsonSchema:
    rule = NAME_RULES[kind]
    # Python's \w matches letters of every script, that of an editor does not.
    pattern = {} if rule.letters_of_any_script else {"pattern": f"^(?:{rule.pattern})$"}
    return _schema(example, maxLength=rule.longest, **pattern)


def _arn(kind: str, variables_allowed: bool = True) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        if not variables_allowed and "${" in value:
            found = f"{value!r}, in which variables are not replaced"
            raise Mistake(found, "an ARN without variables", "write the ARN")
        # With a variable in it, it is judged when that is replaced.
        if "${" not in value:
            parse_iam_arn(value, kind, info.context)
        return value

    return AfterValidator(check)


def _arn_schema(kind: str, variables_allowed: bool = True) -> WithJsonSchema:
    pattern = rf"^arn:[^:]+:iam::[^:]+:{kind}/.+$" + (r"|\$\{" if variables_allowed else "")
    return _schema(EXAMPLES[kind], pattern=pattern)


def _schema(example: str, **limits: str | int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **limits, "examples": [example]})


def _stack_name(value: str) -> str:
    if re.fullmatch(STACK_NAME, value):
        return value
    fix = f"copy it from `{commands.LIST_STACKS}`"
    raise Mistake(f"{value!r} is not the full name of a stack", "organization/project/stack", fix)


def _variable_name(value: str) -> str:
    if re.fullmatch(VARIABLE_NAME, value):
        return value
    allowed = "letters, digits and _, not starting with a digit"
    raise Mistake(f"{value!r} is not a variable name", allowed, "write another name")


def _kubeconfig_path(value: str) -> str:
    if "\n" in value or value.lstrip().startswith("{"):
        # Nothing of it is shown: it holds credentials.
        fix = "save it as a file, and name that"
        raise Mistake("the contents of a kubeconfig", "the path of a kubeconfig file", fix)
    return value


def _variable_value(value: str) -> str:
    found: list[Located] = []
    replaced(value, {}, found)
    if found:
        fix = "write the value out"
        raise Mistake(f"{shortened(value)}, in which nothing is replaced", "a value without variables", fix)
    return value


ISSUER_EXAMPLE = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
# https://www.pulumi.com/docs/iac/concepts/stacks/#create-stack
STACK_NAME = "[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+"
VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
RoleArn = Annotated[str, _arn("role"), _arn_schema("role")]
# Used before any AWS account or region is known, so without variables.
LiteralRoleArn = Annotated[str, _arn("role", variables_allowed=False), _arn_schema("role", variables_allowed=False)]
PolicyArn = Annotated[str, _arn("policy"), _arn_schema("policy")]
ProviderArn = Annotated[
    str, _arn("oidc-provider", variables_allowed=False), _arn_schema("oidc-provider", variables_allowed=False)
]
_issuer_schema = _schema(ISSUER_EXAMPLE, pattern=r"^https://[^?]+$", maxLength=LONGEST_ISSUER)
Issuer = Annotated[str, AfterValidator(check_issuer), _issuer_schema]
_stack_name_schema = _schema("organization/platform/prod", pattern=f"^{STACK_NAME}$")
StackName = Annotated[str, AfterValidator(_stack_name), _stack_name_schema]
VariableName = Annotated[
    str, AfterValidator(_variable_name), WithJsonSchema({"type": "string", "pattern": f"^{VARIABLE_NAME}$"})
]
KubeconfigPath = Annotated[str, AfterValidator(_kubeconfig_path)]
VariableValue = Annotated[str, Field(min_length=1), AfterValidator(_variable_value)]
ClusterName = Annotated[str, _name("cluster"), _name_schema("cluster", "my-cluster")]
Region = Annotated[str, _name("region"), _name_schema("region", "us-west-2")]
Key = Annotated[str, _name("key"), _name_schema("key", "my-app")]
RoleName = Annotated[str, _name("role"), _name_schema("role", "my-role")]
RoleNamePrefix = Annotated[str, _name("role prefix"), _name_schema("role prefix", "my-app-")]
RolePath = Annotated[str, _name("role path"), _name_schema("role path", "/team/")]
PolicyName = Annotated[str, _name("policy"), _name_schema("policy", "my-policy")]
PolicyPath = Annotated[str, _name("policy path"), _name_schema("policy path", "/team/")]
InlinePolicyName = Annotated[str, _name("inline policy"), _name_schema("inline policy", "read-reports")]
Description = Annotated[str, _name("description"), _name_schema("description", "Reads the reports")]
TagKey = Annotated[str, _name("tag key"), _name_schema("tag key", "team")]
TagValue = Annotated[str, _name("tag value"), _name_schema("tag value", "payments")]
Tags = dict[TagKey, TagValue]
Namespace = Annotated[str, _name("namespace"), _name_schema("namespace", "default")]
ServiceAccountName = Annotated[str, _name("service account"), _name_schema("service account", "my-service-account")]
SecretName = Annotated[str, _name("secret"), _name_schema("secret", "registry")]
KubernetesKey = Annotated[str, _name("Kubernetes key"), _name_schema("Kubernetes key", "app.kubernetes.io/name")]
LabelValue = Annotated[str, _name("label value"), _name_schema("label value", "my-app")]
_subject_schema = _schema("team-a:*", pattern=r"^[a-z0-9.*?-]+:[a-z0-9.*?-]+$")
Subject = Annotated[str, AfterValidator(check_subject), _subject_schema]
_AnyKey = Annotated[str, AfterValidator(check_annotation_key), _name("Kubernetes key")]
AnnotationKey = Annotated[_AnyKey, _name_schema("Kubernetes key", "example.com/owner")]
_audience_schema = _schema("sts.amazonaws.com", minLength=1, maxLength=AUDIENCE.longest)
Audience = Annotated[str, _name("audience"), _audience_schema]
_least, _most = quotas.SESSION_DURATION[:2]
SessionDuration = Annotated[int, Field(ge=_least, le=_most, examples=[7200])]
TokenExpiration = Annotated[int, Field(ge=quotas.TOKEN_EXPIRATION.least, examples=[3600])]
_least, _most = quotas.TRUST_POLICY_SIZE, quotas.LARGEST_TRUST_POLICY_SIZE
TrustPolicySize = Annotated[int, Field(ge=_least, le=_most, examples=[4096])]
# Their keys and values are checked against IAM's grammar (irsa.rules.grammar), whose messages use IAM's terms.
CONDITIONS = {"StringEquals": {"aws:SourceVpc": "vpc-0abc"}}
_values = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_keys = {"type": "object", "additionalProperties": _values}
_conditions = WithJsonSchema({"type": "object", "additionalProperties": _keys, "examples": [CONDITIONS]})
Conditions = Annotated[dict[str, Any], _conditions]
_way = {"enum": [Use.USED.value, Use.TRUSTED.value]}
_ways = {"type": "object", "additionalProperties": False, "properties": {"irsa": _way, "podIdentity": _way}}


def _identity(value: Any) -> Any:
    # A marker is what it is.
    return value if isinstance(value, Unknown) else (parse_identity(value), value)[1]


Identity = Annotated[
    Any,
    AfterValidator(_identity),
    WithJsonSchema({"anyOf": [{"enum": [*SHORT]}, {**_ways, "minProperties": 1}], "examples": ["both"]}),
]
AddOnName = Annotated[
    str,
    AfterValidator(check_add_on),
    WithJsonSchema({"type": "string", "enum": [*names()], "examples": ["external-dns"]}),
]


def _of_add_on(parameter: str) -> AfterValidator:
    # With a variable in it, it is judged when that is replaced.
    return AfterValidator(lambda value: value if "${" in value else PARAMETERS[parameter].check(value))


def _several(parameter: str) -> Any:
    return Field(default_factory=_list, min_length=1, examples=[[PARAMETERS[parameter].example]])


AssociationId = Annotated[str, _name("association ID"), _name_schema("association ID", "a-1234567890abcdef0")]
Importable = Annotated[
    str, AfterValidator(check_adoptable), WithJsonSchema({"type": "string", "enum": list(ADOPTABLE)})
]
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:${partition}:s3:::my-bucket/*"}
DOCUMENT = {"Version": "2012-10-17", "Statement": [STATEMENT]}
ADD_ON = {"addOn": "external-dns", "hostedZones": ["Z0123456789ABCDEFGHIJ"]}
SERVICE_ACCOUNT = {"name": "my-service-account", "namespace": "default"}
SILENCE = {"bindings": ["team-a"], "reason": "the namespace belongs to one team"}
PRINCIPAL = {"AWS": "arn:aws:iam::111122223333:role/deployer"}
TRUSTED_ROLE = {"Effect": "Allow", "Principal": PRINCIPAL, "Action": "sts:AssumeRole"}


GuardMode = Annotated[str, AfterValidator(check_mode), WithJsonSchema({"enum": [*MODES], "examples": ["warn"]})]
GuardException = Annotated[
    str, AfterValidator(check_exception), WithJsonSchema({"enum": [*EXCEPTIONS], "examples": ["warn"]})
]


class Settings(BaseModel):
    """The base of all models: keys in camelCase, no unknown keys, no conversion of types."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True, defer_build=True)


class KubernetesAccess(Settings):
    """How to reach the cluster's Kubernetes API. Default: the stack's `kubernetes:` settings."""

    kubeconfig: KubeconfigPath | None = Field(default=None, min_length=1, examples=[".kube/config"])
    """Path of a kubeconfig file, relative to Pulumi.yaml."""
    context: str | None = Field(default=None, min_length=1, examples=["my-cluster"])
    """Context of the kubeconfig."""
    eks: bool = Field(default=False, examples=[True])
    """true: endpoint and certificate from EKS, token from `aws eks get-token`."""


class GuardedAnnotations(Settings):
    """Who may annotate service accounts of guarded namespaces with a role that is not declared."""

    mode: GuardMode
    """For everybody else."""
    users: list[str] = Field(default_factory=_list, examples=[["deployer"]])
    """User names."""
    user_prefixes: list[str] = Field(
        default_factory=_list, examples=[["arn:aws:sts::111122223333:assumed-role/deploy/"]]
    )
    """Prefixes of user names. EKS has roles as `arn:aws:sts::ID:assumed-role/ROLE/SESSION`."""
    groups: list[str] = Field(default_factory=_list, examples=[["platform"]])
    """Groups."""


class Guard(Settings):
    """The API server's guard against Pods without their identity.

    `irsa:guard: warn` is short for `irsa:guard: {mode: warn}`."""

    mode: GuardException
    """`warn`: the API server's metric and audit log have it."""
    namespace: Namespace | None = None
    """Namespace of its ConfigMaps, which only the platform's team should edit. Default: `kube-system`."""
    namespaces: dict[Namespace, GuardException] = Field(default_factory=_mapping, examples=[{"batch": "warn"}])
    """Other modes by namespace. Default of kube-system: `warn`."""
    annotations: GuardedAnnotations | None = Field(
        default=None,
        examples=[{"mode": "warn", "userPrefixes": ["arn:aws:sts::111122223333:assumed-role/deploy/"]}],
    )
    """Also guard the annotation `eks.amazonaws.com/role-arn` of service accounts."""


class Cluster(Settings):
    """An EKS cluster, by `name`, by `oidcIssuer` and `oidcProviderArn`, or from another `stack`."""

    name: ClusterName | None = None
    """Name of the EKS cluster; its OIDC issuer and IAM OIDC provider are looked up."""
    region: Region | None = None
    """Its region. Default: the stack's."""
    aws_account: str | None = Field(default=None, alias="account", examples=["data"])
    """Key in `irsa:accounts` of its AWS account. Default: the stack's."""
    oidc_issuer: Issuer | None = None
    """OIDC issuer of the cluster."""
    oidc_provider_arn: ProviderArn | None = None
    """ARN of the IAM OIDC provider for that issuer."""
    stack: StackName | None = None
    """organization/project/stack, with the outputs oidcIssuer and oidcProviderArn."""
    create_oidc_provider: bool = Field(default=False, examples=[True])
    """true: create the IAM OIDC provider in each AWS account with a role for the cluster."""
    kubernetes: KubernetesAccess | None = Field(default=None, examples=[{"context": "my-cluster"}])
    """How to reach its Kubernetes API."""
    guard: Guard | None = Field(default=None, examples=[{"mode": "deny"}])
    """Default: `irsa:guard`."""


def account_id(key: str, role_arn: object) -> str:
    """Return the ID of an AWS account, where its role has it, else its key: two keys may be of one AWS account."""
    try:
        return parse_iam_arn(str(role_arn), "role").account_id
    except Mistake:
        return key


class AwsAccount(Settings):
    """Another AWS account, by a `profile` or `assumeRoleArn`."""

    profile: str | None = Field(default=None, min_length=1, examples=["data-account"])
    """Profile of the AWS configuration files."""
    assume_role_arn: LiteralRoleArn | None = None
    """Role to assume with the stack's credentials."""
    region: Region | None = None
    """Default: the stack's region."""


class ServiceAccount(Settings):
    """The Kubernetes service account."""

    name: ServiceAccountName
    """Name."""
    namespace: Namespace | None = None
    """Namespace, which must exist. Default: that of `irsa:defaults`, else `default`."""
    create: bool = Field(default=True, examples=[False])
    """false: it exists; irsa annotates it and changes nothing else.

    To stop managing one that irsa created, first run `pulumi up` with `retainOnDelete: true`."""
    take_over: bool = Field(default=False, examples=[True])
    """true, with `create: false`: overwrite annotations that somebody else wrote."""
    create_namespace: bool = Field(default=False, examples=[True])
    """true: create the namespace if it is missing, and keep it when the stack is destroyed."""
    labels: dict[KubernetesKey, LabelValue] = Field(
        default_factory=_mapping, examples=[{"app.kubernetes.io/name": "my-app"}]
    )
    """Labels, with `create: true`."""
    annotations: dict[AnnotationKey, str] = Field(default_factory=_mapping, examples=[{"example.com/owner": "team-a"}])
    """Further annotations, except those of eks.amazonaws.com and pulumi.com."""
    image_pull_secrets: list[SecretName] = Field(default_factory=_list, examples=[["registry"]])
    """Secrets with registry credentials, with `create: true`."""
    automount_service_account_token: bool | None = Field(default=None, examples=[False])
    """Whether Pods mount a token for the Kubernetes API, with `create: true`."""
    sts_regional_endpoints: bool | None = Field(default=None, examples=[True])
    """Whether AWS SDKs call the regional endpoint of STS. Default: the webhook's."""
    token_expiration: TokenExpiration | None = None
    """Lifetime of the Pod's AWS token in seconds. Default: 86,400."""


class Role(Settings):
    """The IAM role."""

    arn: RoleArn | None = None
    """ARN of an existing role in any AWS account, which is not changed."""
    name: RoleName | None = None
    """Default: an automatic name that starts with the binding's key."""
    name_prefix: RoleNamePrefix | None = None
    """Prefix of an automatic name."""
    description: Description | None = None
    """Description."""
    path: RolePath | None = None
    """IAM path."""
    permissions_boundary: PolicyArn | None = None
    """ARN of its permissions boundary."""
    tags: Tags = Field(default_factory=_mapping, examples=[{"team": "payments"}])
    """Tags, merged with those of `irsa:defaults`; at most 50."""
    max_session_duration: SessionDuration | None = None
    """Maximum session duration in seconds. Default: that of `irsa:defaults`, else 3,600.

    AWS SDKs ask for one hour or less, unless the application sets more."""
    force_detach_policies: bool | None = Field(default=None, examples=[True])
    """true: deleting the role detaches policies that others attached."""


class PolicyDocument(Settings):
    """A policy document, from a `file` or as an inline `document`."""

    file: str | None = Field(default=None, examples=["policies/my-policy.json"])
    """Path of a JSON file in the folder of Pulumi.yaml, 1 MiB at most."""
    document: dict[str, Any] | None = Field(default=None, examples=[DOCUMENT])
    """The policy document."""


class AddOnParameters(Settings):
    """What the policies of add-ons take; `irsa add-ons` lists which add-on takes what."""

    version: Annotated[str, Field(min_length=1, examples=["v0.23.0"])] | None = None
    """Version of the add-on. Default: the newest that irsa knows."""
    scope: Annotated[str, AfterValidator(check_scope), WithJsonSchema({"const": "*", "examples": ["*"]})] | None = None
    """`"*"`: everything that its parameters would name."""
    cluster_names: list[Annotated[str, _of_add_on("cluster_names")]] = _several("cluster_names")
    """EKS clusters. Default: the binding's."""
    hosted_zones: list[Annotated[str, _of_add_on("hosted_zones")]] = _several("hosted_zones")
    """Route 53 hosted zones, by ID or ARN."""
    buckets: list[Annotated[str, _of_add_on("buckets")]] = _several("buckets")
    """S3 buckets, by name or ARN."""
    kms_keys: list[Annotated[str, _of_add_on("kms_keys")]] = _several("kms_keys")
    """ARNs of KMS keys."""
    secrets: list[Annotated[str, _of_add_on("secrets")]] = _several("secrets")
    """ARNs of Secrets Manager secrets; wildcards at the end."""
    ssm_parameters: list[Annotated[str, _of_add_on("ssm_parameters")]] = _several("ssm_parameters")
    """ARNs of Systems Manager parameters; wildcards."""
    file_systems: list[Annotated[str, _of_add_on("file_systems")]] = _several("file_systems")
    """EFS file systems, by ID or ARN."""
    node_roles: list[Annotated[str, _of_add_on("node_roles")]] = _several("node_roles")
    """ARNs of the nodes' IAM roles."""
    interruption_queues: list[Annotated[str, _of_add_on("interruption_queues")]] = _several("interruption_queues")
    """ARNs of SQS queues."""
    workspaces: list[Annotated[str, _of_add_on("workspaces")]] = _several("workspaces")
    """ARNs of Amazon Managed Service for Prometheus workspaces."""
    ipv6: bool | None = Field(default=None, examples=[True])
    """true: the cluster is IPv6."""
    read_only: bool | None = Field(default=None, examples=[True])
    """true: it never writes."""
    find: bool | None = Field(default=None, examples=[True])
    """true: it finds secrets and parameters by name or tag, which lists all of the AWS account."""
    push: bool | None = Field(default=None, examples=[True])
    """true: it also writes secrets and parameters."""
    snapshots: bool | None = Field(default=None, examples=[True])
    """true: it creates snapshots of EBS volumes."""


class AddOn(AddOnParameters):
    """An add-on whose policy is created and attached."""

    add_on: AddOnName
    """The add-on; `irsa add-ons` lists them and their parameters."""


class Policy(PolicyDocument, AddOnParameters):
    """A managed IAM policy, from a `file`, a `document` or an add-on."""

    name: PolicyName | None = None
    """Default: an automatic name that starts with the binding's key."""
    path: PolicyPath | None = None
    """IAM path."""
    description: Description | None = None
    """Description. IAM cannot change it: a new one replaces the policy."""
    tags: Tags = Field(default_factory=_mapping, examples=[{"team": "payments"}])
    """Tags, merged with those of `irsa:defaults`."""
    add_on: AddOnName | None = None
    """In place of a document: the add-on."""


class Trust(Settings):
    """Who may assume the role, besides the binding's service account."""

    subjects: list[Subject] = Field(default_factory=_list, examples=[["team-a:*", "team-b:worker"]])
    """Service accounts as `namespace:name`, with the wildcards * and ?."""
    any_service_account: bool = Field(default=False, examples=[True])
    """true: subjects may contain `*:*`."""
    conditions: Conditions = Field(default_factory=_mapping, examples=[CONDITIONS])
    """Further conditions of irsa's statements, in IAM's format."""
    statements: list[dict[str, Any]] = Field(default_factory=_list, examples=[[TRUSTED_ROLE]])
    """Further statements, in IAM's format."""


class PodIdentity(Settings):
    """Settings of the EKS Pod Identity associations."""

    session_tags: bool = Field(default=True, examples=[False])
    """false: sessions have no tags, and the trust policy names the clusters only."""
    target_role_arn: RoleArn | None = None
    """ARN of the role whose credentials the Pods get; the binding's role assumes it."""
    policy: PolicyDocument | None = Field(default=None, examples=[{"file": "policies/session.json"}])
    """Session policy, which needs `sessionTags: false`."""
    tags: Tags = Field(default_factory=_mapping, examples=[{"team": "payments"}])
    """Tags of the associations, merged with those of `irsa:defaults`."""
    import_ids: dict[str, AssociationId] = Field(
        default_factory=_mapping, examples=[{"cluster": "a-1234567890abcdef0"}]
    )
    """IDs of associations to adopt, by the cluster's key, or `cluster`. Remove it after `pulumi up`."""


class Binding(Settings, defer_build=False):
    """One role and the service account that assumes it."""

    service_account: ServiceAccount | None = Field(default=None, examples=[SERVICE_ACCOUNT])
    """The service account to create or to annotate. Without it, only the role is created."""
    identity: Identity = Field(default=None, examples=["both"])
    """How Pods get the role. Default: that of `irsa:defaults`, else `irsa`.

    Stages between them, such as `{irsa: trusted, podIdentity: used}`: docs/guides/pod-identity.md."""
    pod_identity: PodIdentity | None = Field(default=None, examples=[{"tags": {"team": "payments"}}])
    """Settings of the EKS Pod Identity associations."""
    role: Role = Field(
        default=Role.model_construct(), examples=[{"name": "my-role", "description": "my-role-description"}]
    )
    """The role."""
    policy: Policy | None = Field(default=None, examples=[{"name": "my-policy", "file": "policies/my-policy.json"}])
    """A policy to create and attach."""
    policies: list[AddOn] = Field(default_factory=_list, examples=[[ADD_ON]])
    """Add-ons whose policies are created and attached.

    Without `serviceAccount` and `trust.subjects`, the chart's service account is trusted."""
    policy_arns: list[PolicyArn] = Field(
        default_factory=_list, examples=[["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]]
    )
    """ARNs of existing policies to attach."""
    inline_policies: dict[InlinePolicyName, PolicyDocument] = Field(
        default_factory=_mapping, examples=[{"read-reports": {"document": DOCUMENT}}]
    )
    """Inline policies, by name; together at most 10,240 characters."""
    assume_role_arns: list[RoleArn] = Field(
        default_factory=_list, examples=[["arn:aws:iam::444455556666:role/data-reader"]]
    )
    """ARNs of roles that this role may assume (role chaining)."""
    trust: Trust = Field(default=Trust.model_construct(), examples=[{"subjects": ["team-a:*"]}])
    """Who else may assume the role."""
    audience: Audience | None = None
    """Audience of the tokens. Default: that of `irsa:defaults`, else sts.amazonaws.com."""
    clusters: list[str] = Field(default_factory=_list, examples=[["blue", "green"]])
    """Keys of `irsa:clusters`. Default: all."""
    aws_account: str | None = Field(default=None, alias="account", examples=["data"])
    """Key in `irsa:accounts` of the role's AWS account. Default: the stack's.

    To move a role, give the binding a new key: Pulumi cannot move a resource to another AWS account."""
    import_: list[Importable] = Field(default_factory=_list, alias="import", examples=[["role", "policy"]])
    """Existing resources to adopt, by the names given here. Remove it after `pulumi up`.

    An import that differs is refused, and so is a later change while this is here. Declare all annotations and labels
    of a service account."""
    protect: bool = Field(default=False, examples=[True])
    """true: Pulumi refuses to delete or replace the binding's resources."""
    retain_on_delete: bool = Field(default=False, examples=[True])
    """true: removing the binding keeps its resources."""
    formerly: Key | None = Field(default=None, examples=["old-key"])
    """Previous key of this binding. If you remove it, automatically named roles are recreated."""


class Defaults(Settings):
    """Values for bindings that do not set them."""

    namespace: Namespace | None = None
    """Namespace."""
    identity: Identity = Field(default=None, examples=["podIdentity"])
    """How Pods get the roles."""
    audience: Audience | None = None
    """Audience of the tokens."""
    path: PolicyPath | None = None
    """IAM path of roles and policies."""
    permissions_boundary: PolicyArn | None = None
    """Permissions boundary of the roles."""
    tags: Tags = Field(default_factory=_mapping, examples=[{"team": "payments"}])
    """Tags of roles and policies."""
    max_session_duration: SessionDuration | None = None
    """Maximum session duration in seconds."""
    sts_regional_endpoints: bool | None = Field(default=None, examples=[True])
    """Whether AWS SDKs call the regional endpoint of STS."""
    token_expiration: TokenExpiration | None = None
    """Lifetime of the tokens in seconds."""


class Quotas(Settings):
    """Quotas that AWS raised for your AWS account."""

    trust_policy_size: TrustPolicySize = quotas.TRUST_POLICY_SIZE
    """Characters of a trust policy, without white space."""
    attached_policies: Annotated[int, Field(ge=1, examples=[20])] = quotas.ATTACHED_POLICIES
    """Managed policies per role."""


class Silence(Settings):
    """Warnings of one lint rule that you accept."""

    bindings: list[str] = Field(default_factory=_list, examples=[["team-a"]])
    """Keys of bindings. Default: the whole file; of a rule by which `irsa check` fails, name them."""
    reason: Annotated[str, Field(min_length=1, examples=["the namespace belongs to one team"])]
    """Why you accept them."""


class Lint(Settings):
    """Which warnings are errors, and which are not shown."""

    errors: list[str] = Field(default_factory=_list, examples=[["wide-trust"]])
    """Rules whose warnings are errors, of `pulumi up` too."""
    silence: dict[str, Silence] = Field(default_factory=_mapping, examples=[{"wide-trust": SILENCE}])
    """Rules whose warnings are not shown."""


class Stack(Settings):
    """All `irsa:` settings of a stack file."""

    cluster: Cluster | None = Field(default=None, examples=[{"name": "my-cluster"}])
    """The EKS cluster, or set `clusters`."""
    clusters: dict[Key, Cluster] = Field(
        default_factory=_mapping,
        examples=[{"blue": {"name": "blue"}, "green": {"name": "green", "kubernetes": {"context": "green"}}}],
    )
    """Several EKS clusters, keyed by a name you choose, instead of `cluster`."""
    bindings: dict[Key, Binding] = Field(examples=[{"my-app": {"serviceAccount": {"name": "my-app"}}}])
    """Roles and their service accounts, keyed by a name you choose. A new key replaces the role."""
    aws_accounts: dict[Key, AwsAccount] = Field(
        default_factory=_mapping,
        alias="accounts",
        examples=[{"data": {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}}],
    )
    """Other AWS accounts, keyed by a name you choose."""
    defaults: Defaults = Field(
        default=Defaults.model_construct(), examples=[{"namespace": "default", "path": "/irsa/"}]
    )
    """Values for all bindings."""
    variables: dict[VariableName, VariableValue] = Field(default_factory=_mapping, examples=[{"bucket": "my-bucket"}])
    """Variables: ${NAME} in documents and ARNs."""
    quotas: Quotas = Field(default=Quotas.model_construct(), examples=[{"trustPolicySize": 4096}])
    """Quotas that AWS raised for your AWS account."""
    guard: Guard | None = Field(default=None, examples=[{"mode": "warn"}])
    """The API server's guard in all clusters."""
    lint: Lint = Field(default=Lint.model_construct(), examples=[{"errors": ["wide-trust"]}])
    """Which warnings are errors, and which are not shown."""
    sandbox: bool = Field(default=False, examples=[True])
    """true: for the local sandbox only."""

    @property
    def clusters_by_key(self) -> Mapping[str, Cluster]:
        """The clusters by their key in `clusters`; the one of `cluster` has the key `cluster`."""
        return self.clusters or ({"cluster": self.cluster} if self.cluster else {})

    def clusters_of(self, binding: Binding) -> Sequence[str]:
        """Return the keys of the clusters whose service accounts a binding's role trusts."""
        known = self.clusters_by_key
        chosen = binding.clusters if isinstance(binding.clusters, list) else [binding.clusters]
        return [key for key in chosen if key in known] if chosen else list(known)

    def guard_of(self, cluster: str) -> "Guard | None":
        """Return the guard of a cluster by its key; None where it is off."""
        guard = self.clusters_by_key[cluster].guard or self.guard
        return guard if isinstance(guard, Guard) and guard.mode != "off" else None

    def account_id(self, aws_account: str | None) -> str | None:
        """Return the ID of an AWS account, where the file has it, else its key; None for the stack's."""
        settings = self.aws_accounts.get(aws_account or "")
        return aws_account and account_id(aws_account, settings and settings.assume_role_arn)

    def place_of_cluster(self, key: str) -> tuple[str, ...]:
        """Return where a cluster of `clusters_by_key` stands in the stack file."""
        return ("clusters", key) if self.clusters else ("cluster",)
