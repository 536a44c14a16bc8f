"""The keys of a guard, which are the arguments of IdentityGuard."""

from typing import Annotated

from pydantic import Field

from irsa.guard.rules import check_stack, check_user, check_user_prefix
from irsa.keys.binding import (
    DECIDES,
    Audience,
    Identity,
    Keys,
    Namespace,
    RoleArn,
    ServiceAccountName,
    a_list,
    a_mapping,
    one_of,
    rule,
)
from irsa.rules.unknown import Value

GuardMode = Annotated[str, one_of(("warn", "deny"), "write warn or deny", examples=["warn"]), DECIDES]
GuardModeOrOff = Annotated[str, one_of(("off", "warn", "deny"), "write off, warn or deny", examples=["warn"])]
User = Annotated[str, rule(check_user)]
UserPrefix = Annotated[str, rule(check_user_prefix)]
DEPLOYERS = "arn:aws:sts::111122223333:assumed-role/deploy/"


class GuardedServiceAccount(Keys):
    """A service account whose Pods must get a role. `role_arn` can be that of a ServiceAccountRole."""

    name: Value[Annotated[ServiceAccountName, DECIDES]]
    """Name of the service account."""
    namespace: Value[Annotated[Namespace, DECIDES]] | None = None
    """Its namespace. Default: `default`."""
    role_arn: Value[RoleArn]
    """ARN of its role."""
    identity: Value[Identity] | None = None
    """How its Pods get the role, as in ServiceAccountRole. Default: `irsa`."""
    audience: Value[Audience] | None = None
    """Audience of the tokens, for IRSA. Default: `sts.amazonaws.com`."""


class GuardedAnnotations(Keys):
    """Who may annotate service accounts of guarded namespaces with another role than the declared one."""

    mode: Value[GuardMode]
    """`warn` or `deny`, for everybody else."""
    users: Value[Annotated[list[Value[User]], DECIDES]] | None = a_list(["deployer"])
    """Names of users."""
    user_prefixes: Value[Annotated[list[Value[UserPrefix]], DECIDES]] | None = a_list([DEPLOYERS])
    """Prefixes of names of users. EKS names a role `arn:aws:sts::ID:assumed-role/ROLE/SESSION`."""
    groups: Value[Annotated[list[Value[User]], DECIDES]] | None = a_list(["platform"])
    """Names of groups."""


class SharedGuardKeys(Keys):
    """The guard of one cluster."""

    mode: Value[GuardMode]
    """`warn` (the API server admits the Pod, and counts it in its metric and its audit log) or `deny`."""
    namespace: Value[Namespace] | None = None
    """Namespace of its ConfigMaps, which only the platform's team should edit. Default: `kube-system`."""
    namespaces: Value[Annotated[dict[Namespace, Value[GuardModeOrOff]], DECIDES]] | None = a_mapping({"batch": "warn"})
    """Other modes by namespace: `off`, `warn` or `deny`. kube-system is at `warn` unless it is named here."""
    annotations: GuardedAnnotations | None = Field(
        default=None, examples=[{"mode": "warn", "userPrefixes": [DEPLOYERS]}]
    )
    """Also guard the annotation `eks.amazonaws.com/role-arn` of service accounts. Default: no."""


class IdentityGuardKeys(SharedGuardKeys):
    """The arguments of an IdentityGuard, which is for one cluster: that of its Kubernetes provider."""

    service_accounts: Value[list[GuardedServiceAccount]]
    """The service accounts whose Pods must get their role."""
    stack: Value[Annotated[str, rule(check_stack), DECIDES]] | None = None
    """Prefix of the policies' names; unique in the cluster. Default: project and stack."""
