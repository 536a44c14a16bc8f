"""Who may assume a role: IAM's rules for evaluating a trust policy for a web identity, or for EKS Pod Identity.

`evaluate` returns whether a token of a Kubernetes service account may assume the role that has this trust policy with
sts:AssumeRoleWithWebIdentity, or an association with sts:AssumeRole and sts:TagSession, and the reason for every
element of every statement. An answer is True, False, or None for "cannot tell": the rule for an element, or its value
in the request, is not known here. None is never treated as True or False; the decision is made without it only where
the known elements are enough.

Each rule links to the page of AWS's documentation that states it (DOCUMENTATION).
"""

from irsa.evaluation.answers import (
    DOCUMENTATION,
    Decision,
    Evaluation,
    PodIdentityRequest,
    Reason,
    StatementEvaluation,
    WebIdentityRequest,
    short_key,
)
from irsa.evaluation.decision import deciding_statement, evaluate
from irsa.evaluation.document import TrustDocumentError

__all__ = [
    "DOCUMENTATION",
    "Decision",
    "Evaluation",
    "PodIdentityRequest",
    "Reason",
    "StatementEvaluation",
    "TrustDocumentError",
    "WebIdentityRequest",
    "deciding_statement",
    "evaluate",
    "short_key",
]
