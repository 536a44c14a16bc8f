"""What `irsa explain` does."""

import argparse
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from irsa.evaluation import Decision, PodIdentityRequest, TrustDocumentError, WebIdentityRequest
from irsa.evaluation.document import parse
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, ROLE_ARN, meant_by
from irsa.rules.arns import issuer_host_path, parse_cluster_arn, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake, likely, listed, named, nearest, visible
from irsa.rules.subjects import check_subject, is_pattern, subject_claim
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import Unknown
from irsa_cli.explain.output import Explanation, explained, explained_association
from irsa_cli.explain.text import lines
from irsa_cli.report.json import as_object, document
from irsa_cli.report.publish import print_lines
from irsa_cli.text_files import text_of
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD, CouldNotLookError
from irsa_world.issuers import eks_region
from irsa_world.state.declared import DeclaredBinding, DeclaredStack
from irsa_world.state.pulumi import read_stack
from irsa_world.verdict import (
    NO_SERVICE_ACCOUNT,
    NOT_ANNOTATED,
    POD_PAGE,
    Verdict,
    of_annotations,
    of_missing_role,
    of_provider,
)

if TYPE_CHECKING:
    from irsa_world.live.aws import AwsAccountClients
    from irsa_world.live.iam import AwsAccountClient
    from irsa_world.live.kubernetes import ClusterClient
    from irsa_world.model import Association, Role, ServiceAccount

EXIT_CODES = {Decision.ALLOWED: GOOD, Decision.DENIED: FINDINGS, Decision.CANNOT_DECIDE: COULD_NOT_LOOK}


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
    except (Mistake, OSError) as error:
        raise CouldNotLookError(str(error)) from error
    if options.json:
        print(document("explain", answer.decision is Decision.ALLOWED and not answer.missing, as_object(answer)))
    else:
        print_lines((visible(text), style) for text, style in lines(answer))
    # Nobody gets a token of a service account that does not exist, whatever the trust policy says.
    return FINDINGS if answer.missing else EXIT_CODES[answer.decision]


def _offline(options: argparse.Namespace) -> Explanation:
    if options.stack:
        raise CouldNotLookError("--trust reads a file, --stack reads AWS and Kubernetes: use one of them")
    if bool(options.issuer) is bool(options.cluster_arn):
        raise CouldNotLookError(
            "--trust needs --issuer, the OIDC issuer of the cluster, for a token; or --cluster-arn for an association"
        )
    if not options.role:
        raise CouldNotLookError("--trust needs ROLE, the ARN of the role that has this trust policy")
    subject = _subject(options.service_account)
    read = partial(text_of, options.trust.read_bytes, named(str(options.trust)))
    if options.cluster_arn:
        namespace, name = subject.split(":")
        parse_iam_arn(options.role, "role")
        association = PodIdentityRequest(namespace, name, str(parse_cluster_arn(options.cluster_arn)))
        return explained_association(options.role, read(), association)
    request = _request(subject, options.role, options.issuer, options.audience or DEFAULT_AUDIENCE)
    return explained(options.role, read(), request)


class _Asked(NamedTuple):
    """What is asked about, and whom: the cluster is None where it is not read."""

    options: argparse.Namespace
    subject: str
    aws_accounts: "AwsAccountClients"
    declared: DeclaredStack | None
    cluster: "ClusterClient | None"
    live: "ServiceAccount | None"
    cluster_arn: str


def _live(options: argparse.Namespace) -> Explanation:
    if options.cluster_arn:
        raise CouldNotLookError("--cluster-arn needs --trust: without it, associations are read from EKS")
    from irsa_world.live.aws import AwsAccountClients  # noqa: PLC0415 (it imports boto3, which a file does not need)

    subject = _subject(options.service_account)
    declared = read_stack(options.stack) if options.stack else None
    aws_accounts = AwsAccountClients(declared.aws if declared else {})
    binding = _binding(options.role, declared) if options.role else None
    by_argument = _role(binding.role_arn if binding else options.role, aws_accounts, declared) if options.role else None
    is_told = by_argument and options.issuer and options.audience
    cluster = None if is_told else _cluster(subject.replace(":", "/"), options.issuer, declared)
    live = cluster.service_account(*subject.split(":")) if cluster else None
    found = _in_eks(cluster, subject, aws_accounts) if cluster and live else _InEks()
    asked = _Asked(options, subject, aws_accounts, declared, cluster, live, found.cluster_arn)
    answer = _answer(asked, found, binding, by_argument)
    return replace(answer, guard=_guard(cluster, live)) if cluster and live else answer


def _guard(cluster: "ClusterClient", live: "ServiceAccount") -> str:
    """Return in words how Pods of a service account are guarded; empty where they are not."""
    from irsa_world.live.guards import guards_of  # noqa: PLC0415 (as above)

    try:
        guards = guards_of(cluster)
    except CouldNotLookError as error:
        return f"whether the API server refuses Pods without their identity is not known: {error}"
    does = {"deny": "refuses", "warn": "warns of"}
    known = (
        f"stack {named(each.stack)} {does[each.mode]} new Pods without the identity for {named(each.role_arn)}"
        for each in guards.get((live.namespace, live.name), ())
    )
    unread = (
        f"whether stack {named(each.stack)} guards it is not known: no permission to read its ConfigMap"
        for each in guards.get((live.namespace, ""), ())
    )
    return "; ".join([*known, *unread])


def _answer(
    asked: _Asked,
    found: "_InEks",
    binding: DeclaredBinding | None,
    by_argument: "tuple[AwsAccountClient, Role] | None",
) -> Explanation:
    """Return the answer about a role that was named, or else about that which new Pods get."""
    options, aws_accounts, live = asked.options, asked.aws_accounts, asked.live
    association, by_token = found.association, partial(_by_token, asked)
    if association is None:
        answer = replace(by_token(binding, by_argument), association=found.unknown)
        if found.unknown and answer.decision is Decision.DENIED and not (by_argument or options.audience):
            # An association gives a role whatever the annotation is.
            text = f"by IRSA it may not: {answer.explanation}; but whether it has an association is not known"
            return replace(answer, decision=Decision.CANNOT_DECIDE, explanation=text)
        return answer
    # Who names an audience asks about a token.
    if not options.audience and (not by_argument or by_argument[1].arn in association.role_arns):
        answer = _by_association(association, aws_accounts)
        said = _said_of_token(live.role_arn, by_token) if live and live.role_arn else ""
        return replace(answer, web_identity=said, binding=binding.key if binding else "")
    # Nor does the annotation matter then.
    answer = replace(by_token(binding, by_argument), annotation="", expected="", fix="")
    return replace(answer, association=_said_of(association))


def _said_of_token(annotated: str, by_token: Callable[[None, None], Explanation]) -> str:
    """Return what the role of an annotation answers to a token, in words."""
    try:
        token = by_token(None, None)
    except CouldNotLookError as error:
        return f"annotated with {named(annotated)}: not checked: {error}"
    return f"annotated with {named(annotated)}: {token.decision}: {token.explanation}"


def _by_association(association: "Association", aws_accounts: "AwsAccountClients") -> Explanation:
    """Return the answer of the roles of an association, which give new Pods their session."""
    from irsa_world.trusts.chains import RolePolicies  # noqa: PLC0415 (as above)
    from irsa_world.trusts.target_roles import ORDER, of_target_role  # noqa: PLC0415 (as above)

    said = _said_of(association)
    found = _by_arn(association.role_arn, aws_accounts)
    if isinstance(found, str):
        return Explanation(str(association), association.role_arn, Decision.DENIED, found, POD_PAGE, association=said)
    answer = explained_association(association.role_arn, found[1].trust, association.request)
    answer = replace(answer, association=said)
    if not association.target_role_arn or answer.decision is Decision.DENIED:
        return answer
    try:
        target = _by_arn(association.target_role_arn, aws_accounts)
    except CouldNotLookError as error:
        second = Verdict(Decision.CANNOT_DECIDE, f"not checked: {error}")
    else:
        # What the role's own policies say is not read.
        policies = RolePolicies([Unknown("it was not read")])
        second = (
            Verdict(Decision.DENIED, target)
            if isinstance(target, str)
            else of_target_role(association, policies, parse(target[1].trust))
        )
    decision = min(answer.decision, second.decision, key=ORDER.index)
    text = f"{answer.explanation}; {named(association.target_role_arn)}: {second.found}"
    return replace(answer, role=association.target_role_arn, decision=decision, explanation=text)


def _said_of(association: "Association") -> str:
    """Return what an association gives, in words."""
    target = f", and by it {named(association.target_role_arn)}" if association.target_role_arn else ""
    owner = f" ({named(association.owner)} owns it)" if association.owner else ""
    return (
        f"{named(association.association_id)}{owner} gives new Pods {named(association.role_arn)}{target}, "
        "whatever the annotation is"
    )


class _InEks(NamedTuple):
    """What EKS has of a service account; the ARN is empty where no cluster was found, and `unknown` says why."""

    cluster_arn: str = ""
    association: "Association | None" = None
    unknown: str = ""


def _in_eks(cluster: "ClusterClient", subject: str, aws_accounts: "AwsAccountClients") -> _InEks:
    """Return the association of a service account in the EKS cluster of this issuer."""
    region = eks_region(issuer_host_path(cluster.issuer))
    if not region:
        # EKS alone has associations.
        return _InEks()
    arn, problem = "", "no EKS cluster that these AWS credentials list has this issuer"
    for reference in aws_accounts.references:
        try:
            eks = aws_accounts.of_provider(reference).eks(region)
            arn = next((each.arn for each in eks.clusters() if each.issuer == cluster.issuer), "")
            if arn:
                return _InEks(arn, eks.association(parse_cluster_arn(arn).name, *subject.split(":")))
        except CouldNotLookError as error:
            problem = str(error)
    return _InEks(arn, None, f"whether one of EKS Pod Identity gives it a role is not known: {problem}")


def _by_token(
    asked: _Asked, binding: DeclaredBinding | None, by_argument: "tuple[AwsAccountClient, Role] | None"
) -> Explanation:
    """Return the answer of a role to the token of a service account: of one that is named, else of the annotation's."""
    options, subject, aws_accounts, declared, cluster, live, cluster_arn = asked
    place, annotations = subject.replace(":", "/"), live.annotations if live else {}
    missing = _missing(cluster, place) if cluster and live is None else ""
    found = by_argument or _annotated_role(live, aws_accounts)
    if isinstance(found, str):
        return Explanation(place, annotations.get(ROLE_ARN, ""), Decision.DENIED, found, POD_PAGE, missing=missing)
    aws_account, role = found
    issuer = options.issuer or (cluster.issuer if cluster else "")
    audience = options.audience or annotations.get(AUDIENCE) or DEFAULT_AUDIENCE
    request = _request(subject, role.arn, issuer, audience)
    client_ids = aws_account.client_ids(request.provider_arn)
    # The webhook takes an empty audience as it is: the token is not for STS, whatever the role says.
    empty = None if options.audience else of_annotations({**annotations, ROLE_ARN: role.arn}, role.arn)
    first = empty or of_provider(client_ids, request.provider_arn, [request.audience])
    answer = explained(role.arn, role.trust, request, first, cluster_arn)
    by_default = f"the audience {DEFAULT_AUDIENCE}, because there is no annotation to read"
    by_default = by_default if missing and not options.audience else ""
    answer = replace(answer, missing=missing, by_default=by_default, binding=binding.key if binding else "")
    wrong = of_annotations(annotations, role.arn)
    if cluster is None or live is None or wrong is None:
        return answer
    is_next = answer.decision is Decision.ALLOWED or empty
    fix = _command_to_annotate(answer, annotations, cluster, declared) if is_next else ""
    return replace(answer, annotation=wrong.found, expected=wrong.expected, fix=fix)


def _annotated_role(
    live: "ServiceAccount | None", aws_accounts: "AwsAccountClients"
) -> "tuple[AwsAccountClient, Role] | str":
    """Return the role of a service account's annotation, and its AWS account; or why there is none."""
    if live is None or not live.role_arn:
        return NOT_ANNOTATED if live else NO_SERVICE_ACCOUNT
    try:
        return _by_arn(live.role_arn, aws_accounts)
    except Mistake as mistake:
        return mistake.found


def _missing(cluster: "ClusterClient", place: str) -> str:
    """Return that a service account does not exist; with a near name of its namespace, or its name in another one."""
    namespace, name = place.split("/")
    near = None
    # Whoever may not list them is told of no near name.
    with contextlib.suppress(CouldNotLookError):
        if found := likely(name, (each.name for each in cluster.service_accounts(namespace))):
            near = f"{namespace}/{found}"
        else:
            others = (each.namespace for each in cluster.service_accounts(None) if each.name == name)
            elsewhere = likely(namespace, others, least=0)
            near = f"{elsewhere}/{name}" if elsewhere else None
    text = f"there is no service account {named(place)} in context {named(cluster.context)}"
    return f"{text}; did you mean {named(near)}?" if near else text


def _command_to_annotate(
    answer: Explanation, annotations: Mapping[str, str], cluster: "ClusterClient", declared: DeclaredStack | None
) -> str:
    """Return the command that sets what is wrong with the annotations right; empty where that is somebody's choice."""
    is_of_audience = annotations.get(ROLE_ARN) == answer.role
    if declared:
        bindings = (binding for binding in declared.bindings if binding.role_arn == answer.role)
        service_accounts = (each for binding in bindings for each in binding.service_accounts)
        of_stack = next((each for each in service_accounts if str(each) == answer.service_account), None)
        if of_stack and is_of_audience and AUDIENCE not in of_stack.annotations:
            return of_stack.command_to_remove(AUDIENCE)
        return of_stack.command_to_restore(declared.stack, annotations) if of_stack else ""
    namespace, name = answer.service_account.split("/")
    context = cluster.context if cluster.is_in_file else None
    if is_of_audience:
        return commands.remove_annotations(namespace, name, AUDIENCE, context=context)
    if annotations.get(ROLE_ARN):
        return ""
    misspelled = [key for key in annotations if key != ROLE_ARN and meant_by(key) == ROLE_ARN]
    return commands.annotate(namespace, name, ROLE_ARN, answer.role, context, removed=misspelled)


def _binding(key: str, declared: DeclaredStack | None) -> DeclaredBinding | None:
    """Return the binding of a stack with this key; None where there is none."""
    found = next((each for each in declared.bindings if each.key == key), None) if declared else None
    if found and not found.role_arn:
        raise CouldNotLookError(f"the binding {named(key)}: {found.unreadable}")
    return found


def _role(
    role: str, aws_accounts: "AwsAccountClients", declared: DeclaredStack | None
) -> tuple["AwsAccountClient", "Role"]:
    """Return a role, given by its ARN or its name, and the AWS account that has it."""
    if role.startswith("arn:"):
        by_arn = _by_arn(role, aws_accounts)
        if isinstance(by_arn, str):
            raise CouldNotLookError(f"{named(role)}: {by_arn}")
        return by_arn
    aws_account = aws_accounts.only()
    found = aws_account.role(role)
    if found is None:
        text = f"AWS account {aws_account.number} has no role {named(role)}, and "
        if declared is None:
            raise CouldNotLookError(f"{text}a binding's key needs --stack")
        near = nearest(role, [each.key for each in declared.bindings], "")
        text += f"stack {named(declared.stack)} no binding of that key"
        raise CouldNotLookError(f"{text}; {near}" if near else text)
    return aws_account, found


def _by_arn(role_arn: str, aws_accounts: "AwsAccountClients") -> "tuple[AwsAccountClient, Role] | str":
    """Return the role of an ARN, and its AWS account; or that there is none."""
    arn, aws_account = parse_iam_arn(role_arn, "role"), aws_accounts.of_arn(role_arn)
    if aws_account is None:
        text = f"these AWS credentials are not of AWS account {arn.account_id}, which has the role {named(role_arn)}"
        raise CouldNotLookError(f"{text}; --trust reads a file instead")
    role = aws_account.role(arn.name)
    if role is None or role.arn != role_arn:
        return of_missing_role(role_arn, role.arn if role else None).found
    return aws_account, role


def _cluster(service_account: str, issuer: str | None, declared: DeclaredStack | None) -> "ClusterClient":
    """Return the cluster in which the stack declares the service account, else the only cluster."""
    from irsa_world.live.kubernetes import ClusterClients  # noqa: PLC0415 (it imports lightkube, which a file does not need)

    clusters = ClusterClients(declared.clusters if declared else {})
    bindings = declared.bindings if declared else ()
    references = [
        each.cluster for binding in bindings for each in binding.service_accounts if str(each) == service_account
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
    fix = "pass --audience too, and no cluster is read"
    fix = fix if declared else f"choose a context of that cluster, or {fix}"
    read = f"the cluster of context {named(found[0].context)} has the issuer {named(found[0].issuer)}"
    raise CouldNotLookError(f"{read}, not {named(str(issuer))}: {fix}")


def _subject(service_account: str) -> str:
    """Return `namespace:name` for `namespace/name`, or for that itself."""
    subject = service_account.replace("/", ":", 1)
    if is_pattern(subject) or ":" not in subject:
        raise CouldNotLookError(f"{service_account!r} is not a service account: write NAMESPACE/SERVICEACCOUNT")
    return check_subject(subject)


def _request(subject: str, role_arn: str, issuer: str, audience: str) -> WebIdentityRequest:
    provider = provider_of_role(role_arn, issuer)
    if not issuer.startswith("https://"):
        raise CouldNotLookError(f"the issuer {issuer!r} does not begin with https://")
    return WebIdentityRequest(issuer, provider, subject_claim(subject), audience)
