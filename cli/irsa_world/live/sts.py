"""How STS answers the token of a service account, and EKS Auth that of a Pod."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError
from irsa_world.live.service import NO_ANSWER, Service

SESSION_NAME = "irsa"
SHORTEST_SESSION_SECONDS = 900
# https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
FOR_PODS = "eks-auth:AssumeRoleForPodIdentity"
AUDIENCE_FOR_PODS = "pods.eks.amazonaws.com"


class AssumedRoleUser(NamedTuple):
    """Whom AWS made of whoever has a token.

    Attributes:
        arn: ARN of the session of the role.
        association_id: ID of the association of EKS Pod Identity that gave the role; empty where it was STS.
    """

    arn: str
    association_id: str = ""


class Refused(Exception):
    """STS, or EKS Auth, gave no credentials."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the error's code and message."""
        super().__init__(f"{named(code)}: {named(message)}")
        self.code, self.message = code, message


@contextmanager
def answer_to_token(about: str) -> Iterator[None]:
    """Turn the errors of a request with a token into what they mean.

    Raises:
        Refused: AWS refuses.
        CouldNotLookError: AWS gives no answer.
    """
    try:
        yield
    except ClientError as error:
        details = error.response["Error"]
        raise Refused(details["Code"], details.get("Message", "")) from None
    except NO_ANSWER as error:
        # Its message may quote a parameter, and one of them is the token.
        raise CouldNotLookError(f"{about}: {type(error).__name__}") from None


class TokenService:
    """STS, for tokens: it is asked without credentials, and those that it returns are dropped here."""

    def __init__(self, session: Any) -> None:
        """Create the client for the endpoint of a session's region."""
        self._anonymous = Service(session, "sts", Config(signature_version=UNSIGNED))

    def identity(self, token: str, role_arn: str) -> str:
        """Return the ARN of the session that this token gets for this role.

        Raises:
            Refused: STS refuses.
            CouldNotLookError: STS gives no answer.
        """
        asked = {"RoleArn": role_arn, "RoleSessionName": SESSION_NAME, "DurationSeconds": SHORTEST_SESSION_SECONDS}
        with answer_to_token("STS"):
            try:
                answer = self._anonymous.ask(
                    lambda sts: sts.assume_role_with_web_identity(**asked, WebIdentityToken=token)
                )
            except ParamValidationError:
                raise Refused("ValidationError", "Request ARN is invalid") from None
            return str(answer["AssumedRoleUser"]["Arn"])


class PodIdentityService:
    """EKS Auth of one region: it is asked with the stack's credentials, and those that it returns are dropped here."""

    def __init__(self, session: Any, region: str) -> None:
        """Create the client of a session for a region."""
        self._eks_auth = Service(session, "eks-auth", Config(region_name=region))

    def pod_session(self, cluster: str, token: str) -> AssumedRoleUser:
        """Return the session that a token gets in this cluster.

        Raises:
            Refused: EKS refuses.
            CouldNotLookError: EKS gives no answer.
        """
        with answer_to_token(FOR_PODS):
            answer = self._eks_auth.ask(lambda eks: eks.assume_role_for_pod_identity(clusterName=cluster, token=token))
            return AssumedRoleUser(answer["assumedRoleUser"]["arn"], answer["podIdentityAssociation"]["associationId"])
