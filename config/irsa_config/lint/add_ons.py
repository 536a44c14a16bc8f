"""Lint rules about well-known add-ons."""

import json
from typing import Any

from irsa.add_ons.catalog import add_on, names
from irsa.evaluation.lint.rule import Warnings, rule
from irsa.rules.leaves import list_of, mapping_of
from irsa.rules.mistakes import Mistake, Place
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
    args = checked.args
    places: list[tuple[Place, Any]] = [(("policy",), args.get("policy"))]
    places += [(("policies", index), each) for index, each in enumerate(list_of(args.get("policies")))]
    for place, settings in places:
        name = mapping_of(settings).get("add_on")
        if isinstance(name, str) and name in names() and "version" not in settings:
            newest = add_on(name).newest
            found = f"{name} without a version: the newest of this release, {newest}"
            # In quotes where YAML would read no text without them.
            fix = f"write version: {newest if scalar(newest) == newest else json.dumps(newest)}"
            allowed = "a version, so that a newer irsa does not change the policy"
            yield (*checked.place, *place, "addOn"), Mistake(found, allowed, fix)
