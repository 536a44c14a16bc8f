"""The service accounts that a stack's clusters have now."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import named
from irsa_cli.diff.components import Provider
from irsa_cli.diff.preview import SECRET_TEXT, is_unknown
from irsa_cli.exits import CouldNotLookError
from irsa_cli.live.kubernetes import ClusterClients


class LiveServiceAccounts(NamedTuple):
    """What was read of the clusters.

    Attributes:
        names: The service accounts, as `namespace:name`, by the issuer of their cluster, without https://.
        annotations: The annotations of those that were asked for, by the reference of the provider and by name.
        clusters: Keys of the clusters in the stack file, by issuer.
        not_read: What was not read, and why, each as one sentence.
    """

    names: Mapping[str, frozenset[str]]
    annotations: Mapping[str, Mapping[str, Mapping[str, str]]]
    clusters: Mapping[str, str]
    not_read: tuple[str, ...]


def read_service_accounts(providers: Mapping[str, Provider], annotated: Collection[str]) -> LiveServiceAccounts:
    """Return the service accounts of the clusters to which Kubernetes providers lead; each cluster is asked once.

    Args:
        providers: The providers, by reference.
        annotated: Those of which the annotations are asked for.
    """
    if not providers:
        return LiveServiceAccounts({}, {}, {}, ("service accounts: the stack has no Kubernetes provider",))
    live = ClusterClients({reference: _readable(each.inputs) for reference, each in providers.items()})

    annotations: dict[str, Mapping[str, Mapping[str, str]]] = {}

    def read(reference: str) -> tuple[str, str, frozenset[str]] | str:
        provider = providers[reference]
        try:
            cluster = live.of(reference)
            there = {each.subject: each.annotations for each in cluster.service_accounts(None)}
            found = frozenset(there)
            annotations[reference] = {each: there[each] for each in annotated if each in there}
            return issuer_host_path(cluster.issuer), provider.cluster, found
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
    return LiveServiceAccounts(names, annotations, clusters, tuple(dict.fromkeys(not_read)))


def _readable(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a provider's inputs; what is hidden in the preview is none of a kubeconfig's own texts."""
    return {key: {} if value == SECRET_TEXT or is_unknown(value) else value for key, value in inputs.items()}
