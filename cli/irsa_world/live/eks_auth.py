"""How EKS Auth answers the token of a Pod."""

from typing import Any

from botocore.config import Config

from irsa_world.exits import CouldNotLookError
from irsa_world.live.service import NO_ANSWER, Service
from irsa_world.live.sts import Session, answer_to_token

# https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
ACTION = "eks-auth:AssumeRoleForPodIdentity"
AUDIENCE = "pods.eks.amazonaws.com"


class PodIdentityService:
    """EKS Auth of one region: it is asked with the stack's credentials, and those that it returns are dropped here."""

    def __init__(self, session: Any, region: str) -> None:
        """Create the client of a session for a region."""
        try:
            self._eks_auth = Service(session, "eks-auth", Config(region_name=region))
        except NO_ANSWER as error:
            raise CouldNotLookError(f"EKS Auth: {error}") from error

    def pod_session(self, cluster: str, token: str) -> Session:
        """Return the session that a token gets in this cluster.

        Raises:
            Refused: EKS refuses.
            CouldNotLookError: EKS gives no answer.
        """
        with answer_to_token(ACTION):
            answer = self._eks_auth.ask(lambda eks: eks.assume_role_for_pod_identity(clusterName=cluster, token=token))
        try:
            return Session(answer["assumedRoleUser"]["arn"], answer["podIdentityAssociation"]["associationId"])
        except KeyError:
            # boto3 reads what is not AWS's, such as the page of a proxy, as an answer without anything in it.
            raise CouldNotLookError(f"{ACTION}: an answer that ends early, or is not AWS's") from None
