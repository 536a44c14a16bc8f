"""The installed Kubernetes plugin against what was recorded of the official one (and Kubernetes' own documentation).

It is the stand-in, the official one, or with OFFICIAL=built the official one of January 2026: what differs in that from
the recordings is in official_differences.py.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount
from lightkube.types import PatchType

from sandbox.plugins.serving import UNKNOWN, plain, properties_of
from sandbox.plugins_install import plugin_program
from tests.all.sandbox.plugin_calls import Engine, PluginError, Resource, started

pytestmark = pytest.mark.sandbox

ROLE_ARN, FORCE, AUTONAMED = "eks.amazonaws.com/role-arn", "pulumi.com/patchForce", "pulumi.com/autonamed"
ACCOUNT, PATCH, NAMESPACES = "core/v1:ServiceAccount", "core/v1:ServiceAccountPatch", "core/v1:Namespace"
SETTINGS, DEPLOYMENT = "core/v1:ConfigMap", "apps/v1:Deployment"
GUARD, GUARDED = (f"admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy{each}" for each in ("", "Binding"))
RECORDED = Path(__file__).with_name("recorded") / "kubernetes-plugin-states.json"
# What the recordings are in, and the service account that one of them patches.
RECORDED_NAMESPACE, RECORDED_PATCH = "recorded-a", "existing"
NAMESPACE = "plugin"
_numbers = count()


def manifest(kind: str, metadata: Mapping[str, Any], **content: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": dict(metadata), **content}


def service_account(name: str | None = None, namespace: str | None = None, **metadata: Any) -> dict[str, Any]:
    given = {"name": name, "namespace": namespace, **metadata}
    return manifest("ServiceAccount", {key: value for key, value in given.items() if value is not None})


@pytest.fixture(scope="module")
def live(cloud: Any) -> Iterator[Client]:
    """The cluster behind the plugin, as kubectl sees it, with a namespace of these tests."""
    client: Client = cloud.kubernetes(NAMESPACE)
    client.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
    yield client
    # What no stack manages would be found by the tests that read the whole cluster, as `irsa adopt` does.
    cloud.kubectl("delete", "namespace", NAMESPACE, RECORDED_NAMESPACE, "--ignore-not-found", "--timeout=60s")
    cloud.kubectl("delete", "serviceaccount", RECORDED_PATCH, "-n", "default", "--ignore-not-found")


@pytest.fixture(scope="module")
def configured(cloud: Any) -> Iterator[Callable[[dict[str, str]], Engine]]:
    """Start the installed plugin, with settings of its own each time."""
    program = plugin_program(cloud.sandbox, "kubernetes")
    with ExitStack() as running:
        yield lambda settings: Engine(
            running.enter_context(started(program, cloud.environment())), "kubernetes", settings
        )


@pytest.fixture(scope="module")
def engine(cloud: Any, live: Client, configured: Callable[[dict[str, str]], Engine]) -> Engine:
    return configured({"kubeconfig": cloud.environment()["KUBECONFIG"], "namespace": NAMESPACE})


@dataclass
class Account:
    """A service account that no other test uses, what the plugin has made of it, and its annotations as they are."""

    engine: Engine
    live: Client
    cloud: Any
    name: str = field(default_factory=lambda: f"service-account-{next(_numbers)}")
    made: dict[str, Resource] = field(default_factory=dict)

    def wanted(self, annotations: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        metadata: dict[str, Any] = {"annotations": dict(annotations)} if annotations else {}
        return service_account(self.name, **metadata, **more)

    def do(self, what: str, annotations: dict[str, str]) -> None:
        verb, _, key = what.partition(" ")
        new = ServiceAccount(metadata=ObjectMeta(name=self.name, annotations=annotations, labels={"owner": "helm"}))
        if verb in ("own", "patch", "preview"):
            old, wanted = self.made.get(key), self.wanted(annotations)
            if old:
                self.made[key] = self.engine.update(old, wanted, preview=verb == "preview")
            else:
                self.made[key] = self.engine.create(PATCH if verb == "patch" else ACCOUNT, wanted, key)
        elif verb == "helm":
            self.live.create(new, field_manager="helm")
        elif verb == "refresh":
            self.made[key] = self.engine.refresh(self.made[key])
            assert self.engine.diff(self.made[key], self.wanted(annotations)).changes is bool(annotations)
        elif verb == "destroy":
            self.engine.delete(self.made[key])
        elif verb == "kubectl":
            pairs = [f"{name}={value}" for name, value in annotations.items()]
            done = self.cloud.kubectl("annotate", "--overwrite", "-n", NAMESPACE, "serviceaccount", self.name, *pairs)
            assert done.returncode == 0, done.stderr
        elif verb == "delete":
            self.live.delete(ServiceAccount, self.name)
        else:
            # Nobody is the manager of any field.
            nobody = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
            self.live.patch(ServiceAccount, self.name, nobody, patch_type=PatchType.JSON)

    def annotations(self) -> dict[str, str] | None:
        found = {each.metadata.name: each.metadata for each in self.live.list(ServiceAccount) if each.metadata}
        return dict(found[self.name].annotations or {}) if self.name in found else None


@pytest.fixture
def account(engine: Engine, live: Client, cloud: Any) -> Account:
    return Account(engine, live, cloud)


ONE, EVIL, KEEP, FORCED = {ROLE_ARN: "one"}, {ROLE_ARN: "evil"}, {"keep": "me"}, {FORCE: "true"}
HELM = ("helm", KEEP, KEEP)
CONFLICT = (
    r"server-side apply field conflict detected(?s:.*)conflict with \"{}(?s:.*)\.metadata\.annotations\." + ROLE_ARN
)
BY_KUBECTL = CONFLICT.format("kubectl-annotate")
Step = tuple[str, dict[str, str], dict[str, str] | str | None]
# What is done, with which annotations, and which the account has then, None without an account; or the refusal.
STORIES: dict[str, tuple[Step, ...]] = {
    "a patch leaves all else alone, and takes back its own": (
        HELM,
        ("patch a", ONE, KEEP | ONE),
        ("patch a", {"b": "c"}, KEEP | {"b": "c"}),
        ("destroy a", {}, KEEP),
    ),
    # The trap that the program has to step around.
    "a patch of a missing account creates it, and leaves it behind": (("patch a", ONE, ONE), ("destroy a", {}, {})),
    "an overwritten patch is a conflict unless it is forced": (
        HELM,
        ("patch a", ONE, KEEP | ONE),
        ("kubectl", EVIL, KEEP | EVIL),
        ("refresh a", ONE, KEEP | EVIL),
        ("preview a", ONE, BY_KUBECTL),
        ("patch a", ONE, BY_KUBECTL),
        ("patch a", ONE | FORCED, KEEP | ONE | FORCED),
    ),
    # https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
    "a new patch takes nothing over from kubectl": (
        HELM,
        ("kubectl", EVIL, KEEP | EVIL),
        ("patch a", ONE, BY_KUBECTL),
        ("patch a", ONE | FORCED, KEEP | ONE | FORCED),
        ("patch b", EVIL, CONFLICT.format("pulumi-kubernetes-[0-9a-f]{8}")),
        ("patch b", ONE, KEEP | ONE | FORCED),
        # What two have in common goes with the last of them.
        ("destroy a", {}, KEEP | ONE),
        ("destroy b", {}, KEEP),
    ),
    "an account of our own takes over from kubectl, and keeps what it does not declare": (
        ("own a", ONE | {"old": "1"}, ONE | {"old": "1"}),
        ("own a", ONE, ONE),
        ("kubectl", EVIL | KEEP, EVIL | KEEP),
        ("refresh a", ONE, EVIL | KEEP),
        ("own a", ONE, ONE),
        ("destroy a", {}, None),
        ("destroy a", {}, None),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_annotations(account: Account, story: str) -> None:
    for what, annotations, expected in STORIES[story]:
        if isinstance(expected, str):
            before = account.annotations()
            with pytest.raises(PluginError, match=expected):
                account.do(what, annotations)
            assert account.annotations() == before
        else:
            account.do(what, annotations)
            assert account.annotations() == expected, what


# What the official plugin stored, and what the stand-in stores for the same inputs.


def recorded_states() -> list[dict[str, Any]]:
    # The sandbox's seed holds a namespace team-a already.
    return list(json.loads(RECORDED.read_text().replace("team-a", RECORDED_NAMESPACE)))


def without_chance(outputs: dict[str, Any], manager: str) -> dict[str, Any]:
    """The outputs without what differs from run to run and without what other managers own."""
    text = json.dumps(outputs).replace(manager, "pulumi-kubernetes-<8 hex>")
    stable: dict[str, Any] = json.loads(re.sub(r"auto-[0-9a-f]{8}", "auto-<8 hex>", text))
    for key in ("uid", "resourceVersion", "creationTimestamp"):
        assert stable["metadata"].pop(key)
    stable["metadata"]["managedFields"] = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in stable["metadata"]["managedFields"]
        if entry["manager"].startswith("pulumi-kubernetes")
    ]
    return stable


def test_states_are_those_of_the_official_plugin(engine: Engine, live: Client) -> None:
    existing = ObjectMeta(name=RECORDED_PATCH, namespace="default", labels={"owner": "helm"}, annotations=KEEP)
    Client.create(live, ServiceAccount(metadata=existing), field_manager="helm")
    # The patch comes first in the recording, its namespace before the accounts.
    for state in recorded_states():
        inputs = json.loads(json.dumps(state["inputs"]))
        if AUTONAMED in inputs["metadata"].get("annotations", {}):
            del inputs["metadata"]["name"], inputs["metadata"]["annotations"]
        made = engine.create(state["type"].removeprefix("kubernetes:"), inputs, "auto")
        assert re.sub("auto-[0-9a-f]{8}$", "auto", made.id) == re.sub("auto-[0-9a-f]{8}$", "auto", state["id"])
        assert re.fullmatch("pulumi-kubernetes-[0-9a-f]{8}", made.outputs["__fieldManager"])
        assert without_chance(made.outputs, made.outputs["__fieldManager"]) == without_chance(
            state["outputs"], state["outputs"]["__fieldManager"]
        )


def test_names_and_namespaces(engine: Engine) -> None:
    urn = engine.urn(ACCOUNT)
    first, second = (plain(engine.check(urn, service_account())) for _ in range(2))
    assert re.fullmatch("my-app-[0-9a-f]{8}", first["metadata"]["name"])
    assert first == second
    changed = plain(engine.check(urn, service_account(annotations={"a": "b"}), properties_of(first)))
    assert changed["metadata"] == {**first["metadata"], "annotations": {"a": "b", AUTONAMED: "true"}}
    for given, namespace in ((service_account("x"), NAMESPACE), (service_account("x", "kube-public"), "kube-public")):
        metadata = plain(engine.check(urn, given, properties_of(first)))["metadata"]
        assert metadata == {"name": "x", "namespace": namespace}


def test_a_preview_changes_nothing_and_keeps_unknown_values(engine: Engine, account: Account) -> None:
    for value in ("one", UNKNOWN):
        previewed = engine.preview(ACCOUNT, account.wanted({ROLE_ARN: value}))
        assert (previewed.id, previewed.outputs["metadata"]["annotations"]) == ("", {ROLE_ARN: value})
        assert account.annotations() is None
    made = engine.create(ACCOUNT, account.wanted(ONE))
    for wanted in (account.wanted({ROLE_ARN: UNKNOWN}), {**account.wanted({}), "metadata": UNKNOWN}):
        assert engine.diff(made, wanted).changes
    updated = engine.update(made, account.wanted(EVIL), preview=True)
    assert updated.outputs["metadata"]["annotations"] == EVIL
    assert account.annotations() == ONE


@pytest.mark.parametrize(
    ("manager", "owners", "labels"),
    [
        ("helm", {"helm"}, {"owner": "helm"}),
        # What kubectl wrote and the program does not declare is removed.
        ("kubectl-create", set(), None),
        # What `kubectl create serviceaccount` made has no managed fields before an apply.
        ("", {"before-first-apply"}, {"owner": "helm"}),
    ],
)
def test_an_import_takes_the_identity_and_an_update_claims_the_rest(
    engine: Engine, account: Account, manager: str, owners: set[str], labels: dict[str, str] | None
) -> None:
    made = ServiceAccount(metadata=ObjectMeta(name=account.name, labels={"owner": "helm"}, annotations=KEEP))
    account.live.create(made, field_manager=manager or None)
    if not manager:
        account.do("untrack", {})
    found = engine.read(ACCOUNT, f"{NAMESPACE}/{account.name}")
    assert plain(found.inputs) == service_account(account.name, NAMESPACE)
    difference = engine.diff(found, account.wanted(KEEP))
    assert (difference.kinds, difference.replaces) == ({"metadata.annotations": "ADD"}, [])
    claimed = engine.update(found, account.wanted(KEEP))
    assert not engine.diff(claimed, account.wanted(KEEP)).changes
    metadata = claimed.outputs["metadata"]
    assert {each["manager"] for each in metadata["managedFields"]} == {*owners, claimed.outputs["__fieldManager"]}
    assert (metadata.get("labels"), metadata["annotations"]) == (labels, KEEP)


# https://github.com/pulumi/pulumi-kubernetes, provider/pkg/provider/diff.go
IN_PLACE, REPLACED, DELETED_FIRST = "in place", "replaced", "deleted, then created"
SPEC = {"failurePolicy": "Ignore"}


@pytest.mark.parametrize(
    ("kind", "old", "new", "effects"),
    [
        (ACCOUNT, {}, {}, {}),
        (ACCOUNT, {}, {"metadata": {"name": "b"}}, {"metadata.name": REPLACED}),
        (ACCOUNT, {}, {"metadata": {"namespace": "kube-public"}}, {"metadata.namespace": REPLACED}),
        (ACCOUNT, {}, {"metadata": {"labels": {"a": "b"}}}, {"metadata.labels": IN_PLACE}),
        (
            ACCOUNT,
            {"imagePullSecrets": [{"name": "a"}]},
            {"imagePullSecrets": [{"name": "b"}]},
            {"imagePullSecrets[0].name": IN_PLACE},
        ),
        # Two of one name cannot be there at once; others may overlap.
        (SETTINGS, {"data": {"a": "b"}}, {"data": {"a": "c"}}, {"data.a": DELETED_FIRST}),
        (SETTINGS, {"data": {}}, {"data": {}, "metadata": {"name": "b"}}, {"metadata.name": REPLACED}),
        (DEPLOYMENT, {}, {"spec": {"selector": {"matchLabels": {"a": "b"}}}}, {"spec": DELETED_FIRST}),
        (GUARD, {"spec": SPEC}, {"spec": {"failurePolicy": "Fail"}}, {"spec.failurePolicy": IN_PLACE}),
        (
            GUARDED,
            {"spec": {"paramRef": {"name": "a"}}},
            {"spec": {"paramRef": {"name": "b"}}},
            {"spec.paramRef.name": IN_PLACE},
        ),
    ],
)
def test_what_a_change_does(engine: Engine, kind: str, old: Any, new: Any, effects: dict[str, str]) -> None:
    def whole(content: Any) -> dict[str, Any]:
        group_version, name = kind.removeprefix("core/").split(":")
        own = {"name": "a", **({} if kind in (GUARD, GUARDED) else {"namespace": NAMESPACE})}
        metadata = {**own, **content.get("metadata", {})}
        return {"apiVersion": group_version, "kind": name.removesuffix("Patch"), **content, "metadata": metadata}

    state = properties_of({**whole(old), "__inputs": whole(old)})
    found = engine.diff(Resource(engine.urn(kind), f"{NAMESPACE}/a", properties_of(whole(old)), state), whole(new))
    effect = DELETED_FIRST if found.delete_before_replace else REPLACED
    assert {path: effect if path in found.replaces else IN_PLACE for path in found.kinds} == effects
    assert found.changes is bool(effects)
