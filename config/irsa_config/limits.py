"""The limits of a team's bindings: four sets that name every key of a binding; tests hold them to all of them."""

from pydantic.alias_generators import to_camel

from irsa.add_ons.parameters import PARAMETERS, SWITCHES


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
# Nothing but the default.
REFUSED = {
    *_below("serviceAccount", "takeOver", "createNamespace"),
    *_below("podIdentity", "sessionTags", "targetRoleArn", "importIds"),
    "role.arn",
    *_below("trust", "anyServiceAccount", "statements"),
    *("assumeRoleArns", "import", "retainOnDelete", "protect", "clusters", "account"),
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
ALLOWABLE = sorted(REFUSED | COMPARED_OR_ALLOWED)
