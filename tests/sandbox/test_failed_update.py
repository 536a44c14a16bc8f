"""An update that AWS denied once, walked through the real engine: no later command may take it for done.

The provider keeps what was planned as the state (https://github.com/pulumi/pulumi/issues/21458), as the stand-in does.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.sandbox.failing_api import failing_aws
from tests.sandbox.irsa_command import ACCOUNT, checked, follow, irsa, report
from tests.sandbox.live import allowing, policy_document, trust_of
from tests.sandbox.project import STACK, Project, counts

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

Deploy = Callable[..., Project]
DENIED = (403, "AccessDenied", "User: deployer is not authorized to perform this action")


def granted(key: str, **settings: Any) -> dict[str, Any]:
    return {"serviceAccount": {"name": key}, "role": {"name": f"{key}-role", **settings}}


# By the operation of IAM that is denied: a binding before and after, and the kind of its resource.
WIDE, NARROW = allowing("*", action="s3:*"), allowing("*")
BOUNDARY_KEY = "PermissionsBoundary"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/existing-policy"
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "CreatePolicyVersion": (
        "Policy",
        {"policy": {"name": "document-policy", "document": WIDE}},
        {"policy": {"name": "document-policy", "document": NARROW}},
    ),
    "UpdateAssumeRolePolicy": (
        "Role",
        {"trust": {"subjects": ["team-a:left", "team-a:worker"]}},
        {"trust": {"subjects": ["team-a:worker"]}},
    ),
    "UpdateRoleDescription": ("Role", {"role": {"description": "before"}}, {"role": {"description": "after"}}),
    "UpdateRole": ("Role", {"role": {"maxSessionDuration": 7200}}, {"role": {"maxSessionDuration": 3600}}),
    "PutRolePermissionsBoundary": ("Role", {}, {"role": {"permissionsBoundary": BOUNDARY}}),
    "PutRolePolicy": (
        "RolePolicy",
        {"inlinePolicies": {"own": {"document": WIDE}}},
        {"inlinePolicies": {"own": {"document": NARROW}}},
    ),
    "DeleteRolePermissionsBoundary": ("Role", {"role": {"permissionsBoundary": BOUNDARY}}, {}),
    "TagRole": ("Role", {}, {"role": {"tags": {"team": "a"}}}),
}


def settings(side: int) -> dict[str, Any]:
    bindings = {}
    for operation, case in CASES.items():
        key = operation.lower()
        binding: dict[str, Any] = case[1 + side]  # type: ignore[assignment]
        bindings[key] = {**binding, **granted(key, **binding.get("role", {}))}
    return {"bindings": {**bindings, "untouched": granted("untouched")}}


class Failed(NamedTuple):
    project: Project
    live: dict[str, Any]
    first: Any


@pytest.fixture(scope="module")
def failed(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failed]:
    project = Project(cloud, tmp_path_factory.mktemp("failed") / "project", settings(0))
    project.up()
    live = in_iam(cloud)
    project.set(settings(1))
    with failing_aws(dict.fromkeys(CASES, DENIED), cloud.aws_address) as address:
        arguments = ("up", "--yes", "--skip-preview", "--continue-on-error")
        first = project.run(*arguments, AWS_ENDPOINT_URL=address)
    yield Failed(project, live, first)
    project.destroy()


def in_iam(cloud: Any) -> dict[str, Any]:
    iam, found = cloud.aws("iam"), {}
    for operation in CASES:
        name = f"{operation.lower()}-role"
        role = iam.get_role(RoleName=name)["Role"]
        found[operation] = [
            {
                key: role.get(key)
                for key in ("AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "Tags", BOUNDARY_KEY)
            },
            [
                iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"]
                for each in iam.list_role_policies(RoleName=name)["PolicyNames"]
            ],
        ]
    found["CreatePolicyVersion"].append(policy_document(iam, f"arn:aws:iam::{ACCOUNT}:policy/document-policy"))
    return found


def failing(project: Project) -> set[str]:
    return {each["urn"].rsplit("::", 1)[-1] for each in project.state() if each.get("initErrors")}


def test_what_was_denied_is_in_the_state_as_planned(failed: Failed) -> None:
    kinds = {each["urn"].rsplit("::", 1)[-1]: each["type"].rsplit(":", 1)[-1] for each in failed.project.state()}

    assert failed.first.returncode != 0
    assert sorted(kinds[name] for name in failing(failed.project)) == sorted(kind for kind, *_ in CASES.values())
    assert in_iam(failed.project.cloud) == failed.live


def test_what_aws_created_and_did_not_describe_is_the_stacks_own(deploy: Deploy, cloud: Any) -> None:
    issuer = "oidc.eks.us-west-2.amazonaws.com/id/HALF"
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"
    policy = {"name": "half-policy", "document": NARROW}
    of_new = {"trust": {"subjects": ["team-a:half"]}, "role": {"name": "new-role"}, "clusters": ["new"]}
    new = {"oidcIssuer": f"https://{issuer}", "createOidcProvider": True}
    of_old = {"half": {**granted("half"), "policy": policy}, "own": granted("own")}
    bindings = {"new": of_new, **{key: {**each, "clusters": ["old"]} for key, each in of_old.items()}}
    project = deploy({"clusters": {"old": {"name": "my-cluster"}, "new": new}, "bindings": bindings})
    created: set[str] = set()

    def once_created(kind: str) -> Callable[[], tuple[int, str, str] | None]:
        return lambda: DENIED if f"Create{kind}" in created else None

    failures = {f"Get{kind}": once_created(kind) for kind in ("Role", "Policy", "OpenIDConnectProvider")}
    with failing_aws(failures, cloud.aws_address, lambda question: created.add(question.action)) as address:
        arguments = ("up", "--yes", "--skip-preview", "--continue-on-error")
        answer = project.run(*arguments, AWS_ENDPOINT_URL=address)
    assert answer.returncode != 0
    half = [each for each in project.state() if each.get("initErrors")]
    assert {each["type"].rsplit(":", 1)[-1] for each in half} == {"Role", "Policy", "OpenIdConnectProvider"}
    assert {each["outputs"]["arn"] for each in half} == {None}
    iam = cloud.aws("iam")
    before = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["CreateDate"]
    _, file = checked(project)

    assert file["errors"] == []
    assert file["warnings"][0]["rule"] == "failed-update"
    follow(project, f"pulumi up --refresh --stack {STACK}")
    assert not failing(project)
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["CreateDate"] == before
    assert report(project, "verify")[0] == 0


def test_an_up_is_possible_where_aws_has_what_is_declared(deploy: Deploy, cloud: Any) -> None:
    """Real provider code plans an update in which nothing differs of a state that other code wrote, too."""
    policy = {"name": "repaired-policy", "document": WIDE}
    other = granted("other")
    before = {"repaired": granted("repaired", description="before"), "other": {**other, "policy": policy}}
    project = deploy({"bindings": before})
    project.up()
    changed = {**other, "policy": {**policy, "document": NARROW}}
    project.set({"bindings": {"repaired": granted("repaired", description="after"), "other": changed}})
    denied = dict.fromkeys(("CreatePolicyVersion", "UpdateRoleDescription", "UpdateRole"), DENIED)
    arguments = ("up", "--yes", "--skip-preview", "--continue-on-error")
    with failing_aws(denied, cloud.aws_address) as address:
        assert project.run(*arguments, AWS_ENDPOINT_URL=address).returncode != 0
    assert len(failing(project)) == 2
    iam = cloud.aws("iam")
    iam.update_role(RoleName="repaired-role", Description="after")
    assert project.refused(*arguments).count("may have failed") >= 1
    assert [each["type"] for each in project.state() if each.get("initErrors")] == ["aws:iam/policy:Policy"]
    arn = f"arn:aws:iam::{ACCOUNT}:policy/repaired-policy"
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(NARROW), SetAsDefault=True)

    assert "may have failed" not in project.pulumi("preview")
    assert project.up() == {"update": 1}
    assert project.up() == {}


def test_what_another_update_hides_is_told_after_it(deploy: Deploy, cloud: Any) -> None:
    wide, narrow = {"subjects": ["team-a:left", "team-a:worker"]}, {"subjects": ["team-a:worker"]}
    project = deploy({"bindings": {"hidden": {**granted("hidden"), "trust": wide}}})
    project.up()
    project.set({"bindings": {"hidden": {**granted("hidden"), "trust": narrow}}})
    with failing_aws({"UpdateAssumeRolePolicy": DENIED}, cloud.aws_address) as address:
        assert project.run("up", "--yes", "--skip-preview", AWS_ENDPOINT_URL=address).returncode != 0
    project.set({"bindings": {"hidden": {**granted("hidden", tags={"team": "a"}), "trust": narrow}}})
    said = project.pulumi("up", "--yes", "--skip-preview")

    assert "the role role/hidden-role in AWS may differ from what is declared" in said
    project.pulumi("up", "--refresh", "--yes", "--skip-preview")
    assert "team-a:left" not in json.dumps(trust_of(cloud.aws("iam"), "hidden-role"))


def test_each_verb_says_so_first(failed: Failed) -> None:
    names = failing(failed.project)
    first = checked(failed.project)[1]["warnings"][0]
    assert first["rule"] == "failed-update"
    assert any(name in first["found"] for name in names)
    assert "pulumi up --refresh" in first["fix"]

    code, checks = report(failed.project, "verify")
    said = [each for each in checks if each["outcome"] == "finding"]
    assert code == 1
    assert {each["found"] for each in said} == {"its last creation or update failed, but the state records it as done"}
    assert {each["about"].removeprefix("resource ") for each in said} == names
    assert {each["fix"] for each in said} == {f"pulumi up --refresh --stack {STACK}"}

    shown = irsa(failed.project, "diff", "--stack", STACK)
    assert shown.stdout.startswith("not compared: the last update of ")
    assert f"pulumi up --refresh --stack {STACK}" in " ".join(shown.stdout.split())


def test_no_update_is_green_until_aws_was_read(failed: Failed) -> None:
    project = failed.project
    said = project.pulumi("preview")
    words = {"Role": "role", "Policy": "policy", "RolePolicy": "inline policy"}
    for each in project.state():
        name, kind = each["urn"].rsplit("::", 1)[-1], words.get(each["type"].rsplit(":", 1)[-1])
        told = f"the last creation or update of the {kind} {name} may have failed" in " ".join(said.split())
        assert told == bool(each.get("initErrors"))
    said = project.refused("up", "--yes", "--skip-preview", "--continue-on-error")
    assert said.count("AWS may still have what was there before") >= len(failing(project)) > 0
    assert in_iam(project.cloud) == failed.live

    repaired = project.events("up", "--refresh", "--yes", "--skip-preview")

    assert counts(repaired)["update"] >= len(CASES)
    assert not failing(project)
    changed = in_iam(project.cloud)
    assert all(changed[operation] != before for operation, before in failed.live.items())
    assert project.up() == {}
    assert report(project, "verify")[0] == 0
