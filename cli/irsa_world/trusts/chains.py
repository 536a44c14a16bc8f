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
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from irsa.evaluation.answers import RoleRequest, StatementEvaluation, all_of
from irsa.evaluation.decision import evaluate_statements
from irsa.evaluation.document import Parsed, Statement
from irsa.evaluation.permissions import Permissions, gives
from irsa.rules.mistakes import named
from irsa.rules.subjects import is_pattern
from irsa.rules.trust import ASSUME_ROLE, TAG_SESSION
from irsa.rules.unknown import Unknown

Document = Mapping[str, Any] | Unknown
# A trust policy that names the role is as good as this in the role's own policies.
NAMED = {"Statement": {"Effect": "Allow", "Action": [ASSUME_ROLE, TAG_SESSION], "Resource": "*"}}
ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/")
OF_BOTH = "statement {place} of its trust policy allows it, and so do the policies of {role}"
BUT_NOT = "statement {place} of its trust policy allows it, but the policies of {role} do not"
OF_TRUST = "statement {place} of its trust policy allows it; in one AWS account that is enough"
MAY = "statement {place} of its trust policy may {effect} it: {why}"
POLICIES = "the policies of {role} may allow or deny it: they have conditions or variables, or one of them was not read"


@dataclass(frozen=True, eq=False)
class RolePolicies:
    """What the policies of a role say, with its permissions boundary, to sts:AssumeRole and sts:TagSession."""

    documents: Sequence[Document]
    boundary: Document | None = None

    @functools.cached_property
    def own(self) -> Permissions:
        """What they give."""
        return gives(self.documents, self.boundary)

    @functools.cached_property
    def _on(self) -> dict[tuple[str, str], bool | None]:
        return {}

    def give(self, other_arn: str, action: str = ASSUME_ROLE) -> bool | None:
        """Return whether they give an action on a role, or on a pattern of roles."""
        key = action, other_arn
        if key not in self._on:
            self._on[key] = self.own.of(*key)
        return self._on[key]

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


@functools.lru_cache(maxsize=10_000)
def _evaluated(request: RoleRequest, version: str, statement: Statement) -> StatementEvaluation:
    """Return what a statement says to a role: many trust policies have the same one, such as for their AWS account."""
    return evaluate_statements(version, [statement], request)[0]


class ChainAnswer(NamedTuple):
    """Whether a role may assume another one; None where that cannot be decided; and why."""

    outcome: bool | None
    reason: str


def assumes(request: RoleRequest, policies: RolePolicies, other_arn: str, trust: Parsed) -> ChainAnswer:
    """Return whether a role may assume another one, by what its own policies say and the other's trust policy."""
    (action,), (version, statements) = request.actions, trust
    evaluated = [
        replace(said, index=index)
        for index, each in enumerate(statements)
        if each.covers(action) and (said := _evaluated(request, version, each)).matched is not False
    ]
    denying, allowing = ([each for each in evaluated if each.effect == effect] for effect in ("Deny", "Allow"))
    if not allowing or any(each.matched for each in denying):
        return ChainAnswer(False, "")

    def answer(those: Sequence[StatementEvaluation], given: bool | None, reason: str) -> ChainAnswer:
        certain = [each for each in those if each.matched]
        undecided = next(iter(denying if certain else those), None)
        if given is False:
            place = those[0].index + 1
            return ChainAnswer(False, BUT_NOT.format(place=place, role=named(request.arn)) if certain else "")
        outcome = all_of([None if undecided else True, given])
        if undecided:
            why = " ".join(each.explanation for each in undecided.deciding).removesuffix(".")
            return ChainAnswer(outcome, MAY.format(place=undecided.index + 1, effect=undecided.effect.lower(), why=why))
        place = certain[0].index + 1
        return ChainAnswer(
            outcome, (POLICIES if given is None else reason).format(place=place, role=named(request.arn))
        )

    found = [answer(allowing, policies.give(other_arn, action), OF_BOTH)]
    if other_arn.split(":")[4] == request.aws_account:
        principals = {each.index: statements[each.index].principals for each in allowing}
        by_name = [each for each in allowing if request.principal in principals[each.index]]
        if by_name:
            found.append(answer(by_name, policies.with_name.of(action, other_arn), OF_TRUST))
        by_others = [
            each
            for each in allowing
            if any(name == "*" or name.startswith(request.sessions) for _, name in principals[each.index])
        ]
        if by_others:
            # Of the principal * and of a session, AWS's page says that a boundary without an Allow does not limit it.
            found.append(answer(by_others, policies.without_limit.of(action, other_arn), OF_TRUST))
    return max(found, key=lambda each: (each.outcome is True, each.outcome is None))


Trusts = Mapping[str, Parsed]


class Trusting:
    """Trust policies, by ARN of their role, of which each is found by the principals that it lets in."""

    def __init__(self, trusts: Trusts) -> None:
        self._by_principal: dict[str, dict[str, Parsed]] = {}
        for arn, parsed in trusts.items():
            for statement in parsed[1]:
                for type_, name in statement.principals:
                    if type_ in ("AWS", "*") and statement.effect == "Allow" and statement.covers(ASSUME_ROLE):
                        # The name of a session is left out.
                        key = f"{name.rpartition('/')[0]}/" if ":assumed-role/" in name else name
                        self._by_principal.setdefault(key, {})[arn] = parsed

    def by_name(self, role_arn: str) -> dict[str, Parsed]:
        """Return the trust policies that name a role, a session of it, or everybody."""
        return self._of(role_arn, role_arn, RoleRequest(role_arn).sessions, "*")

    def by_account(self, role_arn: str, policies: RolePolicies) -> dict[str, Parsed]:
        """Return those that name its AWS account, and of whose roles its policies do not say a clear no."""
        request, names = RoleRequest(role_arn), policies.resources
        found = self._of(role_arn, request.root, request.aws_account)
        if names is not None and not any(map(is_pattern, names)):
            return {arn: found[arn] for arn in names if arn in found}
        return {arn: each for arn, each in found.items() if policies.give(arn) is not False}

    def _of(self, role_arn: str, *principals: str) -> dict[str, Parsed]:
        # That a role may assume itself gives nobody anything.
        those = (each for name in principals for each in self._by_principal.get(name, {}).items())
        return {arn: parsed for arn, parsed in those if arn != role_arn}


def answers(role_arn: str, policies: RolePolicies, trusts: Trusts) -> Iterator[tuple[str, ChainAnswer]]:
    """Yield the roles that a role may assume, or perhaps, each with the answer."""
    request = RoleRequest(role_arn)
    for other, parsed in trusts.items():
        answer = assumes(request, policies, other, parsed)
        if answer.outcome is not False:
            yield other, answer


def elsewhere(policies: RolePolicies) -> set[str]:
    """Return the roles that policies name, and patterns of some in one AWS account: as if each trust policy let it."""
    named_ones = filter(ROLE.match, policies.resources or ())
    return {each for each in named_ones if policies.give(each) is not False}
