"""The service accounts that a stack's clusters have now, and the annotations of those that the stack takes over."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import named
from irsa_cli.diff.preview import CREATE, Step
from irsa_cli.diff.snapshots import subjects_of
from irsa_cli.exits import CouldNotLookError
from irsa_cli.state.resource import SECRET_TEXT, Resource, is_unknown
from irsa_cli.state.types import SERVICE_ACCOUNT_PATCH

# Annotations of service accounts by `namespace:name`.
Annotations = Mapping[str, Mapping[str, str]]


def read_service_accounts(providers: Mapping[str, Resource]) -> dict[str, tuple[str, Annotations] | str]:
    """Return the issuer, without https://, and the service accounts of the cluster of each Kubernetes provider.

    By the provider's reference; a cluster that was not read has why, as one sentence. Each is asked once.
    """
    from irsa_cli.live.kubernetes import ClusterClients  # noqa: PLC0415 (it imports lightkube)

    def readable(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        # What is hidden in the preview is none of a kubeconfig's own texts.
        return {key: {} if value == SECRET_TEXT or is_unknown(value) else value for key, value in inputs.items()}

    live = ClusterClients({reference: readable(each.inputs) for reference, each in providers.items()})

    def read(reference: str) -> tuple[str, Annotations] | str:
        try:
            cluster = live.of(reference)
            there = {each.subject: each.annotations for each in cluster.service_accounts(None)}
            return issuer_host_path(cluster.issuer), there
        except CouldNotLookError as error:
            return f"service accounts of the cluster of provider {named(providers[reference].name)}: {error}"

    with ThreadPoolExecutor() as pool:
        return dict(zip(providers, pool.map(read, providers), strict=True))


def patched(step: Step) -> str:
    """Return the service account that a step takes over, as `namespace:name`; empty for any other step."""
    is_patch = step.operation == CREATE and step.resource.type == SERVICE_ACCOUNT_PATCH
    return "".join(subjects_of(step.resource)) if is_patch else ""


def with_annotations(steps: Iterable[Step], live: Mapping[str, Annotations]) -> Iterator[Step]:
    """Yield the steps; one that takes a service account over starts from those of its annotations that it writes.

    The service accounts are by the reference of their provider.
    """
    # A provider that is not known is the only one.
    only = next(iter(live.values())) if len(live) == 1 else {}
    for step in steps:
        new = step.resource
        found = live.get(new.provider, only).get(patched(step), {})
        written = new.inputs["metadata"].get("annotations") if found else None
        kept = {key: value for key, value in found.items() if isinstance(written, Mapping) and key in written}
        yield step._replace(old=new._replace(inputs={"metadata": {"annotations": kept}})) if kept else step
