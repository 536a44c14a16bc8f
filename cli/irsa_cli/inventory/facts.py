"""What the findings are about, and what several kinds of them need, computed once. Pure."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from irsa.evaluation import Decision, TrustDocumentError, WebIdentityRequest
from irsa.evaluation.admission import TOO_MANY_PATTERNS, admitted_by
from irsa.evaluation.admission import Admitted as AdmittedPattern
from irsa.evaluation.document import parse
from irsa.rules.annotations import WRITTEN_FROM, meant_by
from irsa.rules.arns import issuer_host_path, parse_iam_arn
from irsa.rules.mistakes import COMPARED, Mistake, likely, named
from irsa.rules.strangers import stranger
from irsa.rules.subjects import is_pattern, subject_claim
from irsa.rules.unknown import Unknown
from irsa_cli.inventory.admissions import Admitted, Trust, TrustPolicy
from irsa_cli.inventory.associations import Associated, RoleAnswer, trusts_pod_identity
from irsa_world.model import Association, Cluster, Discovery, Role, ServiceAccount
from irsa_world.trusts.admitted import admitted
from irsa_world.trusts.chains import NAMED, RolePolicies
from irsa_world.trusts.claims import Claims
from irsa_world.trusts.target_roles import of_target_role
from irsa_world.trusts.trust import exact_subjects, is_of_kubernetes, trusts_of
from irsa_world.verdict import AskedRole, Verdict, of_missing_role, verdict

# Stands for whatever a pattern of namespaces matches.
FILLING = "namespace"
NOT_READ = "the trust policy of {role} was not read"
# Of AWS's own policies, whose documents no list of the AWS account has, those that give sts:AssumeRole on every role:
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/PowerUserAccess.html
OF_AWS = re.compile(r"arn:[\w-]+:iam::aws:policy/(AdministratorAccess|PowerUserAccess)")
NOTHING, UNREAD = RolePolicies(()), Unknown("it was not read")


class Answer(NamedTuple):
    """What a role says to a service account that is annotated with it, and the OIDC provider of the cluster."""

    cluster: Cluster
    service_account: ServiceAccount
    provider_arn: str
    verdict: Verdict


class FreeName(NamedTuple):
    """A value of `sub` in a trust policy, by the place of its statement, that no service account has."""

    trust: Trust
    value: str
    place: int


@dataclass(frozen=True)
class Facts:
    """What the findings are about.

    Attributes:
        discovery: What was found.
        now: Now.
        not_checked: Takes what cannot be decided, as a sentence.
    """

    discovery: Discovery
    now: datetime
    not_checked: Callable[[str], None]

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
            (cluster, group) for cluster, each in of_clusters for group in admitted(each, self.claims[cluster.issuer])
        ]

    @property
    def allowed(self) -> Iterator[tuple[Cluster, Admitted]]:
        """Who is admitted for certain."""
        return (each for each in self.admitted if each[1].decision is Decision.ALLOWED)

    @functools.cached_property
    def roles(self) -> dict[str, Role]:
        """All roles of the AWS accounts, by ARN."""
        return {role.arn: role for each in self.discovery.aws_accounts for role in each.roles}

    @functools.cached_property
    def numbers(self) -> frozenset[str]:
        """The numbers of the AWS accounts that were read."""
        return frozenset(each.number for each in self.discovery.aws_accounts)

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
            of_role = self.with_policies_of_aws(first.role) or self.role_policies(first.role)
            return of_target_role(association, of_role, target.parsed)

        def answer(role_arn: str, of_policy: Callable[[TrustPolicy], Verdict]) -> RoleAnswer:
            if of_missing := self.missing(role_arn):
                return RoleAnswer(role_arn, of_missing, missing=True)
            policy, unread = self.policies.get(role_arn), NOT_READ.format(role=named(role_arn))
            return RoleAnswer(role_arn, of_policy(policy) if policy else Verdict(Decision.CANNOT_DECIDE, unread))

        first = answer(association.role_arn, lambda policy: verdict(AskedRole(policy.parsed, {}), association.request))
        return (first, answer(association.target_role_arn, of_target)) if association.target_role_arn else (first,)

    @functools.cached_property
    def _documents(self) -> dict[str, Mapping[str, Any]]:
        """The managed policies of the AWS accounts, by ARN."""
        return {each.arn: each.document for aws_account in self.discovery.aws_accounts for each in aws_account.policies}

    def role_policies(self, role: Role) -> RolePolicies:
        """Return what the policies of a role say; what was not read is not known."""
        if not role.has_details:
            return RolePolicies([UNREAD])
        attached = [arn for arn in role.attached_policies if ":iam::aws:" not in arn]
        of_role = [*role.inline_policies.values(), *(self._documents.get(arn, UNREAD) for arn in attached)]
        boundary = self._documents.get(role.permissions_boundary, UNREAD) if role.permissions_boundary else None
        return RolePolicies(of_role, boundary) if of_role or boundary else NOTHING

    def with_policies_of_aws(self, role: Role) -> RolePolicies | None:
        """Return what they say with a policy of AWS that gives sts:AssumeRole on every role; None where it has none."""
        if not any(map(OF_AWS.fullmatch, role.attached_policies)):
            return None
        of_role = self.role_policies(role)
        return replace(of_role, documents=[*of_role.documents, NAMED])

    @functools.cached_property
    def associated_with(self) -> dict[tuple[str, str], Associated]:
        """The association of a service account, by issuer and subject; EKS refuses a second one."""
        return {(each.cluster.issuer, each.association.subject): each for each in self.associated}

    @functools.cached_property
    def having(self) -> dict[tuple[str, str], int]:
        """The service accounts of a cluster that have a role by annotation or association, by issuer and ARN."""
        found: dict[tuple[str, str], int] = {}
        pairs = [(cluster, each.role_arn, each.subject) for cluster, each in self.discovery.annotated]
        pairs += [
            (each.cluster, each.role_arn, each.association.subject) for each in self.associated if each.service_account
        ]
        for cluster, arn, subject in pairs:
            key = cluster.issuer, arn
            found[key] = found.get(key, 0) | self.claims[cluster.issuer].bit(subject)
        return found

    def answer(self, cluster: Cluster, service_account: ServiceAccount, claim: str = "") -> Answer | None:
        """Return the answer of the annotated role to the token that the webhook mounts; None if it was not read.

        Args:
            cluster: The cluster of the service account.
            service_account: The service account, perhaps with other annotations than it has.
            claim: The `sub` of the token; empty for that of the service account.
        """
        policy = self.policies.get(service_account.role_arn)
        if policy is None:
            return None
        provider, claim = policy.provider_arn(cluster.issuer), claim or subject_claim(service_account.subject)
        request = WebIdentityRequest(cluster.issuer, provider, claim, service_account.audience)
        answer = verdict(AskedRole(policy.parsed, policy.aws_account.client_ids), request)
        return Answer(cluster, service_account, provider, answer)

    @functools.cached_property
    def answers(self) -> list[Answer]:
        """The answers of annotated roles that do not allow."""
        found = (self.answer(*each) for each in self.discovery.annotated)
        return [each for each in found if each and each.verdict.decision is not Decision.ALLOWED]

    def admitting(self, cluster: Cluster, service_account: ServiceAccount) -> Mapping[str, Sequence[str]]:
        """Return the roles that admit a service account whose annotations do not work, each with its audiences."""
        return self._admitting.get((cluster.issuer, service_account.subject), {})

    @functools.cached_property
    def _admitting(self) -> dict[tuple[str, str], dict[str, list[str]]]:
        # A wide role may admit thousands whose annotations work.
        in_question = dict.fromkeys(self.claims, 0)
        refused = {(each.cluster.issuer, each.service_account.subject) for each in self.answers}
        for cluster in self.discovery.clusters:
            for each in cluster.service_accounts:
                wrong = (key for key in each.annotations if key not in WRITTEN_FROM and meant_by(key))
                is_missing = each.role_arn and each.role_arn not in self.roles
                if is_missing or (cluster.issuer, each.subject) in refused or any(wrong):
                    in_question[cluster.issuer] |= self.claims[cluster.issuer].bit(each.subject)
        found: dict[tuple[str, str], dict[str, list[str]]] = {}
        for cluster, group in self.allowed:
            those = group.service_accounts & in_question[cluster.issuer]
            for subject in self.claims[cluster.issuer].subjects(those):
                of_roles = found.setdefault((cluster.issuer, subject), {})
                of_roles.setdefault(group.trust.policy.role.arn, []).extend(group.audiences)
        return found

    @functools.cached_property
    def free_names(self) -> list[FreeName]:
        """The names in trust policies of which there is no service account."""
        return [
            FreeName(trust, value, index)
            for trust in self.trusts
            if trust.cluster
            for value, index in exact_subjects(trust).items()
            if not self.claims[trust.cluster.issuer].like(value)
        ]

    @functools.cached_property
    def typos(self) -> list[tuple[FreeName, Answer]]:
        """The free names that are likely typos of a service account that the role refuses, which it is annotated with.

        With that name, the role would admit it.
        """
        refused: dict[tuple[str, str], list[Answer]] = {}
        for each in self.answers:
            if each.verdict.decision is Decision.DENIED:
                refused.setdefault((each.cluster.issuer, each.service_account.role_arn), []).append(each)
        found = []
        for free in self.free_names:
            cluster = free.trust.cluster
            those = refused.get((cluster.issuer, free.trust.policy.role.arn), []) if cluster else []
            by_name = {
                str(each.service_account): each
                for each in those[:COMPARED]
                if _is_near(free.value, each.service_account)
            }
            near = by_name.get(likely("/".join(_parts(free.value)), by_name, least=0) or "")
            answer = self.answer(near.cluster, near.service_account, free.value) if near else None
            if near and answer and answer.verdict.decision is Decision.ALLOWED:
                found.append((free, near))
                those.remove(near)
        return found

    @functools.cached_property
    def of_kubernetes(self) -> list[Trust]:
        """Those trusts whose provider is of a Kubernetes cluster; GitHub's, for example, is not."""
        return [each for each in self.trusts if each.cluster or is_of_kubernetes(each)]

    @functools.cached_property
    def kubernetes_roles(self) -> list[Role]:
        """The roles that trust an OIDC provider of Kubernetes or EKS Pod Identity, or that a service account has."""
        found = {each.policy.role.arn for each in self.of_kubernetes}
        found |= {arn for arn, each in self.policies.items() if trusts_pod_identity(each)}
        found |= {each.role_arn for _, each in self.discovery.annotated}
        found |= {answer.role_arn for each in self.associated for answer in each.answers}
        return [self.roles[arn] for arn in sorted(found & self.roles.keys())]

    @functools.cached_property
    def wide(self) -> dict[int, dict[str, "Wide"]]:
        """The namespaces that a trust admits whole, or may, by the trust's place; `*` for every one."""
        found = ((index, _wide_namespaces(self, each)) for index, each in enumerate(self.trusts) if each.cluster)
        return {index: namespaces for index, namespaces in found if namespaces}


def _parts(claim: str) -> list[str]:
    """Return namespace and name of a `sub`, which may lack its prefix or have another one."""
    return claim.split(":")[-2:]


def _is_near(claim: str, service_account: ServiceAccount) -> bool:
    """Return whether a `sub` is likely meant for a service account: a name, or the namespace, has a typo or two."""
    namespace, name = _parts(claim) if ":" in claim else ("", claim)
    if name == service_account.name:
        return True
    near = likely(name, [service_account.name], least=0.75) is not None
    return near and likely(namespace, [service_account.namespace], least=0.75) is not None


class Wide(NamedTuple):
    """How a role admits every service account of a namespace: for certain or not, and by which patterns."""

    decision: Decision
    admitted: Sequence[AdmittedPattern]


def _wide_namespaces(facts: Facts, trust: Trust) -> dict[str, Wide]:
    """Return the namespaces of which a role admits, or may admit, every service account; `*` for all of them."""
    compared = trust.naming("sub")
    values = {value for each in compared for value in each.condition.wanted}
    named_alone = {each.place for each in compared} == trust.allowing.keys() and not any(map(is_pattern, values))
    if named_alone or not trust.client_ids:
        return {}
    admitted, complete = admitted_by(trust.parsed, trust.provider_arn, trust.client_ids)
    if not complete:
        facts.not_checked(f"{named(trust.policy.role.arn)}: {TOO_MANY_PATTERNS}")
    found: dict[str, Wide] = {}
    for decision, those in (
        (Decision.ALLOWED, [each for each in admitted if each.certain]),
        (Decision.CANNOT_DECIDE, admitted),
    ):
        subjects = {each.subject: each for each in those}
        if those and stranger(subjects) is None:
            return {**found, "*": Wide(decision, those)}
        for namespace in sorted({each.partition(":")[0] for each in subjects if is_pattern(each.partition(":")[2])}):
            # One namespace that the pattern matches stands for all.
            sample = namespace.replace("*", FILLING).replace("?", FILLING[0])
            if stranger(subjects, sample) is None:
                of_it = [each for subject, each in subjects.items() if subject.partition(":")[0] == namespace]
                found.setdefault(namespace, Wide(decision, of_it))
    return found
