"""What `irsa explain` prints: as JSON, and as text: what decides, then the rest, then the token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irsa.evaluation import Decision, PodIdentityRequest, StatementEvaluation, WebIdentityRequest, deciding_statement
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import parse
from irsa.rules.mistakes import named
from irsa.rules.subjects import CLAIM_PREFIX
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_world.message import Message
from irsa_world.report.text import VERDICTS, Section
from irsa_world.verdict import Verdict, of_trust_policy

Request = WebIdentityRequest | PodIdentityRequest
MARKS = {True: "yes", False: "no", None: "?"}
APPLIES = {True: "applies", False: "does not apply", None: "may apply"}
CODES = {Decision.ALLOWED: GOOD, Decision.DENIED: FINDINGS, Decision.CANNOT_TELL: COULD_NOT_LOOK}
CLAIMS = {
    Decision.ALLOWED: "allowed: {} may assume {}",
    Decision.DENIED: "denied: {} may not assume {}",
    Decision.CANNOT_TELL: "cannot tell whether {} may assume {}",
}


@dataclass(frozen=True)
class Explanation:
    """Whether a service account could assume a role, and why.

    Attributes:
        service_account: The service account, as NAMESPACE/NAME.
        role: ARN of the role; empty where none was named, and the annotation names none.
        decision: Whether the service account could assume the role.
        explanation: Why, in one sentence.
        request: The token, and the IAM OIDC provider of its issuer; or the association's service account and cluster;
            null where there is no role to ask for.
        statements: Each statement of the trust policy.
        missing: Where the cluster has no such service account: that it has none; else empty.
        binding: Key of the stack's binding that was named in place of the role; else empty.
        annotation: Why Pods of the service account get no session of this role: an annotation is missing, is empty or
            names another role. Empty where they ask for it, and where the service account was not read.
        expected: What the annotation should be; else empty.
        fix: The command to run about the annotation; else empty.
        notes: What decides beside the request. Each sentence begins with what it is about: `association: `, one of
            EKS Pod Identity; `token: `, that of older Pods; `issuer: `, that of a cluster outside EKS.
    """

    service_account: str
    role: str
    decision: Decision
    explanation: str
    request: Request | None = None
    statements: tuple[StatementEvaluation, ...] = ()
    missing: str = ""
    binding: str = ""
    annotation: str = ""
    expected: str = ""
    fix: str = ""
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The command's exit code: nobody gets a token of a service account that does not exist."""
        return FINDINGS if self.missing else CODES[self.decision]


def explained(
    role_arn: str, trust: str | Mapping[str, Any], request: Request, first: Verdict | None = None
) -> Explanation:
    """Return the answer of a trust policy, unless STS has something against the token before it reads that: `first`.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    evaluation = evaluate_parsed(*parse(trust), request)
    found = first or of_trust_policy(evaluation, request)
    decides = deciding_statement(evaluation.decision, evaluation.statements)
    place = request.subject.removeprefix(CLAIM_PREFIX).replace(":", "/", 1)
    # The values of several elements are below, and not in the first line.
    why = found.details if decides and len(decides.deciding) == 1 else found.found
    return Explanation(place, role_arn, found.decision, why, request, evaluation.statements)


def section_of(answer: Explanation) -> Section:
    """Return what is printed: whether the service account may assume the role and why, what decides, then the rest."""
    claim = CLAIMS[answer.decision].format(
        named(answer.service_account), named(answer.role) if answer.role else "a role"
    )
    summary, messages = f"{claim}: {answer.explanation}", list[Message]()
    if answer.missing:
        but = "the trust policy would allow it, but " if answer.decision is Decision.ALLOWED else ""
        messages += [Message(f"trust policy: {summary}")] if answer.request else []
        summary = f"missing: {but}{answer.missing}"
    # It decides, too: of an answer that is `allowed`, nobody reads on to the end.
    if answer.annotation:
        parts = ("found", answer.annotation), ("expected", answer.expected)
        messages.append(Message(f"annotation: {named(answer.service_account)}", parts, answer.fix, "yellow"))
    messages += [Message(each, style="yellow") for each in answer.notes]
    first = deciding_statement(answer.decision, answer.statements)
    messages += [_message(each) for each in sorted(answer.statements, key=lambda each: each is not first)]
    binding = [("binding", named(answer.binding))] if answer.binding else []
    facts = [Message("request", [*binding, *_facts(answer.request)], style="bold")] if answer.request else []
    return Section(summary, VERDICTS[answer.exit_code], messages, below=facts)


def _facts(request: Request) -> list[tuple[str, str]]:
    if isinstance(request, PodIdentityRequest):
        return [("cluster", named(request.cluster_arn)), ("tags", "session tags" if request.session_tags else "none")]
    return [("sub", named(request.subject)), ("aud", named(request.audience)), ("issuer", named(request.issuer))]


def _message(statement: StatementEvaluation) -> Message:
    name = f" ({named(statement.sid)})" if statement.sid else ""
    # What decides comes first.
    reasons = sorted(statement.reasons, key=lambda each: each.outcome is not statement.matched)
    parts = [(MARKS[each.outcome], f"{named(each.operator or each.element)}: {each.explanation}") for each in reasons]
    heading = f"statement {statement.index + 1}{name}: {statement.effect}, {APPLIES[statement.matched]}"
    return Message(heading, parts, style="bold")
