"""What is wrong with a value, in the shape that every message of irsa has."""

import re
from collections.abc import Iterable


class Mistake(ValueError):
    """A value that AWS, Kubernetes or irsa would refuse.

    Attributes:
        found: What was found.
        allowed: What is allowed, with the source of the rule where it helps.
        fix: What to do about it.
    """

    def __init__(self, found: str, allowed: str, fix: str) -> None:
        """Keep the three parts, so that a caller can print them with the place."""
        super().__init__(f"{found}; allowed: {allowed}; {fix}")
        self.found = found
        self.allowed = allowed
        self.fix = fix


def path_of(parts: Iterable[str | int]) -> str:
    """Give a path within a value as text: `bindings.my-app.policyArns[1]`, `annotations["example.com/owner"]`."""
    return "".join(map(_step, parts)).removeprefix(".")


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(r"[\w-]+", part) else f'["{part}"]'
