"""An update that AWS refused must not look done: the state has it as done, so that the next one would change nothing.

Terraform's SDK returns what was planned with the error, and Pulumi's bridge keeps that as the state
(https://github.com/pulumi/pulumi/issues/21458). The engine updates the resource again, since it knows of the error; but
the provider finds no difference, calls nothing, and the update is green.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import pulumi
import pulumi_aws as aws

from irsa.later import awaited
from irsa.rules.commands import up
from irsa.rules.names import snake
from irsa.types import NOUNS, POLICY, ROLE, ROLE_SETTINGS

# What an update may take away: the state has it, and the program does not declare it any more.
REMOVABLE = frozenset({"description", "permissionsBoundary", "policy", "tags", "targetRoleArn"})
DOCUMENTS = frozenset({"assumeRolePolicy", "policy"})
# What the provider reads of one by its ID, and has of it then.
READ: Mapping[str, tuple[Callable[..., pulumi.Output[Any]], str, tuple[str, ...]]] = {
    ROLE: (aws.iam.get_role_output, "name", ("arn", "assumeRolePolicy", *ROLE_SETTINGS)),
    POLICY: (aws.iam.get_policy_output, "arn", ("arn", "policy", "description")),
}
# By type and logical name of a resource, the components that have one: several may, below parents of other types.
components: defaultdict[tuple[str, str], WeakSet[pulumi.Resource]] = defaultdict(WeakSet)


class NothingUpdatedError(Exception):
    """The provider is asked for an update in which nothing differs."""


def once_for_each_owner(
    make: Callable[[pulumi.Resource | None, str], pulumi.ResourceHookBinding],
) -> Callable[[pulumi.Resource | None], pulumi.ResourceHookBinding | None]:
    """Return what gives a component its hooks, made once for whose they are, with the end of their names.

    A deployment takes a hook of one name but once: a program has one of each, and in a plugin each component.
    """
    bindings: WeakKeyDictionary[pulumi.Resource, pulumi.ResourceHookBinding] = WeakKeyDictionary()

    def hooks_of(component: pulumi.Resource | None) -> pulumi.ResourceHookBinding | None:
        stack = pulumi.runtime.get_root_resource()
        owner = stack or component
        found = bindings.get(owner) if owner else None
        if owner and found is None:
            found = bindings[owner] = make(component, "" if stack else f":{uuid.uuid4()}")
        return found

    return hooks_of


@once_for_each_owner
def hooks(_: pulumi.Resource | None, own: str) -> pulumi.ResourceHookBinding:
    """Return what is asked before and after each update of a resource of AWS."""
    # The state keeps their names with each resource.
    before = pulumi.ResourceHook(f"irsa:update{own}", _refuse, pulumi.ResourceHookOptions(on_dry_run=True))
    after = pulumi.ResourceHook(f"irsa:updated{own}", _compare)
    return pulumi.ResourceHookBinding(before_update=[before], after_update=[after])


async def component_of(update: pulumi.ResourceHookArgs) -> pulumi.Resource | None:
    """Return the component of what is updated, whose provider reads it."""
    for component in [*components[update.type, update.name]]:
        # A URN has the types of all parents.
        types = str(await component.urn.future()).rpartition("::")[0]
        if update.urn == f"{types}${update.type}::{update.name}":
            return component
    return None


def about(update: pulumi.ResourceHookArgs) -> str:
    """Return the kind and the logical name of what is updated: one name may be of several kinds."""
    return f"the {NOUNS.get(update.type, update.type)} {update.name}"


async def _refuse(update: pulumi.ResourceHookArgs) -> None:
    """Refuse an update of which the provider would do nothing, unless AWS has what is declared; a preview warns."""
    inputs, outputs = await properties_of(update.new_inputs), await properties_of(update.old_outputs)
    if not is_same(inputs, outputs) or await _is_there(update, inputs, outputs):
        return
    text = (
        f"AWS may still have what was there before: the last creation or update of {about(update)} may have failed, "
        f"but the state records it as done. Run `{up(pulumi.get_stack())}`, which reads AWS first"
    )
    if not pulumi.runtime.is_dry_run():
        raise NothingUpdatedError(text)
    pulumi.log.warn(text)


async def _is_there(update: pulumi.ResourceHookArgs, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> bool:
    """Return whether AWS has what is declared, as the provider reads it; not where it cannot."""
    component = await component_of(update)
    if component is None or update.type not in READ:
        return False
    read, by, names = READ[update.type]
    found = await awaited(read(**{by: update.id}, opts=pulumi.InvokeOutputOptions(parent=component)))
    if found is None or isinstance(found, Exception):
        return False
    there = {name: getattr(found, snake(name)) for name in names}
    # One of another AWS account may have the name.
    return there["arn"] == outputs.get("arn") and is_same(inputs, {**outputs, **there, "tagsAll": found.tags})


async def _compare(update: pulumi.ResourceHookArgs) -> None:
    """Warn where AWS has something else after an update: a part of it may have failed the last time."""
    if not is_same(await properties_of(update.new_inputs), await properties_of(update.new_outputs)):
        text = f"{about(update)} in AWS may differ from what is declared. Run `{up(pulumi.get_stack())}`"
        pulumi.log.warn(text)


async def properties_of(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the properties that a hook gets, with what is secret in them."""
    found = (values or {}).items()
    return {key: await each.future() if isinstance(each, pulumi.Output) else each for key, each in found}


def is_same(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> bool:
    """Return whether the outputs of a resource have all that is declared, and nothing that is not any more."""
    return all(
        _comparable(key, inputs.get(key)) == _comparable(key, outputs.get(key))
        for key in {*inputs, *REMOVABLE} - {"__defaults"}
    )


def _comparable(key: str, value: Any) -> Any:
    """Return a value as it is compared: documents by what they say, the URL of an issuer without its scheme."""
    if isinstance(value, Mapping):
        return {name: each for name, each in value.items() if name != "__defaults"} or None
    if key == "url" and isinstance(value, str):
        return value.removeprefix("https://")
    if key in DOCUMENTS and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value or None
