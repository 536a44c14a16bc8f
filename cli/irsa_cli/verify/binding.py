"""What `irsa verify` compares of one binding: role, policies, service accounts and associations."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from irsa import types
from irsa.evaluation import Decision, PodIdentityRequest, WebIdentityRequest, evaluate
from irsa.evaluation.document import parse
from irsa.rules import commands
from irsa.rules.arns import Arn, ClusterArn, parse_iam_arn, provider_of_role
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import named
from irsa.rules.subjects import subject_claim
from irsa.rules.trust import federated_providers
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, POD_IDENTITY
from irsa_cli.verify.ask import NotCheckedError, Question, ask
from irsa_cli.verify.kinds import ASSOCIATION, DOCUMENTS, POLICIES, PROVIDER, ROLE, SERVICE_ACCOUNT, TRUST
from irsa_cli.verify.pods import pod_checks
from irsa_world.compare import (
    NONE,
    TARGET_ROLE,
    Difference,
    of_annotations,
    of_association,
    of_document,
    of_no_association,
    of_policies,
    of_settings,
)
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.eks import AGENT, EksClient
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.model import Association, AwsAccount, Role, World
from irsa_world.report.checks import Check, Outcome
from irsa_world.sessions import Sessions
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack
from irsa_world.trusts.chains import Document
from irsa_world.trusts.clusters import clusters_named
from irsa_world.trusts.trust import allowed_principals
from irsa_world.verdict import NO_ROLE, NO_SERVICE_ACCOUNT, of_missing_role, of_provider, of_trust_policy

Found = TypeVar("Found")
# Statuses in which the agent runs: https://docs.aws.amazon.com/eks/latest/APIReference/API_Addon.html
RUNNING = ("ACTIVE", "UPDATING")
FAILED_UPDATE = "its last creation or update failed, but the state records it as done"
OTHER_AWS_ACCOUNT = (
    "the stack has no credentials of AWS account {}; `{}` shows whether the role admits the service accounts"
)
# The kind of check of a resource whose last update failed.
OF_TYPE = {
    types.ROLE: ROLE,
    types.POLICY: DOCUMENTS,
    types.INLINE_POLICY: DOCUMENTS,
    types.POD_IDENTITY_ASSOCIATION: ASSOCIATION,
}


def failed_update(type_: str, name: str) -> Question:
    """Return the question whose answer is that the last update of a resource failed, which the state has as done."""
    difference = Difference(FAILED_UPDATE, "an update that AWS has done")
    return OF_TYPE.get(type_, PROVIDER), f"resource {named(name)}", lambda: [difference]


def answers(declared: DeclaredStack, key: str, questions: Iterable[Question]) -> list[Check]:
    """Return the checks of questions about a binding, or another part of the stack."""
    up = commands.up(declared.stack)
    return [
        check for kind, about, question in questions for check in ask(Check(key, kind, Outcome.OK, about), up, question)
    ]


@dataclass(frozen=True)
class Verification:
    """Verifies one binding of a stack, where AWS accounts and clusters are read."""

    declared: DeclaredStack
    aws_accounts: AwsAccountClients
    clusters: ClusterClients
    binding: DeclaredBinding

    def checks(self, pods: bool) -> list[Check]:
        """Return the checks of the binding, and those of its Pods if they are asked for."""
        checks = answers(self.declared, self.binding.key, self._questions())
        if self.binding.unreadable:
            return [each for each in checks if each.outcome is not Outcome.OK]
        return checks + (pod_checks(self.declared, self.clusters, self.binding) if pods else [])

    def _questions(self) -> Iterator[Question]:
        binding = self.binding
        yield from (failed_update(*each) for each in binding.failed_updates)
        if binding.unreadable:
            reason = Difference(Unknown(binding.unreadable))
            yield ROLE, f"binding {named(binding.key)}", lambda: [reason]
            yield from self._of_unreadable(binding.role) if binding.role and binding.trust else ()
            return
        by_irsa = binding.service_accounts if IRSA in binding.identity.trusted else ()
        yield from self._of_role(binding.role, by_irsa) if binding.role else self._of_existing_role(by_irsa)
        for each in binding.service_accounts:
            yield SERVICE_ACCOUNT, each.place, partial(self._service_account, each)
        yield from self._of_associations()

    def _of_unreadable(self, role: Role) -> Iterator[Question]:
        """Yield what is asked of a role of which not all is known: what nobody declared, no failed update explains."""
        about = f"role {named(role.name)}"
        yield TRUST, about, self._strangers
        for how, question in (("attached", self._attached), ("inline", self._inline)):
            yield POLICIES, f"{about}, {how} policies", partial(_undeclared_ones, question, role)

    def _of_existing_role(self, by_irsa: Sequence[DeclaredServiceAccount]) -> Iterator[Question]:
        about = named(self.binding.role_arn)
        for each in by_irsa:
            yield PROVIDER, f"cluster of {each.place}", partial(self._provider_of_tokens, each)
        yield ROLE, about, self._role
        for each in by_irsa:
            yield TRUST, f"cluster of {each.place}", partial(self._admits_token, each)
        for association in self.binding.associations:
            yield TRUST, about, partial(self._admits, association.request)

    def _of_role(self, role: Role, by_irsa: Sequence[DeclaredServiceAccount]) -> Iterator[Question]:
        """Yield what is asked of a role that the stack creates."""
        binding, about = self.binding, f"role {named(role.name)}"
        for arn, alternatives in federated_providers(binding.trust or {}).items():
            for audiences in alternatives:
                yield PROVIDER, named(arn), partial(self._provider, arn, audiences)
        yield ROLE, named(binding.role_arn), self._role
        for each in by_irsa:
            yield PROVIDER, f"cluster of {each.place}", partial(self._issuer, each, role)
        yield TRUST, about, lambda: of_document(role.trust, self._live().trust)
        yield POLICIES, f"{about}, attached policies", partial(self._attached, role)
        yield POLICIES, f"{about}, inline policies", partial(self._inline, role)
        for arn, document in binding.documents.items():
            yield DOCUMENTS, named(arn), partial(self._document, document, arn)
        for policy, document in role.inline_policies.items():
            yield DOCUMENTS, f"inline {named(policy)}", partial(self._document, document, policy, role.name)

    # AWS

    def _aws_account(self) -> AwsAccountClient:
        """Return the AWS account of the binding's role."""
        if aws_account := self.aws_accounts.of_binding(self.binding):
            return aws_account
        number = parse_iam_arn(self.binding.role_arn, "role").account_id
        raise NotCheckedError(OTHER_AWS_ACCOUNT.format(number, commands.prove(self.binding.key, self.declared.stack)))

    def _live(self) -> Role:
        """Return the role."""
        live = self._aws_account().role(Arn.name_in(self.binding.role_arn))
        return _there(None if live and self.binding.role is None and live.arn != self.binding.role_arn else live)

    def _provider(self, arn: str, audiences: Sequence[str]) -> Iterator[Difference]:
        """Check whether a provider exists and lists one of the audiences that the trust policy requires, if any."""
        aws_account = self._aws_account()
        client_ids = aws_account.client_ids(arn)
        # Without a condition on aud, the provider must be there, and may list what it likes.
        wanted = audiences or ([self.binding.audience] if client_ids is None else [])
        refused = of_provider(aws_account.place, client_ids, arn, wanted)
        if refused:
            # `pulumi up` repairs a provider that the stack creates.
            fix = None if arn in self.declared.oidc_providers else refused.fix
            yield Difference(refused.found, refused.expected, fix, named(arn))

    def _provider_of_tokens(self, service_account: DeclaredServiceAccount) -> Iterable[Difference]:
        # Without its credentials, no cluster is asked.
        self._aws_account()
        issuer = self.clusters.of(service_account.cluster).issuer
        return self._provider(provider_of_role(self.binding.role_arn, issuer), [self.binding.audience])

    def _issuer(self, service_account: DeclaredServiceAccount, role: Role) -> Iterator[Difference]:
        """Check whether the role trusts the service account's cluster: a recreated cluster has another issuer."""
        if isinstance(role.trust, Unknown):
            yield Difference(role.trust)
            return
        trusted = federated_providers(role.trust)
        cluster = self.clusters.of(service_account.cluster)
        if provider_of_role(self.binding.role_arn, cluster.issuer) not in trusted:
            issuers = f"the issuer of {' or '.join(map(named, trusted)) or NONE}"
            expected = f"{issuers}; where the cluster's issuer is new, first write it in the stack file or the program"
            about = f"cluster {named(service_account.cluster_key or cluster.context)}"
            yield Difference(f"issuer {named(cluster.issuer)}", expected, about=about)

    def _strangers(self) -> Iterable[Difference]:
        """Return the statements of the trust policy for principals that no trust policy of the stack has."""
        live = self._live().trust
        both = zip(items_of(live["Statement"]), parse(live)[1], strict=True)
        known = [each for each, parsed in both if allowed_principals([parsed]) <= self.declared.principals]
        return of_document({**live, "Statement": known}, live)

    def _role(self) -> Iterator[Difference]:
        arn, live = self.binding.role_arn, self._aws_account().role(Arn.name_in(self.binding.role_arn))
        if live is None or live.arn != arn:
            near = live.arn if live else None
            expected, fix = named(arn), None
            if self.binding.role is None:
                other = named(near) if near else "the ARN of another role"
                expected, fix = f"{expected}, or {other} for {named(self.binding.key)}", ""
            yield Difference(of_missing_role(arn, near).found, expected, fix)
        elif self.binding.role:
            yield from of_settings(self.binding.role, live)

    def _attached(self, role: Role) -> Iterable[Difference]:
        aws_account = self._aws_account()
        live, removal = (
            _there(aws_account.attached_policies(role.name)),
            partial(commands.detach_policy, aws_account.place),
        )
        return of_policies(role.name, "attached", role.attached_policies, live, removal)

    def _inline(self, role: Role) -> Iterable[Difference]:
        aws_account = self._aws_account()
        live = _there(aws_account.inline_policies(role.name))
        removal = partial(commands.delete_inline_policy, aws_account.place)
        return of_policies(role.name, "inline", role.inline_policies, live, removal)

    def _document(self, declared: Document, policy: str, role: str = "") -> Iterable[Difference]:
        """Compare the document of a managed policy, or of an inline one of a role."""
        aws_account = self._aws_account()
        return of_document(
            declared, aws_account.inline_document(role, policy) if role else aws_account.document(policy)
        )

    def _admits_token(self, service_account: DeclaredServiceAccount) -> Iterator[Difference]:
        """Check whether an existing role admits a service account of the binding."""
        live, issuer = self._live(), self.clusters.of(service_account.cluster).issuer
        provider = provider_of_role(live.arn, issuer)
        subject = subject_claim(service_account.subject)
        return self._admits(WebIdentityRequest(issuer, provider, subject, self.binding.audience))

    def _admits(self, request: WebIdentityRequest | PodIdentityRequest) -> Iterator[Difference]:
        answer = of_trust_policy(evaluate(self._live().trust, request), request)
        return _of_decision(answer.decision, answer.details, answer.expected, named(self.binding.role_arn))

    # Kubernetes

    def _service_account(self, declared: DeclaredServiceAccount) -> Iterable[Difference]:
        stack, live = self.declared.stack, self.clusters.of(declared.cluster)
        found = live.service_account(declared.namespace, declared.name)
        if found is None:
            fix = declared.command_to_create(live.place, stack, live.has_namespace(declared.namespace))
            return [Difference(NO_SERVICE_ACCOUNT, named(str(declared)), fix)]
        return of_annotations(live.place, declared, found.annotations, stack)

    # EKS

    def _of_associations(self) -> Iterator[Question]:
        """Yield what is asked of the associations, and of the agent in their clusters."""
        binding = self.binding
        for each in binding.associations:
            yield ASSOCIATION, _place(str(each), each.cluster), partial(self._association, each)
            if each.target_role_arn:
                yield ASSOCIATION, f"{TARGET_ROLE} {named(each.target_role_arn)}", partial(self._target, each)
        for each in binding.associations:
            yield ASSOCIATION, f"EKS cluster {named(each.cluster.name)}", partial(self._agent, each.cluster)
        # Where only their statement is declared.
        for cluster in clusters_named(binding.trust) if binding.identity.only_trusts(POD_IDENTITY) else ():
            for one in binding.service_accounts:
                yield ASSOCIATION, _place(str(one), cluster), partial(self._undeclared, cluster, one)

    def _eks(self, cluster: ClusterArn) -> EksClient:
        return self._owner(cluster).eks(cluster.region)

    def _owner(self, cluster: ClusterArn) -> AwsAccountClient:
        provider = self.binding.providers.get(str(cluster), self.binding.provider)
        return self.aws_accounts.of_cluster(cluster, provider)

    def _eks_place(self, cluster: ClusterArn) -> commands.AwsPlace:
        return self._owner(cluster).place._replace(region=cluster.region)

    def _live_association(self, declared: Association) -> Association | None:
        eks, name = self._eks(declared.cluster), declared.cluster.name
        return eks.association(name, declared.namespace, declared.service_account)

    def _association(self, declared: Association) -> Iterable[Difference]:
        return of_association(self._eks_place(declared.cluster), declared, self._live_association(declared))

    def _target(self, declared: Association) -> Iterator[Difference]:
        """Check whether the target role exists, and the role of the association may assume it."""
        target = parse_iam_arn(declared.target_role_arn, "role")
        try:
            # It is somebody else's role, in most stacks: nobody owes an answer.
            aws_account = self.aws_accounts.of_arn(declared.target_role_arn)
            live = aws_account.role(target.name) if aws_account else None
        except CouldNotLookError as error:
            raise NotCheckedError(str(error)) from None
        if aws_account is None:
            raise NotCheckedError(f"the stack has no credentials of AWS account {target.account_id}")
        if live is None or live.arn != declared.target_role_arn:
            refused = of_missing_role(declared.target_role_arn, live.arn if live else None)
            yield Difference(refused.found, named(declared.target_role_arn), "")
            return
        association = self._live_association(declared)
        external_id = association.external_id if association else ""
        world = World((), (self._aws_account().with_policies(self._live()), AwsAccount(target.account_id, (live,), {})))
        *_, session = Sessions(world).of_association(replace(declared, external_id=external_id))
        verdict = session.verdict
        yield from _of_decision(verdict.decision, verdict.details or verdict.found, verdict.expected)

    def _agent(self, cluster: ClusterArn) -> Iterator[Difference]:
        """Check whether the agent of EKS Pod Identity runs in a cluster."""
        # Whichever provider created the association: one of them is asked, and once.
        eks = self.aws_accounts.of_cluster(cluster, "").eks(cluster.region)
        if (status := eks.addon_status(cluster.name)) is not None:
            if status not in RUNNING:
                yield Difference(f"the add-on is {named(status)}", f"the add-on {AGENT} is ACTIVE", "")
            return
        found = eks.cluster(cluster.name)
        if found is None:
            yield Difference("there is no such EKS cluster", named(str(cluster)), "")
        elif not found.auto_mode:
            text = f"neither the add-on {AGENT} nor EKS Auto Mode; whether its Helm chart is installed in"
            find = commands.find_agent(commands.UNKNOWN_CLUSTER)
            yield Difference(Unknown(f"{text} {named(cluster.name)}, `{find}` shows"))

    def _undeclared(self, cluster: ClusterArn, one: DeclaredServiceAccount) -> Iterable[Difference]:
        try:
            live = self._eks(cluster).association(cluster.name, one.namespace, one.name)
        except NoPermissionError as error:
            # Nothing is declared there that would need it.
            raise NotCheckedError(str(error)) from None
        return of_no_association(self._eks_place(cluster), live, self.binding.role_arn)


def _undeclared_ones(question: Callable[[Role], Iterable[Difference]], role: Role) -> list[Difference]:
    # What is missing, `pulumi up` adds; what has a command of its own, nobody declared.
    return [each for each in question(role) if each.fix]


def _of_decision(decision: Decision, details: str, expected: str, about: str = "") -> Iterator[Difference]:
    """Yield what a trust policy has against a session that is declared."""
    if decision is not Decision.ALLOWED:
        found = Unknown(details) if decision is Decision.CANNOT_DECIDE else details
        yield Difference(found, expected, "", about)


def _place(service_account: str, cluster: ClusterArn) -> str:
    return f"{named(service_account)} in EKS cluster {named(cluster.name)}"


def _there(found: Found | None) -> Found:
    """Return what a role has; that there is no such role, another check says."""
    if found is None:
        raise NotCheckedError(NO_ROLE)
    return found
