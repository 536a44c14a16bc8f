"""What a change takes from Pods: the facts are the engine's and the AWS plugin's.

A resource that is in the state and not in the program is deleted at the end. A change of the name or the path of a role
or policy replaces it, and a resource whose name the program gives is deleted before it is created again.
https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
https://www.pulumi.com/docs/iac/concepts/options/deletebeforereplace/
"""

from typing import Any

import pytest

from tests.unit.program.live.scene import (
    DOCUMENT,
    HOST,
    arn,
    held_association,
    held_component,
    held_policy,
    held_provider,
    held_role,
    held_service_account,
    lost,
    rules,
)

OURS = f"default/app@{HOST}"
LOSS = "pods-lose-role"


def app(key: str = "app", **binding: Any) -> dict[str, Any]:
    return {"bindings": {key: {"serviceAccount": {"name": "app"}, **binding}}}


def deployed(role: str = "app-20261125", name: str = "app", key: str | None = "app") -> list[dict[str, Any]]:
    """The state of a binding `app`: its component, its role and its service account."""
    return [
        held_component(name, arn("role", role), "default/app", key),
        held_role(name, role),
        held_service_account(OURS, "default", "app"),
    ]


UNTIL_THEY_RESTART, IN_BETWEEN = "which running Pods use until they restart", "in between Pods have no role"
GIVEN, ELSE = deployed("app-role", "role/app-role"), {"bindings": {"other": {"trust": {"subjects": ["a:b"]}}}}
OLD = held_service_account("default/app@oidc.example.com/id/OLD", "default", "app")
PATCH = held_service_account(OURS, "default", "app", created=False)


@pytest.mark.parametrize(
    ("values", "state", "place", "words"),
    [
        (ELSE, deployed()[:2], "", "app-20261125 is deleted"),
        (ELSE, deployed()[2:], "", "default/app is deleted"),
        (app("renamed"), deployed(), ".renamed", "set formerly: app"),
        (
            app(),
            [*deployed()[:2], OLD],
            ".app.serviceAccount",
            "rebuilt: pulumi up --refresh --stack dev",
        ),
        # Deleting the patch removes the annotations, and with them the role of new Pods.
        (ELSE, [PATCH], "", "the annotations of the service account default/app are removed"),
        # The new role is created first, and the old one is deleted at the end.
        (app(role={"name": "new"}), GIVEN, ".app.role", UNTIL_THEY_RESTART),
        (app(role={"name": "app-role"}), deployed(), ".app.role", UNTIL_THEY_RESTART),
        # To IAM it is one name, so the old role goes first.
        (app(role={"name": "App-Role"}), GIVEN, ".app.role.name", f"because its name changes: {IN_BETWEEN}"),
        # IAM cannot change a path: a role of a given name is deleted first, one of an automatic name at the end.
        (app(role={"name": "app-role", "path": "/team/"}), GIVEN, ".app.role.path", IN_BETWEEN),
        (app(role={"path": "/team/"}), deployed(), ".app.role.path", UNTIL_THEY_RESTART),
        # Nor a name, of which the prefix is a part: AWS's plugin replaces the role.
        (app(role={"namePrefix": "mine-"}), deployed(), ".app.role.namePrefix", UNTIL_THEY_RESTART),
        # role.arn of the role that the stack created: its own resource is deleted.
        (app(role={"arn": arn("role", "app-role")}), GIVEN, ".app.role", "with the binding as it was"),
    ],
)
def test_what_pods_lose(values: dict[str, Any], state: Any, place: str, words: str) -> None:
    (mistake,) = lost(values, state)

    assert rules([mistake]) == [(LOSS, f"bindings{place}")]
    assert words in f"{mistake.mistake.found}; {mistake.mistake.fix}"


def test_what_stays_is_not_lost() -> None:
    assert lost(app(), deployed()) == []
    assert lost(app(role={"name": "app-role"}), GIVEN) == []
    assert lost(app("renamed", formerly="app"), deployed(key=None)) == []


def test_what_other_things_go_with() -> None:
    provider = held_provider(HOST, arn("oidc-provider", HOST))
    keys = {"namespace": "team-a", "name": "app"}
    kept = {
        "cluster": {"name": "my-cluster", "createOidcProvider": True},
        "bindings": {"app": {"serviceAccount": {**keys, "createNamespace": True}}},
    }
    changed = {"bindings": {"app": {"serviceAccount": keys}}}

    assert lost(kept, [provider]) == []
    assert [mistake.mistake.fix for mistake in lost(changed, [provider])] == ["keep createOidcProvider: true"]


@pytest.mark.parametrize("changed", ["path", "description"])
def test_a_policy_that_is_replaced(changed: str) -> None:
    """IAM cannot change the path or the description of a policy; with a given name it is deleted first.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
    """
    policy = {"name": "p", "document": DOCUMENT, changed: "/team/"}
    state = [*deployed(), held_policy("policy/p", "p")]
    (mistake,) = lost(app(policy=policy), state)

    assert rules([mistake]) == [(LOSS, f"bindings.app.policy.{changed}")]
    assert lost(app(policy={"name": "p", "document": DOCUMENT}), state) == []
    assert lost(app(policy={**policy, "name": "q"}), state) == []


@pytest.mark.parametrize(
    ("after", "is_lost"),
    [
        ({}, False),
        # Whether its Pods need it is a question of stages.
        ({"identity": "irsa"}, False),
        ({"serviceAccount": {"name": "other", "namespace": "team-a", "create": False}}, True),
        ({"serviceAccount": {"name": "app", "namespace": "team-b", "create": False}}, True),
    ],
)
@pytest.mark.parametrize("retained", [False, True])
def test_the_association_of_a_service_account_of_helm(after: dict[str, Any], is_lost: bool, retained: bool) -> None:
    """An association belongs to a service account, and both never change:
    https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdatePodIdentityAssociation.html
    """
    account = {"name": "app", "namespace": "team-a", "create": False}
    binding = {"role": {"name": "app-role"}, "serviceAccount": account, "identity": "podIdentity", **after}
    role = held_role("role/app-role", "app-role")
    association = held_association(f"team-a/app@{HOST}", "a-1", clusterName="my-cluster")
    found = lost({"bindings": {"app": binding}}, [role, {**association, "retainOnDelete": retained}])
    about = [each.mistake.found for each in found if "association" in each.mistake.found]
    assert len(about) == (is_lost and not retained)
    words = "team-a/app in the EKS cluster my-cluster is deleted: new Pods get no credentials"
    assert all(words in each for each in about)


TWO = {"clusters": {"blue": {"name": "blue"}, "green": {"name": "green"}}}
ANNOTATED = {"name": "app", "namespace": "team-a", "create": False}


def in_green(**binding: Any) -> dict[str, Any]:
    """Return a binding of the cluster green with a service account of the name of one in blue, which has none now."""
    settings = {"role": {"name": "app-role"}, "serviceAccount": ANNOTATED, "clusters": ["green"], **binding}
    return {**TWO, "bindings": {"app": settings}}


def test_a_service_account_of_that_name_in_another_cluster() -> None:
    """The attack: two clusters, and what goes in one has the name of what stays in the other."""
    role = held_role("role/app-role", "app-role")
    patch = held_service_account(f"team-a/app@{HOST}", "team-a", "app", created=False)
    association = held_association(f"team-a/app@{HOST}", "a-1", clusterName="blue")

    (mistake,) = lost(in_green(), [role, patch])
    assert "the annotations of the service account team-a/app are removed" in mistake.mistake.found
    (mistake,) = lost(in_green(), [role, association])
    assert "the association of team-a/app in the EKS cluster blue is deleted" in mistake.mistake.found


def test_a_deleted_role_is_of_its_binding() -> None:
    other = {"serviceAccount": {"name": "app"}, "clusters": ["green"], "role": {"name": "other"}}
    app_now = {"serviceAccount": {"name": "app"}, "clusters": ["blue"], "role": {"name": "new"}}
    state = [
        held_component("app", arn("role", "app-role"), "default/app", "app"),
        held_role("role/app-role", "app-role"),
    ]
    (mistake,) = lost({**TWO, "bindings": {"a-other": other, "app": app_now}}, state)

    assert rules([mistake]) == [(LOSS, "bindings.app.role")]
