"""A mistake and its place in a stack file, or in a policy's own file."""

from typing import NamedTuple

from irsa.rules.mistakes import Mistake, described, path_of

Place = tuple[str | int, ...]


class LocatedMistake(NamedTuple):
    """A mistake and where it is."""

    place: Place
    """YAML path among the `irsa:` settings."""
    mistake: Mistake
    file: str | None = None
    """The file that holds it: the stack file where that is known, or a policy's own file."""
    line: int | None = None
    within: Place = ()
    """Path in the policy's own file."""
    rule: str = "mistake"
    """The lint rule that found it."""

    @property
    def where(self) -> str:
        """Return file, line and path."""
        path = f"irsa:{path_of(self.place)}" if self.place else ""
        if self.within:
            path = f"{path_of(self.within)} ({path})"
        if self.file is None:
            return path
        return f"{self.file}{f':{self.line}' if self.line else ''}  {path}".rstrip()

    def __str__(self) -> str:
        """Return its lines of the message."""
        return described(self.where, self.mistake)
