"""EKS refuses an association for a while after IAM has the role's trust policy: it is asked again.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

import asyncio
from weakref import WeakKeyDictionary

import pulumi

from irsa.failed_update import hooks

# What EKS says (https://github.com/hashicorp/terraform-provider-aws/issues/34711).
REFUSAL = "Trust policy of the role provided is invalid"
# Seconds before each further attempt: a minute in all.
PAUSES = (2, 4, 8, 16, 30)
_bindings: WeakKeyDictionary[pulumi.Resource, pulumi.ResourceHookBinding] = WeakKeyDictionary()


def association_hooks() -> pulumi.ResourceHookBinding | None:
    """Return the hooks of an association: those of every update (irsa.failed_update), and this.

    Without it in a plugin, and with an SDK before error hooks: there the first refusal is final.
    """
    updates, stack = hooks(), pulumi.runtime.get_root_resource()
    if updates is None or stack is None or not hasattr(pulumi, "ErrorHook"):
        return updates
    if stack not in _bindings:
        _bindings[stack] = pulumi.ResourceHookBinding(
            before_update=updates.before_update,
            after_update=updates.after_update,
            on_error=[pulumi.ErrorHook("irsa:association", _again)],
        )
    return _bindings[stack]


async def _again(failure: pulumi.ErrorHookArgs) -> bool:
    attempts = len(failure.errors)
    if attempts > len(PAUSES) or REFUSAL not in failure.errors[0]:
        return False
    await asyncio.sleep(PAUSES[attempts - 1])
    return True
