"""What there is in clusters and AWS accounts, as it is now or as it is declared; what is not known is `Unknown`."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from irsa.evaluation import PodIdentityRequest
from irsa.rules.annotations import AUDIENCE, ROLE_KEY, managers_of
from irsa.rules.arns import Arn, ClusterArn, cluster_of_association, parse_cluster_arn, parse_iam_arn
from irsa.rules.commands import UNKNOWN_AWS_ACCOUNT, UNKNOWN_CLUSTER, AwsPlace, ClusterPlace
from irsa.rules.quotas import SESSION_DURATION
from irsa.rules.subjects import subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import Unknown

# Who owns each field of an object without managedFields, as it is after `kubectl create serviceaccount` and `kubectl
# annotate`: so the API server says at the first server-side apply (managedfields/internal/skipnonapplied.go).
UNTRACKED = "before-first-apply"
# In place of the names that were not read, among those of inline policies: no policy has it.
OTHERS = "*"


def audience_of(annotations: Mapping[str, str]) -> str:
    """Return the audience of the token that the webhook mounts; that of an empty annotation is the API server's own.

    Source: https://github.com/aws/amazon-eks-pod-identity-webhook, pkg/cache/cache.go
    """
    return annotations.get(AUDIENCE, DEFAULT_AUDIENCE)


# Begins what stands in place of the rest of an ARN or name that is not known yet: no ARN of AWS has a space.
UNNAMED = " ("


def role_name(arn: str) -> str:
    """Return the name of a role by its ARN, without its path; of one that is not known, what the stack calls it."""
    unnamed, is_unnamed, _ = arn.partition(UNNAMED)
    return unnamed.partition(":role/")[2] if is_unnamed else Arn.name_in(arn)


def known_arn(arn: str) -> str:
    """Return an ARN; nothing for what only stands for one."""
    return "" if UNNAMED in arn else arn


@dataclass(frozen=True)
class ServiceAccount:
    """A service account.

    Attributes:
        cluster: What its cluster is called.
        manifest: The whole object, as Kubernetes returns it.
    """

    cluster: str
    namespace: str
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False, hash=False)

    @classmethod
    def of(cls, cluster: str, namespace: str, name: str, manifest: Mapping[str, Any]) -> Self:
        """Return a service account as the Kubernetes API of its cluster returns it."""
        metadata = manifest["metadata"]
        return cls(cluster, namespace, name, metadata.get("annotations") or {}, metadata.get("labels") or {}, manifest)

    def __str__(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    def __hash__(self) -> int:
        """Return a hash of its cluster and name: mappings have none."""
        return hash((self.cluster, self.namespace, self.name))

    @property
    def subject(self) -> str:
        """What it is called in subjects: `namespace:name`."""
        return subject_of(self.namespace, self.name)

    @property
    def uid(self) -> str:
        """Its UID, which no other object has, in whatever cluster.

        Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#uids
        """
        return str((self.manifest.get("metadata") or {}).get("uid") or "")

    def managers(self, annotation: str) -> frozenset[str]:
        """Return who wrote one of its annotations: the names of field managers."""
        entries = (self.manifest.get("metadata") or {}).get("managedFields") or ()
        managed = [(each.get("manager") or "", each.get("fieldsV1")) for each in entries]
        return frozenset(managers_of(annotation, managed) if managed else {UNTRACKED})

    @property
    def role_arn(self) -> str:
        """The role that its Pods are told to assume; empty where it has no such annotation."""
        return self.annotations.get(ROLE_KEY, "")

    @property
    def audience(self) -> str:
        """The audience of the token that the webhook mounts."""
        return audience_of(self.annotations)


CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        name: Its context in a kubeconfig, or its name in EKS; where two have one name, with the issuer in parentheses.
        issuer: The issuer of its tokens, an https URL.
        service_accounts: All of its service accounts, sorted by namespace and name.
        context: Its context in a kubeconfig, which kubectl takes; empty in a Pod; None where no file has it.
        eks_name: Its name in EKS; None where it was not reached by that.
        arn: Its ARN; None where no AWS account that was read lists it in EKS.
    """

    name: str
    issuer: str
    service_accounts: tuple[ServiceAccount, ...]
    context: str | None = None
    eks_name: str | None = None
    arn: str | None = None
    kubeconfig: str = field(default="", compare=False)
    """The file that has its context; empty where kubectl reads that in any case."""

    @property
    def place(self) -> ClusterPlace:
        """By which options kubectl acts on it."""
        return UNKNOWN_CLUSTER if self.context is None else ClusterPlace(self.context, self.kubeconfig)


class EksCluster(NamedTuple):
    """A cluster as EKS describes it; while it is being created, it has no issuer, endpoint or certificate."""

    status: str
    issuer: str | None
    endpoint: str
    certificate_authority: str | None
    arn: str = ""
    auto_mode: bool = False
    """Whether its nodes are those of EKS Auto Mode, which have the agent of EKS Pod Identity without its add-on."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return a cluster as DescribeCluster has it: https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html."""
        return cls(
            str(found.get("status")),
            found.get("identity", {}).get("oidc", {}).get("issuer"),
            str(found.get("endpoint") or ""),
            found.get("certificateAuthority", {}).get("data"),
            str(found.get("arn") or ""),
            (found.get("computeConfig") or {}).get("enabled") is True,
        )


@dataclass(frozen=True)
class Association:
    """An association of EKS Pod Identity: it gives the Pods of a service account a role.

    Attributes:
        cluster_arn: The EKS cluster. Of a planned one whose region or AWS account is not known, its name and UNNAMED.
        association_arn: Its ARN; empty for a planned one.
        owner_arn: What created and manages it, such as an add-on of EKS; empty where nothing does.
        session_tags: Whether its sessions have the tags that say of which Pod they are.
        target_role_arn: The role that EKS assumes with its role, and gives the Pods in its place; empty where none.
        policy: Its session policy as JSON; empty where it has none. Unknown where the state keeps it as a secret.
        external_id: The `sts:ExternalId` with which EKS assumes the target role.
        tags: Its tags, likewise.
    """

    cluster_arn: str
    namespace: str
    service_account: str
    role_arn: str
    association_id: str = ""
    association_arn: str = ""
    owner_arn: str = ""
    session_tags: bool = True
    target_role_arn: str = ""
    policy: str = ""
    external_id: str = ""
    # A mapping has no hash.
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return an association as EKS has it, whose lists lack roles and settings; or the stack, by the same names.

        Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociation.html
        """
        arn = str(found.get("associationArn") or "")
        return cls(
            str(found.get("clusterArn") or cluster_of_association(arn)),
            str(found.get("namespace")),
            str(found.get("serviceAccount")),
            str(found.get("roleArn") or ""),
            found.get("associationId") or "",
            arn,
            found.get("ownerArn") or "",
            found.get("disableSessionTags") is not True,
            str(found.get("targetRoleArn") or ""),
            found.get("policy") or "",
            found.get("externalId") or "",
            found.get("tags") or {},
        )

    def __str__(self) -> str:
        """Return its service account, as `namespace/name`."""
        return f"{self.namespace}/{self.service_account}"

    @property
    def subject(self) -> str:
        """What its service account is called in subjects: `namespace:name`."""
        return subject_of(self.namespace, self.service_account)

    @property
    def role_arns(self) -> tuple[str, ...]:
        """Its role, and its target role where it has one."""
        return tuple(filter(None, (self.role_arn, self.target_role_arn)))

    @property
    def cluster(self) -> ClusterArn:
        """Its cluster, which is in its AWS account.

        Raises:
            Mistake: It has no ARN of one.
        """
        return parse_cluster_arn(self.cluster_arn)

    @property
    def owner(self) -> str:
        """What owns it in short: an add-on as `addon/NAME`, another owner by its ARN; empty where nothing does.

        Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
        """
        # arn:aws:eks:REGION:ACCOUNT:addon/CLUSTER/NAME/UUID
        kind, *names = self.owner_arn.split(":", 5)[-1].split("/")
        return f"{kind}/{names[1]}" if kind == "addon" and len(names) > 1 else self.owner_arn

    @property
    def request(self) -> PodIdentityRequest:
        """What EKS asks of STS for the Pods of its service account."""
        arn = self.cluster_arn if self.cluster_arn.startswith("arn:") else ""
        return PodIdentityRequest(self.namespace, self.service_account, arn, self.session_tags)


def _trust_of(found: Any) -> Any:
    """Return a trust policy as IAM has it; a marker in place of what is no JSON object."""
    return found if isinstance(found, Mapping) else Unknown("IAM's answer has no JSON object there")


@dataclass(frozen=True, eq=False)
class Role:
    """An IAM role; `Unknown` takes the place of what the state or the preview hides, and of what was not read.

    Attributes:
        last_used: When it was last used in the 400 days that IAM tracks; None where it was not.
        has_details: Whether `last_used`, tags, policies and boundary are known; GetRole has all of them but policies.
        attached_policies: ARNs of its managed policies.
        inline_policies: Documents of its inline policies, by name.
        permissions_boundary: ARN of its permissions boundary; empty where it has none.
        max_session_duration: Its longest session in seconds.
        unique_id: Its unique ID, which no other role has, not even a later one of its name.
    """

    arn: str
    trust: Mapping[str, Any]
    created: datetime | None = None
    last_used: datetime | None = None
    has_details: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    attached_policies: tuple[str, ...] = ()
    inline_policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    permissions_boundary: str = ""
    description: str = ""
    max_session_duration: int = SESSION_DURATION.least
    unique_id: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Any], has_details: bool = False) -> Self:
        """Return a role as GetRole, ListRoles or GetAccountAuthorizationDetails has it, each of them with gaps.

        Sources: API_Role.html and API_RoleDetail.html in https://docs.aws.amazon.com/IAM/latest/APIReference/
        """
        return cls(
            found["Arn"],
            _trust_of(found.get("AssumeRolePolicyDocument")),
            found.get("CreateDate"),
            (found.get("RoleLastUsed") or {}).get("LastUsedDate"),
            has_details,
            {tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()},
            tuple(each["PolicyArn"] for each in found.get("AttachedManagedPolicies") or ()),
            {each["PolicyName"]: each["PolicyDocument"] for each in found.get("RolePolicyList") or ()},
            (found.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", ""),
            found.get("Description", ""),
            found.get("MaxSessionDuration", SESSION_DURATION.least),
            found["RoleId"],
        )

    @property
    def name(self) -> str:
        """Its name, without its path; of a planned one that is not known, what the stack calls it."""
        return role_name(self.arn)

    @functools.cached_property
    def path(self) -> str:
        """Its path: `/`, or `/team/`."""
        resource = parse_iam_arn(self.arn, "role").resource
        return f"/{resource[: -len(self.name)]}"


@dataclass(frozen=True)
class ManagedPolicy:
    """A managed policy, of an AWS account's own or of AWS.

    Attributes:
        document: The document of its default version.
        attachments: To how many users, groups and roles it is attached.
        created: When that version was created; None where it was not read.
    """

    arn: str
    document: Mapping[str, Any]
    attachments: int = 0
    created: datetime | None = field(default=None, compare=False)


class PolicySettings(NamedTuple):
    """What IAM says of a managed policy only when asked for it alone."""

    description: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class AwsAccount:
    """An AWS account.

    Attributes:
        number: Its 12 digits.
        roles: All of its roles, sorted by ARN.
        client_ids: The audiences of each of its IAM OIDC providers, by ARN.
        eks_clusters: The ARNs of its EKS clusters, by issuer, by region; None for a region that could not be asked.
        policies: Its managed policies and those of AWS, where these were asked for.
        associations: The associations of clusters that were read, by ARN; None for one that could not be read.
        is_whole: Whether it has all roles of its number; of a stack's plan, it has those of the stack.
    """

    number: str
    roles: tuple[Role, ...]
    client_ids: Mapping[str, tuple[str, ...]]
    eks_clusters: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    policies: tuple[ManagedPolicy, ...] = ()
    associations: Mapping[str, tuple[Association, ...] | None] = field(default_factory=dict)
    place: AwsPlace = field(default=UNKNOWN_AWS_ACCOUNT, compare=False)
    """By which options the AWS CLI acts on it."""
    is_whole: bool = True

    @functools.cached_property
    def by_name(self) -> dict[str, Role]:
        """Its roles by name in small letters: IAM has no two that differ in case or path alone."""
        return {each.name.lower(): each for each in self.roles}

    @functools.cached_property
    def documents(self) -> dict[str, Mapping[str, Any]]:
        """The documents of its managed policies, by ARN."""
        return {each.arn: each.document for each in self.policies}


@dataclass(frozen=True)
class World:
    """Clusters and AWS accounts; each issuer is there once."""

    clusters: tuple[Cluster, ...]
    aws_accounts: tuple[AwsAccount, ...]

    @functools.cached_property
    def by_number(self) -> dict[str, AwsAccount]:
        """The AWS accounts by their number."""
        return {each.number: each for each in self.aws_accounts}

    @functools.cached_property
    def associations(self) -> dict[str, list[Association]]:
        """All associations that were read, or are planned, by the ARN of their role."""
        found: dict[str, list[Association]] = {}
        for those in (those or () for each in self.aws_accounts for those in each.associations.values()):
            for each in those:
                found.setdefault(each.role_arn, []).append(each)
        return found

    @functools.cached_property
    def annotated(self) -> list[tuple[Cluster, ServiceAccount]]:
        """The service accounts that have a role in their annotation."""
        return [(cluster, each) for cluster in self.clusters for each in cluster.service_accounts if each.role_arn]

    @property
    def associated(self) -> Iterator[tuple[Cluster, Association, ServiceAccount | None]]:
        """The associations of the clusters, each with its service account, where that exists."""
        listed = {arn: found for each in self.aws_accounts for arn, found in each.associations.items()}
        for cluster in self.clusters:
            of_cluster = listed.get(cluster.arn or "") or ()
            by_name = {each.subject: each for each in cluster.service_accounts} if of_cluster else {}
            for each in of_cluster:
                yield cluster, each, by_name.get(each.subject)
