"""What is wrong with a value, in the shape that every message of irsa has."""

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

LINE = 80
Part = tuple[str | int, ...]
"""A path within a value: keys of mappings and indexes of lists."""


def path_of(parts: Iterable[str | int]) -> str:
    """Return a path within a value as text: `bindings.my-app.policyArns[1]`, `annotations["example.com/owner"]`."""
    return "".join(map(_step, parts)).removeprefix(".")


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    # Keys come from the caller: a line break in one must not look like a line of our message.
    return f".{part}" if re.fullmatch(r"[\w-]+", part) else f"[{json.dumps(part, ensure_ascii=False)}]"


Spelling = Callable[[Part], str]
"""How a caller spells an argument: `role_name` is `role.name` in a stack file, and `roleName` in TypeScript."""


class Mistake(ValueError):
    """A value that AWS, Kubernetes or irsa would refuse.

    Attributes:
        found: What was found.
        allowed: What is allowed.
        fix: What to do; each `{}` in it stands for one of the arguments.
        arguments: The component's arguments that the fix names, if it names any.
    """

    def __init__(self, found: str, allowed: str, fix: str, *arguments: Part) -> None:
        self.found = found
        self.allowed = allowed
        self.fix = fix
        self.arguments = arguments
        super().__init__(f"{found}; allowed: {allowed}; {self.spelled(path_of).fix if arguments else fix}")

    def spelled(self, spelling: Spelling) -> "Mistake":
        """Return the mistake with the arguments in its fix as the caller spells them."""
        if not self.arguments:
            return self
        return Mistake(self.found, self.allowed, self.fix.format(*map(spelling, self.arguments)))


Located = tuple[Part, Mistake]


def nearest(text: object, known: Collection[str], otherwise: str) -> str:
    """Return the advice to use the known name with the most similar spelling, or `otherwise`."""
    lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(str(text).lower(), lower, n=1)
    return f"did you mean {lower[close[0]]!r}?" if close else otherwise


def shown(value: Any) -> str:
    """Return a value for a message; a long one is shortened."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= LINE else f"{text[: LINE - 3]}..."


def described(where: str, mistake: Mistake) -> str:
    """Return the lines of a message: where, found, allowed, do."""
    return f"{where}\n    found:   {mistake.found}\n    allowed: {mistake.allowed}\n    do:      {mistake.fix}"
