"""Where the official Kubernetes plugin of January 2026 differs from the recordings of 4.34, which win.

With OFFICIAL=built each of these tests must fail, and in this way: a difference that has gone fails too. The same table
is on docs/sandbox.md.
"""

from typing import NamedTuple


class Difference(NamedTuple):
    """A test that fails with the plugin of January 2026: what that does, and the failure as a regular expression."""

    test: str
    recorded: str
    built: str
    failure: str


DIFFERENCES: tuple[Difference, ...] = ()


def expected_difference(test: str) -> Difference | None:
    """Return the difference that a test is about, None for one that must pass."""
    return next((each for each in DIFFERENCES if each.test == test), None)
