"""What a cluster would refuse. Facts: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts."""

from dataclasses import replace
from typing import Any

import pytest

from irsa_world.model import ServiceAccount
from tests.unit.program.live.scene import HOST, ROLE_ARN, arn, cluster, found, held_service_account, live, rules

ROLE = {"role": {"name": "app"}}
CREATED = {"serviceAccount": {"name": "app", "namespace": "team-a"}, **ROLE}
ANNOTATED = {"serviceAccount": {"name": "app", "namespace": "team-a", "create": False}, **ROLE}
OURS = f"team-a/app@{HOST}"
SERVICE_ACCOUNT = "bindings.app.serviceAccount"


def stack(binding: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"bindings": {"app": binding}, **more}


def in_namespace(**settings: Any) -> dict[str, Any]:
    return {"serviceAccount": {"name": "app", "namespace": "team-b", **settings}, **ROLE}


def test_a_missing_namespace() -> None:
    """Protects from `namespaces "team-b" not found`, half-way; with createNamespace it is created."""
    (mistake,) = found(stack(in_namespace()))

    assert rules([mistake]) == [("namespace-missing", f"{SERVICE_ACCOUNT}.namespace")]
    assert "createNamespace: true" in mistake.mistake.fix
    assert mistake.mistake.fix.endswith("kubectl create namespace team-b")
    assert found(stack(in_namespace(createNamespace=True))) == []


def test_a_namespace_that_is_being_deleted() -> None:
    """Kubernetes refuses to create objects in a namespace that is terminating, whoever wants it to exist.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
    """
    for binding in (in_namespace(), in_namespace(createNamespace=True)):
        (mistake,) = found(stack(binding), in_cluster=cluster(namespaces=["default", "team-b"], ending=["team-b"]))

        assert rules([mistake]) == [("namespace-missing", f"{SERVICE_ACCOUNT}.namespace")]
        assert "is being deleted" in mistake.mistake.found


def test_a_namespace_that_another_binding_creates() -> None:
    """Protects from a race: only what has createNamespace itself waits for the namespace."""
    other = {"serviceAccount": {"name": "other", "namespace": "team-b", "createNamespace": True}}
    (mistake,) = found({"bindings": {"app": in_namespace(), "other": other}})

    assert mistake.place == ("bindings", "app", "serviceAccount", "namespace")
    assert "bindings.other creates it" in mistake.mistake.found


def test_a_service_account_that_exists_already() -> None:
    """Protects from `serviceaccounts "app" already exists`: the message says whose role it has, and who wrote that."""
    existing = cluster({"team-a/app": live(arn("role", "theirs"), "helm")})
    (mistake,) = found(stack(CREATED), in_cluster=existing)

    assert rules([mistake]) == [("service-account-exists", f"{SERVICE_ACCOUNT}.name")]
    assert "arn:aws:iam::111122223333:role/theirs, written by helm" in mistake.mistake.found
    assert "create: false" in mistake.mistake.fix
    assert "import: [serviceAccount]" in mistake.mistake.fix


@pytest.mark.parametrize(
    ("binding", "existing", "held", "expected"),
    [
        # What this stack created exists.
        (CREATED, live(), {}, []),
        # create: false to true is a create for the engine: the service account that it annotated exists.
        (CREATED, live(), {"created": False}, [("service-account-exists", f"{SERVICE_ACCOUNT}.name")]),
        # Two managers may have a field together when they agree on its value.
        (ANNOTATED, live(arn("role", "app"), "helm"), None, []),
        # What has no field manager, such as after clearing managedFields, can be applied.
        (ANNOTATED, live(arn("role", "theirs")), None, []),
    ],
)
def test_what_exists_and_is_not_in_the_way(binding: Any, existing: Any, held: Any, expected: list[Any]) -> None:
    """Protects each later deployment: what is the stack's own, or shared, is no conflict."""
    state = [] if held is None else [held_service_account(OURS, "team-a", "app", **held)]

    assert rules(found(stack(binding), in_cluster=cluster({"team-a/app": existing}), state=state)) == expected


@pytest.mark.parametrize("is_same", [True, False])
def test_a_service_account_of_the_wrong_issuer_is_this_stacks(is_same: bool) -> None:
    """Protects a corrected oidcIssuer: `import` alone would let the old name's deletion remove what it adopts.

    In another cluster, that name is another one's: only a UID says that it is the same,
    https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#uids
    """
    state = held_service_account("team-a/app@oidc.example.com/id/WRONG", "team-a", "app")
    state["outputs"]["metadata"]["uid"] = "1" if is_same else "2"
    there = live()
    there = replace(there, manifest={"metadata": {**there.manifest["metadata"], "uid": "1"}})
    (mistake,) = found(stack(CREATED), in_cluster=cluster({"team-a/app": there}), state=[state])

    assert rules([mistake]) == [("service-account-exists", f"{SERVICE_ACCOUNT}.name")]
    text = "this stack created it for the issuer oidc.example.com/id/WRONG"
    assert (text in mistake.mistake.found) is is_same
    assert ("retainOnDelete: true, then import: [serviceAccount]" in mistake.mistake.fix) is is_same


def test_adoption_needs_an_existing_one() -> None:
    """Import of what exists is no conflict; of what does not, it is one. It may stay in the file after the import."""
    adopting = stack({**CREATED, "import": ["serviceAccount"]})

    assert found(adopting, in_cluster=cluster({"team-a/app": live()})) == []
    assert rules(found(adopting)) == [("import-missing", "bindings.app.import")]
    assert found(adopting, state=[held_service_account(OURS, "team-a", "app")]) == []


def test_a_service_account_to_annotate_must_exist() -> None:
    """Protects from the patch that would create it: `create: false` says that it exists."""
    (mistake,) = found(stack(ANNOTATED))

    assert rules([mistake]) == [("service-account-missing", f"{SERVICE_ACCOUNT}.name")]
    assert mistake.mistake.fix.endswith("kubectl create serviceaccount app -n team-a")
    assert found(stack(ANNOTATED), in_cluster=cluster({"team-a/app": live()})) == []
    # One cause is told once.
    assert [rule for rule, _ in rules(found(stack(ANNOTATED), in_cluster=cluster(namespaces=())))] == [
        "namespace-missing"
    ]


def test_an_annotation_of_another_manager_is_a_conflict() -> None:
    """Server-side apply refuses a field that another manager has with another value, unless it is forced."""
    taken = cluster({"team-a/app": live(arn("role", "theirs"), "helm")})
    (mistake,) = found(stack(ANNOTATED), in_cluster=taken)

    assert rules([mistake]) == [("service-account-taken", SERVICE_ACCOUNT)]
    assert f"{ROLE_ARN}: {arn('role', 'theirs')}, written by helm" in mistake.mistake.found
    assert "takeOver: true" in mistake.mistake.fix
    taking = {"serviceAccount": {"name": "app", "namespace": "team-a", "create": False, "takeOver": True}, **ROLE}
    assert found(stack(taking), in_cluster=taken) == []


def test_the_manager_of_the_own_state_is_no_other() -> None:
    """A new role name for an annotation that this stack wrote is an update; one that others wrote since is not."""
    manager = "pulumi-kubernetes-5217e6ec"
    state = [held_service_account(OURS, "team-a", "app", created=False, manager=manager)]
    before = arn("role", "before")

    assert found(stack(ANNOTATED), in_cluster=cluster({"team-a/app": live(before, manager)}), state=state) == []
    assert rules(
        found(stack(ANNOTATED), in_cluster=cluster({"team-a/app": live(before, "kubectl-annotate")}), state=state)
    ) == [("service-account-taken", SERVICE_ACCOUNT)]


def test_what_others_overwrote_is_drift_while_the_file_says_the_same() -> None:
    """`pulumi up` compares with its state: without a change of its own, it does not meet the other manager."""
    held = held_service_account(OURS, "team-a", "app", created=False)
    taken = cluster({"team-a/app": live(arn("role", "theirs"), "kubectl-annotate")})
    for role, conflicts in (("app", []), ("before", ["service-account-taken"])):
        state = [{**held, "inputs": {"metadata": {"annotations": {ROLE_ARN: arn("role", role)}}}}]
        assert [rule for rule, _ in rules(found(stack(ANNOTATED), in_cluster=taken, state=state))] == conflicts


def test_each_cluster_is_compared_and_named() -> None:
    """Protects a second cluster: the same binding may be good in one and a conflict in the other."""
    clusters = {"blue": {"name": "blue"}, "green": {"name": "green", "kubernetes": {"context": "green"}}}
    values = stack(CREATED, clusters=clusters)
    (mistake,) = found(values, in_green=cluster({"team-a/app": live()}))

    assert rules([mistake]) == [("service-account-exists", f"{SERVICE_ACCOUNT}.name")]
    assert "in the cluster green" in mistake.mistake.found
    state = [held_service_account(f"team-a/app@{HOST}", "team-a", "app")]
    assert len(found(values, in_green=cluster({"team-a/app": live()}), state=state)) == 1


def test_what_others_wrote_is_quoted() -> None:
    """Protects readers: an annotation or a manager of somebody else's cannot pass for our words."""
    hostile = 'x"; do: run this\n::set-env::'
    existing = cluster({"team-a/app": live(hostile, hostile)})
    for binding in (CREATED, ANNOTATED):
        (mistake,) = found(stack(binding), in_cluster=existing)

        assert "\n" not in mistake.mistake.found
        assert mistake.mistake.found.count('"x\\"; do: run this\\n::set-env::"') == 2


def test_who_wrote_an_annotation() -> None:
    """managedFields names the fields of each manager as a tree, `f:` before each name.

    The example of https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management, for annotations.
    """
    metadata = {
        "name": "test-sa",
        "namespace": "default",
        "annotations": {ROLE_ARN: "arn:aws:iam::123456789012:role/x", "keep": "me"},
        "managedFields": [
            {
                "manager": "kubectl",
                "operation": "Apply",
                "apiVersion": "v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{ROLE_ARN}": {}}, "f:labels": {"f:test-label": {}}}},
            },
            {
                "manager": "before-first-apply",
                "operation": "Update",
                "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:keep": {}}}},
            },
            {"manager": "status", "operation": "Update", "subresource": "status"},
        ],
    }
    read = ServiceAccount.of("cluster", "default", "test-sa", {"metadata": metadata})

    assert read.managers(ROLE_ARN) == {"kubectl"}
    assert read.managers("keep") == {"before-first-apply"}


def test_an_annotation_that_nobody_is_known_to_own() -> None:
    """`kubectl create serviceaccount` and `kubectl annotate` leave no managedFields.

    The API server refuses a patch all the same: conflict with "before-first-apply" (tests/sandbox/test_conflicts.py).
    """
    written = {ROLE_ARN: arn("role", "theirs")}
    read = ServiceAccount("cluster", "team-a", "app", written)
    (mistake,) = found(stack(ANNOTATED), in_cluster=cluster({"team-a/app": read}))

    assert rules([mistake]) == [("service-account-taken", SERVICE_ACCOUNT)]
    assert "written by before-first-apply" in mistake.mistake.found


def test_a_cluster_that_could_not_be_asked_has_no_findings() -> None:
    """Protects from invented conflicts: what is not known is not said."""
    from irsa_program.live.reads import ClusterReads

    assert found(stack(in_namespace()), in_cluster=ClusterReads()) == []
