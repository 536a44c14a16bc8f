"""What is wrong, wide or unused in what was found: the kinds of findings, each with the function that finds it."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from irsa_cli.inventory import of_associations
from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.of_annotations import (
    missing_role,
    misspelled_annotation,
    not_admitted,
    not_annotated,
    unseen_account,
)
from irsa_cli.inventory.of_associations import association_missing_role, association_not_admitted, association_wins
from irsa_cli.inventory.of_providers import duplicate_provider, missing_provider, orphaned_issuer
from irsa_cli.inventory.of_roles import UNUSED_DAYS, unmanaged, unused
from irsa_cli.inventory.of_trust_policies import (
    literal_wildcard,
    missing_service_account,
    misspelled_key,
    misspelled_subject,
    no_audience,
    several_namespaces,
    wide_trust,
)
from irsa_cli.inventory.output import Finding

# What a kind of finding is about, the worst first.
FAMILIES = {
    "access": "More access than needed",
    "broken": "Does not work",
    "unseen": "Not known",
    "untidy": "To tidy up",
}


Find = Callable[[Facts], Iterator[Finding]]


def _both(one: Find, other: Find) -> Find:
    """Return what finds a kind in two places."""
    return lambda facts: itertools.chain(one(facts), other(facts))


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        find: Finds it.
        family: A key of FAMILIES.
        title: What it finds: its heading on the page, and its line of --help.
        meaning: What it means for the reader, in one sentence.
        also: Kinds of which it is a case that has its cause and fix: --fail-on takes it for these, too.
    """

    find: Find
    family: str
    title: str
    meaning: str
    also: Sequence[str] = ()


# The worst first: what gives access to those who should not have it, then what keeps a Pod from its role.
KINDS = {
    "wide-trust": Kind(
        _both(wide_trust, of_associations.wide_trust),
        "access",
        "Role open to a whole namespace or more",
        "Whoever may create a Pod there, or an association, may use it.",
    ),
    "missing-service-account": Kind(
        _both(missing_service_account, of_associations.missing_service_account),
        "access",
        "Role trusts a missing service account",
        "Whoever creates it may assume it.",
    ),
    "no-audience": Kind(
        no_audience, "access", "Trust policy without a condition on aud", "It accepts each audience of the provider."
    ),
    "several-namespaces": Kind(
        several_namespaces, "access", "One role for several namespaces", "They share all permissions of the role."
    ),
    "not-annotated": Kind(
        not_annotated,
        "access",
        "Admitted, but not annotated",
        "The service account may assume a role it does not name.",
    ),
    "orphaned-issuer": Kind(
        orphaned_issuer, "access", "Role trusts a cluster that is gone", "No cluster read or listed has its issuer."
    ),
    "missing-role": Kind(
        missing_role, "broken", "Annotated with a role that does not exist", "Its Pods get no credentials."
    ),
    "not-admitted": Kind(
        not_admitted, "broken", "Annotated, but not admitted", "The role refuses the token that the webhook mounts."
    ),
    "association-missing-role": Kind(
        association_missing_role,
        "broken",
        "Association with a role that does not exist",
        "Its Pods get no credentials.",
    ),
    "association-not-admitted": Kind(
        association_not_admitted,
        "broken",
        "Association with a role that refuses it",
        "EKS gives its Pods no credentials.",
    ),
    "association-wins": Kind(
        association_wins,
        "broken",
        "Annotated with another role than its association",
        "New Pods get that of the association; older ones keep theirs.",
    ),
    "misspelled-subject": Kind(
        misspelled_subject,
        "broken",
        "Trust policy with a misspelled service account",
        "The role refuses it, and whoever creates the other one may assume the role.",
        ("not-admitted", "missing-service-account"),
    ),
    "missing-provider": Kind(
        missing_provider, "broken", "Role trusts a missing OIDC provider", "It admits no token of that issuer."
    ),
    "literal-wildcard": Kind(
        literal_wildcard, "broken", "* or ? under StringEquals", "They stand for no other characters there."
    ),
    "misspelled-annotation": Kind(
        misspelled_annotation, "broken", "Annotation that the webhook does not read", "Its key is misspelled."
    ),
    "misspelled-key": Kind(
        misspelled_key, "broken", "Condition on a key of another issuer", "No token of the OIDC provider has this key."
    ),
    "unseen-account": Kind(
        _both(unseen_account, of_associations.unseen_account),
        "unseen",
        "Role in an AWS account that was not read",
        "Whether it admits the Pods is not known.",
    ),
    "duplicate-provider": Kind(
        duplicate_provider, "untidy", "Two OIDC providers for one issuer", "Roles must trust the one with the audience."
    ),
    "unused": Kind(unused, "untidy", f"Role not used for {UNUSED_DAYS} days", "IAM has no record of a recent session."),
    "unmanaged": Kind(unmanaged, "untidy", "In no stack of --stack", "No binding of these stacks declares it."),
}


def findings(facts: Facts) -> list[Finding]:
    """Return all findings, in the order of KINDS, each kind sorted."""
    return [
        each
        for kind in KINDS.values()
        for each in sorted(kind.find(facts), key=lambda each: (each.cluster, each.service_account, each.role))
    ]
