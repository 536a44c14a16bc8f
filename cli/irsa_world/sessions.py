"""Who may have a session of which role in a World, by which way, and why. Pure.

`Sessions.of_token` and `Sessions.of_association` answer for one service account and one role. `Sessions.groups` answers
for every service account of a cluster by IRSA without evaluating each: their tokens differ in `sub` alone. So they are
divided into groups by the statements whose conditions on `sub` they meet, and one of each group is evaluated, with each
audience that the OIDC provider lists: a Pod may ask for a token of any audience.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation import Decision, Evaluation, PodIdentityRequest, TrustDocumentError, WebIdentityRequest
from irsa.evaluation.answers import RoleRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, Statement, parse
from irsa.evaluation.grants import grants
from irsa.rules.annotations import ROLE_KEY
from irsa.rules.arns import issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import subject_claim
from irsa.rules.trust import assume_role_actions
from irsa.rules.unknown import Unknown
from irsa_world.model import Association, AwsAccount, Cluster, Role, ServiceAccount, World
from irsa_world.trusts.chains import Document, RolePolicies, Trusting, answers, assumes, elsewhere
from irsa_world.trusts.claims import Claims, bits
from irsa_world.trusts.provider_trust import (
    ProviderTrust,
    allowed_principals,
    is_of_kubernetes,
    statement_text,
    trusts_of,
)
from irsa_world.verdict import Verdict, of_annotations, of_missing_role, of_trust_policy, verdict

PROBLEM = "its trust policy: "
NOT_READ = "the trust policy of {role} was not read"
# What decides, of several answers that must all allow: what refuses, before what cannot be decided.
ORDER = (Decision.DENIED, Decision.CANNOT_TELL, Decision.ALLOWED)
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

    def request(self, cluster: Cluster, service_account: ServiceAccount) -> WebIdentityRequest:
        """Return what STS is asked with the token that the webhook mounts."""
        provider = oidc_provider_arn(self.partition, self.aws_account.number, cluster.issuer)
        claim = subject_claim(service_account.subject)
        return WebIdentityRequest(provider, claim, service_account.audience)


@dataclass(frozen=True, eq=False)
class Trust(ProviderTrust):
    """What a role says to the tokens of one OIDC provider; the cluster is None where none was read."""

    policy: TrustPolicy
    cluster: Cluster | None


class Session(NamedTuple):
    """Whether there is a session of a role, for a service account, or for the role that assumes it as its target.

    Attributes:
        role_arn: The role.
        verdict: Whether, and why. Of a role that was not read: cannot tell.
        missing: Whether there is no such role.
    """

    role_arn: str
    verdict: Verdict
    missing: bool = False


@dataclass(frozen=True, eq=False)
class Associated:
    """An association of a cluster that was read.

    Attributes:
        service_account: Its service account; None where there is none of this name.
        sessions: That of its role, and that of its target role where it has one.
    """

    cluster: Cluster
    association: Association
    service_account: ServiceAccount | None
    sessions: tuple[Session, ...]

    @property
    def role_arn(self) -> str:
        """The role whose credentials the Pods get."""
        return self.association.target_role_arn or self.association.role_arn

    @property
    def deciding(self) -> Session:
        """The session that decides: one that is refused, before one that cannot be decided."""
        return min(self.sessions, key=lambda each: ORDER.index(each.verdict.decision))


class Group(NamedTuple):
    """Service accounts of a cluster that have the same answer from a role.

    Attributes:
        trust: What the role says to the tokens of that cluster.
        cluster: The cluster.
        service_accounts: Which of the cluster's, one bit each: see Claims.
        decision: ALLOWED or CANNOT_TELL.
        audiences: For tokens of which audiences, sorted.
        reason: Why.
    """

    trust: Trust
    cluster: Cluster
    service_accounts: int
    decision: Decision
    audiences: tuple[str, ...]
    reason: str

    @property
    def role_arn(self) -> str:
        """The role."""
        return self.trust.policy.role.arn


class Assumed(NamedTuple):
    """That a role may assume another one; the outcome is None where that cannot be decided.

    Attributes:
        other_arn: The other one; of such that were not read, it may be a pattern.
        outcome: Whether it may.
        reason: Why.
        is_read: Whether the other one was read, so that its trust policy is part of the outcome.
    """

    other_arn: str
    outcome: bool | None
    reason: str
    is_read: bool = True


@dataclass(frozen=True, eq=False)
class Sessions:
    """The sessions of a World, and what several questions about them need, each computed once."""

    world: World

    @functools.cached_property
    def roles(self) -> dict[str, Role]:
        """All roles of the AWS accounts, by ARN."""
        return {role.arn: role for each in self.world.aws_accounts for role in each.roles}

    @functools.cached_property
    def numbers(self) -> frozenset[str]:
        """The numbers of the AWS accounts that were read as a whole."""
        return frozenset(each.number for each in self.world.aws_accounts if each.is_whole)

    @functools.cached_property
    def _parsed(self) -> tuple[dict[str, TrustPolicy], dict[str, str]]:
        found, problems = {}, {}
        for aws_account in self.world.aws_accounts:
            for role in aws_account.roles:
                if isinstance(role.trust, Unknown):
                    problems[role.arn] = role.trust.reason
                    continue
                try:
                    found[role.arn] = TrustPolicy(role, aws_account, parse(role.trust))
                except TrustDocumentError as error:
                    problems[role.arn] = f"{PROBLEM}{error}"
        return found, problems

    @property
    def policies(self) -> dict[str, TrustPolicy]:
        """The trust policies that can be read, by the ARN of their role."""
        return self._parsed[0]

    @property
    def problems(self) -> dict[str, str]:
        """Why the other ones cannot be read, or are not known, by the ARN of their role."""
        return self._parsed[1]

    @property
    def unreadable(self) -> list[str]:
        """Which trust policies cannot be read, and why, each as one sentence."""
        return [f"trust policy of {named(arn)}: {why.removeprefix(PROBLEM)}" for arn, why in self.problems.items()]

    # --- One session -------------------------------------------------------------------------------------------------

    def _of(self, role_arn: str, ask: Callable[[TrustPolicy], Verdict]) -> Session:
        if missing := self.missing(role_arn):
            return Session(role_arn, missing, missing=True)
        policy, unread = self.policies.get(role_arn), NOT_READ.format(role=named(role_arn))
        return Session(role_arn, ask(policy) if policy else Verdict(Decision.CANNOT_TELL, unread))

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
        of_account = (each.by_name for each in self.world.aws_accounts if each.number == arn.account_id)
        near = (roles[arn.name.lower()].arn for roles in of_account if arn.name.lower() in roles)
        return of_missing_role(role_arn, next(near, None))

    def admits(self, role_arn: str, request: WebIdentityRequest | PodIdentityRequest) -> Session:
        """Return the session of a role by what its trust policy alone says to a request."""
        return self._of(role_arn, lambda policy: of_trust_policy(evaluate_parsed(*policy.parsed, request), request))

    def of_token(self, role_arn: str, cluster: Cluster, service_account: ServiceAccount) -> Session:
        """Return the session of a role by IRSA, with the token that the webhook mounts into Pods."""

        def ask(policy: TrustPolicy) -> Verdict:
            request = policy.request(cluster, service_account)
            # The webhook takes an empty audience as it is: the token is not for STS, whatever the role says.
            empty = of_annotations({**service_account.annotations, ROLE_KEY: role_arn}, role_arn)
            return empty or verdict(policy.parsed, policy.aws_account, request)

        return self._of(role_arn, ask)

    def of_association(self, association: Association) -> tuple[Session, ...]:
        """Return the sessions by an association: that of its role, and that of its target role where it has one."""

        def of_target(target: TrustPolicy) -> Verdict:
            role = self.roles.get(association.role_arn)
            if role is None:
                return Verdict(Decision.CANNOT_TELL, NOT_READ.format(role=named(association.role_arn)))
            return _of_target_role(association, self.role_policies(role), target.parsed)

        first = self.admits(association.role_arn, association.request)
        target_arn = association.target_role_arn
        return (first, self._of(target_arn, of_target)) if target_arn else (first,)

    # --- By IRSA -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def trusts(self) -> list[Trust]:
        """What the roles say to the tokens of each OIDC provider that they name, or of which a cluster is."""
        by_issuer = {issuer_host_path(each.issuer): each for each in self.world.clusters}
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
        clusters = self.world.clusters
        return {
            cluster.issuer: Claims({each.subject: each for each in cluster.service_accounts}) for cluster in clusters
        }

    @functools.cached_property
    def groups(self) -> list[Group]:
        """Who is admitted, or may be."""
        return [
            group
            for each in self.trusts
            if each.cluster
            for group in _groups(each, each.cluster, self.claims[each.cluster.issuer])
        ]

    @property
    def allowed(self) -> Iterator[Group]:
        """Who is admitted for certain."""
        return (each for each in self.groups if each.decision is Decision.ALLOWED)

    @functools.cached_property
    def _allowed_by(self) -> dict[tuple[str, int], list[Group]]:
        """Who is admitted for certain, by issuer and service account; all groups of several are at 0."""
        found: dict[tuple[str, int], list[Group]] = {}
        for each in self.allowed:
            is_one = not each.service_accounts & (each.service_accounts - 1)
            found.setdefault((each.cluster.issuer, each.service_accounts if is_one else 0), []).append(each)
        return found

    def admitting(self, cluster: Cluster, service_account: ServiceAccount) -> Mapping[str, Sequence[str]]:
        """Return the roles that admit a service account for certain, each with the audiences of its tokens."""
        bit = self.claims[cluster.issuer].bit(service_account.subject)
        those = (each for place in (bit, 0) for each in self._allowed_by.get((cluster.issuer, place), ()))
        return {each.role_arn: each.audiences for each in those if each.service_accounts & bit}

    # --- By EKS Pod Identity, and in turn ----------------------------------------------------------------------------

    @functools.cached_property
    def associated(self) -> list[Associated]:
        """The associations of the clusters."""
        return [Associated(*each, self.of_association(each[1])) for each in self.world.associated]

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
        found |= {each.role_arn for _, each in self.world.annotated}
        found |= {session.role_arn for each in self.associated for session in each.sessions}
        return [self.roles[arn] for arn in sorted(found & self.roles.keys())]

    @functools.cached_property
    def documents(self) -> dict[str, Document]:
        """The managed policies of the AWS accounts, by ARN."""
        return {each.arn: each.document for aws_account in self.world.aws_accounts for each in aws_account.policies}

    @functools.cached_property
    def role_policies(self) -> Callable[[Role], RolePolicies]:
        """What the policies of a role say to sts:AssumeRole; what was not read is not known."""
        return functools.cache(self._policies_of)

    def _policies_of(self, role: Role) -> RolePolicies:
        if not role.has_details:
            return RolePolicies([UNREAD])
        attached = (self.documents.get(arn, UNREAD) for arn in role.attached_policies)
        of_role = [*role.inline_policies.values(), *attached]
        boundary = self.documents.get(role.permissions_boundary, UNREAD) if role.permissions_boundary else None
        return RolePolicies(of_role, boundary) if of_role or boundary else NOTHING

    @functools.cached_property
    def _trusting(self) -> Trusting:
        return Trusting({arn: each.parsed for arn, each in self.policies.items()})

    def assumed_by(self, role: Role, also: Iterable[str] = ()) -> Iterator[Assumed]:
        """Yield the roles that a role may assume, or perhaps; of those that were not read, what its own policies say.

        Of these, the ones that its policies name, and further ones that are asked about.
        """
        of_role = self.role_policies(role)
        others = self._trusting.by_name(role.arn)
        # Nothing is known of policies that were not read: it would be said of every role that trusts the AWS account.
        others |= self._trusting.by_account(role.arn, of_role) if role.has_details else {}
        yield from (Assumed(other, *answer) for other, answer in answers(role.arn, of_role, others))
        for other in dict.fromkeys((*elsewhere(of_role), *also)):
            is_there = other in self.policies or (other not in self.roles and other.split(":")[4] in self.numbers)
            if not is_there and (outcome := of_role.give(other)) is not False:
                is_read = other in self.problems
                reason = NOT_READ.format(role=named(other))
                yield Assumed(other, None if is_read else outcome, reason, is_read)


def _groups(trust: Trust, cluster: Cluster, claims: Claims[ServiceAccount]) -> Iterator[Group]:
    """Yield which service accounts of a cluster a role admits, or may admit."""
    if not trust.client_ids:
        return
    of = grants(trust.parsed, trust.provider_arn, trust.client_ids)
    classes: dict[tuple[bool | None, ...], int] = {}
    # What a variable stands for may differ for each one.
    alone = of.has_variables
    groups = claims.kinds((*of.named, *of.narrowing)).values()
    for group in bits(claims.everybody) if alone else groups:
        (subject,) = claims.subjects(group & -group)
        outcomes = tuple(outcome for outcome, _ in of.meeting(subject))
        classes[outcomes] = classes.get(outcomes, 0) | group
    # What is not known of a claim is told of each one.
    alone |= any(None in outcomes for outcomes in classes)
    waiting = [(outcomes, each) for outcomes, those in classes.items() for each in (bits(those) if alone else [those])]
    found: dict[tuple[Decision, tuple[str, ...], str], int] = {}
    for outcomes, group in waiting:
        places = [one.place for one, outcome in zip(of.statements, outcomes, strict=True) if outcome is not False]
        applying = {place: trust.parsed[1][place] for place in places}
        if any(each.effect == "Allow" for each in applying.values()):
            first = claims.subjects(group & -group)[0]
            answer = _answer(trust, applying, first)
            if answer and answer[0] is Decision.CANNOT_TELL and first in answer[2] and group & (group - 1):
                # The reason is this one's alone; the list grows while it is read.
                waiting += [(outcomes, each) for each in bits(group)]
            elif answer:
                found[answer] = found.get(answer, 0) | group
    yield from (Group(trust, cluster, group, *answer) for answer, group in found.items())


def _answer(
    trust: ProviderTrust, statements: Mapping[int, Statement], subject: str
) -> tuple[Decision, tuple[str, ...], str] | None:
    """Return decision, audiences and reason for a service account; None where it is refused."""
    by_decision: dict[Decision, dict[str, Evaluation]] = {}
    for audience in sorted({*(trust.client_ids or ())}):
        evaluation = trust.evaluated(subject, audience, statements.values())
        by_decision.setdefault(evaluation.decision, {})[audience] = evaluation
    for decision in (Decision.ALLOWED, Decision.CANNOT_TELL):
        if answers := by_decision.get(decision):
            reasons = [each for one in answers.values() for each in _reasons(trust, one, [*statements])]
            return decision, tuple(answers), "; ".join(dict.fromkeys(reasons))
    return None


def _reasons(trust: ProviderTrust, evaluation: Evaluation, places: Sequence[int]) -> Iterator[str]:
    """Yield what decides, or what is not known."""
    for each in evaluation.statements:
        text = statement_text(trust, places[each.index])
        if each.matched and each.effect == "Allow":
            yield text
        elif each.matched is None and evaluation.decision is Decision.CANNOT_TELL:
            verb = "deny" if each.effect == "Deny" else "allow"
            why = " ".join(reason.explanation for reason in each.reasons if reason.outcome is None)
            yield f"{text}; it may {verb} it: {why}"


def _of_target_role(association: Association, policies: RolePolicies, trust: Parsed) -> Verdict:
    """Return whether the role of an association may assume its target role: session tags need an action of their own.

    They are transitive, so that the target's session has them too:
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
    """
    role, other = named(association.role_arn), association.target_role_arn
    found = []
    for action in assume_role_actions(association.session_tags):
        request = RoleRequest(association.role_arn, (action,), association.external_id)
        outcome, reason = assumes(request, policies, other, trust)
        decision = {True: Decision.ALLOWED, None: Decision.CANNOT_TELL, False: Decision.DENIED}[outcome]
        reason = reason or f"its trust policy, or the policies of {role}, do not allow {action}"
        text = f"as target role of {role}: {reason}"
        wanted = f"{action} for {role}, in the trust policy of {named(other)} and in the policies of {role}"
        found.append(Verdict(decision, text, "" if outcome else wanted, "", text))
    return min(found, key=lambda each: ORDER.index(each.decision))
