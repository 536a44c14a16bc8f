"""Lint rules: what each warns of, and what it leaves alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.lint import RULES, TAKES_DEFAULT, check_rule_name, silence_reason
from config.loading import examine
from config.located_mistake import LocatedMistake
from config.models import Defaults, Stack
from irsa.rules.mistakes import Mistake

APP = {"serviceAccount": {"name": "app"}}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def policy(*statements: Any) -> dict[str, Any]:
    return {"policy": {"name": "p", "document": {"Version": "2012-10-17", "Statement": list(statements)}}}


def warnings(rule: str, folder: Path, binding: dict[str, Any], **values: Any) -> list[str]:
    """Return the places of a rule's warnings about one binding, without the two steps that lead to it."""
    stack = {"cluster": {"name": "c"}, "bindings": {"app": {**APP, **binding}}, **values}
    examination = examine(stack, folder, "us-west-2", thorough=True)
    assert examination.mistakes == []
    places = [each.place for each in examination.warnings if each.rule == rule]
    return [".".join(map(str, place[2:] if place[0] == "bindings" else place)) for place in places]


@pytest.mark.parametrize(
    ("subjects", "found"),
    [
        (["a:b"], []),
        (["a:b", "team-a:*"], [1]),
        (["*:b"], [0]),
        (["team-?:b"], [0]),
        (["a:b*"], []),
        (["a:b", "c:d"], []),
    ],
)
def test_wide_trust_of_subjects(tmp_path: Path, subjects: list[str], found: list[int]) -> None:
    """Protects from a role for a whole namespace, or several, by accident; a part of the names is somebody's choice."""
    places = warnings("wide-trust", tmp_path, {"trust": {"subjects": subjects}})
    assert places == [f"trust.subjects.{index}" for index in found]


@pytest.mark.parametrize(
    ("change", "wide"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": ["111122223333", "*"]}}, True),
        ({"Principal": "*", "Effect": "Deny"}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
        ({"Principal": {"AWS": "111122223333"}}, False),
    ],
)
def test_wide_trust_of_statements(tmp_path: Path, change: dict[str, Any], wide: bool) -> None:
    """Protects from a statement for everybody, which IAM takes: "we strongly recommend that you do not use" it.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **change}
    places = warnings("wide-trust", tmp_path, {"trust": {"statements": [statement]}})
    assert places == (["trust.statements.0"] if wide else [])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, False),
        ({"Action": "s3:PutObject"}, True),
        ({"Action": ["s3:Get*", "S3:Put*"]}, True),
        ({"Action": "*"}, True),
        ({"Action": "cloudwatch:PutMetricData"}, False),
        ({"Action": "s3:PutObject", "Effect": "Deny"}, False),
        ({"Action": "s3:PutObject", "Resource": ["arn:aws:s3:::b/*"]}, False),
        ({"Action": "s3:PutObject", "Resource": ["arn:aws:s3:::b/*", "*"]}, True),
        ({"Action": "s3:PutObject", "Condition": {"Bool": {"aws:x": "true"}}}, False),
    ],
)
def test_write_everything(tmp_path: Path, change: dict[str, Any], found: bool) -> None:
    """Protects accounts: levels and resource types are those of the service reference.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html (PutObject: Write,
    object*) and list_amazoncloudwatch.html (PutMetricData: Write, no resource type)
    """
    places = warnings("write-everything", tmp_path, policy({**READ, **change}))
    assert places == (["policy.document.Statement.0.Resource"] if found else [])


def test_write_everything_but_some(tmp_path: Path) -> None:
    """Protects from NotAction, which allows all that it does not name."""
    document = policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})["policy"]["document"]
    places = warnings("write-everything", tmp_path, {"inlinePolicies": {"a": {"document": document}}})
    assert places == ["inlinePolicies.a.document.Statement.0.Resource"]


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        ("s3:GetObject", []),
        ("s3:Get*", []),
        ("*", []),
        ("S3:getobject", []),
        ("s3:GetObjekt", ["Action"]),
        (["s3:GetObject", "s3:Gett*"], ["Action.1"]),
        ("nowhere:Get*", ["Action"]),
    ],
)
def test_unknown_action(tmp_path: Path, actions: Any, found: list[str]) -> None:
    """Protects from a permission that allows nothing: names and patterns of the service reference, in any case."""
    places = warnings("unknown-action", tmp_path, policy({**READ, "Action": actions}))
    assert places == [f"policy.document.Statement.0.{place}" for place in found]


@pytest.mark.parametrize(("count", "near"), [(7, False), (8, True)])
def test_near_limit(tmp_path: Path, count: int, near: bool) -> None:
    """Protects who adds one more: with the created policy 9 of 10 is over 80%, and 8 of 10 is not."""
    arns = [f"arn:aws:iam::aws:policy/P{number}" for number in range(count)]
    places = warnings("near-limit", tmp_path, {**policy(READ), "policyArns": arns})
    assert places == (["policyArns"] if near else [])


def test_attached_twice(tmp_path: Path) -> None:
    """Protects from a policy that stays when one of its two ways is taken away."""
    arns = ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B", "arn:${partition}:iam::aws:policy/A"]
    assert warnings("attached-twice", tmp_path, {"policyArns": arns}) == ["policyArns.2"]
    own = ["arn:aws:iam::${account}:policy/p", "arn:aws:iam::${account}:policy/other", "arn:aws:iam::aws:policy/p"]
    assert warnings("attached-twice", tmp_path, {**policy(READ), "policyArns": own}) == ["policyArns.0"]
    same = policy(READ)["policy"]["document"]
    again = {"a": {"document": same}, "b": {"document": {**same, "Id": "x"}}}
    assert warnings("attached-twice", tmp_path, {**policy(READ), "inlinePolicies": again}) == ["inlinePolicies.a"]


def test_unused_setting(tmp_path: Path) -> None:
    """Protects from a setting that looks as if it did something: a variable nowhere used, a default nobody takes."""
    variables = {"variables": {"used": "b", "unused": "c"}}
    read = policy({**READ, "Resource": "arn:aws:s3:::${used}"})
    assert warnings("unused-setting", tmp_path, read, **variables) == ["variables.unused"]
    defaults = {"defaults": {"namespace": "a", "audience": "ci"}}
    assert warnings("unused-setting", tmp_path, {}, **defaults) == []
    own = {"serviceAccount": {"name": "app", "namespace": "b"}, "audience": "x"}
    assert warnings("unused-setting", tmp_path, own, **defaults) == ["defaults.namespace", "defaults.audience"]


USES: list[tuple[str, dict[str, Any], bool]] = [
    ("namespace", APP, True),
    ("namespace", {"trust": {}}, False),
    ("namespace", {"serviceAccount": {"namespace": "a"}}, False),
    ("tokenExpiration", APP, True),
    ("stsRegionalEndpoints", {"serviceAccount": {"stsRegionalEndpoints": False}}, False),
    ("audience", {}, True),
    ("audience", {"audience": "a"}, False),
    ("path", {}, True),
    ("path", {"role": {"path": "/"}}, False),
    ("path", {"role": {"path": "/"}, "policy": {}}, True),
    ("path", {"role": {"arn": "x"}}, False),
    ("permissionsBoundary", {"role": {}}, True),
    ("permissionsBoundary", {"role": {"arn": "x"}}, False),
    ("maxSessionDuration", {"role": {"maxSessionDuration": 1}}, False),
    ("tags", {"role": {"tags": {}}}, True),
    ("tags", {"role": {"arn": "x"}}, False),
    ("retainNamespaces", APP, False),
    ("retainNamespaces", {"serviceAccount": {"createNamespace": True}}, True),
]


@pytest.mark.parametrize(("default", "binding", "used"), USES)
def test_who_takes_a_default(default: str, binding: dict[str, Any], used: bool) -> None:
    """Protects the rule unused-setting: a binding uses a default for what it has, without a value of its own."""
    assert TAKES_DEFAULT[default](binding) is used


def test_every_default_says_who_takes_it() -> None:
    """Protects a new default: without its line in the table the rule would fail."""
    assert set(TAKES_DEFAULT) == {field.alias for field in Defaults.model_fields.values()}


def test_a_rule_that_takes_a_moment_is_asked_where_it_matters(tmp_path: Path) -> None:
    """Protects `pulumi up` from 13 MB of actions, and a stack whose errors ask for them from passing without."""
    binding = {**APP, **policy({**READ, "Action": "s3:GetObjekt"})}
    values: dict[str, Any] = {"cluster": {"name": "c"}, "bindings": {"app": binding}}
    assert examine(values, tmp_path).warnings == []
    assert [each.rule for each in examine(values, tmp_path, thorough=True).warnings] == ["unknown-action"]
    strict = examine({**values, "lint": {"errors": ["unknown-action"]}}, tmp_path)
    assert [each.rule for each in strict.mistakes] == ["unknown-action"]
    assert strict.stack is None


def test_missing_data_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects honesty: a rule without its data says so, and only when it is asked."""
    monkeypatch.setattr("config.aws_actions.are_known", lambda: False)
    values = {"cluster": {"name": "c"}, "bindings": {"app": APP}}
    assert examine(values, tmp_path).not_checked == []
    (missing,) = examine(values, tmp_path, thorough=True).not_checked
    assert "policy-sentry" in missing


@pytest.mark.parametrize(
    ("silence", "rule", "binding", "reason"),
    [
        ({}, "wide-trust", "a", None),
        ({"wide-trust": {"reason": "r"}}, "wide-trust", "a", "r"),
        ({"wide-trust": {"reason": "r"}}, "near-limit", "a", None),
        ({"wide-trust": {"reason": "r", "bindings": ["a"]}}, "wide-trust", "a", "r"),
        ({"wide-trust": {"reason": "r", "bindings": ["b"]}}, "wide-trust", "a", None),
    ],
)
def test_a_silence_is_for_its_rule_and_its_bindings(
    silence: dict[str, Any], rule: str, binding: str, reason: str | None
) -> None:
    """Protects the other warnings from a silence that is not meant for them."""
    bindings = {name: {"serviceAccount": {"name": name}} for name in ("a", "b")}
    stack = Stack.model_validate({"cluster": {"name": "c"}, "bindings": bindings, "lint": {"silence": silence}})
    warning = LocatedMistake(("bindings", binding, "trust"), Mistake("F", "A", "D"), rule=rule)
    assert silence_reason(warning, stack) == reason


def test_a_silence_of_some_bindings_is_not_one_of_the_stack() -> None:
    """Protects a warning about the stack as a whole from a silence that names bindings."""
    silence = {"unused-setting": {"reason": "r", "bindings": ["a"]}}
    values = {"cluster": {"name": "c"}, "bindings": {"a": APP}, "lint": {"silence": silence}}
    warning = LocatedMistake(("variables", "a"), Mistake("F", "A", "D"), rule="unused-setting")
    assert silence_reason(warning, Stack.model_validate(values)) is None


def test_names_of_rules() -> None:
    """Protects `irsa:lint`: every registered rule, with a description for docs and SARIF, and no other."""
    for name, rule in RULES.items():
        assert check_rule_name(name) == name
        assert rule.description
    with pytest.raises(Mistake, match="did you mean 'wide-trust'"):
        check_rule_name("wide-trusts")


def test_a_warning_in_a_file_is_located_there(tmp_path: Path) -> None:
    """Protects the author of a policy: file and line of the statement."""
    statement = json.dumps({**READ, "Action": "s3:PutObject"})
    (tmp_path / "p.json").write_text(f'{{"Version": "2012-10-17", "Statement": [\n\n{statement}]}}')
    values = {"cluster": {"name": "c"}, "bindings": {"app": {**APP, "policy": {"file": "p.json"}}}}
    (warning,) = examine(values, tmp_path, thorough=True).warnings
    assert (warning.rule, warning.file, warning.line) == ("write-everything", "p.json", 3)
