"""The limits of a team's bindings: one table, whose rows name every key of a binding; tests hold it to all of them."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from irsa.add_ons.parameters import PARAMETERS, SWITCHES


class Limit(Enum):
    """What a team may write under a key."""

    FREE = auto()
    """Anything: the namespaces, the permissions boundary and the rules of any binding limit it already."""
    REFUSED = auto()
    """Nothing but the default."""
    NAMESPACES = auto()
    """What lies in the team's `namespaces`."""
    KEYS = auto()
    """What matches the team's `keys`."""
    NAMES = auto()
    """The same, unless the team's `allow` names it."""
    ROLE = auto()
    """What the team's `role` or `irsa:defaults` set."""
    PATH = auto()
    """The same, unless the team's `allow` names it."""
    POLICY_ARNS = auto()
    """What matches the team's `policyArns`."""
    TAGS = auto()
    """Tags that neither EKS nor `irsa:defaults` sets."""
    AUDIENCE = auto()
    """The audience of the stack."""


# Of an add-on: what it may reach is a document, which the permissions boundary limits.
_OF_AN_ADD_ON = ("addOn", "version", "scope", *PARAMETERS, *SWITCHES)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


_KEYS: Mapping[Limit, Sequence[str]] = {
    Limit.FREE: (
        "serviceAccount.name",
        "serviceAccount.create",
        "serviceAccount.labels",
        "serviceAccount.annotations",
        "serviceAccount.imagePullSecrets",
        "serviceAccount.automountServiceAccountToken",
        "serviceAccount.stsRegionalEndpoints",
        "serviceAccount.tokenExpiration",
        "identity",
        "podIdentity.policy.file",
        "podIdentity.policy.document",
        "role.description",
        "role.maxSessionDuration",
        "role.forceDetachPolicies",
        "policy.file",
        "policy.document",
        "policy.description",
        "inlinePolicies.file",
        "inlinePolicies.document",
        "trust.conditions",
    ),
    Limit.REFUSED: (
        "serviceAccount.takeOver",
        "serviceAccount.createNamespace",
        "podIdentity.sessionTags",
        "podIdentity.targetRoleArn",
        "podIdentity.importIds",
        "role.arn",
        "trust.anyServiceAccount",
        "trust.statements",
        "assumeRoleArns",
        "import",
        "retainOnDelete",
        "protect",
        "clusters",
        "account",
    ),
    Limit.NAMESPACES: (
        "serviceAccount.namespace",
        "trust.subjects",
    ),
    Limit.KEYS: ("formerly",),
    Limit.NAMES: (
        "role.name",
        "role.namePrefix",
        "policy.name",
    ),
    Limit.ROLE: (
        "role.path",
        "role.permissionsBoundary",
    ),
    Limit.PATH: ("policy.path",),
    Limit.POLICY_ARNS: ("policyArns",),
    Limit.TAGS: (
        "role.tags",
        "policy.tags",
        "podIdentity.tags",
    ),
    Limit.AUDIENCE: ("audience",),
}
LIMITS: Mapping[str, Limit] = {
    **{key: limit for limit, keys in _KEYS.items() for key in keys},
    **{f"{key}.{_camel(name)}": Limit.FREE for key in ("policy", "policies") for name in _OF_AN_ADD_ON},
}
ALLOWABLE = sorted(
    key for key, limit in LIMITS.items() if limit.name in ("REFUSED", "NAMES", "PATH", "TAGS", "AUDIENCE")
)
