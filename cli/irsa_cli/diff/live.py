"""The service accounts that a stack's clusters have now."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import named
from irsa_cli.exits import CouldNotLookError
from irsa_cli.live.kubernetes import ClusterClients
from irsa_cli.state.resource import SECRET_TEXT, Resource, is_unknown


def read_service_accounts(
    providers: Mapping[str, tuple[Resource, str]], annotated: Collection[str]
) -> tuple[dict[str, frozenset[str]], dict[str, Mapping[str, Mapping[str, str]]], dict[str, str], list[str]]:
    """Return the service accounts of the clusters to which Kubernetes providers lead; each cluster is asked once.

    They are `namespace:name` by the issuer of their cluster, without https://. With them come the annotations that were
    asked for, by the reference of the provider and by name; the keys of the clusters in the stack file, by issuer; and
    what was not read, and why, each as one sentence.

    Args:
        providers: The providers with the key of their cluster, by reference.
        annotated: The service accounts of which the annotations are asked for.
    """
    if not providers:
        return {}, {}, {}, ["service accounts: the stack has no Kubernetes provider"]
    live = ClusterClients({reference: _readable(each.inputs) for reference, (each, _) in providers.items()})

    def read(reference: str) -> tuple[str, dict[str, Mapping[str, str]]] | str:
        try:
            cluster = live.of(reference)
            there = {each.subject: each.annotations for each in cluster.service_accounts(None)}
            return issuer_host_path(cluster.issuer), there
        except CouldNotLookError as error:
            name = providers[reference][0].name
            return f"service accounts of the cluster of provider {named(name)}: {error}"

    names: dict[str, frozenset[str]] = {}
    annotations: dict[str, Mapping[str, Mapping[str, str]]] = {}
    clusters: dict[str, str] = {}
    not_read: list[str] = []
    with ThreadPoolExecutor() as pool:
        for reference, answer in zip(providers, pool.map(read, providers), strict=True):
            if isinstance(answer, str):
                not_read.append(answer)
                continue
            issuer, there = answer
            names[issuer] = names.get(issuer, frozenset()) | there.keys()
            annotations[reference] = {each: there[each] for each in annotated if each in there}
            clusters |= {issuer: key} if (key := providers[reference][1]) else {}
    return names, annotations, clusters, [*dict.fromkeys(not_read)]


def _readable(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a provider's inputs; what is hidden in the preview is none of a kubeconfig's own texts."""
    return {key: {} if value == SECRET_TEXT or is_unknown(value) else value for key, value in inputs.items()}
