"""Which managed policies AWS has, by the lists in managed_policies.json and replaced_policies.json.

`make generate` writes the first one. Both are of the partition aws: other partitions have other policies.
"""

import functools
import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import NamedTuple

from irsa.rules import commands
from irsa.rules.mistakes import Mistake, likely

PREFIX = "arn:aws:iam::aws:policy/"
# Most names begin and end with the same words.
ALIKE = 0.8


class Known(NamedTuple):
    """The managed policies of AWS, each by its path and name, such as `service-role/AmazonEBSCSIDriverPolicy`."""

    date: str
    keys: Set[str]
    by_name: Mapping[str, str]
    """By the names alone, in lower case."""


@functools.cache
def known() -> Known:
    """Return the list."""
    read = json.loads(Path(__file__).with_name("managed_policies.json").read_text("ascii"))
    keys = {f"{path}{name}" for path, names in read["names"].items() for name in names.split()}
    return Known(read["date"], keys, {key.rpartition("/")[2].lower(): key for key in sorted(keys)})


@functools.cache
def replaced() -> Mapping[str, Mapping[str, str]]:
    """Return the policies that newer ones replace: `by` which, since which `date`, `why`, and the `source`."""
    read: Mapping[str, Mapping[str, str]] = json.loads(Path(__file__).with_name("replaced_policies.json").read_bytes())
    return read


@functools.cache
def nearest_policy(key: str) -> str | None:
    """Return the policy with the most similar name, or with the same one in another path."""
    by_name = known().by_name
    close = likely(key.rpartition("/")[2], by_name, ALIKE, len(by_name))
    return by_name[close] if close else None


def unknown_managed_policy(arn: str) -> Mistake | None:
    """Return what is wrong with the ARN of a managed policy of the partition aws that AWS does not have."""
    key = arn.removeprefix(PREFIX)
    if key == arn or key in known().keys or key in replaced():
        return None
    found = f"{arn!r}, which is not among AWS's {len(known().keys):,} policies of {known().date}"
    near = nearest_policy(key)
    ask = f"`{commands.show_policy(arn)}` says whether it is newer than this list"
    return Mistake(found, "a managed policy of AWS", f"did you mean {PREFIX + near!r}? {ask}" if near else ask)


def replaced_managed_policy(arn: str) -> Mistake | None:
    """Return what is wrong with the ARN of a managed policy of the partition aws that a newer one replaces."""
    key = arn.removeprefix(PREFIX)
    new = replaced().get(key) if key != arn else None
    if not new:
        return None
    found = f"{key}, which {new['by']} replaces since {new['date']}: {new['why']}"
    return Mistake(found, f"the policy that replaces it ({new['source']})", f"write {PREFIX}{new['by']}")
