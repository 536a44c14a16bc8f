"""What a kind of finding has beside the function that finds it."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.output import Finding

# What a kind of finding is about, the worst first: each is a module.
FAMILIES = {
    "access": "More access than needed",
    "broken": "Does not work",
    "unseen": "Not known",
    "untidy": "To tidy up",
}
Find = Callable[[Facts], Iterator[Finding]]


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        name: That of its function, with hyphens.
        family: A key of FAMILIES.
        title: What it finds: its heading on the page, and its line of --help.
        meaning: What it means for the reader, in one sentence.
        also: Kinds of which it is a case that has its cause and fix: --fail-on takes it for these, too.
        find: Yields the findings, which have no kind yet.
    """

    name: str
    family: str
    title: str
    meaning: str
    also: Sequence[str]
    find: Find


def kind(title: str, meaning: str, *also: str) -> Callable[[Find], Kind]:
    """Return what makes a kind of finding of the function that finds it."""

    def made(find: Find) -> Kind:
        family = find.__module__.rpartition(".")[2]
        return Kind(find.__name__.replace("_", "-"), family, title, meaning, also, find)

    return made
