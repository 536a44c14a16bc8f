"""Where in a stack file something is."""

from typing import NamedTuple

from irsa.mistakes import Mistake

Place = tuple[str | int, ...]


class LocatedMistake(NamedTuple):
    """A mistake and the YAML path of its value."""

    place: Place
    mistake: Mistake

    def __str__(self) -> str:
        """Give its lines of the message."""
        return (
            f"irsa:{dotted(self.place)}\n    found:   {self.mistake.found}\n"
            f"    allowed: {self.mistake.allowed}\n    do:      {self.mistake.fix}"
        )


def dotted(place: Place) -> str:
    """Give a YAML path as text: `bindings.my-app.policyArns[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
