import json
import runpy
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime.mocks import MockMonitor

from irsa_config.stack_file import StackFile
from irsa_program.check_report import report_of
from irsa_program.lookups.access import Access
from tests.component.conftest import ISSUER, OTHER_ISSUER, PROVIDER, Answers, RecordingMonitor

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "templates" / "irsa-stack"


def stack_values(file: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(file.read_text())["config"]
    return values


def run_program(
    values: dict[str, Any],
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    monitor: MockMonitor | None = None,
    preview: bool = False,
) -> dict[str, Any]:
    """Run `__main__.py` as the engine would and give what it exports."""
    exported: dict[str, Any] = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    pulumi.runtime.set_mocks(answers, project="irsa", stack="test", preview=preview, monitor=monitor)
    monkeypatch.setattr(pulumi.runtime.settings.SETTINGS, "root_directory", str(ROOT))
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    pulumi.runtime.set_all_config({key: value for key, value in config.items() if key != "irsa:sandbox"})
    # It asks AWS and reads the user's kubeconfig.
    monkeypatch.setattr("irsa_program.lookups.access.access_of", lambda *_: Access())
    known: dict[str, Any] = {}
    mains: list[Callable[[], Awaitable[None]]] = []
    monkeypatch.setattr(pulumi, "run", mains.append)
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)

    @pulumi.runtime.test
    async def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
        (main,) = mains
        await main()
        outputs = pulumi.Output.from_input(exported)
        # The engine would keep them encrypted, and other stacks would get secrets.
        assert not await outputs.is_secret()
        known.update(await outputs.future() or {})

    program()
    return known


def test_the_file_to_start_with_has_one_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    example = stack_values(TEMPLATE / "Pulumi.prod.yaml")

    assert {"irsa:sandbox", "irsa:lint"}.isdisjoint(example)
    assert list(run_program(example, Answers(), monkeypatch)["bindings"]) == ["my-app"]
    assert report_of(TEMPLATE / "Pulumi.prod.yaml").warnings == []


def test_the_example_of_six_bindings_holds_those_of_the_dev_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    example = stack_values(ROOT / "examples" / "stack-files" / "six-bindings.yaml")

    assert "irsa:sandbox" not in example
    exported = run_program(example, Answers(), monkeypatch)["bindings"]
    assert exported.keys() == stack_values(ROOT / "Pulumi.dev.yaml")["irsa:bindings"].keys()


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({}, ["2 look-ups failed", "no output 'oidcIssuer'", "no output 'oidcProviderArn'", "it has: none"]),
        ({"oidcIssuer": "oidc.eks.us-west-2.amazonaws.com/id/X", "oidcProviderArn": PROVIDER}, ["an https URL"]),
        ({"oidcProviderArn": PROVIDER + "X"}, ["no output 'oidcIssuer'", "it has: oidcProviderArn"]),
        ({"oidcIssuer": ISSUER, "oidcProviderArn": "arn:aws:iam::12:oidc-provider/x"}, ["'12', not 12 digits"]),
        ({"oidcIssuer": ISSUER, "oidcProviderArn": PROVIDER + "X"}, ["is not for the issuer"]),
    ],
)
def test_what_another_stack_says_is_checked_too(
    outputs: dict[str, Any], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers()
    answers.stack_outputs = outputs
    values = {
        **stack_values(TEMPLATE / "Pulumi.prod.yaml"),
        "irsa:cluster": {"stack": "organization/platform/prod"},
    }
    with pytest.raises(pulumi.RunError) as error:
        run_program(values, answers, monkeypatch)

    assert "irsa:cluster" in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_secret_settings_are_told_to_become_text(monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: warned.append(text))
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", lambda key: key == "irsa:variables")
    values = {**stack_values(TEMPLATE / "Pulumi.prod.yaml"), "irsa:variables": {"team": "x"}}
    run_program(values, Answers(), monkeypatch)

    assert [text for text in warned if text.startswith("irsa:variables is secret")]


def test_a_warning_is_said_once_of_a_role_in_two_clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clusters = {
        key: {
            "oidcIssuer": issuer,
            "oidcProviderArn": PROVIDER.replace(ISSUER[8:], issuer[8:]),
            "kubernetes": {"context": key},
        }
        for key, issuer in {"blue": ISSUER, "green": OTHER_ISSUER}.items()
    }
    binding = {
        "serviceAccount": {"name": "app", "namespace": "web"},
        "trust": {"subjects": ["web:*"]},
        "policyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"],
    }
    values = {"irsa:clusters": clusters, "irsa:bindings": {"app": binding}}
    file = tmp_path / "Pulumi.test.yaml"
    file.write_text(yaml.safe_dump({"config": values}))
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: warned.append(text))
    run_program(values, Answers(), monkeypatch)
    report = report_of(file)

    rules = ["administrator-access", "wide-trust"]
    assert sorted(text.rpartition("[")[2].removesuffix("]") for text in warned) == rules
    assert sorted(each.rule for each in (*report.mistakes, *report.warnings)) == rules


SECRET = "hunter2 " * 9
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", SECRET: "x"}


@pytest.mark.parametrize(
    "secret",
    [
        {"irsa:cluster": SECRET},
        {"irsa:cluster": {"name": SECRET}},
        {"irsa:variables": {"team": SECRET}, "irsa:bindings": {"app": {"role": {"name": "${team}"}}}},
        {"irsa:bindings": {"app": {"role": {"name": SECRET}}}},
        {"irsa:bindings": {"app": {"role": {SECRET: "x"}}}},
        {"irsa:bindings": {"app": {"policy": {"document": {"Version": "2012-10-17", "Statement": STATEMENT}}}}},
        {"irsa:bindings": {"app": {"policyArns": ["arn:aws:iam::aws:policy/" + SECRET]}}},
    ],
)
def test_no_error_shows_a_decrypted_setting(secret: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """`pulumi config set --secret`: the engine decrypts the value, and sends it with the others."""
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", lambda key: key in secret)
    with pytest.raises(pulumi.RunError) as error:
        run_program({**stack_values(TEMPLATE / "Pulumi.prod.yaml"), **secret}, Answers(), monkeypatch)

    assert "hunter2" not in str(error.value)
    assert next(reversed(secret)) in str(error.value)


HIDDEN = "hunter2"
LONG = [*(f"arn:aws:s3:::a{HIDDEN}-{number}-{'x' * 20}{HIDDEN}*" for number in range(3)), "*"]
WRITES = {"Effect": "Allow", "Action": ["s3:*", f"s3:Nope{HIDDEN}"], "Resource": LONG}
ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
OF_SECRETS: list[dict[str, Any]] = [
    {"annotations": {"example.com/key": HIDDEN}},
    {"annotations": {f"{HIDDEN}/key": "x"}},
    {"role": {"description": HIDDEN * 10, "tags": {HIDDEN: HIDDEN}}},
    {"trust": {"subjects": [f"{HIDDEN}-a:*", f"{HIDDEN}-b:*"]}},
    {"trust": {"statements": [{**ANYBODY, "Condition": {"StringEquals": {"sts:ExternalId": HIDDEN}}}]}},
    {"policyArns": [f"arn:aws:iam::aws:policy/{HIDDEN}Policy"]},
    {"policy": {"document": {"Version": "2012-10-17", "Statement": [WRITES]}}},
]


@pytest.mark.parametrize("keys", OF_SECRETS, ids=lambda keys: next(iter(keys)))
def test_no_warning_shows_a_decrypted_setting(keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    for name in ("warn", "info", "error"):
        monkeypatch.setattr(pulumi.log, name, lambda text, *_, **__: said.append(text))
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", lambda key: key == "irsa:bindings")
    account = {"name": "app", **({"annotations": keys["annotations"]} if "annotations" in keys else {})}
    binding = {"serviceAccount": account, **{key: each for key, each in keys.items() if key != "annotations"}}
    try:
        run_program(
            {**stack_values(TEMPLATE / "Pulumi.prod.yaml"), "irsa:bindings": {"app": binding}}, Answers(), monkeypatch
        )
    except pulumi.RunError as error:
        said.append(str(error))

    assert said
    assert HIDDEN not in "\n".join(said)


@pytest.mark.parametrize("setting", ["allowedAccountIds", "forbiddenAccountIds"])
def test_a_number_that_was_an_account_id_stops_the_deployment(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = stack_values(TEMPLATE / "Pulumi.prod.yaml")
    values = {key: value for key, value in values.items() if not key.endswith("AccountIds")}
    with pytest.raises(
        pulumi.RunError, match=f"^1 error in the settings of the stack\n(?s:.*)1227433179 in aws:{setting}"
    ):
        run_program({**values, f"aws:{setting}": [1227433179]}, Answers(), monkeypatch)
    run_program({**values, f"aws:{setting}": ["011112222333"]}, Answers(), monkeypatch)


def test_a_wrong_region_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ARN that nobody wrote, and no partition, is judged by it."""
    binding = {"policyArns": ["arn:aws-cn:iam::aws:policy/ReadOnlyAccess"], "identity": "both"}
    values = {
        "aws:region": "us west",
        "irsa:cluster": {"name": "my-cluster"},
        "irsa:bindings": {name: {"serviceAccount": {"name": name}, **binding} for name in ("one", "two")},
    }
    with pytest.raises(pulumi.RunError, match=r"^1 error in the settings of the stack\n  aws:region\n"):
        run_program(values, Answers(), monkeypatch)


@pytest.mark.parametrize("lost", ["irsa:guard: {mode: deny}", "guard: {mode: deny}", "policyArns: []"])
def test_what_the_engine_drops_stops_the_deployment(lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a guard that is not indented, which `pulumi up` then removes."""
    path = TEMPLATE / "Pulumi.prod.yaml"
    (tmp_path / path.name).write_text(f"{path.read_text()}{lost}\n")
    file = StackFile(tmp_path / path.name)
    monkeypatch.setattr("irsa_program.settings._stack_file", lambda _: file)
    with pytest.raises(pulumi.RunError, match=r"^1 error in (?s:.*)outside of `config:`"):
        run_program(stack_values(path), Answers(), monkeypatch)
    # Of `--config-file`.
    run_program({**stack_values(path), "irsa:cluster": {"name": "another"}}, Answers(), monkeypatch)


def test_settings_may_come_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = stack_values(TEMPLATE / "Pulumi.prod.yaml")
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(texts))

    assert "my-app" in run_program({}, Answers(), monkeypatch)["bindings"]


OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
BOUNDARY = "arn:${partition}:iam::${account}:policy/${region}"
THEIRS = "arn:aws:iam::444455556666:role/theirs"
MINE = "arn:aws:iam::111122223333:role/mine"


def settings(number: int) -> dict[str, Any]:
    """Settings with two clusters and two accounts, that many bindings in each account."""
    numbers = range(number)
    own = {
        f"own-{n}": {"serviceAccount": {"name": f"own-{n}"}, "clusters": ["blue", "green"][n % 2 :]} for n in numbers
    }
    data = {f"data-{n}": {"account": "data", "trust": {"subjects": ["a:b"]}, "clusters": ["blue"]} for n in numbers}
    return {
        "irsa:clusters": {
            "blue": {"name": "my-cluster"},
            "green": {"name": "other-cluster", "kubernetes": {"eks": False, "context": "green"}},
        },
        "irsa:accounts": {"data": {"profile": "data"}, "idle": {"profile": "idle"}},
        "irsa:bindings": {
            **{name: {**each, "role": {"permissionsBoundary": BOUNDARY}} for name, each in {**own, **data}.items()},
            # Its audience is its own matter: nobody asks whether a provider lists it.
            "existing": {"serviceAccount": {"name": "a"}, "role": {"arn": THEIRS}, "audience": "theirs"},
        },
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


def test_a_provider_lists_the_audiences_of_its_own_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a token that blue's Pods get for another service, and that AWS would take in green as well."""
    values = {
        "irsa:clusters": {
            "blue": {"name": "my-cluster", "createOidcProvider": True},
            "green": {"name": "other-cluster", "createOidcProvider": True},
        },
        "irsa:bindings": {
            "both": {"trust": {"subjects": ["a:b"]}},
            "vault": {"trust": {"subjects": ["a:b"]}, "clusters": ["blue"], "audience": "vault"},
            "theirs": {
                "role": {"arn": THEIRS},
                "serviceAccount": {"name": "c"},
                "clusters": ["green"],
                "audience": "theirs",
            },
        },
    }
    answers = Answers()
    run_program(values, answers, monkeypatch)
    created = {inputs["url"]: inputs["clientIdLists"] for kind, _, inputs in answers.resources if kind == OIDC_PROVIDER}

    assert created == {ISSUER: ["sts.amazonaws.com", "vault"], OTHER_ISSUER: ["sts.amazonaws.com", "theirs"]}


def test_a_provider_lists_no_audience_of_pod_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token of an OIDC provider is for EKS Pod Identity: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html."""
    values = {
        "irsa:cluster": {"name": "my-cluster", "createOidcProvider": True},
        "irsa:bindings": {
            "vault": {"trust": {"subjects": ["a:b"]}, "audience": "vault"},
            "pods": {"serviceAccount": {"name": "c"}, "identity": "podIdentity"},
            "existing": {"serviceAccount": {"name": "d"}, "identity": "podIdentity", "role": {"arn": MINE}},
        },
    }
    answers = Answers()
    run_program(values, answers, monkeypatch)
    created = [inputs["clientIdLists"] for kind, _, inputs in answers.resources if kind == OIDC_PROVIDER]

    assert created == [["vault"]]


@pytest.mark.parametrize("alone", [True, False])
def test_a_stack_of_roles_alone_needs_no_kubernetes(alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    who = {"trust": {"subjects": ["a:b"]}} if alone else {"serviceAccount": {"name": "b"}}
    values = {
        "aws:profile": "of-the-stack",
        "irsa:cluster": {"name": "my-cluster", "oidcIssuer": ISSUER, "kubernetes": {"eks": True}},
        "irsa:bindings": {"app": who},
    }
    answers = Answers()
    run_program(values, answers, monkeypatch)
    providers = [inputs for kind, _, inputs in answers.resources if kind == "pulumi:providers:kubernetes"]

    assert answers.asked["getCluster my-cluster"] == len(providers) == (not alone)
    for each in providers:
        (user,) = json.loads(each["kubeconfig"])["users"]
        assert user["user"]["exec"]["env"] == [{"name": "AWS_PROFILE", "value": "of-the-stack"}]


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
