"""What is legal in an IAM document, but likely an error: for `irsa check`, and for a policy pack of your own.

    policies = Policies([document])
    warnings = [*write_everything(policies), *pass_any_role(policies)]

Each warning is a place, which begins with the document's index, and a Mistake.
"""

from irsa.evaluation.lint.actions import unknown_action, wrong_resource
from irsa.evaluation.lint.managed_policies import replaced_managed_policy, unknown_managed_policy
from irsa.evaluation.lint.permissions import pass_any_role, power, unlimited, write_everything
from irsa.evaluation.lint.policies import Policies
from irsa.evaluation.lint.trust import Trust, wide_trust

__all__ = [
    "Policies",
    "Trust",
    "pass_any_role",
    "power",
    "replaced_managed_policy",
    "unknown_action",
    "unknown_managed_policy",
    "unlimited",
    "wide_trust",
    "write_everything",
    "wrong_resource",
]
