"""What the answers of STS mean for a service account, and what to do about each."""

from collections.abc import Mapping
from typing import NamedTuple

from irsa_cli.live.aws import Refused
from irsa_cli.report.checks import Outcome


class Cause(NamedTuple):
    """What one answer means.

    `meaning` may name {account}, {audience}, {explain}, {issuer}, {provider}, {role} and {subject}; `fix` is one of the
    commands {add_client_id}, {create_provider}, {create_token}, {read_issuer}, {repair} and {update_thumbprint}.
    """

    code: str
    words: str
    meaning: str
    fix: str
    outcome: Outcome = Outcome.FINDING


# The first that fits. Codes: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
CAUSES = (
    Cause(
        "InvalidIdentityToken",
        "No OpenIDConnect provider found",
        "account {account} has no IAM OIDC provider for {issuer}: it was deleted, or the cluster was made anew",
        "{create_provider}",
    ),
    Cause(
        "InvalidIdentityToken",
        "Incorrect token audience",
        "the IAM OIDC provider {provider} does not admit the audience {audience}",
        "{add_client_id}",
    ),
    Cause(
        "InvalidIdentityToken",
        "thumbprint",
        "the thumbprint of the IAM OIDC provider {provider} is not that of the issuer's certificate",
        "{update_thumbprint}",
    ),
    Cause(
        "InvalidIdentityToken", "verification key", "STS cannot find the token's key among {issuer}'s", "{read_issuer}"
    ),
    Cause("InvalidIdentityToken", "", "STS cannot validate the cluster's token", "{read_issuer}"),
    Cause(
        "ExpiredTokenException",
        "",
        "the token is older than it may be: a Pod that kept an old one, or the clocks of the cluster and AWS differ",
        "{create_token}",
    ),
    Cause(
        "AccessDenied",
        "",
        "the role {role} does not exist, or its trust policy does not admit {subject}; `{explain}` says which",
        "{repair}",
    ),
    Cause("ValidationError", "ARN is invalid", "{role} is not the ARN of a role", "{repair}"),
    Cause("IDPRejectedClaim", "", "{issuer} says that the token is not valid, or was revoked", "{create_token}"),
    Cause(
        "IDPCommunicationError", "", "STS did not reach {issuer}; try again", "{read_issuer}", Outcome.COULD_NOT_LOOK
    ),
    Cause(
        "RegionDisabledException",
        "",
        "STS is not activated in this region for account {account}",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html",
        Outcome.COULD_NOT_LOOK,
    ),
    Cause("", "", "STS did not answer the question", "", Outcome.COULD_NOT_LOOK),
)


def cause_of(answer: Refused) -> Cause:
    """Return what the answer means."""
    return next(cause for cause in CAUSES if cause.code in {"", answer.code} and cause.words in answer.message)


def explained(answer: Refused, names: Mapping[str, str]) -> Cause:
    """Return what the answer means, AWS's own words first, with everything named."""
    cause = cause_of(answer)
    return cause._replace(
        meaning=f"{answer.code} ({answer.message}): {cause.meaning.format_map(names)}", fix=cause.fix.format_map(names)
    )
