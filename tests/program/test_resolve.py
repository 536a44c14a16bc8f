from typing import Any

import pulumi
import pytest

from tests.component.conftest import ISSUER, OTHER_ISSUER, PROVIDER, Answers, RecordingMonitor
from tests.program.test_stack_files import run_program

OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
BOUNDARY = "arn:${partition}:iam::${account}:policy/${region}"


def settings(number: int) -> dict[str, Any]:
    """Settings with two clusters and two accounts, that many bindings in each account."""
    own = {
        f"own-{index}": {
            "serviceAccount": {"name": f"own-{index}"},
            "role": {"permissionsBoundary": BOUNDARY},
            "clusters": ["blue"] if index % 2 else ["blue", "green"],
        }
        for index in range(number)
    }
    data = {
        f"data-{index}": {
            "account": "data",
            "trust": {"subjects": [f"a:data-{index}"]},
            "role": {"permissionsBoundary": BOUNDARY},
            "clusters": ["blue"],
        }
        for index in range(number)
    }
    return {
        "irsa:clusters": {
            "blue": {"name": "my-cluster"},
            "green": {"name": "other-cluster", "kubernetes": {"eks": False, "context": "green"}},
        },
        "irsa:accounts": {"data": {"profile": "data"}},
        "irsa:bindings": {**own, **data},
    }


def test_every_question_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = Answers(), Answers()
    run_program(settings(1), few, monkeypatch)
    run_program(settings(20), many, monkeypatch)
    provider = ISSUER.removeprefix("https://")
    other = OTHER_ISSUER.removeprefix("https://")

    assert many.asked == few.asked
    assert few.asked == {
        "getRegion": 1,
        "getCallerIdentity": 1,
        "getCallerIdentity data": 1,
        "getPartition": 1,
        "getPartition data": 1,
        "getCluster my-cluster": 1,
        "getCluster other-cluster": 1,
        f"getOpenIdConnectProvider arn:aws:iam::111122223333:oidc-provider/{provider}": 1,
        f"getOpenIdConnectProvider arn:aws:iam::111122223333:oidc-provider/{provider} data": 1,
        f"getOpenIdConnectProvider arn:aws:iam::111122223333:oidc-provider/{other}": 1,
    }


def test_a_role_is_assumed_with_the_credentials_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {**settings(1), "aws:profile": "of-the-stack"}
    role = {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}
    for account, profile in ((role, "of-the-stack"), ({"profile": "its-own"}, "its-own")):
        answers = Answers()
        run_program({**values, "irsa:accounts": {"data": account}}, answers, monkeypatch)
        (provider,) = [inputs for kind, _, inputs in answers.resources if kind == "pulumi:providers:aws"]
        assert provider["profile"] == profile


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("way", ["assumeRoleArn", "profile"])
def test_two_keys_of_one_aws_account_share_its_oidc_provider(
    way: str, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "arn:aws:iam::444455556666:role/" if way == "assumeRoleArn" else ""
    values = {
        "irsa:accounts": {name: {way: role + name, "region": "us-west-2"} for name in ("data", "data-too")},
        "irsa:cluster": {"name": "my-cluster", "createOidcProvider": True},
        "irsa:bindings": {
            name: {"account": name, "trust": {"subjects": ["a:b"]}} for name in ("data", "data-too")[::order]
        },
    }
    answers = Answers()
    engine = RecordingMonitor(answers)
    run_program(values, answers, monkeypatch, engine)
    (created,) = [each for each in engine.registrations if each.type == OIDC_PROVIDER]

    name = "444455556666" if way == "assumeRoleArn" else "data"
    assert created.name == f"{name}/{ISSUER.removeprefix('https://')}"
    assert created.request.provider.split("::")[-2] == "data"
    roles = [each.inputs for each in engine.registrations if each.type == "aws:iam/role:Role"]
    assert len(roles) == 2
    assert roles[0]["assumeRolePolicy"] == roles[1]["assumeRolePolicy"]


IMPORTED = {"trust": {"subjects": ["a:b"]}, "role": {"name": "taken"}, "import": ["role"]}
SHARED = {"trust": {"subjects": ["a:b"]}, "role": {"name": "shared"}}


@pytest.mark.parametrize(
    ("bindings", "said"),
    [
        ({"one": SHARED, "two": {**SHARED, "account": "data"}}, "already used"),
        ({"one": IMPORTED}, "no answer to getRole"),
    ],
)
def test_no_provider_is_created_for_what_look_ups_refuse(
    bindings: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {
        "irsa:accounts": {"data": {"profile": "data"}},
        "irsa:cluster": {"name": "my-cluster", "createOidcProvider": True},
        "irsa:bindings": bindings,
    }
    answers = Answers(failing=("getRole",))
    with pytest.raises(pulumi.RunError, match=said):
        run_program(values, answers, monkeypatch)
    assert {kind for kind, _, _ in answers.resources} <= {"pulumi:providers:aws", "pulumi:pulumi:Stack"}


def test_two_clusters_of_one_issuer_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "irsa:clusters": {"blue": {"name": "my-cluster"}, "green": {"stack": "organization/platform/prod"}},
        "irsa:bindings": {name: {"trust": {"subjects": ["a:b"]}, "clusters": [name]} for name in ("blue", "green")},
    }
    answers = Answers()
    answers.stack_outputs = {"oidcIssuer": f"{ISSUER}/", "oidcProviderArn": PROVIDER}
    with pytest.raises(pulumi.RunError) as error:
        run_program(values, answers, monkeypatch)

    assert f"irsa:clusters.green\n    found:   the issuer '{ISSUER}/', which is that of irsa:clusters.blue" in str(
        error.value
    )
