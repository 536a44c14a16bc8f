"""What `irsa inventory --json` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from irsa.evaluation import Decision

NOT_READ = "not read"
NEVER, PARTLY, USED, TOO_YOUNG = "never used", "partly used", "used", "too young"


@dataclass(frozen=True)
class RoleAdmission:
    """Service accounts of one cluster that have the same answer from a role. Those that it refuses have no object.

    Attributes:
        role: ARN of the role.
        cluster: Name of the cluster.
        decision: `allowed` or `cannot tell`.
        audiences: The audiences of the tokens for which this is the answer; none where an association gives the role.
        reason: The statements that decide, with their conditions; and what is not known, where nothing is decided.
        service_accounts: The service accounts, each as NAMESPACE/NAME.
    """

    role: str
    cluster: str
    decision: Decision
    audiences: Sequence[str]
    reason: str
    service_accounts: Sequence[str]


@dataclass(frozen=True)
class Chain:
    """A role that service accounts have has the permission sts:AssumeRole on another role.

    A session with session tags, as EKS Pod Identity gives it, also needs sts:TagSession, which is not checked here.

    Attributes:
        role: ARN of the role.
        assumes: ARN of the role that it may assume; of an AWS account that was not read, it may have `*` and `?`.
        decision: `allowed` or `cannot tell`.
        reason: The statement of the trust policy that decides; or what is not known.
    """

    role: str
    assumes: str
    decision: Decision
    reason: str


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, wide or unused.

    Attributes:
        kind: Its kind, such as `missing-role`. New versions may add some.
        cluster: Name of the cluster; empty where it is about no single one.
        service_account: The service account, as NAMESPACE/NAME; empty where it is about no single one.
        role: ARN of the role, or what an annotation has in its place; empty where it is about none.
        provider: ARN of the IAM OIDC provider; empty where it is about none.
        found: What is there.
        expected: What should be there.
        fix: A command that fixes it; empty where there is none.
    """

    kind: str = ""
    cluster: str = ""
    service_account: str = ""
    role: str = ""
    provider: str = ""
    found: str = ""
    expected: str = ""
    fix: str = ""


@dataclass(frozen=True)
class LastUse:
    """What a role, or a statement of its policies, never used in the 400 days that IAM keeps, by whatever allowed it.

    Attributes:
        role: ARN of the role. Its statements follow only where it was used.
        outcome: `never used`, `partly used`, `used`, `cannot tell`; or `too young`: the role, or the version of the
            managed policy, is younger than 90 days. Denied attempts count as use.
        policy: Name of the inline policy, or ARN of the managed one; empty for the role itself.
        statement: Its Sid, or its number from 0; empty likewise.
        services: Services of the statement that the role never used.
        actions: Actions that IAM tracks and the role never used, of services that it used.
        cannot_tell: Actions of the statement that IAM does not track.
        reason: Why the role or the policy has no better outcome.
    """

    role: str
    outcome: str
    policy: str = ""
    statement: str = ""
    services: Sequence[str] = ()
    actions: Sequence[str] = ()
    cannot_tell: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True)
class Inventory:
    """What `irsa inventory` found.

    Attributes:
        clusters: The issuer of each cluster that was read, by its name: its context, in your kubeconfig or in that of a
            stack, or its name in EKS. Where two have one name, the issuer follows in parentheses.
        aws_accounts: The number of all roles in each AWS account that was read, by its ID.
        service_accounts: The role in the annotation of each service account, as it is written there, by cluster and
            NAMESPACE/NAME; empty where it has none.
        roles: When each role was last used, by its ARN. These are the roles that trust EKS Pod Identity or an OIDC
            provider of Kubernetes, or that an annotation or association names. The value is a day, such as 2026-11-01;
            `not in 400 days`, for which IAM keeps it; `not known`; or, of a younger role, `no use reported yet`.
        admissions: Who may assume which role.
        findings: What is wrong, wide or unused.
        not_checked: What could not be read or decided, each as one sentence.
        chains: On which roles the roles of service accounts have the permission sts:AssumeRole. What those roles may
            assume is not here.
        associations: The roles of each association of EKS Pod Identity, by cluster and NAMESPACE/NAME: its role, then
            its target role where it has one. The service account need not exist, and new Pods of one that does ask for
            that role, whatever the annotation is. Whether they get it is in `admissions`.
        last_use: What each role never used that a service account may assume or that an association names; null without
            --last-use.
    """

    clusters: Mapping[str, str]
    aws_accounts: Mapping[str, int]
    service_accounts: Mapping[str, Mapping[str, str]]
    roles: Mapping[str, str]
    admissions: Sequence[RoleAdmission]
    findings: Sequence[Finding]
    not_checked: Sequence[str]
    chains: Sequence[Chain] = ()
    associations: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    last_use: Sequence[LastUse] | None = None
