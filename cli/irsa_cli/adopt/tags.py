"""The tags that a stack file can declare."""

from collections.abc import Mapping
from typing import Any

from irsa.rules.mistakes import listed
from irsa.rules.names import RULES, check_name
from irsa_cli.adopt.outcomes import Left


def declarable_tags(tags: Mapping[str, str], defaults: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags without AWS's own, which nobody can set.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html

    Args:
        tags: The tags of a role or a policy.
        defaults: The tags in `irsa:defaults`.

    Raises:
        Left: The defaults would add some.
        Mistake: irsa refuses one.
    """
    found = {key: tags[key] for key in sorted(tags) if not key.lower().startswith("aws:")}
    added = [key for key in defaults if key not in found]
    if added:
        raise Left(f"irsa:defaults would add the tag {listed(added)}")
    for key, value in found.items():
        check_name(key, RULES["tag key"])
        check_name(value, RULES["tag value"])
    return found
