"""What a kind of finding has beside the function that finds it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from irsa.rules.mistakes import named
from irsa_cli.discovery import Discovery
from irsa_cli.inventory.output import Finding
from irsa_world.sessions import Associated, Sessions, Trust

# What a kind of finding is about, the worst first: each is a module.
FAMILIES = {
    "access": "More access than needed",
    "broken": "Does not work",
    "unseen": "Not known",
    "untidy": "To tidy up",
}


@dataclass(frozen=True, eq=False)
class Facts(Sessions):
    """What findings are found in.

    Attributes:
        world: What was found.
        not_checked: Takes what cannot be decided, as a sentence.
        now: Now.
    """

    world: Discovery
    not_checked: Callable[[str], None]
    now: datetime


Find = Callable[[Facts], Iterator[Finding]]


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        name: That of its function, with hyphens.
        family: A key of FAMILIES.
        title: What it finds: its heading on the page, and its line of --help.
        meaning: What it means for the reader, in one sentence.
        bad: What it finds, for example.
        good: What it does not find.
        find: Yields the findings, which have no kind yet.
    """

    name: str
    family: str
    title: str
    meaning: str
    bad: str
    good: str
    find: Find


def kind(title: str, meaning: str, *, bad: str, good: str) -> Callable[[Find], Kind]:
    """Return a decorator that makes a function a kind of finding."""

    def made(find: Find) -> Kind:
        family = find.__module__.rpartition(".")[2]
        return Kind(find.__name__.replace("_", "-"), family, title, meaning, bad, good, find)

    return made


def about_trust(trust: Trust, found: str, expected: str, service_account: str = "", fix: str = "") -> Finding:
    """Return a finding about what a role says to the tokens of an OIDC provider."""
    cluster = trust.cluster.name if trust.cluster else ""
    return Finding("", cluster, service_account, trust.policy.role.arn, trust.provider_arn, found, expected, fix)


def about_association(each: Associated, role_arn: str, found: str, expected: str) -> Finding:
    """Return a finding about an association and one of its roles."""
    owner = each.association.owner
    found += f"; {named(owner)} owns the association" if owner else ""
    return Finding("", each.cluster.name, str(each.association), role_arn, found=found, expected=expected)
