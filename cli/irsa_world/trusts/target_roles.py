"""Whether the role of an association of EKS Pod Identity may assume its target role, which the Pods get. Pure."""

from irsa.evaluation import Decision
from irsa.evaluation.answers import RoleRequest
from irsa.evaluation.document import Parsed
from irsa.rules.mistakes import named
from irsa.rules.trust import assume_role_actions
from irsa_world.model import Association
from irsa_world.trusts.chains import RolePolicies, assumes
from irsa_world.verdict import Verdict

# What decides, of several answers that must all allow: what refuses, before what cannot be decided.
ORDER = (Decision.DENIED, Decision.CANNOT_DECIDE, Decision.ALLOWED)
TARGET_PAGE = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"


def of_target_role(association: Association, policies: RolePolicies, trust: Parsed) -> Verdict:
    """Return whether the role of an association may assume its target role: session tags need an action of their own.

    They are transitive, so that the target's session has them too:
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html

    Args:
        association: The association.
        policies: What the policies of its role say.
        trust: The trust policy of its target role.
    """
    role, other = named(association.role_arn), association.target_role_arn
    found = []
    for action in assume_role_actions(association.session_tags):
        request = RoleRequest(association.role_arn, (action,), association.external_id)
        outcome, reason = assumes(request, policies, other, trust)
        decision = {True: Decision.ALLOWED, None: Decision.CANNOT_DECIDE, False: Decision.DENIED}[outcome]
        reason = reason or f"its trust policy, or the policies of {role}, do not allow {action}"
        text = f"as target role of {role}: {reason}"
        wanted = f"{action} for {role}, in the trust policy of {named(other)} and in the policies of {role}"
        found.append(Verdict(decision, text, "" if outcome else wanted, "", TARGET_PAGE, text))
    return min(found, key=lambda each: ORDER.index(each.decision))
