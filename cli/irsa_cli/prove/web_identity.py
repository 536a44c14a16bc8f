"""The proof of IRSA: tokens of service accounts, and what STS answers to them."""

import contextlib
import functools
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from irsa.evaluation import Decision, Evaluation, WebIdentityRequest, evaluate
from irsa.evaluation.admission import TOO_MANY_PATTERNS, admission
from irsa.evaluation.patterns import matches
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE
from irsa.rules.arns import issuer_host_path, issuer_of_provider, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake, named
from irsa.rules.strangers import stranger
from irsa.rules.subjects import EVERY_SERVICE_ACCOUNT, is_pattern, subject_claim, subject_of
from irsa.rules.trust import NETWORK_KEYS, federated_providers, minified
from irsa.ways import IRSA
from irsa_cli.consistency import PAUSES, is_fresh
from irsa_cli.prove.answers import explained
from irsa_cli.prove.proof import ASSUMES, IS_REFUSED, WRONG_AUDIENCE, Proof, session_of_role
from irsa_cli.prove.sts_answers import CAUSES
from irsa_cli.report.checks import Check, Outcome, outcome_of
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import session_for_tokens
from irsa_world.live.kubernetes import ClusterClient, claims
from irsa_world.live.sts import Refused, TokenService
from irsa_world.model import ServiceAccount
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount
from irsa_world.verdict import NO_SERVICE_ACCOUNT, of_annotations

NOT_TRUSTED = "a service account that is not trusted"
# Service accounts that nobody named are asked about offline, until one of them is tried.
TRIED = 20


@dataclass(frozen=True)
class WebIdentityProof(Proof):
    """Proves one binding of a stack with tokens for STS; AWS accounts are only read to explain a refusal.

    Attributes:
        proven: In each cluster, a service account that was given the role, and the issuer of its token.
    """

    proven: dict[ClusterClient, tuple[DeclaredServiceAccount, str]] = field(default_factory=dict)

    def proven_checks(self) -> list[Check]:
        """Return the proof of each subject, and one negative check in each cluster."""
        created = {subject_of(each.namespace, each.name) for each in self.binding.service_accounts}
        checks = [self._prove_service_account(each) for each in self.binding.service_accounts]
        for subject in self.binding.subjects:
            checks += self._prove_subject(subject) if subject not in created else []
        # Each cluster has its own statement in the trust policy, and so its own negative check.
        for service_account, issuer in self.proven.values():
            checks += self._negative_checks(service_account, issuer)
        if not self.proven:
            reason = "a refusal proves nothing if no service account is admitted"
            checks.append(Check(self.binding.key, IS_REFUSED, Outcome.NOT_CHECKED, NOT_TRUSTED, reason))
        return checks

    # The proof

    def _prove_service_account(self, service_account: DeclaredServiceAccount) -> Check:
        """Return the proof of a service account of the binding, with the role and audience of its live annotations."""
        check, about = functools.partial(Check, self.binding.key, ASSUMES), service_account.place
        create = service_account.command_to_create(self.asked.declared.stack)
        missing = check(Outcome.FINDING, about, NO_SERVICE_ACCOUNT, named(str(service_account)), create)
        try:
            cluster = self.asked.clusters.of(service_account.cluster)
            live = cluster.service_account(service_account.namespace, service_account.name)
        except CouldNotLookError as error:
            return check(outcome_of(error), about, str(error))
        if live is None:
            return missing
        # Without an annotation, the trust policy still admits tokens.
        if IRSA not in self.binding.identity.used:
            return self._assume(service_account, about) or missing
        restore = service_account.command_to_restore(self.asked.declared.stack, live.annotations)
        wrong = of_annotations(live.annotations, self.binding.role_arn)
        if wrong and live.role_arn != self.binding.role_arn:
            return check(Outcome.FINDING, about, wrong.found, wrong.expected, restore)
        if live.audience != self.binding.audience:
            declared = AUDIENCE in service_account.annotations
            fix = restore if declared else service_account.command_to_remove(AUDIENCE)
            texts = (f"{AUDIENCE}: {named(live.audience)}", f"the audience {named(self.binding.audience)}", fix)
            return check(Outcome.FINDING, about, *texts)
        return self._assume(service_account, about) or missing

    def _prove_subject(self, subject: str) -> list[Check]:
        """Return the proofs of another trusted subject, by an existing service account of each cluster."""
        about, checks = named(subject.replace(":", "/")), list[Check]()
        outcome = Outcome.UNPROVEN if self.asked.allow_unproven else Outcome.CANNOT_TELL
        problem = "no existing service account matches" if is_pattern(subject) else NO_SERVICE_ACCOUNT
        try:
            for found in self._matching(subject):
                check = self._assume(found, f"{about} by {found.place}" if is_pattern(subject) else found.place)
                checks += [check] if check else []
            if checks:
                return checks
        except CouldNotLookError as error:
            outcome, problem = outcome_of(error), str(error)
        text = f"{problem}, so there is no proof"
        return [*checks, Check(self.binding.key, ASSUMES, outcome, about, text)]

    def _matching(self, subject: str) -> Iterator[DeclaredServiceAccount]:
        namespace, _, name = subject.partition(":")
        trust = self.binding.trust
        issuers = {issuer_of_provider(arn) for arn in federated_providers(trust)} if trust else set()
        own = dict.fromkeys(each.cluster for each in self.binding.service_accounts)
        references = [*own] or self.asked.clusters.references
        if len(references) > 1 and issuers:
            # A token of another cluster proves nothing about this role.
            references = [
                each for each in references if issuer_host_path(self.asked.clusters.of(each).issuer) in issuers
            ]
        if not references:
            raise CouldNotLookError("the stack has no Kubernetes provider of a cluster that this role trusts")
        for reference in references:
            cluster = self.asked.clusters.of(reference)
            if is_pattern(subject):
                everybody = cluster.service_accounts(None if is_pattern(namespace) else namespace)
                found = (each for each in everybody if _matches(each, subject))
                # Every namespace has a service account named default; another one proves more.
                live = min(found, key=lambda each: each.name == "default", default=None)
            else:
                live = cluster.service_account(namespace, name)
            if live:
                key = self.asked.declared.cluster_keys.get(reference, "")
                yield DeclaredServiceAccount(reference, live.namespace, live.name, cluster_key=key)

    def _assume(self, service_account: DeclaredServiceAccount, about: str) -> Check | None:
        """Return the proof that a service account can assume the role; None if it does not exist."""
        check, issuer = functools.partial(Check, self.binding.key, ASSUMES), ""
        try:
            cluster = self.asked.clusters.of(service_account.cluster)
            token = cluster.token(service_account.namespace, service_account.name, self.binding.audience)
            if token is None:
                return None
            issuer = str(claims(token)["iss"])
            identity = self._identity(token)
        except CouldNotLookError as error:
            return check(outcome_of(error), about, str(error))
        except Refused as refused:
            return self._refused(service_account, about, issuer, refused)
        expected = session_of_role(self.binding.role_arn)
        if not identity.startswith(expected):
            return check(Outcome.FINDING, about, named(identity), named(expected))
        self.proven[cluster] = service_account, issuer
        return check(Outcome.OK, about, named(identity))

    def _identity(self, token: str) -> str:
        service = self._token_service()
        for pause in PAUSES if is_fresh(self.binding) else ():
            try:
                return service.identity(token, self.binding.role_arn)
            except Refused as refused:
                if refused.code != "AccessDenied":
                    raise
            time.sleep(pause)
        return service.identity(token, self.binding.role_arn)

    def _refused(self, service_account: DeclaredServiceAccount, about: str, issuer: str, refused: Refused) -> Check:
        check = functools.partial(Check, self.binding.key, ASSUMES)
        names = self._names(service_account, issuer)
        cause = explained(CAUSES, refused, names)
        meaning = cause.meaning
        if refused.code == "AccessDenied":
            trust = self._trust_policy()
            if trust is None:
                meaning += "; or the trust policy, which irsa cannot read here, has a condition on the caller's network"
            elif depends_on_network(trust, names):
                why = "has a condition on the caller's network, and irsa runs outside the Pods' network"
                return check(Outcome.CANNOT_TELL, about, f"{refused}: the trust policy {why}")
        return check(cause.outcome, about, meaning, f"the token assumes {named(self.binding.role_arn)}", cause.fix)

    def _trust_policy(self) -> Mapping[str, Any] | None:
        """Return the live trust policy of the role, else the declared one; None if neither can be read."""
        binding = self.binding
        try:
            aws_account = self.asked.aws_accounts.of_arn(binding.role_arn)
            role = aws_account.role(parse_iam_arn(binding.role_arn, "role").name) if aws_account else None
        except (CouldNotLookError, Mistake):
            role = None
        if role and role.arn == binding.role_arn:
            return role.trust
        return binding.trust

    # The negative check

    def _negative_checks(self, proven: DeclaredServiceAccount, issuer: str) -> list[Check]:
        """Return the check of an untrusted service account; without one, say why, and check a wrong audience."""
        untrusted, decision, reason = self._untrusted(proven, issuer)
        if untrusted:
            about, proves = f"{untrusted.place}, which is not trusted", decision is not Decision.CANNOT_DECIDE
            check = self._is_refused(untrusted, self.binding.audience, issuer, about, proves)
            # The right to make tokens is given per namespace.
            if check.outcome is not Outcome.NO_PERMISSION:
                return [check]
            reason = check.found
        about = f"{proven.place} with the audience {WRONG_AUDIENCE}"
        return [
            Check(self.binding.key, IS_REFUSED, Outcome.NOT_CHECKED, NOT_TRUSTED, reason),
            self._is_refused(proven, WRONG_AUDIENCE, issuer, about, True),
        ]

    def _is_refused(
        self, service_account: DeclaredServiceAccount, audience: str, issuer: str, about: str, proves: bool
    ) -> Check:
        """Return the check that STS refuses a token; `proves` is False where it may do so for this place alone."""
        check = functools.partial(Check, self.binding.key, IS_REFUSED)
        try:
            cluster = self.asked.clusters.of(service_account.cluster)
            token = cluster.token(service_account.namespace, service_account.name, audience)
            if token is None:
                return check(Outcome.CANNOT_TELL, about, "the service account was deleted meanwhile")
            identity = self._token_service().identity(token, self.binding.role_arn)
        except Refused as refused:
            if refused.code != "AccessDenied" and "Incorrect token audience" not in refused.message:
                return check(Outcome.NO_ANSWER, about, str(refused))
            if not proves:
                found = f"{refused}: the trust policy may admit it under other conditions than those here"
                return check(Outcome.CANNOT_TELL, about, found)
            return check(Outcome.OK, about, str(refused))
        except CouldNotLookError as error:
            return check(outcome_of(error), about, str(error))
        fix = self._names(service_account, issuer)["repair"]
        return check(Outcome.FINDING, about, f"STS gave it {named(identity)}", "AccessDenied", fix)

    def _untrusted(
        self, proven: DeclaredServiceAccount, issuer: str
    ) -> tuple[DeclaredServiceAccount | None, Decision | None, str]:
        """Return an existing service account of the cluster that nobody named, and what the trust policy says of it.

        Those of the proven one's namespace are tried first: whoever proves may make tokens there. One that gets in says
        most, so that it is preferred. Without one, the third value is the reason.
        """
        binding, cluster = self.binding, self.asked.clusters.of(proven.cluster)
        declared = binding.trust
        trust = declared or self._trust_policy()
        if trust is None:
            return None, None, "the trust policy of the role cannot be read"
        named = named_subjects(binding, declared, issuer, binding.audience)
        if named is None:
            return None, None, TOO_MANY_PATTERNS
        if EVERY_SERVICE_ACCOUNT in named:
            return None, None, "every service account of the cluster is trusted"
        everybody, problem = _service_accounts(cluster, None)
        neighbours, _ = _service_accounts(cluster, proven.namespace)
        candidates = itertools.chain(neighbours, everybody)
        unnamed = (each for each in candidates if not any(_matches(each, subject) for subject in named))
        found: dict[Decision, ServiceAccount] = {}
        for service_account in itertools.islice(unnamed, TRIED):
            names = {"subject": subject_claim(service_account.subject), "issuer": issuer, "role": binding.role_arn}
            answer = evaluation_of(trust, {**names, "audience": binding.audience})
            if answer:
                found.setdefault(answer.decision, service_account)
        # Whom the role of another owner admits besides is no business of this stack.
        wanted = (Decision.ALLOWED, Decision.CANNOT_DECIDE, Decision.DENIED) if declared else (Decision.DENIED,)
        for decision in wanted:
            if decision in found:
                return replace(proven, namespace=found[decision].namespace, name=found[decision].name), decision, ""
        return None, None, problem or "every existing service account is trusted"

    # Names for messages

    def _names(self, service_account: DeclaredServiceAccount, issuer: str) -> dict[str, str]:
        audience, role_arn = self.binding.audience, self.binding.role_arn
        explain = commands.explain(str(service_account), role_arn, self.asked.declared.stack, issuer)
        names = {
            **dict.fromkeys(("aws_account", "add_client_id", "create_provider", "provider"), ""),
            "audience": audience,
            "explain": explain,
            "issuer": issuer,
            # `pulumi up` does not repair a role that the stack does not create.
            "repair": self.repair if self.binding.role else "",
            "role": role_arn,
            "subject": subject_claim(subject_of(service_account.namespace, service_account.name)),
        }
        with contextlib.suppress(Mistake):
            provider = provider_of_role(role_arn, issuer)
            created = provider in self.asked.declared.oidc_providers
            names |= {
                "aws_account": parse_iam_arn(role_arn, "role").account_id,
                "add_client_id": self.repair if created else commands.add_client_id(provider, audience),
                "create_provider": self.repair if created else commands.create_provider(issuer, [audience]),
                "provider": provider,
            }
        return names

    def _token_service(self) -> TokenService:
        providers = self.asked.declared.aws
        reference = self.binding.provider if self.binding.provider in providers else next(iter(providers), "")
        inputs = providers.get(reference, {})
        return self.asked.services.answer(reference, lambda: TokenService(session_for_tokens(inputs)))


def _service_accounts(cluster: ClusterClient, namespace: str | None) -> tuple[list[ServiceAccount], str]:
    """Return all service accounts of a namespace or of a cluster, or none and why they can't be listed."""
    try:
        return cluster.service_accounts(namespace), ""
    except CouldNotLookError as error:
        return [], str(error)


def _matches(service_account: ServiceAccount, subject: str) -> bool:
    return matches(service_account.subject, subject)


def named_subjects(
    binding: DeclaredBinding, trust: Mapping[str, Any] | None, issuer: str, audience: str
) -> set[str] | None:
    """Return the patterns of the service accounts that a binding trusts, those of its own statements included.

    None where its trust policy's patterns combine in too many ways to tell.
    """
    own = {f"{each.namespace}:{each.name}" for each in binding.service_accounts}
    named = {*binding.subjects, *own}
    if trust is None:
        return named
    try:
        provider = provider_of_role(binding.role_arn, issuer)
        admitted = admission(minified(trust), [provider], sorted(named), audience)
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


def evaluation_of(trust: Mapping[str, Any], names: Mapping[str, str]) -> Evaluation | None:
    """Return the offline evaluation of a trust policy for a token; None if the policy cannot be read."""
    try:
        provider = provider_of_role(names["role"], names["issuer"])
        return evaluate(trust, WebIdentityRequest(names["issuer"], provider, names["subject"], names["audience"]))
    except Mistake:
        return None


def depends_on_network(trust: Mapping[str, Any], names: Mapping[str, str]) -> bool:
    """Return whether a trust policy's answer depends on the network that the request comes from."""
    answer = evaluation_of(trust, names)
    if answer is None or answer.decision is not Decision.CANNOT_DECIDE:
        return False
    undecided = [reason for each in answer.statements if each.matched is None for reason in each.reasons]
    return any(reason.outcome is None and (reason.key or "").lower() in NETWORK_KEYS for reason in undecided)
