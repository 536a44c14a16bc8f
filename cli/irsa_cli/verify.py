"""Compare what is declared with what AWS and Kubernetes have; nothing is changed."""

import argparse
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from irsa.evaluation import Decision, WebIdentityRequest, evaluate
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, PREFIX, ROLE_ARN, check_annotation_key
from irsa.rules.arns import issuer_of_provider, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import subject_claim, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, federated_providers
from irsa_cli.comparison import Difference, differences
from irsa_cli.exits import EXIT_CODES, CouldNotLookError, unexpected
from irsa_cli.live.aws import CONCURRENT, AwsAccount, AwsAccounts
from irsa_cli.live.kubernetes import Clusters
from irsa_cli.options import add_report_options, add_stack_options
from irsa_cli.pods import apart, problems, restart_command
from irsa_cli.progress import look_at_all
from irsa_cli.report.checks import Check, Outcome, Report, by_binding, worst
from irsa_cli.report.publish import publish
from irsa_cli.state import Binding, Declared, Role, ServiceAccount, read_stack

PROVIDER, ROLE, TRUST = "provider", "role", "trust"
POLICIES, DOCUMENTS, ACCOUNT, PODS = "policies", "documents", "account", "pods"
CHECKS = (PROVIDER, ROLE, TRUST, POLICIES, DOCUMENTS, ACCOUNT, PODS)
NONE = "none"
SECRET_TRUST = "the state keeps the trust policy as a secret"  # noqa: S105 (a sentence)

Look = Callable[[Binding], list[Check]]

DESCRIPTION = """\
Compare what the stack declares with what AWS and Kubernetes have now; nothing is changed. For each binding:

  provider   each OIDC provider of the trust policy exists and admits the audience; one is of the account's cluster
  role       the role exists
  trust      its trust policy means what was declared, nothing less and nothing more
  policies   the declared policies are attached, and no others
  documents  the default version of each policy that the stack makes is the declared document
  account    the service account exists, with exactly the declared annotations of eks.amazonaws.com/
  pods       with --pods: its Pods carry the role and the token of these annotations

A role that the stack only names (role.arn) is looked at where the stack's credentials reach its account.
What was declared is what the stack's state says of the last `pulumi up`.
The rights that it needs are in docs/verify.md.
"""
EXAMPLE = f"example: irsa verify --stack dev --junit verify.xml\n\n{EXIT_CODES}"


def add(parser: argparse.ArgumentParser) -> None:
    """Give the verb's parser its arguments."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_stack_options(parser)
    parser.add_argument("--pods", action="store_true", help="look at the Pods of each service account, too")
    add_report_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Verify the chosen bindings, show the report and give the exit code.

    Raises:
        CouldNotLookError: The stack cannot be read, or has no such binding.
    """
    declared = read_stack(options.stack)
    bindings = declared.chosen(options.bindings)
    verification = Verification(declared, AwsAccounts(declared.aws), Clusters(declared.clusters), options.pods)
    checks = look_at_all("verify", bindings, verification.of_binding, CONCURRENT)
    columns = CHECKS if options.pods else CHECKS[:-1]
    rows = [row(key, own, columns) for key, own in by_binding(checks).items()]
    return publish(Report("verify", declared.stack, checks), ("binding", *columns), rows, options)


def row(key: str, own: Sequence[Check], columns: Iterable[str]) -> list[str]:
    """Give a binding's row: the worst outcome of each kind of check."""
    outcomes = [worst(check.outcome for check in own if check.check == column) for column in columns]
    return [key, *(outcome.value if outcome else "" for outcome in outcomes)]


class Verification:
    """The verification of a stack's bindings."""

    def __init__(self, declared: Declared, aws_accounts: AwsAccounts, clusters: Clusters, pods: bool) -> None:
        """Take what the stack declares, and where to look."""
        self._declared, self._aws_accounts, self._clusters, self._pods = declared, aws_accounts, clusters, pods
        self._repair = commands.up(declared.stack)

    def of_binding(self, binding: Binding) -> list[Check]:
        """Verify one binding."""
        if binding.unreadable:
            return [Check(binding.key, ROLE, Outcome.COULD_NOT_LOOK, f"binding {binding.key}", binding.unreadable)]
        role = binding.role
        looks: list[tuple[str, str, Look]] = [
            (PROVIDER, "IAM OIDC provider", self._providers),
            (ROLE, binding.role_arn, self._role),
        ]
        if role:
            looks += [
                (PROVIDER, f"cluster of {each.place}", functools.partial(self._issuer, each, role))
                for each in binding.service_accounts
            ]
            looks += [
                (kind, f"role {role.name}", functools.partial(look, role))
                for kind, look in ((TRUST, self._trust), (POLICIES, self._attached), (DOCUMENTS, self._documents))
            ]
        else:
            looks.append((TRUST, binding.role_arn, self._admits))
        own = binding.service_accounts
        looks += [(ACCOUNT, each.place, functools.partial(self._service_account, each)) for each in own]
        if self._pods:
            looks += [(PODS, each.place, functools.partial(self._of_pods, each)) for each in own]
        return [check for kind, about, look in looks for check in _looked(binding, kind, about, look)]

    def _own(self, binding: Binding) -> AwsAccount:
        """Give the AWS account in which the stack made the binding's role."""
        return self._aws_accounts.of_role(binding.role_arn, binding.provider)

    def _aws_account_of(self, binding: Binding) -> AwsAccount | None:
        """Give the AWS account of the binding's role; nothing when the stack's credentials do not reach it."""
        return self._own(binding) if binding.role else self._aws_accounts.of_arn(binding.role_arn)

    # AWS

    def _providers(self, binding: Binding) -> list[Check]:
        aws_account = self._aws_account_of(binding)
        if aws_account is None:
            return []
        if binding.role:
            if binding.role.trust is None:
                raise CouldNotLookError(SECRET_TRUST)
            asked = federated_providers(binding.role.trust)
        else:
            asked = {self._provider_of(binding, each): [[binding.audience]] for each in binding.service_accounts}
        return [self._provider(binding, aws_account, arn, audiences) for arn in asked for audiences in asked[arn]]

    def _provider_of(self, binding: Binding, service_account: ServiceAccount) -> str:
        """Give the provider that the tokens of an account's cluster come through."""
        return provider_of_role(binding.role_arn, self._clusters.of(service_account.cluster).issuer)

    def _issuer(self, service_account: ServiceAccount, role: Role, binding: Binding) -> list[Check]:
        """Ask whether the account's cluster is one that the role trusts: a cluster made anew has another issuer."""
        if role.trust is None:
            raise CouldNotLookError(SECRET_TRUST)
        cluster = self._clusters.of(service_account.cluster)
        about = f"cluster {service_account.cluster_key or cluster.context}"
        trusted = federated_providers(role.trust)
        if self._provider_of(binding, service_account) in trusted:
            return [Check(binding.key, PROVIDER, Outcome.OK, about, cluster.issuer)]
        found = f"issuer {cluster.issuer}"
        expected = f"the issuer of {' or '.join(trusted) or NONE}"
        fix = commands.up_with_issuer(self._declared.stack)
        return [Check(binding.key, PROVIDER, Outcome.FINDING, about, found, expected, fix)]

    def _provider(self, binding: Binding, aws_account: AwsAccount, arn: str, audiences: Sequence[str]) -> Check:
        """Ask whether a provider is there and admits one of the audiences, where the trust policy asks for some."""
        check = functools.partial(Check, binding.key, PROVIDER)
        audience, issuer = next(iter(audiences), binding.audience), f"https://{issuer_of_provider(arn)}"
        # The provider that the stack makes is the stack's to repair.
        repair = self._repair if arn in self._declared.oidc_providers else None
        client_ids = aws_account.client_ids(arn)
        if client_ids is None:
            fix = repair or commands.create_provider(issuer, [audience])
            return check(Outcome.FINDING, arn, "no such IAM OIDC provider", f"one for {issuer}", fix)
        if audiences and not set(audiences) & set(client_ids):
            found, expected = f"audiences {', '.join(client_ids) or NONE}", f"{' or '.join(audiences)} among them"
            return check(Outcome.FINDING, arn, found, expected, repair or commands.add_client_id(arn, audience))
        return check(Outcome.OK, arn)

    def _role(self, binding: Binding) -> list[Check]:
        aws_account, check = self._aws_account_of(binding), functools.partial(Check, binding.key, ROLE)
        if aws_account is None:
            return [_elsewhere(binding)]
        live = aws_account.role(parse_iam_arn(binding.role_arn, "role").name)
        arn = live["Arn"] if live else "no such role"
        if arn == binding.role_arn:
            return [check(Outcome.OK, binding.role_arn)]
        fix = self._repair if binding.role else commands.list_roles(binding.key)
        return [check(Outcome.FINDING, binding.role_arn, arn, binding.role_arn, fix)]

    def _trust(self, role: Role, binding: Binding) -> list[Check]:
        check = functools.partial(Check, binding.key, TRUST)
        live = self._own(binding).role(role.name)
        about = f"role {role.name}"
        if live is None:
            return [check(Outcome.NOT_CHECKED, about, "no such role")]
        if role.trust is None:
            raise CouldNotLookError(SECRET_TRUST)
        return self._compared(check, about, role.trust, live["AssumeRolePolicyDocument"])

    def _admits(self, binding: Binding) -> list[Check]:
        """Ask whether a role that is not the stack's admits the binding's accounts."""
        aws_account, check = self._aws_account_of(binding), functools.partial(Check, binding.key, TRUST)
        if aws_account is None:
            return []
        live = aws_account.role(parse_iam_arn(binding.role_arn, "role").name)
        if live is None or live["Arn"] != binding.role_arn:
            return [check(Outcome.NOT_CHECKED, binding.role_arn, "no such role")]
        checks = []
        for each in binding.service_accounts:
            issuer = self._clusters.of(each.cluster).issuer
            provider = self._provider_of(binding, each)
            subject = subject_claim(subject_of(each.namespace, each.name))
            answer = evaluate(
                live["AssumeRolePolicyDocument"], WebIdentityRequest(issuer, provider, subject, binding.audience)
            )
            outcome = {Decision.ALLOWED: Outcome.OK, Decision.DENIED: Outcome.FINDING}.get(
                answer.decision, Outcome.COULD_NOT_LOOK
            )
            explain = commands.explain(str(each), binding.role_arn, self._declared.stack, issuer)
            checks.append(check(outcome, binding.role_arn, answer.explanation, f"it admits {subject}", explain))
        return checks

    def _attached(self, role: Role, binding: Binding) -> list[Check]:
        check = functools.partial(Check, binding.key, POLICIES)
        if binding.policies is None:
            raise CouldNotLookError("the state keeps the ARN of a policy as a secret")
        aws_account = self._own(binding)
        attached, inline = aws_account.attached_policies(role.name), aws_account.inline_policies(role.name)
        if attached is None or inline is None:
            return [check(Outcome.NOT_CHECKED, f"role {role.name}", "no such role")]
        compared = (
            ("attached", binding.policies, attached, commands.detach_policy),
            ("inline", binding.inline_policies, inline, commands.delete_inline_policy),
        )
        checks = []
        for how, declared, live, removal in compared:
            for policy in sorted(set(declared) - set(live)):
                found = f"not {how}; {how} are {', '.join(live) or NONE}"
                checks.append(check(Outcome.FINDING, policy, found, f"{how} to {role.name}", self._repair))
            checks += [check(Outcome.OK, policy) for policy in sorted(set(declared) & set(live))]
            for policy in sorted(set(live) - set(declared)):
                expected = f"only {', '.join(sorted(declared)) or NONE}"
                checks.append(
                    check(Outcome.FINDING, policy, f"{how}, not declared", expected, removal(role.name, policy))
                )
        return checks or [check(Outcome.OK, f"role {role.name}", "no policies, as declared")]

    def _documents(self, role: Role, binding: Binding) -> list[Check]:
        check = functools.partial(Check, binding.key, DOCUMENTS)
        checks: list[Check] = []
        for arn, document in binding.documents.items():
            checks += self._document(check, arn, document, self._own(binding).document(arn))
        for name, document in binding.inline_policies.items():
            live = self._own(binding).inline_document(role.name, name)
            checks += self._document(check, f"inline {name}", document, live)
        return checks

    def _document(
        self, check: Callable[..., Check], about: str, declared: str | None, live: Mapping[str, Any] | None
    ) -> list[Check]:
        if declared is None:
            return [check(Outcome.COULD_NOT_LOOK, about, "the state keeps the document as a secret")]
        if live is None:
            return [check(Outcome.FINDING, about, "no such policy", declared, self._repair)]
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

    def _service_account(self, service_account: ServiceAccount, binding: Binding) -> list[Check]:
        cluster = self._clusters.of(service_account.cluster)
        about, check = service_account.place, functools.partial(Check, binding.key, ACCOUNT)
        live = cluster.service_account(service_account.namespace, service_account.name)
        if live is None:
            fix = service_account.command_to_make(self._declared.stack)
            return [check(Outcome.FINDING, about, "no such service account", str(service_account), fix)]
        found = annotation_findings(service_account, live, self._repair)
        return [check(Outcome.FINDING, about, *texts) for texts in found] or [check(Outcome.OK, about)]

    def _of_pods(self, service_account: ServiceAccount, binding: Binding) -> list[Check]:
        cluster = self._clusters.of(service_account.cluster)
        check = functools.partial(Check, binding.key, PODS)
        role_arn = service_account.annotations.get(ROLE_ARN, binding.role_arn)
        audience = service_account.annotations.get(AUDIENCE, DEFAULT_AUDIENCE)
        checks = []
        pods = cluster.pods(service_account.namespace, service_account.name)
        for pod in pods:
            about, found = f"{service_account.namespace}/{pod['metadata']['name']}", problems(pod, role_arn, audience)
            restart = restart_command(pod, service_account.cluster_key)
            checks += [check(Outcome.FINDING, about, each.found, each.expected, restart) for each in found]
            own = apart(pod)
            if own:
                text = f"set the role themselves: {', '.join(own)}"
                checks.append(check(Outcome.NOT_CHECKED, f"{about}, containers", text))
            if not found:
                checks.append(check(Outcome.OK, about))
        return checks or [check(Outcome.OK, service_account.place, "no running Pods")]


def annotation_findings(
    service_account: ServiceAccount, live: Mapping[str, str], repair: str
) -> list[tuple[str, str, str]]:
    """Give found, expected and fix for every annotation of the webhook that is not as declared."""
    ours = {key: value for key, value in live.items() if key.startswith(PREFIX)}
    misspelled = {key: text for key, text in ((key, _misspelling(key)) for key in live if key not in ours) if text}
    findings = []
    for key, value in service_account.annotations.items():
        if live.get(key) != value:
            found = f"{key}: {live[key]}" if key in live else f"no {key}"
            findings.append((found, f"{key}: {value}", repair))
    findings += [
        (f"{key}: {ours[key]}, not declared", f"no {key}", service_account.command_to_remove(key))
        for key in sorted({*ours} - {*service_account.annotations})
    ]
    findings += [
        (f"{key}: {live[key]}, which the webhook does not read", text, service_account.command_to_remove(key))
        for key, text in sorted(misspelled.items())
    ]
    return findings


def _misspelling(key: str) -> str:
    try:
        check_annotation_key(key)
    except Mistake as mistake:
        return f"an annotation that it reads; {mistake.fix}"
    return ""


def _elsewhere(binding: Binding) -> Check:
    """Say once, for the role, its trust policy and its OIDC provider, that they are out of reach by design."""
    number = parse_iam_arn(binding.role_arn, "role").account_id
    reason = (
        f"account {number} is not one of the stack's; `{commands.prove(binding.key)}` shows whether the role admits it"
    )
    return Check(binding.key, ROLE, Outcome.NOT_CHECKED, binding.role_arn, reason)


def _looked(binding: Binding, kind: str, about: str, look: Callable[[Binding], list[Check]]) -> list[Check]:
    """Look, or say why that was not possible; one look that fails costs no other one."""
    try:
        return look(binding)
    except (CouldNotLookError, Mistake) as error:
        reason = str(error)
    except Exception as error:
        reason = unexpected(error)
    return [Check(binding.key, kind, Outcome.COULD_NOT_LOOK, about, reason)]
