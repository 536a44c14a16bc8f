"""The roles that roles of service accounts may assume in turn. Pure."""

from collections.abc import Iterable, Mapping

from irsa.evaluation import Decision
from irsa.evaluation.answers import RoleRequest
from irsa.evaluation.kinds import bits
from irsa.rules.mistakes import listed, named
from irsa.rules.trust import TAG_SESSION
from irsa_cli.inventory.admissions import TrustPolicy
from irsa_cli.inventory.facts import NOT_READ, Facts
from irsa_cli.inventory.output import Chain
from irsa_world.trusts.chains import RolePolicies, Trusting, answers, assumes, elsewhere

OF_AWS_NOT_READ = "whether {roles} may assume further roles by AdministratorAccess or PowerUserAccess: not read"


def chains(facts: Facts) -> list[Chain]:
    """Return which roles those of service accounts may assume, which ones those, and so on; sorted."""
    policies = facts.policies
    trusting = Trusting({arn: each.parsed for arn, each in policies.items()})
    roles = {each.trust.policy.role.arn for _, each in facts.admitted}
    roles |= {each.role_arn for _, each in facts.discovery.annotated} | {each.role_arn for each in facts.associated}
    # Session tags are transitive.
    tagged = any(each.association.session_tags for each in facts.associated)
    asked = dict.fromkeys(arn for arn in sorted(roles) if arn in policies)
    waiting = [*asked]
    found: list[Chain] = []
    by_aws: list[str] = []
    for arn in waiting:
        role = policies[arn].role
        of_role = facts.role_policies(role)
        others = trusting.by_name(arn)
        # Nothing is known of policies that were not read: it would be said of every role that trusts the AWS account.
        others |= trusting.by_account(arn, of_role) if role.has_details else {}
        of_this = [
            Chain(
                arn, other, decision, reason, _tagged(arn, of_role, policies[other], decision) if tagged else decision
            )
            for other, (outcome, reason) in answers(arn, of_role, others)
            for decision in [Decision.ALLOWED if outcome else Decision.CANNOT_DECIDE]
        ]
        of_this += [
            Chain(arn, other, Decision.CANNOT_DECIDE, NOT_READ.format(role=named(other)), Decision.CANNOT_DECIDE)
            for other in elsewhere(of_role)
            if other.split(":")[4] not in facts.numbers
        ]
        if of_all := facts.with_policies_of_aws(role):
            left = {other: each for other, each in trusting.by_account(arn, of_all).items() if other not in others}
            by_aws += [arn] if any(answers(arn, of_all, left)) else []
        new = dict.fromkeys(each.assumes for each in of_this if each.assumes in policies and each.assumes not in asked)
        asked |= new
        waiting += new
        found += of_this
    if by_aws:
        facts.not_checked(OF_AWS_NOT_READ.format(roles=listed(sorted(by_aws))))
    return sorted(found, key=lambda each: (each.role, each.assumes))


def _tagged(role_arn: str, of_role: RolePolicies, other: TrustPolicy, decision: Decision) -> Decision:
    """Return the decision for a session with session tags, of which another one has this decision."""
    tags, _ = assumes(RoleRequest(role_arn, (TAG_SESSION,)), of_role, other.role.arn, other.parsed)
    return decision if tags else Decision.CANNOT_DECIDE if tags is None else Decision.DENIED


class Steps:
    """The steps from role to role, of sessions with session tags or without."""

    def __init__(self, found: Iterable[Chain], tagged: bool = False) -> None:
        # Sets of roles are bits: where each of 1,500 roles may assume each other one, these are millions of steps.
        self._places: dict[str, int] = {}
        self._allowed: dict[int, int] = {}
        self._all: dict[int, int] = {}
        for each in found:
            decision = each.with_session_tags if tagged else each.decision
            if decision is Decision.DENIED:
                continue
            role, other = (self._places.setdefault(arn, len(self._places)) for arn in (each.role, each.assumes))
            for steps in (self._all, *([self._allowed] if decision is Decision.ALLOWED else ())):
                steps[role] = steps.get(role, 0) | 1 << other
        self._arns = [*self._places]

    def reached(self, role: str) -> dict[str, Decision]:
        """Return the roles that a role may assume in one step or several; allowed where each step is, in some way."""
        if role not in self._places:
            return {}
        of_allowed, of_all = (_reached(self._places[role], steps) for steps in (self._allowed, self._all))
        decisions = ((Decision.ALLOWED, of_allowed), (Decision.CANNOT_DECIDE, of_all & ~of_allowed))
        return {self._arns[each.bit_length() - 1]: decision for decision, those in decisions for each in bits(those)}


def _reached(place: int, steps: Mapping[int, int]) -> int:
    """Return all that is reached from a place, but that itself."""
    found = waiting = 1 << place
    while waiting:
        at = waiting.bit_length() - 1
        new = steps.get(at, 0) & ~found
        found, waiting = found | new, waiting ^ 1 << at | new
    return found ^ 1 << place
