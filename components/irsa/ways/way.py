"""What a way to a role is made of: how the Pods of a service account get it.

https://docs.aws.amazon.com/eks/latest/userguide/service-accounts.html#service-accounts-iam
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from irsa.rules.mistakes import Located, Place, Spelling
from irsa.rules.trust import DEFAULT_AUDIENCE, Conditions

USED, TRUSTED = "used", "trusted"
IDENTITY: Place = ("identity",)


class TrustParts(NamedTuple):
    """What a trust policy is made of.

    Attributes:
        oidc_provider_arns: ARNs of the IAM OIDC providers, one per cluster, all in the role's AWS account.
        subjects: `namespace:name` patterns, at least one. Those with wildcards are of IRSA only.
        audience: The audience of the tokens.
        conditions: Further conditions of each statement, operator -> key -> value or values, as IAM writes them.
        statements: Whole statements to add, as IAM writes them.
        cluster_arns: ARNs of the EKS clusters whose Pod Identity is trusted.
        session_tags: Whether its sessions have tags.
    """

    oidc_provider_arns: Sequence[str] = ()
    subjects: Sequence[str] = ()
    audience: str = DEFAULT_AUDIENCE
    conditions: Conditions | None = None
    statements: Sequence[Mapping[str, Any]] = ()
    cluster_arns: Sequence[str] = ()
    session_tags: bool = True


class Identity(NamedTuple):
    """What is there of each way, in the order of the ways.

    The statement of a way goes one `pulumi up` later than the annotation or the association: the engine deletes what is
    not declared any more when the program has ended, and by then the statement would be gone.

    Attributes:
        used: Those with their annotation of IRSA, or association of Pod Identity.
        trusted: Those with their statement in the trust policy: what is used, and more between two stages.
    """

    used: tuple["Way", ...]
    trusted: tuple["Way", ...]

    @property
    def recorded(self) -> dict[str, str]:
        """The ways that are there, as a stack file writes them."""
        return {way.key: USED if way in self.used else TRUSTED for way in self.trusted}

    def only_trusts(self, way: "Way") -> bool:
        """Return whether there is nothing of a way but its statement."""
        return way in self.trusted and way not in self.used

    def needs(self, argument: str) -> bool:
        """Return whether the statements of a way need an argument."""
        return any(way.needs == argument for way in self.trusted)


def _nothing(*_: Any) -> tuple[()]:
    return ()


@dataclass(frozen=True, eq=False)
class Way:
    """A way to a role.

    Attributes:
        key: Its key in `identity`.
        name: Its name in messages.
        statements: Yields those of irsa in the trust policy, as far as their parts are there.
        needs: The argument, and the part, that says whom they trust; none where nothing is looked up for them.
        arguments: What has no effect without it.
        instead: What `identity` may be set to, to have it.
        has_tags: Whether its sessions may have the tags that name their service account.
        credentials: What its Pods have; empty where Pods have nothing of it.
        ends: What becomes of these credentials when it is only trusted, and when it is not there any more.
        mistakes: Yields what it excludes and needs among the arguments, by identity, arguments, and their spelling.
        admits: Returns the subjects that a trust policy of these parts admits by it without a token, and those that it
            refuses.
        warnings: Yields what is legal but likely not intended, by identity, the arguments by their places, and whether
            irsa creates the role.
    """

    key: str
    name: str
    statements: Callable[[TrustParts], Iterable[Mapping[str, Any]]]
    needs: str = ""
    arguments: Sequence[Place] = ()
    instead: str = ""
    has_tags: bool = False
    credentials: str = ""
    ends: tuple[str, str] = ("", "")
    mistakes: Callable[[Identity, Mapping[Place, Any], Spelling], Iterable[Located]] = _nothing
    admits: Callable[[str, TrustParts], tuple[Collection[str], Collection[str]]] = lambda *_: ((), ())
    warnings: Callable[[Identity, Callable[[Place], Any], bool], Iterable[Located]] = _nothing

    def __repr__(self) -> str:
        """Return its name."""
        return self.name
