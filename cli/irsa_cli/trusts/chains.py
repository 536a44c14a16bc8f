"""Whether a session of one role may assume another role: role chaining. Pure.

The other role's trust policy must allow it, and the role's own policies too, with its permissions boundary. In one AWS
account, a trust policy that names the role is enough, or one that has the principal `*`; an explicit Deny decides:

- https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html: of
  "Policy evaluation for requests within a single account", the part about resource-based policies and IAM roles
- https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html: "users in the same account as the role do not
  need explicit permission"
- https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-anonymous
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from irsa.evaluation.answers import RoleRequest, StatementEvaluation, all_of
from irsa.evaluation.comparisons import Parsed
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.permissions import Permissions, gives
from irsa.rules.mistakes import named
from irsa.rules.unknown import Unknown

(ASSUME_ROLE,) = RoleRequest.actions
Document = Mapping[str, Any] | Unknown
# A trust policy that names the role is as good as this in the role's own policies.
NAMED = {"Statement": {"Effect": "Allow", "Action": ASSUME_ROLE, "Resource": "*"}}
OF_BOTH = "statement {place} of its trust policy allows it, and so do the policies of {role}"
OF_TRUST = "statement {place} of its trust policy allows it; in one AWS account that is enough"
MAY = "statement {place} of its trust policy may {effect} it: {why}"
POLICIES = "the policies of {role} may allow or deny it: they have conditions or variables, or one of them was not read"


@dataclass(frozen=True, eq=False)
class RolePolicies:
    """What the policies of a role say, with its permissions boundary, to sts:AssumeRole."""

    documents: Sequence[Document]
    boundary: Document | None = None

    @functools.cached_property
    def own(self) -> Permissions:
        """What they give."""
        return gives(self.documents, self.boundary)

    @functools.cached_property
    def with_name(self) -> Permissions:
        """What they leave of what a trust policy gives that names the role."""
        return gives([*self.documents, NAMED], self.boundary)

    @functools.cached_property
    def without_limit(self) -> Permissions:
        """What only an explicit Deny in them takes away."""
        return gives([*self.documents, NAMED, *([] if self.boundary is None else [self.boundary])])

    @functools.cached_property
    def resources(self) -> list[str] | None:
        """The ARNs and patterns of the roles that they give, or may; None where NotResource says which."""
        allowing = [self.own.statements[index] for index in self.own.allowing(ASSUME_ROLE)]
        of_role = [each.resources for each in allowing if not each.in_boundary and not each.never]
        is_negated = any(each.negated for each in of_role)
        return None if is_negated else sorted({text for each in of_role for text in each.every})


class Answer(NamedTuple):
    """Whether a role may assume another one; None where that cannot be decided; and why."""

    outcome: bool | None
    reason: str


def assumes(role_arn: str, policies: RolePolicies, other_arn: str, trust: Parsed) -> Answer:
    """Return whether a role may assume another one, by what its own policies say and the other's trust policy."""
    request, (version, statements) = RoleRequest(role_arn), trust
    evaluated = [each for each in evaluate_parsed(version, statements, request).statements if each.matched is not False]
    denying, allowing = ([each for each in evaluated if each.effect == effect] for effect in ("Deny", "Allow"))
    if not allowing or any(each.matched for each in denying):
        return Answer(False, "")

    def answer(those: Sequence[StatementEvaluation], given: bool | None, reason: str) -> Answer:
        certain = [each for each in those if each.matched]
        undecided = next(iter(denying if certain else those), None)
        outcome = all_of([None if undecided else True, given])
        if undecided:
            why = " ".join(each.explanation for each in undecided.deciding).removesuffix(".")
            return Answer(outcome, MAY.format(place=undecided.index + 1, effect=undecided.effect.lower(), why=why))
        place = certain[0].index + 1
        return Answer(outcome, (POLICIES if given is None else reason).format(place=place, role=named(role_arn)))

    found = [answer(allowing, policies.own.of(ASSUME_ROLE, other_arn), OF_BOTH)]
    if other_arn.split(":")[4] == request.aws_account:
        principals = {each.index: statements[each.index].principals for each in allowing}
        by_name = [each for each in allowing if request.principal in principals[each.index]]
        if by_name:
            found.append(answer(by_name, policies.with_name.of(ASSUME_ROLE, other_arn), OF_TRUST))
        by_others = [
            each
            for each in allowing
            if any(name == "*" or name.startswith(request.sessions) for _, name in principals[each.index])
        ]
        if by_others:
            # Of the principal * and of a session, AWS's page says that a boundary without an Allow does not limit it.
            found.append(answer(by_others, policies.without_limit.of(ASSUME_ROLE, other_arn), OF_TRUST))
    return max(found, key=lambda each: (each.outcome is True, each.outcome is None))
