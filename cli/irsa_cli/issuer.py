"""What is wrong with the issuer of a cluster outside EKS, whose documents STS reads. Pure.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html#manage-oidc-provider-prerequisites,
https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwk, jws
from joserfc.errors import JoseError

from irsa.rules import commands
from irsa.rules.arns import HOST_PATH
from irsa.rules.mistakes import named
from irsa.rules.unknown import Unknown
from irsa_world.live.issuer import PROVE, Issuer, NotPublished
from irsa_world.live.kubernetes import ISSUER_PATH, KEYS_PATH

REACHED = f"irsa reached the issuer {{}}; {PROVE}"
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
# What a field of the discovery document must list, at least one of these. `claims_supported`, which the guide has too,
# no API server writes, and STS does without.
FIELDS: Mapping[str, Sequence[str]] = {
    "response_types_supported": ("id_token",),
    "subject_types_supported": ("public",),
    "id_token_signing_alg_values_supported": ALGORITHMS,
}
ROTATION = (
    "Pods will fail when it signs: publish it first, wait until all copies have it, sign with it then, and retire the "
    "old key after the longest life of a token"
)
# Of each type of key.
MOST_KEYS = 100
# What a public key is, without what is said about it: https://datatracker.ietf.org/doc/html/rfc7638#section-3.2
OF_KEY = ("kty", "crv", "n", "e", "x", "y")
Jwk = Mapping[str, Any]


class Problem(NamedTuple):
    """What is wrong with an issuer, or not known of it.

    Attributes:
        found: What there is, or why that is not known.
        expected: What there should be, and how it comes to be.
        is_refused: Whether STS refuses the tokens of today for it.
    """

    found: str | Unknown
    expected: str = ""
    is_refused: bool = True


def problems(issuer: Issuer, place: commands.ClusterPlace) -> Iterator[Problem]:
    """Yield what is wrong with an issuer, whose API server kubectl reaches by the options of a place."""
    if not re.fullmatch(f"https://{HOST_PATH}", issuer.url) or ":" in urlsplit(issuer.url).netloc:
        to = "https://, no port, no query and no slash at the end: another --service-account-issuer of the API server"
        yield Problem(f"the issuer is {named(issuer.url)}", f"{to}, and an IAM OIDC provider of that")
        return
    copy = f"what `{commands.get_raw(place, ISSUER_PATH)}` prints, at {named(issuer.url + ISSUER_PATH)}"
    if isinstance(issuer.discovery, Unknown):
        yield _unpublished(issuer.discovery, copy)
    else:
        yield from _of_discovery(issuer, copy)
        at = named(str(issuer.discovery.get("jwks_uri")))
        copy = f"what `{commands.get_raw(place, KEYS_PATH)}` prints, at {at}"
        yield from [_unpublished(issuer.keys, copy)] if isinstance(issuer.keys, Unknown) else _of_keys(issuer, copy)
    # Without it, nothing is known of the next key.
    if isinstance(issuer.own_keys, Unknown):
        yield Problem(issuer.own_keys)


def _unpublished(document: Unknown, copy: str) -> Problem:
    return Problem(document.reason, copy) if isinstance(document, NotPublished) else Problem(document)


def _of_discovery(issuer: Issuer, copy: str) -> Iterator[Problem]:
    """Yield what is wrong with the discovery document."""
    found = issuer.discovery.get("issuer")
    if found != issuer.url:
        yield Problem(f"the published issuer is {_shown(found)}", f"{named(issuer.url)}, in each character: {copy}")
    for name, values in FIELDS.items():
        listed = issuer.discovery.get(name)
        if not isinstance(listed, list) or not any(each in listed for each in values):
            yield Problem(f"the published {name} is {_shown(listed)}", f"a list with {' or '.join(values)}: {copy}")


def _of_keys(issuer: Issuer, copy: str) -> Iterator[Problem]:
    """Yield what is wrong with the published keys, for those of the API server."""
    published, own = _keys_of(issuer.keys), _keys_of(issuer.own_keys)
    if not published:
        yield Problem("no keys are published", f"a JWK Set: {copy}")
        return
    for kind, number in Counter(str(each.get("kty")) for each in published).items():
        if number > MOST_KEYS:
            yield Problem(f"{number:,} keys of type {named(kind)} are published", f"at most {MOST_KEYS}: {copy}")
    wanted, signs = [(each.get("kid"), each) for each in own], None
    if is_signed := isinstance(issuer.token, str):
        signs, claimed = _signed_by(issuer.token)
        wanted = wanted if any(key_id == signs for key_id, _ in wanted) else [(signs, {}), *wanted]
        if claimed != issuer.url:
            to = "as the API server publishes it: one --service-account-issuer for all API servers"
            yield Problem(f"the issuer of a new token is {_shown(claimed)}", f"{named(issuer.url)}, {to}")
    for key_id, key in wanted:
        is_used = is_signed and key_id == signs
        fault = _fault(key_id, key, published) or (_not_verified(issuer, key_id, published) if is_used else "")
        if fault:
            yield Problem(f"key {_shown(key_id)} {fault}", copy if is_used else f"{copy}; {ROTATION}", is_used)


def _fault(key_id: Any, key: Jwk, published: Sequence[Jwk]) -> str:
    """Return why STS finds no such key among those that are published; empty if it does.

    A JWK with another `use`, or with `key_ops`, was seen to fail, and so was one without `kid`.
    """
    same = [each for each in published if each.get("kid") == key_id]
    if not same:
        is_nameless = any(key and "kid" not in each and _material(each) == _material(key) for each in published)
        return "is published without its kid" if is_nameless else "is not published"
    if len(same) > 1:
        return f"shares its kid with {len(same) - 1} others that are published"
    if key and _material(same[0]) != _material(key):
        return "is published as another key of this kid"
    if same[0].get("use", "sig") != "sig":
        return f"is published with the use {_shown(same[0]['use'])}"
    return "is published with key_ops" if "key_ops" in same[0] else ""


def _not_verified(issuer: Issuer, key_id: Any, published: Sequence[Jwk]) -> str:
    """Return that the published key does not verify the token that it signs; empty if it does."""
    try:
        key = jwk.import_key(next(_material(each) for each in published if each.get("kid") == key_id))
        jws.deserialize_compact(str(issuer.token), key, algorithms=ALGORITHMS)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm):
        return f"does not verify a new token by {', '.join(ALGORITHMS)}"
    return ""


def _signed_by(token: str) -> tuple[Any, Any]:
    """Return the kid of the key that signs a token, and the token's issuer; None for what it has not."""
    try:
        signed = jws.extract_compact(token.encode())
        return signed.headers().get("kid"), json.loads(signed.payload)["iss"]
    except (JoseError, ValueError, KeyError, TypeError):
        return None, None


def _keys_of(document: Any) -> list[Jwk]:
    """Return the keys of a JWK Set; of what others wrote, those that are some."""
    keys = None if isinstance(document, Unknown) else document.get("keys")
    return [each for each in keys if isinstance(each, dict)] if isinstance(keys, list) else []


def _material(key: Jwk) -> dict[str, Any]:
    return {name: key[name] for name in OF_KEY if name in key}


def _shown(value: Any) -> str:
    return "missing" if value is None else named(value if isinstance(value, str) else json.dumps(value))
