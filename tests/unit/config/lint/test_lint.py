import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.iam.aws_managed_policies import aws_managed_policies_data

from irsa.evaluation.lint.actions import in_a_policy, service, services
from irsa.evaluation.lint.rule import Danger, PolicyStatement
from irsa.rules.mistakes import Mistake
from irsa.rules.unknown import SECRET
from irsa_config.lint import RULES, silence_reason
from irsa_config.loading import read_settings
from irsa_config.located_mistake import LocatedMistake
from irsa_program.examine import examine
from tests.unit.config.lint.scene import APP, CLUSTER, inline, places, policy, warnings
from tests.world import document

READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
READS = {"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}


def test_unknown_action() -> None:
    actions = ["s3:GetObject", "s3:Gett*", "*", "nowhere:Get*"]
    assert places("unknown-action", policy({**READ, "Action": actions})) == [
        f"policy.document.Statement.0.Action.{index}" for index in (1, 3)
    ]
    found = warnings("unknown-action", {**APP, **policy({**READ, "Action": actions})})
    assert [isinstance(mistake, Danger) for _, mistake in found] == [True, False]


ROLE = "arn:aws:iam::111122223333:role"
TABLE = "arn:aws:dynamodb:us-west-2:111122223333:table"
WRONG_RESOURCES: list[tuple[Any, Any, bool]] = [
    # The AWS page's own example, and its like: https://docs.aws.amazon.com/AmazonS3/latest/userguide/
    # security_iam_service-with-iam.html tells the two resource types apart.
    ("s3:GetObject", "arn:${partition}:s3:::${cluster}", True),
    ("s3:ListBucket", "arn:aws:s3:::b/*", True),
    ("S3:listbucket", ["arn:aws:s3:::b/*", "arn:aws:s3:::b"], False),
    # A bucket's ARN has neither region nor AWS account.
    ("s3:GetObject", "arn:aws:s3:us-west-2:111122223333:b/*", True),
    ("s3:GetObject", "arn:aws:s3:::b/${aws:PrincipalTag/team}", False),
    ("s3:Get*", "arn:aws:s3:::b", False),
    # Actions without resource types: "you must specify all resources" in the service reference.
    ("ecr:GetAuthorizationToken", "arn:aws:ecr:us-west-2:111122223333:repository/app", True),
    ("s3:ListAllMyBuckets", "arn:aws:s3:::*", False),
    ("iam:ListRoles", f"{ROLE}/*", False),
    # A key, not one of its aliases: https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    ("kms:Decrypt", "arn:aws:kms:us-west-2:111122223333:alias/app", True),
    ("dynamodb:Query", f"{TABLE}/t/index/*", False),
    ("logs:PutLogEvents", "arn:aws:logs:us-west-2:111122223333:log-group:/app/x:*", False),
    ("s3:GetObjekt", "arn:aws:s3:::b", False),
    # ARNs are case-sensitive: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    ("sqs:SendMessage", "arn:aws:SQS:us-west-2:111122223333:q", True),
    ("s3:ListBucket", ["arn:aws:s3:::b/data/*", "arn:aws:s3:::c/x/y"], True),
]


def test_what_a_statement_leaves_out_may_be_on_any_resource() -> None:
    for statement in (
        {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b"},
        {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::b"},
    ):
        assert places("wrong-resource", policy(statement)) == []


@pytest.mark.parametrize(("actions", "resources", "wrong"), WRONG_RESOURCES)
def test_wrong_resource(actions: Any, resources: Any, wrong: bool) -> None:
    """Resource types: https://docs.aws.amazon.com/service-authorization/latest/reference/."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    assert places("wrong-resource", policy(statement)) == (["policy.document.Statement.0.Resource"] if wrong else [])


def test_a_wrong_resource_is_shown_as_it_is_written() -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:${partition}:s3:::${bucket}"}
    ((_, mistake),) = warnings("wrong-resource", {**APP, **policy(statement)}, variables={"bucket": "my-bucket"})
    assert "arn:${partition}:s3:::${bucket}" in mistake.found


@pytest.mark.parametrize(
    ("action", "resource", "fix"),
    [
        ("s3:GetObject", "arn:aws:s3:::b", "write 'arn:aws:s3:::b/*' in its place"),
        ("s3:GetObject", "arn:${partition}:s3:::b", "write 'arn:${partition}:s3:::b/*' in its place"),
        (["s3:GetObject", "s3:ListBucket"], "arn:aws:s3:::b", "add 'arn:aws:s3:::b/*', or write it in a statement"),
        # An object, whose bucket is the resource; and another service.
        ("s3:ListBucket", "arn:aws:s3:::b/x", "write such a resource in its place"),
        ("sqs:SendMessage", "arn:aws:s3:::b", "write such a resource in its place"),
    ],
)
def test_what_is_below_a_wrong_resource_is_in_the_advice(action: Any, resource: str, fix: str) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    ((_, mistake),) = warnings("wrong-resource", {**APP, **policy(statement)})

    assert mistake.fix.startswith(fix)


def test_an_advised_arn_can_be_pasted() -> None:
    variables = {"partition": "aws", "region": "us-west-2", "account": "111122223333"}
    # Each ARN of the service reference, by one of the actions that take it.
    actions = {
        arn: f"{prefix}:{action.name}"
        for prefix in services()
        for action in service(prefix).actions.values()
        for arn in action.arns
    }
    for arn, action in actions.items():
        pasted = in_a_policy(arn)
        assert {*re.findall(r"\$\{(\w+)\}", pasted)} <= variables.keys()
        known = re.sub(r"\$\{(\w+)\}", lambda each: variables[each[1]], pasted)
        statement = {"Effect": "Allow", "Action": action, "Resource": known}
        assert not [*RULES["wrong-resource"](PolicyStatement(statement, statement))], pasted


def test_aws_itself_writes_few_wrong_resources() -> None:
    """Those that have one name actions to which the service reference gives another resource type than the policy."""
    statements = [
        statement
        for managed in json.loads(aws_managed_policies_data).values()
        for statement in _listed(managed["Document"]["Statement"])
    ]
    assert len(statements) > 5000
    some = statements[::5]
    wrong = [each for each in some if [*RULES["wrong-resource"](PolicyStatement(each, each))]]
    assert len(wrong) < len(some) * 0.02


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@given(st.text("ab/:", max_size=8), st.text("*?.", min_size=15, max_size=15))
def test_a_resource_that_matches_an_object_includes_it(name: str, wildcards: str) -> None:
    written = f"bucket/{name}"
    pattern = "".join(char if wildcard == "." else wildcard for char, wildcard in zip(written, wildcards, strict=False))
    assert fnmatch.fnmatchcase(written, pattern)
    assert places("wrong-resource", policy({**READ, "Resource": f"arn:aws:s3:::{pattern}"})) == []


@pytest.mark.parametrize(
    ("binding", "found"),
    [
        (policy({**READ, "Effect": "Deny"}), True),
        ({**policy({**READ, "Effect": "Deny"}), **READS}, False),
        (inline(READ), False),
        ({"assumeRoleArns": [f"{ROLE}/reader"]}, False),
        ({"role": {"arn": f"{ROLE}/app"}}, False),
    ],
)
def test_grants_nothing(binding: dict[str, Any], found: bool) -> None:
    assert places("grants-nothing", binding) == ([""] if found else [])


@pytest.mark.parametrize(
    "binding",
    [
        {"policyArns": [SECRET]},
        {"policy": {"document": {**document(READ), "Id": SECRET}}},
        {"policy": {"file": "none.json"}},
        policy({**READ, "Effect": "Alow"}),
    ],
)
def test_what_cannot_be_read_may_grant_something(binding: dict[str, Any]) -> None:
    assert examine({"cluster": CLUSTER, "bindings": {"app": {**APP, **binding}}}, Path("/nowhere")).warnings == []


@pytest.mark.parametrize(
    ("rule", "binding", "found"),
    [
        (
            "default-service-account",
            {"serviceAccount": {"name": "default", "create": False}, "role": {"arn": f"{ROLE}/a"}},
            "serviceAccount.name",
        ),
        ("default-service-account", {"trust": {"subjects": ["a:b", "a:default"]}}, "trust.subjects.1"),
        ("default-service-account", {"trust": {"subjects": ["default:app", "a:default-app"]}}, ""),
        ("kube-system-wildcard", {"trust": {"subjects": ["kube-system:agent", "team-a:agent*"]}}, "trust.subjects.1"),
        (
            "kube-system-wildcard",
            {"serviceAccount": {"name": "a", "namespace": "kube-system"}, "trust": {"subjects": ["b:*"]}},
            "trust.subjects.0",
        ),
        ("kube-system-wildcard", {"trust": {"subjects": ["kube-*:agent"]}}, "trust.subjects.0"),
        ("kube-system-wildcard", {"trust": {"subjects": ["*:agent"]}}, ""),
    ],
)
def test_service_accounts_of_others(rule: str, binding: dict[str, Any], found: str) -> None:
    """https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/."""
    assert places(rule, binding) == ([found] if found else [])


def test_attached_twice() -> None:
    arns = ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B", "arn:${partition}:iam::aws:policy/A"]
    assert places("attached-twice", {"policyArns": arns}) == ["policyArns.2"]
    own = ["arn:aws:iam::${account}:policy/p", "arn:aws:iam::${account}:policy/other", "arn:aws:iam::aws:policy/p"]
    assert places("attached-twice", {**policy(READ), "policyArns": own}) == ["policyArns.0"]
    by_id = ["arn:aws:iam::111122223333:policy/p"]
    assert places("attached-twice", {**policy(READ), "policyArns": by_id}) == ["policyArns.0"]


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ({"mode": "deny", "namespaces": {"team": "warn"}}, []),
        ({"mode": "deny", "namespaces": {"taem": "warn", "team": "off"}}, ["taem"]),
        ({"mode": "off", "namespaces": {"team": "deny"}}, ["team"]),
        ({"mode": "off", "namespaces": {"team": "off"}}, []),
    ],
)
def test_unused_namespaces_of_a_guard(guard: dict[str, Any], found: list[str]) -> None:
    account = {"serviceAccount": {"name": "app", "namespace": "team"}}
    for settings, at in (({"guard": guard}, "guard"), ({"cluster": {**CLUSTER, "guard": guard}}, "cluster.guard")):
        assert places("unused-setting", account, **settings) == [f"{at}.namespaces.{each}" for each in found]


DEPLOY = "arn:aws:sts::111122223333:assumed-role/deploy/"


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ({"annotations": {"userPrefixes": [DEPLOY, "system:serviceaccount:ci:deployer"], "groups": ["platform"]}}, []),
        ({"annotations": {"userPrefixes": [DEPLOY, "arn:"]}}, ["annotations.userPrefixes.1"]),
        ({"annotations": {"users": ["system:anonymous"]}}, ["annotations.users.0"]),
        ({"namespace": "team"}, ["namespace"]),
        ({"namespace": "platform"}, []),
        ({"namespace": "team", "namespaces": {"team": "off"}}, []),
    ],
)
def test_who_may_avoid_a_guard(guard: dict[str, Any], found: list[str]) -> None:
    account = {"serviceAccount": {"name": "app", "namespace": "team"}}
    rule = {"annotations": {"mode": "deny", **guard["annotations"]}} if "annotations" in guard else {}
    guard = {"mode": "deny", **guard, **rule}
    for settings, at in (({"guard": guard}, "guard"), ({"cluster": {**CLUSTER, "guard": guard}}, "cluster.guard")):
        assert places("wide-guard", account, **settings) == [f"{at}.{each}" for each in found]


ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def with_session_policy(statement: Any = ANYTHING, **binding: Any) -> dict[str, Any]:
    settings = {"sessionTags": False, "policy": {"document": document(statement)}}
    return {"identity": "podIdentity", "podIdentity": settings, **binding}


@pytest.mark.parametrize("more", [{}, {"role": {"arn": "arn:aws:iam::111122223333:role/app"}}])
@pytest.mark.parametrize("identity", ["both", {"irsa": "trusted", "podIdentity": "used"}, "podIdentity"])
def test_a_session_policy_limits_no_token(identity: Any, more: Any) -> None:
    """The attack: a limit that is one of two ways; by its token, a Pod gets a session of the whole role.

    A session policy is an argument of the association: API_CreatePodIdentityAssociation.html of EKS.
    """
    found = places("pod-identity-trust", with_session_policy(identity=identity, **more))
    assert found == ([] if identity == "podIdentity" else ["podIdentity.policy"])


def test_a_session_policy_gives_nothing() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session."""
    same = policy(ANYTHING)
    assert places("write-everything", with_session_policy()) == []
    assert places("grants-nothing", with_session_policy()) == [""]
    assert places("attached-twice", with_session_policy(**same)) == []
    # And takes nothing away from what is too wide: not every session has it.
    denying = with_session_policy({**ANYTHING, "Effect": "Deny"}, **same)
    assert places("write-everything", denying) == ["policy.document.Statement.0.Resource"]


@pytest.mark.parametrize(
    ("rule", "binding", "place"),
    [
        ("wide-trust", {"identity": "podIdentity", "podIdentity": {"sessionTags": False}}, "podIdentity.sessionTags"),
        (
            "pod-identity-trust",
            {"identity": "both", "trust": {"conditions": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}},
            "trust.conditions",
        ),
    ],
)
def test_what_is_another_thing_with_pod_identity(rule: str, binding: dict[str, Any], place: str) -> None:
    """Without tags nothing names the service account, and EKS is who assumes the role.

    "EKS Pod Identity uses AssumeRole to assume the IAM role before passing the temporary credentials to your pods":
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    assert places(rule, binding) == [place]
    of_irsa = {key: value for key, value in binding.items() if key not in {"identity", "podIdentity"}}
    assert places(rule, of_irsa) == []
    # Of an existing role the trust policy stays.
    existing = {**binding, "role": {"arn": "arn:aws:iam::111122223333:role/app"}}
    if "trust" not in binding:
        assert places(rule, existing) == []


@pytest.mark.parametrize(
    ("silence", "reason"),
    [
        ({}, None),
        ({"wide-trust": {"reason": "r"}}, "r"),
        ({"near-limit": {"reason": "r"}}, None),
        ({"wide-trust": {"reason": "r", "bindings": ["b"]}}, None),
    ],
)
def test_a_silence_is_for_its_rule_and_its_bindings(silence: dict[str, Any], reason: str | None) -> None:
    stack = read_settings({"bindings": {"a": APP, "b": APP}, "lint": {"silence": silence}}, Path("/nowhere")).stack
    warning = LocatedMistake(("bindings", "a", "trust"), Mistake("F", "A", "D"), rule="wide-trust")
    assert silence_reason(warning, stack.lint) == reason


@pytest.mark.parametrize("bindings", ["b", [5], {"secure": "v1:abc"}, SECRET])
def test_a_silence_for_whom_it_is_not_known_is_for_nobody(bindings: Any) -> None:
    wide = {"trust": {"subjects": ["team-a:*"]}, **READS}
    lint = {"errors": ["wide-trust"], "silence": {"wide-trust": {"reason": "r", "bindings": bindings}}}
    found = examine({"cluster": CLUSTER, "bindings": {"a": {**APP, **wide}}, "lint": lint}, Path("/nowhere"))
    assert "wide-trust" in {mistake.rule for mistake in found.mistakes}
    assert not found.silenced
