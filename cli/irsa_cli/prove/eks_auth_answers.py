"""What each error of EKS Auth means for the token of a Pod, and how to fix it."""

from irsa_cli.prove.answers import EXPIRED, Cause
from irsa_cli.report.checks import Outcome

PACKED = (
    "the session tags of EKS and the other parts of the session are too large together; an association with "
    "sessionTags: false has none, and its trust policy names the cluster only"
)
# The names are of `PodIdentityProof`. Codes:
# https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
CAUSES = (
    # EKS assumes the role by STS, whose error it may hand on under a code of its own. The words:
    # https://github.com/aws/containers-roadmap/issues/2413
    Cause("", "Packed size", PACKED, ""),
    Cause("PackedPolicyTooLarge", "", PACKED, ""),
    Cause("PackedPolicyTooLargeException", "", PACKED, ""),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    Cause(
        "AccessDeniedException",
        "eks-auth:AssumeRoleForPodIdentity",
        "these AWS credentials may not ask for a Pod of {cluster}: they need eks-auth:AssumeRoleForPodIdentity on it",
        "",
        Outcome.NO_PERMISSION,
    ),
    Cause(
        "AccessDeniedException",
        "",
        "the role {role} does not exist, or its trust policy does not admit {subject} by EKS Pod Identity; `{explain}` "
        "shows which",
        "{repair}",
    ),
    Cause(
        "ResourceNotFoundException",
        "",
        "the cluster {cluster} has no association for {subject}, or does not exist",
        "{associate}",
    ),
    EXPIRED,
    Cause(
        "InvalidTokenException",
        "",
        "EKS does not accept this token for {cluster}: the Kubernetes provider of the stack reaches a cluster whose "
        "issuer is {issuer}",
        "",
    ),
    Cause(
        "InvalidParameterException",
        "",
        "EKS does not accept {cluster} as the name of a cluster, or the form of the token",
        "",
    ),
    Cause("InvalidRequestException", "", "EKS does not give the Pods of {cluster} a role", ""),
    Cause("ThrottlingException", "", "EKS takes no more requests now; try again", "", Outcome.NO_ANSWER),
    Cause("InternalServerException", "", "EKS has an error; try again", "", Outcome.NO_ANSWER),
    Cause("ServiceUnavailableException", "", "EKS is not available; try again", "", Outcome.NO_ANSWER),
    Cause("", "", "irsa does not know this answer of EKS", "", Outcome.NO_ANSWER),
)
