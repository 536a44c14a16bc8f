import pytest

from irsa.evaluation import WebIdentityRequest
from irsa.rules.mistakes import Mistake
from tests.unit.irsa.evaluation.page_example import AUDIENCE, HOST_PATH, OTHER_PROVIDER, PROVIDER, REQUEST, SUBJECT


@pytest.mark.parametrize(
    ("issuer", "provider"),
    [
        (REQUEST.issuer, OTHER_PROVIDER),
        (REQUEST.issuer, f"{PROVIDER}-another"),
        (REQUEST.issuer, PROVIDER.replace("oidc-provider/", "oidc-provider/x")),
        (f"{REQUEST.issuer}/more", PROVIDER),
    ],
)
def test_a_provider_of_another_issuer_is_refused(issuer: str, provider: str) -> None:
    with pytest.raises(Mistake, match="is not for the issuer"):
        WebIdentityRequest(issuer, provider, SUBJECT, AUDIENCE)


@pytest.mark.parametrize("issuer", [f"https://{HOST_PATH}", f"https://{HOST_PATH}/"])
@pytest.mark.parametrize("provider", [PROVIDER, PROVIDER.replace("arn:aws:", "arn:aws-cn:")])
def test_the_provider_of_the_issuer_is_taken(issuer: str, provider: str) -> None:
    """Protects issuers with a slash at the end, and every partition: the ARN ends with host and path alone.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    """
    request = WebIdentityRequest(issuer, provider, SUBJECT, AUDIENCE)
    assert (request.issuer, request.provider_arn, request.context) == (issuer, provider, {})
