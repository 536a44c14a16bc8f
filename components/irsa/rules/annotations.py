"""Annotations of a service account that the EKS Pod identity webhook reads.

Source: https://github.com/aws/amazon-eks-pod-identity-webhook (README, "EKS Walkthrough").
"""

import difflib
from collections.abc import Mapping, Sequence

from irsa.rules.mistakes import Mistake, Place
from irsa.rules.trust import DEFAULT_AUDIENCE

PREFIX = "eks.amazonaws.com/"
ROLE_ARN = f"{PREFIX}role-arn"
AUDIENCE = f"{PREFIX}audience"
STS_REGIONAL_ENDPOINTS = f"{PREFIX}sts-regional-endpoints"
TOKEN_EXPIRATION = f"{PREFIX}token-expiration"
# The annotations that irsa writes, each with the argument that it writes it from; the role's ARN comes from the role.
WRITTEN_FROM: Mapping[str, Sequence[Place]] = {
    ROLE_ARN: (),
    AUDIENCE: (("audience",),),
    STS_REGIONAL_ENDPOINTS: (("service_account", "sts_regional_endpoints"),),
    TOKEN_EXPIRATION: (("service_account", "token_expiration"),),
}
POD_ONLY = {
    f"{PREFIX}skip-containers": "an annotation of Pods: set it in the Pod template",
    f"{PREFIX}skip-pod-identity-webhook": "a label of Pods: set it in the Pod template",
}


def check_annotation_key(key: str) -> str:
    """Return the key of a caller's annotation when it is not the webhook's.

    Raises:
        Mistake: irsa writes it, it is for Pods only, or it is misspelled.
    """
    if key in POD_ONLY:
        found = f"{key!r} has no effect on a service account"
        raise Mistake(found, "annotations of service accounts", f"remove it: it is {POD_ONLY[key]}")
    if key in WRITTEN_FROM:
        fix = "remove it, and set {}" if WRITTEN_FROM[key] else "remove it"
        raise Mistake(f"{key!r}, which irsa writes itself", "your own annotations", fix, *WRITTEN_FROM[key])
    prefix, slash, name = key.partition("/")
    looks_like_ours = slash and difflib.SequenceMatcher(None, f"{prefix}/", PREFIX).ratio() > 0.85  # noqa: PLR2004 (a typo or two)
    if not looks_like_ours:
        return key
    known = [*WRITTEN_FROM, *POD_ONLY]
    close = difflib.get_close_matches(f"{PREFIX}{name}", known, n=1, cutoff=0.0)[0]
    arguments = WRITTEN_FROM.get(close, ())
    meaning = POD_ONLY.get(close) or ("irsa writes it from {}" if arguments else "irsa writes it")
    fix = f"did you mean {close!r} ({meaning})?"
    raise Mistake(f"{key!r} is not an annotation of the EKS webhook", ", ".join(WRITTEN_FROM), fix, *arguments)


def webhook_annotations(
    role_arn: str,
    audience: str | None = None,
    sts_regional_endpoints: bool | None = None,
    token_expiration: int | None = None,
) -> Mapping[str, str]:
    """Return the annotations for these settings; a setting that is None adds none.

    Args:
        role_arn: ARN of the role, with its path.
        audience: The audience of the token; the webhook's default, sts.amazonaws.com, is not written.
        sts_regional_endpoints: Whether AWS SDKs use the regional STS endpoint.
        token_expiration: Lifetime of the token in seconds.
    """
    values = {
        ROLE_ARN: role_arn,
        AUDIENCE: None if audience == DEFAULT_AUDIENCE else audience,
        STS_REGIONAL_ENDPOINTS: None if sts_regional_endpoints is None else str(sts_regional_endpoints).lower(),
        TOKEN_EXPIRATION: None if token_expiration is None else str(token_expiration),
    }
    return {key: value for key, value in values.items() if value is not None}
