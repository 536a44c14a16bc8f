"""What `irsa verify` compares of one binding: role, policies, service accounts and associations."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from irsa import types
from irsa.evaluation import Decision, PodIdentityRequest, WebIdentityRequest
from irsa.rules import commands
from irsa.rules.arns import Arn, ClusterArn, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import named
from irsa.rules.subjects import subject_claim
from irsa.rules.trust import federated_providers
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, POD_IDENTITY
from irsa_cli.verify.kinds import ASSOCIATION, DOCUMENTS, POLICIES, PROVIDER, ROLE, SERVICE_ACCOUNT, TRUST
from irsa_cli.verify.pods import pod_checks
from irsa_world import compare
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.eks import AGENT, EksClient
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.model import Association, AwsAccount, Role
from irsa_world.report.checks import Check, Outcome, ask
from irsa_world.sessions import Sessions
from irsa_world.state.declared import NO_ASSOCIATIONS, DeclaredBinding, DeclaredServiceAccount, DeclaredStack
from irsa_world.trusts.chains import Document
from irsa_world.trusts.clusters import clusters_named
from irsa_world.unread import NotCheckedError, read
from irsa_world.verdict import NO_ROLE, NO_SERVICE_ACCOUNT, Verdict, of_provider

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
Question = tuple[str, str, Callable[[Check], Iterable[Check]]]
"""A kind of check, what it is about, and what returns the findings."""


def failed_update(key: str, type_: str, name: str, up: str) -> Check:
    """Return the check of a resource whose last update failed, which the state has as done."""
    kind, texts = OF_TYPE.get(type_, PROVIDER), (FAILED_UPDATE, "an update that AWS completed")
    return Check(key, kind, Outcome.FINDING, f"resource {named(name)}", *texts, up)


@dataclass(frozen=True)
class Verification:
    """Compares one binding of a stack with the World, in which its AWS accounts are, and with EKS and Kubernetes."""

    declared: DeclaredStack
    aws_accounts: AwsAccountClients
    clusters: ClusterClients
    sessions: Sessions
    binding: DeclaredBinding

    def checks(self, pods: bool) -> list[Check]:
        """Return the checks of the binding, and those of its Pods if they are asked for."""
        binding, up = self.binding, commands.up(self.declared.stack)
        checks = [failed_update(binding.key, *each, up) for each in binding.failed_updates]
        if binding.unreadable:
            about = f"binding {named(binding.key)}"
            return [*checks, Check(binding.key, ROLE, Outcome.CANNOT_TELL, about, binding.unreadable)]
        by_irsa = binding.service_accounts if IRSA in binding.identity.trusted else ()
        questions = [*(self._of_role(binding.role, by_irsa) if binding.role else self._of_existing_role(by_irsa))]
        questions += [
            (SERVICE_ACCOUNT, each.place, partial(self._service_account, each)) for each in binding.service_accounts
        ]
        questions += self._of_associations()
        for kind, about, question in questions:
            checks += ask(Check(binding.key, kind, Outcome.OK, about, fix=up), question)
        return checks + (pod_checks(self.declared, self.clusters, binding) if pods else [])

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
        yield TRUST, about, lambda asked: compare.of_document(asked, role.trust, self._live().trust)
        for how in ("attached", "inline"):
            yield POLICIES, f"{about}, {how} policies", partial(self._policies, role, how)
        for arn, document in binding.documents.items():
            yield DOCUMENTS, named(arn), partial(self._document, arn, document)
        for policy, document in role.inline_policies.items():
            yield DOCUMENTS, f"inline {named(policy)}", partial(self._inline_document, policy, document)

    # AWS

    def _aws_account(self) -> AwsAccountClient:
        """Return who is asked about the AWS account of the binding's role."""
        if aws_account := self.aws_accounts.of_binding(self.binding):
            return aws_account
        number = parse_iam_arn(self.binding.role_arn, "role").account_id
        raise NotCheckedError(OTHER_AWS_ACCOUNT.format(number, commands.prove(self.binding.key, self.declared.stack)))

    def _account(self) -> AwsAccount:
        """Return the AWS account of the binding's role."""
        return self.sessions.world.by_number[self._aws_account().number]

    def _live(self) -> Role:
        """Return the role; that there is none, another check says."""
        live = self._account().by_name.get(Arn.name_in(self.binding.role_arn).lower())
        if live is None or (self.binding.role is None and live.arn != self.binding.role_arn):
            raise NotCheckedError(NO_ROLE)
        return live

    def _provider(self, arn: str, audiences: Sequence[str], asked: Check) -> Iterator[Check]:
        """Check whether a provider exists and lists one of the audiences that the trust policy requires, if any."""
        client_ids = read(self._account().client_ids.get(arn))
        # Without a condition on aud, the provider must be there, and may list what it likes.
        wanted = audiences or ([self.binding.audience] if client_ids is None else [])
        if refused := of_provider(self._account().place, client_ids, arn, wanted):
            # `pulumi up` repairs a provider that the stack creates.
            fix = None if arn in self.declared.oidc_providers else refused.fix
            yield asked.bad(refused.found, refused.expected, fix, named(arn))

    def _provider_of_tokens(self, service_account: DeclaredServiceAccount, asked: Check) -> Iterable[Check]:
        # Without its credentials, no cluster is asked.
        self._aws_account()
        issuer = self.clusters.of(service_account.provider).issuer
        return self._provider(provider_of_role(self.binding.role_arn, issuer), [self.binding.audience], asked)

    def _issuer(self, service_account: DeclaredServiceAccount, role: Role, asked: Check) -> Iterator[Check]:
        """Check whether the role trusts the service account's cluster: a recreated cluster has another issuer."""
        if isinstance(role.trust, Unknown):
            yield asked.bad(role.trust)
            return
        trusted = federated_providers(role.trust)
        cluster = self.clusters.of(service_account.provider)
        if provider_of_role(self.binding.role_arn, cluster.issuer) not in trusted:
            issuers = f"the issuer of {' or '.join(map(named, trusted)) or compare.NONE}"
            expected = f"{issuers}; if the cluster's issuer is new, first write it in the stack file or the program"
            about = f"cluster {named(service_account.cluster_key or cluster.context)}"
            yield asked.bad(f"issuer {named(cluster.issuer)}", expected, about=about)

    def _role(self, asked: Check) -> Iterable[Check]:
        arn, account, binding = self.binding.role_arn, self._account(), self.binding
        if missing := self.sessions.missing(arn):
            near = account.by_name.get(Arn.name_in(arn).lower())
            expected, fix = named(arn), None
            if binding.role is None:
                other = named(near.arn) if near else "the ARN of another role"
                expected, fix = f"{expected}, or {other} for {named(binding.key)}", ""
            return [asked.bad(missing.found, expected, fix)]
        live = self._live()
        read(live.trust)
        return compare.of_settings(asked, binding.role, live) if binding.role else ()

    def _policies(self, role: Role, how: str, asked: Check) -> Iterable[Check]:
        return compare.of_policies(asked, self._account().place, how, role, self._live())

    def _document(self, arn: str, declared: Document, asked: Check) -> Iterable[Check]:
        return compare.of_document(asked, declared, self._account().documents.get(arn))

    def _inline_document(self, policy: str, declared: Document, asked: Check) -> Iterable[Check]:
        return compare.of_document(asked, declared, self._live().inline_policies.get(policy))

    def _admits_token(self, service_account: DeclaredServiceAccount, asked: Check) -> Iterator[Check]:
        """Check whether an existing role admits a service account of the binding."""
        arn, issuer = self._live().arn, self.clusters.of(service_account.provider).issuer
        subject = subject_claim(service_account.subject)
        request = WebIdentityRequest(provider_of_role(arn, issuer), subject, self.binding.audience)
        return self._admits(request, asked)

    def _admits(self, request: WebIdentityRequest | PodIdentityRequest, asked: Check) -> Iterator[Check]:
        live = self._live()
        read(live.trust)
        yield from _of_verdict(asked, self.sessions.admits(live.arn, request).verdict, named(live.arn))

    # Kubernetes

    def _service_account(self, declared: DeclaredServiceAccount, asked: Check) -> Iterable[Check]:
        stack, live = self.declared.stack, self.clusters.of(declared.provider)
        found = live.service_account(declared.namespace, declared.name)
        if found is None:
            fix = declared.command_to_create(live.place, stack, live.has_namespace(declared.namespace))
            return [asked.bad(NO_SERVICE_ACCOUNT, named(str(declared)), fix)]
        return compare.of_annotations(asked, live.place, declared, found.annotations, stack)

    # EKS

    def _of_associations(self) -> Iterator[Question]:
        """Yield what is asked of the associations, and of the agent in their clusters."""
        binding = self.binding
        if POD_IDENTITY in binding.identity.used and binding.service_accounts and not binding.associations:
            unknown = Unknown(NO_ASSOCIATIONS)
            yield ASSOCIATION, f"binding {named(binding.key)}", lambda asked: [asked.bad(unknown)]
        for each in binding.associations:
            yield ASSOCIATION, _place(str(each), each.cluster), partial(self._association, each)
            if each.target_role_arn:
                yield ASSOCIATION, f"{compare.TARGET_ROLE} {named(each.target_role_arn)}", partial(self._target, each)
        for each in binding.associations:
            yield ASSOCIATION, f"EKS cluster {named(each.cluster.name)}", partial(self._agent, each.cluster)
        declared = {(str(each), each.cluster) for each in binding.associations}
        # Where only their statement is declared.
        for cluster in clusters_named(binding.trust) if binding.identity.only_trusts(POD_IDENTITY) else ():
            for one in (each for each in binding.service_accounts if (str(each), cluster) not in declared):
                yield ASSOCIATION, _place(str(one), cluster), partial(self._undeclared, cluster, one)

    def _eks(self, cluster: ClusterArn) -> tuple[EksClient, commands.AwsPlace]:
        """Return who is asked about a cluster's associations, and by which options the AWS CLI acts on it."""
        provider = self.binding.providers.get(str(cluster), self.binding.provider)
        owner = self.aws_accounts.of_resource(cluster, provider)
        return owner.eks(cluster.region), owner.place._replace(region=cluster.region)

    def _association(self, declared: Association, asked: Check) -> Iterable[Check]:
        eks, place = self._eks(declared.cluster)
        live = eks.association(declared.cluster.name, declared.namespace, declared.service_account)
        return compare.of_association(asked, place, declared, live)

    def _target(self, declared: Association, asked: Check) -> Iterator[Check]:
        """Check whether the target role exists, and the role of the association may assume it."""
        target = declared.target_role_arn
        try:
            # It is somebody else's role, in most stacks: nobody owes an answer.
            is_reached = self.aws_accounts.of_arn(target) is not None
            if role := self.sessions.roles.get(target):
                read(role.trust)
        except CouldNotLookError as error:
            raise NotCheckedError(str(error)) from None
        if not is_reached:
            number = parse_iam_arn(target, "role").account_id
            raise NotCheckedError(f"the stack has no credentials of AWS account {number}")
        if missing := self.sessions.missing(target):
            yield asked.bad(missing.found, named(target), "")
            return
        read(self._live().trust)
        eks, _ = self._eks(declared.cluster)
        association = eks.association(declared.cluster.name, declared.namespace, declared.service_account)
        external_id = association.external_id if association else ""
        *_, session = self.sessions.of_association(replace(declared, external_id=external_id))
        yield from _of_verdict(asked, session.verdict)

    def _agent(self, cluster: ClusterArn, asked: Check) -> Iterator[Check]:
        """Check whether the agent of EKS Pod Identity runs in a cluster."""
        # Whichever provider created the association: one of them is asked, and once.
        eks = self.aws_accounts.of_resource(cluster, "").eks(cluster.region)
        if (status := eks.addon_status(cluster.name)) is not None:
            if status not in RUNNING:
                yield asked.bad(f"the add-on is {named(status)}", f"the add-on {AGENT} is ACTIVE", "")
            return
        found = eks.cluster(cluster.name)
        if found is None:
            yield asked.bad("there is no such EKS cluster", named(str(cluster)), "")
        elif not found.auto_mode:
            text = f"{named(cluster.name)} has neither the add-on {AGENT} nor EKS Auto Mode"
            find = commands.find_agent(commands.UNKNOWN_CLUSTER)
            yield asked.bad(Unknown(f"{text}; `{find}` shows whether the agent's Helm chart is installed"))

    def _undeclared(self, cluster: ClusterArn, one: DeclaredServiceAccount, asked: Check) -> Iterable[Check]:
        try:
            eks, place = self._eks(cluster)
            live = eks.association(cluster.name, one.namespace, one.name)
        except NoPermissionError as error:
            # Nothing is declared there that would need it.
            raise NotCheckedError(str(error)) from None
        return compare.of_no_association(asked, place, live, self.binding.role_arn)


def _of_verdict(asked: Check, verdict: Verdict, about: str = "") -> Iterator[Check]:
    """Yield what there is against a session that is declared."""
    if verdict.decision is not Decision.ALLOWED:
        found = verdict.details or verdict.found
        is_known = verdict.decision is Decision.DENIED
        yield asked.bad(found if is_known else Unknown(found), verdict.expected, "", about)


def _place(service_account: str, cluster: ClusterArn) -> str:
    return f"{named(service_account)} in EKS cluster {named(cluster.name)}"
