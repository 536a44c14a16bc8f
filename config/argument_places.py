"""Where each argument of the component is in a binding of a stack file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic.alias_generators import to_camel

from irsa.add_ons.catalog import snake
from irsa.fields import ROLE_SETTINGS
from irsa.rules.mistakes import Place, path_of

PLACES: Mapping[Place, Place] = {
    ("service_account",): ("serviceAccount",),
    ("identity",): ("identity",),
    ("role_arn",): ("role", "arn"),
    ("oidc_provider_arns",): ("clusters",),
    ("pod_identity",): ("podIdentity",),
    ("subjects",): ("trust", "subjects"),
    ("any_service_account",): ("trust", "anyServiceAccount"),
    ("audience",): ("audience",),
    ("trust_conditions",): ("trust", "conditions"),
    ("trust_statements",): ("trust", "statements"),
    ("role_name",): ("role", "name"),
    ("role_name_prefix",): ("role", "namePrefix"),
    **{(setting,): ("role", to_camel(setting)) for setting in ROLE_SETTINGS},
    ("policy",): ("policy",),
    ("policies",): ("policies",),
    ("policy_arns",): ("policyArns",),
    ("inline_policies",): ("inlinePolicies",),
    ("assume_role_arns",): ("assumeRoleArns",),
    ("import_existing",): ("import",),
    ("retain_on_delete",): ("retainOnDelete",),
}
# Keys of a binding that are not arguments of the component, and need a created role.
KEYS_OF_A_CREATED_ROLE: tuple[Place, ...] = (("account",),)
QUOTAS: Mapping[Place, str] = {
    ("trust_policy_size_quota",): "irsa:quotas.trustPolicySize",
    ("attached_policies_quota",): "irsa:quotas.attachedPolicies",
}
NESTED = ("service_account", "policy", "pod_identity")
# The argument is a document, which a stack file has in a file or inline.
DOCUMENTS: Sequence[Place] = (("pod_identity", "policy"),)


def place_of(argument: Place) -> Place:
    """Return the place of an argument of the component, or of a part of one, in a binding."""
    place, rest = PLACES.get(argument[:1], argument[:1]), argument[1:]
    if argument[:2] in DOCUMENTS:
        return (*place, to_camel(str(rest[0])), *(("document", *rest[1:]) if rest[1:] else ()))
    if argument[:1] == ("cluster_arns",):
        return ("clusters",)
    if argument[:1] == ("policies",) and rest[1:]:
        return (*place, rest[0], to_camel(str(rest[1])), *rest[2:])
    if argument[:1] and argument[0] in NESTED and rest:
        return (*place, to_camel(str(rest[0])), *rest[1:])
    return (*place, *rest)


def spelled(argument: Place) -> str:
    """Return how a stack file spells an argument of the component."""
    return QUOTAS.get(argument) or path_of(place_of(argument))


def arguments_of(binding: Mapping[str, Any]) -> dict[Place, Any]:
    """Return the arguments for the keys of a binding, with their values, which may have any shape."""
    found = dict(_present(binding, PLACES))
    for name in NESTED:
        nested = binding.get(to_camel(name))
        if isinstance(nested, Mapping):
            found |= {(name, snake(key)): value for key, value in nested.items() if isinstance(key, str)}
    return found | dict(_present(binding, {key: key for key in KEYS_OF_A_CREATED_ROLE}))


def _present(binding: Mapping[str, Any], places: Mapping[Place, Place]) -> Iterator[tuple[Place, Any]]:
    for argument, place in places.items():
        value: Any = binding
        for key in place:
            if not isinstance(value, Mapping) or key not in value:
                break
            value = value[key]
        else:
            yield argument, value
