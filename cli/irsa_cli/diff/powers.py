"""What each role may do that is dangerous, itself or through the roles that it may assume in turn. Pure."""

import functools
from collections.abc import Callable, Mapping

from irsa.evaluation.permissions import gives
from irsa.rules.mistakes import named
from irsa.rules.unknown import Unknown
from irsa_cli.diff.dangerous import is_dangerous, is_dangerous_policy
from irsa_cli.diff.gains import gains
from irsa_cli.diff.permissions import Permits
from irsa_cli.diff.trust import own_roles
from irsa_world.sessions import Sessions

# Why a role is dangerous; empty where it is not, None where irsa cannot tell.
Power = str | None
NOT_KNOWN = "cannot tell what the role may do"


def powers_of(of_roles: Mapping[str, Permits], after: Sessions) -> Callable[[str], Power]:
    """Return a function from the ARN of a role to what it may do, also by the roles that it may assume in turn."""
    roles = own_roles(after)
    own = functools.cache(lambda arn: _power(of_roles.get(arn)))

    @functools.cache
    def following(arn: str) -> list[str]:
        return [each.other_arn for each in after.assumed_by(roles[arn])] if arn in roles else []

    def power(arn: str) -> Power:
        reached = {arn: None}
        # The list grows while it is read.
        for each in (waiting := [arn]):
            waiting += [one for one in following(each) if one not in reached]
            reached |= dict.fromkeys(following(each))
        found = [own(each) for each in reached]
        return next(filter(None, found), None if None in found else "")

    return functools.cache(power)


def _power(of_role: Permits | None) -> Power:
    if of_role is None:
        return None
    for arn in sorted(of_role.attached - of_role.read):
        if is_dangerous_policy(arn):
            return f"it has {named(arn)}"
    given = gives(of_role.known, of_role.boundary_document)
    for each in gains(gives([]), given):
        if is_dangerous(each.actions, each.resources):
            return f"it may do {named(each.actions[0])} on {named(each.resources[0])}"
    is_known = of_role.attached <= of_role.read and not any(isinstance(each, Unknown) for each in of_role.documents)
    return "" if is_known else None
