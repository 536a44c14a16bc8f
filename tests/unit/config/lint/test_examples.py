"""The examples of lint rules, which are also those of docs/reference/findings.md."""

import re
import textwrap
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from irsa.rules.mistakes import path_of
from irsa_config.lint import RULES
from irsa_program.examine import Examination, examine

AWS = "arn:aws:iam::aws:policy/"
READS = {"policyArns": [f"{AWS}AmazonS3ReadOnlyAccess"]}
POLICIES = ("policy", "policies", "policyArns", "inlinePolicies")
STATEMENT = "policy.document.Statement[0]"
# Of each rule: the place in its bad example, what its advice says, and what is replaced by who does that: `{}` is what
# the advice names. An old text that ends with `...` goes up to the end.
FOLLOWED: dict[str, tuple[str, str, str, str]] = {
    "wide-trust": ("trust.subjects[0]", "name the service accounts", "team-a:*", "team-a:app"),
    "pod-identity-trust": ("trust.subjects", "name each service account", "report-*", "report"),
    "refused-subject": ("trust.statements", "narrow the Deny", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"),
    "default-service-account": (
        "serviceAccount.name",
        "create a service account",
        "{name: default, namespace: team-a, create: false}",
        "{name: worker, namespace: team-a}",
    ),
    "kube-system-wildcard": ("trust.subjects[0]", "name the service accounts", "*-controller", "my-controller"),
    "write-everything": (f"{STATEMENT}.Resource", r"such as (arn:\S+);", 'Resource: "*"', 'Resource: "{}"'),
    "pass-any-role": (
        f"{STATEMENT}.Resource",
        "name the roles in Resource, .* Condition on (iam:PassedToService)",
        'Resource: "*"',
        'Resource: "arn:aws:iam::111122223333:role/a", Condition: {StringEquals: {"{}": ecs-tasks.amazonaws.com}}',
    ),
    "full-access": ("policyArns[0]", "attach a policy", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess"),
    "administrator-access": ("policyArns[0]", "attach a policy", "AdministratorAccess", "AmazonS3ReadOnlyAccess"),
    "grants-nothing": ("", "add them", "[]", f'["{AWS}AmazonS3ReadOnlyAccess"]'),
    "attached-twice": ("inlinePolicies.list", "remove one", "  list:...", ""),
    "session-tag-policy": ("policyArns[0]", r"write (policies: .*) in its place", "policyArns:...", "{}"),
    "unknown-managed-policy": ("policyArns[0]", "did you mean '(.*?)'", f"{AWS}AmazonS3ReadonlyAccess", "{}"),
    "near-limit": ("policyArns", "split the binding", "  - arn:aws:iam::111122223333:policy/p6...", ""),
    "long-token": ("serviceAccount.tokenExpiration", "write fewer", "90000", "86400"),
    "unused-setting": ("guard.namespaces.team-a", "write (.*)", "team-a", "{}"),
    "wide-guard": (
        "guard.annotations.groups[0]",
        r"(arn:\S+) in userPrefixes",
        'groups: ["system:authenticated"]',
        'userPrefixes: ["{}"]',
    ),
    "unknown-action": (f"{STATEMENT}.Action", "write '(.*?)'", "s3:GetObjects", "{}"),
    "wrong-resource": (
        f"{STATEMENT}.Resource",
        "write '(.*)' in its place",
        "arn:aws:s3:::my-bucket",
        "{}",
    ),
    "add-on-version": ("policies[0].addOn", "write (version: .*)", "clusterNames:", "{}, clusterNames:"),
}


def examined(example: str, **more: Any) -> Examination:
    read = yaml.safe_load(example)
    settings = {key.removeprefix("irsa:"): value for key, value in read.items() if key.startswith("irsa:")}
    binding = {key: value for key, value in read.items() if not key.startswith("irsa:")}
    binding = {"serviceAccount": {"name": "my-app"}, **binding}
    binding |= {} if {*POLICIES} & {*binding} else READS
    stack = {"cluster": {"name": "my-cluster"}, "bindings": {"my-app": binding}, **settings, **more}
    return examine(stack, Path("/nowhere"), "us-west-2")


def test_each_rule_has_examples() -> None:
    assert [name for name, rule in RULES.items() if len(rule.examples) != 2] == []
    assert FOLLOWED.keys() == RULES.keys()


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_rule_warns_of_its_first_example_alone_until_its_advice_is_followed(name: str) -> None:
    bad, good = RULES[name].examples
    place, says, old, new = FOLLOWED[name]
    found = [each for each in examined(bad).warnings if each.rule == name]
    advice = re.search(says, found[0].mistake.fix)
    end = bad.index(old.removesuffix("..."))
    followed = bad[:end] if old.endswith("...") else bad
    assert advice, found[0].mistake.fix
    named = advice[1] if advice.groups() else ""
    followed = f"{followed}{new}" if old.endswith("...") else bad.replace(old, new)

    assert path_of(found[0].place).removeprefix("bindings.my-app").removeprefix(".") == place
    for settled in (good, followed.replace("{}", named)):
        examination = examined(settled)
        assert examination.mistakes == []
        assert name not in {each.rule for each in examination.warnings}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_warning_becomes_a_mistake_or_silent(name: str) -> None:
    bad, of_stack = RULES[name].examples[0], name in {"unused-setting", "wide-guard"}
    silence = {name: {"reason": "known", **({} if of_stack else {"bindings": ["my-app"]})}}

    assert name in {each.rule for each in examined(bad, lint={"errors": [name]}).mistakes}
    examination = examined(bad, lint={"errors": [name], "silence": silence})
    assert {(each.rule, reason) for each, reason in examination.silenced} == {(name, "known")}
    assert examination.mistakes == []


def test_the_rule_that_contributing_shows_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[4] / "CONTRIBUTING.md").read_text().partition("\n## A lint rule, step by step\n")[2]
    (code,) = re.findall(r"^   ```python\n(.*?)^   ```$", page, re.DOTALL | re.MULTILINE)
    written: dict[str, Any] = {}
    exec(textwrap.dedent(code), written)
    rule = written["session_of_an_hour"]
    monkeypatch.setitem(cast("dict[str, Any]", RULES), "session-of-an-hour", rule)

    warned = [{each.rule for each in examined(example).warnings} for example in rule.examples]
    assert ["session-of-an-hour" in rules for rules in warned] == [True, False]
