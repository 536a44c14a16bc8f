"""Lint rules about well-known add-ons."""

import json

from irsa.evaluation.lint.rule import Warnings, rule
from irsa.role.add_ons import add_ons_of
from irsa.rules.mistakes import Mistake
from irsa_config.lint.checked import CheckedBinding
from irsa_config.scalars import scalar


@rule()
def add_on_version(checked: CheckedBinding) -> Warnings:
    """An add-on has no version, so that a newer irsa may change its policy.

    What a role may do should change when the stack file does.

    Bad:
        policies: [{addOn: cluster-autoscaler, clusterNames: [my-cluster]}]
    Good:
        policies: [{addOn: cluster-autoscaler, version: v1.36.1, clusterNames: [my-cluster]}]
    """
    for place, settings, each in add_ons_of(checked.declared):
        if settings.version is None:
            name, newest = each.name, each.newest
            found = f"{name} without a version: the newest of this release, {newest}"
            # In quotes where YAML would read no text without them.
            fix = f"write version: {newest if scalar(newest) == newest else json.dumps(newest)}"
            allowed = "a version, so that a newer irsa does not change the policy"
            yield (*checked.place, *place, "addOn"), Mistake(found, allowed, fix)
