"""The service accounts that a stack's clusters have now."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import named
from irsa_cli.exits import CouldNotLookError
from irsa_cli.live.kubernetes import ClusterClients
from irsa_cli.state.resource import SECRET_TEXT, Resource, is_unknown


class LiveServiceAccounts(NamedTuple):
    """What was read of the clusters.

    Attributes:
        names: The service accounts, as `namespace:name`, by the issuer of their cluster, without https://.
        clusters: Keys of the clusters in the stack file, by issuer.
        not_read: What was not read, and why, each as one sentence.
    """

    names: Mapping[str, frozenset[str]]
    clusters: Mapping[str, str]
    not_read: tuple[str, ...]


def read_service_accounts(providers: Mapping[str, tuple[Resource, str]]) -> LiveServiceAccounts:
    """Return the service accounts of the clusters to which Kubernetes providers lead; each cluster is asked once."""
    if not providers:
        return LiveServiceAccounts({}, {}, ("service accounts: the stack has no Kubernetes provider",))
    live = ClusterClients({reference: _readable(each.inputs) for reference, (each, _) in providers.items()})

    def read(reference: str) -> tuple[str, str, frozenset[str]] | str:
        provider, cluster_key = providers[reference]
        try:
            cluster = live.of(reference)
            return issuer_host_path(cluster.issuer), cluster_key, frozenset(cluster.service_accounts(None))
        except CouldNotLookError as error:
            return f"service accounts of the cluster of provider {named(provider.name)}: {error}"

    names: dict[str, frozenset[str]] = {}
    clusters: dict[str, str] = {}
    not_read: list[str] = []
    with ThreadPoolExecutor() as pool:
        for answer in pool.map(read, providers):
            if isinstance(answer, str):
                not_read.append(answer)
                continue
            issuer, key, found = answer
            names[issuer] = names.get(issuer, frozenset()) | found
            clusters |= {issuer: key} if key else {}
    return LiveServiceAccounts(names, clusters, tuple(dict.fromkeys(not_read)))


def _readable(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a provider's inputs; what is hidden in the preview is none of a kubeconfig's own texts."""
    return {key: {} if value == SECRET_TEXT or is_unknown(value) else value for key, value in inputs.items()}
