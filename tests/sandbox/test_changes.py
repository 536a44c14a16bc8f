"""Each change of a stack file in docs/reference/changes.md, on the real engine."""

from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

import pytest

from tests.sandbox.changes import (
    Scenario,
    Step,
    Walk,
    automatic,
    check,
    create_role,
    document,
    existing,
    look,
    named,
    role_only,
    rows,
    scenario,
    walk,
)
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.project import Project
from tests.sandbox.test_changes_clusters import GROWING, MOVING

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

NO_POLICY = "arn:aws:iam::111122223333:policy/misspelled"
SQS, SNS = (f"arn:aws:iam::aws:policy/Amazon{service}ReadOnlyAccess" for service in ("SQS", "SNS"))


def by_hand(cloud: Any) -> None:
    """Create the roles that exist before the stack does."""
    for word in ("given", "exists"):
        create_role(cloud, f"{word}-byhand", f"{word}-sa")


LONG = [f"{'x' * 1400}-{index}" for index in range(5)]

COPY = {"copy": {"document": document("bucket")}}
SUBJECTS = {"subjects": ["team-a:other"]}

KEYS = [
    scenario(
        "renamed",
        {"old": named("renamed")},
        Step("Rename a key: the role and the policy have names", {"new": named("renamed")}),
    ),
    scenario(
        "half",
        {"old": {**named("half"), "policy": {"document": document("bucket")}}},
        Step(
            "Rename a key: the role has a name, the policy has none",
            {"new": {**named("half"), "policy": {"document": document("bucket")}}},
            ["policy"],
        ),
    ),
    scenario(
        "auto",
        {"old": automatic("auto")},
        Step("Rename a key: automatic names", {"new": automatic("auto")}, ["policy", "role"]),
    ),
    scenario(
        "former",
        {"old": automatic("former")},
        Step("Rename a key with `formerly`", {"new": automatic("former", formerly="former-old")}),
        Step("Remove `formerly`: automatic names", {"new": automatic("former")}, ["policy", "role"]),
    ),
    scenario(
        "given",
        {"old": existing("given", "given-byhand")},
        Step(
            "Rename a key: the role exists (`role.arn`)",
            {"new": existing("given", "given-byhand")},
        ),
    ),
    scenario(
        "order",
        {
            "one": named("order", policyArns=[SQS, SNS], trust={"subjects": ["team-a:one", "team-a:two"]}),
            "two": {"role": {"name": "order-second"}, "trust": {"subjects": ["team-b:two"]}},
        },
        Step(
            "Reorder bindings, subjects or policies",
            {
                "two": {"role": {"name": "order-second"}, "trust": {"subjects": ["team-b:two"]}},
                "one": named("order", policyArns=[SNS, SQS], trust={"subjects": ["team-a:two", "team-a:one"]}),
            },
        ),
    ),
]

SERVICE_ACCOUNTS = [
    scenario(
        "moved",
        {"app": named("moved")},
        Step(
            "Change the service account's namespace or name",
            {"app": named("moved", serviceAccount={"name": "moved-sa", "namespace": "team-a"})},
            ["service account"],
        ),
    ),
    scenario(
        "walked",
        {"app": named("walked")},
        Step(
            "1. Add a binding with the new service account and `role: {arn: ...}`, and its subject to the old binding",
            {
                "app": named("walked", trust={"subjects": ["team-a:walked-sa"]}),
                "next": existing("walked", "walked-role", namespace="team-a"),
            },
        ),
        Step(
            "2. Move the Pods, then give the old binding the new service account, and remove what was added",
            {"app": named("walked", serviceAccount={"name": "walked-sa", "namespace": "team-a"})},
            ["service account"],
        ),
    ),
    scenario(
        "left",
        {"app": named("left")},
        Step("1. Set `retainOnDelete: true`", {"app": named("left", retainOnDelete=True)}),
        Step(
            "2. Set `create: false`",
            {"app": named("left", retainOnDelete=True, serviceAccount={"name": "left-sa", "create": False})},
        ),
        Step("3. Remove `retainOnDelete`", {"app": named("left", serviceAccount={"name": "left-sa", "create": False})}),
        Step(
            "`create: false` to `true`, with `import: [serviceAccount]`",
            {"app": named("left", **{"import": ["serviceAccount"]})},
        ),
        Step("Remove `import`", {"app": named("left")}),
    ),
]

ROLES = [
    scenario(
        "name",
        {"app": automatic("name")},
        Step(
            "Give the role a name",
            {"app": automatic("name", role={"name": "name-role"})},
            ["role"],
        ),
        Step(
            "Change the role's name",
            {"app": automatic("name", role={"name": "name-role-2"})},
            ["role"],
        ),
        Step(
            "Remove the role's name",
            {"app": automatic("name")},
            ["role"],
        ),
    ),
    scenario(
        "kept",
        {"app": named("kept")},
        Step(
            "1. Copy the binding to a new key with other names; in the old one, replace `serviceAccount` by "
            "`trust: {subjects: [...]}`",
            {
                "next": named("kept", role={"name": "kept-role-2"}, policy={"document": document("bucket")}),
                "app": role_only("kept", named("kept")),
            },
        ),
        Step(
            "2. Restart the Pods, then remove the old binding",
            {"next": named("kept", role={"name": "kept-role-2"}, policy={"document": document("bucket")})},
            ["policy", "role"],
        ),
    ),
    scenario(
        "path",
        {"app": named("path")},
        Step(
            "Change the path of a role with a name",
            {"app": named("path", role={"name": "path-role", "path": "/new/"})},
            ["role"],
        ),
        Step(
            "Change the path and the name of a role",
            {"app": named("path", role={"name": "path-role-2", "path": "/other/"})},
            ["role"],
        ),
    ),
    scenario(
        "autopath",
        {"app": automatic("autopath")},
        Step(
            "Change the path of a role with an automatic name",
            {"app": automatic("autopath", role={"path": "/new/"})},
            ["role"],
        ),
    ),
    scenario(
        "settings",
        {"app": named("settings")},
        Step(
            "Change the role's trust, description, boundary or session duration",
            {"app": named("settings", role={"name": "settings-role", "description": "new"}, trust=SUBJECTS)},
        ),
        Step(
            "Change the role's tags",
            {
                "app": named(
                    "settings",
                    role={"name": "settings-role", "description": "new", "tags": {"team": "payments"}},
                    trust=SUBJECTS,
                )
            },
        ),
    ),
    *(
        scenario(
            word,
            {"old": automatic(word)},
            Step("Any of these with a new key", {"new": automatic(word, **change)}, ["policy", "role"]),
        )
        for word, change in (
            ("newname", {"role": {"name": "newname-role"}}),
            ("newpath", {"role": {"path": "/new/"}}),
            ("newpolicy", {"policy": {"description": "new", "document": document("bucket")}}),
        )
    ),
    scenario(
        "exists",
        {"app": named("exists")},
        Step(
            "Use another role that exists (`role.arn`)",
            {"app": existing("exists", "exists-byhand")},
            ["policy", "role"],
        ),
        Step("Let irsa create the role again", {"app": named("exists")}),
    ),
    scenario(
        "handed",
        {"app": named("handed")},
        Step("1. Set `retainOnDelete: true`", {"app": named("handed", retainOnDelete=True)}),
        Step(
            "2. Set `role: {arn: ...}` to the same role, without `policy`",
            {"app": existing("handed", "handed-role")},
        ),
        Step(
            "Take the role back: name, policy, and `import: [role, policy, attachments]`",
            {"app": named("handed", **{"import": ["role", "policy", "attachments"]})},
        ),
    ),
    scenario(
        "merged",
        {"one": named("merged"), "two": named("merged-other")},
        Step(
            "Merge: the second binding uses the first one's role (`role.arn` and a subject)",
            {
                "one": named("merged", trust={"subjects": ["default:merged-other-sa"]}),
                "two": existing("merged-other", "merged-role"),
            },
            ["policy", "role"],
        ),
        Step(
            "Split: each binding gets a role of its own again",
            {"one": named("merged"), "two": named("merged-other")},
        ),
    ),
    scenario(
        "protected",
        {"app": named("protected")},
        Step("Set `protect`", {"app": named("protected", protect=True)}),
        Step("Remove `protect`", {"app": named("protected")}),
    ),
]

POLICIES = [
    scenario(
        "policy",
        {"app": automatic("policy", policy={"file": "policies/my-policy.json"})},
        Step(
            "Policy from a file to the same document inline",
            {
                "app": automatic(
                    "policy",
                    policy={
                        "document": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    "Effect": "Allow",
                                    "Action": "s3:GetObject",
                                    "Resource": "arn:aws:s3:::my-pod-secrets-bucket",
                                }
                            ],
                        }
                    },
                )
            },
        ),
        Step(
            "Policy that irsa creates to an existing one (`policyArns`)",
            {"app": {"serviceAccount": {"name": "policy-sa"}, "policyArns": [SQS]}},
            ["policy"],
        ),
        Step("Existing policy (`policyArns`) to one that irsa creates", {"app": automatic("policy")}),
    ),
    scenario(
        "policyname",
        {"app": automatic("policyname", role={"name": "policyname-role"})},
        Step("Give the policy a name", {"app": named("policyname")}, ["policy"]),
        Step(
            "Change the policy's name",
            {"app": named("policyname", policy={"name": "policyname-2", "document": document("bucket")})},
            ["policy"],
        ),
        Step(
            "Remove the policy's name", {"app": automatic("policyname", role={"name": "policyname-role"})}, ["policy"]
        ),
    ),
    scenario(
        "described",
        {"app": named("described")},
        Step(
            "Change the description or path of a policy with a name",
            {
                "app": named(
                    "described",
                    policy={"name": "described-policy", "description": "new", "document": document("bucket")},
                )
            },
            ["policy"],
        ),
        Step(
            "Change the description or path and the name of a policy",
            {
                "app": named(
                    "described",
                    policy={"name": "described-policy-2", "description": "newer", "document": document("bucket")},
                )
            },
            ["policy"],
        ),
    ),
    scenario(
        "autodescribed",
        {"app": automatic("autodescribed")},
        Step(
            "Change the description or path of a policy with an automatic name",
            {"app": automatic("autodescribed", policy={"description": "new", "document": document("bucket")})},
            ["policy"],
        ),
    ),
    scenario(
        "copied",
        {"app": automatic("copied")},
        Step("1. Copy the document to `inlinePolicies`", {"app": automatic("copied", inlinePolicies=COPY)}),
        Step(
            "2. Change the policy",
            {
                "app": automatic(
                    "copied", policy={"description": "new", "document": document("bucket")}, inlinePolicies=COPY
                )
            },
            ["policy"],
        ),
        Step(
            "3. Remove the copy",
            {"app": automatic("copied", policy={"description": "new", "document": document("bucket")})},
        ),
    ),
    scenario(
        "long",
        {"app": named("long", policy={"name": "long-policy", "document": document(*LONG[:4])})},
        Step(
            "Policy document grows over 6,144 characters: a second policy",
            {"app": named("long", policy={"name": "long-policy", "document": document(*LONG)})},
        ),
        Step(
            "Policy document fits into one policy again",
            {"app": named("long", policy={"name": "long-policy", "document": document(*LONG[:4])})},
            ["policy"],
        ),
    ),
]

OF_ONE_CLUSTER = [*KEYS, *SERVICE_ACCOUNTS, *ROLES, *POLICIES]


DEFAULTS = [
    scenario(
        word,
        {"app": binding},
        Step(f"Change `tags` of `irsa:defaults`: each binding with {names}", {"app": binding}),
        Step(f"Change `path` of `irsa:defaults`: each binding with {names}", {"app": binding}, ["policy", "role"]),
    )
    for word, binding, names in (
        # The first walk's stack, whose words are other ones, is still there.
        ("defaultnamed", named("defaultnamed"), "names"),
        ("defaultauto", automatic("defaultauto"), "automatic names"),
    )
]
TAGGED = {"tags": {"team": "payments"}}


@pytest.fixture(scope="module")
def walked(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """All scenarios, in one stack."""
    by_hand(cloud)
    project = Project(cloud, tmp_path_factory.mktemp("changes"), {"bindings": {}})
    yield walk(project, OF_ONE_CLUSTER)
    project.destroy()


@pytest.mark.parametrize("scenario", OF_ONE_CLUSTER, ids=[each.word for each in OF_ONE_CLUSTER])
def test_the_page_has_what_a_change_does(walked: Walk, scenario: Scenario) -> None:
    """Protects Pods from a surprise: what a change creates, deletes and leaves is written down, and no more moves."""
    check(walked, scenario)


@pytest.fixture(scope="module")
def defaulted(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Bindings whose stack gets other defaults."""
    project = Project(cloud, tmp_path_factory.mktemp("defaults"), {"bindings": {}})
    yield walk(project, DEFAULTS, [{}, {"defaults": TAGGED}, {"defaults": {**TAGGED, "path": "/irsa/"}}])
    project.destroy()


@pytest.mark.parametrize("scenario", DEFAULTS, ids=[each.word for each in DEFAULTS])
def test_the_page_has_what_other_defaults_do(defaulted: Walk, scenario: Scenario) -> None:
    """Protects a whole stack: other tags replace nothing, another path replaces every role."""
    check(defaulted, scenario)


def test_formerly_helps_after_a_failed_up(deploy: Callable[..., Project], cloud: Any) -> None:
    """Protects from a half-done rename: the state holds both roles, the earlier one stays and the new one goes."""
    binding = automatic("failed")
    words = [scenario("failed", {})]
    project = deploy({"bindings": {"failed-old": binding}})
    project.up()
    before = look(cloud, words, None)["failed"]
    project.set({"bindings": {"failed-new": {**binding, "policyArns": [NO_POLICY]}}})
    project.refused("up", "--yes", "--skip-preview")
    between = look(cloud, words, None)["failed"]
    project.set({"bindings": {"failed-new": {**binding, "formerly": "failed-old"}}})
    did = project.up()

    assert before.things < between.things
    assert did == rows()["Add `formerly` after an `up` that failed"].counts
    assert look(cloud, words, None)["failed"] == before
    assert project.up() == {}


def test_what_is_not_kept_first_is_deleted(deploy: Callable[..., Project], cloud: Any) -> None:
    """Protects the page's warning: `create: false` at once deletes the service account, which the next `up` misses."""
    project = deploy({"bindings": {"app": named("gone")}})
    project.up()
    project.set({"bindings": {"app": named("gone", serviceAccount={"name": "gone-sa", "create": False})}})
    did = project.up()

    assert did == rows()["`create: true` to `false` at once"].counts
    assert cloud.kubectl("get", "serviceaccount", "gone-sa").returncode != 0
    assert "gone-sa" in project.refused("preview")


def test_a_role_and_its_policy_are_replaced_together(deploy: Callable[..., Project], cloud: Any) -> None:
    """Protects an `up` of other paths: IAM refuses to delete a policy until it is detached, however long that takes."""
    project = deploy({"bindings": {"app": named("both")}})
    project.up()
    project.set({"defaults": {"path": "/irsa/"}, "bindings": {"app": named("both")}})
    with failing_aws({"DetachRolePolicy": lambda: sleep(4)}, cloud.aws_address) as address:
        arguments = ("up", "--yes", "--skip-preview")
        answer = cloud.pulumi(project.folder, *arguments, **project.variables, AWS_ENDPOINT_URL=address)

    assert answer.returncode == 0, answer.stdout
    assert cloud.aws("iam").get_role(RoleName="both-role")["Role"]["Path"] == "/irsa/"
    assert project.up() == {}


def test_every_row_is_walked() -> None:
    """Protects the page: no row is there that no test has measured."""
    walked = {step.change for each in [*OF_ONE_CLUSTER, *DEFAULTS, *GROWING, *MOVING] for step in each.steps}

    assert rows().keys() - walked == {
        "Add `formerly` after an `up` that failed",
        "`create: true` to `false` at once",
        # tests/sandbox/test_broken_links.py
        "1. Set `retainOnDelete: true`, before the issuer is corrected",
        "2. Correct the issuer, and set `import: [serviceAccount]`",
        "3. Remove `retainOnDelete` and `import`",
        "Rebuild a cluster, then `pulumi up --refresh` with its issuer",
    }
