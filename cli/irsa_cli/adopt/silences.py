"""What `irsa check` would fail by of roles that are adopted as they are: each is silenced, with the reason."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irsa_cli.adopt.outcomes import Adoption
from irsa_cli.subcommands import installed

REASON = "it was so when irsa adopted it, and nobody has reviewed it yet"


def silences(settings: Mapping[str, Any], adoption: Adoption, folder: Path, region: str) -> dict[str, dict[str, Any]]:
    """Return the silences for the bindings that are adopted and by which `irsa check` would fail, by the lint rule.

    Args:
        settings: All `irsa:` settings of the file, what is adopted included.
        adoption: What is adopted.
        folder: The folder of the file.
        region: The region of the stack; may be empty.
    """
    check = installed().get("check")
    # Without a checkout, nothing fails.
    if check is None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for rule, key in dict.fromkeys(check.load().dangers(settings, folder, region or None)):
        if key in adoption.bindings:
            found.setdefault(rule, {"bindings": [], "reason": REASON})["bindings"].append(key)
    return found
