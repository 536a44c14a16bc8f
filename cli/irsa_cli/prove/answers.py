"""What each answer of STS and of EKS Auth to a token means, and how to fix it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from irsa.rules.mistakes import named
from irsa_world.live.sts import Refused
from irsa_world.report.checks import Outcome
from irsa_world.verdict import NO_PROVIDER, NOT_LISTED

# Of what a refusal is the proof: that another is not admitted, or a token for another audience.
OTHER, AUDIENCE = "other", "audience"


class Meaning(NamedTuple):
    """The meaning of one answer of AWS to a token, and its fix.

    Attributes:
        code: How the error's code begins; empty for any.
        words: What its message has; empty for any.
        text: What it means, with {names} in it.
        fix: The {name} of a command; empty where there is none.
        outcome: The outcome of the proof.
        proves: Of what it is the proof where it was wanted.
    """

    code: str
    words: str
    text: str
    fix: str = ""
    outcome: Outcome = Outcome.FINDING
    proves: tuple[str, ...] = ()


EXPIRED = Meaning(
    "ExpiredTokenException", "", "the token has expired: it is an old one, or the clocks of the cluster and AWS differ"
)
# Its codes differ per service: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
THROTTLED = Meaning("Throttling", "", "AWS asks to slow down: run it again later", "", Outcome.NO_ANSWER)
WHICH = "; `{explain}` shows which"
# The first match counts. Codes: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
STS = (
    Meaning(
        "InvalidIdentityToken",
        "No OpenIDConnect provider found",
        f"{NO_PROVIDER}: it was deleted, or the cluster was recreated",
        "{create_provider}",
    ),
    Meaning(
        "InvalidIdentityToken",
        "Incorrect token audience",
        NOT_LISTED,
        "{add_client_id}",
        proves=(OTHER, AUDIENCE),
    ),
    Meaning(
        "InvalidIdentityToken",
        "",
        "STS cannot validate the cluster's token: check the thumbprint of {provider} and the keys of {issuer}",
    ),
    EXPIRED,
    THROTTLED,
    Meaning(
        "AccessDenied",
        "",
        f"the role {{role}} does not exist, or its trust policy does not admit {{subject}} from here{WHICH}. If "
        "it has a condition on the network or region, run irsa where the Pods run",
        "{repair}",
        proves=(OTHER, AUDIENCE),
    ),
    Meaning("ValidationError", "ARN is invalid", "{role} is not the ARN of a role", "{repair}"),
    Meaning("IDPRejectedClaim", "", "{issuer} reports the token as invalid or revoked"),
    Meaning("IDPCommunicationError", "", "STS does not reach {issuer}: try again", "", Outcome.NO_ANSWER),
    Meaning(
        "RegionDisabledException",
        "",
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
        "STS is not active in this region for AWS account {aws_account}: activate it in IAM, under Account settings",
        "",
        Outcome.NO_ANSWER,
    ),
    Meaning("", "", "that says nothing about the role", "", Outcome.NO_ANSWER),
)
TOO_LARGE = (
    "the session tags of EKS make the session too large. Set sessionTags: false for the association. Its trust policy "
    "then names the cluster only"
)
# Codes: https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
EKS_AUTH = (
    # EKS assumes the role by STS, whose error it may hand on under a code of its own. The words:
    # https://github.com/aws/containers-roadmap/issues/2413
    Meaning("", "Packed size", TOO_LARGE),
    Meaning("PackedPolicyTooLarge", "", TOO_LARGE),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    Meaning(
        "AccessDeniedException",
        "eks-auth:AssumeRoleForPodIdentity",
        "these AWS credentials may not ask for a Pod of {cluster}: they need eks-auth:AssumeRoleForPodIdentity on it",
        "",
        Outcome.NO_PERMISSION,
    ),
    Meaning(
        "AccessDeniedException",
        "",
        "the role {role} does not exist, or its trust policy does not admit {subject} by EKS Pod Identity, or it may "
        f"not assume the association's target role{WHICH}",
        "{repair}",
        proves=(OTHER,),
    ),
    Meaning(
        "ResourceNotFoundException",
        "",
        "the cluster {cluster} has no association for {subject}, or does not exist",
        "{associate}",
        proves=(OTHER,),
    ),
    EXPIRED,
    THROTTLED,
    # The same Pod's token was accepted for the right audience, so that these are said of the audience alone.
    Meaning(
        "Invalid",
        "",
        "EKS does not take this token for {cluster}: the stack's Kubernetes provider reaches a cluster whose issuer is "
        "{issuer}",
        proves=(AUDIENCE,),
    ),
    Meaning("", "", "that says nothing about the role", "", Outcome.NO_ANSWER),
)


def meaning_of(answers: Sequence[Meaning], refused: Refused) -> Meaning:
    """Return the first meaning that matches an error, as it is in the table."""
    return next(each for each in answers if refused.code.startswith(each.code) and each.words in refused.message)


def explained(answers: Sequence[Meaning], refused: Refused, names: Mapping[str, str]) -> Meaning:
    """Return the meaning of an error, with the names filled in and AWS's message first."""
    meaning = meaning_of(answers, refused)
    words = {name: text if name == "explain" else named(text) for name, text in names.items()}
    text = f"{named(refused.code)} ({named(refused.message)}): {meaning.text.format_map(words)}"
    return meaning._replace(text=text, fix=meaning.fix.format_map(names))
