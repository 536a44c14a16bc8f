"""Explain whether a service account could assume a role, and why."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irsa.evaluation import Decision, Evaluation, StatementEvaluation, TrustDocumentError, WebIdentityRequest, evaluate
from irsa.rules.annotations import AUDIENCE
from irsa.rules.arns import parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake, listed, named, visible
from irsa.rules.subjects import check_subject, is_pattern, subject_claim
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.exits import COULD_NOT_LOOK, FINDINGS, GOOD, CouldNotLookError
from irsa_cli.options import stack_name
from irsa_cli.report.json import as_object, document
from irsa_cli.state import DeclaredStack, read_stack

if TYPE_CHECKING:
    from irsa_cli.live.kubernetes import LiveCluster

DESCRIPTION = """\
Explain whether a Kubernetes service account could assume an IAM role: which
statement, condition and value decides, with the AWS page that states the rule.

The trust policy and the OIDC provider are read from AWS, the issuer and the
audience from the cluster of the current context (or of --stack).
With --trust and --issuer, only the file is read.
"""
EXAMPLE = """\
examples:
  irsa explain default/app arn:aws:iam::111122223333:role/my-role
  irsa explain default/app arn:aws:iam::111122223333:role/my-role \\
      --trust trust.json \\
      --issuer https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE

exit codes: 0 allowed, 1 denied, 2 cannot decide, or not checked"""
EXIT_CODES = {Decision.ALLOWED: GOOD, Decision.DENIED: FINDINGS, Decision.CANNOT_DECIDE: COULD_NOT_LOOK}
MARKS = {True: "yes", False: "no", None: "?"}
COLORS = {True: "green", False: "red", None: "yellow"}
PROVIDERS_PAGE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html"


@dataclass(frozen=True)
class Explanation:
    """Whether a service account could assume a role, and why.

    Attributes:
        service_account: The service account, as NAMESPACE/NAME.
        role: ARN of the role; with --trust, the argument itself.
        decision: Whether the service account could assume the role.
        explanation: Why, in one sentence.
        documentation: Page of AWS that states the rule.
        request: The token, and the IAM OIDC provider of its issuer.
        statements: Each statement of the trust policy.
        assumed: What was assumed, because the service account does not exist yet; else empty.
    """

    service_account: str
    role: str
    decision: Decision
    explanation: str
    documentation: str
    request: WebIdentityRequest
    statements: tuple[StatementEvaluation, ...] = ()
    assumed: str = ""


OUTPUT = Explanation


def add(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments to its parser."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("service_account", metavar="NAMESPACE/SERVICEACCOUNT", help="the service account")
    parser.add_argument("role", metavar="ROLE", help="ARN of the role, or its name without --trust")
    parser.add_argument("--trust", metavar="FILE", type=Path, help="read the trust policy from FILE, not from AWS")
    parser.add_argument("--issuer", metavar="URL", help="OIDC issuer of the cluster")
    parser.add_argument("--audience", help=f"audience of the token (default: as annotated, or {DEFAULT_AUDIENCE})")
    parser.add_argument("--stack", metavar="S", type=stack_name, help="use the providers of this stack")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the answer and return the exit code.

    Raises:
        CouldNotLookError: An argument is wrong, or something cannot be read.
    """
    try:
        answer = _offline(options) if options.trust else _live(options)
    except (Mistake, OSError) as error:
        raise CouldNotLookError(str(error)) from error
    escaped = [(visible(text), color) for text, color in lines(answer)]
    if options.json:
        print(document("explain", answer.decision is Decision.ALLOWED, as_object(answer)))
    elif sys.stdout.isatty():
        from irsa_cli.report.terminal import show_lines  # noqa: PLC0415 (it imports rich, which a pipe does not need)

        show_lines(escaped)
    else:
        print("\n".join(text for text, _ in escaped))
    return EXIT_CODES[answer.decision]


def lines(answer: Explanation) -> Iterator[tuple[str, str]]:
    """Yield the answer as lines of text, each with its color."""
    request, allowed = answer.request, answer.decision is Decision.ALLOWED
    color = COLORS[None if answer.decision is Decision.CANNOT_DECIDE else allowed]
    yield f"{named(answer.service_account)} -> {named(answer.role)}: {answer.decision.value}", f"bold {color}"
    yield f"{answer.explanation} [{answer.documentation}]", color
    issuer, audience, subject = map(named, (request.issuer, request.audience, request.subject))
    yield f"token: issuer {issuer}, audience {audience}, subject {subject}", ""
    yield f"through: {named(request.provider_arn)}", ""
    if answer.assumed:
        yield f"assumed: {answer.assumed}", COLORS[None]
    for statement in answer.statements:
        name = f" ({named(statement.sid)})" if statement.sid else ""
        applies = {True: "applies", False: "does not apply", None: "may apply"}[statement.matched]
        yield (
            f"statement {statement.index + 1}{name}: {statement.effect}, {applies}",
            f"bold {COLORS[statement.matched]}",
        )
        for reason in statement.reasons:
            element = " ".join(named(each) for each in (reason.element, reason.operator, reason.key) if each)
            mark = MARKS[reason.outcome].ljust(3)
            yield f"  {mark} {element}: {reason.explanation} [{reason.documentation}]", COLORS[reason.outcome]


def _offline(options: argparse.Namespace) -> Explanation:
    if options.stack:
        raise CouldNotLookError("--trust reads a file, --stack reads AWS and Kubernetes: use one of them")
    if not options.issuer:
        raise CouldNotLookError("--trust needs --issuer, the OIDC issuer of the cluster")
    request = _request(options.service_account, options.role, options.issuer, options.audience or DEFAULT_AUDIENCE)
    try:
        return _evaluated(options.service_account, options.role, options.trust.read_text(encoding="utf-8"), request)
    except UnicodeDecodeError as error:
        raise CouldNotLookError(f"{named(str(options.trust))} is not UTF-8 text") from error
    except TrustDocumentError as error:
        raise CouldNotLookError(f"{named(str(options.trust))}: {error}") from error


def _live(options: argparse.Namespace) -> Explanation:
    from irsa_cli.live.aws import LiveAwsAccounts  # noqa: PLC0415 (it imports boto3, which a file does not need)

    _subject(options.service_account)
    declared = read_stack(options.stack) if options.stack else None
    aws_accounts = LiveAwsAccounts(declared.aws if declared else {})
    if options.role.startswith("arn:"):
        arn = parse_iam_arn(options.role, "role")
        aws_account = aws_accounts.of_arn(options.role)
        if aws_account is None:
            raise CouldNotLookError(
                f"these AWS credentials are not of AWS account {arn.account_id}; --trust reads a file instead"
            )
        role = aws_account.role(arn.name)
        if role is not None and role["Arn"] != options.role:
            raise CouldNotLookError(
                f"role {named(options.role)} does not exist; a role of that name is {named(role['Arn'])}"
            )
    else:
        aws_account = aws_accounts.only()
        role = aws_account.role(options.role)
    if role is None:
        raise CouldNotLookError(f"AWS account {aws_account.number} has no role {named(options.role)}")
    cluster = None if options.issuer and options.audience else _cluster(options, declared)
    issuer = options.issuer or (cluster.issuer if cluster else "")
    audience, assumed = options.audience, ""
    if cluster and not audience:
        annotations = _annotations(cluster, options.service_account)
        audience = (annotations or {}).get(AUDIENCE)
        if annotations is None:
            assumed = f"{named(options.service_account)} does not exist yet, so its audience is {DEFAULT_AUDIENCE}"
    request = _request(options.service_account, role["Arn"], issuer, audience or DEFAULT_AUDIENCE)
    answer = _evaluated(options.service_account, role["Arn"], role["AssumeRolePolicyDocument"], request)
    return replace(_with_provider(answer, aws_account.client_ids(request.provider_arn)), assumed=assumed)


def _cluster(options: argparse.Namespace, declared: DeclaredStack | None) -> "LiveCluster":
    """Return the cluster in which the stack declares the service account, else the only cluster."""
    from irsa_cli.live.kubernetes import LiveClusters  # noqa: PLC0415 (it imports lightkube, which a file does not need)

    clusters = LiveClusters(declared.clusters if declared else {})
    bindings = declared.bindings if declared else ()
    references = [
        each.cluster
        for binding in bindings
        for each in binding.service_accounts
        if str(each) == options.service_account
    ]
    found = [clusters.of(reference) for reference in dict.fromkeys(references or clusters.references)]
    if len(found) > 1:
        issuers = sorted(cluster.issuer for cluster in found)
        found = [cluster for cluster in found if cluster.issuer == options.issuer]
        if not found:
            raise CouldNotLookError(f"the stack has several clusters: pass --issuer with one of {listed(issuers)}")
    return found[0]


def _with_provider(answer: Explanation, client_ids: list[str] | None) -> Explanation:
    """Return the answer of the OIDC provider, which STS checks before the trust policy."""
    request = answer.request
    if client_ids is None:
        found = f"IAM has no OIDC provider {named(request.provider_arn)}, so STS refuses every token of this issuer."
    elif request.audience not in client_ids:
        found = (
            f"{named(request.provider_arn)} lists the audiences {listed(client_ids) or 'none'}, "
            f"not {named(request.audience)}, so STS refuses the token."
        )
    else:
        return answer
    return replace(answer, decision=Decision.DENIED, explanation=found, documentation=PROVIDERS_PAGE)


def _annotations(cluster: "LiveCluster", service_account: str) -> dict[str, str] | None:
    namespace, _, name = service_account.partition("/")
    return cluster.service_account(namespace, name)


def _subject(service_account: str) -> str:
    subject = service_account.replace("/", ":", 1)
    if is_pattern(subject) or "/" not in service_account:
        raise CouldNotLookError(f"{service_account!r} is not a service account: write NAMESPACE/SERVICEACCOUNT")
    return check_subject(subject)


def _request(service_account: str, role_arn: str, issuer: str, audience: str) -> WebIdentityRequest:
    provider = provider_of_role(role_arn, issuer)
    if not issuer.startswith("https://"):
        raise CouldNotLookError(f"the issuer {issuer!r} does not begin with https://")
    return WebIdentityRequest(issuer, provider, subject_claim(_subject(service_account)), audience)


def _evaluated(service_account: str, role_arn: str, trust: Any, request: WebIdentityRequest) -> Explanation:
    try:
        found: Evaluation = evaluate(trust, request)
    except TrustDocumentError as error:
        raise CouldNotLookError(f"not a trust policy: {error}") from error
    return Explanation(
        service_account, role_arn, found.decision, found.explanation, found.documentation, request, found.statements
    )
