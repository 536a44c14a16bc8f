"""A stack at one time: its roles, who is given them, and what they may do. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.document import Parsed
from irsa.rules.unknown import Unknown
from irsa_world.model import Association
from irsa_world.trusts.chains import Document, RolePolicies

UNREAD = Unknown("it is not in the preview")
UNKNOWN_ARN = "not known until `pulumi up`"
NOT_THERE = "the role is not in the preview, and the state was not read: another policy of it may have these, too"
# What a trust policy says that is none.
NOTHING: Parsed = ("", ())
# Stands for every key of a tag.
ANY_TAG = "*"


def place_of(association: Association) -> str:
    """Return what the cluster of an association is known by: its ARN; else the URN of the association."""
    return association.association_arn or association.cluster_arn


class Permits(NamedTuple):
    """What decides what a role may do.

    Attributes:
        documents: The documents of its policies, as far as they were read.
        attached: ARNs of the managed policies of others.
        boundary: ARN of its permissions boundary; empty without one, UNKNOWN_ARN where it is not known.
        limits: The document of that; None without one.
        tags: Its tags.
        sessions: Who has sessions of it by EKS Pod Identity, and whether these have tags; and that tokens have some.
        read: Those of the policies of others that were read.
    """

    documents: Sequence[Document] = ()
    attached: frozenset[str] = frozenset()
    boundary: str = ""
    limits: Document | None = None
    tags: Mapping[str, Any] = {}
    sessions: frozenset[tuple[str, str, bool]] = frozenset()
    read: frozenset[str] = frozenset()

    @property
    def known(self) -> list[Mapping[str, Any]]:
        """The documents that were read."""
        return [each for each in self.documents if isinstance(each, Mapping)]

    @property
    def has_policies(self) -> bool:
        """Whether it has policies, read or not."""
        return bool(self.documents or self.attached)


NO_PERMITS = Permits()


class Role(NamedTuple):
    """A role of the stack.

    Attributes:
        name: Its name; while IAM has yet to choose it, its logical name.
        arn: Its ARN; empty while IAM has yet to choose its name.
        partition: The partition of its AWS account.
        aws_account: The number of its AWS account; empty where it is not known.
        trust: Its trust policy; None where it is not known.
        problem: Why it is not known, or no trust policy.
        parsed: Version and statements of its trust policy; none where it has none, or IAM would refuse it.
        trust_changes: Whether the engine says that it gets another trust policy: two secrets look alike.
        associations: The EKS Pod Identity associations that give it, sorted.
        permits: What decides what it may do.
        session_policies: Those of its associations, by their cluster (place_of) and service account.
    """

    name: str
    arn: str
    partition: str = "aws"
    aws_account: str = ""
    trust: Mapping[str, Any] | None = None
    problem: str = ""
    parsed: Parsed = NOTHING
    trust_changes: bool = False
    associations: tuple[Association, ...] = ()
    permits: Permits = NO_PERMITS
    session_policies: Mapping[tuple[str, str], Document] = {}

    @property
    def policies(self) -> RolePolicies:
        """What its policies say."""
        return RolePolicies(self.permits.documents, self.permits.limits)


class World(NamedTuple):
    """What a stack has at one time.

    Attributes:
        roles: Its roles, by ARN, or by URN where IAM has yet to choose the name.
        others: Roles that are not in it, as far as it says something of them: by ARN, by their name, or by whose they
            are; UNKNOWN_ARN where an association's role is not known.
        client_ids: The client IDs of its OIDC providers, by ARN; None where they are not known.
        service_accounts: Its service accounts, as `namespace:name`.
        documents: The documents of its managed policies, by ARN, as far as that is known.
        keys: The keys of its roles, by URN.
        in_use: ARNs of those managed policies that a role of it has, as a permissions boundary too.
    """

    roles: Mapping[str, Role]
    others: Mapping[str, Role]
    client_ids: Mapping[str, tuple[str, ...] | None]
    service_accounts: frozenset[str]
    documents: Mapping[str, Document]
    keys: Mapping[str, str]
    in_use: frozenset[str]

    @property
    def every(self) -> Mapping[str, Role]:
        """All roles, by their keys."""
        return {**self.others, **self.roles}

    def with_read(self, read: Mapping[str, Document]) -> "World":
        """Return the same with the documents of managed policies and boundaries of others, by ARN, that were read."""
        known = {**read, **self.documents}

        def of_role(role: Role) -> Role:
            old = role.permits
            documents = [*old.documents, *(read[arn] for arn in sorted(old.attached) if arn in read)]
            limits = known.get(old.boundary, old.limits) if old.boundary else None
            permits = old._replace(documents=documents, limits=limits, read=frozenset(old.attached & read.keys()))
            return role._replace(permits=permits)

        roles, others = ({key: of_role(each) for key, each in those.items()} for those in (self.roles, self.others))
        return self._replace(roles=roles, others=others)
