"""Annotations of a service account that the EKS Pod identity webhook reads.

Source: https://github.com/aws/amazon-eks-pod-identity-webhook (README, "EKS Walkthrough").
"""

import difflib
from collections.abc import Mapping

from irsa.rules.mistakes import Mistake

PREFIX = "eks.amazonaws.com/"
ROLE_ARN = f"{PREFIX}role-arn"
AUDIENCE = f"{PREFIX}audience"
STS_REGIONAL_ENDPOINTS = f"{PREFIX}sts-regional-endpoints"
TOKEN_EXPIRATION = f"{PREFIX}token-expiration"
SETTINGS = {
    ROLE_ARN: "irsa writes it",
    AUDIENCE: "the setting `audience`",
    STS_REGIONAL_ENDPOINTS: "the setting `stsRegionalEndpoints`",
    TOKEN_EXPIRATION: "the setting `tokenExpiration`",
}
WRITTEN_BY = {key: way if key == ROLE_ARN else f"{way} writes it" for key, way in SETTINGS.items()}
POD_ONLY = {
    f"{PREFIX}skip-containers": "an annotation of Pods; put it into the Pod template",
    f"{PREFIX}skip-pod-identity-webhook": "a label of Pods; put it into the Pod template",
}


def check_annotation_key(key: str) -> str:
    """Give the key of a caller's annotation back when it is not the webhook's.

    Raises:
        Mistake: It is one that irsa writes, one for Pods, or a misspelled one.
    """
    if key in POD_ONLY:
        raise Mistake(
            f"{key!r} has no effect on a service account", "annotations of service accounts", f"it is {POD_ONLY[key]}"
        )
    if key in SETTINGS:
        raise Mistake(f"{key!r} is not written by hand", "your own annotations", f"leave it out: {WRITTEN_BY[key]}")
    prefix, slash, name = key.partition("/")
    looks_like_ours = slash and difflib.SequenceMatcher(None, f"{prefix}/", PREFIX).ratio() > 0.85  # noqa: PLR2004 (a typo or two)
    if not looks_like_ours:
        return key
    known = [*SETTINGS, *POD_ONLY]
    nearest = difflib.get_close_matches(f"{PREFIX}{name}", known, n=1, cutoff=0.0)[0]
    meaning = SETTINGS.get(nearest) or POD_ONLY[nearest]
    raise Mistake(
        f"{key!r} is no annotation of the EKS webhook", ", ".join(SETTINGS), f"did you mean {nearest!r} ({meaning})?"
    )


def webhook_annotations(
    role_arn: str,
    audience: str | None = None,
    sts_regional_endpoints: bool | None = None,
    token_expiration: int | None = None,
) -> Mapping[str, str]:
    """Give the annotations for these settings; a setting that is None writes none.

    Args:
        role_arn: The role, with its path.
        audience: The audience of the token, when it is not sts.amazonaws.com.
        sts_regional_endpoints: Whether AWS SDKs use the regional STS endpoint.
        token_expiration: Lifetime of the token in seconds.
    """
    values = {
        ROLE_ARN: role_arn,
        AUDIENCE: audience,
        STS_REGIONAL_ENDPOINTS: None if sts_regional_endpoints is None else str(sts_regional_endpoints).lower(),
        TOKEN_EXPIRATION: None if token_expiration is None else str(token_expiration),
    }
    return {key: value for key, value in values.items() if value is not None}
