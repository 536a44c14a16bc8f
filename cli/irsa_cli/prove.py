"""Let service accounts assume their roles for real, without a Pod, and others be refused."""

import argparse
import fnmatch
import functools
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from irsa.evaluation import Decision, Evaluation, WebIdentityRequest, evaluate
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, ROLE_ARN
from irsa.rules.arns import issuer_host_path, issuer_of_provider, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import is_pattern, subject_claim, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE, federated_providers
from irsa_cli.exits import EXIT_CODES, CouldNotLookError, unexpected
from irsa_cli.live.aws import CONCURRENT, AwsAccounts, Refused, TokenService
from irsa_cli.live.kubernetes import Cluster, Clusters, claims
from irsa_cli.options import add_report_options, add_stack_options
from irsa_cli.progress import look_at_all
from irsa_cli.report.checks import Check, Outcome, Report
from irsa_cli.report.publish import publish
from irsa_cli.state import Binding, Declared, ServiceAccount, read_stack
from irsa_cli.sts_answers import explained

HEADINGS = ("binding", "proof", "service account", "outcome")
ASSUMES, IS_REFUSED = "assumes", "is refused"
WRONG_AUDIENCE = "irsa-prove.invalid"
# A new role, or a changed trust policy, takes IAM some seconds:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
FRESH_SECONDS = 60
PAUSES = (2.0, 4.0)
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
Let every declared service account assume its role, as a Pod of it would: the role and audience of the account's
annotations, a token of the account (TokenRequest), sts:AssumeRoleWithWebIdentity, sts:GetCallerIdentity. Then the
counter-proof: an existing account that is not trusted, or else a token of a wrong audience, is refused. A pattern such
as team-a:* is proven by one existing account that matches.

It shows who may assume the role. It does not show what the role may do.
Tokens and credentials are neither shown nor kept. The rights that it needs are in docs/verify.md.
"""
EXAMPLE = f"example: irsa prove --stack dev my-service-account\n\n{EXIT_CODES}"


class Subject(NamedTuple):
    """A service account in a cluster, and the role and audience that its Pods would use."""

    cluster: Cluster
    namespace: str
    name: str
    role_arn: str
    audience: str
    cluster_key: str

    def __str__(self) -> str:
        """Spell it as kubectl does."""
        return f"{self.namespace}/{self.name}"

    @property
    def place(self) -> str:
        """Say where it is, too, in a stack of several clusters."""
        return f"{self} in {self.cluster_key}" if self.cluster_key else str(self)


class Answer(NamedTuple):
    """What came of a proof."""

    check: Check
    subject: Subject | None = None
    issuer: str = ""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the verb's parser its arguments."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_stack_options(parser)
    add_report_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prove the chosen bindings, show the report and give the exit code.

    Raises:
        CouldNotLookError: The stack cannot be read, or has no such binding.
    """
    declared = read_stack(options.stack)
    bindings = declared.chosen(options.bindings)
    proof = Proof(declared, AwsAccounts(declared.aws), Clusters(declared.clusters))
    checks = look_at_all("prove", bindings, proof.of_binding, CONCURRENT)
    rows = [(check.binding, check.check, check.about, check.outcome.value) for check in checks]
    return publish(Report("prove", declared.stack, checks), HEADINGS, rows, options)


class Proof:
    """The proof of a stack's bindings."""

    def __init__(self, declared: Declared, aws_accounts: AwsAccounts, clusters: Clusters) -> None:
        """Take what the stack declares, and where to look; AWS accounts are asked only why a role was refused."""
        self._declared, self._aws_accounts, self._clusters = declared, aws_accounts, clusters
        self._repair = commands.up(declared.stack)
        self._lock, self._listing = threading.Lock(), threading.Lock()
        self._token_services: dict[str | None, TokenService] = {}
        self._service_accounts: dict[Cluster, list[str]] = {}

    def of_binding(self, binding: Binding) -> list[Check]:
        """Prove one binding; one that fails costs no other one."""
        try:
            if not binding.unreadable:
                return self._proven(binding)
            reason = binding.unreadable
        except Exception as error:
            reason = unexpected(error)
        return [Check(binding.key, ASSUMES, Outcome.COULD_NOT_LOOK, f"binding {binding.key}", reason)]

    def _proven(self, binding: Binding) -> list[Check]:
        """Prove each of its subjects, then one in each cluster that must be refused."""
        own = {subject_of(each.namespace, each.name) for each in binding.service_accounts}
        answers = [self._own_service_account(binding, each) for each in binding.service_accounts]
        for subject in binding.subjects:
            answers += self._subject(binding, subject) if subject not in own else []
        checks = [answer.check for answer in answers]
        # Each cluster has a statement of its own in the trust policy, and so a counter-proof of its own.
        proven = {a.subject.cluster: a for a in answers if a.subject and a.check.outcome is Outcome.OK}
        checks += [self._counter_proof(binding, subject, issuer) for _, subject, issuer in proven.values() if subject]
        if not proven:
            reason = "a refusal shows nothing while nobody is known to be admitted"
            about = "an account that is not trusted"
            checks.append(Check(binding.key, IS_REFUSED, Outcome.NOT_CHECKED, about, reason))
        return checks

    # The proof

    def _own_service_account(self, binding: Binding, service_account: ServiceAccount) -> Answer:
        """Prove an account of the binding's own with what its annotations say, as the webhook would."""
        check = functools.partial(Check, binding.key, ASSUMES)
        about, expected = service_account.place, f"{ROLE_ARN}: {binding.role_arn}"
        create = service_account.command_to_make(self._declared.stack)
        missing = Answer(check(Outcome.FINDING, about, "no such service account", expected, create))
        try:
            cluster = self._clusters.of(service_account.cluster)
            annotations = cluster.service_account(service_account.namespace, service_account.name)
        except CouldNotLookError as error:
            return Answer(check(Outcome.COULD_NOT_LOOK, about, str(error)))
        if annotations is None:
            return missing
        role_arn = annotations.get(ROLE_ARN)
        if role_arn != binding.role_arn:
            found = f"{ROLE_ARN}: {role_arn}" if role_arn else f"no {ROLE_ARN}, so its Pods get no credentials"
            return Answer(check(Outcome.FINDING, about, found, expected, self._repair))
        audience = annotations.get(AUDIENCE, DEFAULT_AUDIENCE)
        if audience != binding.audience:
            declared = AUDIENCE in service_account.annotations
            fix = self._repair if declared else service_account.command_to_remove(AUDIENCE)
            texts = (f"{AUDIENCE}: {audience}", f"the audience {binding.audience}", fix)
            return Answer(check(Outcome.FINDING, about, *texts))
        subject = Subject(
            cluster, service_account.namespace, service_account.name, role_arn, audience, service_account.cluster_key
        )
        return self._assume(binding, subject, about) or missing

    def _subject(self, binding: Binding, subject: str) -> list[Answer]:
        """Prove a trusted subject that is no account of the binding's own, by an existing account of each cluster."""
        about = subject.replace(":", "/")
        problem = "no existing service account matches" if is_pattern(subject) else "no such service account"
        answers: list[Answer] = []
        try:
            for found in self._matching(binding, subject):
                answer = self._assume(
                    binding, found, f"{about} by {found.place}" if is_pattern(subject) else found.place
                )
                answers += [answer] if answer else []
            if answers:
                return answers
        except CouldNotLookError as error:
            problem = str(error)
        text = f"{problem}, so it cannot be proven here"
        return [*answers, Answer(Check(binding.key, ASSUMES, Outcome.COULD_NOT_LOOK, about, text))]

    def _matching(self, binding: Binding, subject: str) -> Iterator[Subject]:
        namespace, _, name = subject.partition(":")
        issuers = trusted_issuers(binding)
        references = list(dict.fromkeys(each.cluster for each in binding.service_accounts)) or self._clusters.references
        if len(references) > 1 and issuers:
            # A token of another cluster proves nothing of this role.
            references = [each for each in references if issuer_host_path(self._clusters.of(each).issuer) in issuers]
        if not references:
            raise CouldNotLookError("the stack leads to the API of no cluster that this role trusts")
        for reference in references:
            cluster = self._clusters.of(reference)
            if is_pattern(subject):
                found = cluster.service_accounts(None if is_pattern(namespace) else namespace)
                matches = [each for each in found if fnmatch.fnmatchcase(each, subject)]
                # Every namespace has an account named default; another one says more.
                matches.sort(key=lambda each: each.endswith(":default"))
            else:
                matches = [subject] if cluster.service_account(namespace, name) is not None else []
            for match in matches[:1]:
                where, _, who = match.partition(":")
                key = self._declared.cluster_keys.get(reference, "")
                yield Subject(cluster, where, who, binding.role_arn, binding.audience, key)

    def _assume(self, binding: Binding, subject: Subject, about: str) -> Answer | None:
        """Let a service account assume the role; nothing when there is no such account."""
        check = functools.partial(Check, binding.key, ASSUMES)
        issuer = ""
        try:
            token = subject.cluster.token(subject.namespace, subject.name, subject.audience)
            if token is None:
                return None
            issuer = str(claims(token)["iss"])
            identity = self._identity(binding, token, subject.role_arn)
        except CouldNotLookError as error:
            return Answer(check(Outcome.COULD_NOT_LOOK, about, str(error)))
        except Refused as refused:
            return Answer(self._refused(binding, subject, about, issuer, refused), subject, issuer)
        expected = assumed_role(subject.role_arn)
        if not identity.startswith(expected):
            return Answer(check(Outcome.FINDING, about, identity, expected, self._repair))
        return Answer(check(Outcome.OK, about, identity), subject, issuer)

    def _identity(self, binding: Binding, token: str, role_arn: str) -> str:
        service = self._token_service(self._region(binding))
        for pause in PAUSES if is_fresh(binding) else ():
            try:
                return service.identity(token, role_arn)
            except Refused as refused:
                if refused.code != "AccessDenied":
                    raise
            time.sleep(pause)
        return service.identity(token, role_arn)

    def _refused(self, binding: Binding, subject: Subject, about: str, issuer: str, refused: Refused) -> Check:
        check = functools.partial(Check, binding.key, ASSUMES)
        names = self._names(binding, subject, issuer)
        cause = explained(refused, names)
        meaning = cause.meaning
        if refused.code == "AccessDenied":
            trust = self._trust_policy(binding)
            if trust is None:
                meaning += "; or that policy, which cannot be read here, has a condition on the caller's network"
            elif depends_on_network(trust, names):
                found = "the trust policy has a condition on the caller's network, and this is not a Pod's"
                return check(Outcome.COULD_NOT_LOOK, about, f"{refused}: {found}")
        return check(cause.outcome, about, meaning, f"it assumes {subject.role_arn}", cause.fix)

    def _trust_policy(self, binding: Binding) -> str | Mapping[str, Any] | None:
        """Give the trust policy that the role has now, else the declared one; nothing when neither can be read."""
        try:
            aws_account = self._aws_accounts.of_arn(binding.role_arn)
            role = aws_account.role(parse_iam_arn(binding.role_arn, "role").name) if aws_account else None
        except (CouldNotLookError, Mistake):
            role = None
        if role and role["Arn"] == binding.role_arn:
            document: Mapping[str, Any] = role["AssumeRolePolicyDocument"]
            return document
        return binding.role.trust if binding.role else None

    # The counter-proof

    def _counter_proof(self, binding: Binding, proven: Subject, issuer: str) -> Check:
        check = functools.partial(Check, binding.key, IS_REFUSED)
        stranger = self._stranger(binding, proven, issuer)
        if stranger:
            about = f"{stranger.place}, which is not trusted"
        else:
            stranger = proven._replace(audience=WRONG_AUDIENCE)
            about = f"{stranger.place} with the audience {WRONG_AUDIENCE}"
        try:
            token = stranger.cluster.token(stranger.namespace, stranger.name, stranger.audience)
            if token is None:
                return check(Outcome.COULD_NOT_LOOK, about, "the service account is gone meanwhile")
            identity = self._token_service(self._region(binding)).identity(token, stranger.role_arn)
        except Refused as refused:
            good = refused.code == "AccessDenied" or "Incorrect token audience" in refused.message
            return check(Outcome.OK if good else Outcome.COULD_NOT_LOOK, about, str(refused))
        except CouldNotLookError as error:
            return check(Outcome.COULD_NOT_LOOK, about, str(error))
        explain = commands.explain(str(stranger), stranger.role_arn, self._declared.stack, issuer)
        fix = self._repair if binding.role else explain
        return check(Outcome.FINDING, about, f"it became {identity}", "AccessDenied", fix)

    def _stranger(self, binding: Binding, subject: Subject, issuer: str) -> Subject | None:
        """Give an existing account of the same cluster that the declared trust policy does not admit."""
        trust = binding.role.trust if binding.role else None
        if trust is None:
            return None
        for service_account in self._every_service_account(subject.cluster):
            names = {"subject": subject_claim(service_account), "issuer": issuer, "role": subject.role_arn}
            answer = evaluation_of(trust, {**names, "audience": subject.audience})
            if answer and answer.decision is Decision.DENIED:
                namespace, _, name = service_account.partition(":")
                return subject._replace(namespace=namespace, name=name)
        return None

    def _every_service_account(self, cluster: Cluster) -> list[str]:
        """Give all accounts of a cluster; none where they may not be listed."""
        with self._listing:
            if cluster not in self._service_accounts:
                try:
                    self._service_accounts[cluster] = cluster.service_accounts(None)
                except CouldNotLookError:
                    self._service_accounts[cluster] = []
        return self._service_accounts[cluster]

    # What the messages name

    def _names(self, binding: Binding, subject: Subject, issuer: str) -> dict[str, str]:
        names = {
            "audience": subject.audience,
            "create_token": commands.create_token(subject.namespace, subject.name, subject.audience),
            "explain": commands.explain(str(subject), subject.role_arn, self._declared.stack, issuer),
            "issuer": issuer,
            "read_issuer": commands.read_issuer(issuer),
            "role": subject.role_arn,
            "subject": subject_claim(subject_of(subject.namespace, subject.name)),
        }
        try:
            provider = provider_of_role(subject.role_arn, issuer)
        except Mistake:
            nothing = dict.fromkeys(
                ("account", "add_client_id", "create_provider", "provider", "update_thumbprint"), ""
            )
            return {**names, **nothing, "repair": self._repair}
        # The role of somebody else is theirs to repair; the verb that shows them what is wrong is ours.
        repair = self._repair if binding.role else names["explain"]
        issuers = trusted_issuers(binding)
        if issuers and issuer_host_path(issuer) not in issuers:
            repair = commands.up_with_issuer(self._declared.stack)
        own = provider in self._declared.oidc_providers
        return {
            **names,
            "account": parse_iam_arn(subject.role_arn, "role").account_id,
            "add_client_id": self._repair if own else commands.add_client_id(provider, subject.audience),
            "create_provider": self._repair if own else commands.create_provider(issuer, [subject.audience]),
            "provider": provider,
            "repair": repair,
            "update_thumbprint": commands.update_thumbprint(provider),
        }

    def _region(self, binding: Binding) -> str | None:
        providers = self._declared.aws
        inputs: Mapping[str, Any] = providers.get(binding.provider) or next(iter(providers.values()), {})
        region = inputs.get("region")
        return region if isinstance(region, str) else None

    def _token_service(self, region: str | None) -> TokenService:
        with self._lock:
            if region not in self._token_services:
                self._token_services[region] = TokenService(region)
        return self._token_services[region]


def is_fresh(binding: Binding) -> bool:
    """Tell whether the role was changed so shortly ago that IAM may not know it everywhere."""
    modified = binding.role.modified if binding.role else None
    return modified is not None and (datetime.now(UTC) - modified).total_seconds() < FRESH_SECONDS


def assumed_role(role_arn: str) -> str:
    """Give what the ARN of whoever assumed the role begins with."""
    arn = parse_iam_arn(role_arn, "role")
    return f"arn:{arn.partition}:sts::{arn.account_id}:assumed-role/{arn.name}/"


def trusted_issuers(binding: Binding) -> set[str]:
    """Give the issuers, without https://, whose tokens the declared trust policy is about; none for another's role."""
    if not binding.role or not binding.role.trust:
        return set()
    return {issuer_of_provider(arn) for arn in federated_providers(binding.role.trust)}


def evaluation_of(trust: str | Mapping[str, Any], names: Mapping[str, str]) -> Evaluation | None:
    """Tell what a trust policy says of a token, as far as that can be known offline; nothing when it cannot be read."""
    try:
        provider = provider_of_role(names["role"], names["issuer"])
        return evaluate(trust, WebIdentityRequest(names["issuer"], provider, names["subject"], names["audience"]))
    except Mistake:
        return None


def depends_on_network(trust: str | Mapping[str, Any], names: Mapping[str, str]) -> bool:
    """Tell whether it is where a request comes from that leaves a trust policy's answer open."""
    answer = evaluation_of(trust, names)
    if answer is None or answer.decision is not Decision.CANNOT_DECIDE:
        return False
    undecided = [reason for each in answer.statements if each.matched is None for reason in each.reasons]
    return any(reason.outcome is None and (reason.key or "").lower() in NETWORK_KEYS for reason in undecided)
