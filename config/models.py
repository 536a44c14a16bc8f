"""The settings of a stack file, key by key. Attribute docstrings become the descriptions in editors and docs."""

from typing import Annotated, Any

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
RolePath = Annotated[str, _name("role path")]
PolicyName = Annotated[str, _name("policy")]
PolicyPath = Annotated[str, _name("policy path")]
InlinePolicyName = Annotated[str, _name("inline policy")]
Namespace = Annotated[str, _name("namespace")]
ServiceAccountName = Annotated[str, _name("service account")]
Subject = Annotated[str, AfterValidator(check_subject)]
AnnotationKey = Annotated[str, AfterValidator(check_annotation_key)]
Document = dict[str, Any]


class Settings(BaseModel):
    """Common to all models: camelCase keys, no unknown ones, no guessing of types."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class Cluster(Settings):
    """The EKS cluster whose service accounts are trusted: by `name`, or by `oidcIssuer` and `oidcProviderArn`."""

    name: str | None = None
    """Name of the EKS cluster. Its OIDC issuer is looked up, and the IAM OIDC provider of the account for it."""
    oidc_issuer: Issuer | None = None
    """The cluster's OIDC issuer, an https URL, when it is not to be looked up."""
    oidc_provider_arn: ProviderArn | None = None
    """ARN of the IAM OIDC provider for that issuer."""


class ServiceAccount(Settings):
    """The Kubernetes service account."""

    name: ServiceAccountName
    """Its name."""
    namespace: Namespace = "default"
    """Its namespace, which must exist."""
    create: bool = True
    """false: the account exists already; it is annotated and keeps everything else that it has."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of a created account."""
    annotations: dict[AnnotationKey, str] = Field(default_factory=dict)
    """Further annotations. Those of eks.amazonaws.com have settings of their own."""


class Role(Settings):
    """The IAM role."""

    arn: RoleArn | None = None
    """ARN of an existing role, of any account. Nothing of it is changed; the service account is annotated with it."""
    name: RoleName | None = None
    """Name of the role. Without it, an automatic one."""
    description: Annotated[str, Field(max_length=1000)] | None = None
    """Description of the role."""
    path: RolePath | None = None
    """IAM path of the role."""


class Policy(Settings):
    """A managed IAM policy to create, from a `file` or an inline `document`."""

    name: PolicyName | None = None
    """Name of the policy. Without it, an automatic one."""
    file: str | None = None
    """A JSON file with the policy document, relative to the folder of Pulumi.yaml."""
    document: Document | None = None
    """The policy document itself."""
    path: PolicyPath | None = None
    """IAM path of the policy."""
    description: Annotated[str, Field(max_length=1000)] | None = None
    """Description of the policy. IAM can't change it, so another one replaces the policy."""


class Trust(Settings):
    """Who may assume the role, besides the binding's own service account."""

    subjects: list[Subject] = Field(default_factory=list)
    """Service accounts as `namespace:name`; both may hold the wildcards * and ?."""


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
    trust: Trust = Trust()
    """Who else may assume the role."""


class Stack(Settings):
    """All `irsa:` settings of a stack file."""

    cluster: Cluster
    """The EKS cluster."""
    bindings: dict[str, Binding]
    """Roles and their service accounts, by a name of yours that stays the same."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Values for ${NAME} in documents and ARNs."""
    sandbox: bool = False
    """true: this stack is deployed to the local sandbox only."""
