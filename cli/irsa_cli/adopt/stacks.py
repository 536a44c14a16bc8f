"""What the stacks of the Pulumi backend own. Two stacks with one role would each undo what the other does."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from irsa.rules.mistakes import named
from irsa_cli.progress import under_way
from irsa_world.exits import CouldNotLookError
from irsa_world.state.pulumi import exported_state, stacks_of_backend
from irsa_world.state.resource import Resource

# Each is a process of `pulumi`, with a whole state in memory.
AT_A_TIME = 4


class InStacks(NamedTuple):
    """What the stacks own.

    Attributes:
        stacks: The name of a stack, by the ARN of what it owns, and in Kubernetes by the uid.
        not_checked: What could not be read, and why, each as one sentence.
    """

    stacks: Mapping[str, str]
    not_checked: tuple[str, ...] = ()


def in_stacks(folder: Path) -> InStacks:
    """Return what the stacks own that `pulumi`, run in a folder, can read; an answer, whatever cannot be read."""
    where = folder if folder.is_dir() else None
    try:
        listed = stacks_of_backend(where)
    except CouldNotLookError as error:
        return InStacks({}, (f"whether a Pulumi stack owns what is chosen: {error}",))
    names = [name for name, has_resources in listed.items() if has_resources]
    stacks: dict[str, str] = {}
    not_checked: list[str] = []

    def read(name: str) -> list[str]:
        try:
            return [*owned(exported_state(name, where))]
        except CouldNotLookError as error:
            not_checked.append(f"whether stack {named(name)} owns what is chosen: {error}")
            return []

    with under_way("adopt", f"reads {len(names)} stacks"), ThreadPoolExecutor(AT_A_TIME) as pool:
        for name, found in zip(names, pool.map(read, names), strict=True):
            stacks |= dict.fromkeys(found, name)
    return InStacks(stacks, tuple(sorted(not_checked)))


def owned(state: Iterable[Resource]) -> Iterator[str]:
    """Yield the ARN, or in Kubernetes the uid, of each resource of a state but those that it only reads.

    What the next `pulumi up` deletes is its own until then.
    """
    for each in state:
        # A component has no ID.
        if each.id and not each.external:
            # Of whichever provider: a managed policy of aws-native has its ARN as the ID alone.
            yield from filter(None, (each.text("arn"), each.id, each.text("metadata", "uid")))
