"""The guard's policies in a real API server: each kind of Pod is admitted, warned about or refused as it must be.

What the webhook makes of a Pod is in webhook.py and recorded/injected-pod.json. What must happen stands in the table.
"""

import copy
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lightkube.resources.core_v1 import Pod as StoredPod
from lightkube.resources.core_v1 import ServiceAccount

from irsa.guard.policies import bindings, policies
from irsa.guard.rules import AnnotationRule, Declared, Settings, config_map_data
from tests.sandbox.admission import ACCOUNTS, PODS, Answer, ApiServer, config_maps, eventually, guard
from tests.sandbox.webhook import injected

pytestmark = pytest.mark.sandbox

RECORDED = Path(__file__).parent / "recorded" / "injected-pod.json"
PREFIX = "eks.amazonaws.com"
SKIP_WEBHOOK, SKIP_CONTAINERS = f"{PREFIX}/skip-pod-identity-webhook", f"{PREFIX}/skip-containers"
# Of the recorded Pod.
ROLE = "arn:aws:iam::111122223333:role/my-role"
OLD = "arn:aws:iam::111122223333:role/old"
OFF, WARN, DENY, SYSTEM = "guard-off", "guard-warn", "guard-deny", "kube-system"
NAMESPACES = (OFF, WARN, DENY, SYSTEM)
# Each account: its annotations, and whether it has an association.
ANNOTATED = {f"{PREFIX}/role-arn": ROLE}
ACCOUNTS_AND_WAYS: dict[str, tuple[dict[str, str], bool]] = {
    "irsa": (ANNOTATED, False),
    "pod-identity": ({}, True),
    "both": (ANNOTATED, True),
    "audience": ({**ANNOTATED, f"{PREFIX}/audience": "my audience"}, False),
    "long": ({**ANNOTATED, f"{PREFIX}/token-expiration": "3600"}, False),
    "with.dots": (ANNOTATED, False),
    "default": (ANNOTATED, False),
    "undeclared": ({}, False),
    "whtest": (ANNOTATED, False),
}
WAYS = {"pod-identity": "podIdentity", "both": "both"}
STACK = Settings("pods-of-tests", "deny", namespaces={WARN: "warn", OFF: "off"})


def declared(namespaces: tuple[str, ...] = NAMESPACES) -> list[Declared]:
    """The service accounts of the tests, in each namespace."""
    return [
        Declared(namespace, name, ROLE, WAYS.get(name, "irsa"), annotations.get(f"{PREFIX}/audience", ""))
        for namespace in namespaces
        for name, (annotations, _) in ACCOUNTS_AND_WAYS.items()
        if name != "undeclared"
    ]


# --- Pods -------------------------------------------------------------------------------------------------------------

Pod = dict[str, Any]
Objects = list[dict[str, Any]]
APP = {"name": "app", "image": "app"}


def variable(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def container(name: str, *env: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "app", **({"env": list(env)} if env else {}), **more}


def token(audience: str, name: str = "aws-iam-token") -> dict[str, Any]:
    sources = [{"serviceAccountToken": {"path": "token", "audience": audience}}]
    return {"name": name, "projected": {"sources": sources}}


OWN_ROLE = container("own", variable("AWS_ROLE_ARN", OLD))
OWN_BOTH = container("own", variable("AWS_ROLE_ARN", ROLE), variable("AWS_WEB_IDENTITY_TOKEN_FILE", "/mine/token"))
STATIC = container("own", variable("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"))
FROM = {"name": "AWS_ROLE_ARN", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "x"}}}


def bare(
    account: str | None,
    *containers: dict[str, Any],
    init: list[dict[str, Any]] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Pod:
    """A Pod that the webhook has not seen."""
    metadata = {"name": "tested", "labels": dict(labels or {}), "annotations": dict(annotations or {})}
    if account:
        spec["serviceAccountName"] = account
    if init:
        spec["initContainers"] = init
    pod = {"metadata": metadata, "spec": {**spec, "containers": list(containers or [APP])}}
    return copy.deepcopy(pod)


def right(account: str, *containers: dict[str, Any], **more: Any) -> Pod:
    """A Pod as the webhook makes it."""
    return injected(bare(account, *containers, **more), *ACCOUNTS_AND_WAYS[account])


def but(pod: Pod, change: Callable[[Pod], object]) -> Pod:
    """The Pod, damaged."""
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
    Case("custom audience", right("audience")),
    Case("token-expiration", right("long")),
    Case("Windows", right("irsa", nodeSelector={"kubernetes.io/os": "windows"})),
    Case("init containers", right("irsa", init=[container("init")])),
    Case("native sidecar", right("irsa", init=[container("side", restartPolicy="Always")])),
    Case("host network", right("irsa", hostNetwork=True)),
    Case("no API token", right("irsa", automountServiceAccountToken=False)),
    Case("account with dots", right("with.dots")),
    Case("own role", right("irsa", APP, OWN_ROLE), None, f'container own has "{OLD}"'),
    Case("own variables", right("irsa", APP, OWN_BOTH)),
    Case("own variables only", right("irsa", OWN_BOTH)),
    Case(
        "own variables and volume, webhook not called",
        bare("irsa", OWN_BOTH, volumes=[token("sts.amazonaws.com", "my")]),
    ),
    Case("role from elsewhere", right("irsa", APP, container("own", FROM))),
    Case("skipped container", right("irsa", APP, container("side"), annotations={SKIP_CONTAINERS: "side"})),
    Case(
        "skipped in CSV",
        but(
            right("irsa", APP, container("b"), container("c"), annotations={SKIP_CONTAINERS: "b,c"}), lambda spec: None
        ),
    ),
    Case("all skipped", right("irsa", annotations={SKIP_CONTAINERS: "app"})),
    Case("100 containers", right("irsa", *MANY)),
    # Left alone by the webhook, or by us.
    Case("all skipped, webhook not called", bare("irsa", annotations={SKIP_CONTAINERS: 'x, "app"'})),
    Case("skip label", right("irsa", labels={SKIP_WEBHOOK: "true"}), None, SKIP_WEBHOOK),
    Case("skip label, any value", right("irsa", labels={SKIP_WEBHOOK: "false"}), None, SKIP_WEBHOOK),
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
    Case("nothing, custom audience", bare("audience"), NOT_CALLED),
    Case("nothing, account with dots", bare("with.dots"), "/with.dots has no AWS identity"),
    Case("nothing, no account named", bare(None), "/default has no AWS identity"),
    Case("nothing, host network", bare("irsa", hostNetwork=True), NOT_CALLED),
    Case("nothing, no API token", bare("irsa", automountServiceAccountToken=False), NOT_CALLED),
    Case("nothing, init container", bare("irsa", init=[container("init")]), "no variables in container init, app. "),
    Case("nothing, 100 containers", bare("irsa", *MANY), "no token and no variables in container c0, c1,"),
    Case("nothing, static credentials", bare("irsa", STATIC), NOT_CALLED),
    Case(
        "nothing, another's token", bare("irsa", volumes=[token("istio-ca", "istio")]), "this one has no variables in"
    ),
    Case("own role, webhook not called", bare("irsa", OWN_ROLE), "has no token. It was changed", f'has "{OLD}"'),
    Case(
        "another is skipped",
        bare("irsa", APP, container("b"), annotations={SKIP_CONTAINERS: "b"}),
        "in container app. ",
    ),
    # Damaged after the webhook.
    Case(
        "no volume",
        but(right("irsa"), no_volume),
        "this one has no token. It was changed after",
        'no token for "sts.amazonaws.com"',
    ),
    Case(
        "no volume, Pod Identity",
        but(right("pod-identity"), no_volume),
        "this one has no token. ",
        "no token for pods.eks.amazonaws.com",
    ),
    Case(
        "volume without audience",
        but(
            right("irsa"),
            lambda spec: spec["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"].pop("audience"),
        ),
        "this one has no token. ",
        "no token for",
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
        "this one has no variables in container app. It was changed after the Pod Identity webhook",
    ),
    Case(
        "init container without",
        but(right("irsa", init=[container("init")]), no_variables("initContainers")),
        "this one has no variables in container init. ",
    ),
    Case(
        "container added later",
        but(right("irsa"), lambda spec: spec["containers"].append(container("late"))),
        "this one has no variables in container late. ",
    ),
    # Another than declared, which is never refused.
    Case("other role", by_ways("irsa", {f"{PREFIX}/role-arn": OLD}, False), None, f'container app has "{OLD}"'),
    Case("role with a line break", by_ways("irsa", {f"{PREFIX}/role-arn": "a\nb"}, False), None, 'has "a\\nb"'),
    Case(
        "other audience",
        by_ways("irsa", {**ANNOTATED, f"{PREFIX}/audience": "x"}, False),
        None,
        'it has no token for "sts.amazonaws.com"',
    ),
    Case("usual instead of custom audience", by_ways("audience", ANNOTATED, False), None, 'no token for "my audience"'),
    Case("Pod Identity instead", by_ways("irsa", ANNOTATED, True), None, "it uses EKS Pod Identity"),
    Case("IRSA instead", by_ways("pod-identity", ANNOTATED, False), None, "it uses IRSA"),
]


@pytest.fixture(scope="module")
def api(cloud: Any) -> Iterator[ApiServer]:
    """The API server, with the namespaces and service accounts of the tests."""
    server = ApiServer(cloud)
    made: Objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}} for each in NAMESPACES[:-1]]
    server.apply(*made)
    accounts: Objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
        for namespace, name in itertools.product(NAMESPACES, ACCOUNTS_AND_WAYS)
    ]
    server.apply(*accounts)
    yield server
    server.delete(*made, *(each for each in accounts if "default" not in each["metadata"].values()))


def ask(api: ApiServer, namespace: str, pod: Pod | None = None) -> Answer:
    return api.create(PODS, pod or bare("irsa"), namespace)


def is_refused(answer: Answer) -> bool:
    return answer.refusal is not None


def is_silent(answer: Answer) -> bool:
    return answer == Answer(None, ())


def has_warned(answer: Answer) -> bool:
    return answer.refusal is None and bool(answer.warnings)


@pytest.fixture(scope="module")
def guarded(api: ApiServer) -> Iterator[ApiServer]:
    """The guard in all modes: refuses, except where it only warns or is off."""
    objects, other = guard(STACK, declared()), by_ways("irsa", ANNOTATED, True)
    api.apply(*objects)
    for namespace, wanted in ((DENY, is_refused), (WARN, has_warned), (SYSTEM, has_warned)):
        eventually(lambda namespace=namespace: ask(api, namespace), wanted)  # type: ignore[misc]
        eventually(lambda namespace=namespace: ask(api, namespace, other), has_warned)  # type: ignore[misc]
    yield api
    api.delete(*objects)


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_pods(guarded: ApiServer, case: Case) -> None:
    """Protects every Pod that is right from refusal, and its owner from one that silently uses the node's role."""
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


def test_running_pods_are_left_alone(api: ApiServer) -> None:
    """Protects Pods from before the guard: they may be changed, also by `kubectl debug`, whatever they lack."""
    pod = {**bare("irsa"), "metadata": {"name": "running"}}
    assert is_silent(api.create(PODS, pod, DENY, dry=False))
    objects = guard(STACK, declared())
    api.apply(*objects)
    eventually(lambda: ask(api, DENY), is_refused)
    path = f"/api/v1/namespaces/{DENY}/pods/running"
    label = {"metadata": {"labels": {"a": "b"}}}
    debug = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "busybox"}]}}
    for where, change in ((path, label), (f"{path}/ephemeralcontainers", debug)):
        assert is_silent(api.send("PATCH", where, change, kind="strategic-merge-patch+json", dry=False))
    api.kubernetes.delete(StoredPod, "running", namespace=DENY, grace_period=0)
    api.delete(*objects)
    eventually(lambda: ask(api, DENY), is_silent)


DEPLOYER, GROUP = "arn:aws:sts::111122223333:assumed-role/deploy/session", "platform"
RULE = AnnotationRule("deny", ("alice",), ("arn:aws:sts::111122223333:assumed-role/deploy/",), (GROUP,))
UNDECLARED, ANOTHER = "no role is declared for it", f"declared is {ROLE}"


@pytest.mark.parametrize(
    ("account", "role", "who", "refused"),
    [
        ("new", OLD, ("bob", []), UNDECLARED),
        ("new", ROLE, ("bob", []), UNDECLARED),
        ("new", 'a"\nb', ("bob", []), r'annotated with "a\"\nb": no role'),
        ("new", None, ("bob", []), None),
        ("new", OLD, ("alice", []), None),
        ("new", OLD, ("alice2", []), UNDECLARED),
        ("new", OLD, (DEPLOYER, []), None),
        ("new", OLD, ("arn:aws:sts::111122223333:assumed-role/deploy-evil/session", []), UNDECLARED),
        ("new", OLD, ("bob", ["other", GROUP]), None),
        ("new", OLD, ("bob", ["other"]), UNDECLARED),
        ("to-come", ROLE, ("bob", []), None),
        ("to-come", OLD, ("bob", []), ANOTHER),
    ],
)
def test_annotations(
    annotating: ApiServer, account: str, role: str | None, who: tuple[str, list[str]], refused: str | None
) -> None:
    """Protects roles from whoever may write service accounts: one that is not declared is refused, not the deployer."""
    annotations = {f"{PREFIX}/role-arn": role} if role else {}
    manifest = {"metadata": {"name": account, "annotations": annotations}}
    answer = annotating.create(ACCOUNTS, manifest, DENY, user=who[0], groups=who[1])
    assert answer.warnings == ()
    if refused is None:
        assert answer.refusal is None
    else:
        assert refused in str(answer.refusal)


def test_changed_annotations(annotating: ApiServer) -> None:
    """Protects others' changes of a service account whose annotation stays as it is, and the removal of one."""
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
    """A guard with the rule for annotations, and users who may write service accounts."""
    to_come = Declared(DENY, "to-come", ROLE)
    objects = guard(Settings("annotations-of-tests", "warn", annotations=RULE), [to_come])
    api_version = "rbac.authorization.k8s.io/v1"
    metadata = {"name": "everybody", "namespace": DENY}
    rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["create", "get", "patch"]}
    everybody = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "everybody"}
    rights: Objects = [
        {"apiVersion": api_version, "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": api_version,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": [everybody],
        },
    ]
    api.apply(*objects, *rights)
    manifest = {"metadata": {"name": "new", "annotations": {f"{PREFIX}/role-arn": OLD}}}
    eventually(lambda: api.create(ACCOUNTS, manifest, DENY, user="bob"), lambda it: UNDECLARED in str(it.refusal))
    yield api
    api.delete(*objects, *rights)


def test_stacks_do_not_switch_each_other_off(api: ApiServer) -> None:
    """Protects the guard of one stack from another one's, in the same namespace too, and from its removal."""
    first = guard(Settings("first", "deny"), [Declared(DENY, "irsa", ROLE)])
    second = guard(Settings("second", "deny"), [Declared(DENY, "long", ROLE)])
    names = [{(each["kind"], each["metadata"]["name"]) for each in stack} for stack in (first, second)]
    assert not names[0] & names[1]
    api.apply(*first, *second)
    for account in ("irsa", "long"):
        eventually(lambda account=account: ask(api, DENY, bare(account)), is_refused)  # type: ignore[misc]
    api.delete(*second)
    eventually(lambda: ask(api, DENY, bare("long")), is_silent)
    assert is_refused(ask(api, DENY))
    api.delete(*first)
    eventually(lambda: ask(api, DENY), is_silent)


# --- broken guards ----------------------------------------------------------------------------------------------------


def of_kind(objects: Objects, *kinds: str) -> Objects:
    return [each for each in objects if each["kind"].removeprefix("ValidatingAdmission") in kinds]


def with_data(change: Callable[[str], str]) -> Callable[[ApiServer, Objects], None]:
    """Change all values of the ConfigMaps."""

    def damage(api: ApiServer, objects: Objects) -> None:
        for each in of_kind(objects, "ConfigMap"):
            api.apply({**each, "data": {key: change(value) for key, value in each["data"].items()}})

    return damage


def without_data(api: ApiServer, objects: Objects) -> None:
    api.apply(*({**each, "data": None} for each in of_kind(objects, "ConfigMap")))


def with_empty_map(api: ApiServer, objects: Objects) -> None:
    api.apply(*({**each, "data": {}, "binaryData": {"a": "AA=="}} for each in of_kind(objects, "ConfigMap")))


def with_policies(change: Callable[[dict[str, Any]], object]) -> Callable[[ApiServer, Objects], None]:
    def damage(api: ApiServer, objects: Objects) -> None:
        for each in (changed := copy.deepcopy(of_kind(objects, "Policy"))):
            change(each["spec"])
        api.apply(*changed)

    return damage


def with_other_map(api: ApiServer, objects: Objects) -> None:
    """Bindings that name a ConfigMap of nobody."""
    for each in (changed := copy.deepcopy(of_kind(objects, "PolicyBinding"))):
        each["spec"]["paramRef"]["name"] = "nobody"
    api.apply(*changed)


def divides_by_zero(spec: dict[str, Any]) -> None:
    for each in spec["variables"]:
        if each["name"] == "key":
            each["expression"] = "string(1 / (size(request.namespace) - size(request.namespace)))"


def is_too_costly(spec: dict[str, Any]) -> None:
    numbers = "[" + ",".join("1" * 1000) + "]"
    hundred_million = f"{numbers}.all(a, {numbers}.all(b, {numbers}.all(c, a == b && b == c)))"
    spec["validations"][0]["expression"] = f"{hundred_million} && false"


BROKEN: dict[str, Callable[[ApiServer, Objects], None]] = {
    "ConfigMap deleted": lambda api, objects: api.delete(*of_kind(objects, "ConfigMap")),
    "without data": without_data,
    "other data": with_empty_map,
    "values emptied": with_data(lambda value: ""),
    "values cut": with_data(lambda value: value[:9]),
    "values of somebody else": with_data(lambda value: "true"),
    "another way": with_data(lambda value: value.replace("irsa", "other")),
    "no role": with_data(lambda value: value.rpartition(" ")[0] + " "),
    "very long values": with_data(lambda value: "x " * 200_000),
    "binding without policy": lambda api, objects: api.delete(*of_kind(objects, "Policy")),
    "policy without binding": lambda api, objects: api.delete(*of_kind(objects, "PolicyBinding")),
    "another ConfigMap": with_other_map,
    "an error in an expression": with_policies(divides_by_zero),
    "too costly": with_policies(is_too_costly),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_broken_guard_lets_through(api: ApiServer, damage: Callable[[ApiServer, Objects], None]) -> None:
    """Protects the cluster: no broken guard refuses a Pod, those of kube-system neither where it is at `deny`."""
    settings = Settings("broken", "deny", namespaces={SYSTEM: "deny"})
    objects = guard(settings, [Declared(namespace, "irsa", ROLE) for namespace in (DENY, SYSTEM)])
    api.apply(*objects)
    for namespace in (DENY, SYSTEM):
        eventually(lambda namespace=namespace: ask(api, namespace), is_refused)  # type: ignore[misc]
    damage(api, objects)
    for namespace in (DENY, SYSTEM):
        answer = eventually(lambda namespace=namespace: ask(api, namespace), lambda it: it.refusal is None)  # type: ignore[misc]
        assert answer.refusal is None
        assert is_silent(ask(api, namespace, right("irsa")))
    api.delete(*objects)


def test_a_namespace_of_the_bindings_may_be_gone(api: ApiServer) -> None:
    """Protects the others of a stack from a namespace, also that of the ConfigMaps, that somebody has deleted."""
    gone = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "guard-gone"}}
    api.apply(gone)
    settings = Settings("gone", "deny", namespace="guard-gone")
    objects = guard(settings, [Declared(namespace, "irsa", ROLE) for namespace in (DENY, "never-there")])
    api.apply(*objects)
    eventually(lambda: ask(api, DENY), is_refused)
    api.delete(gone)
    eventually(lambda: ask(api, DENY), is_silent)
    api.delete(*of_kind(objects, "Policy", "PolicyBinding"))


# --- many accounts ----------------------------------------------------------------------------------------------------


def test_many_accounts(api: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects big stacks: 1,070 accounts are one ConfigMap, and creating Pods is measured with and without the guard.

    Nothing is asserted of the time: `-s` or a failure shows it.
    """
    settings, pod = Settings("many", "deny"), right("irsa")
    many = [Declared(f"team-{number % 100}", f"app-{number}", ROLE) for number in range(1_069)]
    data = config_map_data(settings, [*many, Declared(DENY, "irsa", ROLE)])
    assert [len(each) for each in data] == [1_070]
    objects = [*config_maps(settings, data), *policies(settings), *bindings(settings, data, ["many-0"])]
    without = durations(api, pod)
    api.apply(*objects)
    eventually(lambda: ask(api, DENY), is_refused)
    with_guard = durations(api, pod)
    assert is_silent(ask(api, DENY, pod))
    api.delete(*objects)
    with capsys.disabled():
        for name, found in (("without", without), ("with", with_guard)):
            percent = statistics.quantiles(found, n=100)
            sys.stdout.write(f"\n1,000 creations {name}: p50 {percent[49]:.2f} ms, p99 {percent[98]:.2f} ms\n")


def durations(api: ApiServer, pod: Pod) -> list[float]:
    found = []
    for _ in range(1_000):
        started = time.perf_counter()
        ask(api, DENY, pod)
        found.append((time.perf_counter() - started) * 1_000)
    return found


def test_data_that_are_divided(api: ApiServer) -> None:
    """Protects stacks beyond 1 MiB: each part has its ConfigMap and bindings, and each guards its own namespaces."""
    settings = Settings("divided", "deny", namespaces={WARN: "warn"})
    long = "arn:aws:iam::111122223333:role/" + "p/" * 255 + "r"
    many = [Declared(f"guard-m{number % 40}", f"app-{number}", long) for number in range(2_500)]
    own = [Declared(namespace, "irsa", ROLE) for namespace in (DENY, WARN, SYSTEM)]
    data = config_map_data(settings, [*many, *own])
    assert len(data) > 1
    objects = [*config_maps(settings, data), *policies(settings)]
    objects += bindings(settings, data, [f"divided-{number}" for number in range(len(data))])
    api.apply(*objects)
    for namespace, wanted in ((DENY, is_refused), (WARN, has_warned), (SYSTEM, has_warned)):
        eventually(lambda namespace=namespace: ask(api, namespace), wanted)  # type: ignore[misc]
        assert is_silent(ask(api, namespace, right("irsa")))
    api.delete(*objects)
    eventually(lambda: ask(api, SYSTEM), is_silent)
