"""The guard's policies in a real API server: each kind of Pod is admitted, warned about or refused as it must be.

What the webhook makes of a Pod is in webhook.py and recorded/injected-pod.json. What must happen stands in the table.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lightkube.resources.core_v1 import ServiceAccount

from irsa.guard.rules import AnnotationRule, GuardEntry, GuardSettings
from sandbox.pod_identity_webhook import injected
from tests.sandbox.admission import ACCOUNTS, ApiServer, eventually, guard
from tests.sandbox.guard_pods import (
    ANNOTATED,
    APP,
    DENY,
    NAMESPACES,
    OFF,
    PREFIX,
    ROLE,
    STACK,
    SYSTEM,
    WARN,
    Objects,
    Pod,
    ask,
    bare,
    container,
    declared,
    has_warned,
    is_refused,
    is_silent,
    right,
    token,
    variable,
)

pytestmark = pytest.mark.sandbox

RECORDED = Path(__file__).parent / "recorded" / "injected-pod.json"
OLD = "arn:aws:iam::111122223333:role/old"
SKIP_WEBHOOK, SKIP_CONTAINERS = f"{PREFIX}/skip-pod-identity-webhook", f"{PREFIX}/skip-containers"
OWN_ROLE = container("own", variable("AWS_ROLE_ARN", OLD))
OWN_BOTH = container("own", variable("AWS_ROLE_ARN", ROLE), variable("AWS_WEB_IDENTITY_TOKEN_FILE", "/mine/token"))
OWN_HALF = container("own", variable("AWS_ROLE_ARN", ROLE))
OWN_ENDPOINT = container("own", variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/credentials"))
ESCAPED = container("own", variable("AWS_ROLE_ARN", "\x1b[2Jx"))
KEY = variable("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
KEY_FROM = {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "x", "key": "x"}}}
# The longest that Kubernetes takes.
NAMES = [f"{number:x>63}" for number in range(100)]
FROM = {"name": "AWS_ROLE_ARN", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "x"}}}


def but(pod: Pod, change: Callable[[Pod], object]) -> Pod:
    change(pod["spec"])
    return pod


def no_volume(spec: Pod) -> None:
    spec["volumes"] = []
    for each in (*spec["containers"], *spec.get("initContainers", [])):
        each["volumeMounts"] = []


def no_variables(kind: str) -> Callable[[Pod], None]:
    return lambda spec: spec[kind][0].update(env=[])


def by_ways(account: str, annotations: dict[str, str], association: bool, **more: Any) -> Pod:
    """A Pod as the webhook makes it that sees other annotations and associations than are declared."""
    return injected(bare(account, **more), annotations, association)


def recorded() -> Pod:
    pod: Pod = json.loads(RECORDED.read_text())["pod"]
    # Added by the admission plugin ServiceAccount before; it does so again.
    pod["spec"]["volumes"] = [each for each in pod["spec"]["volumes"] if each["name"] == "aws-iam-token"]
    for each in (*pod["spec"]["containers"], *pod["spec"]["initContainers"]):
        each["volumeMounts"] = [mount for mount in each["volumeMounts"] if mount["name"] == "aws-iam-token"]
    return {"metadata": {"name": "tested"}, "spec": pod["spec"]}


def variables(number: int) -> Pod:
    return container("app", *(variable(f"V{each}", "") for each in range(number)))


def containers(number: int, init: int) -> Pod:
    return bare(
        "irsa", *(container(f"c{each}") for each in range(number)), init=[container(f"i{each}") for each in range(init)]
    )


def volumes(number: int) -> Pod:
    # The API server mounts its own token into the others.
    those = [{"name": f"v{each}", "emptyDir": {}} for each in range(number)]
    return bare("irsa", volumes=those, automountServiceAccountToken=False)


MANY = [container(f"c{number}", *(variable(f"V{each}", "x" * 50) for each in range(100))) for number in range(100)]
BY = "its Pods must get " + ROLE
NOT_CALLED = "The Pod Identity webhook was not called; create the Pod again"


class Case(NamedTuple):
    """A Pod, what the guard must find missing of it, and what it must find to be another than declared."""

    title: str
    pod: Pod
    missing: str | None = None
    differs: str | None = None


CASES = [
    # As the webhook makes them.
    Case("recorded", recorded(), None, 'container own has "arn:aws:iam::111122223333:role/own"'),
    Case("IRSA", right("irsa")),
    Case("Pod Identity", right("pod-identity")),
    Case("both, with the association", right("both")),
    Case("both, before the association is known", by_ways("both", ANNOTATED, False)),
    Case("Windows", right("irsa", nodeSelector={"kubernetes.io/os": "windows"})),
    Case("init containers", right("irsa", init=[container("init")])),
    Case("host network", right("irsa", hostNetwork=True)),
    Case("account with dots", right("with.dots")),
    Case("own role", right("irsa", APP, OWN_ROLE), None, f'container own has "{OLD}"'),
    Case("own variables", right("irsa", APP, OWN_BOTH)),
    Case("own variables only", right("irsa", OWN_BOTH)),
    # One variable keeps the webhook from adding the other: no AWS SDK takes the role from it.
    Case(
        "role from elsewhere", right("irsa", APP, container("own", FROM)), None, "container own sets AWS_ROLE_ARN alone"
    ),
    Case("own role, and no token file", right("irsa", OWN_HALF), None, "container own sets AWS_ROLE_ARN alone"),
    Case("own endpoint", right("pod-identity", OWN_ENDPOINT), None, f"own sets {OWN_ENDPOINT['env'][0]['name']} alone"),
    Case("skipped container", right("irsa", APP, container("side"), annotations={SKIP_CONTAINERS: "side"})),
    Case("all skipped", right("irsa", annotations={SKIP_CONTAINERS: "app"})),
    Case("100 containers", right("irsa", *MANY)),
    # Left alone by the webhook, or by us.
    Case("all skipped, webhook not called", bare("irsa", annotations={SKIP_CONTAINERS: 'x,"app"'})),
    Case(
        "skipped on the first line",
        right("irsa", APP, container("side"), annotations={SKIP_CONTAINERS: "\nside\napp"}),
    ),
    Case("skip label", right("irsa", labels={SKIP_WEBHOOK: "true"}), None, SKIP_WEBHOOK),
    Case("mirror Pod", bare(None, annotations={"kubernetes.io/config.mirror": "x"}, nodeName="node")),
    Case("undeclared", bare("undeclared")),
    # Without identity.
    Case(
        "nothing",
        bare("irsa"),
        f"{BY} by IRSA, and this one has no token and no variables in container app. {NOT_CALLED}",
    ),
    Case("nothing, Pod Identity", bare("pod-identity"), f"{BY} by EKS Pod Identity, and this one has no token and"),
    Case("nothing, both", bare("both"), f"{BY} by IRSA or EKS Pod Identity, and this one has no token and"),
    Case("nothing, init container", bare("irsa", init=[container("init")]), "no variables in container init, app. "),
    Case(
        "nothing, another's token", bare("irsa", volumes=[token("istio-ca", "istio")]), "this one has no variables in"
    ),
    Case(
        "a space before the name, which is another name to the webhook",
        bare("irsa", APP, container("b"), annotations={SKIP_CONTAINERS: "b, app"}),
        "in container app. ",
    ),
    Case("a name in another", bare("irsa", annotations={SKIP_CONTAINERS: "my-app,app-2"}), NOT_CALLED),
    # It took the API server more than the 34 seconds that a request has.
    Case("50,000 names that are skipped", bare("irsa", annotations={SKIP_CONTAINERS: "x," * 50_000}), NOT_CALLED),
    # CEL's cost limit ended the evaluation, and the Pod was let through.
    Case(
        "a long list, for 50 containers",
        bare("irsa", *(container(f"c{each}") for each in range(50)), annotations={SKIP_CONTAINERS: "x" * 200_000}),
        "no token and no variables in container c0, c1",
    ),
    Case(
        "100 names that are skipped",
        right("irsa", *(container(each) for each in NAMES), annotations={SKIP_CONTAINERS: ",".join(NAMES)}),
    ),
    # 40,000 variables took it longer than that, 3,000 containers eleven seconds.
    Case("1,000 variables", bare("irsa", variables(1_000)), NOT_CALLED),
    Case("1,001 variables", bare("irsa", APP | {"name": "b"}, variables(1_001))),
    Case("100 containers, ten of them init containers", containers(90, 10), NOT_CALLED),
    Case("101 containers, ten of them init containers", containers(91, 10)),
    Case("1,000 volumes", volumes(1_000), NOT_CALLED),
    Case("1,001 volumes", volumes(1_001)),
    # Damaged after the webhook.
    Case(
        "no volume",
        but(right("irsa"), no_volume),
        "no token. The Pod Identity webhook was not called, or its token was removed after it",
        'no token for "sts.amazonaws.com"',
    ),
    Case(
        "volume of a Secret",
        but(
            right("irsa"), lambda spec: spec.update(volumes=[{"name": "aws-iam-token", "secret": {"secretName": "x"}}])
        ),
        "this one has no token. ",
        "no token for",
    ),
    Case(
        "one container without",
        but(right("irsa", APP, container("b")), no_variables("containers")),
        "this one has no variables in container app. If another webhook adds app after the Pod Identity webhook",
    ),
    Case(
        "container added later",
        but(right("irsa"), lambda spec: spec["containers"].append(container("late"))),
        "container late. If another webhook adds late after the Pod Identity webhook, name it in eks.amazon",
    ),
    # As the message advises.
    Case(
        "container added later, skipped",
        but(
            right("irsa", annotations={SKIP_CONTAINERS: "late"}),
            lambda spec: spec["containers"].append(container("late")),
        ),
    ),
    Case(
        "webhook not called, beside own variables",
        bare("irsa", APP, OWN_BOTH),
        f"in container app. {NOT_CALLED}",
        "no token",
    ),
    # Another than declared, which is never refused.
    Case("other role", by_ways("irsa", {f"{PREFIX}/role-arn": OLD}, False), None, f'container app has "{OLD}"'),
    Case("role with a line break", by_ways("irsa", {f"{PREFIX}/role-arn": "a\nb"}, False), None, 'has "a\\nb"'),
    Case(
        "role with a control character", right("irsa", APP, ESCAPED), None, "container own has a value with characters"
    ),
    Case("own access key", right("irsa", container("app", KEY)), None, "container app sets AWS_ACCESS_KEY_ID, which"),
    Case("own access key from elsewhere", right("irsa", container("app", KEY_FROM)), None, "sets AWS_ACCESS_KEY_ID"),
    Case("no access key", right("irsa", container("app", variable("AWS_ACCESS_KEY_ID", "")))),
    Case(
        "other audience",
        by_ways("irsa", {**ANNOTATED, f"{PREFIX}/audience": "x"}, False),
        None,
        'it has no token for "sts.amazonaws.com"',
    ),
    Case("Pod Identity instead", by_ways("irsa", ANNOTATED, True), None, "it uses EKS Pod Identity"),
    Case("IRSA instead", by_ways("pod-identity", ANNOTATED, False), None, "it uses IRSA; irsa: docs"),
]


@pytest.fixture(scope="module")
def guarded(api: ApiServer) -> Iterator[ApiServer]:
    objects, other = guard(STACK, declared()), by_ways("irsa", ANNOTATED, True)
    api.apply(*objects)
    for namespace, wanted in ((DENY, is_refused), (WARN, has_warned), (SYSTEM, has_warned)):
        eventually(lambda namespace=namespace: ask(api, namespace), wanted)  # type: ignore[misc]
        eventually(lambda namespace=namespace: ask(api, namespace, other), has_warned)  # type: ignore[misc]
    yield api
    api.delete(*objects)


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_pods(guarded: ApiServer, case: Case) -> None:
    for namespace in NAMESPACES:
        refusal, warnings = ask(guarded, namespace, case.pod)
        found = " ".join(warnings)
        if namespace == OFF:
            assert (refusal, warnings) == (None, ())
            continue
        if namespace == DENY and case.missing:
            assert refusal is not None
            assert refusal.startswith('pods "tested" is forbidden: ')
            assert case.missing in refusal
            assert refusal.endswith("; irsa: docs/guides/guard.md")
        else:
            assert refusal is None
            assert ("has no AWS identity" in found) == bool(case.missing)
            assert (case.missing or "") in found
        assert ("has another AWS identity" in found) == bool(case.differs)
        assert (case.differs or "") in found


DEPLOYER, GROUP = "arn:aws:sts::111122223333:assumed-role/deploy/session", "platform"
RULE = AnnotationRule("deny", ("alice",), ("arn:aws:sts::111122223333:assumed-role/deploy/",), (GROUP,))
UNDECLARED, ANOTHER = "no role is declared for it", f"declared is {ROLE}"


ANNOTATING: list[tuple[str, str | None, tuple[str, list[str]], str | None]] = [
    ("new", OLD, ("bob", []), UNDECLARED),
    ("new", ROLE, ("bob", []), UNDECLARED),
    ("new", 'a"\nb', ("bob", []), r'annotated with "a\"\nb": no role'),
    ("new", "\x1b[2Jx", ("bob", []), "annotated with a value with characters that are not ASCII"),
    ("new", None, ("bob", []), None),
    ("new", OLD, ("alice", []), None),
    ("new", OLD, ("alice2", []), UNDECLARED),
    ("new", OLD, (DEPLOYER, []), None),
    ("new", OLD, ("arn:aws:sts::111122223333:assumed-role/deploy-evil/session", []), UNDECLARED),
    ("new", OLD, ("bob", ["other", GROUP]), None),
    ("new", OLD, ("bob", ["other"]), UNDECLARED),
    ("to-come", ROLE, ("bob", []), None),
    ("to-come", OLD, ("bob", []), ANOTHER),
]


@pytest.mark.parametrize(("account", "role", "who", "refused"), ANNOTATING)
def test_annotations(
    annotating: ApiServer, account: str, role: str | None, who: tuple[str, list[str]], refused: str | None
) -> None:
    annotations = {f"{PREFIX}/role-arn": role} if role else {}
    manifest = {"metadata": {"name": account, "annotations": annotations}}
    denied, warned = (
        annotating.create(ACCOUNTS, manifest, namespace, user=who[0], groups=who[1]) for namespace in (DENY, WARN)
    )
    assert (denied.warnings, warned.refusal) == ((), None)
    if refused is None:
        assert (denied.refusal, warned.warnings) == (None, ())
    else:
        assert refused in str(denied.refusal)
        assert [refused in each for each in warned.warnings] == [True]


@pytest.mark.parametrize("groups", [[""], ["", "system:authenticated"], ["other"]])
def test_an_empty_group_is_nobodys(annotating: ApiServer, groups: list[str]) -> None:
    """The attack: certificates, OIDC claims and impersonation can have an empty group, and the rule names no group."""
    manifest = {"metadata": {"name": "new", "annotations": {f"{PREFIX}/role-arn": OLD}}}
    refused = annotating.create(ACCOUNTS, manifest, SYSTEM, user="bob", groups=groups).refusal
    assert UNDECLARED in str(refused)


def test_changed_annotations(annotating: ApiServer) -> None:
    path = f"/api/v1/namespaces/{DENY}/serviceaccounts/annotated"
    manifest = {"metadata": {"name": "annotated", "annotations": {f"{PREFIX}/role-arn": OLD}}}
    assert is_silent(annotating.create(ACCOUNTS, manifest, DENY, user="alice", dry=False))
    for annotations, passes in (
        ({"team": "b"}, True),
        ({f"{PREFIX}/role-arn": None}, True),
        ({f"{PREFIX}/role-arn": OLD}, True),
        ({f"{PREFIX}/role-arn": ROLE}, False),
    ):
        change = {"metadata": {"annotations": annotations}}
        answer = annotating.send("PATCH", path, change, user="bob", kind="merge-patch+json")
        assert (answer.refusal is None) == passes, answer
    annotating.kubernetes.delete(ServiceAccount, "annotated", namespace=DENY)


@pytest.fixture(scope="module")
def annotating(api: ApiServer) -> Iterator[ApiServer]:
    """A guard with the rule for annotations, which denies in one namespace and warns in another, and users."""
    objects: Objects = []
    for namespace, mode, groups in ((DENY, "deny", RULE.groups), (WARN, "warn", RULE.groups), (SYSTEM, "deny", ())):
        rule = RULE._replace(mode=mode, groups=groups)
        settings = GuardSettings(f"annotations-of-tests-{namespace}"[:40], "warn", annotations=rule)
        objects += [*guard(settings, [GuardEntry(namespace, "to-come", ROLE)]), writers(namespace)]
    api.apply(*objects)
    manifest = {"metadata": {"name": "new", "annotations": {f"{PREFIX}/role-arn": OLD}}}
    for namespace in (DENY, WARN, SYSTEM):
        eventually(
            lambda namespace=namespace: api.create(ACCOUNTS, manifest, namespace, user="bob"),  # type: ignore[misc]
            lambda answer: UNDECLARED in f"{answer.refusal} {answer.warnings}",
        )
    yield api
    api.delete(*objects)


def writers(namespace: str) -> dict[str, Any]:
    """Return what lets everybody do everything in a namespace."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "everybody", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:authenticated"}],
    }
