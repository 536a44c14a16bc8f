"""The proof of IRSA: tokens of service accounts, and what STS answers to them."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from irsa.evaluation import Decision, WebIdentityRequest
from irsa.evaluation.grants import grants
from irsa.evaluation.patterns import matches
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE
from irsa.rules.arns import issuer_host_path, issuer_of_provider, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake, named
from irsa.rules.strangers import stranger
from irsa.rules.subjects import EVERY_SERVICE_ACCOUNT, is_pattern, subject_claim
from irsa.rules.trust import federated_providers
from irsa.ways import IRSA
from irsa_cli.prove.answers import STS
from irsa_cli.prove.proof import ASSUMES, IS_REFUSED, Asked, Claim, Proof
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import session_for_tokens
from irsa_world.live.kubernetes import ClusterClient
from irsa_world.live.sts import AssumedRoleUser, TokenService
from irsa_world.model import AwsAccount, ServiceAccount, World
from irsa_world.report.checks import Check
from irsa_world.sessions import Sessions
from irsa_world.state.declared import DeclaredServiceAccount, in_cluster
from irsa_world.unread import NotCheckedError
from irsa_world.verdict import NO_SERVICE_ACCOUNT, Verdict, of_annotations

# Service accounts that nobody named are asked about offline, until one of them is tried.
TRIED = 20
DOUBT = "the trust policy may admit it under other conditions"


@dataclass(frozen=True)
class WebIdentityProof(Proof):
    """Proves one binding of a stack with tokens for STS; no role is read."""

    answers = STS
    new = ("AccessDenied",)
    nobody = "a service account that is not trusted"
    unproven = "a refusal proves nothing if no service account is admitted"

    def _claims(self) -> Iterator[Asked]:
        created = {each.subject for each in self.binding.service_accounts}
        for own in self.binding.service_accounts:
            asked = self._asked(ASSUMES, own.place)
            yield asked, self._of_service_account(own, asked)
        for subject in self.binding.subjects:
            if subject not in created:
                asked = self._asked(ASSUMES, named(subject.replace(":", "/")))
                yield asked, self._of_subject(subject, asked)

    def _of_service_account(self, own: DeclaredServiceAccount, asked: Check) -> Iterator[Claim | Check]:
        """Yield a service account of the binding; a check where its Pods ask for something else."""
        stack, cluster = self.prover.declared.stack, self.prover.clusters.of(own.provider)
        live = cluster.service_account(own.namespace, own.name)
        texts: tuple[str, ...] = ()
        if live is None:
            texts = (
                NO_SERVICE_ACCOUNT,
                named(str(own)),
                own.command_to_create(cluster.place, stack, cluster.has_namespace(own.namespace)),
            )
        # Without an annotation, the trust policy still admits tokens.
        elif IRSA in self.binding.identity.used:
            wrong = of_annotations(live.annotations, self.binding.role_arn)
            fix = own.command_to_restore(cluster.place, stack, live.annotations)
            if wrong and live.role_arn != self.binding.role_arn:
                texts = wrong.found, wrong.expected, fix
            elif live.audience != self.binding.audience:
                fix = fix if AUDIENCE in own.annotations else own.command_to_remove(cluster.place, AUDIENCE)
                texts = f"{AUDIENCE}: {named(live.audience)}", f"the audience {named(self.binding.audience)}", fix
        yield asked.bad(*texts) if texts else Claim(cluster, own, asked)

    def _of_subject(self, subject: str, asked: Check) -> Iterator[Claim | Check]:
        """Yield an existing service account of each cluster for another trusted subject; a check where it has none."""
        namespace, _, name = subject.partition(":")
        for reference in self._trusted_clusters():
            cluster, key = self.prover.clusters.of(reference), self.prover.declared.cluster_keys.get(reference, "")
            problem = NO_SERVICE_ACCOUNT
            if is_pattern(subject):
                everybody = cluster.service_accounts(None if is_pattern(namespace) else namespace)
                found = (each for each in everybody if matches(each.subject, subject))
                # Every namespace has a service account named default; another one proves more.
                live = min(found, key=lambda each: each.name == "default", default=None)
                problem = "no existing service account matches"
            else:
                live = cluster.service_account(namespace, name)
            if live:
                own = DeclaredServiceAccount(reference, live.namespace, live.name, cluster_key=key)
                about = f"{asked.about} by {own.place}" if is_pattern(subject) else own.place
                yield Claim(cluster, own, replace(asked, about=about))
            else:
                where = in_cluster(subject.replace(":", "/"), key)
                yield replace(asked, about=where, found=f"{problem}, so there is no proof: create one")

    def _trusted_clusters(self) -> Sequence[str]:
        """Return the clusters that the role trusts: a token of another one proves nothing about it."""
        trust, clusters = self.binding.trust, self.prover.clusters
        issuers = {issuer_of_provider(arn) for arn in federated_providers(trust)} if trust else set()
        references = [*dict.fromkeys(each.provider for each in self.binding.service_accounts)] or clusters.references
        if len(references) > 1 and issuers:
            references = [each for each in references if issuer_host_path(clusters.of(each).issuer) in issuers]
        if not references:
            raise CouldNotLookError("the stack has no Kubernetes provider of a cluster that this role trusts")
        return references

    def _session(self, token: str) -> AssumedRoleUser:
        providers = self.prover.declared.aws
        reference = self.binding.provider if self.binding.provider in providers else next(iter(providers), "")
        inputs = providers.get(reference, {})
        service = self.prover.services.answer(reference, lambda: TokenService(session_for_tokens(inputs)))
        return AssumedRoleUser(service.identity(token, self.binding.role_arn))

    def _declared(self) -> Sessions | None:
        """Return the sessions of the role as it is declared; None where the stack does not say."""
        role, arn = self.binding.role, parse_iam_arn(self.binding.role_arn, "role")
        found = Sessions(World((), (AwsAccount(arn.account_id, (role,) if role else (), {}),)))
        return found if self.binding.role_arn in found.policies else None

    def _verdict(self, sessions: Sessions, subject: str, issuer: str) -> Verdict | None:
        """Return what the trust policy says to a token; None for an issuer that no IAM OIDC provider can be of."""
        with contextlib.suppress(Mistake):
            provider = provider_of_role(self.role_arn, issuer)
            request = WebIdentityRequest(provider, subject_claim(subject), self.audience)
            return sessions.admits(self.role_arn, request).verdict
        return None

    def _admitted(self, claim: Claim, session: AssumedRoleUser) -> Check:
        fix = self.repair if self.binding.role else ""
        return claim.asked.bad(f"STS gave it {named(session.arn)}", "AccessDenied", fix)

    def _other(self, proven: Claim, issuer: str) -> Claim:
        """Return an existing service account of the cluster that nobody named, with what the trust policy says of it.

        Those of the proven one's namespace are tried first: whoever proves may make tokens there. One that gets in says
        most, so that it is preferred.

        Raises:
            NotCheckedError: There is nobody.
        """
        binding, own = self.binding, proven.service_account
        sessions = self._declared()
        if sessions is None:
            # Whom the role of another owner admits besides is no business of this stack.
            raise NotCheckedError("the stack does not declare the role's trust policy")
        subjects = {*binding.subjects, *(each.subject for each in binding.service_accounts)}
        with contextlib.suppress(Mistake):
            policy, provider = sessions.policies[self.role_arn], provider_of_role(self.role_arn, issuer)
            of_role = grants(policy.parsed, provider, [self.audience]).named
            # `*:*` stands for those whom nobody named, too: they are declared only where the subjects have it.
            subjects |= {each for each in of_role if each != EVERY_SERVICE_ACCOUNT and stranger([each])}
        if EVERY_SERVICE_ACCOUNT in subjects:
            raise NotCheckedError("every service account of the cluster is trusted")
        everybody, problem = _service_accounts(proven.cluster, None)
        neighbours, _ = _service_accounts(proven.cluster, own.namespace)
        candidates = itertools.chain(neighbours, everybody)
        unnamed = (each for each in candidates if not any(matches(each.subject, subject) for subject in subjects))
        found: dict[Decision, ServiceAccount] = {}
        for each in itertools.islice(unnamed, TRIED):
            if verdict := self._verdict(sessions, each.subject, issuer):
                found.setdefault(verdict.decision, each)
        wanted = (Decision.ALLOWED, Decision.CANNOT_TELL, Decision.DENIED)
        decision = next((each for each in wanted if each in found), None)
        if decision is None:
            raise NotCheckedError(problem or "every existing service account is trusted")
        other = replace(own, namespace=found[decision].namespace, name=found[decision].name)
        doubt = DOUBT if decision is Decision.CANNOT_TELL else ""
        asked = self._asked(IS_REFUSED, f"{other.place}, which is not trusted")
        return Claim(proven.cluster, other, asked, doubt=doubt)

    def _names(self, claim: Claim, issuer: str) -> Mapping[str, str]:
        role_arn, audience, repair = self.role_arn, self.audience, self.repair
        # What cannot be parsed is no ARN of a role, and STS says so.
        number, provider, place = "", "", commands.UNKNOWN_AWS_ACCOUNT
        with contextlib.suppress(Mistake):
            number, provider = parse_iam_arn(role_arn, "role").account_id, provider_of_role(role_arn, issuer)
        with contextlib.suppress(Mistake, CouldNotLookError):
            aws_account = self.prover.aws_accounts.of_arn(role_arn)
            place = aws_account.place if aws_account else place
        created = provider in self.prover.declared.oidc_providers
        return {
            **super()._names(claim, issuer),
            "aws_account": number,
            "add_client_id": repair if created else commands.add_client_id(place, provider, audience),
            "audience": audience,
            "create_provider": repair if created else commands.create_provider(place, issuer, [audience]),
            "provider": provider,
            "subject": subject_claim(claim.service_account.subject),
        }


def _service_accounts(cluster: ClusterClient, namespace: str | None) -> tuple[list[ServiceAccount], str]:
    """Return all service accounts of a namespace or of a cluster, or none and why they can't be listed."""
    try:
        return cluster.service_accounts(namespace), ""
    except CouldNotLookError as error:
        return [], str(error)
