"""Whether a trust policy admits the associations of EKS Pod Identity that it does not name."""

from irsa.evaluation.answers import Decision, PodIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed

# A service account, cluster and region of no name: a trust policy that admits these compares none of them.
NOBODY, NOWHERE = "0-nobody-has-this-name-0", "xx-nowhere-1"


def admits_any_association(trust: Parsed, partition: str = "aws", aws_account: str = "0" * 12) -> bool:
    """Return whether a trust policy surely admits any association of an AWS account, with session tags or without."""
    arn = f"arn:{partition}:eks:{NOWHERE}:{aws_account}:cluster/{NOBODY}"
    requests = (PodIdentityRequest(NOBODY, NOBODY, arn, session_tags) for session_tags in (True, False))
    return any(evaluate_parsed(*trust, each).decision is Decision.ALLOWED for each in requests)
