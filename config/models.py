"""The settings of a stack file, key by key. Attribute docstrings become the descriptions in editors and docs."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

from config.variables import SAMPLES, fill
from irsa.annotations import check_annotation_key
from irsa.arns import parse_iam_arn
from irsa.mistakes import Mistake
from irsa.names import RULES, check_name
from irsa.subjects import check_subject


def _name(kind: str) -> AfterValidator:
    return AfterValidator(lambda value: check_name(value, RULES[kind]))


def _arn(kind: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        variables = (info.context or {}).get("variables", {})
        parse_iam_arn(fill(value, {**SAMPLES, **variables}), kind)
        return value

    return AfterValidator(check)


def _issuer(value: str) -> str:
    if value.startswith("https://") and "?" not in value and len(value) <= 255:  # noqa: PLR2004 (IAM's limit of a provider's URL)
        return value
    raise Mistake(
        f"{value!r} is not an OIDC issuer",
        "an https URL without a query, at most 255 characters",
        "copy it from `aws eks describe-cluster --query cluster.identity.oidc.issuer`",
    )


RoleArn = Annotated[str, _arn("role")]
PolicyArn = Annotated[str, _arn("policy")]
ProviderArn = Annotated[str, _arn("oidc-provider")]
Issuer = Annotated[str, AfterValidator(_issuer)]
RoleName = Annotated[str, _name("role")]
RoleNamePrefix = Annotated[str, _name("role prefix")]
RolePath = Annotated[str, _name("role path")]
PolicyName = Annotated[str, _name("policy")]
PolicyPath = Annotated[str, _name("policy path")]
InlinePolicyName = Annotated[str, _name("inline policy")]
Description = Annotated[str, _name("description")]
Tags = dict[Annotated[str, _name("tag key")], Annotated[str, _name("tag value")]]
Namespace = Annotated[str, _name("namespace")]
ServiceAccountName = Annotated[str, _name("service account")]
Subject = Annotated[str, AfterValidator(check_subject)]
AnnotationKey = Annotated[str, AfterValidator(check_annotation_key)]
Audience = Annotated[str, Field(min_length=1, max_length=255)]
SessionDuration = Annotated[int, Field(ge=3600, le=43200)]
TokenExpiration = Annotated[int, Field(ge=600)]
Document = dict[str, Any]
Importable = Literal["role", "policy", "attachments", "inlinePolicies", "serviceAccount"]


class Settings(BaseModel):
    """Common to all models: camelCase keys, no unknown ones, no guessing of types."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class KubernetesAccess(Settings):
    """How to reach the cluster's Kubernetes API. Without it, as the stack's `kubernetes:` settings say."""

    kubeconfig: str | None = None
    """Path of a kubeconfig file, relative to the folder of Pulumi.yaml."""
    context: str | None = None
    """Context of the kubeconfig."""
    eks: bool = False
    """true: the endpoint and its certificate come from EKS, the token from `aws eks get-token`."""


class Cluster(Settings):
    """An EKS cluster whose service accounts are trusted.

    It is looked up by `name`, or told by `oidcIssuer` and `oidcProviderArn`, or read from another `stack`.
    """

    name: str | None = None
    """Name of the EKS cluster. Its OIDC issuer is looked up, and the IAM OIDC provider for it."""
    region: str | None = None
    """Region of the EKS cluster, when it is not the stack's."""
    account: str | None = None
    """Key of `irsa:accounts` that owns the EKS cluster, when it is not the stack's account."""
    oidc_issuer: Issuer | None = None
    """The cluster's OIDC issuer, an https URL, when it is not to be looked up."""
    oidc_provider_arn: ProviderArn | None = None
    """ARN of the IAM OIDC provider for that issuer."""
    stack: str | None = None
    """Another stack, organization/project/stack, with the outputs oidcIssuer and oidcProviderArn."""
    create_oidc_provider: bool = False
    """true: this stack creates the IAM OIDC provider, in every account that has a role for the cluster."""
    kubernetes: KubernetesAccess | None = None
    """How to reach the cluster's Kubernetes API."""


class Account(Settings):
    """Another AWS account, reached by a `profile` or by assuming a role, `assumeRoleArn`."""

    profile: str | None = None
    """A profile of the AWS configuration files."""
    assume_role_arn: RoleArn | None = None
    """A role to assume, with the stack's own credentials."""
    region: str | None = None
    """Region, when it is not the stack's."""


class ServiceAccount(Settings):
    """The Kubernetes service account."""

    name: ServiceAccountName
    """Its name."""
    namespace: Namespace | None = None
    """Its namespace, which must exist. Without it, that of `irsa:defaults`, else `default`."""
    create: bool = True
    """false: the account exists already; it is annotated and keeps everything else that it has."""
    create_namespace: bool = False
    """true: the namespace is made when it is missing, and stays when the stack is destroyed."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of a created account."""
    annotations: dict[AnnotationKey, str] = Field(default_factory=dict)
    """Further annotations. Those of eks.amazonaws.com have settings of their own."""
    image_pull_secrets: list[str] = Field(default_factory=list)
    """Names of Secrets with registry credentials, for a created account."""
    automount_service_account_token: bool | None = None
    """Whether Pods mount a token for the Kubernetes API, for a created account."""
    sts_regional_endpoints: bool | None = None
    """Whether AWS SDKs in the Pod call the regional endpoint of STS. Without it, the cluster's default."""
    token_expiration: TokenExpiration | None = None
    """Lifetime of the Pod's AWS token in seconds, at least 600. Without it, 86,400."""


class Role(Settings):
    """The IAM role."""

    arn: RoleArn | None = None
    """ARN of an existing role, of any account. Nothing of it is changed; the service account is annotated with it."""
    name: RoleName | None = None
    """Name of the role. Without it, an automatic one that starts with the binding's key."""
    name_prefix: RoleNamePrefix | None = None
    """Start of an automatic name, at most 38 characters."""
    description: Description | None = None
    """Description of the role."""
    path: RolePath | None = None
    """IAM path of the role."""
    permissions_boundary: PolicyArn | None = None
    """ARN of the policy that bounds the role's permissions."""
    tags: Tags = Field(default_factory=dict)
    """Tags, besides those of `irsa:defaults`; 50 together at most."""
    max_session_duration: SessionDuration | None = None
    """Longest session in seconds, 3,600 to 43,200."""
    force_detach_policies: bool | None = None
    """true: policies that others attached are detached when the role is deleted."""


class PolicyDocument(Settings):
    """A policy document, from a `file` or inline."""

    file: str | None = None
    """A JSON file with the policy document, relative to the folder of Pulumi.yaml."""
    document: Document | None = None
    """The policy document itself."""


class Policy(PolicyDocument):
    """A managed IAM policy to create, from a `file` or an inline `document`."""

    name: PolicyName | None = None
    """Name of the policy. Without it, an automatic one that starts with the binding's key."""
    path: PolicyPath | None = None
    """IAM path of the policy."""
    description: Description | None = None
    """Description of the policy. IAM can't change it, so another one replaces the policy."""
    tags: Tags = Field(default_factory=dict)
    """Tags, besides those of `irsa:defaults`."""


class Trust(Settings):
    """Who may assume the role, besides the binding's own service account."""

    subjects: list[Subject] = Field(default_factory=list)
    """Service accounts as `namespace:name`; both may hold the wildcards * and ?."""
    any_service_account: bool = False
    """true: allows `*:*` among the subjects, every service account of the cluster."""
    conditions: dict[str, dict[str, str | list[str]]] = Field(default_factory=dict)
    """Further conditions of every statement, as IAM writes them: operator, key, value or values."""
    statements: list[Document] = Field(default_factory=list)
    """Whole statements to add, as IAM writes them."""


class Binding(Settings):
    """One role and the service account that assumes it."""

    service_account: ServiceAccount | None = None
    """The service account to create or to annotate. Without it: the role only."""
    role: Role = Role()
    """The role."""
    policy: Policy | None = None
    """A policy to create and attach."""
    policy_arns: list[PolicyArn] = Field(default_factory=list)
    """ARNs of existing policies to attach."""
    inline_policies: dict[InlinePolicyName, PolicyDocument] = Field(default_factory=dict)
    """Policies inside the role, by their names."""
    assume_role_arns: list[RoleArn] = Field(default_factory=list)
    """Roles, mostly of other accounts, that this role may assume in turn (role chaining)."""
    trust: Trust = Trust()
    """Who else may assume the role."""
    audience: Audience | None = None
    """Audience of the tokens. Without it, that of `irsa:defaults`, else sts.amazonaws.com."""
    clusters: list[str] = Field(default_factory=list)
    """Keys of `irsa:clusters` whose service accounts are trusted. Without it, all of them."""
    account: str | None = None
    """Key of `irsa:accounts` in which the role and its policies are created. Without it, the stack's account."""
    import_: list[Importable] = Field(default_factory=list, alias="import")
    """What exists already and is adopted, with the names given here, instead of created."""
    protect: bool = False
    """true: `pulumi destroy` and replacements are refused."""
    retain_on_delete: bool = False
    """true: what the binding made stays when the binding is removed."""
    formerly: str | None = None
    """The binding's key of before, so that a new key does not replace the role."""


class Defaults(Settings):
    """Values for all bindings that have none of their own."""

    namespace: Namespace | None = None
    """Namespace of the service accounts."""
    audience: Audience | None = None
    """Audience of the tokens."""
    path: PolicyPath | None = None
    """IAM path of roles and policies."""
    permissions_boundary: PolicyArn | None = None
    """Permissions boundary of the roles."""
    tags: Tags = Field(default_factory=dict)
    """Tags of roles and policies."""
    max_session_duration: SessionDuration | None = None
    """Longest session in seconds."""
    sts_regional_endpoints: bool | None = None
    """Whether AWS SDKs in Pods call the regional endpoint of STS."""
    token_expiration: TokenExpiration | None = None
    """Lifetime of the Pods' AWS tokens in seconds."""
    retain_namespaces: bool = True
    """false: namespaces made by `createNamespace` are deleted with the stack."""


class Quotas(Settings):
    """Quotas of the account that AWS raised."""

    trust_policy_size: Annotated[int, Field(ge=2048)] = 2048
    """Characters of a role's trust policy, white space not counted."""
    attached_policies: Annotated[int, Field(ge=1)] = 10
    """Managed policies per role."""


class Stack(Settings):
    """All `irsa:` settings of a stack file."""

    cluster: Cluster | None = None
    """The EKS cluster; or `clusters`."""
    clusters: dict[str, Cluster] = Field(default_factory=dict)
    """Several EKS clusters, by a name of yours, instead of `cluster`."""
    bindings: dict[str, Binding]
    """Roles and their service accounts, by a name of yours that stays the same."""
    accounts: dict[str, Account] = Field(default_factory=dict)
    """Other AWS accounts, by a name of yours."""
    defaults: Defaults = Defaults()
    """Values for all bindings."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Values for ${NAME} in documents and ARNs."""
    quotas: Quotas = Quotas()
    """Quotas that AWS raised for the account."""
    sandbox: bool = False
    """true: this stack is deployed to the local sandbox only."""
