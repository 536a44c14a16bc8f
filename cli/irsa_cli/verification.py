"""What `irsa verify` does: compare what is declared with what AWS and Kubernetes have now."""

import argparse
import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from irsa import types
from irsa.evaluation import PodIdentityRequest, WebIdentityRequest, evaluate
from irsa.evaluation.differences import differences
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, PREFIX, ROLE_ARN, meant_by
from irsa.rules.arns import ClusterArn, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.names import snake
from irsa.rules.subjects import subject_claim, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, federated_providers, minified
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, ONLY_IRSA, POD_IDENTITY
from irsa_cli.compared import (
    ASSOCIATION,
    CHECKS,
    DOCUMENTS,
    GUARD,
    PODS,
    POLICIES,
    PROVIDER,
    ROLE,
    SERVICE_ACCOUNT,
    STAGE,
    TRUST,
)
from irsa_cli.consistency import PAUSES, is_fresh
from irsa_cli.guard.checks import guard_checks
from irsa_cli.pod_identity import AssociationChecks, of_pod, unique_clusters
from irsa_cli.progress import check_all
from irsa_cli.report.checks import OUTCOMES, UNANSWERED, Check, Outcome, Report, by_binding, outcome_of, worst
from irsa_cli.report.publish import publish
from irsa_world.exits import CouldNotLookError, SecretInStateError, unexpected
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.kubernetes import ClusterClient, ClusterClients
from irsa_world.live.service import CONCURRENT
from irsa_world.model import Association, Role
from irsa_world.pods import containers_with_own_role, kind_of_node, problems, restart_command, running_pod
from irsa_world.stages import Node, RunningPod, stage_of, way_of
from irsa_world.state.declared import (
    DeclaredBinding,
    DeclaredServiceAccount,
    DeclaredStack,
    Document,
    in_cluster,
)
from irsa_world.state.pulumi import last_up_failed, read_stack
from irsa_world.verdict import NO_ROLE, NO_SERVICE_ACCOUNT, of_missing_role, of_provider, of_trust_policy

NONE = "none"
FAILED_UPDATE = "its last creation or update failed, and the state has it as done"
OTHER_AWS_ACCOUNT = (
    "the stack has no credentials of AWS account {}; `{}` shows whether the role admits the service accounts"
)
NewCheck = Callable[..., Check]
"""Makes a check of a question: of its outcome, found, expected, fix and, if not what the question is about, that."""
Value = TypeVar("Value")


def run(options: argparse.Namespace) -> int:
    """Verify the chosen bindings, print the report and return the exit code.

    Raises:
        CouldNotLookError: The stack cannot be read, or has no such binding.
    """
    declared = read_stack(options.stack)
    bindings = declared.chosen(options.bindings)
    checks = look(declared, bindings, options.pods)
    for pause in PAUSES:
        wrong = {check.binding for check in checks if check.outcome is Outcome.FINDING}
        again = [binding for binding in bindings if binding.key in wrong and is_fresh(binding)]
        if not again:
            break
        time.sleep(pause)
        new = by_binding(look(declared, again, options.pods))
        checks = [check for key, old in by_binding(checks).items() for check in _newer(old, new.get(key, old))]
    # It is of the stack, and of no binding.
    checks += guard_checks(declared) if declared.guards and not options.bindings else []
    if any(map(_may_be_of_a_failed_up, checks)) and last_up_failed(options.stack):
        checks = [_in_doubt(check) if _may_be_of_a_failed_up(check) else check for check in checks]
    columns = columns_of(checks, options.pods)
    notes = [f"{named(check.binding)}: {check.found}" for check in checks if _is_note(check)]
    report = Report("verify", declared.stack, checks, notes)
    return publish(report, ("binding", *columns), rows_of(checks, columns), options)


def _may_be_of_a_failed_up(check: Check) -> bool:
    return check.outcome is Outcome.FINDING and check.found != FAILED_UPDATE


def _in_doubt(check: Check) -> Check:
    """Return a finding as what it is after an `up` that failed: what that declared, no output of a binding has."""
    found = f"{check.found}; the last `pulumi up` failed, and the one before it declared {check.expected or NONE}"
    return replace(check, outcome=Outcome.CANNOT_TELL, found=found, expected="")


def _is_note(check: Check) -> bool:
    return check.check == STAGE or (check.check == GUARD and check.outcome is Outcome.OK and bool(check.found))


def columns_of(checks: Iterable[Check], pods: bool) -> list[str]:
    """Return the kinds of checks that are columns of the table; a stage is a line of its own."""
    of_some = {ASSOCIATION, GUARD} - {check.check for check in checks}
    absent = {STAGE, *([] if pods else [PODS]), *of_some}
    return [name for name in CHECKS if name not in absent]


def rows_of(checks: Sequence[Check], columns: Sequence[str]) -> list[list[str]]:
    """Return a row for each binding: its key, and the worst outcome of each kind of check; empty where it has none."""
    return [
        [named(key), *(worst(check.outcome for check in of_binding if check.check == each) or "" for each in columns)]
        for key, of_binding in by_binding(checks).items()
    ]


def look(declared: DeclaredStack, bindings: Sequence[DeclaredBinding], pods: bool) -> list[Check]:
    """Return the checks of these bindings, by what AWS and Kubernetes answer now."""
    aws_accounts, clusters = AwsAccountClients(declared.aws), ClusterClients(declared.clusters)
    read_in_bulk(aws_accounts, clusters, bindings)
    # The agent is of a cluster, whichever of its bindings says so.
    agents: dict[ClusterArn, Association] = {}
    verifications = []
    for binding in bindings:
        own = {key: each for key, each in unique_clusters(binding.associations).items() if key not in agents}
        agents |= own
        verifications.append(Verification(declared, aws_accounts, clusters, binding, tuple(own.values())))
    return [
        # They are of no binding: one that has them is enough.
        *(verifications[0].failed_update(types.OIDC_PROVIDER, name) for name in declared.failed_providers),
        *check_all("verify", verifications, lambda each: each.checks(pods), CONCURRENT),
    ]


def read_in_bulk(
    aws_accounts: AwsAccountClients, clusters: ClusterClients, bindings: Sequence[DeclaredBinding]
) -> None:
    """Read beforehand what the checks of several bindings need, where that takes fewer requests."""
    readable = [binding for binding in bindings if not binding.unreadable]
    with ThreadPoolExecutor(2) as pool:
        pool.submit(aws_accounts.read_in_bulk, readable)
        pool.submit(clusters.read_service_accounts, [each for binding in readable for each in binding.service_accounts])


def _newer(old: list[Check], new: list[Check]) -> list[Check]:
    """Return the new checks of a binding; the old ones if something that had an answer then has none now."""
    unanswered, before = (
        {(check.check, check.about) for check in checks if check.outcome in UNANSWERED} for checks in (new, old)
    )
    return new if unanswered <= before else old


@dataclass(frozen=True)
class Verification:
    """Verifies one binding of a stack, where AWS accounts and clusters are read.

    Attributes:
        agents_of: Associations of the binding whose clusters it checks for the agent.
    """

    declared: DeclaredStack
    aws_accounts: AwsAccountClients
    clusters: ClusterClients
    binding: DeclaredBinding
    agents_of: tuple[Association, ...] = ()

    @property
    def _repair(self) -> str:
        return commands.up(self.declared.stack)

    def checks(self, pods: bool) -> list[Check]:
        """Return the checks of the binding, and those of its Pods if they are asked for."""
        binding, ask = self.binding, self._ask
        failed = [self.failed_update(*each) for each in binding.failed_updates]
        if binding.unreadable:
            about = f"binding {named(binding.key)}"
            return [*failed, Check(binding.key, ROLE, Outcome.CANNOT_TELL, about, binding.unreadable)]
        checks = [*failed, *ask(PROVIDER, "IAM OIDC provider", self._providers)]
        checks += ask(ROLE, named(binding.role_arn), self._role)
        if role := binding.role:
            for each in binding.service_accounts if IRSA in binding.identity.trusted else ():
                checks += ask(PROVIDER, f"cluster of {each.place}", self._issuer, each, role)
            checks += ask(TRUST, f"role {named(role.name)}", self._trust, role)
            checks += ask(POLICIES, f"role {named(role.name)}", self._policies, role)
            for arn, document in binding.documents.items():
                checks += ask(DOCUMENTS, named(arn), self._document, document, arn)
            for name, document in role.inline_policies.items():
                checks += ask(DOCUMENTS, f"inline {named(name)}", self._document, document, name, role.name)
        else:
            checks += ask(TRUST, named(binding.role_arn), self._admits)
        for each in binding.service_accounts:
            checks += ask(SERVICE_ACCOUNT, each.place, self._service_account, each)
        checks += AssociationChecks(ask, self.aws_accounts, binding, self._repair).checks(self.agents_of)
        if pods:
            running: list[RunningPod] = []
            of_pods = [
                check
                for each in binding.service_accounts
                for check in ask(PODS, each.place, self._of_pods, each, running)
            ]
            checks += of_pods
            # Without all Pods, no stage is safe.
            if self._has_stage and all(check.outcome not in UNANSWERED for check in of_pods):
                checks += ask(STAGE, f"binding {named(binding.key)}", self._stage, running)
        return checks

    def _ask(self, kind: str, about: str, question: Callable[..., Iterable[Check]], *of: Any) -> list[Check]:
        """Return the checks of one question, or one check that says why it has no answer; other questions go on."""

        def check(outcome: Outcome, found: str = "", expected: str = "", fix: str = "", about: str = about) -> Check:
            return Check(self.binding.key, kind, outcome, about, found, expected, fix)

        try:
            return list(question(check, *of))
        except CouldNotLookError as error:
            return [check(outcome_of(error), str(error))]
        except Mistake as error:
            return [check(Outcome.CANNOT_TELL, str(error))]
        except Exception as error:
            return [check(Outcome.CANNOT_TELL, unexpected(error))]

    def failed_update(self, type_: str, name: str) -> Check:
        """Return that the last update of a resource failed, which the state has as done."""
        kinds = {types.ROLE: ROLE, types.POLICY: DOCUMENTS, types.INLINE_POLICY: DOCUMENTS}
        kinds[types.POD_IDENTITY_ASSOCIATION] = ASSOCIATION
        kind, about = kinds.get(type_, PROVIDER), f"resource {named(name)}"
        texts = FAILED_UPDATE, "an update that AWS has done"
        return Check(self.binding.key, kind, Outcome.FINDING, about, *texts, self._repair)

    # AWS

    def _stack_account(self) -> AwsAccountClient:
        """Return the AWS account in which the stack created the binding's role."""
        return self.aws_accounts.of_role(self.binding.role_arn, self.binding.provider)

    def _providers(self, _: NewCheck) -> Iterator[Check]:
        aws_account, ask = self.aws_accounts.of_binding(self.binding), functools.partial(self._ask, PROVIDER)
        if aws_account is None:
            return
        if self.binding.role:
            for arn, alternatives in federated_providers(known(self.binding.role.trust)).items():
                for audiences in alternatives:
                    yield from ask(named(arn), self._provider, aws_account, arn, audiences)
            return
        for each in self.binding.service_accounts if IRSA in self.binding.identity.trusted else ():
            yield from ask(f"cluster of {each.place}", self._provider_of_tokens, aws_account, each)

    def _provider_of_tokens(
        self, check: NewCheck, aws_account: AwsAccountClient, service_account: DeclaredServiceAccount
    ) -> Iterable[Check]:
        provider = provider_of_role(self.binding.role_arn, self.clusters.of(service_account.cluster).issuer)
        return self._provider(check, aws_account, provider, [self.binding.audience])

    def _issuer(self, check: NewCheck, service_account: DeclaredServiceAccount, role: Role) -> Iterable[Check]:
        """Check whether the role trusts the service account's cluster: a recreated cluster has another issuer."""
        trusted = federated_providers(known(role.trust))
        cluster = self.clusters.of(service_account.cluster)
        about = f"cluster {named(service_account.cluster_key or cluster.context)}"
        if provider_of_role(self.binding.role_arn, cluster.issuer) in trusted:
            return [check(Outcome.OK, named(cluster.issuer), about=about)]
        issuers = f"the issuer of {' or '.join(map(named, trusted)) or NONE}"
        # A program names the OIDC providers, and a stack file the clusters.
        declared = "issuer in the stack file" if self.binding.in_stack_file else "OIDC provider in the program"
        expected = f"{issuers}, or the cluster's new {declared}: write it there first"
        return [check(Outcome.FINDING, f"issuer {named(cluster.issuer)}", expected, self._repair, about)]

    def _provider(
        self, check: NewCheck, aws_account: AwsAccountClient, arn: str, audiences: Sequence[str]
    ) -> Iterable[Check]:
        """Check whether a provider exists and lists one of the audiences that the trust policy requires, if any."""
        client_ids = aws_account.client_ids(arn)
        # Without a condition on aud, the provider must be there, and may list what it likes.
        refused = of_provider(client_ids, arn, audiences or ([self.binding.audience] if client_ids is None else []))
        if refused is None:
            return [check(Outcome.OK, about=named(arn))]
        # `pulumi up` repairs a provider that the stack creates.
        fix = self._repair if arn in self.declared.oidc_providers else refused.fix
        return [check(Outcome.FINDING, refused.found, refused.expected, fix, named(arn))]

    def _role(self, check: NewCheck) -> Iterable[Check]:
        aws_account, arn = self.aws_accounts.of_binding(self.binding), parse_iam_arn(self.binding.role_arn, "role")
        if aws_account is None:
            # One check for the role, its trust policy and its OIDC provider.
            reason = OTHER_AWS_ACCOUNT.format(arn.account_id, commands.prove(self.binding.key))
            return [check(Outcome.NOT_CHECKED, reason)]
        live = aws_account.role(arn.name)
        if live and live.arn == self.binding.role_arn:
            return [*self._settings(check, self.binding.role, live)] or [check(Outcome.OK)]
        near = live.arn if live else None
        found, expected = of_missing_role(self.binding.role_arn, near).found, named(self.binding.role_arn)
        if self.binding.role:
            return [check(Outcome.FINDING, found, expected, self._repair)]
        other = named(near) if near else "the ARN of another role"
        return [check(Outcome.FINDING, found, f"{expected}, or {other} for {named(self.binding.key)}")]

    def _settings(self, check: NewCheck, role: Role | None, live: Role) -> Iterator[Check]:
        """Yield the settings of a role that the stack created and that somebody changed."""
        for setting, (label, _) in types.ROLE_SETTINGS.items() if role else ():
            declared, found = known(getattr(role, snake(setting))), getattr(live, snake(setting))
            if found != declared:
                texts = (f"{label}: {named(str(each)) if each else NONE}" for each in (found, declared))
                yield check(Outcome.FINDING, *texts, self._repair)

    def _trust(self, check: NewCheck, role: Role) -> Iterable[Check]:
        live = self._stack_account().role(role.name)
        if live is None:
            return [check(Outcome.NOT_CHECKED, NO_ROLE)]
        return self._compared(check, known(role.trust), live.trust)

    def _admits(self, check: NewCheck) -> Iterator[Check]:
        """Check whether an existing role admits the binding's service accounts."""
        aws_account = self.aws_accounts.of_binding(self.binding)
        if aws_account is None:
            return
        live = aws_account.role(parse_iam_arn(self.binding.role_arn, "role").name)
        if live is None or live.arn != self.binding.role_arn:
            yield check(Outcome.NOT_CHECKED, NO_ROLE)
            return
        for each in self.binding.service_accounts if IRSA in self.binding.identity.trusted else ():
            yield from self._ask(TRUST, f"cluster of {each.place}", self._admits_token, live.trust, each)
        for association in self.binding.associations:
            yield from self._ask(TRUST, named(live.arn), self._admitted, live.trust, association.request)

    def _admits_token(
        self, check: NewCheck, trust: Mapping[str, Any], service_account: DeclaredServiceAccount
    ) -> Iterator[Check]:
        issuer = self.clusters.of(service_account.cluster).issuer
        subject = subject_claim(subject_of(service_account.namespace, service_account.name))
        provider = provider_of_role(self.binding.role_arn, issuer)
        return self._admitted(check, trust, WebIdentityRequest(issuer, provider, subject, self.binding.audience))

    def _admitted(
        self, check: NewCheck, trust: Mapping[str, Any], request: WebIdentityRequest | PodIdentityRequest
    ) -> Iterator[Check]:
        answer = of_trust_policy(evaluate(trust, request), request)
        yield check(OUTCOMES[answer.decision], answer.details, answer.expected, about=named(self.binding.role_arn))

    def _policies(self, check: NewCheck, role: Role) -> Iterable[Check]:
        aws_account, checks = self._stack_account(), list[Check]()
        for how in ("attached", "inline"):
            about = f"role {named(role.name)}, {how} policies"
            checks += self._ask(POLICIES, about, self._of_kind, aws_account, role, how)
        # That the role does not exist is said once.
        return [*dict.fromkeys(checks)] or [check(Outcome.OK, "no policies, as declared")]

    def _of_kind(
        self, check: NewCheck, aws_account: AwsAccountClient, declared_role: Role, how: str
    ) -> Iterator[Check]:
        """Check the policies that are attached to a role, or its inline ones."""
        kinds: dict[str, tuple[Iterable[str], Callable[..., list[str] | None], Callable[..., str]]] = {
            "attached": (declared_role.attached_policies, aws_account.attached_policies, commands.detach_policy),
            "inline": (declared_role.inline_policies, aws_account.inline_policies, commands.delete_inline_policy),
        }
        policies, read, removal = kinds[how]
        role = declared_role.name
        declared, found = {*known(policies)}, read(role)
        if found is None:
            yield check(Outcome.NOT_CHECKED, NO_ROLE, about=f"role {named(role)}")
            return
        live = {*found}
        for policy in sorted(declared - live):
            text = f"not {how} to the role; {how}: {listed(sorted(live)) or NONE}"
            yield check(Outcome.FINDING, text, f"{how} to {named(role)}", self._repair, named(policy))
        for policy in sorted(declared & live):
            yield check(Outcome.OK, about=named(policy))
        for policy in sorted(live - declared):
            texts = (f"{how} but not declared", f"only {listed(sorted(declared)) or NONE}")
            yield check(Outcome.FINDING, *texts, removal(role, policy), named(policy))

    def _document(self, check: NewCheck, document: Document, policy: str, role: str = "") -> Iterable[Check]:
        """Check the document of a managed policy, or of an inline one of a role."""
        aws_account = self._stack_account()
        live = aws_account.inline_document(role, policy) if role else aws_account.document(policy)
        declared = known(document)
        if live is None:
            return [check(Outcome.FINDING, "the policy does not exist", minified(declared), self._repair)]
        return self._compared(check, declared, live)

    def _compared(self, check: NewCheck, declared: Mapping[str, Any], live: Mapping[str, Any]) -> Iterable[Check]:
        found = [
            check(Outcome.FINDING, f"{each.place}: {each.found}", f"{each.place}: {each.expected}", self._repair)
            for each in differences(declared, live)
        ]
        return found or [check(Outcome.OK)]

    # Kubernetes

    def _service_account(self, check: NewCheck, service_account: DeclaredServiceAccount) -> Iterable[Check]:
        cluster = self.clusters.of(service_account.cluster)
        live = cluster.service_account(service_account.namespace, service_account.name)
        if live is None:
            fix = service_account.command_to_create(self.declared.stack)
            return [check(Outcome.FINDING, NO_SERVICE_ACCOUNT, named(str(service_account)), fix)]
        found = annotation_findings(service_account, live.annotations, self.declared.stack)
        return [check(Outcome.FINDING, *texts) for texts in found] or [check(Outcome.OK)]

    @property
    def _has_stage(self) -> bool:
        """Whether the stage is of interest: one binding of the stack, at least, is on the way."""
        return bool(self.binding.service_accounts) and any(
            each.identity != ONLY_IRSA for each in self.declared.bindings
        )

    def _nodes(self, cluster: ClusterClient) -> Mapping[str, Node] | None:
        """Return the kinds of a cluster's nodes; None where they cannot be read."""
        with contextlib.suppress(CouldNotLookError):
            return {name: kind_of_node(labels) for name, labels in cluster.node_labels().items()}
        return None

    def _stage(self, check: NewCheck, running: Sequence[RunningPod]) -> Iterator[Check]:
        yield check(Outcome.OK, stage_of(self.binding.identity, running).line)

    def _of_pods(
        self, check: NewCheck, service_account: DeclaredServiceAccount, running: list[RunningPod]
    ) -> Iterator[Check]:
        """Check the Pods of a service account, and add them to those that were seen."""
        role_arn = service_account.annotations.get(ROLE_ARN, self.binding.role_arn)
        audience = service_account.annotations.get(AUDIENCE, DEFAULT_AUDIENCE)
        cluster = self.clusters.of(service_account.cluster)
        pods = cluster.pods(service_account.namespace, service_account.name)
        nodes = self._nodes(cluster) if pods and self._has_stage else None
        by_pod_identity = way_of(self.binding.identity) is POD_IDENTITY
        for pod in pods:
            state = running_pod(pod, role_arn, nodes, service_account.cluster_key)
            running.append(state)
            about = in_cluster(state.name, service_account.cluster_key)
            if by_pod_identity:
                yield of_pod(check, state, about)
                continue
            found = problems(pod, role_arn, audience)
            for each in found:
                yield check(Outcome.FINDING, *each, restart_command(pod), about)
            if names := containers_with_own_role(pod):
                text = f"these set the role themselves: {listed(names)}"
                yield check(Outcome.NOT_CHECKED, text, about=f"{about}, containers")
            if not found:
                yield check(Outcome.OK, about=about)
        if not pods:
            yield check(Outcome.OK, "no running Pods")


def annotation_findings(
    service_account: DeclaredServiceAccount, live: Mapping[str, str], stack: str
) -> list[tuple[str, str, str]]:
    """Return found, expected and fix for every annotation of the webhook that differs from what is declared."""
    declared, repair = service_account.annotations, service_account.command_to_restore(stack, live)
    findings = [
        (
            f"{named(key)}: {named(live[key])}" if key in live else f"no {named(key)}",
            f"{named(key)}: {named(value)}",
            repair,
        )
        for key, value in declared.items()
        if live.get(key) != value
    ]
    read, others = ({key for key in live if key.startswith(PREFIX) is own} for own in (True, False))
    removed = [(key, "but not declared", f"no {named(key)}") for key in sorted(read - {*declared})]
    removed += [(key, "which the webhook does not read", text) for key in sorted(others) if (text := _misspelling(key))]
    return findings + [
        (f"{named(key)}: {named(live[key])}, {why}", expected, service_account.command_to_remove(key))
        for key, why, expected in removed
    ]


def _misspelling(key: str) -> str:
    meant = meant_by(key)
    return f"an annotation that the webhook reads; did you mean {meant}?" if meant else ""


def known(value: Value | Unknown) -> Value:
    """Return a value of the state, unless the state keeps it as a secret."""
    if isinstance(value, Unknown):
        raise SecretInStateError(value.reason)
    return value
