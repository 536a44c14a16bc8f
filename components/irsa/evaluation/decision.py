"""The decision of a trust policy: the result of each statement, and of all of them."""

from collections.abc import Iterable, Mapping, Sequence

from irsa.evaluation.answers import (
    DOCUMENTATION,
    Decision,
    Evaluation,
    PodIdentityRequest,
    Reason,
    Request,
    RoleRequest,
    StatementEvaluation,
    WebIdentityRequest,
    all_of,
    any_of,
    joined,
    short_key,
)
from irsa.evaluation.conditions import Known, condition_outcome, evaluate_condition, known_of
from irsa.evaluation.document import Parsed, Statement, parse
from irsa.rules.arns import parse_iam_arn
from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import listed, named
from irsa.rules.strangers import STRANGERS


def evaluate(trust_document: str | Mapping[str, object], request: Request) -> Evaluation:
    """Return whether this request may assume the role that has this trust policy, and why.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    return evaluate_parsed(*parse(trust_document), request)


def evaluate_parsed(version: str, statements: Iterable[Statement], request: Request) -> Evaluation:
    """Return the same for a document that is parsed already."""
    known, parsed = known_of(request, version == VERSION), [*statements]
    found = [_evaluate_action(action, parsed, known) for action in request.actions]
    # Each action must be allowed: what refuses one decides, and before it nothing else is asked.
    order = (Decision.DENIED, Decision.CANNOT_TELL, Decision.ALLOWED)
    return min(found, key=lambda each: order.index(each.decision))


def evaluate_statements(version: str, statements: Iterable[Statement], request: Request) -> list[StatementEvaluation]:
    """Return what each statement says to a request of one action, without the decision."""
    known, (action,) = known_of(request, version == VERSION), request.actions
    return [_evaluate_statement(index, each, known, action) for index, each in enumerate(statements)]


def statement_outcome(statement: Statement, known: Known, action: str) -> bool | None:
    """Return whether a statement applies to a request of an action, without the reasons."""
    conditions = (condition_outcome(each, known) for each in statement.conditions)
    return all_of((_is_named(statement, known.request), statement.covers(action), *conditions))


def _evaluate_action(action: str, statements: Sequence[Statement], known: Known) -> Evaluation:
    evaluated = tuple(_evaluate_statement(index, each, known, action) for index, each in enumerate(statements))
    decision, explanation = _decide(evaluated, known.request)
    return Evaluation(decision, explanation, DOCUMENTATION["decision"], evaluated)


# Which statements decide, by their Effect and whether they apply.
_DECIDING = {
    Decision.ALLOWED: (("Allow", True),),
    Decision.DENIED: (("Deny", True), ("Allow", False)),
    Decision.CANNOT_TELL: (("Deny", None), ("Allow", None)),
}
# Every explanation of a decision: {statements} are numbers, each with its Sid, and {why} are elements, or their values.
DENIED_BY = "statement {statements} denies it, and an explicit Deny wins over every Allow"
ALLOWED_BY = "statement {statements} allows it, and no statement denies it"
NO_ALLOW = "no statement allows it, and IAM denies by default"
NEAREST = "no statement allows it; in {nearest}statement {statements}, {why}"
MAY_DENY = "statement {statements} may deny it; that cannot be decided here"
MAY_ALLOW = "only statement {statements} may allow it; that cannot be decided here"


def deciding_statement(decision: Decision, statements: Iterable[StatementEvaluation]) -> StatementEvaluation | None:
    """Return the statement that decides; where none allows it, the Allow statement with the fewest failures."""
    of_kind: dict[tuple[str, bool | None], list[StatementEvaluation]] = {}
    for each in statements:
        of_kind.setdefault((each.effect, each.matched), []).append(each)
    found = next((of_kind[kind] for kind in _DECIDING[decision] if kind in of_kind), None)
    return min(found, key=_distance) if found else None


def _distance(statement: StatementEvaluation) -> tuple[bool, int]:
    """Return how far a statement is from applying: one of another principal is further than any of the token's own."""
    failures = [reason.element for reason in statement.reasons if reason.outcome is False]
    return "Principal" in failures, len(failures)


def _decide(statements: tuple[StatementEvaluation, ...], request: Request) -> tuple[Decision, str]:
    def numbers(effect: str, matched: bool | None) -> str:
        return ", ".join(_numbered(s) for s in statements if s.effect == effect and s.matched is matched)

    deny, allow = numbers("Deny", True), numbers("Allow", True)
    perhaps_deny, perhaps_allow = numbers("Deny", None), numbers("Allow", None)
    if deny:
        return Decision.DENIED, DENIED_BY.format(statements=deny)
    if not allow and not perhaps_allow:
        return Decision.DENIED, _nothing_allows(statements, request)
    if perhaps_deny:
        return Decision.CANNOT_TELL, MAY_DENY.format(statements=perhaps_deny)
    if allow:
        return Decision.ALLOWED, ALLOWED_BY.format(statements=allow)
    return Decision.CANNOT_TELL, MAY_ALLOW.format(statements=perhaps_allow)


def _nothing_allows(statements: tuple[StatementEvaluation, ...], request: Request) -> str:
    nearest = deciding_statement(Decision.DENIED, statements)
    if nearest is None:
        return NO_ALLOW
    several = sum(each.effect == "Allow" for each in statements) > 1
    elements = dict.fromkeys(short_key(each.key, request.issuer) or each.element for each in nearest.deciding)
    why = f"{listed(elements)} {'do' if len(elements) > 1 else 'does'} not match"
    return NEAREST.format(nearest="the nearest, " if several else "", statements=_numbered(nearest), why=why)


def with_values(evaluation: Evaluation) -> str:
    """Return why a trust policy decides so, with the values of the conditions that do not match or are not known."""
    decides = deciding_statement(evaluation.decision, evaluation.statements)
    if decides is None or decides.matched:
        return evaluation.explanation
    why = " ".join(each.explanation for each in decides.deciding).removesuffix(".")
    if evaluation.decision is Decision.CANNOT_TELL:
        return f"{evaluation.explanation}: {why}"
    return NEAREST.format(nearest="", statements=_numbered(decides), why=why)


def _numbered(statement: StatementEvaluation) -> str:
    return f"{statement.index + 1}{f' ({named(statement.sid)})' if statement.sid else ''}"


def _evaluate_statement(index: int, statement: Statement, known: Known, action: str) -> StatementEvaluation:
    of_conditions = (evaluate_condition(condition, known) for condition in statement.conditions)
    reasons = (_principal(statement, known.request), _action(statement, action), *of_conditions)
    matched = all_of(reason.outcome for reason in reasons)
    return StatementEvaluation(index, statement.sid, statement.effect, matched, reasons)


def _principal(statement: Statement, request: Request) -> Reason:
    provider = request.principal[1]
    is_named = _is_named(statement, request)
    caller = "token's provider" if isinstance(request, WebIdentityRequest) else "caller"
    names = tuple(name for _, name in statement.principals)
    everybody = {("*", "*"), ("AWS", "*")}.intersection(statement.principals)
    who = "everybody" if everybody else joined(names) or "nobody"
    explanation = f"The statement's principal is {who}; the {caller} is {named(provider)}."
    if is_named is None and isinstance(request, RoleRequest):
        explanation += " The principal is one session of that role; whether it is the caller's is not known."
    elif is_named is None:
        explanation += " AWS's documentation does not say whether the principal includes it."
    hint = _principal_hint(names, provider) if is_named is False and isinstance(request, WebIdentityRequest) else ""
    page, explanation = DOCUMENTATION["anybody" if everybody else "principal"], f"{explanation}{hint and f' {hint}'}"
    return Reason("Principal", "", "", is_named, (provider,), names, explanation, page, hint)


def _is_named(statement: Statement, request: Request) -> bool | None:
    return any_of(_is_principal(statement, type_, name, request) for type_, name in statement.principals)


def _is_principal(statement: Statement, type_: str, name: str, request: Request) -> bool | None:
    if not isinstance(request, WebIdentityRequest):
        return _is_caller(type_, name, request)
    provider_arn = request.provider_arn
    if name == "*":
        return {"*": True, "AWS": True, "Federated": None}.get(type_, False)
    if type_ == "AWS":
        # An Allow must name the provider: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
        # Whether a Deny for the AWS account takes in a web identity, which belongs to none yet, is not said.
        provider = parse_iam_arn(provider_arn, "oidc-provider")
        of_aws_account = {provider.account_id, f"arn:{provider.partition}:iam::{provider.account_id}:root"}
        return None if statement.effect == "Deny" and name in of_aws_account else False
    return type_ == "Federated" and name == provider_arn


def _is_caller(type_: str, name: str, request: PodIdentityRequest | RoleRequest) -> bool | None:
    if isinstance(request, PodIdentityRequest):
        # The pages say of "*" that it takes in everybody, and do not say whether a service of AWS is somebody.
        return None if name == "*" else (type_, name) == request.principal
    if (type_, name) == ("*", "*"):
        return True
    # Who assumes a role chooses the name of the session, unless its trust policy has a condition on that.
    is_session = None if name.startswith(request.sessions) else False
    return type_ == "AWS" and (name in ("*", request.arn, request.root, request.aws_account) or is_session)


def _principal_hint(names: tuple[str, ...], provider_arn: str) -> str:
    issuer = provider_arn.partition(":oidc-provider/")[2]
    if provider_arn.lower() in (name.lower() for name in names):
        return "They differ only in letter case."
    if any(name.endswith(f":oidc-provider/{issuer}") for name in names):
        return "The issuer is the same, but the AWS account or partition differs; STS uses the role's AWS account."
    return ""


def _action(statement: Statement, action: str) -> Reason:
    negated = statement.action_element == "NotAction"
    names = joined(statement.actions) or "nothing"
    scope = f"all actions except {names}" if negated else names
    includes, page = statement.covers(action), DOCUMENTATION["not-action" if negated else "action"]
    text = f"The statement covers {scope}, which {'includes' if includes else 'does not include'} {action}."
    return Reason(statement.action_element, "", "", includes, (action,), statement.actions, text, page)


def admits_any_association(trust: Parsed, partition: str = "aws", aws_account: str = "0" * 12) -> bool:
    """Return whether a trust policy surely admits any association of an AWS account, with session tags or without."""
    # A trust policy that admits names that nobody has compares none of them.
    name, arn = STRANGERS[0], f"arn:{partition}:eks:xx-nowhere-1:{aws_account}:cluster/{STRANGERS[0]}"
    requests = (PodIdentityRequest(name, name, arn, session_tags) for session_tags in (True, False))
    return any(evaluate_parsed(*trust, each).decision is Decision.ALLOWED for each in requests)
