import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.iam.aws_managed_policies import aws_managed_policies_data

from irsa.evaluation.lint.actions import applicability, in_a_policy, service, services
from irsa.evaluation.lint.rule import Statement
from irsa.rules.mistakes import Mistake
from irsa.rules.unknown import SECRET
from irsa_config.lint import RULES, check_rule_name, silence_reason
from irsa_config.loading import read_settings
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import Defaults
from irsa_program.examine import examine

APP = {"serviceAccount": {"name": "app"}}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


READS = {"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}


def policy(*statements: Any) -> dict[str, Any]:
    return {"policy": {"name": "p", "document": {"Version": "2012-10-17", "Statement": list(statements)}}}


def warnings(rule: str, folder: Path, binding: dict[str, Any], **values: Any) -> list[str]:
    """Return the places of a rule's warnings about one binding, without the two steps that lead to it."""
    stack = {"cluster": {"name": "cc"}, "bindings": {"app": {**APP, **binding}}, **values}
    examination = examine(stack, folder, "us-west-2")
    assert examination.mistakes == []
    places = [each.place for each in examination.warnings if each.rule == rule]
    return [".".join(map(str, place[2:] if place[0] == "bindings" else place)) for place in places]


PODS = {"Service": "pods.eks.amazonaws.com"}
NAMESPACE, NAME = (f"aws:RequestTag/kubernetes-{what}" for what in ("namespace", "service-account"))


@pytest.mark.parametrize("action", ["sts:*", ["sts:AssumeRole", "sts:TagSession"], "sts:AssumeRole"])
@pytest.mark.parametrize("service", [PODS, {"Service": ["ec2.amazonaws.com", PODS["Service"]]}])
@pytest.mark.parametrize(
    ("conditions", "wide"),
    [
        ({}, True),
        ({"StringLike": {NAMESPACE: "*"}}, True),
        ({"StringEqualsIfExists": {NAMESPACE: "a", NAME: "b"}}, True),
        ({"StringNotEquals": {NAMESPACE: "kube-system"}}, True),
        ({"StringEquals": {NAMESPACE: "a", NAME: "b"}}, False),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, False),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:eks:us-west-2:111122223333:cluster/a"}}, False),
    ],
)
def test_wide_trust_of_any_association(
    tmp_path: Path, conditions: dict[str, Any], service: dict[str, Any], action: Any, wide: bool
) -> None:
    """Protects from AWS's sample: without a condition, whoever may make an association may have the role.

    A tag is absent from a request without them, so a condition on it alone is never met where only that is allowed.
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    statement = {"Effect": "Allow", "Principal": service, "Action": action, "Condition": conditions}
    tags_only = "sts:AssumeRole" in action and not isinstance(action, list)
    meets_without = not {*conditions} & {"StringLike", "Null"}
    places = warnings("wide-trust", tmp_path, {"trust": {"statements": [statement]}})
    assert places == (["trust.statements.0"] if wide and (meets_without or not tags_only) else [])
    denied = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}
    assert warnings("wide-trust", tmp_path, {"trust": {"statements": [statement, denied]}}) == []


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        ("s3:GetObject", []),
        ("*", []),
        ("s3:GetObjekt", ["Action"]),
        (["s3:GetObject", "s3:Gett*"], ["Action.1"]),
        ("nowhere:Get*", ["Action"]),
    ],
)
def test_unknown_action(tmp_path: Path, actions: Any, found: list[str]) -> None:
    places = warnings("unknown-action", tmp_path, policy({**READ, "Action": actions}))
    assert places == [f"policy.document.Statement.0.{place}" for place in found]


ROLE = "arn:aws:iam::111122223333:role"
TABLE = "arn:aws:dynamodb:us-west-2:111122223333:table"
WRONG_RESOURCES: list[tuple[Any, Any, bool]] = [
    # The AWS page's own example, and its like: https://docs.aws.amazon.com/AmazonS3/latest/userguide/
    # security_iam_service-with-iam.html tells the two resource types apart.
    ("s3:GetObject", "arn:aws:s3:::b", True),
    ("s3:GetObject", "arn:${partition}:s3:::${cluster}", True),
    ("s3:GetObject", "arn:aws:s3:::b/*", False),
    ("s3:ListBucket", "arn:aws:s3:::b/*", True),
    ("s3:ListBucket", "arn:aws:s3:::b", False),
    ("S3:listbucket", ["arn:aws:s3:::b/*", "arn:aws:s3:::b"], False),
    # A bucket's ARN has neither region nor AWS account.
    ("s3:GetObject", "arn:aws:s3:us-west-2:111122223333:b/*", True),
    # A wildcard of IAM may stand for a slash too.
    ("s3:GetObject", "arn:aws:s3:::b*", False),
    ("s3:GetObject", "arn:aws:s3:::*", False),
    ("s3:GetObject", "arn:aws:s3:::b/${aws:PrincipalTag/team}", False),
    ("s3:Get*", "arn:aws:s3:::b", False),
    # Actions without resource types: "you must specify all resources" in the service reference.
    ("ecr:GetAuthorizationToken", "arn:aws:ecr:us-west-2:111122223333:repository/app", True),
    ("s3:ListAllMyBuckets", "arn:aws:s3:::b", True),
    ("s3:ListAllMyBuckets", "arn:aws:s3:::*", False),
    ("iam:ListRoles", f"{ROLE}/*", False),
    ("iam:ListRoles", f"{ROLE}/team/*", True),
    # A key, not one of its aliases: https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    ("kms:Decrypt", "arn:aws:kms:us-west-2:111122223333:alias/app", True),
    ("kms:Decrypt", "arn:aws:kms:us-west-2:111122223333:key/*", False),
    ("dynamodb:Query", f"{TABLE}/t/index/*", False),
    ("logs:PutLogEvents", "arn:aws:logs:us-west-2:111122223333:log-group:/app/x:*", False),
    ("*", "arn:aws:s3:::b", False),
    ("s3:GetObjekt", "arn:aws:s3:::b", False),
    # ARNs are case-sensitive: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    ("sqs:SendMessage", "arn:aws:SQS:us-west-2:111122223333:q", True),
    # What follows `:::` is the bucket's name: lower-case letters, digits, dots and hyphens.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    ("s3:GetObject", "arn:aws:s3:::My-Bucket/*", True),
    ("s3:GetObject", "arn:aws:s3:::my-bucket/Data/*", False),
    ("s3:ListBucket", ["arn:aws:s3:::b/data/*", "arn:aws:s3:::c/x/y"], True),
]


def test_what_a_statement_leaves_out_may_be_on_any_resource(tmp_path: Path) -> None:
    """Protects NotAction and NotResource from a warning: both name what is not meant."""
    for statement in (
        {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b"},
        {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::b"},
    ):
        assert warnings("wrong-resource", tmp_path, policy(statement)) == []


def test_a_prefix_that_the_advice_leaves_out_is_a_condition(tmp_path: Path) -> None:
    """Protects the names of all other objects: the resource of s3:ListBucket is the bucket, whatever the prefix is.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html, Example 2
    """
    for resource, prefixes in (
        ("arn:aws:s3:::b/*", None),
        ("arn:aws:s3:::b/data/*", ["data/*"]),
        ("arn:aws:s3:::${bucket}/data/*", ["data/*"]),
    ):
        statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": resource}
        values = {"cluster": {"name": "cc"}, "bindings": {"a": {**APP, **policy(statement)}}, "variables": VARIABLES}
        (warning,) = [each for each in examine(values, tmp_path).warnings if each.rule == "wrong-resource"]
        _, condition = followed(warning.mistake.fix)
        assert condition == ({"StringLike": {"s3:prefix": prefixes}} if prefixes else None)


VARIABLES = {"bucket": "b"}


def followed(fix: str) -> tuple[list[str], Any]:
    condition = re.search(r"with the Condition (\{.*\})", fix)
    before = fix[: condition.start()] if condition else fix
    return re.findall("'([^']+)'", before), condition and json.loads(condition[1])


@pytest.mark.parametrize(("actions", "resources", "wrong"), WRONG_RESOURCES)
def test_a_wrong_resource_and_its_advice(tmp_path: Path, actions: Any, resources: Any, wrong: bool) -> None:
    """Protects from an action that its statement allows on nothing, and from a warning where it may be on something.

    Resource types: https://docs.aws.amazon.com/service-authorization/latest/reference/
    """
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    binding = {**APP, **policy(statement)}
    warned = examine({"cluster": {"name": "cc"}, "bindings": {"a": binding}}, tmp_path, "us-west-2").warnings
    fixes = [each.mistake.fix for each in warned if each.rule == "wrong-resource"]
    assert warnings("wrong-resource", tmp_path, binding) == (["policy.document.Statement.0.Resource"] if wrong else [])
    for fix in fixes:
        arns, condition = followed(fix)
        if not arns:
            assert "such an ARN" in fix
            continue
        allowed = _listed(resources) if "add it to Resource" in fix else []
        again = {**statement, "Resource": [*allowed, *arns], **({"Condition": condition} if condition else {})}
        if "of its own" in fix and not allowed:
            # It is about the one that has a prefix.
            again["Action"] = "s3:ListBucket"
        left = warnings("wrong-resource", tmp_path, policy(again))
        assert len(left) < len(fixes)


def test_an_advised_arn_can_be_pasted() -> None:
    variables = {"partition": "aws", "region": "us-west-2", "account": "111122223333"}
    for prefix in services():
        for action in service(prefix).actions.values():
            for arn in action.arns:
                pasted = in_a_policy(arn)
                assert {*re.findall(r"\$\{(\w+)\}", pasted)} <= variables.keys()
                known = re.sub(r"\$\{(\w+)\}", lambda each: variables[each[1]], pasted)
                statement = {"Effect": "Allow", "Action": f"{prefix}:{action.name}", "Resource": known}
                assert not [*RULES["wrong-resource"](Statement(statement, statement))], pasted


def test_aws_itself_writes_few_wrong_resources() -> None:
    """Protects from false warnings: of the statements in AWS's own managed policies, hardly any has one.

    Those that have name actions that the service reference gives no resource type, or another one than the policy.
    """
    statements = [
        statement
        for managed in json.loads(aws_managed_policies_data).values()
        for statement in _listed(managed["Document"]["Statement"])
    ]
    wrong = [each for each in statements if [*RULES["wrong-resource"](Statement(each, each))]]
    assert len(statements) > 5000
    assert len(wrong) < len(statements) * 0.02


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@given(st.text("ab/:", max_size=8), st.text("*?.", min_size=15, max_size=15))
def test_a_resource_that_matches_an_object_includes_it(name: str, wildcards: str) -> None:
    """Protects the certainty of wrong-resource: whichever characters of an object's ARN IAM's wildcards replace."""
    written = f"bucket/{name}"
    pattern = "".join(char if wildcard == "." else wildcard for char, wildcard in zip(written, wildcards, strict=False))
    assert fnmatch.fnmatchcase(written, pattern)
    applies = applicability("s3:GetObject")
    assert applies is not None
    assert applies.includes(f"arn:aws:s3:::{pattern}")


@pytest.mark.parametrize(
    ("binding", "found"),
    [
        ({}, True),
        (READS, False),
        (policy(READ), False),
        (policy({**READ, "Effect": "Deny"}), True),
        ({**policy({**READ, "Effect": "Deny"}), **READS}, False),
        ({"inlinePolicies": {"a": {"document": policy(READ)["policy"]["document"]}}}, False),
        ({"assumeRoleArns": [f"{ROLE}/reader"]}, False),
        ({"role": {"arn": f"{ROLE}/app"}}, False),
    ],
)
def test_grants_nothing(tmp_path: Path, binding: dict[str, Any], found: bool) -> None:
    assert warnings("grants-nothing", tmp_path, binding) == ([""] if found else [])


def test_what_cannot_be_read_may_grant_something(tmp_path: Path) -> None:
    unknown: list[dict[str, Any]] = [
        {"policyArns": [SECRET]},
        {"policy": {"document": {**policy(READ)["policy"]["document"], "Id": SECRET}}},
        {"policy": {"file": "none.json"}},
        policy({**READ, "Effect": "Alow"}),
    ]
    for binding in unknown:
        values = {"cluster": {"name": "cc"}, "bindings": {"app": {**APP, **binding}}}
        assert examine(values, tmp_path).warnings == []


@pytest.mark.parametrize(
    ("rule", "binding", "found"),
    [
        *(
            (
                "default-service-account",
                {"serviceAccount": {"name": "default", "create": False}, **more},
                "serviceAccount.name",
            )
            for more in ({}, {"role": {"arn": f"{ROLE}/a"}})
        ),
        ("default-service-account", {"trust": {"subjects": ["a:b", "a:default"]}}, "trust.subjects.1"),
        ("default-service-account", {"trust": {"subjects": ["default:app", "a:default-app"]}}, ""),
        ("kube-system-wildcard", {"trust": {"subjects": ["kube-system:agent", "team-a:agent*"]}}, "trust.subjects.1"),
        (
            "kube-system-wildcard",
            {"serviceAccount": {"name": "a", "namespace": "kube-system"}, "trust": {"subjects": ["b:*"]}},
            "trust.subjects.0",
        ),
        *(
            ("kube-system-wildcard", {"trust": {"subjects": [each]}}, "trust.subjects.0")
            for each in ("kube-system:aws-*", "kube-*:agent")
        ),
        *(
            ("kube-system-wildcard", {"trust": {"subjects": [*each]}}, "")
            for each in (["*:agent"], ["kube-system:agent", "kube-system:other"], ["team-a:*"])
        ),
    ],
)
def test_service_accounts_of_others(tmp_path: Path, rule: str, binding: dict[str, Any], found: str) -> None:
    """Protects a namespace, each of whose Pods has the service account `default`, and the roles of a cluster's own.

    Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
    """
    assert warnings(rule, tmp_path, binding) == ([found] if found else [])


@pytest.mark.parametrize("count", [1, 40, 61, 62, 63, 110, 125, 250, 400])
def test_split_policy(tmp_path: Path, count: int) -> None:
    """Protects who reads one policy in the file and finds several in IAM: the characters, the quota and the number.

    6,144 characters without white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    several = [{**READ, "Resource": f"arn:aws:s3:::a bucket-{index:03}/*"} for index in range(count)]
    document = {"Version": "2012-10-17", "Statement": several}
    stack = {"cluster": {"name": "cc"}, "bindings": {"app": {**APP, **policy(*several)}}}
    frame, each = (len(json.dumps(part, separators=(",", ":"))) for part in ({**document, "Statement": []}, several[0]))
    in_one = (6_144 - frame + 1) // (each + 1)
    found = [each.mistake for each in examine(stack, tmp_path).warnings if each.rule == "split-policy"]

    assert warnings("split-policy", tmp_path, policy(*several)) == (["policy"] if count > in_one else [])
    if count > in_one:
        size, number = len(json.dumps(document, separators=(",", ":"))), -(-count // in_one)
        assert found[0].found.startswith(
            f"{size:,} characters, which `pulumi up` splits over {number} managed policies"
        )
        assert found[0].allowed.startswith("at most 6,144 ")
    inline = {"policy": policy(READ)["policy"], "inlinePolicies": {"policy": {"document": document}}}
    assert count > in_one or warnings("split-policy", tmp_path, inline) == []


def test_attached_twice(tmp_path: Path) -> None:
    arns = ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B", "arn:${partition}:iam::aws:policy/A"]
    assert warnings("attached-twice", tmp_path, {"policyArns": arns}) == ["policyArns.2"]
    own = ["arn:aws:iam::${account}:policy/p", "arn:aws:iam::${account}:policy/other", "arn:aws:iam::aws:policy/p"]
    assert warnings("attached-twice", tmp_path, {**policy(READ), "policyArns": own}) == ["policyArns.0"]
    by_id = ["arn:aws:iam::444455556666:policy/p"]
    assert warnings("attached-twice", tmp_path, {**policy(READ), "policyArns": by_id}) == ["policyArns.0"]
    same = policy(READ)["policy"]["document"]
    again = {"a": {"document": same}, "b": {"document": {**same, "Id": "x"}}}
    assert warnings("attached-twice", tmp_path, {**policy(READ), "inlinePolicies": again}) == ["inlinePolicies.a"]


def test_unused_setting(tmp_path: Path) -> None:
    variables = {"variables": {"used": "b", "unused": "c"}}
    read = policy({**READ, "Resource": "arn:aws:s3:::${used}"})
    assert warnings("unused-setting", tmp_path, read, **variables) == ["variables.unused"]


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ({"mode": "deny", "namespaces": {"team": "warn"}}, []),
        ({"mode": "deny", "namespaces": {"taem": "warn", "team": "off"}}, ["taem"]),
        ({"mode": "off", "namespaces": {"team": "deny"}}, ["team"]),
        ({"mode": "off", "namespaces": {"team": "off"}}, []),
    ],
)
def test_unused_namespaces_of_a_guard(tmp_path: Path, guard: dict[str, Any], found: list[str]) -> None:
    account = {"serviceAccount": {"name": "app", "namespace": "team"}}
    assert warnings("unused-setting", tmp_path, account, guard=guard) == [f"guard.namespaces.{each}" for each in found]
    of_cluster = {"cluster": {"name": "cc", "guard": guard}}
    places = warnings("unused-setting", tmp_path, account, **of_cluster)
    assert places == [f"cluster.guard.namespaces.{each}" for each in found]


DEPLOY = "arn:aws:sts::111122223333:assumed-role/deploy/"


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ({"annotations": {"userPrefixes": [DEPLOY, "system:serviceaccount:ci:deployer"], "groups": ["platform"]}}, []),
        ({"annotations": {"userPrefixes": [DEPLOY, "arn:"]}}, ["annotations.userPrefixes.1"]),
        ({"annotations": {"groups": ["system:authenticated"]}}, ["annotations.groups.0"]),
        ({"annotations": {"users": ["system:anonymous"]}}, ["annotations.users.0"]),
        ({"namespace": "team"}, ["namespace"]),
        ({"namespace": "platform"}, []),
        ({"namespace": "team", "namespaces": {"team": "off"}}, []),
    ],
)
def test_who_may_avoid_a_guard(tmp_path: Path, guard: dict[str, Any], found: list[str]) -> None:
    account = {"serviceAccount": {"name": "app", "namespace": "team"}}
    rule = {"annotations": {"mode": "deny", **guard["annotations"]}} if "annotations" in guard else {}
    guard = {"mode": "deny", **guard, **rule}
    assert warnings("wide-guard", tmp_path, account, guard=guard) == [f"guard.{each}" for each in found]
    places = warnings("wide-guard", tmp_path, account, cluster={"name": "cc", "guard": guard})
    assert places == [f"cluster.guard.{each}" for each in found]


EVERY_DEFAULT: dict[str, Any] = {
    "namespace": "a",
    "identity": "irsa",
    "audience": "a",
    "path": "/a/",
    "permissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "tags": {"a": "b"},
    "maxSessionDuration": 7200,
    "stsRegionalEndpoints": True,
    "tokenExpiration": 3600,
}
OF_TOKENS = ["audience", "stsRegionalEndpoints", "tokenExpiration"]
OF_ROLES = ["path", "permissionsBoundary", "tags", "maxSessionDuration"]
OWN = {"name": "app", "namespace": "default", "tokenExpiration": 600, "stsRegionalEndpoints": False}


@pytest.mark.parametrize(
    ("binding", "unused"),
    [
        ({}, []),
        ({"serviceAccount": OWN}, ["namespace", *OF_TOKENS[1:]]),
        ({"role": {"arn": f"{ROLE}/app"}}, OF_ROLES),
        (
            {"role": {"arn": f"{ROLE}/app"}, "identity": "podIdentity"},
            ["identity", *OF_TOKENS, *OF_ROLES[:2], "maxSessionDuration"],
        ),
        ({"role": {"path": "/"}, "audience": "a"}, ["audience", "path"]),
        ({"role": {"path": "/"}, **policy(READ)}, []),
    ],
)
def test_unused_defaults(tmp_path: Path, binding: dict[str, Any], unused: list[str]) -> None:
    assert EVERY_DEFAULT.keys() == {field.alias for field in Defaults.model_fields.values()}
    found = warnings("unused-setting", tmp_path, binding, defaults=EVERY_DEFAULT)
    assert {*found} == {f"defaults.{each}" for each in unused}


SESSION = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def with_session_policy(*statements: Any, **binding: Any) -> dict[str, Any]:
    document = {**SESSION, "Statement": [*statements]} if statements else SESSION
    settings = {"sessionTags": False, "policy": {"document": document}}
    return {"identity": "podIdentity", "podIdentity": settings, **binding}


@pytest.mark.parametrize("more", [{}, {"role": {"arn": "arn:aws:iam::111122223333:role/app"}}])
@pytest.mark.parametrize("identity", ["both", {"irsa": "trusted", "podIdentity": "used"}, "podIdentity"])
def test_a_session_policy_limits_no_token(tmp_path: Path, identity: Any, more: Any) -> None:
    """The attack: a limit that is one of two ways; by its token, a Pod gets a session of the whole role.

    A session policy is an argument of the association: API_CreatePodIdentityAssociation.html of EKS.
    """
    found = warnings("pod-identity-trust", tmp_path, with_session_policy(identity=identity, **more))
    assert found == ([] if identity == "podIdentity" else ["podIdentity.policy"])


def test_a_session_policy_gives_nothing(tmp_path: Path) -> None:
    """Protects from false alarms: a session may do what it and the role's policies both allow.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
    """
    assert warnings("write-everything", tmp_path, with_session_policy()) == []
    assert warnings("grants-nothing", tmp_path, with_session_policy()) == [""]
    same = policy(SESSION["Statement"][0])
    assert warnings("attached-twice", tmp_path, with_session_policy(**same)) == []
    # And takes nothing away from what is too wide: not every session has it.
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    assert warnings("write-everything", tmp_path, with_session_policy(deny, **same)) == [
        "policy.document.Statement.0.Resource"
    ]


@pytest.mark.parametrize(
    ("rule", "binding", "place"),
    [
        ("wide-trust", {"identity": "podIdentity", "podIdentity": {"sessionTags": False}}, "podIdentity.sessionTags"),
        (
            "pod-identity-trust",
            {"identity": "both", "trust": {"conditions": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}},
            "trust.conditions",
        ),
        ("pod-identity-trust", {"identity": "both", "trust": {"subjects": ["a:b-*"]}}, "trust.subjects"),
    ],
)
def test_what_is_another_thing_with_pod_identity(
    tmp_path: Path, rule: str, binding: dict[str, Any], place: str
) -> None:
    """Protects who comes from IRSA: without tags nothing names the service account, and EKS is who assumes the role.

    "EKS Pod Identity uses AssumeRole to assume the IAM role before passing the temporary credentials to your pods":
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    assert warnings(rule, tmp_path, binding) == [place]
    of_irsa = {key: value for key, value in binding.items() if key not in {"identity", "podIdentity"}}
    assert warnings(rule, tmp_path, of_irsa) == []
    # Of an existing role the trust policy stays.
    existing = {**binding, "role": {"arn": "arn:aws:iam::111122223333:role/app"}}
    if "trust" not in binding:
        assert warnings(rule, tmp_path, existing) == []


def test_the_place_of_a_statement_beside_those_for_pod_identity(tmp_path: Path) -> None:
    issuer = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
    provider = f"arn:aws:iam::111122223333:oidc-provider/{issuer}"
    open_to_all = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {f"{issuer}:sub": "system:serviceaccount:team-a:*"}},
    }
    cluster = {"name": "cc", "oidcIssuer": f"https://{issuer}", "oidcProviderArn": provider}
    trust = {"subjects": ["b:c"], "statements": [open_to_all]}
    binding = {"identity": "both", "trust": trust}

    assert warnings("wide-trust", tmp_path, binding, cluster=cluster) == ["trust.statements.0"]


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
    bindings = {"a": APP, "b": APP}
    stack = read_settings({"bindings": bindings, "lint": {"silence": silence}}, Path("/nowhere")).stack
    warning = LocatedMistake(("bindings", binding, "trust"), Mistake("F", "A", "D"), rule=rule)
    assert silence_reason(warning, stack.lint) == reason


@pytest.mark.parametrize("bindings", ["b", [5], {"secure": "v1:abc"}, SECRET])
def test_a_silence_for_whom_it_is_not_known_is_for_nobody(tmp_path: Path, bindings: Any) -> None:
    wide = {"trust": {"subjects": ["team-a:*"]}, **READS}
    lint = {"errors": ["wide-trust"], "silence": {"wide-trust": {"reason": "r", "bindings": bindings}}}
    found = examine({"cluster": {"name": "cc"}, "bindings": {"a": wide}, "lint": lint}, tmp_path)
    assert "wide-trust" in {mistake.rule for mistake in found.mistakes}
    assert not found.silenced


def test_names_of_rules() -> None:
    for name, rule in RULES.items():
        assert check_rule_name(name) == name
        assert rule.description
    with pytest.raises(Mistake, match="did you mean 'wide-trust'"):
        check_rule_name("wide-trusts")
