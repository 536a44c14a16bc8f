"""The EKS clusters whose Pod Identity a trust policy names. Pure."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from irsa.rules.arns import ClusterArn, parse_cluster_arn
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.mistakes import Mistake
from irsa.rules.trust import POD_IDENTITY_PRINCIPAL


def clusters_named(trust: Mapping[str, Any] | None) -> Iterator[ClusterArn]:
    """Yield the clusters that the statements for EKS Pod Identity name which allow, each once."""
    found: dict[ClusterArn, None] = {}
    for statement in map(mapping_of, items_of((trust or {}).get("Statement", []))):
        services = items_of(mapping_of(statement.get("Principal")).get("Service", []))
        if statement.get("Effect") == "Allow" and POD_IDENTITY_PRINCIPAL in services:
            for keys in mapping_of(statement.get("Condition")).values():
                for value in (each for values in mapping_of(keys).values() for each in items_of(values)):
                    with contextlib.suppress(Mistake):
                        found[parse_cluster_arn(str(value))] = None
    yield from found
