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
from irsa.rules import commands
from irsa.rules.annotations import ROLE_ARN
from irsa.rules.arns import Arn, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import listed, named
from irsa.rules.subjects import subject_claim
from irsa.rules.trust import federated_providers
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, ONLY_IRSA, POD_IDENTITY
from irsa_cli.asked import NotCheckedError
from irsa_cli.asked import ask as asked
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
from irsa_cli.pod_identity import AssociationChecks, of_decision, of_pod
from irsa_cli.progress import check_all
from irsa_world.compare import NONE, Difference, of_annotations, of_document, of_policies, of_settings
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.kubernetes import ClusterClient, ClusterClients
from irsa_world.live.service import CONCURRENT
from irsa_world.model import Role
from irsa_world.pods import containers_with_own_role, kind_of_node, problems, restart_command, running_pod
from irsa_world.report.checks import UNANSWERED, Check, Outcome, Report, by_binding, worst
from irsa_world.report.publish import publish
from irsa_world.stages import Node, RunningPod, stage_of, way_of
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack, in_cluster
from irsa_world.state.pulumi import last_up_failed, read_stack
from irsa_world.trusts.chains import Document
from irsa_world.verdict import NO_ROLE, NO_SERVICE_ACCOUNT, of_missing_role, of_provider, of_trust_policy

Found = TypeVar("Found")
FAILED_UPDATE = "its last creation or update failed, but the state records it as done"
OTHER_AWS_ACCOUNT = (
    "the stack has no credentials of AWS account {}; `{}` shows whether the role admits the service accounts"
)


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
    verifications = [Verification(declared, aws_accounts, clusters, binding) for binding in bindings]
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
    """Verifies one binding of a stack, where AWS accounts and clusters are read."""

    declared: DeclaredStack
    aws_accounts: AwsAccountClients
    clusters: ClusterClients
    binding: DeclaredBinding

    def checks(self, pods: bool) -> list[Check]:
        """Return the checks of the binding, and those of its Pods if they are asked for."""
        binding, ask = self.binding, self._ask
        checks = [self.failed_update(*each) for each in binding.failed_updates]
        if binding.unreadable:
            about = f"binding {named(binding.key)}"
            return [*checks, Check(binding.key, ROLE, Outcome.CANNOT_TELL, about, binding.unreadable)]
        by_irsa = binding.service_accounts if IRSA in binding.identity.trusted else ()
        if binding.role:
            trusted = federated_providers(binding.trust or {})
            for arn, audiences in ((arn, each) for arn, alternatives in trusted.items() for each in alternatives):
                checks += ask(PROVIDER, named(arn), self._provider, arn, audiences)
            checks += ask(ROLE, named(binding.role_arn), self._role)
            for each in by_irsa:
                checks += ask(PROVIDER, f"cluster of {each.place}", self._issuer, each, binding.role)
            checks += self._of_role(binding.role)
        else:
            for each in by_irsa:
                checks += ask(PROVIDER, f"cluster of {each.place}", self._provider_of_tokens, each)
            checks += ask(ROLE, named(binding.role_arn), self._role)
            for each in by_irsa:
                checks += ask(TRUST, f"cluster of {each.place}", self._admits_token, each)
            for association in binding.associations:
                checks += ask(TRUST, named(binding.role_arn), self._admits, association.request)
        for each in binding.service_accounts:
            checks += ask(SERVICE_ACCOUNT, each.place, self._service_account, each)
        checks += AssociationChecks(ask, self.aws_accounts, binding).checks()
        return checks + (self._pods() if pods else [])

    def _ask(
        self, kind: str, about: str, question: Callable[..., Iterable[Difference | Check]], *of: Any
    ) -> list[Check]:
        good = Check(self.binding.key, kind, Outcome.OK, about)
        return asked(good, commands.up(self.declared.stack), functools.partial(question, *of))

    def failed_update(self, type_: str, name: str) -> Check:
        """Return that the last update of a resource failed, which the state has as done."""
        kinds = {types.ROLE: ROLE, types.POLICY: DOCUMENTS, types.INLINE_POLICY: DOCUMENTS}
        kinds[types.POD_IDENTITY_ASSOCIATION] = ASSOCIATION
        kind, about = kinds.get(type_, PROVIDER), f"resource {named(name)}"
        texts = FAILED_UPDATE, "an update that AWS has done"
        return Check(self.binding.key, kind, Outcome.FINDING, about, *texts, commands.up(self.declared.stack))

    # AWS

    def _aws_account(self) -> AwsAccountClient:
        """Return the AWS account of the binding's role."""
        if aws_account := self.aws_accounts.of_binding(self.binding):
            return aws_account
        number = parse_iam_arn(self.binding.role_arn, "role").account_id
        raise NotCheckedError(OTHER_AWS_ACCOUNT.format(number, commands.prove(self.binding.key)))

    def _live(self) -> Role:
        """Return the role."""
        live = self._aws_account().role(Arn.name_in(self.binding.role_arn))
        return _there(None if live and self.binding.role is None and live.arn != self.binding.role_arn else live)

    def _provider(self, arn: str, audiences: Sequence[str]) -> Iterator[Difference]:
        """Check whether a provider exists and lists one of the audiences that the trust policy requires, if any."""
        client_ids = self._aws_account().client_ids(arn)
        # Without a condition on aud, the provider must be there, and may list what it likes.
        refused = of_provider(client_ids, arn, audiences or ([self.binding.audience] if client_ids is None else []))
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
            # A program names the OIDC providers, and a stack file the clusters.
            declared = "issuer in the stack file" if self.binding.in_stack_file else "OIDC provider in the program"
            issuers = f"the issuer of {' or '.join(map(named, trusted)) or NONE}"
            expected = f"{issuers}, or the cluster's new {declared}: write it there first"
            about = f"cluster {named(service_account.cluster_key or cluster.context)}"
            yield Difference(f"issuer {named(cluster.issuer)}", expected, about=about)

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

    def _of_role(self, role: Role) -> Iterator[Check]:
        """Yield the checks of the trust policy and of the policies of a role that the stack creates."""
        ask, name = self._ask, role.name
        yield from ask(TRUST, f"role {named(name)}", lambda: of_document(role.trust, self._live().trust))
        yield from ask(POLICIES, f"role {named(name)}, attached policies", self._attached, role)
        yield from ask(POLICIES, f"role {named(name)}, inline policies", self._inline, role)
        for arn, document in self.binding.documents.items():
            yield from ask(DOCUMENTS, named(arn), self._document, document, arn)
        for policy, document in role.inline_policies.items():
            yield from ask(DOCUMENTS, f"inline {named(policy)}", self._document, document, policy, name)

    def _attached(self, role: Role) -> Iterable[Difference]:
        live = _there(self._aws_account().attached_policies(role.name))
        return of_policies(role.name, "attached", role.attached_policies, live, commands.detach_policy)

    def _inline(self, role: Role) -> Iterable[Difference]:
        live = _there(self._aws_account().inline_policies(role.name))
        return of_policies(role.name, "inline", role.inline_policies, live, commands.delete_inline_policy)

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
        return of_decision(answer.decision, answer.details, answer.expected, named(self.binding.role_arn))

    # Kubernetes

    def _service_account(self, declared: DeclaredServiceAccount) -> Iterable[Difference]:
        stack, live = self.declared.stack, self.clusters.of(declared.cluster)
        found = live.service_account(declared.namespace, declared.name)
        if found is None:
            return [Difference(NO_SERVICE_ACCOUNT, named(str(declared)), declared.command_to_create(stack))]
        return of_annotations(declared, found.annotations, stack)

    def _pods(self) -> list[Check]:
        binding, checks, running = self.binding, list[Check](), list[RunningPod]()
        # One binding of the stack, at least, is on the way.
        has_stage = bool(binding.service_accounts) and any(e.identity != ONLY_IRSA for e in self.declared.bindings)
        for each in binding.service_accounts:
            checks += self._ask(PODS, each.place, self._of_service_account, each, running, has_stage)
        # Without all Pods, no stage is safe.
        if has_stage and all(check.outcome not in UNANSWERED for check in checks):
            line = stage_of(binding.identity, running).line
            checks.append(Check(binding.key, STAGE, Outcome.OK, f"binding {named(binding.key)}", line))
        return checks

    def _of_service_account(
        self, declared: DeclaredServiceAccount, running: list[RunningPod], has_stage: bool
    ) -> Iterator[Check]:
        """Check the Pods of a service account, and add them to those that were seen."""
        role_arn = declared.annotations.get(ROLE_ARN, self.binding.role_arn)
        cluster = self.clusters.of(declared.cluster)
        pods = cluster.pods(declared.namespace, declared.name)
        nodes = _nodes(cluster) if pods and has_stage else None
        for pod in pods:
            running.append(running_pod(pod, role_arn, nodes, declared.cluster_key))
            about = in_cluster(running[-1].name, declared.cluster_key)
            if way_of(self.binding.identity) is POD_IDENTITY:
                yield from self._ask(PODS, about, of_pod, running[-1])
                continue
            yield from self._ask(PODS, about, _of_webhook, pod, role_arn, declared.audience)
            if names := containers_with_own_role(pod):
                text = f"these set the role themselves: {listed(names)}"
                yield Check(self.binding.key, PODS, Outcome.NOT_CHECKED, f"{about}, containers", text)
        if not pods:
            yield Check(self.binding.key, PODS, Outcome.OK, declared.place, "no running Pods")


def _there(found: Found | None) -> Found:
    """Return what a role has; that there is no such role, another check says."""
    if found is None:
        raise NotCheckedError(NO_ROLE)
    return found


def _of_webhook(pod: Mapping[str, Any], role_arn: str, audience: str) -> Iterator[Difference]:
    for found, expected in problems(pod, role_arn, audience):
        yield Difference(found, expected, restart_command(pod))


def _nodes(cluster: ClusterClient) -> Mapping[str, Node] | None:
    """Return the kinds of a cluster's nodes; None where they cannot be read."""
    with contextlib.suppress(CouldNotLookError):
        return {name: kind_of_node(labels) for name, labels in cluster.node_labels().items()}
    return None
