"""What is wrong with an issuer outside EKS: documents as the API server writes them, one part of them broken.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html#manage-oidc-provider-prerequisites
"""

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jws

from irsa.rules.commands import ClusterPlace
from irsa.rules.unknown import Unknown
from irsa_cli.verify.issuer import problems
from irsa_world.exits import CouldNotLookError
from irsa_world.live.issuer import Issuer
from irsa_world.unread import Unread
from tests.issuer_site import ISSUER, KEYS

OLD, NEW = jwk.generate_key("RSA", 2048), jwk.generate_key("EC", "P-256")


def public(key: Any, key_id: str, algorithm: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", "kid": key_id, "alg": algorithm}


def token(claims: Any, key: Any = OLD, name: str = "old", algorithm: str = "RS256") -> str:
    return jws.serialize_compact({"alg": algorithm, "kid": name}, json.dumps(claims), key, algorithms=[algorithm])


JWKS = {"keys": [public(OLD, "old", "RS256"), public(NEW, "new", "ES256")]}
DISCOVERY = {
    "issuer": ISSUER,
    "jwks_uri": KEYS,
    "response_types_supported": ["id_token"],
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["RS256", "ES256"],
}
GOOD = Issuer(ISSUER, token({"iss": ISSUER}), JWKS, DISCOVERY, JWKS)
DENIED = Unread(CouldNotLookError("get /openid/v1/jwks: forbidden"))


def said(issuer: Issuer) -> list[tuple[str, bool]]:
    """Return what is found, and whether STS refuses tokens for it."""
    found = [*problems(issuer, ClusterPlace("own"))]
    return [
        (f"unknown: {each.found.reason}" if isinstance(each.found, Unknown) else each.found, each.is_refused)
        for each in found
    ]


def test_what_the_api_server_writes_is_good() -> None:
    assert said(GOOD) == []
    # With a retired key, and one for other uses, of a type that nobody knows.
    more = [{**JWKS["keys"][0], "kid": "retired"}, {"kty": "AKP", "use": "enc", "key_ops": ["encrypt"]}, 7]
    assert said(replace(GOOD, keys={"keys": [*JWKS["keys"], *more]})) == []
    assert said(replace(GOOD, token=Unknown("denied"))) == []


@given(st.integers(0, 3), st.integers(0, 2), st.sampled_from("nexy"))
def test_another_form_of_a_number_is_the_same_key(zeros: int, padding: int, name: str) -> None:
    """https://datatracker.ietf.org/doc/html/rfc7518#section-2: Base64urlUInt has neither, and others write both."""
    old, new = copy.deepcopy(JWKS["keys"])
    key = old if name in old else new
    number = bytes(zeros if key is old else 0) + base64.urlsafe_b64decode(key[name] + "==")
    key[name] = base64.urlsafe_b64encode(number).decode().rstrip("=") + "=" * padding
    by_new = token({"iss": ISSUER}, NEW, "new", "ES256")
    for issuer in (GOOD, replace(GOOD, token=by_new), replace(GOOD, token=Unknown("denied"))):
        assert said(replace(issuer, keys={"keys": [old, new, new]})) == []


def of_discovery(**changed: Any) -> Issuer:
    return replace(GOOD, discovery={**DISCOVERY, **changed})


def of_keys(change: Callable[[list[Any]], object]) -> Issuer:
    document = copy.deepcopy(JWKS)
    change(document["keys"])
    return replace(GOOD, keys=document)


# What is broken, what is found, and whether the tokens of today are refused.
BROKEN: dict[str, tuple[Issuer, str, bool]] = {
    "no issuer": (of_discovery(issuer=None), "the published issuer is missing", True),
    "subject types": (of_discovery(subject_types_supported="public"), "the published subject_types_supported", True),
    "algorithms": (
        of_discovery(id_token_signing_alg_values_supported=["HS256", "none"]), "the published id_token_signing", True),
    "no own keys": (replace(GOOD, own_keys={}), "unknown: the API server lists no keys", True),
    "own keys denied": (replace(GOOD, own_keys=DENIED), "unknown: get /openid/v1/jwks: forb", True),
    "the token's issuer": (
        replace(GOOD, token=token({"iss": "https://b.example"})), "the issuer of a new token is https://b.", True),
    "no token": (replace(GOOD, token=token([])), "the issuer of a new token is missing", True),
    "the key that signs": (of_keys(lambda keys: keys.pop(0)), "key old is not published", True),
    "the next key": (of_keys(lambda keys: keys.pop()), "key new is not published", False),
    "use": (of_keys(lambda keys: keys[1].update(use="enc")), "key new is published with the use enc", False),
    "a kid twice": (of_keys(lambda keys: keys.append({**keys[1], "kid": "old"})), "key old shares its kid", True),
    # The attack, or a copy by hand: tokens are signed with another key of the same name.
    "another key": (of_keys(lambda keys: keys[0].update(n=keys[0]["n"][::-1])), "key old is published as an", True),
    "too many": (
        of_keys(lambda keys: keys.extend({**keys[0], "kid": f"{n}"} for n in range(100))), "101 keys of type", True),
}  # fmt: skip


@pytest.mark.parametrize(("issuer", "found", "is_refused"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_found(issuer: Issuer, found: str, is_refused: bool) -> None:
    (only,) = said(issuer)

    assert only[0].startswith(found)
    assert only[1] is is_refused


@pytest.mark.parametrize("keys", [[{}], [], {"old": 1}])
def test_each_key_that_is_missing_is_named(keys: Any) -> None:
    own = {"keys": [*JWKS["keys"], {**JWKS["keys"][1], "kid": "newer"}]}

    found = [name for name, _ in said(replace(GOOD, own_keys=own, keys={"keys": keys}))]

    assert found == [f"key {name} is not published" for name in ("old", "new", "newer")]


@pytest.mark.parametrize("own_keys", [JWKS, DENIED])
def test_the_published_key_verifies_the_token(own_keys: Any) -> None:
    """The attack: whoever may write what is published has STS take tokens of another key; or a copy went wrong."""
    other = {**public(NEW, "old", "ES256")}
    found = said(replace(GOOD, own_keys=own_keys, keys={"keys": [other, JWKS["keys"][1]]}))

    assert found[0][0].startswith("key old is published as another" if own_keys is JWKS else "key old does not verify")


@pytest.mark.parametrize(
    "url",
    ["http://a.example", "https://a.example:8443", "https://a.example/?x=1", "https://a.example/b/", "https://u@a.example",
     "https://[::1]", "https://a.example/#b", "https://"],
)  # fmt: skip
def test_an_issuer_that_iam_has_no_provider_for(url: str) -> None:
    (found,) = said(replace(GOOD, url=url))

    assert found[0].startswith("the issuer is ")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*DISCOVERY, *JWKS["keys"][0], "keys"]), inner, max_size=4)
        ),
    ).filter(lambda value: isinstance(value, dict))
)
def test_whatever_is_published_has_an_answer(document: Any) -> None:
    changed = [{**key, **document} for key in JWKS["keys"]]
    for each in (
        replace(GOOD, discovery=document),
        replace(GOOD, keys=document),
        replace(GOOD, own_keys=document),
        replace(GOOD, own_keys=[document]),
        replace(GOOD, token=f"{document}.b.c"),
        replace(GOOD, keys={"keys": changed}, own_keys=DENIED),
    ):
        assert all("\n" not in found for found, _ in said(each))
