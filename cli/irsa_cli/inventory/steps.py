"""The roles that roles of service accounts may assume in turn. Pure."""

from collections.abc import Iterable, Mapping

from irsa.evaluation import Decision
from irsa_cli.inventory.output import Chain
from irsa_world.sessions import Sessions
from irsa_world.trusts.claims import bits

UNDECIDED = Decision.CANNOT_TELL


def chains(sessions: Sessions) -> list[Chain]:
    """Return which roles those of service accounts may assume, which ones those, and so on; sorted."""
    policies = sessions.policies
    roles = {each.role_arn for each in sessions.groups}
    roles |= {each.role_arn for _, each in sessions.world.annotated} | {each.role_arn for each in sessions.associated}
    asked = dict.fromkeys(arn for arn in sorted(roles) if arn in policies)
    waiting = [*asked]
    found: list[Chain] = []
    for arn in waiting:
        of_this = [
            Chain(arn, each.other_arn, Decision.ALLOWED if each.outcome and each.is_read else UNDECIDED, each.reason)
            for each in sessions.assumed_by(policies[arn].role)
        ]
        new = dict.fromkeys(each.assumes for each in of_this if each.assumes in policies and each.assumes not in asked)
        asked |= new
        waiting += new
        found += of_this
    return sorted(found, key=lambda each: (each.role, each.assumes))


class Steps:
    """The steps from role to role."""

    def __init__(self, found: Iterable[Chain]) -> None:
        # Sets of roles are bits: where each of 1,500 roles may assume each other one, these are millions of steps.
        self._places: dict[str, int] = {}
        self._allowed: dict[int, int] = {}
        self._all: dict[int, int] = {}
        for each in found:
            role, other = (self._places.setdefault(arn, len(self._places)) for arn in (each.role, each.assumes))
            for steps in (self._all, *([self._allowed] if each.decision is Decision.ALLOWED else ())):
                steps[role] = steps.get(role, 0) | 1 << other
        self._arns = [*self._places]

    def reached(self, role: str) -> dict[str, Decision]:
        """Return the roles that a role may assume in one step or several; allowed where each step is, in some way."""
        if role not in self._places:
            return {}
        of_allowed, of_all = (_reached(self._places[role], steps) for steps in (self._allowed, self._all))
        decisions = ((Decision.ALLOWED, of_allowed), (Decision.CANNOT_TELL, of_all & ~of_allowed))
        return {self._arns[each.bit_length() - 1]: decision for decision, those in decisions for each in bits(those)}


def _reached(place: int, steps: Mapping[int, int]) -> int:
    """Return all that is reached from a place, but that itself."""
    found = waiting = 1 << place
    while waiting:
        at = waiting.bit_length() - 1
        new = steps.get(at, 0) & ~found
        found, waiting = found | new, waiting ^ 1 << at | new
    return found ^ 1 << place
