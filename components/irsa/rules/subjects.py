"""Subjects of service account tokens, and patterns that match them.

A token's `sub` is `system:serviceaccount:NAMESPACE:NAME`
(https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens). A stack file writes it
as `NAMESPACE:NAME`; both may contain the wildcards `*` and `?` of IAM's StringLike.
"""

import re
from collections.abc import Sequence

from irsa.rules.mistakes import Mistake, shortened
from irsa.rules.names import NAMESPACE, SERVICE_ACCOUNT_NAMES, check_name
from irsa.rules.strangers import stranger

DEFAULT_NAMESPACE = "default"
CLAIM_PREFIX = "system:serviceaccount:"
EVERY_SERVICE_ACCOUNT = "*:*"
WILDCARDS = re.compile(r"[*?]")


def is_pattern(subject: str) -> bool:
    """Return whether the subject contains a wildcard."""
    return "*" in subject or "?" in subject


def subject_of(namespace: str, name: str) -> str:
    """Return a service account as a subject, `namespace:name`."""
    return f"{namespace}:{name}"


def check_subject(subject: str) -> str:
    """Return a `namespace:name` pattern when some service account could match it.

    Raises:
        Mistake: Not two parts, or a part that no namespace or service account can have.
    """
    allowed = "namespace:name, such as default:my-service-account or team-a:*"
    if subject.startswith(CLAIM_PREFIX):
        fix = f"write {subject.removeprefix(CLAIM_PREFIX)!r}; irsa adds the prefix"
        raise Mistake(f"{subject!r} starts with {CLAIM_PREFIX!r}", allowed, fix)
    parts = subject.split(":")
    if len(parts) != 2:  # noqa: PLR2004 (a namespace and a name)
        namespace, slash, name = subject.partition("/")
        is_meant = slash and namespace.strip("*?") and not {":", "/"} & {*name}
        hint = f"did you mean '{namespace}:{name}'?" if is_meant else "write the namespace, one colon and the name"
        raise Mistake(f"{subject!r} is not namespace:name", allowed, hint)
    for part, rule in zip(parts, (NAMESPACE, SERVICE_ACCOUNT_NAMES), strict=True):
        # A wildcard matches any legal characters; `x` is legal at every place.
        check_name(WILDCARDS.sub("x", part), rule) if is_pattern(part) else check_name(part, rule)
    return subject


def check_any_service_account(subjects: Sequence[str]) -> None:
    """Refuse subjects that, alone or together, every service account of the cluster matches.

    Raises:
        Mistake: They leave no service account out, as `*:*`, or `a*:*` to `z*:*`.
    """
    wide = [subject for subject in subjects if is_pattern(subject.partition(":")[0])]
    if not wide or stranger(wide) is not None:
        return
    alone = next((subject for subject in wide if stranger([subject]) is None), None)
    found = f"{alone!r} trusts" if alone else f"{shortened(', '.join(wide))} together trust"
    allowed = "the service accounts of some namespaces"
    fix = "name a namespace, such as team-a:*; or, if you mean all of them, set {} to true"
    raise Mistake(f"{found} every service account of the cluster", allowed, fix, ("trust", "any_service_account"))


def subject_claim(subject: str) -> str:
    """Return the token's `sub` for a `namespace:name` pattern."""
    return CLAIM_PREFIX + subject
