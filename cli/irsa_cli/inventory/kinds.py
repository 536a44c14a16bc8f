"""The kinds of findings, and what each means."""

from collections.abc import Sequence
from typing import NamedTuple

UNUSED_DAYS = 90
ALL = "all"
# What a kind of finding is about, the worst first.
FAMILIES = {
    "access": "More access than needed",
    "broken": "Does not work",
    "unseen": "Not known",
    "untidy": "To tidy up",
}


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        family: A key of FAMILIES.
        title: What it finds: its heading on the page, and its line of --help.
        meaning: What it means for the reader, in one sentence.
        also: Kinds of which it is a case that has its cause and fix: --fail-on takes it for these, too.
    """

    family: str
    title: str
    meaning: str
    also: Sequence[str] = ()


# The worst first: what gives access to those who should not have it, then what keeps a Pod from its role.
KINDS = {
    "wide-trust": Kind(
        "access",
        "Role open to a whole namespace or more",
        "Whoever may create a Pod there, or an association, may use it.",
    ),
    "missing-service-account": Kind(
        "access", "Role trusts a missing service account", "Whoever creates it may assume it."
    ),
    "no-audience": Kind(
        "access", "Trust policy without a condition on aud", "It accepts each audience of the provider."
    ),
    "several-namespaces": Kind("access", "One role for several namespaces", "They share all permissions of the role."),
    "not-annotated": Kind(
        "access", "Admitted, but not annotated", "The service account may assume a role it does not name."
    ),
    "orphaned-issuer": Kind(
        "access", "Role trusts a cluster that is gone", "No cluster read or listed has its issuer."
    ),
    "missing-role": Kind("broken", "Annotated with a role that does not exist", "Its Pods get no credentials."),
    "not-admitted": Kind(
        "broken", "Annotated, but not admitted", "The role refuses the token that the webhook mounts."
    ),
    "association-missing-role": Kind(
        "broken", "Association with a role that does not exist", "Its Pods get no credentials."
    ),
    "association-not-admitted": Kind(
        "broken", "Association with a role that refuses it", "EKS gives its Pods no credentials."
    ),
    "association-wins": Kind(
        "broken",
        "Annotated with another role than its association",
        "New Pods get that of the association; older ones keep theirs.",
    ),
    "misspelled-subject": Kind(
        "broken",
        "Trust policy with a misspelled service account",
        "The role refuses it, and whoever creates the other one may assume the role.",
        ("not-admitted", "missing-service-account"),
    ),
    "missing-provider": Kind("broken", "Role trusts a missing OIDC provider", "It admits no token of that issuer."),
    "literal-wildcard": Kind("broken", "* or ? under StringEquals", "They stand for no other characters there."),
    "misspelled-annotation": Kind("broken", "Annotation that the webhook does not read", "Its key is misspelled."),
    "misspelled-key": Kind(
        "broken", "Condition on a key of another issuer", "No token of the OIDC provider has this key."
    ),
    "unseen-account": Kind(
        "unseen", "Role in an AWS account that was not read", "Whether it admits the Pods is not known."
    ),
    "duplicate-provider": Kind(
        "untidy", "Two OIDC providers for one issuer", "Roles must trust the one with the audience."
    ),
    "unused": Kind("untidy", f"Role not used for {UNUSED_DAYS} days", "IAM has no record of a recent session."),
    "unmanaged": Kind("untidy", "In no stack of --stack", "No binding of these stacks declares it."),
}
