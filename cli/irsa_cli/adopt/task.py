"""What an adoption works with."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import named
from irsa_cli.adopt.choice import Ways
from irsa_cli.adopt.clusters import Clusters
from irsa_cli.adopt.declared import Declared
from irsa_cli.adopt.documents import Documents
from irsa_cli.adopt.outcomes import Adoption, Left
from irsa_cli.adopt.owners import Owner
from irsa_cli.live.model import Discovery, LivePolicy


class Task(NamedTuple):
    """One adoption: what was found, how it is adopted, what the stack file declares, and what is added to it so far.

    The policies are the AWS accounts' own managed ones, by ARN.
    """

    discovery: Discovery
    ways: Ways
    declared: Declared
    clusters: Clusters
    documents: Documents
    policies: Mapping[str, LivePolicy]
    adoption: Adoption

    def stacks_of(self, identity: str) -> list[Owner]:
        """Return the other stack of the backend that owns something, by its ARN or uid; none where there is none."""
        stack = self.declared.stacks.get(identity)
        return [Owner("pulumi", stack)] if stack else []

    def raise_quota(self, name: str, needed: int, usual: int) -> None:
        """Raise a quota to what a role uses, unless the file allows that."""
        present = mapping_of(self.declared.settings.get("quotas")).get(name, usual)
        if isinstance(present, int) and needed > present:
            self.adoption.quotas[name] = max(needed, self.adoption.quotas.get(name, 0))


def asked_for(owners: Sequence[Owner], take_from: Collection[str]) -> tuple[Owner, ...]:
    """Return the owners of something when it is asked for to take from them.

    Raises:
        Left: It is not.
    """
    others = [each for each in owners if each.tool not in take_from]
    if others:
        options = " ".join(f"--take-from {named(each.tool)}" for each in others)
        raise Left(f"it belongs to {', '.join(map(str, others))}: {options}")
    return tuple(owners)
