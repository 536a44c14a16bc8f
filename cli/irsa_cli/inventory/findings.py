"""What is wrong, wide or unused in what was found: the functions that find each kind."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from irsa_cli.inventory import of_associations
from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.kinds import KINDS
from irsa_cli.inventory.of_annotations import (
    missing_role,
    misspelled_annotation,
    not_admitted,
    not_annotated,
    unseen_account,
)
from irsa_cli.inventory.of_associations import association_missing_role, association_not_admitted, association_wins
from irsa_cli.inventory.of_providers import duplicate_provider, missing_provider, orphaned_issuer
from irsa_cli.inventory.of_roles import unmanaged, unused
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

Find = Callable[[Facts], Iterator[Finding]]
FINDERS: Mapping[str, Sequence[Find]] = {
    "wide-trust": (wide_trust, of_associations.wide_trust),
    "missing-service-account": (missing_service_account, of_associations.missing_service_account),
    "no-audience": (no_audience,),
    "several-namespaces": (several_namespaces,),
    "not-annotated": (not_annotated,),
    "orphaned-issuer": (orphaned_issuer,),
    "missing-role": (missing_role,),
    "not-admitted": (not_admitted,),
    "association-missing-role": (association_missing_role,),
    "association-not-admitted": (association_not_admitted,),
    "association-wins": (association_wins,),
    "misspelled-subject": (misspelled_subject,),
    "missing-provider": (missing_provider,),
    "literal-wildcard": (literal_wildcard,),
    "misspelled-annotation": (misspelled_annotation,),
    "misspelled-key": (misspelled_key,),
    "unseen-account": (unseen_account, of_associations.unseen_account),
    "duplicate-provider": (duplicate_provider,),
    "unused": (unused,),
    "unmanaged": (unmanaged,),
}


def findings(facts: Facts) -> list[Finding]:
    """Return all findings, in the order of KINDS, each kind sorted."""
    return [
        each
        for kind in KINDS
        for each in sorted(
            itertools.chain.from_iterable(find(facts) for find in FINDERS[kind]),
            key=lambda each: (each.cluster, each.service_account, each.role),
        )
    ]
