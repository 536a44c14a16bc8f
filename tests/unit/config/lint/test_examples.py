"""The examples of lint rules, which are also those of docs/reference/findings.md."""

from pathlib import Path

import pytest
import yaml

from config.lint import RULES
from program.examine import examine

READS = {"policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}
POLICIES = ("policy", "policies", "policyArns", "inlinePolicies")


def test_each_rule_has_examples_but_one_that_needs_a_long_policy() -> None:
    assert [name for name, rule in RULES.items() if len(rule.examples) != 2] == ["split-policy"]


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.examples])
def test_a_rule_warns_of_its_first_example_alone(tmp_path: Path, name: str) -> None:
    warned = []
    for example in RULES[name].examples:
        read = yaml.safe_load(example)
        settings = {key.removeprefix("irsa:"): value for key, value in read.items() if key.startswith("irsa:")}
        binding = {key: value for key, value in read.items() if not key.startswith("irsa:")}
        binding = {"serviceAccount": {"name": "my-app"}, **binding}
        binding |= {} if {*POLICIES} & {*binding} else READS
        stack = {"cluster": {"name": "my-cluster"}, "bindings": {"my-app": binding}, **settings}
        examination = examine(stack, tmp_path, "us-west-2")
        assert examination.mistakes == []
        warned.append(name in {each.rule for each in examination.warnings})
    assert warned == [True, False]
