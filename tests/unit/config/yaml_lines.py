"""Lines of YAML and JSON, found by a walk that is not the product's."""

import functools
import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

# C's parser where there is one: thousands of files are read.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def steps_of(path: str) -> list[str | int]:
    """Return the keys and indexes of a path as messages write it: `bindings.my-app.policyArns[1]`, `tags["a b"]`."""
    steps: list[str | int] = []
    for plain, quoted, index in re.findall(r'([\w-]+)|\[("(?:[^"\\]|\\.)*")\]|\[(\d+)\]', path):
        steps.append(int(index) if index else json.loads(quoted) if quoted else plain)
    return steps


@functools.lru_cache(maxsize=4)
def composed(text: str) -> Any:
    """Return the nodes of a file, once for all of its mistakes."""
    return yaml.compose(text, Loader=LOADER)


def line_of(text: str, steps: Iterable[str | int]) -> int:
    """Return the line of the last step that is there; of a key that stands twice, that of the second."""
    node: Any = composed(text)
    line = node.start_mark.line
    for step in steps:
        if isinstance(node, yaml.SequenceNode):
            found = [(item, item) for item in node.value[step : int(step) + 1]] if isinstance(step, int) else []
        else:
            found = [each for each in node.value if each[0].value == step] if isinstance(node.value, list) else []
        if not found:
            break
        key, node = found[-1]
        line = key.start_mark.line
    return int(line) + 1


def keys_of(text: str, key: str) -> set[str]:
    """Return the keys of the mapping under a key of the file."""
    under = [value for name, value in composed(text).value if name.value == key]
    return {name.value for each in under if isinstance(each, yaml.MappingNode) for name, _ in each.value}
