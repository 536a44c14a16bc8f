"""Who may assume a role: IAM's rules for the trust policies that web identities meet.

`evaluate` answers whether a token of a Kubernetes service account may assume the role that has this trust policy by
sts:AssumeRoleWithWebIdentity, and gives the reason for every element of every statement. An answer is True, False, or
None for "cannot decide": an element whose rule, or whose value in the request, is not known here. Unknown is never
taken for a yes or a no; it decides nothing only where the known elements decide alone.

Each rule names the page of AWS's documentation that states it (DOCUMENTATION).
"""

from irsa.evaluation.answers import (
    DOCUMENTATION,
    Decision,
    Evaluation,
    Reason,
    StatementEvaluation,
    WebIdentityRequest,
)
from irsa.evaluation.decision import evaluate
from irsa.evaluation.document import TrustDocumentError

__all__ = [
    "DOCUMENTATION",
    "Decision",
    "Evaluation",
    "Reason",
    "StatementEvaluation",
    "TrustDocumentError",
    "WebIdentityRequest",
    "evaluate",
]
