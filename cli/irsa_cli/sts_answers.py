"""What each error of STS means for a service account, and how to fix it."""

from collections.abc import Mapping
from typing import NamedTuple

from irsa.rules.mistakes import named
from irsa_cli.live.sts import Refused
from irsa_cli.report.checks import Outcome
from irsa_cli.verdict import NO_PROVIDER, NOT_LISTED


class Cause(NamedTuple):
    """The meaning of one error of STS, and its fix.

    `meaning` may name {aws_account}, {audience}, {explain}, {issuer}, {provider}, {role} and {subject}; `fix` is
    empty, or one of the commands {add_client_id}, {create_provider}, {repair} and {update_thumbprint}.
    """

    code: str
    words: str
    meaning: str
    fix: str
    outcome: Outcome = Outcome.FINDING


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
        "{update_thumbprint}",
    ),
    Cause(
        "InvalidIdentityToken",
        "verification key",
        "STS does not find the token's key among the keys of {issuer}",
        "",
    ),
    Cause("InvalidIdentityToken", "", "STS cannot validate the cluster's token", ""),
    Cause(
        "ExpiredTokenException",
        "",
        "the token has expired: it is an old one, or the clocks of the cluster and AWS differ",
        "",
    ),
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


def cause_of(answer: Refused) -> Cause:
    """Return the first cause that matches an error of STS."""
    return next(cause for cause in CAUSES if cause.code in {"", answer.code} and cause.words in answer.message)


def explained(answer: Refused, names: Mapping[str, str]) -> Cause:
    """Return the cause of an error of STS, with the names filled in and AWS's message first."""
    cause = cause_of(answer)
    words = {name: text if name == "explain" else named(text) for name, text in names.items()}
    meaning = f"{named(answer.code)} ({named(answer.message)}): {cause.meaning.format_map(words)}"
    return cause._replace(meaning=meaning, fix=cause.fix.format_map(names))
