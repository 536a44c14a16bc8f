"""The ways in which the Pods of a service account get a role: IRSA, EKS Pod Identity, or both in the stages between."""

import json
from collections.abc import Mapping, Sequence

from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import Mistake, likely, shortened
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown
from irsa.ways.irsa import IRSA
from irsa.ways.pod_identity import POD_IDENTITY
from irsa.ways.way import IDENTITY, TRUSTED, USED, Identity, TrustParts, Way, WayFacts

__all__ = ["IDENTITY", "IRSA", "POD_IDENTITY", "TRUSTED", "USED", "Identity", "TrustParts", "Way", "WayFacts"]
WAYS = (IRSA, POD_IDENTITY)


def _identity(uses: Mapping[str, str]) -> Identity:
    """Return what is there of each way, by `used` or `trusted` for its key."""
    trusted = tuple(way for way in WAYS if way.key in uses)
    return Identity(tuple(way for way in trusted if uses[way.key] == USED), trusted)


ONLY_IRSA, BOTH = _identity({IRSA.key: USED}), _identity({IRSA.key: USED, POD_IDENTITY.key: USED})
SHORT: Mapping[str, Identity] = {
    IRSA.key: ONLY_IRSA,
    "both": BOTH,
    POD_IDENTITY.key: _identity({POD_IDENTITY.key: USED}),
}
_KEYS = [way.key for way in WAYS]
_ALLOWED = f"{', '.join(SHORT)}, or a mapping of {' and '.join(_KEYS)}, each used or trusted"
_MAPPING = "write {irsa: trusted, podIdentity: used}"


def parse_identity(value: object) -> Identity:
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
    for way, use in value.items():
        if way not in _KEYS:
            raise Mistake(f"unknown way {shortened(way)}", _ALLOWED, _meant(way, _KEYS))
        if use not in (USED, TRUSTED):
            fix = "leave it out" if use in ("absent", None) else _meant(use, [USED, TRUSTED])
            raise Mistake(f"{way}: {shortened(use)}", "used, or trusted", fix)
    if not value:
        raise Mistake("an empty mapping", _ALLOWED, _MAPPING)
    return _identity(value)


def _meant(text: object, known: list[str]) -> str:
    close = likely(text, known)
    return f"write {json.dumps(close)}" if close is not None else f"write {' or '.join(known)}"


def trust_document(parts: TrustParts, ways: Sequence[Way] = ()) -> str:
    """Return the trust policy of a role, as minified JSON: the same input makes the same text.

    A way that needs an argument is there where that is among the parts, another one where it is among these ways. The
    text is empty without a subject or a way: the role would trust nobody or, without `sub`, everybody.

    Raises:
        Mistake: A provider ARN is not one.
    """
    there = [way for way in WAYS if (getattr(parts, way.needs) if way.needs else way in ways)]
    if not parts.subjects or not there:
        return ""
    trusting = (statement for way in there for statement in way.statements(parts))
    return minified({"Version": VERSION, "Statement": [*trusting, *parts.statements]})
