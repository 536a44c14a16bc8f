"""Who may have which role in what was found, and why: `irsa inventory` and `irsa adopt` ask here. Pure."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from irsa.evaluation import Decision, PodIdentityRequest, TrustDocumentError, WebIdentityRequest
from irsa.evaluation.document import Parsed, parse
from irsa.rules.arns import issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import subject_claim
from irsa.rules.unknown import Unknown
from irsa_world.model import (
    Association,
    AwsAccount,
    Cluster,
    Discovery,
    Role,
    ServiceAccount,
)
from irsa_world.trusts import admitted
from irsa_world.trusts.chains import NAMED, RolePolicies
from irsa_world.trusts.claims import Claims
from irsa_world.trusts.target_roles import ORDER, of_target_role
from irsa_world.trusts.trust import ProviderTrust, allowed_principals, is_of_kubernetes, trusts_of
from irsa_world.verdict import AskedRole, Verdict, of_missing_role, verdict

NOT_READ = "the trust policy of {role} was not read"
# Of AWS's own policies, whose documents no list of the AWS account has, those that give sts:AssumeRole on every role:
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/PowerUserAccess.html
OF_AWS = re.compile(r"arn:[\w-]+:iam::aws:policy/(AdministratorAccess|PowerUserAccess)")
NOTHING, UNREAD = RolePolicies(()), Unknown("it was not read")


class TrustPolicy(NamedTuple):
    """A role with its trust policy, parsed."""

    role: Role
    aws_account: AwsAccount
    parsed: Parsed

    @property
    def partition(self) -> str:
        """The partition of the role, whose path may have any printable character: its ARN need not be one of ours."""
        return self.role.arn.split(":")[1]

    def says(self, cluster: Cluster, service_account: ServiceAccount) -> tuple[str, Verdict]:
        """Return what the role says to the token that the webhook mounts, and the OIDC provider that STS looks for."""
        provider = oidc_provider_arn(self.partition, self.aws_account.number, cluster.issuer)
        claim = subject_claim(service_account.subject)
        request = WebIdentityRequest(cluster.issuer, provider, claim, service_account.audience)
        return provider, verdict(AskedRole(self.parsed, self.aws_account.client_ids), request)


@dataclass(frozen=True, eq=False)
class Trust(ProviderTrust):
    """What a role says to the tokens of one OIDC provider; the cluster is None where none was read."""

    policy: TrustPolicy
    cluster: Cluster | None


Admitted = admitted.Admitted[Trust]


class RoleAnswer(NamedTuple):
    """What a role of an association says: to EKS, or as a target role to the first role."""

    role_arn: str
    verdict: Verdict
    missing: bool = False


@dataclass(frozen=True, eq=False)
class Associated:
    """An association of a cluster that was read.

    Attributes:
        service_account: Its service account; None where there is none of this name.
        answers: The answer of its role, and that of its target role where it has one.
    """

    cluster: Cluster
    association: Association
    service_account: ServiceAccount | None
    answers: tuple[RoleAnswer, ...]

    @property
    def role_arn(self) -> str:
        """The role whose credentials the Pods get."""
        return self.association.target_role_arn or self.association.role_arn

    @property
    def deciding(self) -> RoleAnswer:
        """The answer that decides: what refuses, before what cannot be decided."""
        return min(self.answers, key=lambda each: ORDER.index(each.verdict.decision))


class Answer(NamedTuple):
    """What a role says to a service account that is annotated with it, and the OIDC provider of the cluster."""

    cluster: Cluster
    service_account: ServiceAccount
    provider_arn: str
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Facts:
    """What was found, and what several questions about it need, computed once.

    Attributes:
        discovery: What was found.
        not_checked: Takes what cannot be decided, as a sentence.
        now: Now.
    """

    discovery: Discovery
    not_checked: Callable[[str], None]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @functools.cached_property
    def roles(self) -> dict[str, Role]:
        """All roles of the AWS accounts, by ARN."""
        return {role.arn: role for each in self.discovery.aws_accounts for role in each.roles}

    @functools.cached_property
    def numbers(self) -> frozenset[str]:
        """The numbers of the AWS accounts that were read."""
        return frozenset(each.number for each in self.discovery.aws_accounts)

    @functools.cached_property
    def policies(self) -> dict[str, TrustPolicy]:
        """The trust policies that can be read, by the ARN of their role."""
        found = {}
        for aws_account in self.discovery.aws_accounts:
            for role in aws_account.roles:
                try:
                    found[role.arn] = TrustPolicy(role, aws_account, parse(role.trust))
                except TrustDocumentError as error:
                    self.not_checked(f"trust policy of {named(role.arn)}: {error}")
        return found

    # --- By the tokens of clusters -----------------------------------------------------------------------------------

    @functools.cached_property
    def trusts(self) -> list[Trust]:
        """What they say to the tokens of each OIDC provider that they name, or of which a cluster is."""
        by_issuer = {issuer_host_path(each.issuer): each for each in self.discovery.clusters}
        return [
            Trust(**vars(each), policy=policy, cluster=by_issuer.get(each.issuer))
            for policy in self.policies.values()
            for each in trusts_of(
                policy.parsed, policy.partition, policy.aws_account.number, policy.aws_account.client_ids, by_issuer
            )
        ]

    @functools.cached_property
    def of_kubernetes(self) -> list[Trust]:
        """Those trusts whose provider is of a Kubernetes cluster; GitHub's, for example, is not."""
        return [each for each in self.trusts if each.cluster or is_of_kubernetes(each)]

    @functools.cached_property
    def claims(self) -> dict[str, Claims[ServiceAccount]]:
        """The service accounts of each cluster, by its issuer."""
        clusters = self.discovery.clusters
        return {
            cluster.issuer: Claims({each.subject: each for each in cluster.service_accounts}) for cluster in clusters
        }

    @functools.cached_property
    def admitted(self) -> list[tuple[Cluster, Admitted]]:
        """Who is admitted, or may be, each with its cluster."""
        of_clusters = [(each.cluster, each) for each in self.trusts if each.cluster]
        return [
            (cluster, group)
            for cluster, each in of_clusters
            for group in admitted.admitted(each, self.claims[cluster.issuer])
        ]

    @property
    def allowed(self) -> Iterator[tuple[Cluster, Admitted]]:
        """Who is admitted for certain."""
        return (each for each in self.admitted if each[1].decision is Decision.ALLOWED)

    def admitting(self, cluster: Cluster, service_account: ServiceAccount) -> Mapping[str, Sequence[str]]:
        """Return the roles that admit a service account for certain, each with the audiences of its tokens."""
        bit = self.claims[cluster.issuer].bit(service_account.subject)
        those = (each for of, each in self.allowed if of is cluster and each.service_accounts & bit)
        return {each.trust.policy.role.arn: each.audiences for each in those}

    def answer(self, cluster: Cluster, service_account: ServiceAccount) -> Answer | None:
        """Return the answer of the annotated role to the token that the webhook mounts; None if it was not read."""
        policy = self.policies.get(service_account.role_arn)
        return Answer(cluster, service_account, *policy.says(cluster, service_account)) if policy else None

    @functools.cached_property
    def answers(self) -> list[Answer]:
        """The answers of annotated roles that do not allow."""
        found = (self.answer(*each) for each in self.discovery.annotated)
        return [each for each in found if each and each.verdict.decision is not Decision.ALLOWED]

    def missing(self, role_arn: str) -> Verdict | None:
        """Return that a role does not exist; None where it does, or its AWS account was not read."""
        if role_arn in self.roles:
            return None
        try:
            arn = parse_iam_arn(role_arn, "role")
        except Mistake as mistake:
            return Verdict(Decision.DENIED, mistake.found, "the ARN of a role")
        if arn.account_id not in self.numbers:
            return None
        return of_missing_role(role_arn, self._by_name.get((arn.account_id, arn.name.lower())))

    @functools.cached_property
    def _by_name(self) -> dict[tuple[str, str], str]:
        return {(arn.split(":")[4], each.name.lower()): arn for arn, each in self.roles.items()}

    # --- By associations, and in turn --------------------------------------------------------------------------------

    @functools.cached_property
    def associated(self) -> list[Associated]:
        """The associations of the clusters, each with what its roles say."""
        return [
            Associated(cluster, each, found, self._answers_of(each))
            for cluster, each, found in self.discovery.associated
        ]

    def _answers_of(self, association: Association) -> tuple[RoleAnswer, ...]:
        """Return the answer of the role of an association to EKS, and that of its target role to the first role."""

        def of_target(target: TrustPolicy) -> Verdict:
            first = self.policies.get(association.role_arn)
            if first is None:
                return Verdict(Decision.CANNOT_DECIDE, NOT_READ.format(role=named(association.role_arn)))
            return of_target_role(association, self.role_policies(first.role), target.parsed)

        def answer(role_arn: str, of_policy: Callable[[TrustPolicy], Verdict]) -> RoleAnswer:
            if of_missing := self.missing(role_arn):
                return RoleAnswer(role_arn, of_missing, missing=True)
            policy, unread = self.policies.get(role_arn), NOT_READ.format(role=named(role_arn))
            return RoleAnswer(role_arn, of_policy(policy) if policy else Verdict(Decision.CANNOT_DECIDE, unread))

        first = answer(association.role_arn, lambda policy: verdict(AskedRole(policy.parsed, {}), association.request))
        return (first, answer(association.target_role_arn, of_target)) if association.target_role_arn else (first,)

    @functools.cached_property
    def associated_with(self) -> dict[tuple[str, str], Associated]:
        """The association of a service account, by issuer and subject; EKS refuses a second one."""
        return {(each.cluster.issuer, each.association.subject): each for each in self.associated}

    @functools.cached_property
    def kubernetes_roles(self) -> list[Role]:
        """The roles that trust an OIDC provider of Kubernetes or EKS Pod Identity, or that a service account has."""
        found = {each.policy.role.arn for each in self.of_kubernetes}
        pods = PodIdentityRequest.principal
        found |= {arn for arn, each in self.policies.items() if pods in allowed_principals(each.parsed[1])}
        found |= {each.role_arn for _, each in self.discovery.annotated}
        found |= {answer.role_arn for each in self.associated for answer in each.answers}
        return [self.roles[arn] for arn in sorted(found & self.roles.keys())]

    @functools.cached_property
    def _documents(self) -> dict[str, Mapping[str, Any]]:
        """The managed policies of the AWS accounts, by ARN."""
        return {each.arn: each.document for aws_account in self.discovery.aws_accounts for each in aws_account.policies}

    def role_policies(self, role: Role) -> RolePolicies:
        """Return what the policies of a role say to sts:AssumeRole; what was not read is not known."""
        if not role.has_details:
            return RolePolicies([UNREAD])
        attached = [arn for arn in role.attached_policies if ":iam::aws:" not in arn]
        of_role = [*role.inline_policies.values(), *(self._documents.get(arn, UNREAD) for arn in attached)]
        of_role += [NAMED] if any(map(OF_AWS.fullmatch, role.attached_policies)) else []
        boundary = self._documents.get(role.permissions_boundary, UNREAD) if role.permissions_boundary else None
        return RolePolicies(of_role, boundary) if of_role or boundary else NOTHING
