"""The roles that roles of service accounts may assume in turn. Pure."""

from irsa.evaluation import Decision
from irsa_cli.inventory.output import Chain
from irsa_world.sessions import Sessions


def chains(sessions: Sessions) -> list[Chain]:
    """Return which roles those of service accounts may assume, which ones those, and so on; sorted."""
    policies = sessions.policies
    roles = {each.role_arn for each in sessions.groups}
    roles |= {each.role_arn for _, each in sessions.world.annotated} | {each.role_arn for each in sessions.associated}
    asked = dict.fromkeys(arn for arn in sorted(roles) if arn in policies)
    waiting = [*asked]
    found: list[Chain] = []
    for arn in waiting:
        of_this = []
        for each in sessions.assumed_by(policies[arn].role):
            decision = Decision.ALLOWED if each.outcome and each.is_read else Decision.CANNOT_TELL
            of_this.append(Chain(arn, each.other_arn, decision, each.reason))
        new = dict.fromkeys(each.assumes for each in of_this if each.assumes in policies and each.assumes not in asked)
        asked |= new
        waiting += new
        found += of_this
    return sorted(found, key=lambda each: (each.role, each.assumes))
