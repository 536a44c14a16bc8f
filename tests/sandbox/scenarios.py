"""The changes of docs/reference/changes.md: stacks, and the steps that walk each row of the page.

COMMON are what people do most, and one of each kind; `make test-all` walks the others too.
"""

from tests.sandbox.changes import (
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

SQS, SNS = (f"arn:aws:iam::aws:policy/Amazon{service}ReadOnlyAccess" for service in ("SQS", "SNS"))
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
WORDS = ("renamed", "auto", "former", "order", "moved", "walked", "name", "settings", "policy", "long")
COMMON = [each for each in OF_ONE_CLUSTER if each.word in WORDS]
FURTHER = [each for each in OF_ONE_CLUSTER if each.word not in WORDS]

DEFAULTS = [
    scenario(
        word,
        {"app": binding},
        Step(f"Change `tags` of `irsa:defaults`: each binding with {names}", {"app": binding}),
        Step(f"Change `path` of `irsa:defaults`: each binding with {names}", {"app": binding}, ["policy", "role"]),
    )
    for word, binding, names in (
        ("defaultnamed", named("defaultnamed"), "names"),
        ("defaultauto", automatic("defaultauto"), "automatic names"),
    )
]
TAGGED = {"tags": {"team": "payments"}}

ACCOUNTS = {"data": {"assumeRoleArn": role_arn("deployer", OTHER_ACCOUNT)}}
CLUSTERS = [
    "`irsa:cluster` to `irsa:clusters` with the same cluster",
    "Add a cluster",
    "Rename a cluster's key",
    "Remove a cluster",
    "`irsa:clusters` with one cluster to `irsa:cluster`",
]


def growing(word: str, binding: Settings) -> Scenario:
    """Return the scenario of a binding in all clusters of a stack that gets a second cluster, and loses it."""
    bindings = {"app": binding}
    steps = [
        Step(f"{change}: each binding", bindings, ["service account"] if change == "Remove a cluster" else [])
        for change in CLUSTERS
    ]
    return scenario(word, bindings, *steps)


GROWING = [
    growing("named", named("named")),
    growing("auto", automatic("auto")),
    Scenario("", {}, [Step(f"{change}: the stack", {}) for change in CLUSTERS]),
]

JOINED = {"one": named("joined", clusters=["blue", "green"])}
PARTED = {
    "one": named("joined", clusters=["blue"]),
    "two": {
        **named("joined", clusters=["green"]),
        "role": {"name": "joined-other"},
        "policy": {"file": "policies/my-policy.json"},
    },
}

MOVING = [
    # The providers of both clusters and AWS accounts are there from the beginning.
    scenario("still", {"app": role_only("still", automatic("still", account="data")), "both": named("still")}),
    scenario(
        "moved",
        {"app": named("moved", clusters=["blue"])},
        Step(
            "Move a binding to another cluster",
            {"app": named("moved", clusters=["green"])},
            ["service account"],
        ),
    ),
    scenario(
        "walked",
        {"app": named("walked", clusters=["blue"])},
        Step("Add a cluster to a binding", {"app": named("walked", clusters=["blue", "green"])}),
        Step("Remove a cluster from a binding", {"app": named("walked", clusters=["green"])}, ["service account"]),
    ),
    scenario(
        "joined",
        PARTED,
        Step("Merge the bindings of a service account in two clusters", JOINED, ["policy", "role"]),
        Step("Split a binding of two clusters", PARTED),
    ),
    scenario(
        "abroad",
        {"app": named("abroad", clusters=["blue"])},
        Step(
            "Move a binding to another AWS account: the role has a name",
            {"app": named("abroad", clusters=["blue"], account="data")},
            ["policy", "role"],
        ),
    ),
    scenario(
        "newkey",
        {"app": automatic("newkey", clusters=["blue"])},
        Step(
            "Move a binding to another AWS account: automatic names, with a new key",
            {"next": automatic("newkey", clusters=["blue"], account="data")},
            ["policy", "role"],
        ),
    ),
]
