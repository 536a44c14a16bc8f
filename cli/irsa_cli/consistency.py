"""IAM is eventually consistent: what was just changed is asked for again before it is called wrong.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from datetime import UTC, datetime

from irsa_world.state.declared import DeclaredBinding

FRESH_SECONDS = 60
PAUSES = (2.0, 4.0)
"""Seconds to wait before each further question."""


def is_fresh(binding: DeclaredBinding) -> bool:
    """Return whether a resource of the binding was changed in the last minute: parts of IAM may not know it yet."""
    return binding.modified is not None and (datetime.now(UTC) - binding.modified).total_seconds() < FRESH_SECONDS
