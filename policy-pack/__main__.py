"""Pulumi's policy pack: irsa's rules for roles that irsa did not make."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pulumi_policy

from policy_pack import properties
from policy_pack.rules import RULES, violations
from policy_pack.stack import mismatches

# The SDK's own reader forgets what is a secret, and raises where a value is not known.
pulumi_policy.policy.deserialize_properties = properties.read
MISMATCH = "a role does not trust whom the stack gives it, or trusts whom the stack gives another"


def safe(validate: Callable[..., None]) -> Callable[..., None]:
    """Return a validation that reports an error in it: raised, it would end the preview of an advisory policy, too."""

    def run(*args: Any) -> None:
        try:
            validate(*args)
        except Exception as error:
            # What it says may quote a secret.
            args[-1](f"not checked: the rule failed ({type(error).__name__}): report it to the maintainers of irsa")

    return run


@safe
def judge(name: str, danger: bool, resource: Any, report: Callable[..., None]) -> None:
    """Report what a rule says of a resource: what is dangerous, or all else."""
    for is_danger, message in violations(name, resource.resource_type, resource.props):
        if is_danger is danger:
            report(message)


@safe
def judge_stack(stack: Any, report: Callable[..., None]) -> None:
    """Report what the resources of a stack say of each other."""
    for urn, message in mismatches(stack.resources):
        report(message, urn)


def policies() -> Iterator[pulumi_policy.Policy]:
    """Yield each rule as a policy; as two, if only some of its warnings are mandatory."""
    levels = pulumi_policy.EnforcementLevel
    for name, rule in RULES.items():
        of = functools.partial(functools.partial, judge, name)
        if rule.danger:
            yield pulumi_policy.ResourceValidationPolicy(name, rule.description, of(True), levels.MANDATORY)
        if rule.danger != "always":
            other = f"{name}-warning" if rule.danger else name
            yield pulumi_policy.ResourceValidationPolicy(other, rule.description, of(False), levels.ADVISORY)
    yield pulumi_policy.StackValidationPolicy("refused-subject", MISMATCH, judge_stack, levels.ADVISORY)


if __name__ == "__main__":
    pulumi_policy.PolicyPack("irsa", [*policies()])
