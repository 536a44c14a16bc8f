"""The limits of a team's bindings: the keys that its files may have.

Any other key, a new one too, is the platform team's: a team's file cannot have the key, unless the team's `allow` names
the key.
"""

from collections.abc import Iterator
from typing import get_args

from pydantic.alias_generators import to_camel

from irsa.add_ons.parameters import PARAMETERS, SWITCHES
from irsa.keys.binding import Keys, is_model, unwrapped


def _below(group: str, *keys: str) -> set[str]:
    return {f"{group}.{key}" for key in keys}


# Anything: the namespaces, the permissions boundary and the rules of any binding limit it already.
_OF_AN_ADD_ON = ("addOn", "version", "scope", *map(to_camel, (*PARAMETERS, *SWITCHES)))
_TOKENS = ("automountServiceAccountToken", "stsRegionalEndpoints", "tokenExpiration")
FREE = {
    *_below("serviceAccount", "name", "create", "labels", "annotations", "imagePullSecrets", *_TOKENS),
    "identity",
    *_below("podIdentity.policy", "file", "document"),
    *_below("role", "description", "maxSessionDuration", "forceDetachPolicies"),
    *_below("policy", "file", "document", "description", *_OF_AN_ADD_ON),
    *_below("policies", *_OF_AN_ADD_ON),
    *_below("inlinePolicies", "file", "document"),
    "trust.conditions",
}
# What irsa_config.beyond_limits compares with the settings of the team, unless its `allow` names the key.
COMPARED_OR_ALLOWED = {
    *_below("role", "name", "namePrefix", "tags"),
    *_below("policy", "name", "path", "tags"),
    "podIdentity.tags",
    "audience",
}
COMPARED = {
    "serviceAccount.namespace",
    "trust.subjects",
    "formerly",
    *_below("role", "path", "permissionsBoundary"),
    "policyArns",
}
NOT_REFUSED = FREE | COMPARED_OR_ALLOWED | COMPARED


def keys_of(model: type[Keys], path: str = "") -> Iterator[str]:
    """Yield the keys of a model, each with its path."""
    for key in model.model_fields.values():
        annotation, _ = unwrapped(key.annotation)
        item, _ = unwrapped(get_args(annotation)[-1] if get_args(annotation) else annotation)
        yield from keys_of(item, f"{path}{key.alias}.") if is_model(item) else [f"{path}{key.alias}"]


def allowable(model: type[Keys]) -> list[str]:
    """Return the keys of a binding that a team's `allow` may name."""
    return sorted({*keys_of(model)} - FREE - COMPARED)
