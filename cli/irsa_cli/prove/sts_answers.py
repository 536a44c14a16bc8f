"""What each error of STS means for the token of a service account, and how to fix it."""

from irsa_cli.prove.answers import EXPIRED, Cause
from irsa_cli.report.checks import Outcome
from irsa_world.verdict import NO_PROVIDER, NOT_LISTED

# The names are of `WebIdentityProof`.
# The first match counts. Codes: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
CAUSES = (
    Cause(
        "InvalidIdentityToken",
        "No OpenIDConnect provider found",
        f"{NO_PROVIDER}: it was deleted, or the cluster was recreated",
        "{create_provider}",
    ),
    Cause("InvalidIdentityToken", "Incorrect token audience", NOT_LISTED, "{add_client_id}"),
    Cause(
        "InvalidIdentityToken",
        "thumbprint",
        "the thumbprint of the IAM OIDC provider {provider} does not match the issuer's certificate",
        "",
    ),
    Cause(
        "InvalidIdentityToken",
        "verification key",
        "STS does not find the token's key among the keys of {issuer}",
        "",
    ),
    Cause("InvalidIdentityToken", "", "STS cannot validate the cluster's token", ""),
    EXPIRED,
    Cause(
        "AccessDenied",
        "",
        "the role {role} does not exist, or its trust policy does not admit {subject}; `{explain}` shows which",
        "{repair}",
    ),
    Cause("ValidationError", "ARN is invalid", "{role} is not the ARN of a role", "{repair}"),
    Cause("IDPRejectedClaim", "", "{issuer} reports the token as invalid or revoked", ""),
    Cause("IDPCommunicationError", "", "STS cannot reach {issuer}; try again", "", Outcome.NO_ANSWER),
    Cause(
        "RegionDisabledException",
        "",
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
        "STS is not active in this region for AWS account {aws_account}: activate it in IAM, under Account settings",
        "",
        Outcome.NO_ANSWER,
    ),
    Cause("", "", "irsa does not know this answer of STS", "", Outcome.NO_ANSWER),
)
