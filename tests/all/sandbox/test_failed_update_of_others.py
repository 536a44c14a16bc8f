import json
from threading import Event
from typing import Any

import pytest

from tests.sandbox.failing_api import Failure, Question, failing_aws
from tests.sandbox.irsa_command import follow, not_good, report
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_failed_update import DENIED, Deploy, failing, granted

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


def deny(project: Project, operation: str, after: str = "") -> None:
    """Run an `up` of which AWS denies an operation, once it has done another one."""
    done = Event()

    def denied() -> Failure:
        if after:
            assert done.wait(60)
        return DENIED

    def passed(question: Question) -> None:
        if question.action == after:
            done.set()

    with failing_aws({operation: denied}, project.cloud.aws_address, passed) as address:
        arguments = ("up", "--yes", "--skip-preview")
        answer = project.cloud.pulumi(project.folder, *arguments, **project.variables, AWS_ENDPOINT_URL=address)
    assert answer.returncode != 0, answer.stdout


def test_a_provider_whose_update_was_denied(deploy: Deploy) -> None:
    cluster = {"oidcIssuer": "https://oidc.eks.us-west-2.amazonaws.com/id/FAILED", "createOidcProvider": True}
    one = {"trust": {"subjects": ["team-a:one"]}, "role": {"name": "audience-one"}}
    project = deploy({"cluster": cluster, "bindings": {"one": one}})
    project.up()
    other = {**one, "role": {"name": "audience-two"}, "audience": "vault"}
    project.set({"cluster": cluster, "bindings": {"one": one, "two": other}})
    deny(project, "AddClientIDToOpenIDConnectProvider")

    assert "AWS may still have what was there before" in project.refused("up", "--yes", "--skip-preview")
    _, checks = report(project, "verify")
    assert checks[0]["found"] == "its last creation or update failed, but the state records it as done"
    project.pulumi("up", "--refresh", "--yes", "--skip-preview")
    assert not failing(project)
    assert project.up() == {}


def test_what_another_update_hides_is_told_after_it(deploy: Deploy, cloud: Any) -> None:
    wide, narrow = {"subjects": ["team-a:left", "team-a:worker"]}, {"subjects": ["team-a:worker"]}
    project = deploy({"bindings": {"hidden": {**granted("hidden"), "trust": wide}}})
    project.up()
    project.set({"bindings": {"hidden": {**granted("hidden"), "trust": narrow}}})
    deny(project, "UpdateAssumeRolePolicy")
    project.set({"bindings": {"hidden": {**granted("hidden", tags={"team": "a"}), "trust": narrow}}})
    said = project.pulumi("up", "--yes", "--skip-preview")

    assert "the role role/hidden-role in AWS may differ from what is declared" in said
    project.pulumi("up", "--refresh", "--yes", "--skip-preview")
    trust = json.dumps(cloud.aws("iam").get_role(RoleName="hidden-role")["Role"]["AssumeRolePolicyDocument"])
    assert "team-a:left" not in trust


def test_verify_after_an_up_that_failed_in_part(deploy: Deploy) -> None:
    before, after = ({"bindings": {"old": granted("old", description=text)}} for text in ("before", "after"))
    project = deploy(before)
    project.up()
    project.set({"bindings": {**after["bindings"], "new": granted("new")}})
    deny(project, "CreateRole", after="UpdateRoleDescription")
    code, checks = report(project, "verify")

    (old,) = [each for each in not_good(checks) if each["binding"] == "old"]
    assert (code, old["outcome"], old["fix"]) == (3, "cannot tell", f"pulumi up --refresh --stack {STACK}")
    assert "description: after" in old["found"]
    assert "description: before" in old["found"]
    follow(project, old["fix"])
    assert report(project, "verify")[0] == 0
