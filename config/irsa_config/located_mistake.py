"""A mistake with its place in a stack file or a policy file."""

from typing import NamedTuple

from irsa.rules.mistakes import Mistake, Place, described, named, path_of

# Where a mistake is that is in no `irsa:` setting, and whose file is not known.
ELSEWHERE = "the settings of the stack"


class LocatedMistake(NamedTuple):
    """A mistake and where it is."""

    place: Place
    """YAML path in the `irsa:` settings; of a provider's setting, its whole name: `kubernetes:context`."""
    mistake: Mistake
    file: str | None = None
    """The file that contains it: the stack file, where known, or a policy file."""
    line: int | None = None
    within: Place = ()
    """Path in the policy file."""
    rule: str = "error"
    """The lint rule that found it."""
    team: str = ""
    """The team whose binding or settings it is about."""

    @property
    def file_and_line(self) -> str:
        """Return the file, and the line where that is known; nothing where the file is not."""
        return f"{named(self.file)}{f':{self.line}' if self.line else ''}" if self.file is not None else ""

    @property
    def path(self) -> str:
        """Path in the stack file's settings."""
        if not self.place:
            return ""
        first = str(self.place[0])
        return first if ":" in first else f"irsa:{path_of(self.place)}"

    @property
    def where(self) -> str:
        """File, line and path."""
        path = self.path
        if self.within:
            path = f"{path_of(self.within)} ({path})"
        return f"{self.file_and_line}  {path}".rstrip() if self.file is not None else path or ELSEWHERE

    def __str__(self) -> str:
        """Return the lines of the message."""
        return described(self.where, self.mistake)
