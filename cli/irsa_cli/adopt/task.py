"""What an adoption works with."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from irsa.rules.mistakes import Mistake, named
from irsa.rules.variables import literal
from irsa_cli.adopt.clusters import Clusters
from irsa_cli.adopt.declared import Declared
from irsa_cli.adopt.items import Item, Left, Outcome, Present
from irsa_cli.adopt.owners import Owner
from irsa_world.model import AwsAccount, PolicySettings
from irsa_world.sessions import Sessions

Taken = TypeVar("Taken")


class Ways(NamedTuple):
    """How things are adopted.

    Attributes:
        policies: Whether policies are taken over.
        take_from: Tools from which roles and service accounts are taken.
        region: The region of the current credentials.
        policy_settings: Asks for the settings of a managed policy; None if it does not exist.
    """

    policies: bool = False
    take_from: Collection[str] = ()
    region: str = ""
    policy_settings: Callable[[str], PolicySettings | None] = lambda _: PolicySettings("", {})


class Task(NamedTuple):
    """One adoption: what was found, the AWS account of the stack, and what its file declares.

    No variable of the file is replaced in what is added but `dollar`, which is a `$`.
    """

    sessions: Sessions
    aws_account: AwsAccount
    ways: Ways
    declared: Declared
    clusters: Clusters
    dollar: str = "dollar"

    def literal(self, value: Any) -> Any:
        """Return a part of a policy document as a stack file has it: with no variable that irsa would replace."""
        return literal(value, self.dollar)

    def stacks_of(self, *identities: str) -> list[Owner]:
        """Return the other stack of the backend that owns something, by its ARN or uid; none where there is none."""
        stack = next(filter(None, map(self.declared.stacks.get, identities)), None)
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

    def said(self, settings: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
        """Return those settings that a binding must say: that are there, and not as usual or by `irsa:defaults`.

        Raises:
            Left: What is not there has a default.
        """
        defaults = self.declared.defaults
        absent: tuple[Any, ...] = None, "", {}, []
        for name, value in settings.items():
            if value in absent and name in defaults and name != "tags":
                raise Left(f"it has no {name}, and irsa:defaults has one")
        return {
            name: value
            for name, value in settings.items()
            if value not in absent and (name in defaults or value != usual.get(name))
        }


def attempt(about: str, owners: Iterable[Owner], take: Callable[[], Taken]) -> Taken | Item:
    """Return what is taken; or that it is left, or declared already."""
    try:
        return take()
    except Present as found:
        return Item(Outcome.DECLARED, about, found.key, [] if found.key else [found.found])
    except Mistake as reason:
        return Item(Outcome.SKIPPED, about, "", [reason.found], [*owners])
