"""The ways in which the Pods of a service account get a role: IRSA, EKS Pod Identity, or both in the stages between.

https://docs.aws.amazon.com/eks/latest/userguide/service-accounts.html#service-accounts-iam
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from irsa.rules.mistakes import Mistake, likely, shortened
from irsa.rules.unknown import Unknown

IRSA, POD_IDENTITY = "irsa", "podIdentity"


class Use(StrEnum):
    """What is there of a way.

    The statement of a way goes one `pulumi up` later than the annotation or the association: the engine deletes what is
    not declared any more when the program has ended, and by then the statement would be gone.
    """

    USED = "used"
    """Its statement in the trust policy, and the annotation of IRSA or the association of Pod Identity."""
    TRUSTED = "trusted"
    """Only its statement in the trust policy."""
    ABSENT = "absent"


class Identity(NamedTuple):
    """What is there of each way."""

    irsa: Use = Use.USED
    pod_identity: Use = Use.ABSENT

    @property
    def recorded(self) -> dict[str, str]:
        """The ways that are there, as a stack file writes them."""
        ways = {IRSA: self.irsa, POD_IDENTITY: self.pod_identity}
        return {way: use.value for way, use in ways.items() if use is not Use.ABSENT}


ONLY_IRSA, BOTH = Identity(), Identity(Use.USED, Use.USED)
SHORT: Mapping[str, Identity] = {
    IRSA: ONLY_IRSA,
    "both": BOTH,
    POD_IDENTITY: Identity(Use.ABSENT, Use.USED),
}
_ALLOWED = f"{', '.join(SHORT)}, or a mapping of irsa and podIdentity, each used or trusted"
_MAPPING = "write {irsa: trusted, podIdentity: used}"


def parse_identity(value: Any) -> Identity:
    """Return the ways that are meant: `irsa`, `both`, `podIdentity`, or a mapping of ways to `used` or `trusted`.

    Raises:
        Mistake: It is neither, or names no way.
    """
    if isinstance(value, str):
        if value in SHORT:
            return SHORT[value]
        raise Mistake(shortened(value), _ALLOWED, _meant(value, [*SHORT]))
    if not isinstance(value, Mapping) or isinstance(value, Unknown):
        raise Mistake(shortened(value), _ALLOWED, "write one of these words")
    uses: dict[str, Use] = {}
    for way, use in value.items():
        if way not in (IRSA, POD_IDENTITY):
            raise Mistake(f"unknown way {shortened(way)}", _ALLOWED, _meant(way, [IRSA, POD_IDENTITY]))
        if use not in (Use.USED.value, Use.TRUSTED.value):
            fix = (
                "leave it out" if use in (Use.ABSENT.value, None) else _meant(use, [Use.USED.value, Use.TRUSTED.value])
            )
            raise Mistake(f"{way}: {shortened(use)}", "used, or trusted", fix)
        uses[way] = Use(use)
    if not uses:
        raise Mistake("an empty mapping", _ALLOWED, _MAPPING)
    return Identity(uses.get(IRSA, Use.ABSENT), uses.get(POD_IDENTITY, Use.ABSENT))


def _meant(text: Any, known: list[str]) -> str:
    close = likely(text, known)
    return f"write {json.dumps(close)}" if close is not None else f"write {' or '.join(known)}"
