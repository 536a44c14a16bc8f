"""What components record in a state: the forms of their outputs, and those that can be read. Pure."""

import contextlib
import functools
from collections.abc import Iterable, Mapping
from typing import Any

from irsa import outputs
from irsa.rules import commands
from irsa.rules.arns import parse_cluster_arn, parse_iam_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.policies import parse_object
from irsa.rules.unknown import Unknown
from irsa.ways import parse_identity
from irsa_world.exits import CouldNotLookError
from irsa_world.state.resource import Resource, is_secret, is_unknown

# Outputs of the component that every check of a binding needs.
NEEDED = (outputs.ROLE_ARN, outputs.ANNOTATIONS, outputs.NAMESPACE, outputs.SERVICE_ACCOUNT_NAME, outputs.SUBJECTS)
# What the outputs are, what is in each, and what is in that.
FORMS: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys((outputs.ROLE_ARN, outputs.NAMESPACE, outputs.SERVICE_ACCOUNT_NAME, outputs.TRUST_POLICY), (str,)),
    **dict.fromkeys((outputs.POLICY_ARNS, outputs.SUBJECTS), (list, str)),
    outputs.ANNOTATIONS: (dict, str),
    outputs.ROLE_SETTINGS: (dict, str | int | float),
    outputs.CREATES_SERVICE_ACCOUNT: (bool,),
    outputs.IDENTITY: (dict, str),
    outputs.ASSOCIATIONS: (list, dict),
}
# The same of a guard.
GUARD_FORMS: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(("stack", "mode", "namespace"), (str,)),
    "configMaps": (dict, dict, str),
    **dict.fromkeys(("policies", "bindings"), (dict, dict)),
}
# What is a secret of an association while the rest is known, in words.
MAY_BE_SECRET = {"policy": "the session policy", "tags": "a tag of the association"}
PARSERS: Mapping[str, Any] = {
    outputs.ROLE_ARN: functools.partial(parse_iam_arn, resource_type="role"),
    outputs.TRUST_POLICY: parse_object,
    outputs.IDENTITY: parse_identity,
    outputs.ASSOCIATIONS: lambda those: [parse_cluster_arn(str(each.get("clusterArn"))) for each in those],
}


def known_outputs(component: Resource, forms: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Return the outputs of a component that are no secret, and are known; of associations these may be in part.

    Raises:
        CouldNotLookError: One has another form than the component gives it.
    """
    recorded = {name: value for name, value in component.outputs.items() if name in forms and value is not None}
    known = {name: value for name, value in recorded.items() if not _is_hidden(name, value)}
    for name, value in known.items():
        with contextlib.suppress(Mistake):
            if _is_of(value, *forms[name]):
                PARSERS.get(name, bool)(value)
                continue
        where = f"pulumi stack export: {named(component.urn)}"
        raise CouldNotLookError(f"{where} has another output {name} than irsa gives it")
    return known


def _is_hidden(name: str, value: Any) -> bool:
    if name == outputs.ASSOCIATIONS and isinstance(value, list):
        value = [{key: each for key, each in mapping_of(one).items() if key not in MAY_BE_SECRET} for one in value]
    return is_secret(value) or is_unknown(value)


def _is_of(value: Any, form: Any, *inner: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, form) and (not inner or all(_is_of(each, *inner) for each in items))


def unreadable(component: Resource, needed: Iterable[str], always: Iterable[str], stack: str) -> str:
    """Return why a component cannot be checked: an update failed before what is always there was known, or a secret."""
    recorded = component.outputs
    if any(recorded.get(name) is None for name in always) or is_unknown(recorded):
        return f"the last `pulumi up` did not complete it: run `{commands.up(stack)}`"
    secrets = [name for name in needed if is_secret(recorded.get(name))]
    return f"the state keeps {', '.join(secrets)} as a secret" if secrets else ""


def secret(what: str) -> Any:
    """Return what takes the place of a value that the state keeps as a secret, whatever its type is."""
    return Unknown(f"the state keeps {what} as a secret")
