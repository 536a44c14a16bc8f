"""The keys of a stack file. Docstrings of attributes become the descriptions in editors and docs."""

import re
from typing import Annotated

from pydantic import Field

from irsa.keys.binding import (
    Audience,
    Identity,
    Key,
    Keys,
    Mark,
    Namespace,
    PolicyArn,
    PolicyPath,
    ProviderArn,
    Quotas,
    SessionDuration,
    SharedKeys,
    Tags,
    TokenExpiration,
    a_list,
    a_mapping,
    arn,
    named,
    one_of,
    rule,
)
from irsa.keys.guard import GuardModeOrOff, SharedGuardKeys
from irsa.rules import commands, names
from irsa.rules.arns import LONGEST_ISSUER, check_issuer
from irsa.rules.mistakes import Located, Mistake, shortened
from irsa.rules.unknown import Value
from irsa_config.limits import allowable
from irsa_config.variables import replaced


def _check_stack_name(value: str) -> None:
    if not re.fullmatch(STACK_NAME, value):
        fix = f"copy it from `{commands.LIST_STACKS}`"
        raise Mistake(f"{value!r} is not the full name of a stack", "organization/project/stack", fix)


def _check_variable_name(value: str) -> None:
    if not re.fullmatch(VARIABLE_NAME, value):
        allowed = "letters, digits and _, not starting with a digit"
        raise Mistake(f"{value!r} is not a variable name", allowed, "write another name")


def _check_kubeconfig_path(value: str) -> None:
    if "\n" in value or value.lstrip().startswith("{"):
        # Nothing of it is shown: it holds credentials.
        fix = "save it as a file, and name that"
        raise Mistake("the contents of a kubeconfig", "the path of a kubeconfig file", fix)


def _check_variable_value(value: str) -> None:
    found: list[Located] = []
    replaced(value, {}, found)
    if found:
        fix = "write the value out"
        raise Mistake(f"{shortened(value)}, in which nothing is replaced", "a value without variables", fix)


def check_files(value: str) -> None:
    """Refuse what is no path, or pattern of paths, that is relative to Pulumi.yaml.

    Raises:
        Mistake: It is absolute, or has `**`.
    """
    if value.startswith("/") or "**" in value or not value.strip("./"):
        allowed = "a path relative to Pulumi.yaml, in which `*` stands for a part of one name"
        raise Mistake(shortened(value), allowed, "write such a path, such as teams/payments/*.irsa.yaml")


def _check_policy_pattern(value: str) -> None:
    if not re.fullmatch(POLICY_PATTERN, value, re.DOTALL):
        allowed = "ARNs of IAM policies: arn:aws:iam::111122223333:policy/payments-*"
        raise Mistake(f"{shortened(value)}, which matches no policy's ARN", allowed, "write it so")


ISSUER_EXAMPLE = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
# https://www.pulumi.com/docs/iac/concepts/stacks/#create-stack
STACK_NAME = "[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+"
VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
POLICY_PATTERN = r"arn:[^:]+:iam::[^:]+:policy/.+|.*\$\{.*"
_wild = "letters, digits, - and the wildcards * and ?"
NamespacePattern = Annotated[
    str, named(names.NameRule("a pattern of namespaces", 63, r"[a-z0-9*?-]+", _wild), "payments-*")
]
_wild = f"{names.KEY.words} and the wildcards * and ?"
KeyPattern = Annotated[str, named(names.NameRule("a pattern of keys", 100, r"[\w+=,.*?-]+", _wild), "payments-*")]
_policy_arn = "arn:aws:iam::111122223333:policy/payments-*"
PolicyPattern = Annotated[str, rule(_check_policy_pattern, pattern=f"^(?:{POLICY_PATTERN})$", examples=[_policy_arn])]
# Used before any AWS account or region is known, so without variables.
LiteralRoleArn = Annotated[str, arn("role", variables=False)]
_issuer = rule(check_issuer, pattern=r"^https://[^?]+$", maxLength=LONGEST_ISSUER, examples=[ISSUER_EXAMPLE])
Issuer = Annotated[str, _issuer]
StackName = Annotated[str, rule(_check_stack_name, pattern=f"^{STACK_NAME}$", examples=["organization/platform/prod"])]
AttachmentKey = Annotated[str, named(names.ATTACHMENT_KEY, "read-queues")]
QUEUE_POLICY = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
VariableName = Annotated[str, rule(_check_variable_name, pattern=f"^{VARIABLE_NAME}$")]
KubeconfigPath = Annotated[str, rule(_check_kubeconfig_path)]
VariableValue = Annotated[str, Field(min_length=1), rule(_check_variable_value)]
ClusterName = Annotated[str, named(names.CLUSTER, "my-cluster")]
Region = Annotated[str, named(names.REGION, "us-west-2")]
SILENCE = {"bindings": ["team-a"], "reason": "the namespace belongs to one team"}


class KubernetesAccess(Keys):
    """How to reach the cluster's Kubernetes API. Default: the stack's `kubernetes:` settings."""

    kubeconfig: KubeconfigPath | None = Field(default=None, min_length=1, examples=[".kube/config"])
    """Path of a kubeconfig file, relative to Pulumi.yaml."""
    context: str | None = Field(default=None, min_length=1, examples=["my-cluster"])
    """Context of the kubeconfig."""
    eks: bool = Field(default=False, examples=[True])
    """true: endpoint and certificate from EKS, token from `aws eks get-token`."""


class Guard(SharedGuardKeys):
    """The API server's guard against Pods without their identity.

    `irsa:guard: warn` is short for `irsa:guard: {mode: warn}`."""

    mode: GuardModeOrOff
    """`warn`: the API server admits the Pod, and counts it in its metric and its audit log."""


class ClusterKeys(Keys):
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


class AwsAccountKeys(Keys):
    """Another AWS account, by a `profile` or `assumeRoleArn`."""

    profile: str | None = Field(default=None, min_length=1, examples=["data-account"])
    """Profile of the AWS configuration files."""
    assume_role_arn: LiteralRoleArn | None = None
    """Role to assume with the stack's credentials."""
    region: Region | None = None
    """Default: the stack's region."""


class BindingKeys(SharedKeys):
    """One role and the service account that assumes it."""

    policy_arns: Annotated[list[PolicyArn] | dict[AttachmentKey, PolicyArn], names.ATTACHMENT_KEY] = a_list(
        [QUEUE_POLICY]
    )
    """ARNs of existing policies to attach: a list, or a mapping whose keys you choose and do not change."""
    clusters: Annotated[Value[list[Value[str]]] | None, Mark.STACK_FILE] = a_list(["blue", "green"])
    """Keys of `irsa:clusters`. Default: all."""
    aws_account: Annotated[Value[str] | None, Mark.STACK_FILE] = Field(default=None, alias="account", examples=["data"])
    """Key in `irsa:accounts` of the role's AWS account. Default: the stack's.

    To move a role, give the binding a new key: Pulumi cannot move a resource to another AWS account."""
    protect: Annotated[Value[bool] | None, Mark.STACK_FILE] = Field(default=False, examples=[True])
    """true: Pulumi refuses to delete or replace the binding's resources."""
    formerly: Annotated[Value[Key] | None, Mark.STACK_FILE] = Field(default=None, examples=["old-key"])
    """Previous key of this binding. If you remove it, automatically named roles are recreated."""


class Defaults(Keys):
    """Values for bindings that do not set them."""

    namespace: Namespace | None = None
    """Namespace."""
    identity: Identity | None = Field(default=None, examples=["podIdentity"])
    """How Pods get the roles."""
    audience: Audience | None = None
    """Audience of the tokens."""
    path: PolicyPath | None = None
    """IAM path of roles and policies."""
    permissions_boundary: PolicyArn | None = None
    """Permissions boundary of the roles."""
    tags: Tags = a_mapping({"team": "payments"})
    """Tags of roles, policies and associations, besides their own."""
    max_session_duration: SessionDuration | None = None
    """Maximum session duration in seconds."""
    sts_regional_endpoints: bool | None = Field(default=None, examples=[True])
    """Whether AWS SDKs from before August 2025 call the regional endpoint of STS. Newer SDKs do so by default."""
    token_expiration: TokenExpiration | None = None
    """Lifetime of the tokens in seconds."""


class TeamRole(Keys):
    """What the roles of a team have, in place of `irsa:defaults`."""

    path: PolicyPath | None = Field(default=None, examples=["/irsa/payments/"])
    """IAM path of its roles and policies."""
    permissions_boundary: PolicyArn | None = Field(default=None, examples=["arn:aws:iam::111122223333:policy/teams"])
    """Permissions boundary of its roles. A team has one, or `irsa:defaults` has."""


class Team(Keys):
    """Bindings that a team writes into files of its own, within these limits."""

    files: Annotated[str, rule(check_files, examples=["teams/payments/*.irsa.yaml"])]
    """Its files, relative to Pulumi.yaml: a path, or a pattern whose `*` stands for a part of one name."""
    namespaces: Annotated[list[NamespacePattern], Field(min_length=1, examples=[["payments", "payments-*"]])]
    """The namespaces that its bindings may name, in which `*` and `?` are wildcards."""
    keys: Annotated[list[KeyPattern], Field(min_length=1, examples=[["payments-*"]])]
    """What the keys of its bindings match, and the names of its roles and policies."""
    role: TeamRole = Field(default=TeamRole.model_construct(), examples=[{"path": "/irsa/payments/"}])
    """What its roles have."""
    policy_arns: list[PolicyPattern] = a_list(["arn:aws:iam::111122223333:policy/payments-*"])
    """The existing policies that its bindings may attach, in which `*` and `?` are wildcards. Default: none."""
    clusters: list[str] = a_list(["blue"])
    """Keys of `irsa:clusters` for its bindings. Default: all."""
    allow: list[Annotated[str, one_of(allowable(BindingKeys), "name one of these")]] = a_list(["role.name"])
    """Keys of a binding that are refused otherwise, and may have any value."""


class Silence(Keys):
    """Warnings of one lint rule that you accept."""

    bindings: list[str] = a_list(["team-a"])
    """Keys of bindings. Default: the whole file; of a rule by which `irsa check` fails, name them."""
    reason: Annotated[str, Field(min_length=1, examples=["the namespace belongs to one team"])]
    """Why you accept them."""


class Lint(Keys):
    """Which warnings are errors, and which are not shown."""

    errors: list[str] = a_list(["wide-trust"])
    """Rules whose warnings are errors, of `pulumi up` too."""
    silence: dict[str, Silence] = a_mapping({"wide-trust": SILENCE})
    """Rules whose warnings are not shown."""


class StackKeys(Keys):
    """All `irsa:` settings of a stack file."""

    cluster: ClusterKeys | None = Field(default=None, examples=[{"name": "my-cluster"}])
    """The EKS cluster, or set `clusters`."""
    clusters: dict[Key, ClusterKeys] = a_mapping(
        {"blue": {"name": "blue"}, "green": {"name": "green", "kubernetes": {"context": "green"}}}
    )
    """Several EKS clusters, keyed by a name you choose, instead of `cluster`."""
    bindings: dict[Key, BindingKeys] = a_mapping({"my-app": {"serviceAccount": {"name": "my-app"}}})
    """Roles and their service accounts, keyed by a name you choose. Without `irsa:teams`, required.

    A new key replaces the role."""
    aws_accounts: dict[Key, AwsAccountKeys] = a_mapping(
        {"data": {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}}, alias="accounts"
    )
    """Other AWS accounts, keyed by a name you choose."""
    teams: dict[Key, Team] = a_mapping(
        {
            "payments": {
                "files": "teams/payments/*.irsa.yaml",
                "namespaces": ["payments"],
                "keys": ["payments-*"],
                "role": {"permissionsBoundary": "arn:aws:iam::111122223333:policy/teams"},
            }
        }
    )
    """Teams with files of their own, keyed by a name you choose."""
    defaults: Defaults = Field(
        default=Defaults.model_construct(), examples=[{"namespace": "default", "path": "/irsa/"}]
    )
    """Values for all bindings."""
    variables: dict[VariableName, VariableValue] = a_mapping({"bucket": "my-bucket"})
    """Variables: ${NAME} in documents and ARNs."""
    quotas: Quotas = Field(default=Quotas.model_construct(), examples=[{"trustPolicySize": 4096}])
    """Quotas that AWS raised for your AWS account."""
    guard: Guard | None = Field(default=None, examples=[{"mode": "warn"}])
    """The API server's guard in all clusters."""
    lint: Lint = Field(default=Lint.model_construct(), examples=[{"errors": ["wide-trust"]}])
    """Which warnings are errors, and which are not shown."""
    sandbox: bool = Field(default=False, examples=[True])
    """true: for the local sandbox only."""
