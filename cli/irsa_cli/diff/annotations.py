"""The annotations that a service account has already which exists and is going to be annotated. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from irsa_cli.diff.preview import CREATE, Step
from irsa_cli.diff.snapshots import subjects_of
from irsa_cli.state.types import SERVICE_ACCOUNT_PATCH


def patched(step: Step) -> str:
    """Return the service account that a step takes over, as `namespace:name`; empty for any other step."""
    is_patch = step.operation == CREATE and step.resource.type == SERVICE_ACCOUNT_PATCH
    return "".join(subjects_of(step.resource)) if is_patch else ""


def with_annotations(steps: Iterable[Step], live: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Iterator[Step]:
    """Yield the steps; one that takes a service account over starts from those of its annotations that it writes.

    Args:
        steps: What happens.
        live: The annotations of service accounts, by the reference of the provider and by `namespace:name`.
    """
    # A provider that is not known is the only one.
    only = next(iter(live.values())) if len(live) == 1 else {}
    for step in steps:
        new = step.resource
        found = live.get(new.provider, only).get(patched(step), {})
        written = new.inputs["metadata"].get("annotations") if found else None
        kept = {key: value for key, value in found.items() if isinstance(written, Mapping) and key in written}
        yield step._replace(old=new._replace(inputs={"metadata": {"annotations": kept}})) if kept else step
