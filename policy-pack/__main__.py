"""Pulumi's policy pack: irsa's rules for roles that irsa did not make."""

import functools
from collections.abc import Callable
from typing import Any

import pulumi_policy
from pulumi_policy import policy as sdk

from irsa.rules.mistakes import Mistake, described, named, nearest
from policy_pack import properties
from policy_pack.rules import RULES, violations
from policy_pack.stack import mismatches

MISMATCH = "a role does not trust whom the stack gives it, or trusts whom the stack gives another"
MANDATORY, ADVISORY = pulumi_policy.EnforcementLevel.MANDATORY, pulumi_policy.EnforcementLevel.ADVISORY


def safe(judge: Callable[..., None], args: Any, report: Callable[..., None]) -> None:
    """Report an error in a rule: one that is raised ends the preview, that of an advisory policy, too."""
    try:
        judge(args, report)
    except Exception as error:
        # What it says may quote a secret.
        report(f"not checked: the rule failed ({type(error).__name__}): report it to the maintainers of irsa")


def judge_resource(name: str, danger: bool, resource: Any, report: Callable[..., None]) -> None:
    for is_danger, message in violations(name, resource.resource_type, resource.props):
        if is_danger is danger:
            report(message)


def judge_stack(stack: Any, report: Callable[..., None]) -> None:
    for urn, message in mismatches(stack.resources):
        report(message, urn)


if __name__ == "__main__":
    judge = functools.partial(safe, judge_stack)
    policies = [pulumi_policy.StackValidationPolicy("refused-subject", MISMATCH, judge, ADVISORY)]
    for name, rule in RULES.items():
        # Where only some of its warnings are mandatory, the others are a policy of their own.
        other = f"{name}-warning" if rule.danger else name
        levels = [(name, True, MANDATORY)] if rule.danger else []
        for policy, danger, level in levels + ([] if rule.danger == "always" else [(other, False, ADVISORY)]):
            judge = functools.partial(safe, functools.partial(judge_resource, name, danger))
            policies.append(pulumi_policy.ResourceValidationPolicy(policy, rule.description, judge, level))
    names = [each.name for each in policies]

    class Servicer(sdk._PolicyAnalyzerServicer):
        """What the engine asks; the SDK takes a level for a policy that there is not, and says nothing."""

        def Configure(self, request: Any, context: Any) -> Any:
            wrong = sorted(request.policyConfig.keys() - {*names})
            if wrong:
                found = ", ".join(named(each) for each in wrong)
                mistake = Mistake(found, ", ".join(names), nearest(wrong[0], names, "write one of these"))
                raise ValueError(described("--policy-pack-config", mistake))
            return super().Configure(request, context)

    # The SDK's own reader forgets what is a secret, and raises where a value is not known.
    sdk._PolicyAnalyzerServicer, sdk.deserialize_properties = Servicer, properties.read
    pulumi_policy.PolicyPack("irsa", policies)
