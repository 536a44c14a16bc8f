"""What `irsa inventory --json` prints; the HTML page has the same object in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from irsa.evaluation import Decision

NOT_READ = "not read"


@dataclass(frozen=True)
class InventoriedCluster:
    """A cluster that was read.

    Attributes:
        name: Its context, in your kubeconfig or in that of a stack, or its name in EKS. Where two have one name, the
            issuer follows in parentheses.
        issuer: The issuer of its tokens.
        service_accounts: How many service accounts it has.
    """

    name: str
    issuer: str
    service_accounts: int


@dataclass(frozen=True)
class InventoriedAwsAccount:
    """An AWS account that was read.

    Attributes:
        number: Its 12 digits.
        roles: How many roles it has, whomever they trust.
        providers: ARNs of its IAM OIDC providers.
    """

    number: str
    roles: int
    providers: Sequence[str]


@dataclass(frozen=True)
class InventoriedServiceAccount:
    """A service account.

    Attributes:
        cluster: Name of its cluster.
        namespace: Its namespace.
        name: Its name.
        annotated_role: The role of its annotation, as it is written there; empty where it has none.
        audience: The audience of the token that the webhook mounts.
        managed: Whether a stack of --stack declares it with that role.
        guard: Whether the API server refuses its Pods where they have no identity (`deny`), or warns (`warn`), by the
            guard of a stack; `not read`, or empty where none guards it.
    """

    cluster: str
    namespace: str
    name: str
    annotated_role: str
    audience: str
    managed: bool
    guard: str = ""


@dataclass(frozen=True)
class InventoriedRole:
    """A role that trusts an OIDC provider of Kubernetes or EKS Pod Identity, or is in an annotation or association.

    Attributes:
        arn: Its ARN.
        last_used: When it was last used, such as 2026-11-01T10:00:00Z; empty where it was not, or that is not known.
        last_used_known: Whether IAM said when it was last used; it tracks 400 days.
        last_used_text: In words: the day, `not in 400 days`, `not known`, or of a younger role `no use reported yet`.
        managed: Whether a stack of --stack declares it.
    """

    arn: str
    last_used: str
    last_used_known: bool
    last_used_text: str
    managed: bool


@dataclass(frozen=True)
class InventoriedAssociation:
    """An association of EKS Pod Identity.

    New Pods of its service account ask for its role alone, whatever the annotation is.

    Attributes:
        cluster: Name of its cluster.
        service_account: Its service account, which need not exist, as NAMESPACE/NAME.
        role: ARN of its role.
        target_role: ARN of the role that EKS assumes with that one, and gives the Pods; empty where it has none.
        session_tags: Whether its sessions have the tags that say of which Pod they are.
        owner: What manages it, such as `addon/aws-ebs-csi-driver`; empty where nothing does.
        id: Its ID.
        decision: Whether the roles admit it: `allowed`, `denied` or `cannot decide`.
        reason: Why.
        managed: Whether a stack of --stack declares it with that role.
    """

    cluster: str
    service_account: str
    role: str
    target_role: str
    session_tags: bool
    owner: str
    id: str
    decision: Decision
    reason: str
    managed: bool


@dataclass(frozen=True)
class Admission:
    """Service accounts of one cluster that have the same answer from a role. No object: the role refuses them.

    Attributes:
        role: ARN of the role.
        cluster: Name of the cluster.
        decision: `allowed` or `cannot decide`.
        audiences: The audiences of the tokens for which this is the answer; none where an association gives the role.
        reason: The statements that decide, with their conditions; and what is not known, where nothing is decided.
        documentation: Page of AWS that states the rule.
        service_accounts: The service accounts, each as NAMESPACE/NAME.
        association: ID of the association of EKS Pod Identity that gives the role; empty where tokens do.
    """

    role: str
    cluster: str
    decision: Decision
    audiences: Sequence[str]
    reason: str
    documentation: str
    service_accounts: Sequence[str]
    association: str = ""


@dataclass(frozen=True)
class Chain:
    """A role that another role may assume in turn: one that service accounts have, or that such a role may assume.

    Attributes:
        role: ARN of the role.
        assumes: ARN of the role that it may assume; of an AWS account that was not read, it may have `*` and `?`.
        decision: `allowed` or `cannot decide`.
        reason: The statement of the trust policy that decides; or what is not known.
        with_session_tags: The decision for sessions of EKS Pod Identity with session tags, which need sts:TagSession.
    """

    role: str
    assumes: str
    decision: Decision
    reason: str
    with_session_tags: Decision


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
class Inventory:
    """What `irsa inventory` found.

    Attributes:
        clusters: The clusters.
        aws_accounts: The AWS accounts.
        service_accounts: All service accounts of the clusters.
        roles: The roles that have to do with Kubernetes.
        admissions: Who may assume which role.
        findings: What is wrong, wide or unused.
        not_checked: What could not be read or decided, each as one sentence.
        chains: The roles that the roles of service accounts may assume in turn, and those that these may.
        left_out: What --namespace left out, counted; empty without it.
        associations: The associations of the clusters.
    """

    clusters: Sequence[InventoriedCluster]
    aws_accounts: Sequence[InventoriedAwsAccount]
    service_accounts: Sequence[InventoriedServiceAccount]
    roles: Sequence[InventoriedRole]
    admissions: Sequence[Admission]
    findings: Sequence[Finding]
    not_checked: Sequence[str]
    chains: Sequence[Chain] = ()
    left_out: str = ""
    associations: Sequence[InventoriedAssociation] = ()
