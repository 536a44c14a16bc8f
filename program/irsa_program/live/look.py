"""Look at AWS, Kubernetes and the stack's state for one stack file."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from irsa.rules.mistakes import Place, listed
from irsa.rules.unknown import SECRET
from irsa_config.lint.checked import CheckedBinding
from irsa_config.located_mistake import LocatedMistake
from irsa_config.scalars import parsed
from irsa_config.stack import Stack
from irsa_program.examine import Examination
from irsa_program.live.changes import failed_updates, pod_losses
from irsa_program.live.given_up import pods_of_the_other_way
from irsa_program.live.held import Held, held_by
from irsa_program.live.in_eks import eks_conflicts, missing_agents
from irsa_program.live.in_iam import iam_conflicts, provider_conflicts
from irsa_program.live.in_kubernetes import kubernetes_conflicts, namespace_conflicts
from irsa_program.live.planned import PlannedStack
from irsa_program.live.quotas import quota_conflicts
from irsa_program.live.reader import CloudReader
from irsa_program.lookups import live_rules
from irsa_program.lookups.values import Lookups, completed, needs_of, trusts_providers, unanswered
from irsa_program.plan import PlannedComponent, plan
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import NOT_FOLLOWED
from irsa_world.state.pulumi import exported_state
from irsa_world.state.resource import Resource

# The words of `pulumi` for a stack that is not in the backend yet.
NEW_STACK = "no stack named"
# What `pulumi up` does without refusing.
WARNINGS = {
    live_rules.AGENT_MISSING,
    live_rules.FAILED_UPDATE,
    live_rules.PODS_LOSE_ROLE,
    live_rules.PODS_MUST_RESTART,
}
# What must exist, whoever created it. Of all else, the state may say that it is the stack's own, which is no conflict.
MISSING = {
    live_rules.AGENT_MISSING,
    live_rules.BOUNDARY_MISSING,
    live_rules.NAMESPACE_MISSING,
    live_rules.POLICY_MISSING,
    live_rules.SERVICE_ACCOUNT_MISSING,
}
RULES: Sequence[Callable[[PlannedStack], Iterator[LocatedMistake]]] = (
    failed_updates,
    namespace_conflicts,
    kubernetes_conflicts,
    iam_conflicts,
    provider_conflicts,
    quota_conflicts,
    missing_agents,
    eks_conflicts,
    pods_of_the_other_way,
)


class LiveReport(NamedTuple):
    """What `pulumi up` would refuse of one stack file.

    Attributes:
        mistakes: What it refuses.
        warnings: What it does, and takes something from Pods or from others.
        not_checked: What could not be asked, and why.
        has_looked: Whether something may be asked, and all of that was answered.
    """

    mistakes: list[LocatedMistake]
    warnings: list[LocatedMistake]
    not_checked: list[str]
    has_looked: bool


def look(
    examined: Examination, name: str, folder: Path, providers: Mapping[str, Any], region: str | None
) -> LiveReport:
    """Return what `pulumi up` would refuse.

    Args:
        examined: The settings of the stack, without mistakes.
        name: The stack's name.
        folder: The folder of Pulumi.yaml.
        providers: The settings of the stack's default providers: `aws:profile`, `kubernetes:context`, ...
        region: The stack's `aws:region`.
    """
    stack, bindings = examined.settings.stack, examined.bindings
    if stack.sandbox and "IRSA_SANDBOX" not in os.environ:
        text = f"AWS and Kubernetes: stack {name!r} is for the sandbox only: run `make up` once, then `. .sandbox/env`"
        return LiveReport([], [], [text], False)
    aws, kubernetes = _settings_of("aws", providers), _settings_of("kubernetes", providers)
    unsupported = [f"aws:{name}" for name in NOT_FOLLOWED if name in aws]
    if unsupported:
        return LiveReport([], [], [f"AWS and Kubernetes: irsa does not use {listed(unsupported)}"], False)
    # A kubeconfig that is a secret is a matter of its cluster alone.
    settings = [(f"aws:{key}", aws[key]) for key in sorted(aws)]
    settings += [(f"kubernetes:{key}", kubernetes[key]) for key in sorted(kubernetes) if key != "kubeconfig"]
    if secret := [name for name, value in settings if SECRET in (value if isinstance(value, list) else [value])]:
        return LiveReport([], [], [f"AWS and Kubernetes: {listed(secret)}: a secret"], False)
    aws["region"] = region
    reader = CloudReader(stack, needs_of(stack, bindings), aws, kubernetes, folder)
    with ThreadPoolExecutor(1) as pool:
        export = pool.submit(exported_state, name, folder)
        answers = reader.lookups()
    held, not_checked = _held_or_reason(export)
    left_out = _without_answers(stack, bindings, answers)
    lookups = completed(answers, unanswered(stack, region))
    planned = plan(stack, lookups)
    planned = planned._replace(
        components=[each for each in planned.components if each.binding.key not in left_out],
    )
    reads = reader.reads(planned.components, held or Held())
    whole = PlannedStack(stack, planned.components, planned.guards, answers, *reads, held or Held(), name, aws)
    found = [*reader.failures, *planned.mistakes, *conflicts(whole, held is not None)]
    found += [each for each in planned.not_compared if each.place[1] not in left_out]
    # What a binding without a plan has would look like what is deleted.
    found += [] if held is None or left_out or planned.mistakes else pod_losses(whole)
    # One setting of a binding may be of several components: what is wrong with it is reported once.
    once: dict[tuple[Place, str], LocatedMistake] = {}
    for each in found:
        once.setdefault((each.place, each.mistake.found), each)
    if importing := sorted({each.binding.key for each in planned.components if _imports(each, whole.held)}):
        text = "what is imported, which `pulumi preview` compares with what is declared"
        not_checked.append(f"{text}: {listed(importing)}")
    if left_out:
        not_checked.append(f"bindings whose look-ups failed: {listed(left_out)}")
    refused, warned = ([each for each in once.values() if (each.rule in WARNINGS) == warns] for warns in (False, True))
    has_looked = not reader.unanswered and (bool(once) or reader.has_answers)
    return LiveReport(refused, warned, [*not_checked, *sorted({*reader.not_checked})], has_looked)


def conflicts(stack: PlannedStack, has_state: bool = True) -> list[LocatedMistake]:
    """Return what `pulumi up` would refuse, or would overwrite.

    Where the stack's state cannot be read, what may be its own is left out.
    """
    return [each for rule in RULES for each in rule(stack) if has_state or each.rule in MISSING]


def _imports(planned: PlannedComponent, held: Held) -> bool:
    return any(each.import_id and not held.find(each.type, each.logical_name) for each in planned.spec.resources)


def _settings_of(provider: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a default provider by their names without it; lists may be written as JSON."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name.startswith(f"{provider}:"):
            is_list = isinstance(value, str) and value.startswith("[")
            # The engine passes a number as its text.
            read = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
            found[name.removeprefix(f"{provider}:")] = parsed(value) if is_list else read
    return found


def _without_answers(stack: Stack, bindings: Mapping[str, CheckedBinding], answers: Lookups) -> list[str]:
    """Return the bindings of which a look-up failed, sorted: they are judged, but not compared with what is live."""

    def has_answers(planned: CheckedBinding) -> bool:
        binding, account = planned.binding, planned.declared.service_account
        clusters = stack.clusters_of(binding)
        pairs = [(key, binding.aws_account) for key in clusters]
        needs_arns = binding.identity.needs("cluster_arns")
        return (
            binding.aws_account in answers.aws_accounts
            and all(answers.clusters[cluster].issuer for cluster in clusters if account)
            and all(answers.clusters[cluster].arn for cluster in clusters if needs_arns)
            and all(pair in answers.oidc_providers for pair in pairs if trusts_providers(planned))
        )

    return sorted(key for key, each in bindings.items() if not has_answers(each))


def _held_or_reason(export: "Future[list[Resource]]") -> tuple[Held | None, list[str]]:
    """Return what the stack's state holds, or None and why it cannot be read; a new stack holds nothing."""
    try:
        return held_by(export.result()), []
    except CouldNotLookError as error:
        if NEW_STACK in str(error):
            return Held(), []
        return None, [f"the stack's state, so that what exists may be its own: {error}"]
