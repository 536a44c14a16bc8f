"""irsa recover: what may exist is found, and what is in use, or another's, is not deleted."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jmespath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa import types
from irsa_cli.main import main
from irsa_cli.recover import COMMANDS, list_of

PROVIDER = "urn:pulumi:test::irsa::pulumi:providers:aws::default::04da6b54"
CREATED = "'--output=jsonpath={.metadata.creationTimestamp}'"


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:test::irsa::irsa:index:ServiceAccountRole${kind}::{name}"


def resource(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"urn": urn(kind, name), "custom": True, "type": kind, "provider": PROVIDER, **more}


def creating(kind: str, logical_name: str, **inputs: Any) -> dict[str, Any]:
    return {"type": "creating", "resource": resource(kind, logical_name, inputs=inputs)}


OLD = resource(types.ROLE, "app", id="app-0000001", inputs={"name": "app-0000001"})
COMPONENT = {"type": "creating", "resource": {"urn": urn("a", "component"), "type": "irsa:index:ServiceAccountRole"}}


def state(resources: list[dict[str, Any]] | None, *operations: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": resources, "pending_operations": [*operations] or None}}


def listed(text: str) -> list[list[str]]:
    """Return the lines below the URN of each entry, without the labels."""
    entries = [each.splitlines() for each in text.split("\n\n")[1:-1]]
    assert all(urn.startswith("'urn:") for urn, *_ in entries)
    return [[re.sub("^(look|delete): *", "", line) for line in lines] for _, *lines in entries]


APP = {"name": "app", "namespace": "team-a"}
PLACE = {"region": "us-west-2", "clusterName": "blue", "namespace": "team-a", "serviceAccount": "app"}
AGAIN = ["# Nothing to do: pulumi up writes it again, whether it exists or not."]
RECORDED = ["# The state now has one of this name: leave it, unless that one is in another AWS account or cluster."]
BY_HAND = ["# irsa has no command that looks for it: look by hand, and delete it if the interrupted run created it."]


def test_what_may_exist_has_its_commands() -> None:
    """Protects the search: the commands have its name, issuer or place, and can be pasted as they are.

    https://awscli.amazonaws.com/v2/documentation/api/latest/reference/iam/get-role.html and its neighbours
    """
    issuer = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
    of_app = "--region=us-west-2 --cluster-name=blue --namespace=team-a --service-account=app"
    of_cluster = "pod-identity-association --region=us-west-2 --cluster-name=blue --association-id=ID"
    of_provider = "open-id-connect-provider --open-id-connect-provider-arn=ARN"
    operations = [
        creating(types.ROLE, "a", name="my-role"),
        creating(types.POLICY, "b", name="my-policy"),
        creating(types.OIDC_PROVIDER, "c", url=f"https://{issuer}"),
        creating(types.POD_IDENTITY_ASSOCIATION, "d", **PLACE),
        creating(types.SERVICE_ACCOUNT, "e", metadata=APP),
    ]
    text = list_of(state([], *operations, {"type": "deleting", "resource": OLD}))
    assert text.endswith(" --skip-preview --stack test, and pulumi up --stack test\n")

    of_name, of_issuer = """[?PolicyName==`"my-policy"`]""", f"""[?ends_with(Arn,`":oidc-provider/{issuer}"`)]"""
    assert [line for lines in listed(text) for line in lines] == [
        "aws iam get-role --role-name=my-role --query=Role.CreateDate",
        "aws iam delete-role --role-name=my-role",
        f"aws iam list-policies --scope=Local '--query=Policies{of_name}.[Arn,CreateDate]'",
        "aws iam delete-policy --policy-arn=ARN",
        f"aws iam list-open-id-connect-providers '--query=OpenIDConnectProviderList{of_issuer}.Arn'",
        f"aws iam get-{of_provider} --query=CreateDate",
        f"aws iam delete-{of_provider}",
        f"aws eks list-pod-identity-associations {of_app} '--query=associations[].associationId'",
        f"aws eks describe-{of_cluster} --query=association.createdAt",
        f"aws eks delete-{of_cluster}",
        f"kubectl get serviceaccount --namespace=team-a {CREATED} --context CONTEXT -- app",
        "kubectl delete serviceaccount --namespace=team-a --context CONTEXT -- app",
    ]


def test_what_has_no_command() -> None:
    again = [
        creating(f"{types.NAMESPACE}Patch", "f", metadata=APP),
        creating(types.ATTACHMENT, "app", role="app"),
        COMPONENT,
    ]
    text = list_of(state([], creating("aws:s3/bucket:Bucket", "logs", bucket="logs"), *again))

    assert listed(text) == [BY_HAND, AGAIN, AGAIN, AGAIN]


def test_each_command_acts_where_the_states_providers_do() -> None:
    """The default of the reader's shell may be another cluster, and another AWS account."""
    providers = {
        "aws": {"profile": "data"},
        "kubernetes": {"context": "green", "kubeconfig": "/home/me/green"},
        "assuming": {"assumeRoles": '[{"roleArn":"arn:aws:iam::444455556666:role/x"}]'},
    }
    recorded = [resource(f"pulumi:providers:{name}", name, id="1", inputs=each) for name, each in providers.items()]
    reference = {name: f"{each['urn']}::1" for name, each in zip(providers, recorded, strict=True)}
    pending = [
        creating(types.ROLE, "a", name="my-role"),
        creating(types.SERVICE_ACCOUNT, "b", metadata=APP),
        creating(types.SERVICE_ACCOUNT_PATCH, "c", metadata={**APP, "annotations": {"a/b": "c"}}),
        creating(types.ROLE, "d", name="other-role"),
    ]
    for each, name in zip(pending, ("aws", "kubernetes", "kubernetes", "assuming"), strict=True):
        each["resource"]["provider"] = reference[name]
    found = [line for lines in listed(list_of(state(recorded, *pending))) for line in lines]

    options = ("--profile data", "--context green --kubeconfig /home/me/green", "--profile PROFILE")
    assert [next((each for each in options if each in line), line) for line in found if line[0] != "#"] == [
        *[options[0]] * 2,
        *[options[1]] * 3,
        *[options[2]] * 2,
    ]


def test_a_name_that_the_provider_completes() -> None:
    """Protects the role in use: the query selects names of the provider's form, and none that the state has.

    https://pkg.go.dev/github.com/hashicorp/terraform-plugin-sdk/v2/helper/id#PrefixedUniqueId
    """
    known, new = (f"my-2026010203040506070000000{last}" for last in "12")
    names = [known, new, "my-role", "my-app-20260102030405060700000001", f"x{new}"]
    own = resource(types.ROLE, "app", id=known, inputs={"namePrefix": "my-"})
    text = list_of(state([own], creating(types.ROLE, "app", namePrefix="my-")))
    ((look, delete),) = listed(text)
    (query,) = [each for each in shlex.split(look) if each.startswith("--query=")]

    roles = {"Roles": [{"RoleName": name, "CreateDate": 7} for name in names]}
    assert jmespath.search(query.removeprefix("--query="), roles) == [[new, 7]]
    assert delete == "aws iam delete-role --role-name=NAME"


@pytest.mark.parametrize("name", ["x; curl evil", "a`b", "a'b", "a\nb", '"] || [', "", None])
def test_a_name_that_no_cloud_has_is_in_no_command(name: Any) -> None:
    for kind in COMMANDS:
        recorded = resource(types.ROLE, "x", id=name)
        text = list_of(state([recorded], creating(kind.partition(" ")[0], "app", name=name, namePrefix=name)))
        assert listed(text) == [BY_HAND]


def test_what_the_state_has_by_now_is_not_deleted() -> None:
    """Protects what is in use: a later `up` created or imported it, and kept the pending creation.

    The same name in another AWS account is something else, and so is what waits for its replacement.
    """
    for kind, inputs in (
        (types.ROLE, {"name": "app"}),
        (types.POD_IDENTITY_ASSOCIATION, PLACE),
        (types.SERVICE_ACCOUNT, {"metadata": APP}),
        (types.SERVICE_ACCOUNT_PATCH, {"metadata": {"name": "app", "annotations": {"a/b": "x"}}}),
    ):
        pending = creating(kind, "app", **inputs)
        own = resource(kind, "app", id="app", inputs=inputs)
        assert listed(list_of(state([own | {"urn": urn(kind, "other")}], pending))) == [RECORDED]
        replaced = own | {"pendingReplacement": True}
        assert listed(list_of(state([replaced], pending, pending))) == listed(list_of(state([], pending)))
        assert listed(list_of(state([], pending))) != [RECORDED]


SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": "hunter2"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.mark.parametrize("hidden", [SECRET, UNKNOWN, 7])
def test_what_a_patch_has_that_is_no_known_text_is_in_no_command(hidden: Any) -> None:
    annotations = {"a/b": hidden, "c/d": "known"}
    metadata = {"name": "app", "annotations": annotations}
    patches = [metadata, {**metadata, "annotations": hidden}, {**metadata, "name": hidden}, hidden]
    texts = [
        list_of(state([], creating(types.SERVICE_ACCOUNT_PATCH, "app", metadata=each)))
        for each in [*patches, {**metadata, "namespace": hidden}]
    ]

    assert all("hunter2" not in text and UNKNOWN not in text for text in texts)
    assert [listed(text) for text in texts] == [[BY_HAND]] * len(texts)


HOSTILE = ["$(touch PWN)", "`touch PWN`'; touch PWN; '", '"; touch PWN; "\n touch PWN', "$(touch \U0001f600)"]


@settings(max_examples=50)
@given(st.text(min_size=1))
@example("##[error]a")
@example("\U0001f600 it's \ud800")
def test_a_urn_stays_one_word_of_one_line(name: str) -> None:
    """Protects who pastes the list: nothing acts in single quotes.

    https://www.gnu.org/software/bash/manual/html_node/Quoting.html
    """
    line, _ = list_of(state([], creating("aws:s3/bucket:Bucket", name))).split("\n\n")[1].splitlines()
    (word,) = shlex.split(line)
    assert line.startswith("'")
    # It commands CI: https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
    assert "##[" not in line
    assert word.encode().decode("unicode_escape") == urn("aws:s3/bucket:Bucket", name)


def test_a_pasted_list_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    bash, touch = (shutil.which(each) or "" for each in ("bash", "touch"))
    (tmp_path / "bin" / "touch").symlink_to(touch)
    for name in HOSTILE:
        known = resource(types.ROLE, name, id=name)
        metadata = {"name": name, "namespace": name, "annotations": {name: name, f"{name}2": SECRET}}
        patch = creating(types.SERVICE_ACCOUNT_PATCH, name, metadata=metadata)
        text = list_of(state([known], creating(types.ROLE, name, name=name), creating(types.ROLE, "x"), patch))
        for script in (text, text.partition("\n\n")[2].replace("# ", "")):
            command = [bash, "-c", f"{script}\ntouch {tmp_path}/ran"]
            subprocess.run(command, cwd=tmp_path, env={"PATH": f"{tmp_path}/bin"}, capture_output=True, check=False)
            assert sorted(each.name for each in tmp_path.iterdir()) == ["bin", "ran"]
            (tmp_path / "ran").unlink()


# A preview, the file of a backend, and states with a value of another kind.
OTHER_FILES = [
    {"steps": [], "changeSummary": {}},
    {"version": 3, "checkpoint": {"latest": {"pending_operations": [creating(types.ROLE, "app")]}}},
    {"deployment": {"pending_operations": [{"type": "creating", "resource": {**OLD, "inputs": 7}}]}},
    {"deployment": {"resources": [7], "pending_operations": [creating(types.ROLE, "app")]}},
]


NOTHING = "# There is nothing to recover: run the interrupted command again.\n"


@pytest.mark.parametrize(
    ("text", "out"),
    [
        *((text, "") for text in ("", "{}{}", "[]", "[" * 9000, *map(json.dumps, OTHER_FILES))),
        (json.dumps(state([OLD])), NOTHING),
        (json.dumps(state([OLD], {"type": "deleting", "resource": OLD})), NOTHING),
    ],
)
def test_a_file(text: str, out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "before.json"
    file.write_text(text)

    assert main(["recover", str(file)]) == (0 if out else 3)
    assert capsys.readouterr().out == out
