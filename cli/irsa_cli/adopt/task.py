"""What an adoption works with: what was found, what is declared, and how things are to be adopted."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from irsa.rules.mistakes import named
from irsa_cli.adopt.clusters import Clusters
from irsa_cli.adopt.declared import Declared
from irsa_cli.adopt.documents import Documents
from irsa_cli.adopt.outcomes import Adoption, Left
from irsa_cli.adopt.owners import Owner
from irsa_cli.live.model import Discovery, LivePolicy, PolicySettings


@dataclass(frozen=True)
class Ways:
    """How things are adopted.

    Attributes:
        policies: Whether policies are taken over, with their documents in files.
        take_from: Tools from which roles and service accounts are taken.
        exact_only: Whether only those are taken of which a preview shows no change.
        drop_dead_issuers: Whether statements of trust policies go by which no token comes any more.
        dropped_issuers: Issuers that the user calls gone, though their OIDC providers are there.
        region: The region of the current credentials.
        aws_account: Number of the stack's AWS account.
        file_name: Returns where a policy's document is written, for a preferred name and the document's text.
        policy_settings: Asks for the settings of a managed policy; None if it does not exist.
    """

    policies: bool = False
    take_from: Collection[str] = ()
    exact_only: bool = False
    drop_dead_issuers: bool = False
    dropped_issuers: Collection[str] = ()
    region: str = ""
    aws_account: str = ""
    file_name: Callable[[str, str], str] = lambda name, _: name
    policy_settings: Callable[[str], PolicySettings | None] = lambda _: PolicySettings("", {})


class Task(NamedTuple):
    """One adoption.

    Attributes:
        discovery: What was found.
        ways: How it is adopted.
        declared: What the stack file declares.
        clusters: The clusters of both.
        documents: The policy documents.
        policies: The AWS accounts' own managed policies, by ARN.
        adoption: What is added to the file so far.
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

    def quota(self, name: str, usual: int) -> Any:
        """Return what the stack file says of a quota."""
        quotas = self.declared.settings.get("quotas")
        return quotas.get(name, usual) if isinstance(quotas, Mapping) else usual


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
