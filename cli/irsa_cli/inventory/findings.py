"""What is wrong, wide or unused in what was found: the kinds of findings, each with the function that finds it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.of_annotations import (
    missing_role,
    misspelled_annotation,
    not_admitted,
    not_annotated,
    unseen_account,
)
from irsa_cli.inventory.of_providers import duplicate_provider, missing_provider, orphaned_issuer
from irsa_cli.inventory.of_roles import unmanaged, unused
from irsa_cli.inventory.of_trust_policies import (
    literal_wildcard,
    missing_service_account,
    misspelled_key,
    no_audience,
    several_namespaces,
    wide_trust,
)
from irsa_cli.inventory.output import Finding


class Kind(NamedTuple):
    """A kind of finding: what it finds, in words and as a function."""

    finds: str
    find: Callable[[Facts], Iterator[Finding]]


# The lines of --help and the rows of docs/inventory.md.
KINDS = {
    "missing-role": Kind("the annotation names a role that does not exist, or none", missing_role),
    "not-admitted": Kind("the annotated role refuses the token that the webhook mounts", not_admitted),
    "unseen-account": Kind("the annotated role is in an AWS account that was not read", unseen_account),
    "not-annotated": Kind("a service account is admitted and not annotated with the role", not_annotated),
    "missing-provider": Kind("a role trusts an OIDC provider that does not exist", missing_provider),
    "orphaned-issuer": Kind("a role trusts the issuer of an EKS cluster that is gone", orphaned_issuer),
    "missing-service-account": Kind("a role names a service account that does not exist", missing_service_account),
    "wide-trust": Kind("a role admits a whole namespace, or more", wide_trust),
    "several-namespaces": Kind("a role admits service accounts of several namespaces", several_namespaces),
    "no-audience": Kind("a statement has no condition on `aud`", no_audience),
    "literal-wildcard": Kind("`*` or `?` under StringEquals, which compares it literally", literal_wildcard),
    "unused": Kind("a role was not used for --unused-days", unused),
    "misspelled-annotation": Kind("an annotation that the webhook does not read", misspelled_annotation),
    "misspelled-key": Kind("a condition on `aud` or `sub` whose key is not the provider's", misspelled_key),
    "duplicate-provider": Kind("two OIDC providers of an AWS account are for one issuer", duplicate_provider),
    "unmanaged": Kind("with --stack: in no binding of these stacks", unmanaged),
}


def findings(facts: Facts) -> list[Finding]:
    """Return all findings, in the order of KINDS, each kind sorted."""
    return [
        each
        for kind in KINDS.values()
        for each in sorted(kind.find(facts), key=lambda each: (each.cluster, each.service_account, each.role))
    ]
