"""Compare what is declared with what AWS and Kubernetes have now."""

import argparse
import functools
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from irsa.evaluation import Decision, WebIdentityRequest, evaluate
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, PREFIX, ROLE_ARN, check_webhook_key
from irsa.rules.arns import parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.quotas import SESSION_DURATION
from irsa.rules.subjects import subject_claim, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, federated_providers
from irsa_cli.comparison import Difference, differences
from irsa_cli.consistency import PAUSES, is_fresh
from irsa_cli.exits import EXIT_CODES, CouldNotLookError, SecretInStateError, unexpected
from irsa_cli.live.aws import AwsAccountClients
from irsa_cli.live.iam import AwsAccountClient
from irsa_cli.live.kubernetes import ClusterClients
from irsa_cli.live.model import LiveRole
from irsa_cli.live.service import CONCURRENT
from irsa_cli.options import add_report_options, add_stack_options
from irsa_cli.pods import containers_with_own_role, problems, restart_command
from irsa_cli.progress import check_all
from irsa_cli.report.checks import UNANSWERED, Check, Outcome, Report, by_binding, outcome_of, worst
from irsa_cli.report.json import ReportOutput
from irsa_cli.report.publish import publish
from irsa_cli.state import types as state
from irsa_cli.state.declared import DeclaredBinding, DeclaredRole, DeclaredServiceAccount, DeclaredStack, in_cluster
from irsa_cli.state.pulumi import read_stack
from irsa_cli.verdict import NO_ROLE, NO_SERVICE_ACCOUNT, of_missing_role, of_provider, of_trust_policy

NONE = "none"
SECRET_TRUST = "the state keeps the trust policy as a secret"  # noqa: S105 (a sentence)


class CheckKind(NamedTuple):
    """What a check compares, and the step of AWS's page that it belongs to."""

    compares: str
    step: str = NONE


PROVIDER, ROLE, TRUST = "provider", "role", "trust"
POLICIES, DOCUMENTS, SERVICE_ACCOUNT, PODS = "policies", "documents", "account", "pods"
# The columns of the table, the lines of --help and the rows of docs/verify.md. Steps:
# https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
CHECKS = {
    PROVIDER: CheckKind(
        "each OIDC provider of the trust policy exists and lists the audience of its tokens; one is the cluster's own"
    ),
    ROLE: CheckKind(
        "the role exists under its ARN, with the declared description, permissions boundary and longest session", "3.1"
    ),
    TRUST: CheckKind(
        "the trust policy means what was declared; order, `Sid` and the case of actions and keys are ignored",
        "3.1",
    ),
    POLICIES: CheckKind("the declared policies are attached to the role, and no others", "3.2"),
    DOCUMENTS: CheckKind(
        "the default version of each policy that the stack creates, and each inline policy, is the declared document",
        "3.3 to 3.5",
    ),
    SERVICE_ACCOUNT: CheckKind(
        "the service account exists, with exactly the declared annotations of `eks.amazonaws.com/`, none misspelled",
        "3.6",
    ),
    PODS: CheckKind("with `--pods`: each Pod that has not ended has the role and the token of these annotations"),
}
# Of `outputs.ROLE_SETTINGS`: what it is, where LiveRole has it, and what a role has that is created without it.
ROLE_SETTINGS: Mapping[str, tuple[str, str, Any]] = {
    "description": ("description", "description", ""),
    "permissionsBoundary": ("permissions boundary", "permissions_boundary", ""),
    "maxSessionDuration": ("longest session in seconds", "max_session_duration", SESSION_DURATION.least),
}
OUTPUT = ReportOutput

Question = Callable[[DeclaredBinding], list[Check]]


def _help_line(name: str, kind: CheckKind) -> str:
    return textwrap.fill(
        f"{name:<11}{kind.compares.replace('`', '')}", 80, initial_indent="  ", subsequent_indent=" " * 13
    )


_HELP_OF_CHECKS = "\n".join(_help_line(name, kind) for name, kind in CHECKS.items())
DESCRIPTION = f"""\
Compare what the stack declares with what AWS and Kubernetes have now. Nothing
is changed. For each binding:

{_HELP_OF_CHECKS}

A role that the stack only names (role.arn) is checked if the stack's AWS
credentials are of its AWS account.
What is declared comes from the state of the last `pulumi up`.
The permissions that it needs: docs/reference/permissions.md.
"""
EXAMPLE = f"example: irsa verify --stack dev --junit verify.xml\n\n{EXIT_CODES}"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_stack_options(parser)
    parser.add_argument("--pods", action="store_true", help="also check the Pods of each service account")
    add_report_options(parser)
    parser.set_defaults(run=run)


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
    columns = [name for name in CHECKS if options.pods or name != PODS]
    rows = [row(key, of_binding, columns) for key, of_binding in by_binding(checks).items()]
    return publish(Report("verify", declared.stack, checks), ("binding", *columns), rows, options)


def look(declared: DeclaredStack, bindings: Sequence[DeclaredBinding], pods: bool) -> list[Check]:
    """Return the checks of these bindings, by what AWS and Kubernetes answer now."""
    verification = Verification(declared, AwsAccountClients(declared.aws), ClusterClients(declared.clusters), pods)
    verification.read_in_bulk(bindings)
    return [
        # They are of no binding: one that has them is enough.
        *(verification.failed_update(bindings[0], state.OIDC_PROVIDER, name) for name in declared.failed_providers),
        *check_all("verify", bindings, verification.of_binding, CONCURRENT),
    ]


def _newer(old: list[Check], new: list[Check]) -> list[Check]:
    """Return the new checks of a binding; the old ones if something that had an answer then has none now."""
    unanswered, before = (
        {(check.check, check.about) for check in checks if check.outcome in UNANSWERED} for checks in (new, old)
    )
    return new if unanswered <= before else old


def row(key: str, checks: Sequence[Check], columns: Iterable[str]) -> list[str]:
    """Return a binding's row of the table: the worst outcome of each kind of check."""
    outcomes = [worst(check.outcome for check in checks if check.check == column) for column in columns]
    return [named(key), *(outcome.value if outcome else "" for outcome in outcomes)]


class Verification:
    """Verifies bindings of one stack."""

    def __init__(
        self, declared: DeclaredStack, aws_accounts: AwsAccountClients, clusters: ClusterClients, pods: bool
    ) -> None:
        """Take what the stack declares, and where to compare it."""
        self._declared, self._aws_accounts, self._clusters, self._pods = declared, aws_accounts, clusters, pods
        self._repair = commands.up(declared.stack)

    def read_in_bulk(self, bindings: Sequence[DeclaredBinding]) -> None:
        """Read beforehand what the checks of several bindings need, where that takes fewer requests."""
        readable = [binding for binding in bindings if not binding.unreadable]
        service_accounts = [each for binding in readable for each in binding.service_accounts]
        with ThreadPoolExecutor(2) as pool:
            pool.submit(self._aws_accounts.read_in_bulk, readable)
            pool.submit(self._clusters.read_service_accounts, service_accounts)

    def of_binding(self, binding: DeclaredBinding) -> list[Check]:
        """Return the checks of one binding."""
        failed = [self.failed_update(binding, *each) for each in binding.failed_updates]
        if binding.unreadable:
            about = f"binding {named(binding.key)}"
            return [*failed, Check(binding.key, ROLE, Outcome.CANNOT_TELL, about, binding.unreadable)]
        role = binding.role
        questions: list[tuple[str, str, Question]] = [
            (PROVIDER, "IAM OIDC provider", self._providers),
            (ROLE, named(binding.role_arn), self._role),
        ]
        if role:
            questions += [
                (PROVIDER, f"cluster of {each.place}", functools.partial(self._issuer, each, role))
                for each in binding.service_accounts
            ]
            questions += [
                (kind, f"role {named(role.name)}", functools.partial(question, role))
                for kind, question in ((TRUST, self._trust), (POLICIES, self._policies))
            ]
            questions += [
                (DOCUMENTS, named(arn), functools.partial(self._managed_document, arn)) for arn in binding.documents
            ]
            questions += [
                (DOCUMENTS, f"inline {named(name)}", functools.partial(self._inline_document, role, name))
                for name in binding.inline_policies
            ]
        else:
            questions.append((TRUST, named(binding.role_arn), self._admits))
        questions += [
            (SERVICE_ACCOUNT, each.place, functools.partial(self._service_account, each))
            for each in binding.service_accounts
        ]
        if self._pods:
            questions += [
                (PODS, each.place, functools.partial(self._of_pods, each)) for each in binding.service_accounts
            ]
        answers = (check for kind, about, question in questions for check in _answers(binding, kind, about, question))
        return [*failed, *answers]

    def failed_update(self, binding: DeclaredBinding, type_: str, name: str) -> Check:
        """Return that the last update of a resource failed, which the state has as done."""
        kinds = {state.ROLE: ROLE, state.POLICY: DOCUMENTS, state.INLINE_POLICY: DOCUMENTS}
        kind, about = kinds.get(type_, PROVIDER), f"resource {named(name)}"
        found = "its last creation or update failed, and the state has it as done"
        return Check(binding.key, kind, Outcome.FINDING, about, found, "an update that AWS has done", self._repair)

    def _stack_account(self, binding: DeclaredBinding) -> AwsAccountClient:
        """Return the AWS account in which the stack created the binding's role."""
        return self._aws_accounts.of_role(binding.role_arn, binding.provider)

    # AWS

    def _providers(self, binding: DeclaredBinding) -> list[Check]:
        aws_account = self._aws_accounts.of_binding(binding)
        if aws_account is None:
            return []
        if binding.role is None:
            wanted = [
                (f"cluster of {each.place}", functools.partial(self._provider_of_tokens, aws_account, each))
                for each in binding.service_accounts
            ]
        elif binding.role.trust is None:
            raise SecretInStateError(SECRET_TRUST)
        else:
            wanted = [
                (named(arn), functools.partial(self._provider, aws_account, arn, audiences))
                for arn, alternatives in federated_providers(binding.role.trust).items()
                for audiences in alternatives
            ]
        return [check for about, question in wanted for check in _answers(binding, PROVIDER, about, question)]

    def _provider_of_tokens(
        self, aws_account: AwsAccountClient, service_account: DeclaredServiceAccount, binding: DeclaredBinding
    ) -> list[Check]:
        provider = self._provider_of(binding, service_account)
        return self._provider(aws_account, provider, [binding.audience], binding)

    def _provider_of(self, binding: DeclaredBinding, service_account: DeclaredServiceAccount) -> str:
        """Return the ARN of the OIDC provider for the tokens of a service account's cluster."""
        return provider_of_role(binding.role_arn, self._clusters.of(service_account.cluster).issuer)

    def _issuer(
        self, service_account: DeclaredServiceAccount, role: DeclaredRole, binding: DeclaredBinding
    ) -> list[Check]:
        """Check whether the role trusts the service account's cluster: a recreated cluster has another issuer."""
        if role.trust is None:
            raise SecretInStateError(SECRET_TRUST)
        cluster = self._clusters.of(service_account.cluster)
        about = f"cluster {named(service_account.cluster_key or cluster.context)}"
        trusted = federated_providers(role.trust)
        if self._provider_of(binding, service_account) in trusted:
            return [Check(binding.key, PROVIDER, Outcome.OK, about, named(cluster.issuer))]
        found = f"issuer {named(cluster.issuer)}"
        issuers = f"the issuer of {' or '.join(map(named, trusted)) or NONE}"
        # A program names the OIDC providers, and a stack file the clusters.
        declared = "issuer in the stack file" if binding.in_stack_file else "OIDC provider in the program"
        expected = f"{issuers}, or the cluster's new {declared}: write it there first"
        return [Check(binding.key, PROVIDER, Outcome.FINDING, about, found, expected, self._repair)]

    def _provider(
        self, aws_account: AwsAccountClient, arn: str, audiences: Sequence[str], binding: DeclaredBinding
    ) -> list[Check]:
        """Check whether a provider exists and lists one of the audiences that the trust policy requires, if any."""
        check = functools.partial(Check, binding.key, PROVIDER)
        client_ids = aws_account.client_ids(arn)
        # Without a condition on aud, the provider must be there, and may list what it likes.
        refused = of_provider(client_ids, arn, audiences or ([binding.audience] if client_ids is None else []))
        if refused is None:
            return [check(Outcome.OK, named(arn))]
        # `pulumi up` repairs a provider that the stack creates.
        fix = self._repair if arn in self._declared.oidc_providers else refused.fix
        return [check(Outcome.FINDING, named(arn), refused.found, refused.expected, fix)]

    def _role(self, binding: DeclaredBinding) -> list[Check]:
        aws_account, check = self._aws_accounts.of_binding(binding), functools.partial(Check, binding.key, ROLE)
        if aws_account is None:
            return [_other_aws_account(binding)]
        live = aws_account.role(parse_iam_arn(binding.role_arn, "role").name)
        about = named(binding.role_arn)
        if live and live.arn == binding.role_arn:
            return self._settings(check, binding, live) or [check(Outcome.OK, about)]
        missing = of_missing_role(binding.role_arn, live.arn if live else None)
        other = "" if binding.role else f", or the ARN of another role for {named(binding.key)}"
        fix = self._repair if binding.role else missing.fix
        return [check(Outcome.FINDING, about, missing.found, f"{about}{other}", fix)]

    def _settings(self, check: Callable[..., Check], binding: DeclaredBinding, live: LiveRole) -> list[Check]:
        """Return the settings of a role that the stack created and that somebody changed."""
        if binding.role is None:
            return []
        if binding.role.settings is None:
            raise SecretInStateError("the state keeps a setting of the role as a secret")
        checks = []
        for setting, (label, attribute, default) in ROLE_SETTINGS.items():
            declared, found = binding.role.settings.get(setting, default), getattr(live, attribute)
            if found != declared:
                texts = (f"{label}: {named(str(each)) if each else NONE}" for each in (found, declared))
                checks.append(check(Outcome.FINDING, named(binding.role_arn), *texts, self._repair))
        return checks

    def _trust(self, role: DeclaredRole, binding: DeclaredBinding) -> list[Check]:
        check = functools.partial(Check, binding.key, TRUST)
        live = self._stack_account(binding).role(role.name)
        about = f"role {named(role.name)}"
        if live is None:
            return [check(Outcome.NOT_CHECKED, about, NO_ROLE)]
        if role.trust is None:
            raise SecretInStateError(SECRET_TRUST)
        return self._compared(check, about, role.trust, live.trust)

    def _admits(self, binding: DeclaredBinding) -> list[Check]:
        """Check whether an existing role admits the binding's service accounts."""
        aws_account = self._aws_accounts.of_binding(binding)
        if aws_account is None:
            return []
        about, live = named(binding.role_arn), aws_account.role(parse_iam_arn(binding.role_arn, "role").name)
        if live is None or live.arn != binding.role_arn:
            return [Check(binding.key, TRUST, Outcome.NOT_CHECKED, about, NO_ROLE)]
        return [
            check
            for each in binding.service_accounts
            for check in _answers(
                binding, TRUST, f"cluster of {each.place}", functools.partial(self._admitted, live.trust, each)
            )
        ]

    def _admitted(
        self, trust: Mapping[str, Any], service_account: DeclaredServiceAccount, binding: DeclaredBinding
    ) -> list[Check]:
        issuer = self._clusters.of(service_account.cluster).issuer
        provider = self._provider_of(binding, service_account)
        subject = subject_claim(subject_of(service_account.namespace, service_account.name))
        request = WebIdentityRequest(issuer, provider, subject, binding.audience)
        answer = of_trust_policy(evaluate(trust, request), request)
        outcome = {Decision.ALLOWED: Outcome.OK, Decision.DENIED: Outcome.FINDING}.get(
            answer.decision, Outcome.CANNOT_TELL
        )
        explain = commands.explain(str(service_account), binding.role_arn, self._declared.stack, issuer)
        return [Check(binding.key, TRUST, outcome, named(binding.role_arn), answer.details, answer.expected, explain)]

    def _policies(self, role: DeclaredRole, binding: DeclaredBinding) -> list[Check]:
        aws_account, about = self._stack_account(binding), f"role {named(role.name)}"
        checks = [
            check
            for how in ("attached", "inline")
            for check in _answers(
                binding, POLICIES, f"{about}, {how} policies", functools.partial(self._of_kind, aws_account, role, how)
            )
        ]
        # That the role does not exist is said once.
        return [*dict.fromkeys(checks)] or [Check(binding.key, POLICIES, Outcome.OK, about, "no policies, as declared")]

    def _of_kind(
        self, aws_account: AwsAccountClient, role: DeclaredRole, how: str, binding: DeclaredBinding
    ) -> list[Check]:
        """Return the checks of the policies that are attached to a role, or of its inline ones."""
        check, read = functools.partial(Check, binding.key, POLICIES), aws_account.inline_policies
        declared: Iterable[str] | None = binding.inline_policies
        removal: Callable[[str, str], str] = commands.delete_inline_policy
        if how == "attached":
            declared, read, removal = binding.policies, aws_account.attached_policies, commands.detach_policy
        if declared is None:
            raise SecretInStateError("the state keeps the ARN of a policy as a secret")
        live = read(role.name)
        if live is None:
            return [check(Outcome.NOT_CHECKED, f"role {named(role.name)}", NO_ROLE)]
        checks = []
        for policy in sorted(set(declared) - set(live)):
            found = f"not {how} to the role; {how}: {listed(sorted(live)) or NONE}"
            checks.append(check(Outcome.FINDING, named(policy), found, f"{how} to {named(role.name)}", self._repair))
        checks += [check(Outcome.OK, named(policy)) for policy in sorted(set(declared) & set(live))]
        for policy in sorted(set(live) - set(declared)):
            texts = (f"{how} but not declared", f"only {listed(sorted(declared)) or NONE}")
            checks.append(check(Outcome.FINDING, named(policy), *texts, removal(role.name, policy)))
        return checks

    def _managed_document(self, arn: str, binding: DeclaredBinding) -> list[Check]:
        live = self._stack_account(binding).document(arn)
        return self._document(binding, named(arn), binding.documents[arn], live)

    def _inline_document(self, role: DeclaredRole, name: str, binding: DeclaredBinding) -> list[Check]:
        live = self._stack_account(binding).inline_document(role.name, name)
        return self._document(binding, f"inline {named(name)}", binding.inline_policies[name], live)

    def _document(
        self, binding: DeclaredBinding, about: str, declared: str | None, live: Mapping[str, Any] | None
    ) -> list[Check]:
        check = functools.partial(Check, binding.key, DOCUMENTS)
        if declared is None:
            return [check(Outcome.CANNOT_TELL, about, "the state keeps the document as a secret")]
        if live is None:
            return [check(Outcome.FINDING, about, "the policy does not exist", declared, self._repair)]
        return self._compared(check, about, declared, live)

    def _compared(
        self, check: Callable[..., Check], about: str, declared: str, live: str | Mapping[str, Any]
    ) -> list[Check]:
        found = differences(declared, live)
        return [self._different(check, about, each) for each in found] or [check(Outcome.OK, about)]

    def _different(self, check: Callable[..., Check], about: str, difference: Difference) -> Check:
        found, expected = (f"{difference.place}: {text}" for text in (difference.found, difference.expected))
        return check(Outcome.FINDING, about, found, expected, self._repair)

    # Kubernetes

    def _service_account(self, service_account: DeclaredServiceAccount, binding: DeclaredBinding) -> list[Check]:
        cluster = self._clusters.of(service_account.cluster)
        about, check = service_account.place, functools.partial(Check, binding.key, SERVICE_ACCOUNT)
        live = cluster.service_account(service_account.namespace, service_account.name)
        if live is None:
            fix = service_account.command_to_create(self._declared.stack)
            return [check(Outcome.FINDING, about, NO_SERVICE_ACCOUNT, named(str(service_account)), fix)]
        found = annotation_findings(service_account, live.annotations, self._declared.stack)
        return [check(Outcome.FINDING, about, *texts) for texts in found] or [check(Outcome.OK, about)]

    def _of_pods(self, service_account: DeclaredServiceAccount, binding: DeclaredBinding) -> list[Check]:
        cluster = self._clusters.of(service_account.cluster)
        check = functools.partial(Check, binding.key, PODS)
        role_arn = service_account.annotations.get(ROLE_ARN, binding.role_arn)
        audience = service_account.annotations.get(AUDIENCE, DEFAULT_AUDIENCE)
        checks = []
        pods = cluster.pods(service_account.namespace, service_account.name)
        for pod in pods:
            about, found = f"{service_account.namespace}/{pod['metadata']['name']}", problems(pod, role_arn, audience)
            about = in_cluster(about, service_account.cluster_key)
            restart = restart_command(pod)
            checks += [check(Outcome.FINDING, about, each.found, each.expected, restart) for each in found]
            if names := containers_with_own_role(pod):
                text = f"these set the role themselves: {listed(names)}"
                checks.append(check(Outcome.NOT_CHECKED, f"{about}, containers", text))
            if not found:
                checks.append(check(Outcome.OK, about))
        return checks or [check(Outcome.OK, service_account.place, "no running Pods")]


def annotation_findings(
    service_account: DeclaredServiceAccount, live: Mapping[str, str], stack: str
) -> list[tuple[str, str, str]]:
    """Return found, expected and fix for every annotation of the webhook that differs from what is declared."""
    read_by_webhook = {key: value for key, value in live.items() if key.startswith(PREFIX)}
    misspelled = {
        key: text for key, text in ((key, _misspelling(key)) for key in live if key not in read_by_webhook) if text
    }
    findings, repair = [], service_account.command_to_restore(stack, live)
    for key, value in service_account.annotations.items():
        if live.get(key) != value:
            found = f"{named(key)}: {named(live[key])}" if key in live else f"no {named(key)}"
            findings.append((found, f"{named(key)}: {named(value)}", repair))
    findings += [
        (
            f"{named(key)}: {named(live[key])}, but not declared",
            f"no {named(key)}",
            service_account.command_to_remove(key),
        )
        for key in sorted({*read_by_webhook} - {*service_account.annotations})
    ]
    findings += [
        (
            f"{named(key)}: {named(live[key])}, which the webhook does not read",
            text,
            service_account.command_to_remove(key),
        )
        for key, text in sorted(misspelled.items())
    ]
    return findings


def _misspelling(key: str) -> str:
    try:
        check_webhook_key(key)
    except Mistake as mistake:
        return f"an annotation that the webhook reads; {mistake.fix}"
    return ""


def _other_aws_account(binding: DeclaredBinding) -> Check:
    """Return one check for the role, its trust policy and its OIDC provider: they are in another AWS account."""
    number = parse_iam_arn(binding.role_arn, "role").account_id
    reason = (
        f"the stack has no credentials of AWS account {number}; `{commands.prove(binding.key)}` shows whether "
        "the role admits the service accounts"
    )
    return Check(binding.key, ROLE, Outcome.NOT_CHECKED, named(binding.role_arn), reason)


def _answers(binding: DeclaredBinding, kind: str, about: str, question: Question) -> list[Check]:
    """Return the checks of one question, or one check that says why it has no answer; other questions go on."""
    try:
        return question(binding)
    except CouldNotLookError as error:
        outcome, reason = outcome_of(error), str(error)
    except Mistake as error:
        outcome, reason = Outcome.CANNOT_TELL, str(error)
    except Exception as error:
        outcome, reason = Outcome.CANNOT_TELL, unexpected(error)
    return [Check(binding.key, kind, outcome, about, reason)]
