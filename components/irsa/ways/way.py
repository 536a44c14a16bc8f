"""What a way to a role is made of: how the Pods of a service account get it.

https://docs.aws.amazon.com/eks/latest/userguide/service-accounts.html#service-accounts-iam
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from irsa.rules.mistakes import Located, Place, Spelling
from irsa.rules.trust import DEFAULT_AUDIENCE, Conditions
from irsa.rules.unknown import Value

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
    statements: Sequence[Mapping[str, object]] = ()
    cluster_arns: Sequence[str] = ()
    session_tags: bool = True


class WayFacts(NamedTuple):
    """What a way may ask of a role's arguments, with a marker for what is not known.

    Attributes:
        clusters: ARNs of the EKS clusters, by their keys.
        subjects: Those that are named besides the service account.
        conditions: Further conditions of the trust policy, as far as they are known.
        session_tags: Whether sessions by Pod Identity have tags.
        has_session_policy: Whether they have a policy.
        import_ids: IDs of associations to adopt, by the keys of clusters.
        creates_role: Whether irsa creates the role; it may.
        has_service_account: Whether a service account is declared.
        has_usual: Whether it is that of add-ons, or may be.
    """

    clusters: Value[Mapping[str, Value[str]]] = MappingProxyType({})
    subjects: Sequence[Value[str]] = ()
    conditions: Conditions = MappingProxyType({})
    session_tags: Value[bool] = True
    has_session_policy: bool = False
    import_ids: Mapping[str, Value[str]] = MappingProxyType({})
    creates_role: bool = True
    has_service_account: bool = False
    has_usual: bool = False


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


def _nothing(*_: object) -> tuple[()]:
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
        mistakes: Yields what it excludes and needs among the arguments, by identity, facts and spelling.
        admits: Returns the subjects that a trust policy of these parts admits by it without a token, and those that it
            refuses.
        warnings: Yields what is legal but likely not intended, by identity and facts.
    """

    key: str
    name: str
    statements: Callable[[TrustParts], Iterable[Mapping[str, object]]]
    needs: str = ""
    arguments: Sequence[Place] = ()
    instead: str = ""
    has_tags: bool = False
    credentials: str = ""
    ends: tuple[str, str] = ("", "")
    mistakes: Callable[[Identity, WayFacts, Spelling], Iterable[Located]] = _nothing
    admits: Callable[[str, TrustParts], tuple[Collection[str], Collection[str]]] = lambda *_: ((), ())
    warnings: Callable[[Identity, WayFacts], Iterable[Located]] = _nothing

    def __repr__(self) -> str:
        """Return its name."""
        return self.name
