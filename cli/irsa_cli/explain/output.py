"""What `irsa explain` prints: as JSON, and as text: what decides, then the rest, then the token."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from irsa.evaluation import (
    Decision,
    PodIdentityRequest,
    Reason,
    StatementEvaluation,
    WebIdentityRequest,
    deciding_statement,
    short_key,
)
from irsa.evaluation import decision as decisions
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import parse
from irsa.rules.mistakes import named
from irsa.rules.subjects import CLAIM_PREFIX
from irsa_world.message import Message
from irsa_world.report.text import Section
from irsa_world.verdict import Verdict, of_trust_policy

Request = WebIdentityRequest | PodIdentityRequest
MARKS = {True: "yes", False: "no", None: "?"}
APPLIES = {True: "applies", False: "does not apply", None: "may apply"}
COLORS = {True: "green", False: "red", None: "yellow"}
OUTCOMES = {Decision.ALLOWED: True, Decision.DENIED: False, Decision.CANNOT_TELL: None}
CLAIMS = {
    Decision.ALLOWED: "allowed: {} may assume {}",
    Decision.DENIED: "denied: {} may not assume {}",
    Decision.CANNOT_TELL: "cannot tell whether {} may assume {}",
}
CONDITION = "Condition"
# How it begins that no statement allows it, and in which one what does not match.
NEAREST = decisions.NEAREST.partition("{")[0]


@dataclass(frozen=True)
class Note:
    """What decides beside the request.

    Attributes:
        about: `association`: what one of EKS Pod Identity gives the service account, or why that is not known; `token`:
            which role older Pods ask for; `issuer`: what that of a cluster outside EKS publishes; `by default`: what
            was taken because the service account does not exist.
        text: What there is to say.
    """

    about: str
    text: str


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
        missing: Where the cluster has no such service account: that it has none, and a name that is near; else empty.
        binding: Key of the stack's binding that was named in place of the role; else empty.
        annotation: Why Pods of the service account get no session of this role: an annotation is missing, is empty or
            names another role. Empty where they ask for it, and where the service account was not read.
        expected: What the annotation should be; else empty.
        fix: The command to run about the annotation; else empty.
        notes: What decides beside the request.
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
    notes: tuple[Note, ...] = ()


def explained(
    role_arn: str, trust: str | Mapping[str, Any], request: Request, first: Verdict | None = None
) -> Explanation:
    """Return the answer of a trust policy, unless STS has something against the token before it reads that: `first`.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    evaluation = evaluate_parsed(*parse(trust), request)
    found = first or of_trust_policy(evaluation, request)
    place = request.subject.removeprefix(CLAIM_PREFIX).replace(":", "/", 1)
    return Explanation(place, role_arn, found.decision, found.found, request, evaluation.statements)


def section_of(answer: Explanation) -> Section:
    """Return what is printed: whether the service account may assume the role and why, what decides, then the rest."""
    style = f"bold {COLORS[OUTCOMES[answer.decision]]}"
    claim = CLAIMS[answer.decision].format(
        named(answer.service_account), named(answer.role) if answer.role else "a role"
    )
    first = deciding_statement(answer.decision, answer.statements)
    summary, messages = f"{claim}: {answer.explanation}{_wanted(answer, first)}", list[tuple[Message, str]]()
    if answer.missing:
        but = "the trust policy would allow it, but " if answer.decision is Decision.ALLOWED else ""
        messages += [(Message(f"trust policy: {summary}"), "none")] if answer.request else []
        summary, style = f"missing: {but}{answer.missing}", f"bold {COLORS[False]}"
    # It decides, too: of an answer that is `allowed`, nobody reads on to the end.
    if answer.annotation:
        parts = ("found", answer.annotation), ("expected", answer.expected)
        messages.append((Message(f"annotation: {named(answer.service_account)}", parts, answer.fix), COLORS[None]))
    messages += [(Message(f"{note.about}: {note.text}"), COLORS[None]) for note in answer.notes]
    if answer.request is None:
        return Section(summary, style, messages)
    statements = sorted(answer.statements, key=lambda each: each is not first)
    messages += [(_message(each, answer.request), "bold") for each in statements]
    binding = [("binding", named(answer.binding))] if answer.binding else []
    return Section(summary, style, messages, below=[(Message("request", [*binding, *_facts(answer.request)]), "bold")])


def _facts(request: Request) -> list[tuple[str, str]]:
    if isinstance(request, PodIdentityRequest):
        return [("cluster", named(request.cluster_arn)), ("tags", "session tags" if request.session_tags else "none")]
    return [("sub", named(request.subject)), ("aud", named(request.audience)), ("issuer", named(request.issuer))]


def _wanted(answer: Explanation, first: StatementEvaluation | None) -> str:
    """Return what the only condition that fails wants; empty where several fail, or something else decides."""
    reasons = first.deciding if first and answer.explanation.startswith(NEAREST) else ()
    if not answer.request or len(reasons) != 1 or _in_words(reasons[0], answer.request) or _is_negated(reasons[0]):
        return ""
    value, *others = reasons[0].wanted
    return f": it must be {named(value)}{f', or one of {len(others):,} more' if others else ''}"


def _message(statement: StatementEvaluation, request: Request) -> Message:
    name = f" ({named(statement.sid)})" if statement.sid else ""
    # What decides comes first. The keys are those of the principal, so a wrong one explains them.
    keys_first = bool(statement.matched)
    reasons = sorted(
        statement.reasons,
        key=lambda each: (each.outcome is not statement.matched, (each.element == CONDITION) is not keys_first),
    )
    # That of a wrong issuer is the same for `aud` and `sub`.
    hints = {each.hint: each for each in reversed(reasons) if each.hint}
    parts: list[tuple[str, str]] = []
    for each in reasons:
        parts += _parts(each, request)
        parts += [("hint", each.hint)] if hints.get(each.hint) is each else []
    return Message(f"statement {statement.index + 1}{name}: {statement.effect}, {APPLIES[statement.matched]}", parts)


def _parts(reason: Reason, request: Request) -> Iterator[tuple[str, str]]:
    is_condition = reason.element == CONDITION
    key, result = named(short_key(reason.key, request.issuer)), _in_words(reason, request)
    element = f"{named(reason.operator)} {key}" if is_condition else reason.element
    if result:
        # A key may be longer than a line: it is there once.
        element = f"{named(reason.operator) if is_condition and key in result else element}: {result}"
    yield MARKS[reason.outcome], element
    uncompared = is_condition and (reason.outcome is None or (not any(reason.found) and reason.operator != "Null"))
    if uncompared or not result:
        yield from (("not" if _is_negated(reason) else "wanted", named(each)) for each in reason.wanted)
    if not result:
        yield from (("got", named(each)) for each in reason.found)


def _is_negated(reason: Reason) -> bool:
    return "Not" in reason.operator or reason.element == "NotAction"


def _in_words(reason: Reason, request: Request) -> str:
    """Return the result of an element in words; empty where values were compared, and differ."""
    if reason.element == "Principal" and reason.outcome:
        service = isinstance(request, PodIdentityRequest)
        caller = "EKS Pod Identity" if service else "the OIDC provider of the issuer"
        return caller if request.principal[1] in reason.wanted else "everybody"
    compared = reason.outcome is not None and reason.operator != "Null" and reason.wanted and any(reason.found)
    if not compared:
        return reason.explanation.removesuffix(reason.hint).rstrip()
    same = reason.outcome and reason.found == reason.wanted and len(reason.wanted) == 1
    return named(reason.wanted[0]) if same else ""
