"""The changes of docs/reference/changes.md: stacks, and the steps that walk each row of the page.

COMMON are what people do most, and one of each kind; `make test-all` walks the others too.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.sandbox.changes import (
    NOTHING,
    OTHER_ACCOUNT,
    Scenario,
    Settings,
    Step,
    automatic,
    document,
    existing,
    named,
    role_arn,
    role_only,
    scenario,
)
from tests.sandbox.live import LONG, allowing

SQS, SNS = (f"arn:aws:iam::aws:policy/Amazon{service}ReadOnlyAccess" for service in ("SQS", "SNS"))
MY_POLICY = {"file": "policies/my-policy.json", "document": None}
IN_MY_POLICY = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-pod-secrets-bucket"}

Binding = Callable[..., Settings]


def one(word: str, binding: Binding, *steps: tuple[Any, ...], **before: Any) -> Scenario:
    """Return the scenario of a binding: each step has its change, settings in place of `before`, and what is lost."""
    walked = (Step(change, {"app": binding(word, **settings)}, lost) for change, settings, *lost in steps)
    return scenario(word, {"app": binding(word, **before)}, *walked)


def rekeyed(word: str, binding: Binding, change: str, *lost: str, **settings: Any) -> Scenario:
    """Return the scenario of a binding that gets another key, and these settings with it."""
    return scenario(word, {"old": binding(word)}, Step(change, {"new": binding(word, **settings)}, lost))


# Rows of the page with several changes, each walked.
KEPT_KEY = "Rename a key: the role and the policy have names, or exist"
LOST_KEY = "Rename a key, or remove `formerly`: automatic names"
ROLE_NAME = "Give, change or remove the role's name, also with another path"
ROLE_PATH = "Change the path of a role"
POLICY_NAME = "Give, change or remove the policy's name, also with another description or path"
POLICY_DESCRIPTION = "Change the description or path of a policy"
PROTECT = "Set or remove `protect`"
CLUSTER_MORE, CLUSTER_LESS = "Add a cluster: each of its bindings", "Remove a cluster: each of its bindings"
OTHER_ACCOUNT_ROW = "Move a binding to another AWS account, with names or a new key"

without_policy_name = partial(named, policy={"name": None})
KEYS = [
    rekeyed("renamed", named, KEPT_KEY),
    rekeyed("half", without_policy_name, "Rename a key: the role has a name, the policy has none", "policy"),
    rekeyed("auto", automatic, LOST_KEY, "policy", "role"),
    scenario(
        "former",
        {"old": automatic("former")},
        Step("Rename a key with `formerly`", {"new": automatic("former", formerly="former-old")}),
        Step(LOST_KEY, {"new": automatic("former")}, ["policy", "role"]),
    ),
    rekeyed("given", partial(existing, role="given-byhand"), KEPT_KEY),
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
    one(
        "moved",
        named,
        (
            "Change the service account's namespace or name",
            {"serviceAccount": {"namespace": "team-a"}},
            "service account",
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
            {"app": named("walked", serviceAccount={"namespace": "team-a"})},
            ["service account"],
        ),
    ),
    one(
        "left",
        named,
        ("`create: true` to `false`", {"serviceAccount": {"create": False}}),
        ("`create: false` to `true`, with `import: [serviceAccount]`", {"import": ["serviceAccount"]}),
        ("Remove `import`", {}),
    ),
]

ROLES = [
    one(
        "name",
        automatic,
        (ROLE_NAME, {"role": {"name": "name-role"}}, "role"),
        (ROLE_NAME, {"role": {"name": "name-role-2"}}, "role"),
        (ROLE_NAME, {}, "role"),
    ),
    scenario(
        "kept",
        {"app": named("kept")},
        Step(
            "1. Copy the binding to a new key with other names; in the old one, replace `serviceAccount` by "
            "`trust: {subjects: [...]}`",
            {
                "next": without_policy_name("kept", role={"name": "kept-role-2"}),
                "app": role_only("kept", named("kept")),
            },
        ),
        Step(
            "2. Restart the Pods, then remove the old binding",
            {"next": without_policy_name("kept", role={"name": "kept-role-2"})},
            ["policy", "role"],
        ),
    ),
    one(
        "path",
        named,
        (ROLE_PATH, {"role": {"path": "/new/"}}, "role"),
        (ROLE_NAME, {"role": {"name": "path-role-2", "path": "/other/"}}, "role"),
    ),
    one("autopath", automatic, (ROLE_PATH, {"role": {"path": "/new/"}}, "role")),
    one(
        "settings",
        named,
        (
            "Change the role's trust, description, boundary or session duration",
            {"role": {"description": "new"}, "trust": {"subjects": ["team-a:other"]}},
        ),
        (
            "Change the role's tags",
            {"role": {"description": "new", "tags": {"team": "payments"}}, "trust": {"subjects": ["team-a:other"]}},
        ),
    ),
    rekeyed("newpath", automatic, "Any of these with a new key", "policy", "role", role={"path": "/new/"}),
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
            "2. Set `role: {arn: ...}` to the same role, without `policy`", {"app": existing("handed", "handed-role")}
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
            "Split: each binding gets a role of its own again", {"one": named("merged"), "two": named("merged-other")}
        ),
    ),
    one("protected", named, (PROTECT, {"protect": True}), (PROTECT, {})),
]

NEW_POLICY = {"policy": {"description": "new"}}
INLINE = {"inlinePolicies": {"copy": {"document": document("bucket")}}}
POLICIES = [
    one(
        "policy",
        automatic,
        (
            "Policy from a file to the same document inline",
            {"policy": {"document": {"Version": "2012-10-17", "Statement": [IN_MY_POLICY]}}},
        ),
        (
            "Policy that irsa creates to an existing one (`policyArns`)",
            {"policy": None, "policyArns": [SQS]},
            "policy",
        ),
        ("Existing policy (`policyArns`) to one that irsa creates", {}),
        policy=MY_POLICY,
    ),
    one(
        "policyname",
        named,
        (POLICY_NAME, {}, "policy"),
        (POLICY_NAME, {"policy": {"name": "policyname-2"}}, "policy"),
        (POLICY_NAME, {"policy": {"name": None}}, "policy"),
        policy={"name": None},
    ),
    one(
        "described",
        named,
        (POLICY_DESCRIPTION, NEW_POLICY, "policy"),
        (
            POLICY_NAME,
            {"policy": {"name": "described-policy-2", "description": "newer"}},
            "policy",
        ),
    ),
    one("autodescribed", automatic, (POLICY_DESCRIPTION, NEW_POLICY, "policy")),
    one(
        "copied",
        automatic,
        ("1. Copy the document to `inlinePolicies`", INLINE),
        ("2. Change the policy", {**NEW_POLICY, **INLINE}, "policy"),
        ("3. Remove the copy", NEW_POLICY),
    ),
    one(
        "long",
        named,
        (
            "Policy document grows over 6,144 characters: a second policy",
            {"policy": {"document": allowing(*LONG)}},
        ),
        ("Policy document fits into one policy again", {"policy": {"document": allowing(*LONG[:4])}}, "policy"),
        policy={"document": allowing(*LONG[:4])},
    ),
]

OF_ONE_CLUSTER = [*KEYS, *SERVICE_ACCOUNTS, *ROLES, *POLICIES]
WORDS = ("renamed", "auto", "former", "order", "moved", "walked", "path", "settings", "described", "long")
COMMON = [each for each in OF_ONE_CLUSTER if each.word in WORDS]
FURTHER = [each for each in OF_ONE_CLUSTER if each.word not in WORDS]

DEFAULTS = [
    one(
        word,
        binding,
        ("Change `tags` of `irsa:defaults`: each binding", {}),
        (f"Change `path` of `irsa:defaults`: each binding with {names}", {}, "policy", "role"),
    )
    for word, binding, names in (
        ("defaultnamed", named, "names"),
        ("defaultauto", automatic, "automatic names"),
    )
]
TAGGED = {"tags": {"team": "payments"}}

ACCOUNTS = {"data": {"assumeRoleArn": role_arn("deployer", OTHER_ACCOUNT)}}
# What each of these does to a binding in all clusters, and what is lost; then what it does to the stack.
CLUSTERS: list[tuple[Any, ...]] = [
    ("`irsa:cluster` to `irsa:clusters` with the same cluster: each binding", {}),
    (CLUSTER_MORE, {}),
    ("Rename a cluster's key", {}),
    (CLUSTER_LESS, {}, "service account"),
    ("`irsa:clusters` with one cluster to `irsa:cluster`: each binding", {}),
]
OF_THE_STACK = [NOTHING, "Add a cluster: the stack", NOTHING, "Remove a cluster: the stack", NOTHING]
GROWING = [
    one("named", named, *CLUSTERS),
    one("auto", automatic, *CLUSTERS),
    Scenario("", {}, [Step(change, {}) for change in OF_THE_STACK]),
]

JOINED = {"one": named("joined", clusters=["blue", "green"])}
PARTED = {
    "one": named("joined", clusters=["blue"]),
    "two": named("joined", clusters=["green"], role={"name": "joined-other"}, policy={**MY_POLICY, "name": None}),
}

MOVING = [
    # The providers of both clusters and AWS accounts are there from the beginning.
    scenario("still", {"app": role_only("still", automatic("still", account="data")), "both": named("still")}),
    one(
        "moved",
        named,
        ("Move a binding to another cluster", {"clusters": ["green"]}, "service account"),
        clusters=["blue"],
    ),
    one(
        "walked",
        named,
        (CLUSTER_MORE, {"clusters": ["blue", "green"]}),
        (CLUSTER_LESS, {"clusters": ["green"]}, "service account"),
        clusters=["blue"],
    ),
    scenario(
        "joined",
        PARTED,
        Step("Merge the bindings of a service account in two clusters", JOINED, ["policy", "role"]),
        Step("Split a binding of two clusters", PARTED),
    ),
    one(
        "abroad",
        partial(named, clusters=["blue"]),
        (OTHER_ACCOUNT_ROW, {"account": "data"}, "policy", "role"),
    ),
    rekeyed(
        "newkey",
        partial(automatic, clusters=["blue"]),
        OTHER_ACCOUNT_ROW,
        "policy",
        "role",
        account="data",
    ),
]
