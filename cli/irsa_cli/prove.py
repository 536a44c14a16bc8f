"""Prove with real tokens that service accounts can assume their roles, and that another cannot."""

import argparse
import functools
import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from irsa.evaluation import Decision, Evaluation, WebIdentityRequest, evaluate
from irsa.evaluation.admission import TOO_MANY_PATTERNS, admission
from irsa.evaluation.patterns import matches, pattern_of
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE
from irsa.rules.arns import issuer_host_path, issuer_of_provider, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake, named
from irsa.rules.strangers import stranger
from irsa.rules.subjects import EVERY_SERVICE_ACCOUNT, is_pattern, subject_claim, subject_of
from irsa.rules.trust import federated_providers
from irsa_cli.consistency import PAUSES, is_fresh
from irsa_cli.exits import EXIT_CODES, CouldNotLookError, unexpected
from irsa_cli.live.aws import AwsAccountClients, session_for_tokens
from irsa_cli.live.kubernetes import ClusterClient, ClusterClients, claims
from irsa_cli.live.service import CONCURRENT
from irsa_cli.live.sts import Refused, TokenService
from irsa_cli.options import add_report_options, add_stack_options
from irsa_cli.progress import check_all
from irsa_cli.report.checks import Check, Outcome, Report, outcome_of
from irsa_cli.report.json import ReportOutput
from irsa_cli.report.publish import publish
from irsa_cli.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack, in_cluster
from irsa_cli.state.pulumi import read_stack
from irsa_cli.sts_answers import explained
from irsa_cli.verdict import NO_SERVICE_ACCOUNT, of_annotations

HEADINGS = ("binding", "proof", "service account", "outcome")
ASSUMES, IS_REFUSED = "assumes", "is refused"
WRONG_AUDIENCE = "irsa-prove.invalid"
# Service accounts that nobody named are asked about offline, until one of them is tried.
TRIED = 20
# "Properties of the network" in
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
NETWORK_KEYS = frozenset(
    {
        "aws:sourceip",
        "aws:sourcevpc",
        "aws:sourcevpcarn",
        "aws:sourcevpce",
        "aws:vpceaccount",
        "aws:vpceorgid",
        "aws:vpceorgpaths",
        "aws:vpcsourceip",
    }
)

DESCRIPTION = """\
Prove that each declared service account can assume its role, as its Pods do:
read the role and audience from its annotations, request a token for it
(TokenRequest), call sts:AssumeRoleWithWebIdentity and sts:GetCallerIdentity.
The negative check: STS must refuse an existing service account that is not
trusted, or else a token with a wrong audience. A pattern such as team-a:* is
proven by one existing service account that matches.

It shows what STS answers to the tokens that it tries: not who else may assume
the role, and not what the role can do.
Tokens and credentials are never printed or stored.
The permissions that it needs: docs/reference/permissions.md.
"""
ALLOW_UNPROVEN = "a trusted subject or pattern for which no service account exists yet is reported, and no failure"
OUTPUT = ReportOutput
EXAMPLE = f"example: irsa prove --stack dev my-service-account\n\n{EXIT_CODES}"


class Caller(NamedTuple):
    """A service account in a cluster, and the role and audience that its Pods would use."""

    cluster: ClusterClient
    namespace: str
    name: str
    role_arn: str
    audience: str
    cluster_key: str

    def __str__(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def place(self) -> str:
        """`namespace/name`, and the cluster in a stack of several clusters."""
        return in_cluster(str(self), self.cluster_key)


class ProofResult(NamedTuple):
    """The check of a proof; with the caller and its issuer if STS was asked."""

    check: Check
    caller: Caller | None = None
    issuer: str = ""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_stack_options(parser)
    add_report_options(parser)
    parser.add_argument("--allow-unproven", action="store_true", help=ALLOW_UNPROVEN)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prove the chosen bindings, print the report and return the exit code.

    Raises:
        CouldNotLookError: The stack cannot be read, or has no such binding.
    """
    declared = read_stack(options.stack)
    bindings = declared.chosen(options.bindings)
    clusters = ClusterClients(declared.clusters)
    proof = Proof(declared, AwsAccountClients(declared.aws), clusters, options.allow_unproven)
    # The negative checks need all service accounts of a cluster.
    clusters.read_service_accounts((each for binding in bindings for each in binding.service_accounts), everything=True)
    checks = check_all("prove", bindings, proof.of_binding, CONCURRENT)
    rows = [(named(check.binding), check.check, check.about, check.outcome.value) for check in checks]
    return publish(Report("prove", declared.stack, checks), HEADINGS, rows, options)


class Proof:
    """Proves bindings of one stack."""

    def __init__(
        self,
        declared: DeclaredStack,
        aws_accounts: AwsAccountClients,
        clusters: ClusterClients,
        allow_unproven: bool = False,
    ) -> None:
        """Take what the stack declares; AWS accounts are only read to explain a refusal."""
        self._without_proof = Outcome.UNPROVEN if allow_unproven else Outcome.CANNOT_TELL
        self._declared, self._aws_accounts, self._clusters = declared, aws_accounts, clusters
        self._repair = commands.up(declared.stack)
        self._lock = threading.Lock()
        self._token_services: dict[str, TokenService] = {}

    def of_binding(self, binding: DeclaredBinding) -> list[Check]:
        """Return the proofs of one binding; if it fails, other bindings go on."""
        try:
            if not binding.unreadable:
                return self._proven(binding)
            reason = binding.unreadable
        except Exception as error:
            reason = unexpected(error)
        return [Check(binding.key, ASSUMES, Outcome.CANNOT_TELL, f"binding {named(binding.key)}", reason)]

    def _proven(self, binding: DeclaredBinding) -> list[Check]:
        """Return the proof of each subject, and one negative check in each cluster."""
        created = {subject_of(each.namespace, each.name) for each in binding.service_accounts}
        answers = [self._prove_service_account(binding, each) for each in binding.service_accounts]
        for subject in binding.subjects:
            answers += self._prove_subject(binding, subject) if subject not in created else []
        checks = [answer.check for answer in answers]
        # Each cluster has its own statement in the trust policy, and so its own negative check.
        proven = {a.caller.cluster: a for a in answers if a.caller and a.check.outcome is Outcome.OK}
        for _, caller, issuer in proven.values():
            checks += self._negative_checks(binding, caller, issuer) if caller else []
        if not proven:
            reason = "a refusal proves nothing if no service account is admitted"
            about = "a service account that is not trusted"
            checks.append(Check(binding.key, IS_REFUSED, Outcome.NOT_CHECKED, about, reason))
        return checks

    # The proof

    def _prove_service_account(self, binding: DeclaredBinding, service_account: DeclaredServiceAccount) -> ProofResult:
        """Return the proof of a service account of the binding, with the role and audience of its live annotations."""
        check = functools.partial(Check, binding.key, ASSUMES)
        about, create = service_account.place, service_account.command_to_create(self._declared.stack)
        missing = ProofResult(check(Outcome.FINDING, about, NO_SERVICE_ACCOUNT, named(str(service_account)), create))
        try:
            cluster = self._clusters.of(service_account.cluster)
            live = cluster.service_account(service_account.namespace, service_account.name)
        except CouldNotLookError as error:
            return ProofResult(check(outcome_of(error), about, str(error)))
        if live is None:
            return missing
        restore = service_account.command_to_restore(self._declared.stack, live.annotations)
        wrong = of_annotations(live.annotations, binding.role_arn)
        if wrong and live.role_arn != binding.role_arn:
            return ProofResult(check(Outcome.FINDING, about, wrong.found, wrong.expected, restore))
        audience = live.audience
        if audience != binding.audience:
            declared = AUDIENCE in service_account.annotations
            fix = restore if declared else service_account.command_to_remove(AUDIENCE)
            texts = (f"{AUDIENCE}: {named(audience)}", f"the audience {named(binding.audience)}", fix)
            return ProofResult(check(Outcome.FINDING, about, *texts))
        caller = Caller(
            cluster,
            service_account.namespace,
            service_account.name,
            binding.role_arn,
            audience,
            service_account.cluster_key,
        )
        return self._assume(binding, caller, about) or missing

    def _prove_subject(self, binding: DeclaredBinding, subject: str) -> list[ProofResult]:
        """Return the proofs of another trusted subject, by an existing service account of each cluster."""
        about = named(subject.replace(":", "/"))
        outcome = self._without_proof
        problem = "no existing service account matches" if is_pattern(subject) else NO_SERVICE_ACCOUNT
        answers: list[ProofResult] = []
        try:
            for found in self._matching(binding, subject):
                answer = self._assume(
                    binding, found, f"{about} by {found.place}" if is_pattern(subject) else found.place
                )
                answers += [answer] if answer else []
            if answers:
                return answers
        except CouldNotLookError as error:
            outcome, problem = outcome_of(error), str(error)
        text = f"{problem}, so there is no proof"
        return [*answers, ProofResult(Check(binding.key, ASSUMES, outcome, about, text))]

    def _matching(self, binding: DeclaredBinding, subject: str) -> Iterator[Caller]:
        namespace, _, name = subject.partition(":")
        issuers = trusted_issuers(binding)
        references = list(dict.fromkeys(each.cluster for each in binding.service_accounts)) or self._clusters.references
        if len(references) > 1 and issuers:
            # A token of another cluster proves nothing about this role.
            references = [each for each in references if issuer_host_path(self._clusters.of(each).issuer) in issuers]
        if not references:
            raise CouldNotLookError("the stack has no Kubernetes provider of a cluster that this role trusts")
        for reference in references:
            cluster = self._clusters.of(reference)
            if is_pattern(subject):
                found = cluster.service_accounts(None if is_pattern(namespace) else namespace)
                matching = [each.subject for each in found if _matches(each.subject, subject)]
                # Every namespace has a service account named default; another one proves more.
                matching.sort(key=lambda each: each.endswith(":default"))
            else:
                matching = [subject] if cluster.service_account(namespace, name) is not None else []
            for match in matching[:1]:
                where, _, who = match.partition(":")
                key = self._declared.cluster_keys.get(reference, "")
                yield Caller(cluster, where, who, binding.role_arn, binding.audience, key)

    def _assume(self, binding: DeclaredBinding, caller: Caller, about: str) -> ProofResult | None:
        """Return the proof that a service account can assume the role; None if it does not exist."""
        check = functools.partial(Check, binding.key, ASSUMES)
        issuer = ""
        try:
            token = caller.cluster.token(caller.namespace, caller.name, caller.audience)
            if token is None:
                return None
            issuer = str(claims(token)["iss"])
            identity = self._identity(binding, token, caller.role_arn)
        except CouldNotLookError as error:
            return ProofResult(check(outcome_of(error), about, str(error)))
        except Refused as refused:
            return ProofResult(self._refused(binding, caller, about, issuer, refused), caller, issuer)
        expected = assumed_role(caller.role_arn)
        if not identity.startswith(expected):
            return ProofResult(check(Outcome.FINDING, about, named(identity), named(expected), self._repair))
        return ProofResult(check(Outcome.OK, about, named(identity)), caller, issuer)

    def _identity(self, binding: DeclaredBinding, token: str, role_arn: str) -> str:
        service = self._token_service(binding)
        for pause in PAUSES if is_fresh(binding) else ():
            try:
                return service.identity(token, role_arn)
            except Refused as refused:
                if refused.code != "AccessDenied":
                    raise
            time.sleep(pause)
        return service.identity(token, role_arn)

    def _refused(self, binding: DeclaredBinding, caller: Caller, about: str, issuer: str, refused: Refused) -> Check:
        check = functools.partial(Check, binding.key, ASSUMES)
        names = self._names(binding, caller, issuer)
        cause = explained(refused, names)
        meaning = cause.meaning
        if refused.code == "AccessDenied":
            trust = self._trust_policy(binding)
            if trust is None:
                meaning += "; or the trust policy, which irsa cannot read here, has a condition on the caller's network"
            elif depends_on_network(trust, names):
                found = (
                    "the trust policy has a condition on the caller's network, and irsa runs outside the Pods' network"
                )
                return check(Outcome.CANNOT_TELL, about, f"{refused}: {found}")
        return check(cause.outcome, about, meaning, f"the token assumes {named(caller.role_arn)}", cause.fix)

    def _trust_policy(self, binding: DeclaredBinding) -> str | Mapping[str, Any] | None:
        """Return the live trust policy of the role, else the declared one; None if neither can be read."""
        try:
            aws_account = self._aws_accounts.of_arn(binding.role_arn)
            role = aws_account.role(parse_iam_arn(binding.role_arn, "role").name) if aws_account else None
        except (CouldNotLookError, Mistake):
            role = None
        if role and role.arn == binding.role_arn:
            return role.trust
        return binding.role.trust if binding.role else None

    # The negative check

    def _negative_checks(self, binding: DeclaredBinding, proven: Caller, issuer: str) -> list[Check]:
        """Return the check of an untrusted service account; without one, say why, and check a wrong audience."""
        untrusted, decision, reason = self._untrusted(binding, proven, issuer)
        if untrusted:
            about = f"{untrusted.place}, which is not trusted"
            check = self._is_refused(binding, untrusted, issuer, about, decision is not Decision.CANNOT_DECIDE)
            # The right to make tokens is given per namespace.
            if check.outcome is not Outcome.NO_PERMISSION:
                return [check]
            reason = check.found
        wrong = proven._replace(audience=WRONG_AUDIENCE)
        about = f"{wrong.place} with the audience {WRONG_AUDIENCE}"
        return [
            Check(binding.key, IS_REFUSED, Outcome.NOT_CHECKED, "a service account that is not trusted", reason),
            self._is_refused(binding, wrong, issuer, about, True),
        ]

    def _is_refused(self, binding: DeclaredBinding, caller: Caller, issuer: str, about: str, proves: bool) -> Check:
        """Return the check that STS refuses a caller; `proves` is False where it may do so for this place alone."""
        check = functools.partial(Check, binding.key, IS_REFUSED)
        try:
            token = caller.cluster.token(caller.namespace, caller.name, caller.audience)
            if token is None:
                return check(Outcome.CANNOT_TELL, about, "the service account was deleted meanwhile")
            identity = self._token_service(binding).identity(token, caller.role_arn)
        except Refused as refused:
            if refused.code != "AccessDenied" and "Incorrect token audience" not in refused.message:
                return check(Outcome.NO_ANSWER, about, str(refused))
            if not proves:
                found = f"{refused}: the trust policy may admit it under other conditions than those here"
                return check(Outcome.CANNOT_TELL, about, found)
            return check(Outcome.OK, about, str(refused))
        except CouldNotLookError as error:
            return check(outcome_of(error), about, str(error))
        explain = commands.explain(str(caller), caller.role_arn, self._declared.stack, issuer)
        fix = self._repair if binding.role else explain
        return check(Outcome.FINDING, about, f"STS gave it {named(identity)}", "AccessDenied", fix)

    def _untrusted(
        self, binding: DeclaredBinding, proven: Caller, issuer: str
    ) -> tuple[Caller | None, Decision | None, str]:
        """Return an existing service account of the cluster that nobody named, and what the trust policy says of it.

        Those of the proven one's namespace are tried first: whoever proves may make tokens there. One that gets in says
        most, so that it is preferred. Without one, the third value is the reason.
        """
        declared = binding.role.trust if binding.role else None
        trust = declared or self._trust_policy(binding)
        if trust is None:
            return None, None, "the trust policy of the role cannot be read"
        named = named_subjects(binding, declared, issuer, proven.audience)
        if named is None:
            return None, None, TOO_MANY_PATTERNS
        if EVERY_SERVICE_ACCOUNT in named:
            return None, None, "every service account of the cluster is trusted"
        everybody, problem = _service_accounts(proven.cluster, None)
        neighbours, _ = _service_accounts(proven.cluster, proven.namespace)
        candidates = itertools.chain(neighbours, everybody)
        unnamed = (each for each in candidates if not any(_matches(each, subject) for subject in named))
        found: dict[Decision, str] = {}
        for service_account in itertools.islice(unnamed, TRIED):
            names = {"subject": subject_claim(service_account), "issuer": issuer, "role": proven.role_arn}
            answer = evaluation_of(trust, {**names, "audience": proven.audience})
            if answer:
                found.setdefault(answer.decision, service_account)
        # Whom the role of another owner admits besides is no business of this stack.
        wanted = (Decision.ALLOWED, Decision.CANNOT_DECIDE, Decision.DENIED) if declared else (Decision.DENIED,)
        for decision in wanted:
            if decision in found:
                namespace, _, name = found[decision].partition(":")
                return proven._replace(namespace=namespace, name=name), decision, ""
        return None, None, problem or "every existing service account is trusted"

    # Names for messages

    def _names(self, binding: DeclaredBinding, caller: Caller, issuer: str) -> dict[str, str]:
        names = {
            "audience": caller.audience,
            "create_token": commands.create_token(caller.namespace, caller.name, caller.audience),
            "explain": commands.explain(str(caller), caller.role_arn, self._declared.stack, issuer),
            "issuer": issuer,
            "read_issuer": commands.read_issuer(issuer),
            "role": caller.role_arn,
            "subject": subject_claim(subject_of(caller.namespace, caller.name)),
        }
        try:
            provider = provider_of_role(caller.role_arn, issuer)
        except Mistake:
            unknown = dict.fromkeys(
                ("aws_account", "add_client_id", "create_provider", "provider", "update_thumbprint"), ""
            )
            return {**names, **unknown, "repair": self._repair}
        # `pulumi up` does not repair a role that the stack does not create; `irsa explain` shows what is wrong with it.
        repair = self._repair if binding.role else names["explain"]
        created = provider in self._declared.oidc_providers
        return {
            **names,
            "aws_account": parse_iam_arn(caller.role_arn, "role").account_id,
            "add_client_id": self._repair if created else commands.add_client_id(provider, caller.audience),
            "create_provider": self._repair if created else commands.create_provider(issuer, [caller.audience]),
            "provider": provider,
            "repair": repair,
            "update_thumbprint": commands.update_thumbprint(provider),
        }

    def _token_service(self, binding: DeclaredBinding) -> TokenService:
        providers = self._declared.aws
        reference = binding.provider if binding.provider in providers else next(iter(providers), "")
        with self._lock:
            if reference not in self._token_services:
                self._token_services[reference] = TokenService(session_for_tokens(providers.get(reference, {})))
        return self._token_services[reference]


def _service_accounts(cluster: ClusterClient, namespace: str | None) -> tuple[list[str], str]:
    """Return all service accounts of a namespace or of a cluster, or none and why they can't be listed."""
    try:
        return [each.subject for each in cluster.service_accounts(namespace)], ""
    except CouldNotLookError as error:
        return [], str(error)


def _matches(service_account: str, subject: str) -> bool:
    return matches(service_account, pattern_of(subject, wildcards=True))


def named_subjects(binding: DeclaredBinding, trust: str | None, issuer: str, audience: str) -> set[str] | None:
    """Return the patterns of the service accounts that a binding trusts, those of its own statements included.

    None where its trust policy's patterns combine in too many ways to tell.
    """
    own = {f"{each.namespace}:{each.name}" for each in binding.service_accounts}
    named = {*binding.subjects, *own}
    if trust is None:
        return named
    try:
        provider = provider_of_role(binding.role_arn, issuer)
        admitted = admission(trust, [provider], sorted(named), audience)
    except Mistake:
        return named
    if not admitted.complete:
        return None
    # `*:*` stands for those whom nobody named, too: they are declared only where the subjects have it.
    return named | {
        each.subject
        for each in admitted.admitted
        if each.provider_arn == provider and each.subject != EVERY_SERVICE_ACCOUNT and stranger([each.subject])
    }


def assumed_role(role_arn: str) -> str:
    """Return the prefix of the ARNs of the role's sessions."""
    arn = parse_iam_arn(role_arn, "role")
    return f"arn:{arn.partition}:sts::{arn.account_id}:assumed-role/{arn.name}/"


def trusted_issuers(binding: DeclaredBinding) -> set[str]:
    """Return the issuers of the declared trust policy, without https://; none for an existing role."""
    if not binding.role or not binding.role.trust:
        return set()
    return {issuer_of_provider(arn) for arn in federated_providers(binding.role.trust)}


def evaluation_of(trust: str | Mapping[str, Any], names: Mapping[str, str]) -> Evaluation | None:
    """Return the offline evaluation of a trust policy for a token; None if the policy cannot be read."""
    try:
        provider = provider_of_role(names["role"], names["issuer"])
        return evaluate(trust, WebIdentityRequest(names["issuer"], provider, names["subject"], names["audience"]))
    except Mistake:
        return None


def depends_on_network(trust: str | Mapping[str, Any], names: Mapping[str, str]) -> bool:
    """Return whether a trust policy's answer depends on the network that the request comes from."""
    answer = evaluation_of(trust, names)
    if answer is None or answer.decision is not Decision.CANNOT_DECIDE:
        return False
    undecided = [reason for each in answer.statements if each.matched is None for reason in each.reasons]
    return any(reason.outcome is None and (reason.key or "").lower() in NETWORK_KEYS for reason in undecided)
