"""What `irsa verify` and `irsa explain` find wrong with the issuer of a cluster outside EKS, whose documents STS reads.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html#manage-oidc-provider-prerequisites,
https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from irsa.rules import commands
from irsa.rules.arns import HOST_PATH, issuer_host_path
from irsa.rules.mistakes import named
from irsa.rules.trust import federated_providers
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA
from irsa_cli.verify.kinds import ISSUER
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.issuers import eks_region
from irsa_world.live.issuer import Issuer, NotPublished, read_issuer
from irsa_world.live.kubernetes import DISCOVERY, KEYS, ClusterClient, ClusterClients, part_of
from irsa_world.report.checks import Check, Outcome, ask
from irsa_world.state.declared import DeclaredBinding, DeclaredStack
from irsa_world.unread import Unread

REACHED = "irsa reached the issuer {}; whether STS does, `irsa prove` shows"
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
# What the discovery document must list, at least one of these. `claims_supported`, which the guide has too, no API
# server writes, and STS does without.
FIELDS: Mapping[str, Sequence[str]] = {
    "response_types_supported": ("id_token",),
    "subject_types_supported": ("public",),
    "id_token_signing_alg_values_supported": ALGORITHMS,
}
ROTATION = (
    "Pods will fail when it signs: publish it first, wait until all copies have it, sign with it then, and retire the "
    "old key after the longest life of a token"
)
# Of each type.
MOST_KEYS = 100
# What a public key is, without what is said about it: https://datatracker.ietf.org/doc/html/rfc7638#section-3.2
OF_KEY = ("kty", "crv", "n", "e", "x", "y")
# Those that are numbers, and what may stand before them: https://datatracker.ietf.org/doc/html/rfc7518#section-6
NUMBERS = {"n": b"\0", "e": b"\0", "x": b"", "y": b""}
Jwk = Mapping[str, Any]


class Problem(NamedTuple):
    """What is wrong with an issuer, or why that is not known; what should be; whether STS refuses today's tokens."""

    found: str | Unknown
    expected: str = ""
    is_refused: bool = True


def in_clusters(declared: DeclaredStack, bindings: Iterable[DeclaredBinding]) -> dict[str, tuple[str, str] | None]:
    """Return the clusters, perhaps outside EKS, whose tokens these bindings trust, with a service account of each."""
    by_token = [each for each in bindings if IRSA in each.identity.trusted and not each.unreadable and _outside(each)]
    found = dict[str, tuple[str, str] | None]()
    for each in (each for binding in by_token for each in binding.service_accounts):
        found.setdefault(each.provider, (each.namespace, each.name))
    return found or dict.fromkeys(declared.clusters if by_token else ())


def _outside(binding: DeclaredBinding) -> bool:
    """Return whether a binding trusts another issuer than those of EKS, or does not say whom its role trusts."""
    trusted = federated_providers(binding.trust or {})
    return not trusted or any(not eks_region(arn.partition("/")[2]) for arn in trusted)


def of_issuer(
    declared: DeclaredStack, clusters: ClusterClients, reference: str, service_account: tuple[str, str] | None
) -> list[Check]:
    """Return the checks of the issuer of a cluster; none of one of EKS."""
    # That a cluster cannot be reached, each of its bindings says.
    with suppress(CouldNotLookError):
        cluster, key = clusters.of(reference), declared.cluster_keys.get(reference)
        if not eks_region(issuer_host_path(cluster.issuer)):
            row, about = f"irsa:clusters.{key}" if key else "irsa:cluster", f"issuer {named(cluster.issuer)}"
            asked = Check(row, ISSUER, Outcome.OK, about, REACHED.format(named(cluster.issuer)))
            return ask(asked, partial(_of_issuer, cluster, service_account))
    return []


def _of_issuer(cluster: ClusterClient, service_account: tuple[str, str] | None, asked: Check) -> Iterator[Check]:
    issuer = read_issuer(cluster, service_account)
    yield from [asked.bad(each.found, each.expected, "") for each in problems(issuer, cluster.place)] or [asked]
    if isinstance(issuer.token, Unknown):
        unread = asked.bad(issuer.token, about=f"{asked.about}, the key that signs")
        # Who may create tokens of a service account may act as it: nobody needs that right for this.
        is_needless = not isinstance(issuer.token, Unread) or isinstance(issuer.token.error, NoPermissionError)
        yield replace(unread, outcome=Outcome.NOT_CHECKED) if is_needless else unread


def problems(issuer: Issuer, place: commands.ClusterPlace) -> Iterator[Problem]:
    """Yield what is wrong with an issuer, whose API server kubectl reaches by the options of a place. Pure."""
    if not re.fullmatch(f"https://{HOST_PATH}", issuer.url) or ":" in urlsplit(issuer.url).netloc:
        to = "https://, no port, no query and no slash at the end: another --service-account-issuer of the API server"
        yield Problem(f"the issuer is {named(issuer.url)}", f"{to}, and an IAM OIDC provider of that")
        return
    documents = [(issuer.discovery, _of_discovery, DISCOVERY, f"{issuer.url}{DISCOVERY}")]
    if not isinstance(issuer.discovery, Unknown):
        documents.append((issuer.keys, _of_keys, KEYS, str(issuer.discovery.get("jwks_uri"))))
    for document, judge, path, at in documents:
        copy = f"what `{commands.get_raw(place, path)}` prints, at {named(at)}"
        if isinstance(document, Unknown):
            yield Problem(document.reason, copy) if isinstance(document, NotPublished) else Problem(document)
        else:
            yield from judge(issuer, copy)
    # Without them, nothing is known of the next key.
    if not _keys_of(own := issuer.own_keys):
        yield Problem(own if isinstance(own, Unknown) else Unknown("the API server lists no keys"))


def _of_discovery(issuer: Issuer, copy: str) -> Iterator[Problem]:
    if (found := issuer.discovery.get("issuer")) != issuer.url:
        yield Problem(f"the published issuer is {_shown(found)}", f"{named(issuer.url)}, in each character: {copy}")
    for name, values in FIELDS.items():
        listed = issuer.discovery.get(name)
        if not isinstance(listed, list) or not any(each in listed for each in values):
            yield Problem(f"the published {name} is {_shown(listed)}", f"a list with {' or '.join(values)}: {copy}")


def _of_keys(issuer: Issuer, copy: str) -> Iterator[Problem]:
    """Yield what is wrong with the published keys, for those of the API server."""
    published, own, signs = _keys_of(issuer.keys), _keys_of(issuer.own_keys), None
    for kind, number in Counter(str(each.get("kty")) for each in published).items():
        if number > MOST_KEYS:
            yield Problem(f"{number:,} keys of type {named(kind)} are published", f"at most {MOST_KEYS}: {copy}")
    if is_signed := isinstance(issuer.token, str):
        signs, claimed = _signed_by(issuer.token)
        own = own if any(each.get("kid") == signs for each in own) else [{"kid": signs}, *own]
        if claimed != issuer.url:
            to = "as the API server publishes it: one --service-account-issuer for all API servers"
            yield Problem(f"the issuer of a new token is {_shown(claimed)}", f"{named(issuer.url)}, {to}")
    for key in own:
        is_used = is_signed and key.get("kid") == signs
        if fault := _fault(key, published, issuer.token if is_used else Unknown("signed by another one")):
            yield Problem(f"key {_shown(key.get('kid'))} {fault}", copy if is_used else f"{copy}; {ROTATION}", is_used)


def _fault(key: Jwk, published: Sequence[Jwk], token: str | Unknown) -> str:
    """Return why STS cannot use a key as it is published, or with it verify its token; empty if it can.

    A JWK with another `use`, or with `key_ops`, was seen to fail, and so was one without `kid`.
    """
    same = [each for each in published if each.get("kid") == key.get("kid")]
    if not same:
        is_nameless = any("kid" not in each and _material(each) == _material(key) for each in published)
        return "is published without its kid" if is_nameless else "is not published"
    found = same[0]
    if any(each != found for each in same):
        return f"shares its kid with {len(same) - 1} others that are published"
    if _material(key) not in ({}, _material(found)):
        return "is published as another key of this kid"
    if found.get("use") not in (None, "sig"):
        return f"is published with the use {_shown(found['use'])}"
    if "key_ops" in found:
        return "is published with key_ops"
    is_wrong = isinstance(token, str) and not _is_verified(token, _material(found))
    return f"does not verify a new token by {', '.join(ALGORITHMS)}" if is_wrong else ""


def _signed_by(token: str) -> tuple[Any, Any]:
    """Return the kid of the key that signs a token, and the token's issuer; None for what it has not."""
    with suppress(ValueError, IndexError, AttributeError):
        header, claims = part_of(token, 0), part_of(token, 1)
        return header.get("kid"), claims.get("iss") if isinstance(claims, dict) else None
    return None, None


def _is_verified(token: str, key: dict[str, Any]) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 (slow to import, and an EKS cluster does not need it)
    from joserfc import errors, jwk, jws  # noqa: PLC0415 (same)

    try:
        return bool(jws.deserialize_compact(token, jwk.import_key(key), algorithms=ALGORITHMS))
    except (errors.JoseError, ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm):
        return False


def _keys_of(document: Any) -> list[Jwk]:
    """Return the keys of a JWK Set; of what others wrote, those that are some."""
    keys = document.get("keys") if isinstance(document, dict) else None
    return [each for each in keys if isinstance(each, dict)] if isinstance(keys, list) else []


def _material(key: Jwk) -> dict[str, Any]:
    return {name: _plain(name, key[name]) for name in OF_KEY if name in key}


def _plain(name: str, value: Any) -> Any:
    """Return a value, of a number without padding and leading zeros: with these, it is the same one."""
    if name in NUMBERS and isinstance(value, str) and re.fullmatch("[A-Za-z0-9_-]+=*", value):
        with suppress(ValueError):
            number = urlsafe_b64decode(value.rstrip("=") + "==").lstrip(NUMBERS[name])
            return urlsafe_b64encode(number).decode().rstrip("=")
    return value


def _shown(value: Any) -> str:
    return "missing" if value is None else named(value if isinstance(value, str) else json.dumps(value))
