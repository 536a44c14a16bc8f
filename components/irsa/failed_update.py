"""An update that AWS refused must not look done: the state has it as done, so that the next one would change nothing.

Terraform's SDK returns what was planned with the error, and Pulumi's bridge keeps that as the state
(https://github.com/pulumi/pulumi/issues/21458). The engine updates the resource again, since it knows of the error; but
the provider finds no difference, calls nothing, and the update is green.
"""

import json
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import pulumi

# As the state keeps it with each resource.
NAME = "irsa:update"
_hooks: WeakKeyDictionary[pulumi.Resource, pulumi.ResourceHook] = WeakKeyDictionary()


class NothingUpdatedError(Exception):
    """The provider is asked for an update in which nothing differs."""


def hooks() -> pulumi.ResourceHookBinding | None:
    """Return what is asked before an update; None in a plugin: a deployment takes a hook of one name but once."""
    stack = pulumi.runtime.get_root_resource()
    if stack is None:
        return None
    if stack not in _hooks:
        _hooks[stack] = pulumi.ResourceHook(NAME, _refuse, pulumi.ResourceHookOptions(on_dry_run=True))
    return pulumi.ResourceHookBinding(before_update=[_hooks[stack]])


async def _refuse(update: pulumi.ResourceHookArgs) -> None:
    if not changes_nothing(await _known(update.new_inputs or {}), await _known(update.old_outputs or {})):
        return
    text = (
        f"AWS may still have what was there before: the last update of {update.name} failed, and the state has it as "
        "done. Run `pulumi up --refresh`, which reads AWS first"
    )
    if pulumi.runtime.is_dry_run():
        pulumi.log.warn(text)
    else:
        raise NothingUpdatedError(text)


async def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties with what is secret in them."""
    return {key: await each.future() if isinstance(each, pulumi.Output) else each for key, each in values.items()}


def changes_nothing(new_inputs: Mapping[str, Any], old_outputs: Mapping[str, Any]) -> bool:
    """Return whether the state of a resource has all that is declared already."""
    return all(
        _comparable(value) == _comparable(old_outputs.get(key))
        for key, value in new_inputs.items()
        if key != "__defaults"
    )


def _comparable(value: Any) -> Any:
    """Return a value as it is compared: documents by what they say, the URL of an issuer without its scheme."""
    if not isinstance(value, str):
        return value or None
    if value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value.removeprefix("https://") or None
