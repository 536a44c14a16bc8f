"""Pulumi's policy pack: irsa's rules for roles that irsa did not make."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pulumi_policy
from pulumi_policy import policy as sdk

from irsa.rules.mistakes import Mistake, described, named, nearest
from policy_pack import properties
from policy_pack.rules import RULES, violations
from policy_pack.stack import mismatches

MISMATCH = "a role does not trust whom the stack gives it, or trusts whom the stack gives another"
MANDATORY, ADVISORY = pulumi_policy.EnforcementLevel.MANDATORY, pulumi_policy.EnforcementLevel.ADVISORY


def judge(found: Callable[[Any], Iterable[Sequence[str]]], args: Any, report: Callable[..., None]) -> None:
    """Report what is found, and an error in a rule: raised, it ends the preview, that of an advisory policy, too."""
    try:
        for each in found(args):
            report(*each)
    except Exception as error:
        # What it says may quote a secret.
        report(f"not checked: the rule failed ({type(error).__name__}): report it to the maintainers of irsa")


if __name__ == "__main__":
    by_stack = partial(judge, lambda stack: mismatches(stack.resources))
    policies = [pulumi_policy.StackValidationPolicy("refused-subject", MISMATCH, by_stack, ADVISORY)]
    for name, rule in RULES.items():
        # Where only some of its warnings are mandatory, the others are a policy of their own.
        other = f"{name}-warning" if rule.danger else name
        levels = [(name, True, MANDATORY)] if rule.danger else []
        for policy, danger, level in levels + ([] if rule.danger == "always" else [(other, False, ADVISORY)]):
            by_rule = partial(judge, partial(violations, name, danger))
            policies.append(pulumi_policy.ResourceValidationPolicy(policy, rule.description, by_rule, level))
    names = [each.name for each in policies]

    configure = sdk._PolicyAnalyzerServicer.Configure

    def configured(servicer: Any, request: Any, context: Any) -> Any:
        """Refuse a level for a policy that there is not, of which the SDK says nothing."""
        if wrong := sorted(request.policyConfig.keys() - {*names}):
            mistake = Mistake(", ".join(map(named, wrong)), ", ".join(names), nearest(wrong[0], names, ""))
            raise ValueError(described("--policy-pack-config", mistake))
        return configure(servicer, request, context)

    sdk._PolicyAnalyzerServicer.Configure = configured
    # The SDK's own reader forgets what is a secret, and raises where a value is not known.
    sdk.deserialize_properties = properties.read
    pulumi_policy.PolicyPack("irsa", policies)
