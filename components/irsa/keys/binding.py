"""The keys of a binding, which are the arguments of ServiceAccountRole: first what values may be, then the keys.

The docstring below a key describes it.
"""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema, create_model
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import CoreSchema

from irsa.add_ons import catalog
from irsa.add_ons.parameters import EVERYTHING, PARAMETERS, SWITCHES
from irsa.rules import names, quotas
from irsa.rules.annotations import check_annotation_key
from irsa.rules.arns import EXAMPLES, parse_cluster_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, Place, nearest, shortened
from irsa.rules.names import NameRule, check_name
from irsa.rules.policies import Document as ReadDocument
from irsa.rules.subjects import check_subject
from irsa.rules.unknown import PERHAPS, Unknown, Value, is_there, may_be_there, with_values
from irsa.ways import SHORT, TRUSTED, USED, WAYS, parse_identity
from irsa.ways import Identity as ReadIdentity

# What can be adopted, and the argument that says which one it is.
ADOPTABLE: Mapping[str, Place] = {
    "role": ("role", "name"),
    "policy": ("policy", "name"),
    "attachments": ("role", "name"),
    "inlinePolicies": ("role", "name"),
    "serviceAccount": ("service_account", "name"),
}
_set = object.__setattr__
_NO_NAMES = set[str]()


class Keys(BaseModel):
    """The base of all models: what is written under keys, as `irsa.read` reads it, with a marker for what is not known.

    A stack file has them in camelCase.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, defer_build=True)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return what is written; any other key is None, and a mapping that is always there is empty."""
        made = cls.__new__(cls)
        # As model_construct, which takes ten times as long, and has its defaults for what is not there.
        _set(made, "__dict__", {**_nothing(cls), **values})
        _set(made, "__pydantic_fields_set__", _NO_NAMES)
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_private__", None)
        return made

    def written(self) -> Mapping[str, Any]:
        """Return what is there, known or not."""
        return {name: value for name, value in self.__dict__.items() if is_there(value)}

    def at(self, place: Place) -> Any:
        """Return what is at a place; None where nothing is, and a marker where that is not known."""
        found: Any = self
        for step in place:
            if isinstance(found, Keys):
                found = getattr(found, str(step), None)
            elif isinstance(found, Unknown):
                return PERHAPS
            elif isinstance(found, list):
                found = found[step] if isinstance(step, int) and step < len(found) else None
            else:
                found = found.get(step) if isinstance(found, dict) else None
        return found

    def has(self, place: Place) -> bool:
        """Return whether an argument is there, known or not."""
        return is_there(self.at(place))

    def may_have(self, place: Place) -> bool:
        """Return whether it is there, or within what is not known."""
        return may_be_there(self.at(place))

    def put(self, place: Place, value: Any) -> Self:
        """Return it with another value at a place; where there is no such place, nothing changes."""
        made: Self = _with(self, place, value)
        return made

    def known(self, values: Mapping[int, Any]) -> Self:
        """Return it with the values of outputs, by their identity, in place of what stands for them."""
        found = {name: with_values(value, values) for name, value in self.__dict__.items()}
        return self.model_copy(update=found)


def _with(inner: Any, place: Place, value: Any) -> Any:
    if not place:
        return value
    step, rest = place[0], place[1:]
    if isinstance(inner, Keys) and str(step) in inner.__dict__:
        return inner.model_copy(update={str(step): _with(getattr(inner, str(step)), rest, value)})
    if isinstance(inner, ReadDocument):
        return inner._replace(content=_with(inner.content, place, value))
    if isinstance(inner, dict) and step in inner:
        return {**inner, step: _with(inner[step], rest, value)}
    if isinstance(inner, list):
        return [_with(each, rest, value) if index == step else each for index, each in enumerate(inner)]
    return inner


@functools.cache
def _nothing(model: type[Keys]) -> Mapping[str, Any]:
    """Return what is under the keys of a model where nothing is written."""
    return {
        name: each.annotation.of({}) if is_model(each.annotation) and not each.is_required() else None
        for name, each in model.model_fields.items()
    }


class Plain(NamedTuple):
    """The mark of what cannot be an output in a program, and why."""

    why: str


class Mark(Enum):
    """What a type does not say of a value."""

    REQUIRED = auto()
    """In a program it must be there."""
    STACK_FILE = auto()
    """Only a stack file has it."""
    # These are read by a function of their own (irsa.fields).
    IDENTITY = auto()
    DOCUMENT = auto()
    CONDITIONS = auto()
    STATEMENTS = auto()
    ROLE_TAGS = auto()


DECIDES = Plain("it decides which resources exist")
AUTHOR_DECIDES = Plain("it is a decision of the program's author")
NUMBER = Plain("a number is checked before the deployment")


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule of a value, and what an editor is told of it.

    Attributes:
        check: Raises Mistake.
        schema: Keywords of JSON schema.
        variables: Whether a stack file may have variables in the value.
    """

    check: Callable[[Any], object]
    schema: Mapping[str, Any]
    variables: bool = False

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return what an editor is told."""
        return {**handler(schema), **self.schema}


def is_model(annotation: Any) -> TypeGuard[type[Keys]]:
    """Return whether a type is one of the models."""
    return isinstance(annotation, type) and issubclass(annotation, Keys)


def unwrapped(annotation: Any, marks: Sequence[Any] = ()) -> tuple[Any, Sequence[Any]]:
    """Return a type without None, and its marks with those that are given."""
    while (origin := get_origin(annotation)) in (Annotated, Union, UnionType):
        inner, *more = (each for each in get_args(annotation) if each is not NoneType)
        of_fields = [mark for each in more if isinstance(each, FieldInfo) for mark in each.metadata]
        annotation, marks = inner, [*marks, *(more if origin is Annotated else ()), *of_fields]
    return annotation, marks


def _empty(kind: type, *examples: Any, **more: Any) -> Any:
    # pydantic parses the text of the signatures of `list` and `dict`, at each field: a thirtieth of a short run.
    def new() -> Any:
        return kind()

    return Field(default_factory=new, examples=[*examples], **more)


a_list, a_mapping = partial(_empty, list), partial(_empty, dict)


def rule(check: Callable[[Any], object], **schema: Any) -> Rule:
    """Return a rule with these keywords of JSON schema."""
    return Rule(check, schema)


def one_of(allowed: Collection[str], otherwise: str, **schema: Any) -> Rule:
    """Return the rule of a value that is one of these, with the advice for one that is similar to none."""

    def check(value: str) -> None:
        if value not in allowed:
            raise Mistake(shortened(value), ", ".join(allowed), nearest(value, allowed, otherwise))

    return rule(check, enum=[*allowed], **schema)


def named(of: NameRule, example: str) -> Rule:
    """Return the rule of a name."""
    # Python's \w matches letters of every script, that of an editor does not.
    pattern = {} if of.letters_of_any_script else {"pattern": f"^(?:{of.pattern})$"}
    return rule(partial(check_name, rule=of), maxLength=of.longest, **pattern, examples=[example])


def arn(kind: str, variables: bool = True) -> Rule:
    """Return the rule of an ARN of IAM."""
    pattern = rf"^arn:[^:]+:iam::[^:]+:{kind}/.+$" + (r"|\$\{" if variables else "")
    return Rule(
        partial(parse_iam_arn, resource_type=kind), {"pattern": pattern, "examples": [EXAMPLES[kind]]}, variables
    )


def number(limits: quotas.NumberLimits, example: int) -> Rule:
    """Return the rule of a number."""
    most = {} if limits.most is None else {"maximum": limits.most}
    return rule(partial(quotas.check_number, limits=limits), minimum=limits.least, **most, examples=[example])


RoleArn = Annotated[str, arn("role")]
PolicyArn = Annotated[str, arn("policy")]
ProviderArn = Annotated[str, arn("oidc-provider", variables=False)]
ClusterArn = Annotated[str, rule(parse_cluster_arn)]
Key = Annotated[str, named(names.KEY, "my-app")]
PolicyPath = Annotated[str, named(names.MANAGED_POLICY_PATH, "/team/")]
InlinePolicyName = Annotated[str, named(names.INLINE_POLICY, "read-reports")]
Description = Annotated[str, named(names.DESCRIPTION, "Reads the reports")]
TagKey = Annotated[str, named(names.TAG_KEY, "team")]
TagValue = Annotated[str, named(names.TAG_VALUE, "payments")]
Tags = dict[TagKey, Value[TagValue]]
Namespace = Annotated[str, named(names.NAMESPACE, "default")]
ServiceAccountName = Annotated[str, named(names.SERVICE_ACCOUNT_NAMES, "my-service-account")]
KubernetesKey = Annotated[str, named(names.KUBERNETES_KEY, "app.kubernetes.io/name")]
LabelValue = Annotated[str, named(names.LABEL_VALUE, "my-app")]
Subject = Annotated[str, rule(check_subject, pattern=r"^[a-z0-9.*?-]+:[a-z0-9.*?-]+$", examples=["team-a:*"])]
AnnotationKey = Annotated[str, rule(check_annotation_key), named(names.KUBERNETES_KEY, "example.com/owner")]
Audience = Annotated[str, named(names.AUDIENCE, "sts.amazonaws.com")]
AssociationId = Annotated[str, named(names.ASSOCIATION_ID, "a-1234567890abcdef0")]
Importable = Annotated[str, one_of(ADOPTABLE, "name one of these"), DECIDES]
AddOnName = Annotated[str, rule(catalog.check_add_on, enum=[*catalog.names()], examples=["external-dns"]), DECIDES]
SessionDuration = Annotated[int, number(quotas.SESSION_DURATION, 7200)]
TokenExpiration = Annotated[int, number(quotas.TOKEN_EXPIRATION, 3600), NUMBER]
TrustPolicySize = Annotated[int, number(quotas.OF_TRUST_POLICY_SIZE, 4096), NUMBER]
AttachedPolicies = Annotated[int, number(quotas.OF_ATTACHED_POLICIES, 20), NUMBER]
# Keys and values of what IAM reads are checked against its grammar (irsa.rules.grammar), whose messages use its terms.
CONDITIONS = {"StringEquals": {"aws:SourceVpc": "vpc-0abc"}}
_values = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_keys = {"type": "object", "additionalProperties": _values}
_conditions = WithJsonSchema({"type": "object", "additionalProperties": _keys, "examples": [CONDITIONS]})
Conditions = Annotated[dict[str, Any], _conditions, Mark.CONDITIONS]
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:${partition}:s3:::my-bucket/*"}
DOCUMENT = {"Version": "2012-10-17", "Statement": [STATEMENT]}
if TYPE_CHECKING:
    Document = ReadDocument
else:
    Document = Annotated[dict[str, Any], Mark.DOCUMENT]
_way = {"enum": [USED, TRUSTED]}
_ways = {"type": "object", "additionalProperties": False, "properties": {way.key: _way for way in WAYS}}
_identity = {"anyOf": [{"enum": [*SHORT]}, {**_ways, "minProperties": 1}], "examples": ["both"]}
if TYPE_CHECKING:
    Identity = ReadIdentity
else:
    Identity = Annotated[Any, rule(parse_identity, **_identity), Mark.IDENTITY, DECIDES]
OTHER_SCOPE = f'name what it may reach in its parameters, or write "{EVERYTHING}" for everything'
ADD_ON = {"addOn": "external-dns", "hostedZones": ["Z0123456789ABCDEFGHIJ"]}
EXAMPLE_OF_A_SERVICE_ACCOUNT = {"name": "my-service-account", "namespace": "default"}
PRINCIPAL = {"AWS": "arn:aws:iam::111122223333:role/deployer"}
TRUSTED_ROLE = {"Effect": "Allow", "Principal": PRINCIPAL, "Action": "sts:AssumeRole"}


class ServiceAccountKeys(Keys):
    """The Kubernetes service account that is annotated with the role."""

    name: Value[ServiceAccountName]
    """Name of the service account."""
    namespace: Value[Namespace] | None = None
    """Its namespace, which must exist. Default: `default`."""
    create: Value[Annotated[bool, DECIDES]] | None = Field(default=True, examples=[False])
    """false: it exists; irsa annotates it and changes nothing else. Default: true.

    A service account that irsa created stays as it is."""
    take_over: Value[Annotated[bool, AUTHOR_DECIDES]] | None = Field(default=False, examples=[True])
    """true, with `create: false`: overwrite annotations that somebody else wrote, or that irsa wrote at its creation.

    Default: `pulumi up` fails."""
    create_namespace: Annotated[Value[bool] | None, Mark.STACK_FILE] = Field(default=False, examples=[True])
    """true: create the namespace if it is missing, and keep it when the stack is destroyed."""
    labels: Value[dict[KubernetesKey, Value[LabelValue]]] | None = a_mapping({"app.kubernetes.io/name": "my-app"})
    """Labels, with `create: true`."""
    annotations: Value[dict[AnnotationKey, Value[str]]] | None = a_mapping({"example.com/owner": "team-a"})
    """Further annotations, except those that start with `eks.amazonaws.com/` or `pulumi.com/`."""
    image_pull_secrets: Value[list[Annotated[str, named(names.SECRET, "registry")]]] | None = a_list(["registry"])
    """Names of Secrets with registry credentials, with `create: true`."""
    automount_service_account_token: Value[bool] | None = Field(default=None, examples=[False])
    """Whether Pods mount a token for the Kubernetes API, with `create: true`."""
    sts_regional_endpoints: Value[bool] | None = Field(default=None, examples=[True])
    """Whether AWS SDKs from before August 2025 call the regional endpoint of STS. Newer SDKs do so by default.
    Default: the setting of the cluster's webhook."""
    token_expiration: Value[TokenExpiration] | None = None
    """Lifetime of the Pod's AWS token in seconds, at least 600. Default: 86,400."""


class PolicyDocument(Keys):
    """A policy document."""

    file: Annotated[Value[str] | None, Mark.STACK_FILE] = Field(default=None, examples=["policies/my-policy.json"])
    """In place of `document`: the path of a JSON file in the folder of Pulumi.yaml, 1 MiB at most."""
    document: Annotated[Value[Document] | None, Mark.REQUIRED] = Field(default=None, examples=[DOCUMENT])
    """The policy document: a mapping; in a program, it may contain outputs, or be JSON text."""


def _parameters() -> Iterator[tuple[str, Any]]:
    for name, each in PARAMETERS.items():
        described = f"{each.what[0].upper()}{each.what[1:]}."
        item: Any = Annotated[str, Rule(each.check, {}, variables=True)]
        yield name, (list[item], a_list([each.example], min_length=1, description=described))
    switch: Any = Annotated[bool | None, Plain("it decides what the policy says")]
    for name, what in SWITCHES.items():
        yield name, (switch, Field(default=None, examples=[True], description=f"true: {what}."))


if TYPE_CHECKING:
    Parameters = Keys
else:
    Parameters = create_model("Parameters", __base__=Keys, **dict(_parameters()))


class AddOnParameters(Parameters):
    """What the policies of add-ons take; `irsa add-ons` lists which add-on takes what."""

    version: Value[Annotated[str, Field(min_length=1, examples=["v0.23.0"]), DECIDES]] | None = None
    """Version of the add-on. Default: the newest version that this release of irsa knows."""
    scope: Value[Annotated[str, one_of([EVERYTHING], OTHER_SCOPE, examples=[EVERYTHING]), DECIDES]] | None = None
    """`"*"`: the add-on may reach everything, so you need not name resources in its parameters."""


class AddOnKeys(AddOnParameters):
    """A well-known add-on whose policy is created and attached. `irsa add-ons` lists what each takes.

    Default of `cluster_names`: those of the role."""

    add_on: Value[AddOnName]
    """The add-on, such as `external-dns`."""


class Policy(AddOnParameters, PolicyDocument):
    """A managed IAM policy to create and attach: a document, or that of an add-on."""

    document: Value[Document] | None = Field(default=None, examples=[DOCUMENT])
    """The policy document: a mapping; in a program, it may contain outputs, or be JSON text.

    A document with more than 6,144 characters is split into several policies, if it is known before the deployment."""
    name: Value[Annotated[str, named(names.POLICY, "my-policy")]] | None = None
    """Name of the policy. Default: an automatic name from the binding's key or the component's name."""
    path: Value[PolicyPath] | None = None
    """IAM path. Default: `/`."""
    description: Value[Description] | None = None
    """Description. IAM cannot change it, so a new description replaces the policy."""
    tags: Value[Tags] | None = a_mapping({"team": "payments"})
    """Tags of the policy. Default: those of the role."""
    add_on: Value[AddOnName] | None = None
    """In place of a document: the add-on, such as `external-dns`."""


class PodIdentity(Keys):
    """Settings of the EKS Pod Identity associations."""

    session_tags: Value[Annotated[bool, Plain("the trust policy depends on it")]] | None = Field(
        default=True, examples=[False]
    )
    """false: sessions have no tags, and the trust policy names the clusters only. Default: true."""
    target_role_arn: Value[RoleArn] | None = None
    """ARN of a role that this role assumes. It may be in another AWS account. Pods get its credentials."""
    policy: PolicyDocument | None = Field(default=None, examples=[{"file": "policies/session.json"}])
    """Session policy. It needs `session_tags: false`. Sessions may do only what both it and the role allow."""
    tags: Value[Tags] | None = a_mapping({"team": "payments"})
    """Tags of the associations. Default: those of the role."""
    import_ids: Value[Annotated[dict[str, Value[AssociationId]], DECIDES]] | None = a_mapping(
        {"cluster": "a-1234567890abcdef0"}
    )
    """IDs of existing associations to adopt, by the cluster's key; that of `irsa:cluster` is `cluster`.

    Remove it after `pulumi up`."""


class RoleKeys(Keys):
    """The IAM role."""

    arn: Value[RoleArn] | None = None
    """ARN of an existing role in any AWS account. The service account is annotated with it. The role stays as it is."""
    name: Value[Annotated[str, named(names.ROLE_NAMES, "my-role")]] | None = None
    """Name, 1 to 64 characters. Default: an automatic name from the binding's key or the component's name."""
    name_prefix: Value[Annotated[str, named(names.ROLE_PREFIX, "my-app-")]] | None = None
    """Prefix of an automatic name, 1 to 38 characters."""
    description: Value[Description] | None = None
    """Description of the role, at most 1,000 characters."""
    path: Value[Annotated[str, named(names.ROLE_PATH, "/team/")]] | None = None
    """IAM path of the role, such as `/team/`. Default: `/`."""
    permissions_boundary: Value[PolicyArn] | None = None
    """ARN of the policy that is the role's permissions boundary."""
    max_session_duration: Value[SessionDuration] | None = None
    """Maximum session duration in seconds, 3,600 to 43,200. Default: 3,600.

    AWS SDKs ask for one hour or less, unless the application sets more."""
    force_detach_policies: Value[bool] | None = Field(default=None, examples=[True])
    """true: before the role is deleted, policies that others attached are detached."""
    tags: Value[Annotated[Tags, Mark.ROLE_TAGS]] | None = a_mapping({"team": "payments"})
    """Tags of the role, and of the policy unless it has its own; at most 50."""


class TrustKeys(Keys):
    """Who may assume the role, besides the service account."""

    subjects: Value[list[Value[Subject]]] | None = a_list(["team-a:*", "team-b:worker"])
    """Further trusted service accounts, as `namespace:name`; both may contain the wildcards `*` and `?`."""
    any_service_account: Value[Annotated[bool, AUTHOR_DECIDES]] | None = Field(default=False, examples=[True])
    """true: subjects may contain `*:*`, which matches every service account of the cluster."""
    conditions: Value[Conditions] | None = a_mapping(CONDITIONS)
    """Further conditions of irsa's statements, in IAM's format: operator, key, value or values."""
    statements: Value[Annotated[list[dict[str, Any]], Mark.STATEMENTS]] | None = a_list([TRUSTED_ROLE])
    """Further statements of the trust policy, in IAM's format."""


class Quotas(Keys):
    """Quotas that AWS raised for your AWS account."""

    trust_policy_size: Value[TrustPolicySize] | None = quotas.TRUST_POLICY_SIZE
    """Characters of a trust policy, without white space: 2,048 to 8,192. Default: 2,048."""
    attached_policies: Value[AttachedPolicies] | None = quotas.ATTACHED_POLICIES
    """Managed policies per role, at least 1. Default: 10."""


class SharedKeys(Keys):
    """One role and the service account that assumes it."""

    service_account: ServiceAccountKeys | None = Field(default=None, examples=[EXAMPLE_OF_A_SERVICE_ACCOUNT])
    """The service account to create or to annotate. Without it, only the role is created."""
    identity: Value[Identity] | None = Field(default=None, examples=["both"])
    """How Pods get the role: `irsa`, `both` or `podIdentity`. Default: `irsa`.

    During a migration, write a mapping, such as `{irsa: trusted, podIdentity: used}`. With `used`, new Pods get the
    role this way. With `trusted`, only the statement in the trust policy exists."""
    pod_identity: PodIdentity | None = Field(default=None, examples=[{"tags": {"team": "payments"}}])
    """Settings of the EKS Pod Identity associations."""
    role: RoleKeys = Field(
        default=RoleKeys.model_construct(), examples=[{"name": "my-role", "description": "my-role-description"}]
    )
    """The role."""
    policy: Policy | None = Field(default=None, examples=[{"name": "my-policy", "file": "policies/my-policy.json"}])
    """A managed policy to create and attach."""
    policies: Value[list[AddOnKeys]] | None = a_list([ADD_ON])
    """Add-ons whose policies irsa creates and attaches. Name each add-on once.

    Without `service_account` and `trust.subjects`, the service account of the add-on's chart is trusted."""
    inline_policies: Value[Annotated[dict[InlinePolicyName, PolicyDocument], names.INLINE_POLICY]] | None = a_mapping(
        {"read-reports": {"document": DOCUMENT}}
    )
    """Inline policies of the role, by name; together at most 10,240 characters."""
    assume_role_arns: Value[list[Value[RoleArn]]] | None = a_list(["arn:aws:iam::444455556666:role/data-reader"])
    """ARNs of further roles that this role may assume, usually in other AWS accounts (role chaining)."""
    trust: TrustKeys = Field(default=TrustKeys.model_construct(), examples=[{"subjects": ["team-a:*"]}])
    """Who else may assume the role."""
    audience: Value[Audience] | None = None
    """Audience of the tokens. Default: `sts.amazonaws.com`."""
    import_: Value[Annotated[list[Value[Importable]], DECIDES]] | None = a_list(["role", "policy"], alias="import")
    """Existing resources to adopt: `role`, `policy`, `attachments`, `inlinePolicies`, `serviceAccount`. They are
    found by the names that you declare. Remove `import` after `pulumi up`.

    irsa refuses an import that differs in what decides access, and every later change of that while `import` is
    there. Declare all annotations and labels of a service account."""
    retain_on_delete: Value[Annotated[bool, Plain("it is an option of the resources")]] | None = Field(
        default=False, examples=[True]
    )
    """true: AWS and Kubernetes keep the resources when you remove this."""


class ServiceAccountRoleKeys(SharedKeys):
    """The arguments of a ServiceAccountRole.

    It creates a role with `oidc_provider_arns` for IRSA, with `cluster_arns` for EKS Pod Identity, or with both; or it
    uses the role of `role.arn`."""

    oidc_provider_arns: Value[list[Value[ProviderArn]]] | None = a_list(min_length=1)
    """ARNs of the clusters' IAM OIDC providers, all in the AWS account in which the role is created."""
    cluster_arns: Value[Annotated[dict[Key, Value[ClusterArn]], names.KEY]] | None = a_mapping()
    """ARNs of the EKS clusters, for Pod Identity, each under a key that you choose; do not change the key."""
    policy_arns: Value[Annotated[dict[str, Value[PolicyArn]], names.ATTACHMENT_KEY]] | None = a_mapping()
    """ARNs of existing policies to attach, each under a key that you choose; do not change the key."""
    quotas: Quotas | None = None
    """Quotas that AWS raised for your AWS account."""
