"""What `irsa explain` does: it reads who asks and which role, and says whether STS would give a session, and why."""

import argparse
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from irsa.evaluation import Decision, TrustDocumentError, WebIdentityRequest
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, ROLE_KEY
from irsa.rules.arns import check_issuer, issuer_host_path, parse_cluster_arn, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake, listed, named, nearest
from irsa.rules.subjects import check_subject, is_pattern, subject_claim
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import Unknown
from irsa_cli.explain.output import Explanation, explained, section_of
from irsa_cli.text_files import text_of
from irsa_world.exits import CouldNotLookError, UsageError
from irsa_world.issuers import check_published, eks_region
from irsa_world.model import Association, Cluster, ServiceAccount, World
from irsa_world.report.json import document
from irsa_world.report.publish import print_sections
from irsa_world.sessions import ORDER, Sessions
from irsa_world.state.declared import DeclaredStack
from irsa_world.state.pulumi import read_stack
from irsa_world.unread import read
from irsa_world.verdict import (
    NO_SERVICE_ACCOUNT,
    NOT_ANNOTATED,
    Verdict,
    of_annotations,
)

if TYPE_CHECKING:
    from irsa_world.live.aws import AwsAccountClients
    from irsa_world.live.iam import AwsAccountClient
    from irsa_world.live.kubernetes import ClusterClient


def run(options: argparse.Namespace) -> int:
    """Print the answer and return the exit code.

    Raises:
        CouldNotLookError: An argument is wrong, or something cannot be read.
    """
    try:
        answer = _offline(options) if options.trust else _live(options)
    except TrustDocumentError as error:
        file = f"{named(str(options.trust))}: " if options.trust else ""
        raise CouldNotLookError(f"{file}not a trust policy: {error}") from error
    except Mistake as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise CouldNotLookError(str(error)) from error
    if options.json:
        print(document("explain", answer.exit_code, answer))
    else:
        print_sections([section_of(answer)])
    return answer.exit_code


def _offline(options: argparse.Namespace) -> Explanation:
    if options.stack:
        raise UsageError("--trust reads a file, --stack reads AWS and Kubernetes: use one of them")
    if not options.issuer:
        raise UsageError("--trust needs --issuer, the OIDC issuer of the cluster")
    if not options.role:
        raise UsageError("--trust needs ROLE, the ARN of the role that has this trust policy")
    claim = subject_claim(_subject(options.service_account))
    provider = provider_of_role(options.role, check_issuer(options.issuer))
    request = WebIdentityRequest(provider, claim, options.audience or DEFAULT_AUDIENCE)
    return explained(options.role, text_of(options.trust.read_bytes, named(str(options.trust))), request)


def _live(options: argparse.Namespace) -> Explanation:
    from irsa_world.live.aws import AwsAccountClients  # noqa: PLC0415 (it imports boto3, which a file does not need)

    subject = _subject(options.service_account)
    declared = read_stack(options.stack) if options.stack else None
    aws_accounts = AwsAccountClients(declared.aws if declared else {})
    binding, role_arn = _asked_role(options.role, aws_accounts, declared) if options.role else ("", "")
    is_told = role_arn and options.issuer and options.audience
    cluster = None if is_told else _cluster(subject.replace(":", "/"), options.issuer, declared)
    live = cluster.service_account(*subject.split(":")) if cluster else None
    answer = _Question(options, subject, aws_accounts, declared, cluster, live).answer(role_arn)
    if cluster and live is None:
        missing = f"there is no service account {named(answer.service_account)} in context {named(cluster.context)}"
        answer = replace(answer, missing=missing)
    return replace(answer, binding=binding)


@dataclass(frozen=True)
class _Question:
    """A service account, as a cluster has it: the cluster is None where it is not read."""

    options: argparse.Namespace
    subject: str
    aws_accounts: "AwsAccountClients"
    declared: DeclaredStack | None
    cluster: "ClusterClient | None"
    live: ServiceAccount | None

    def answer(self, role_arn: str) -> Explanation:
        """Return the answer about a role that was named, or else about that which new Pods get."""
        association, unknown = self._association()
        # Who names an audience asks about a token.
        is_of_token = self.options.audience or (role_arn and association and role_arn not in association.role_arns)
        if association and not is_of_token:
            answer = self._by_association(association)
        else:
            answer = self._of_issuer(self._by_token(role_arn or (self.live.role_arn if self.live else "")))
        if association:
            # The annotation does not matter then.
            answer = replace(answer, annotation="", expected="", fix="")
            return replace(answer, notes=(f"association: {_said_of(association)}", *answer.notes))
        if not unknown:
            return answer
        if answer.decision is Decision.DENIED and not role_arn and not self.options.audience:
            # An association gives a role whatever the annotation is.
            text = f"by IRSA it may not: {answer.explanation}; but irsa cannot tell whether it has an association"
            answer = replace(answer, decision=Decision.CANNOT_TELL, explanation=text)
        return replace(answer, notes=(f"association: {unknown}", *answer.notes))

    def _of_issuer(self, answer: Explanation) -> Explanation:
        """Return the answer with what is wrong with the issuer, outside EKS: STS reads that before a trust policy."""
        if not (self.cluster and self.live and answer.request) or eks_region(issuer_host_path(self.cluster.issuer)):
            return answer
        from irsa_cli.verify.issuer import REACHED, problems  # noqa: PLC0415 (a file needs no client)
        from irsa_world.live.issuer import read_issuer  # noqa: PLC0415 (same)

        issuer = read_issuer(self.cluster, (self.live.namespace, self.live.name))
        found = [*problems(issuer, self.cluster.place)]
        said = [f"{each.found}; expected: {each.expected}" for each in found if isinstance(each.found, str)]
        said += [each.found.reason for each in found if isinstance(each.found, Unknown)]
        refused = next((each.found for each in found if isinstance(each.found, str) and each.is_refused), "")
        if refused and answer.decision is Decision.ALLOWED:
            text = f"STS does not take its tokens, whatever the trust policy says: {refused}"
            answer = replace(answer, decision=Decision.DENIED, explanation=text)
        notes = [f"issuer: {each}" for each in said or [REACHED.format(named(self.cluster.issuer))]]
        return replace(answer, notes=(*answer.notes, *notes))

    def _association(self) -> tuple[Association | None, str]:
        """Return the association of the service account, or why that is not known."""
        region = eks_region(issuer_host_path(self.cluster.issuer)) if self.cluster and self.live else ""
        if not (region and self.cluster):
            # EKS alone has associations.
            return None, ""
        problem = "these AWS credentials list no EKS cluster with this issuer"
        for reference in self.aws_accounts.references:
            try:
                eks = self.aws_accounts.of_provider(reference).eks(region)
                arn = next((each.arn for each in eks.clusters() if each.issuer == self.cluster.issuer), "")
                if arn:
                    return eks.association(parse_cluster_arn(arn).name, *self.subject.split(":")), ""
            except CouldNotLookError as error:
                problem = str(error)
        return None, f"irsa cannot tell whether an association of EKS Pod Identity gives it a role: {problem}"

    def _sessions(self, issuer: str, *role_arns: str) -> Sessions:
        """Return the sessions of a World with these roles alone, as far as their ARNs are some."""
        from irsa_world.live.aws_account import Wanted, read_aws_account  # noqa: PLC0415 (as in `run`)

        found = []
        for role_arn in role_arns:
            with contextlib.suppress(Mistake):
                aws_account = _aws_account_of(role_arn, self.aws_accounts)
                providers = {provider_of_role(role_arn, issuer): aws_account} if issuer else {}
                # What its own policies say matters of a role that is to assume another one.
                assuming = {role_arn} - {role_arns[-1]}
                wanted = Wanted({role_arn: (aws_account, None)}, assuming, providers=providers)
                found.append(read_aws_account(wanted))
                for each in (*(role.trust for role in found[-1].roles), *found[-1].client_ids.values()):
                    read(each)
        sessions = Sessions(World((), tuple(found)))
        # Of a role that only has the same name, the trust policy does not matter.
        if any(each in sessions.roles and each not in sessions.policies for each in role_arns):
            raise CouldNotLookError("; ".join(sessions.unreadable))
        return sessions

    def _by_association(self, association: Association) -> Explanation:
        """Return the answer of the roles of an association, which give new Pods their session."""
        unread, sessions = "", self._sessions("", association.role_arn)
        if association.target_role_arn:
            try:
                sessions = self._sessions("", *association.role_arns)
            except CouldNotLookError as error:
                unread = f"not checked: {error}"
        first, *targets = sessions.of_association(association)
        if first.missing:
            return Explanation(str(association), first.role_arn, Decision.DENIED, first.verdict.found)
        answer = explained(first.role_arn, sessions.roles[first.role_arn].trust, association.request)
        if self.live and self.live.role_arn:
            text = f"token: older Pods ask for {named(self.live.role_arn)}: pass --audience to explain that"
            answer = replace(answer, notes=(text,))
        for target in targets if answer.decision is not Decision.DENIED else ():
            second = Verdict(Decision.CANNOT_TELL, unread) if unread else target.verdict
            decision = min(answer.decision, second.decision, key=ORDER.index)
            text = f"{answer.explanation}; {named(target.role_arn)}: {second.found}"
            answer = replace(answer, role=target.role_arn, decision=decision, explanation=text)
        return answer

    def _by_token(self, role_arn: str) -> Explanation:
        """Return the answer of a role to the token of the service account."""
        options, live, place = self.options, self.live, self.subject.replace(":", "/")
        if not role_arn:
            return Explanation(place, "", Decision.DENIED, NOT_ANNOTATED if live else NO_SERVICE_ACCOUNT)
        issuer = (
            check_issuer(options.issuer)
            if options.issuer
            else check_published(self.cluster.issuer if self.cluster else "")
        )
        namespace, name = place.split("/")
        service_account = live or ServiceAccount("", namespace, name)
        if options.audience:
            annotations = {**service_account.annotations, AUDIENCE: options.audience}
            service_account = replace(service_account, annotations=annotations)
        cluster, sessions = Cluster("", issuer, (service_account,)), self._sessions(issuer, role_arn)
        session = sessions.of_token(role_arn, cluster, service_account)
        if session.missing:
            return Explanation(place, role_arn, Decision.DENIED, session.verdict.found)
        policy = sessions.policies[role_arn]
        request = policy.request(cluster, service_account)
        answer = explained(role_arn, policy.role.trust, request, session.verdict)
        wrong = of_annotations(live.annotations, role_arn) if live else None
        if live is None or wrong is None:
            return answer
        is_next = answer.decision is Decision.ALLOWED
        fix = self._command_to_annotate(role_arn, live.annotations) if is_next else ""
        return replace(answer, annotation=wrong.found, expected=wrong.expected, fix=fix)

    def _command_to_annotate(self, role_arn: str, annotations: Mapping[str, str]) -> str:
        """Return the command that sets the annotation of the role; empty where another one is somebody's choice."""
        place = self.cluster.place if self.cluster else commands.UNKNOWN_CLUSTER
        if self.declared:
            bindings = (binding for binding in self.declared.bindings if binding.role_arn == role_arn)
            service_accounts = (each for binding in bindings for each in binding.service_accounts)
            own = next((each for each in service_accounts if str(each) == str(self.live)), None)
            return own.command_to_restore(place, self.declared.stack, annotations) if own else ""
        if annotations.get(ROLE_KEY):
            return ""
        namespace, _, name = self.subject.partition(":")
        return commands.annotate(place, namespace, name, ROLE_KEY, role_arn)


def _said_of(association: Association) -> str:
    """Return what an association gives, in words."""
    target = f", and through it {named(association.target_role_arn)}" if association.target_role_arn else ""
    owner = f" ({named(association.owner)} owns it)" if association.owner else ""
    return (
        f"{named(association.association_id)}{owner} gives new Pods {named(association.role_arn)}{target}, "
        "whatever the annotation is"
    )


def _asked_role(asked: str, aws_accounts: "AwsAccountClients", declared: DeclaredStack | None) -> tuple[str, str]:
    """Return the key of a binding, if it is one, and the ARN of the role that is given by that, its ARN or its name."""
    bindings = declared.bindings if declared else ()
    binding = next((each for each in bindings if each.key == asked), None)
    if binding and not binding.role_arn:
        raise CouldNotLookError(f"the binding {named(asked)}: {binding.unreadable}")
    role, key = (binding.role_arn, binding.key) if binding else (asked, "")
    if role.startswith("arn:"):
        # Whether there is such a role is a part of the answer.
        parse_iam_arn(role, "role")
        return key, role
    aws_account = aws_accounts.only()
    if found := aws_account.role(role):
        return key, found.arn
    text = f"AWS account {aws_account.number} has no role {named(role)}, and "
    if declared is None:
        raise UsageError(f"{text}a binding's key needs --stack")
    near = nearest(role, [each.key for each in bindings], "")
    text += f"stack {named(declared.stack)} has no binding of that key"
    raise CouldNotLookError(f"{text}; {near}" if near else text)


def _aws_account_of(role_arn: str, aws_accounts: "AwsAccountClients") -> "AwsAccountClient":
    """Return the AWS account of a role."""
    arn, aws_account = parse_iam_arn(role_arn, "role"), aws_accounts.of_arn(role_arn)
    if aws_account is None:
        text = f"these AWS credentials are not of AWS account {arn.account_id}, which has the role {named(role_arn)}"
        raise CouldNotLookError(f"{text}; --trust reads a file instead")
    return aws_account


def _cluster(service_account: str, issuer: str | None, declared: DeclaredStack | None) -> "ClusterClient":
    """Return the cluster in which the stack declares the service account, else the only cluster."""
    from irsa_world.live.kubernetes import ClusterClients  # noqa: PLC0415 (it imports lightkube, which a file does not need)

    clusters = ClusterClients(declared.clusters if declared else {})
    bindings = declared.bindings if declared else ()
    references = [
        each.provider for binding in bindings for each in binding.service_accounts if str(each) == service_account
    ]
    found = [clusters.of(reference) for reference in dict.fromkeys(references or clusters.references)]
    if issuer is None and len(found) == 1:
        return found[0]
    by_issuer = {cluster.issuer: cluster for cluster in reversed(found)}
    if issuer in by_issuer:
        return by_issuer[issuer]
    if len(found) > 1:
        issuers = listed(sorted(by_issuer))
        raise CouldNotLookError(f"the stack has several clusters: pass --issuer with one of {issuers}")
    fix = "pass --audience too: then irsa reads no cluster"
    fix = fix if declared else f"choose a context of that cluster, or {fix}"
    read = f"the cluster of context {named(found[0].context)} has the issuer {named(found[0].issuer)}"
    raise CouldNotLookError(f"{read}, not {named(str(issuer))}: {fix}")


def _subject(service_account: str) -> str:
    """Return `namespace:name` for `namespace/name`, or for that itself."""
    subject = service_account.replace("/", ":", 1)
    if is_pattern(subject) or ":" not in subject:
        raise UsageError(f"{service_account!r} is not a service account: write NAMESPACE/SERVICEACCOUNT")
    return check_subject(subject)
