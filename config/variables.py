"""Variables in documents and ARNs: `${account}`, `${region}`, `${partition}`, `${cluster}`, and `irsa:variables`.

Names with a colon, such as `${aws:PrincipalTag/team}`, and `${*}`, `${?}`, `${$}` are IAM's own and stay:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from irsa.rules.mistakes import Mistake

REFERENCE = re.compile(r"\$\{([^}]*)\}")
IAM_OWN = re.compile(r".*:.*|[*?$]")
BUILT_IN = ("account", "region", "partition", "cluster")
# Legal values, with which a text can be held against AWS's rules before the real ones are known.
SAMPLES = {"account": "111122223333", "region": "us-west-2", "partition": "aws", "cluster": "my-cluster"}


class Unseen(str):
    """Stands for a secret value, which only the engine can read."""

    __slots__ = ()


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """Give the value with its variables filled in, at every depth of lists and maps.

    Raises:
        Mistake: A variable that is neither built in, nor in `irsa:variables`, nor IAM's own.
    """
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: _value_of(match, variables), value) if "${" in value else value
    if isinstance(value, Mapping):
        return {fill(key, variables): fill(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    return value


def references(value: Any) -> Iterator[str]:
    """Give the names of the variables in a value, those of IAM left out."""
    if isinstance(value, str):
        if "${" in value:
            yield from (name for name in REFERENCE.findall(value) if not IAM_OWN.fullmatch(name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(key)
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def _value_of(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name = match[1]
    if IAM_OWN.fullmatch(name):
        return match[0]
    if name in variables:
        return str(variables[name])
    nearest = difflib.get_close_matches(name, variables, n=1)
    raise Mistake(
        f"unknown variable ${{{name}}}",
        ", ".join(f"${{{known}}}" for known in variables),
        f"did you mean ${{{nearest[0]}}}?" if nearest else f"add {name} to irsa:variables",
    )
