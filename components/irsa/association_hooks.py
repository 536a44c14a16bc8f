"""What EKS does with an association that the provider does not expect: it refuses for a while, and drops nothing."""

import asyncio

import pulumi

from irsa.failed_update import about, component_of, hooks, once_for_each_owner, properties_of
from irsa.rules.commands import UNKNOWN_AWS_ACCOUNT, AwsPlace, clear_association, up

# What EKS says for a while after IAM has the trust policy (https://github.com/hashicorp/terraform-provider-aws/issues/34711).
REFUSAL = "Trust policy of the role provided is invalid"
# Seconds before each further attempt: a minute in all.
PAUSES = (2, 4, 8, 16, 30)
# Settings that an update keeps where it leaves them out, as the provider does: only an empty value removes them.
KEPT = ("targetRoleArn", "policy")


class NotRemovedError(Exception):
    """The provider is asked to remove what EKS would keep."""


@once_for_each_owner
def association_hooks(component: pulumi.Resource | None, own: str) -> pulumi.ResourceHookBinding:
    """Return the hooks of a component's association, those of every update (irsa.failed_update) included."""
    updates = hooks(component) or pulumi.ResourceHookBinding()
    kept = pulumi.ResourceHook(f"irsa:association{own}", _kept, pulumi.ResourceHookOptions(on_dry_run=True))
    before = [*(updates.before_update or ()), kept]
    refused = pulumi.ErrorHook(f"irsa:refused{own}", _again)
    return pulumi.ResourceHookBinding(before_update=before, after_update=updates.after_update, on_error=[refused])


async def _again(failure: pulumi.ErrorHookArgs) -> bool:
    attempts = len(failure.errors)
    if attempts > len(PAUSES) or REFUSAL not in failure.errors[0]:
        return False
    await asyncio.sleep(PAUSES[attempts - 1])
    return True


async def _kept(update: pulumi.ResourceHookArgs) -> None:
    """Refuse to remove what EKS would keep; a preview warns."""
    new, old = await properties_of(update.new_inputs), await properties_of(update.old_outputs)
    kept = [name for name in KEPT if old.get(name) and not new.get(name)]
    if not kept:
        return
    secret = {key for key, each in (update.old_outputs or {}).items() if isinstance(each, pulumi.Output)}
    cluster, association, region = (
        name.upper() if name in secret else str(old.get(name)) for name in ("clusterName", "associationId", "region")
    )
    component = await component_of(update)
    is_default = component is not None and component.get_provider(update.type) is None
    place = AwsPlace((pulumi.Config("aws").get("profile") or "") if is_default else UNKNOWN_AWS_ACCOUNT.profile, region)
    command, refresh = clear_association(place, cluster, association, kept), up(pulumi.get_stack())
    text = f"EKS keeps the {' and the '.join(kept)} of {about(update)}. Run `{command}`, then `{refresh}`"
    if not pulumi.runtime.is_dry_run():
        raise NotRemovedError(text)
    pulumi.log.warn(text)
