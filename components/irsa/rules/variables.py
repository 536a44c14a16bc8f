"""How variables are written in documents and ARNs: `${account}`, and IAM's own, which irsa leaves as they are.

Names with a colon, such as `${aws:PrincipalTag/team}`, and `${*}`, `${?}`, `${$}` are IAM's variables:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from collections.abc import Mapping
from typing import Any

from irsa.rules.leaves import map_leaves
from irsa.rules.mistakes import Place
from irsa.rules.unknown import Unknown, has_unknown

# The name, or nothing where another `${` or the end of the string comes before the `}`.
REFERENCE = re.compile(r"\$\{(?:((?:[^$}]|\$(?!\{))*)\})?")
IAM_OWN = re.compile(r".*:.*|[*?$]")
# Examples of what is looked up, in AWS's form and no longer than any: https://docs.aws.amazon.com/general/latest/gr/rande.html
EXAMPLES: Mapping[str, str] = {"account": "111122223333", "partition": "aws", "region": "us-west-2"}
_LOOKED_UP = re.compile(r"\$\{(" + "|".join(EXAMPLES) + r")\}")


def reference(name: str) -> str:
    """Return how a variable is written where it is used."""
    return f"${{{name}}}"


def with_examples(value: Any) -> Any:
    """Return a value with a text in place of each marker whose text is written: with examples of what is looked up.

    A rule that needs the whole value judges it so; nobody is shown an example.
    """

    def example(_place: Place, leaf: Any) -> Any:
        is_written = isinstance(leaf, Unknown) and leaf.written
        return _LOOKED_UP.sub(lambda found: EXAMPLES[found[1]], leaf.written) if is_written else leaf

    return map_leaves(value, example) if has_unknown(value) else value


def literal(value: Any, dollar: str) -> Any:
    """Return a value in which nothing is replaced but the variable named `dollar`, whose value is `$`.

    With that variable replaced, it is the value that was passed.

    Args:
        value: A string, or lists and mappings with strings at every depth.
        dollar: The name of the variable.
    """

    def escaped(match: re.Match[str]) -> str:
        # None is a `${` without its `}`.
        is_replaced = match[1] is None or not IAM_OWN.fullmatch(match[1])
        return f"{reference(dollar)}{match[0][1:]}" if is_replaced else match[0]

    def literal_leaf(_place: Place, leaf: Any) -> Any:
        return REFERENCE.sub(escaped, leaf) if isinstance(leaf, str) else leaf

    return map_leaves(value, literal_leaf, literal_leaf)
