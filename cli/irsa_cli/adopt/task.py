"""What an adoption works with."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from irsa.rules.mistakes import Mistake, named
from irsa_cli.adopt.choice import Ways
from irsa_cli.adopt.clusters import Clusters
from irsa_cli.adopt.declared import Declared
from irsa_cli.adopt.documents import Documents
from irsa_cli.adopt.outcomes import Adoption, Left, Outcome, Present
from irsa_cli.adopt.owners import Owner
from irsa_world.model import AwsAccount

Taken = TypeVar("Taken")


class Task(NamedTuple):
    """One adoption: what was found, how it is adopted, what the stack file declares, and what is added to it so far."""

    aws_account: AwsAccount
    ways: Ways
    declared: Declared
    clusters: Clusters
    documents: Documents
    adoption: Adoption

    def stacks_of(self, identity: str) -> list[Owner]:
        """Return the other stack of the backend that owns something, by its ARN or uid; none where there is none."""
        stack = self.declared.stacks.get(identity)
        return [Owner("pulumi", stack)] if stack else []

    def check_owners(self, owners: Iterable[Owner]) -> None:
        """Refuse what belongs to a tool from which it is not asked for to take.

        Raises:
            Left: There is such a tool.
        """
        others = [each for each in owners if each.tool not in self.ways.take_from]
        if others:
            options = " ".join(f"--take-from {named(each.tool)}" for each in others)
            raise Left(f"it belongs to {', '.join(map(str, others))}: {options}")

    def taken(self, about: str, owners: Iterable[Owner], take: Callable[[], Taken]) -> Taken | None:
        """Return what is taken; None where it is left, or declared already, which is said."""
        try:
            return take()
        except Present as found:
            self.adoption.say(Outcome.DECLARED, about, found.key, tuple(filter(None, [found.found])))
        except Mistake as reason:
            self.adoption.say(Outcome.SKIPPED, about, notes=(reason.found,), owners=tuple(owners))
        return None
