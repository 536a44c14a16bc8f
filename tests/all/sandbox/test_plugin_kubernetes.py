"""The installed Kubernetes plugin against what was recorded of the official one (and Kubernetes' own documentation).

It is the stand-in, the official one, or with OFFICIAL=built the official one of January 2026: what differs in that from
the recordings is in official_differences.py.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import ConfigMap, Namespace, ServiceAccount
from lightkube.types import PatchType

from sandbox.plugins.serving import UNKNOWN, plain, properties_of
from sandbox.plugins_install import plugin_program
from tests.all.sandbox.plugin_calls import Engine, PluginError, Resource, started
from tests.sandbox.kubeconfigs import kubeconfig_for

pytestmark = pytest.mark.sandbox

ROLE_ARN = "eks.amazonaws.com/role-arn"
ROLE = "arn:aws:iam::123456789012:role/my-role"
FORCE = "pulumi.com/patchForce"
AUTONAMED = "pulumi.com/autonamed"
ACCOUNT, PATCH = "core/v1:ServiceAccount", "core/v1:ServiceAccountPatch"
RECORDED = Path(__file__).with_name("recorded") / "kubernetes-plugin-states.json"
# What the recordings are in, and the service account that one of them patches.
RECORDED_NAMESPACE, RECORDED_PATCH = "recorded-a", "existing"
NAMESPACE = "plugin"
_numbers = count()


def manifest(kind: str, metadata: Mapping[str, Any], **content: Any) -> dict[str, Any]:
    """What the SDK sends for a resource."""
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
        yield lambda settings: Engine(running.enter_context(started(program, cloud.environment())), settings)


@pytest.fixture(scope="module")
def engine(cloud: Any, live: Client, configured: Callable[[dict[str, str]], Engine]) -> Engine:
    """A plugin that is configured by path and namespace."""
    return configured({"kubeconfig": cloud.environment()["KUBECONFIG"], "namespace": NAMESPACE})


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"service-account-{next(_numbers)}"


def annotations(client: Client, name: str) -> dict[str, str]:
    metadata = client.get(ServiceAccount, name).metadata
    assert metadata is not None
    return dict(metadata.annotations or {})


def exists(client: Client, kind: Any, name: str) -> bool:
    return name in [found.metadata.name for found in client.list(kind)]


def helm_account(client: Client, name: str) -> None:
    """A service account that somebody else made, as Helm leaves it."""
    client.create(
        ServiceAccount(metadata=ObjectMeta(name=name, labels={"owner": "helm"}, annotations={"keep": "me"})),
        field_manager="helm",
    )


def overwritten(cloud: Any, name: str) -> None:
    done = cloud.kubectl("annotate", "--overwrite", "-n", NAMESPACE, "serviceaccount", name, f"{ROLE_ARN}=evil")
    assert done.returncode == 0, done.stderr


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
    """Protects the shape that programs and `pulumi stack export` see: ids, outputs, __inputs, managed fields."""
    Client.create(
        live,
        ServiceAccount(
            metadata=ObjectMeta(
                name=RECORDED_PATCH, namespace="default", labels={"owner": "helm"}, annotations={"keep": "me"}
            )
        ),
        field_manager="helm",
    )
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


# Names.


def test_automatic_names_stay_and_say_that_they_are_automatic(engine: Engine) -> None:
    """Protects automatic names: logical name and 8 hex digits, the same at preview and update, kept ever after."""
    urn = engine.urn(ACCOUNT)
    first, second = (plain(engine.check(urn, service_account())) for _ in range(2))
    assert re.fullmatch("my-app-[0-9a-f]{8}", first["metadata"]["name"])
    assert first == second
    assert first["metadata"]["annotations"] == {AUTONAMED: "true"}
    changed = plain(engine.check(urn, service_account(annotations={"a": "b"}), properties_of(first)))
    assert changed["metadata"]["name"] == first["metadata"]["name"]
    assert changed["metadata"]["annotations"] == {"a": "b", AUTONAMED: "true"}
    given = plain(engine.check(urn, service_account("given"), properties_of(first)))
    assert given["metadata"] == {"name": "given", "namespace": NAMESPACE}


def test_a_namespace_is_filled_in_only_where_the_kind_has_one(engine: Engine) -> None:
    """Protects cluster-scoped kinds from a namespace, and namespaced ones from going to the wrong one."""
    checked = plain(engine.check(engine.urn("core/v1:Namespace"), manifest("Namespace", {"name": "x"})))
    assert "namespace" not in checked["metadata"]
    for namespace, expected in ((None, NAMESPACE), ("kube-public", "kube-public")):
        checked = plain(engine.check(engine.urn(ACCOUNT), service_account("x", namespace)))
        assert checked["metadata"]["namespace"] == expected


@pytest.mark.parametrize(
    ("kind", "inputs", "text"),
    [
        (PATCH, service_account(), "patch resources require the `.metadata.name` field to be set"),
        (ACCOUNT, service_account(generateName="x-"), "the `.metadata.generateName` field is not supported"),
    ],
)
def test_check_refuses(engine: Engine, kind: str, inputs: Any, text: str) -> None:
    """Protects from what the official plugin refuses before it asks the API server."""
    with pytest.raises(PluginError, match=re.escape(text)):
        engine.check(engine.urn(kind), inputs)


# Creation.


@pytest.mark.parametrize(
    ("metadata", "text", "previews"),
    [
        ({"name": "default"}, 'serviceaccounts "default" already exists', True),
        ({"name": "x", "namespace": "nope"}, 'namespaces "nope" not found', True),
        ({"name": "Bad_"}, 'ServiceAccount "Bad_" is invalid: metadata.name: Invalid value: "Bad_"', False),
    ],
    ids=["exists", "no namespace", "bad name"],
)
def test_creation_fails_with_the_api_servers_own_words(
    engine: Engine, live: Client, metadata: Any, text: str, previews: bool
) -> None:
    """Protects the texts of failed creations; what another resource may still bring about fails at `up` only."""
    with suppress(ApiError):
        live.create(ServiceAccount(metadata=ObjectMeta(name="default")))
    whole = f'resource "{engine.urn(ACCOUNT)}" was not successfully created by the Kubernetes API server: {text}'
    with pytest.raises(PluginError, match=re.escape(whole)):
        engine.create(ACCOUNT, service_account(**metadata))
    if previews:
        assert engine.preview(ACCOUNT, service_account(**metadata)).id == ""
    else:
        with pytest.raises(PluginError, match=re.escape(text)):
            engine.preview(ACCOUNT, service_account(**metadata))


def test_a_namespace_may_come_a_moment_later(engine: Engine, live: Client) -> None:
    """Protects programs whose namespace and service account are created at the same time."""
    with ThreadPoolExecutor() as beside:
        creating = beside.submit(engine.create, ACCOUNT, service_account("x", "comes-later"))
        time.sleep(0.2)
        live.create(Namespace(metadata=ObjectMeta(name="comes-later")))
        assert creating.result().id == "comes-later/x"


def test_a_preview_creates_nothing_and_keeps_unknown_values(engine: Engine, live: Client, name: str) -> None:
    """Protects `pulumi preview`: a dry run where everything is known, unknown values handed through where not."""
    known = engine.preview(ACCOUNT, service_account(name, annotations={ROLE_ARN: ROLE}))
    assert known.id == ""
    assert known.outputs["metadata"]["annotations"] == {ROLE_ARN: ROLE}
    assert not exists(live, ServiceAccount, name)
    unknown = engine.preview(ACCOUNT, service_account(name, annotations={ROLE_ARN: UNKNOWN}))
    assert unknown.outputs["metadata"]["annotations"][ROLE_ARN] is UNKNOWN
    made = engine.create(ACCOUNT, service_account(name, annotations={ROLE_ARN: ROLE}))
    assert engine.diff(made, service_account(name, annotations={ROLE_ARN: UNKNOWN})).changes
    assert engine.diff(made, {**service_account(name), "metadata": UNKNOWN}).changes
    previewed = engine.update(made, service_account(name, annotations={ROLE_ARN: "new"}), preview=True)
    assert previewed.outputs["metadata"]["annotations"] == {ROLE_ARN: "new"}
    assert annotations(live, name) == {ROLE_ARN: ROLE}


# Patches of what others own.


def test_a_patch_leaves_everything_else_alone_and_takes_back_only_its_own(
    engine: Engine, live: Client, name: str
) -> None:
    """Protects accounts that Helm or a colleague owns: `destroy` leaves them as they were."""
    helm_account(live, name)
    patch = engine.create(PATCH, service_account(name, annotations={ROLE_ARN: ROLE}))
    assert patch.id == f"{NAMESPACE}/{name}"
    assert annotations(live, name) == {"keep": "me", ROLE_ARN: ROLE}
    patch = engine.update(patch, service_account(name, annotations={"other": "one"}))
    assert annotations(live, name) == {"keep": "me", "other": "one"}
    engine.delete(patch)
    assert annotations(live, name) == {"keep": "me"}
    metadata = live.get(ServiceAccount, name).metadata
    assert metadata is not None
    assert metadata.labels == {"owner": "helm"}


def test_each_patch_has_a_field_manager_of_its_own(engine: Engine, live: Client, name: str) -> None:
    """Protects two patches of one account from undoing each other."""
    helm_account(live, name)
    first = engine.create(PATCH, service_account(name, annotations={"a": "1"}), "first")
    second = engine.create(PATCH, service_account(name, annotations={"b": "2"}), "second")
    assert first.outputs["__fieldManager"] != second.outputs["__fieldManager"]
    engine.delete(first)
    assert annotations(live, name) == {"keep": "me", "b": "2"}


def test_a_patch_of_a_missing_account_creates_it_and_leaves_it_behind(engine: Engine, live: Client, name: str) -> None:
    """Protects the trap of the official plugin that our program has to step around: it must be here too."""
    patch = engine.create(PATCH, service_account(name, labels={"a": "b"}))
    assert exists(live, ServiceAccount, name)
    engine.delete(patch)
    assert exists(live, ServiceAccount, name)


def test_a_deleted_patch_does_not_bring_back_a_deleted_account(engine: Engine, live: Client, name: str) -> None:
    """Protects `destroy` after somebody deleted the account: an apply would create it again."""
    helm_account(live, name)
    patch = engine.create(PATCH, service_account(name, annotations={ROLE_ARN: ROLE}))
    live.delete(ServiceAccount, name)
    engine.delete(patch)
    assert not exists(live, ServiceAccount, name)


def test_an_overwritten_patch_is_a_conflict_unless_it_is_forced(
    engine: Engine, live: Client, cloud: Any, name: str
) -> None:
    """Protects what others wrote on purpose, and the annotation by which a program takes its own back."""
    helm_account(live, name)
    patch = engine.create(PATCH, service_account(name, annotations={ROLE_ARN: ROLE}))
    overwritten(cloud, name)
    patch = engine.refresh(patch)
    assert engine.diff(patch, service_account(name, annotations={ROLE_ARN: ROLE})).changes
    for preview in (True, False):
        with pytest.raises(PluginError) as conflict:
            engine.update(patch, service_account(name, annotations={ROLE_ARN: ROLE}), preview=preview)
        assert "server-side apply field conflict detected" in str(conflict.value)
        assert 'conflict with "kubectl-annotate" using v1: .metadata.annotations.' + ROLE_ARN in str(conflict.value)
        assert annotations(live, name)[ROLE_ARN] == "evil"
    engine.update(patch, service_account(name, annotations={ROLE_ARN: ROLE, FORCE: "true"}))
    assert annotations(live, name) == {"keep": "me", ROLE_ARN: ROLE, FORCE: "true"}


def test_a_new_patch_in_conflict_is_refused(engine: Engine, live: Client, cloud: Any, name: str) -> None:
    """Protects what another stack or a person wrote: the first apply of a patch takes nothing over, either.

    What nobody applied yet belongs to `before-first-apply`:
    https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
    """
    live.create(ServiceAccount(metadata=ObjectMeta(name=name)))
    overwritten(cloud, name)
    guide = (
        "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/"
    )
    wanted = service_account(name, annotations={ROLE_ARN: ROLE})
    with pytest.raises(PluginError) as by_hand:
        engine.create(PATCH, wanted)
    text = str(by_hand.value)
    assert text.startswith(
        f'resource "{engine.urn(PATCH)}" was not successfully created by the Kubernetes API server: '
    )
    assert f"server-side apply field conflict detected. See {guide}" in text
    assert re.search(
        '\nthe resource managed by field manager "pulumi-kubernetes-[0-9a-f]{8}" had an apply conflict: ', text
    )
    assert 'conflict with "before-first-apply" using v1: .metadata.annotations.' + ROLE_ARN in text
    assert annotations(live, name) == {ROLE_ARN: "evil"}

    first = engine.create(PATCH, service_account(name, annotations={ROLE_ARN: ROLE, FORCE: "true"}), "first")
    with pytest.raises(PluginError) as by_stack:
        engine.create(PATCH, service_account(name, annotations={ROLE_ARN: "other"}), "second")
    assert f'conflict with "{first.outputs["__fieldManager"]}": .metadata.annotations.{ROLE_ARN}' in str(by_stack.value)
    assert annotations(live, name) == {ROLE_ARN: ROLE, FORCE: "true"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_patches_of_one_value_share_it(engine: Engine, live: Client, name: str, order: tuple[int, int]) -> None:
    """Protects the annotation of a stack whose twin is destroyed: the last owner takes it along, and no other."""
    helm_account(live, name)
    wanted = service_account(name, annotations={ROLE_ARN: ROLE})
    patches = [engine.create(PATCH, wanted, each) for each in ("first", "second")]
    engine.delete(patches[order[0]])
    assert annotations(live, name) == {"keep": "me", ROLE_ARN: ROLE}
    remaining = engine.refresh(patches[order[1]])
    assert not engine.diff(remaining, wanted).changes
    engine.delete(remaining)
    assert annotations(live, name) == {"keep": "me"}


def test_what_was_taken_over_is_no_longer_the_first_ones(engine: Engine, live: Client, name: str) -> None:
    """Protects whom a forced patch made the owner: the destruction of the first stack leaves it what it took."""
    helm_account(live, name)
    first = engine.create(PATCH, service_account(name, annotations={ROLE_ARN: ROLE, "first": "1"}), "first")
    taken = {ROLE_ARN: "other", FORCE: "true"}
    second = engine.create(PATCH, service_account(name, annotations=taken), "second")
    engine.delete(first)
    assert annotations(live, name) == {"keep": "me", **taken}
    engine.delete(second)
    assert annotations(live, name) == {"keep": "me"}


def test_what_is_not_tracked_is_nobodys(engine: Engine, live: Client, cloud: Any, name: str) -> None:
    """Protects the update of an object without managers, as the official plugin has it: there is no conflict."""
    helm_account(live, name)
    patch = engine.create(PATCH, service_account(name, annotations={ROLE_ARN: ROLE}))
    overwritten(cloud, name)
    nobody = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    live.patch(ServiceAccount, name, nobody, patch_type=PatchType.JSON)
    engine.update(engine.refresh(patch), service_account(name, annotations={ROLE_ARN: ROLE}))
    assert annotations(live, name) == {"keep": "me", ROLE_ARN: ROLE}


# Drift of what is our own.


def test_an_overwritten_account_of_our_own_is_repaired_without_a_conflict(
    engine: Engine, live: Client, cloud: Any, name: str
) -> None:
    """Protects `up` after drift: seen by refresh, shown as a change of the annotation, repaired in place."""
    wanted = service_account(name, annotations={ROLE_ARN: ROLE})
    made = engine.create(ACCOUNT, wanted)
    overwritten(cloud, name)
    assert not engine.diff(made, wanted).changes
    made = engine.refresh(made)
    assert plain(made.inputs)["metadata"]["annotations"] == {ROLE_ARN: "evil"}
    difference = engine.diff(made, wanted)
    assert list(difference.kinds) == [f'metadata.annotations["{ROLE_ARN}"]']
    assert not difference.replaces
    engine.update(made, wanted)
    assert annotations(live, name) == {ROLE_ARN: ROLE}


def test_what_others_add_is_no_difference_and_survives(engine: Engine, live: Client, name: str) -> None:
    """Protects annotations that a controller adds to an account of ours."""
    wanted = service_account(name, annotations={ROLE_ARN: ROLE})
    made = engine.create(ACCOUNT, wanted)
    added = {"metadata": {"annotations": {"added": "here"}}}
    live.patch(ServiceAccount, name, added, patch_type=PatchType.MERGE, field_manager="controller")
    made = engine.refresh(made)
    assert not engine.diff(made, wanted).changes
    engine.update(made, service_account(name, annotations={ROLE_ARN: "new"}))
    assert annotations(live, name) == {"added": "here", ROLE_ARN: "new"}


def test_what_we_no_longer_say_goes(engine: Engine, live: Client, name: str) -> None:
    """Protects removed annotations and labels from staying: the creation's fields must become the update's."""
    made = engine.create(ACCOUNT, service_account(name, annotations={ROLE_ARN: ROLE, "old": "1"}, labels={"a": "b"}))
    difference = engine.diff(made, service_account(name, annotations={ROLE_ARN: ROLE}))
    assert sorted(difference.kinds) == ["metadata.annotations.old", "metadata.labels"]
    made = engine.update(made, service_account(name, annotations={ROLE_ARN: ROLE}))
    assert annotations(live, name) == {ROLE_ARN: ROLE}
    assert "labels" not in made.outputs["metadata"]


def test_reading_what_is_missing_has_no_id(engine: Engine) -> None:
    """Protects `ServiceAccount.get` as a way to insist that an account exists, and refresh after a deletion."""
    assert engine.read(ACCOUNT, f"{NAMESPACE}/missing").id == ""
    assert engine.read("core/v1:Namespace", "missing").id == ""


def test_an_import_takes_the_identity_and_an_update_claims_the_rest(engine: Engine, live: Client, name: str) -> None:
    """Protects `import`: what is declared is claimed by an apply, and what others wrote stays theirs."""
    helm_account(live, name)
    wanted = service_account(name, annotations={"keep": "me"})
    found = engine.read(ACCOUNT, f"{NAMESPACE}/{name}")
    assert plain(found.inputs) == service_account(name, NAMESPACE)
    assert found.outputs["metadata"]["uid"]
    difference = engine.diff(found, wanted)
    assert difference.kinds == {"metadata.annotations": "ADD"}
    assert not difference.replaces
    claimed = engine.update(found, wanted)
    assert not engine.diff(claimed, wanted).changes
    metadata = live.get(ServiceAccount, name).metadata
    assert metadata is not None
    assert (metadata.labels, metadata.annotations) == ({"owner": "helm"}, {"keep": "me"})
    owners = {
        entry["manager"]: entry["fieldsV1"]["f:metadata"] for entry in claimed.outputs["metadata"]["managedFields"]
    }
    assert set(owners) == {"helm", claimed.outputs["__fieldManager"]}
    assert owners[claimed.outputs["__fieldManager"]] == {"f:annotations": {"f:keep": {}}}
    assert {"f:annotations", "f:labels"} <= set(owners["helm"])


def test_an_import_shares_what_no_manager_owns(engine: Engine, live: Client, cloud: Any, name: str) -> None:
    """Protects accounts that `kubectl create serviceaccount` made, which have no managed fields before an apply."""
    cloud.kubectl("create", "serviceaccount", name, "-n", NAMESPACE)
    overwritten(cloud, name)
    found = engine.read(ACCOUNT, f"{NAMESPACE}/{name}")
    claimed = engine.update(found, service_account(name, annotations={ROLE_ARN: "evil"}))
    managers = {entry["manager"] for entry in claimed.outputs["metadata"]["managedFields"]}
    assert managers == {"before-first-apply", claimed.outputs["__fieldManager"]}
    assert annotations(live, name) == {ROLE_ARN: "evil"}


def test_an_import_takes_over_from_kubectl(engine: Engine, live: Client, name: str) -> None:
    """Protects the trap of the official plugin: what kubectl wrote and the program does not declare is removed."""
    made = ServiceAccount(metadata=ObjectMeta(name=name, labels={"team": "a"}, annotations={ROLE_ARN: ROLE}))
    live.create(made, field_manager="kubectl-create")
    found = engine.read(ACCOUNT, f"{NAMESPACE}/{name}")
    claimed = engine.update(found, service_account(name, annotations={ROLE_ARN: ROLE}))
    managers = {entry["manager"] for entry in claimed.outputs["metadata"]["managedFields"]}
    assert managers == {claimed.outputs["__fieldManager"]}
    assert "labels" not in claimed.outputs["metadata"]
    assert annotations(live, name) == {ROLE_ARN: ROLE}


# Deletion.


def test_deletion_waits_until_the_object_is_gone(engine: Engine, live: Client, name: str) -> None:
    """Protects the order of `destroy` and a new object of the same name: foreground, and really gone."""
    namespace = engine.create("core/v1:Namespace", manifest("Namespace", {"name": name}))
    inside = engine.create(ACCOUNT, service_account("x", name))
    engine.delete(inside)
    assert not exists(cluster_of(live, name), ServiceAccount, "x")
    engine.delete(namespace)
    assert not exists(live, Namespace, name)
    engine.delete(namespace)


def test_what_an_object_owns_goes_before_it(engine: Engine, live: Client, name: str) -> None:
    """Protects from objects left over by `destroy`: the official plugin deletes with foreground propagation."""
    owner = engine.create(ACCOUNT, service_account(name))
    reference = OwnerReference(
        apiVersion="v1", kind="ServiceAccount", name=name, uid=owner.outputs["metadata"]["uid"], blockOwnerDeletion=True
    )
    live.create(ConfigMap(metadata=ObjectMeta(name=name, ownerReferences=[reference])))
    engine.delete(owner)
    assert not exists(live, ServiceAccount, name)
    assert not exists(live, ConfigMap, name)


def test_deletion_that_cannot_end_says_what_holds_the_object(engine: Engine, live: Client, name: str) -> None:
    """Protects from waiting for ever on somebody's finalizer."""
    made = engine.create(ACCOUNT, service_account(name, finalizers=["example.com/held"]))
    try:
        with pytest.raises(PluginError, match=r"was not deleted within 1 seconds; its finalizers: .*example\.com/held"):
            engine.delete(made, seconds=1)
    finally:
        live.patch(ServiceAccount, name, {"metadata": {"finalizers": None}}, patch_type=PatchType.MERGE)


def cluster_of(client: Client, namespace: str) -> Client:
    return Client(config=client.config, namespace=namespace)


@pytest.mark.parametrize(
    ("inputs", "delete_first"),
    [
        (manifest("ConfigMap", {"name": "settings"}, data={"a": "c"}), True),
        (manifest("ConfigMap", {"name": "renamed"}, data={"a": "b"}), False),
        (manifest("ConfigMap", {"name": "settings", "namespace": "kube-public"}, data={"a": "b"}), False),
    ],
)
def test_an_object_goes_first_where_the_new_one_has_its_name(engine: Engine, inputs: Any, delete_first: bool) -> None:
    """Protects replacements of named objects: two of one name cannot be there at once, others may overlap."""
    old = manifest("ConfigMap", {"name": "settings", "namespace": NAMESPACE}, data={"a": "b"})
    urn = engine.urn("core/v1:ConfigMap")
    resource = Resource(urn, f"{NAMESPACE}/settings", properties_of(old), properties_of({**old, "__inputs": old}))
    difference = engine.diff(resource, inputs)
    assert difference.replaces
    assert difference.delete_before_replace is delete_first


def test_an_automatically_named_object_is_replaced_before_the_old_one_goes(engine: Engine) -> None:
    """Protects automatic names' purpose: the new object exists before the old one goes."""
    made = engine.create("core/v1:ConfigMap", manifest("ConfigMap", {}, data={"a": "b"}))
    difference = engine.diff(made, manifest("ConfigMap", {}, data={"a": "c"}))
    assert difference.replaces == ["data.a"]
    assert not difference.delete_before_replace
    engine.delete(made)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("ValidatingAdmissionPolicy", {"failurePolicy": "Fail"}),
        ("ValidatingAdmissionPolicyBinding", {"validationActions": ["Audit"], "paramRef": {"name": "new"}}),
    ],
)
def test_a_policy_of_admission_changes_in_place(engine: Engine, cloud: Any, kind: str, change: Any, name: str) -> None:
    """Protects the guard: what the API server fills in is no difference, and nothing but the name replaces.

    https://github.com/pulumi/pulumi-kubernetes, provider/pkg/provider/diff.go has no field of these kinds.
    """
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    specs: dict[str, Any] = {
        "ValidatingAdmissionPolicy": {
            "failurePolicy": "Ignore",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "true"}],
        },
        "ValidatingAdmissionPolicyBinding": {
            "policyName": "nobody",
            "paramRef": {"name": "old", "namespace": NAMESPACE, "parameterNotFoundAction": "Allow"},
            "validationActions": ["Warn"],
        },
    }
    inputs: dict[str, Any] = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
    inputs["spec"] = specs[kind]
    made = engine.create(f"admissionregistration.k8s.io/v1:{kind}", inputs)
    assert made.id == name
    assert not engine.diff(engine.refresh(made), inputs).changes
    merged = {
        key: {**inputs["spec"].get(key, {}), **new} if isinstance(new, dict) else new for key, new in change.items()
    }
    wanted = {**inputs, "spec": {**inputs["spec"], **merged}}
    difference = engine.diff(made, wanted)
    assert (difference.changes, difference.replaces) == (True, [])
    made = engine.update(made, wanted)
    assert not engine.diff(engine.refresh(made), wanted).changes
    assert engine.diff(made, {**wanted, "metadata": {"name": f"{name}-2"}}).replaces == ["metadata.name"]
    engine.delete(made)
    assert cloud.kubectl("get", kind, name).returncode != 0


# Configuration.


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"context": "nope"}, 'context "nope" does not exist'),
        ({"context": "a"}, "https://127.0.0.1:1"),
    ],
)
def test_without_a_cluster_previews_work_and_updates_say_why_they_fail(
    configured: Any, settings: dict[str, str], text: str
) -> None:
    """Protects previews before the cluster exists, and the text that says which cluster was tried."""
    engine = configured({"kubeconfig": kubeconfig_for("https://127.0.0.1:1", "a"), **settings})
    assert engine.preview(ACCOUNT, service_account("x")).outputs["metadata"]["name"] == "x"
    message = rf"(?s)configured Kubernetes cluster is unreachable: .*{re.escape(text)}"
    with pytest.raises(PluginError, match=message):
        engine.create(ACCOUNT, service_account("x"))
    with pytest.raises(PluginError, match=r"unreachable cluster.*PULUMI_K8S_DELETE_UNREACHABLE"):
        engine.read(ACCOUNT, "default/x")


def test_what_a_lost_cluster_held_can_be_dropped(configured: Any) -> None:
    """Protects the way out of a stack whose cluster is gone: deleteUnreachable."""
    engine = configured({"kubeconfig": kubeconfig_for("https://127.0.0.1:1", "a"), "deleteUnreachable": "true"})
    assert engine.read(ACCOUNT, "default/x").id == ""
    engine.delete(Resource(engine.urn(ACCOUNT), "default/x", {}, {}))


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"kubeconfig": kubeconfig_for("https://one:1", "a")}, {}, []),
        (
            {"kubeconfig": kubeconfig_for("https://one:1", "a")},
            {"kubeconfig": kubeconfig_for("https://one:1", "b")},
            [],
        ),
        (
            {"kubeconfig": kubeconfig_for("https://one:1", "a")},
            {"kubeconfig": kubeconfig_for("https://two:1", "a")},
            ["kubeconfig"],
        ),
        ({"kubeconfig": kubeconfig_for("https://one:1", "a")}, {"kubeconfig": UNKNOWN}, ["kubeconfig"]),
        ({"namespace": "a"}, {"namespace": "b"}, []),
    ],
)
def test_another_cluster_replaces_its_objects(engine: Engine, old: Any, new: Any, replaces: list[str]) -> None:
    """Protects objects from replacement when a context was renamed, and from staying on the old cluster."""
    difference = engine.replacing_settings(old, new)
    assert difference.replaces == replaces
    assert difference.changes
