"""`irsa diff OLD NEW`: two versions of a stack file, without AWS, Kubernetes and the backend."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.loading import read_settings
from irsa.outputs import COMPONENT_TYPE, GUARD_TYPE
from irsa_cli.diff.versions import UNKNOWN, compared_versions
from irsa_cli.main import main
from irsa_cli.state import types
from program.lookups.values import unanswered
from program.plan import plan
from program.versions.resources import planned_resources
from program.versions.samples import Read, Samples, _identities
from program.versions.stack_files import _with_secrets_named, versions
from sandbox.showcase import GREEN_ISSUER
from tests.program.test_recorded_states import FOLDER, RECORDS
from tests.program.test_stack_files import ROOT
from tests.sandbox.changes import Scenario, rows
from tests.sandbox.irsa_command import ISSUER
from tests.sandbox.scenarios import ACCOUNTS, DEFAULTS, GROWING, MOVING, OF_ONE_CLUSTER, TAGGED
from tests.workflows import BASH, workflow

OF_THE_PLAN = {
    COMPONENT_TYPE,
    *(types.ROLE, types.POLICY, types.ATTACHMENT, types.INLINE_POLICY, types.OIDC_PROVIDER),
    types.POD_IDENTITY_ASSOCIATION,
    *(types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH, types.NAMESPACE, f"{types.NAMESPACE}Patch"),
    *(GUARD_TYPE, types.CONFIG_MAP, types.ADMISSION_POLICY, types.ADMISSION_BINDING),
}
# Of the sandbox's clusters, by name.
ISSUERS = {
    "my-cluster": ISSUER,
    "my-other-cluster": GREEN_ISSUER,
    "data-cluster": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE333333333333333333333DATA",
    None: "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE55555555555555555PLATFORM",
    "elsewhere-cluster": "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE44444444444444444ELSEWHERE",
}
PROJECT = "name: irsa\nruntime: python\n"


def document(action: str, resource: str = "arn:aws:s3:::b/*") -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def stack_file(
    folder: Path, bindings: Mapping[str, Any], settings: Mapping[str, Any] = {}, name: str = "Pulumi.prod.yaml"
) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text(PROJECT)
    file = folder / name
    file.write_text(
        yaml.safe_dump({"config": {"aws:region": "us-west-2", **(settings or ONE), "irsa:bindings": dict(bindings)}})
    )
    return file


def git(*arguments: str) -> str:
    variables = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    names = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", *arguments]
    environment = {**os.environ, **variables, **names}
    return str(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout).strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a repository, with one commit."""
    folder = tmp_path / "repository"
    stack_file(folder, {"app": {"serviceAccount": {"name": "app"}, "policy": {"file": "policies/app.json"}}})
    (folder / "policies").mkdir()
    (folder / "policies" / "app.json").write_text(json.dumps(document("s3:GetObject")))
    monkeypatch.chdir(folder)
    git("init", "-q", "-b", "main")
    commit()
    return folder


def commit() -> str:
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    return git("rev-parse", "HEAD")


def diff(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["diff", *arguments, "--json"]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("file", RECORDS, ids=[file.stem for file in RECORDS])
def test_the_resources_are_those_that_the_component_registers(file: Path) -> None:
    """Protects the diff without a preview: type, name, parent and inputs, as the engine got them in recorded stacks."""
    record = json.loads(file.read_text().replace(FOLDER, str(ROOT)))
    config = record["config"]
    values = {key.removeprefix("irsa:"): value for key, value in config.items() if key.startswith("irsa:")}
    stack = read_settings(values, ROOT, config["aws:region"]).stack
    read = Read(stack, unanswered(stack, config["aws:region"]))
    answers: dict[tuple[str, str | None], str] = {("account", key): "111122223333" for key in (None, "profiled")}
    answers |= {("issuer", _identities(read)[key]): ISSUERS[each.name] for key, each in stack.clusters_by_key.items()}
    samples = Samples([read])
    lookups = samples.answers(read, {**answers, **samples.known})
    found = {each.urn: each for each, _ in planned_resources("test", stack, plan(stack, lookups), lookups)}
    registered = {urn: each["asked"] for urn, each in record["resources"].items()}
    created = {
        urn: each for urn, each in registered.items() if kind(urn) in OF_THE_PLAN and not urn.endswith("@existing")
    }

    assert found.keys() == created.keys()
    for urn, each in found.items():
        expected = created[urn].get("object", {})
        inputs = {key: value for key, value in each.inputs.items() if key != "__defaults"}
        assert inputs.keys() == expected.keys() - {"apiVersion", "kind"}, urn
        assert each.parent == created[urn].get("parent", "") or not each.parent, urn
        assert each.protected == created[urn].get("protect", False) or kind(urn) == COMPONENT_TYPE, urn
        assert each.retained == created[urn].get("retainOnDelete", False), urn
        differing = {key: (inputs[key], expected[key]) for key in inputs if not same(inputs[key], expected[key])}
        assert differing == {}, urn


def kind(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def same(planned: Any, registered: Any) -> bool:
    """Return whether an input is what was registered, but for the end of an automatic name and what is not known."""
    if isinstance(planned, dict) and isinstance(registered, dict):
        # Null is no annotations.
        known = {key: value for key, value in registered.items() if value is not None}
        return planned.keys() == known.keys() and all(same(planned[key], known[key]) for key in planned)
    start, _, end = str(planned).partition("...")
    return planned in (registered, UNKNOWN) or (end == "" != start and str(registered).startswith(start))


BLUE = {"name": "my-cluster", "kubernetes": {"context": "blue"}}
GREEN = {"name": "green", "region": "us-east-1", "createOidcProvider": True, "kubernetes": {"context": "green"}}
CLUSTERS = [
    *({"irsa:cluster": BLUE}, {"irsa:clusters": {"blue": BLUE}}, {"irsa:clusters": {"blue": BLUE, "green": GREEN}}),
    *({"irsa:clusters": {"blue": BLUE, "teal": GREEN}}, {"irsa:clusters": {"blue": BLUE}}, {"irsa:cluster": BLUE}),
]
MANY = {"irsa:clusters": {"blue": BLUE, "green": GREEN}, "irsa:accounts": ACCOUNTS}
ONE = {"irsa:cluster": {"name": "my-cluster"}}
DEFAULT = [{**ONE, "irsa:defaults": each} for each in ({}, TAGGED, {**TAGGED, "path": "/irsa/"})]
WALKS: list[tuple[Scenario, Any]] = [
    *((each, [ONE] * (len(each.steps) + 1)) for each in OF_ONE_CLUSTER),
    *zip(DEFAULTS, [DEFAULT] * len(DEFAULTS), strict=True),
    *((each, [*CLUSTERS]) for each in GROWING if each.word),
    *((each, [MANY] * (len(each.steps) + 1)) for each in MOVING),
]
STEPS = [(scenario, settings, index) for scenario, settings in WALKS for index in range(len(scenario.steps))]
# What only the plugins know.
OTHERWISE = {
    "`create: false` to `true`, with `import: [serviceAccount]`": "the Kubernetes plugin also updates what it imports",
    "Change `path` of `irsa:defaults`: each binding with names": "IAM detaches the old policy with the old role",
}


@pytest.mark.parametrize(("scenario", "settings", "index"), STEPS, ids=[f"{s.word}-{i}" for s, _, i in STEPS])
def test_the_steps_are_what_the_engine_counts(
    scenario: Scenario, settings: Sequence[Mapping[str, Any]], index: int, tmp_path: Path
) -> None:
    """Protects reviewers: a change of docs/reference/changes.md, which the real engine walks, has the same counts."""
    states = [scenario.bindings, *(each.bindings for each in scenario.steps)]
    files = [
        stack_file(tmp_path / str(at), states[at], {"aws:allowedAccountIds": ["111122223333"], **settings[at]})
        for at in (index, index + 1)
    ]
    for each in files:
        shutil.copytree(ROOT / "policies", each.parent / "policies")
    (found,) = versions(str(files[0]), str(files[1]), None)
    _, preview, _ = compared_versions(found)
    of_bindings = [each for each in preview.steps if each.resource.parent or each.resource.type == COMPONENT_TYPE]
    counted = Counter(each.operation for each in of_bindings if each.operation != "same")
    change = scenario.steps[index].change

    assert preview.errors == ()
    assert (counted == rows()[change].counts) is (change not in OTHERWISE), counted


STAGES: list[Any] = [
    "irsa",
    "both",
    {"irsa": "trusted", "podIdentity": "used"},
    "podIdentity",
    "both",
    {"irsa": "used", "podIdentity": "trusted"},
    "irsa",
]
ROLE_CHANGES, ANNOTATES = {(types.ROLE, "update")}, {(types.SERVICE_ACCOUNT, "update")}
CREATES, DELETES = ({(types.POD_IDENTITY_ASSOCIATION, each)} for each in ("create", "delete"))
# What changes, and by which way the service account gains or loses the role: no EKS says that both are one cluster's.
IN_STAGES: list[tuple[set[tuple[str, str]], list[str], list[str]]] = [
    (ROLE_CHANGES | CREATES, ["podIdentity"], []),
    (ANNOTATES, [], []),
    (ROLE_CHANGES, [], ["irsa"]),
    (ROLE_CHANGES | ANNOTATES, ["irsa"], []),
    (DELETES, [], ["podIdentity"]),
    (ROLE_CHANGES, [], []),
]


@pytest.mark.parametrize("settings", [ONE, {"irsa:clusters": {"blue": BLUE, "green": GREEN}}], ids=["one", "several"])
def test_the_stages_of_pod_identity(settings: Any, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects a migration: what each stage changes, and by which way the service account has its role."""
    clusters = {} if settings is ONE else {"clusters": ["blue", "green"]}

    def deploy(identity: Any) -> None:
        binding = {"serviceAccount": {"name": "app", "namespace": "web"}, "identity": identity, **clusters}
        stack_file(repository, {"app": {**binding, "policyArns": []}}, settings)
        commit()

    deploy(STAGES[0])
    for before, after, (expected, *ways) in zip(STAGES, STAGES[1:], IN_STAGES, strict=False):
        deploy(after)
        (found,) = versions("HEAD~1", "HEAD", None)
        _, preview, _ = compared_versions(found)
        changed = {(each.resource.type, each.operation) for each in preview.steps if each.resource.parent}
        shown = diff(capsys, "HEAD~1..HEAD")

        assert changed == expected, (before, after)
        told = [
            [each["way"] for name in names for each in shown[name] if not each["ifAssociated"]]
            for names in (("gains", "mayGain"), ("loses", "mayLose"))
        ]
        assert told == [each * (1 if settings is ONE else 2) for each in ways], (before, after)


@pytest.mark.parametrize(
    ("changed", "operation"),
    [
        ({"podIdentity": {"tags": {"a": "b"}}}, "update"),
        ({"podIdentity": {"sessionTags": False}}, "update"),
        ({"podIdentity": {"targetRoleArn": "arn:aws:iam::444455556666:role/other"}}, "update"),
        ({"role": {"name": "other"}}, "update"),
        ({"serviceAccount": {"name": "other", "namespace": "web"}}, "replace"),
        ({"serviceAccount": {"name": "app", "namespace": "other"}}, "replace"),
    ],
)
def test_a_change_of_an_association(changed: Any, operation: str, tmp_path: Path) -> None:
    """Protects reviewers: EKS updates the role, the tags and the target; the service account makes another one.

    https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdatePodIdentityAssociation.html
    """
    binding = {
        "serviceAccount": {"name": "app", "namespace": "web"},
        "role": {"name": "app"},
        "identity": "podIdentity",
    }
    files = [
        stack_file(tmp_path / str(at), {"app": {**binding, "policyArns": [], **more}}, ONE)
        for at, more in enumerate(({}, changed))
    ]
    (found,) = versions(str(files[0]), str(files[1]), None)
    _, preview, _ = compared_versions(found)
    operations = [each.operation for each in preview.steps if each.resource.type == types.POD_IDENTITY_ASSOCIATION]

    assert preview.errors == ()
    # The stack program's logical name is that of the service account: another one is another association.
    assert sorted(operations) == (["update"] if operation == "update" else ["create", "delete"])


def test_a_renamed_binding_keeps_its_association(tmp_path: Path) -> None:
    """Protects Pods of a binding with another key: its role keeps an automatic name by `formerly`, the rest its own."""
    binding = {"serviceAccount": {"name": "app", "namespace": "web"}, "identity": "podIdentity", "policyArns": []}
    for formerly, expected in ({"formerly": "app"}, []), ({}, ["create", "delete", "update"]):
        files = [
            stack_file(tmp_path / f"{len(formerly)}-{key}", {key: {**binding, **more}}, ONE)
            for key, more in {"app": {}, "renamed": formerly}.items()
        ]
        (found,) = versions(str(files[0]), str(files[1]), None)
        _, preview, _ = compared_versions(found)
        those = (types.ROLE, types.POD_IDENTITY_ASSOCIATION)

        assert sorted(each.operation for each in preview.steps if each.resource.type in those) == expected


# --- revisions of git ------------------------------------------------------------------------------------------------


def test_two_revisions(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects a fork's pull request: what its roles may do then, with the policy file of each revision."""
    (repository / "policies" / "app.json").write_text(json.dumps(document("*", "*")))
    commit()
    (repository / "policies" / "app.json").write_text("not JSON, and no part of a revision")
    forms = [["HEAD~1..HEAD"], ["HEAD~1..."], ["HEAD~1", "HEAD"], ["HEAD~1...HEAD", "--stack", "prod"]]
    found = [diff(capsys, *each) for each in forms]

    assert all(each == found[0] for each in found)
    assert (found[0]["stack"], found[0]["before"], found[0]["gains"]) == ("prod", "files", [])
    assert [(each["change"], each["actions"]) for each in found[0]["permissions"]] == [("gains", ["*"])]


def test_a_revision_and_the_working_directory(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who edits: what is not committed yet, beside the last commit."""
    stack_file(repository, {"app": {"serviceAccount": {"name": "other"}, "policy": {"file": "policies/app.json"}}})

    assert [each["serviceAccount"] for each in diff(capsys, "HEAD")["gains"]] == ["default/other"]


def test_a_stack_that_begins_or_ends(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects reviewers: a stack file that is new, or gone, is all of its bindings."""
    stack_file(repository, {"web": {"serviceAccount": {"name": "web"}, "policyArns": []}}, name="Pulumi.new.yaml")
    (repository / "Pulumi.prod.yaml").unlink()
    commit()

    assert main(["diff", "HEAD~1..HEAD"]) == 0
    text = capsys.readouterr().out
    assert "stack new: 1 binding changes" in text
    assert "+ role web: create" in text
    assert "- role app: delete" in text
    assert main(["diff", "HEAD~1..HEAD", "--json"]) == 2
    assert "choose one of prod, new by --stack" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["HEAD..nobody"], "nobody is neither a file nor a revision of git"),
        (["--", "--output=/tmp/x", "HEAD"], "--output=/tmp/x is neither a file nor a revision of git"),
        (["HEAD", "HEAD", "--stack", "nope"], "neither version has Pulumi.nope.yaml"),
        (["HEAD", "HEAD", "--stack", "*"], "neither version has Pulumi.*.yaml"),
        (["Pulumi.prod.yaml"], "Pulumi.prod.yaml is a file: name the other one, NEW"),
        (["Pulumi.prod.yaml", "nope.yaml"], "Pulumi.prod.yaml is a file: there is no file nope.yaml"),
        (["Pulumi.prod.yaml", "Pulumi.prod.yaml", "--stack", "prod"], "leave out --stack"),
        (["HEAD", "HEAD", "--refresh"], "leave out --preview and --refresh"),
        (["HEAD", "HEAD", "--preview", "x.json"], "leave out --preview and --refresh"),
    ],
)
def test_what_cannot_be_compared(
    arguments: list[str], says: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects users: which of the two is wrong, and no option of git by way of a name."""
    assert repository.is_dir()
    assert main(["diff", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_file_with_errors_is_not_compared(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects from a role that seems to be deleted because its binding has an error."""
    stack_file(repository, {"app": {"serviceAccount": {"name": "APP"}}})
    commit()

    assert main(["diff", "HEAD~1..HEAD"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "'APP' is not a service account name" in printed.err


SECRETS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "secret:Value", "Resource": "*"}]}


@pytest.mark.parametrize("way", ["link", "folder", "above", "absolute", "submodule", "large"])
def test_no_other_file_is_read(way: str, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: a pull request that names, or links to, a file of the machine that compares it."""
    secret = repository.parent / "secret.json"
    secret.write_text(json.dumps(SECRETS))
    name = "policies/app.json"
    (repository / name).unlink()
    if way == "link":
        (repository / name).symlink_to(secret)
    elif way == "folder":
        (repository / "policies").rmdir()
        (repository / "policies").symlink_to(repository.parent)
        name = "policies/secret.json"
    elif way == "large":
        (repository / name).write_text(json.dumps(SECRETS) + " " * 2**25)
    elif way == "submodule":
        (repository / "policies").rmdir()
        git("rm", "-q", "--cached", "-r", "policies")
        git("update-index", "--add", "--cacheinfo", f"160000,{git('rev-parse', 'HEAD')},policies")
    else:
        name = "../secret.json" if way == "above" else str(secret)
    stack_file(repository, {"app": {"serviceAccount": {"name": "app"}, "policy": {"file": name}}})
    git("add", "-u" if way == "submodule" else "-A")
    git("commit", "-q", "-m", "x")

    assert main(["diff", "HEAD~1..HEAD"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    expected = {"link": "is a symbolic link", "folder": "is a symbolic link"}
    assert expected.get(way, "more than 32 MiB" if way == "large" else "irsa:bindings.app.policy.file") in printed.err
    assert "secret:Value" not in printed.err


@pytest.mark.parametrize("link", ["Pulumi.prod.yaml", "stacks"])
def test_a_stack_file_that_is_a_link_is_no_missing_one(
    link: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attack: the stack file, or its folder, becomes a link, which `pulumi up` follows; "all is deleted"."""
    (repository / "real").mkdir()
    (repository / "Pulumi.prod.yaml").rename(repository / "real" / "Pulumi.prod.yaml")
    (repository / link).symlink_to("real" if link == "stacks" else "real/Pulumi.prod.yaml")
    (repository / "Pulumi.yaml").write_text(PROJECT + ("stackConfigDir: stacks\n" if link == "stacks" else ""))
    commit()

    assert main(["diff", "HEAD~1..HEAD"]) == 2
    assert f"{link} in HEAD is a symbolic link, which is not followed" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["stackConfigDir", "config"])
@pytest.mark.parametrize("place", ["../0", "../..", "../../etc", "/etc", "nowhere"])
def test_the_folder_of_stack_files_is_in_the_revision(
    place: str, key: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attack: one key of Pulumi.yaml led to the other revision's files, or to those of another project."""
    (repository / "policies" / "app.json").write_text(json.dumps(document("*", "*")))
    (repository / "Pulumi.yaml").write_text(f"{PROJECT}{key}: {place}\n")
    commit()

    code, printed = main(["diff", "HEAD~1..HEAD", "--fail-on", "permissions"]), capsys.readouterr()
    # No stack file of that name is there: for the engine it is gone.
    assert (code, "- role app: delete" in printed.out) in ((0, True), (2, False)), printed


def test_stack_files_beside_the_project(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects a project in a folder whose stack files are in another one: both are of the revision."""
    (repository / "infra").mkdir()
    (repository / "stacks").mkdir()
    (repository / "Pulumi.yaml").rename(repository / "infra" / "Pulumi.yaml")
    with (repository / "infra" / "Pulumi.yaml").open("a") as file:
        file.write("stackConfigDir: ../stacks\n")
    (repository / "policies").rename(repository / "infra" / "policies")
    (repository / "Pulumi.prod.yaml").rename(repository / "stacks" / "Pulumi.prod.yaml")
    commit()
    os.chdir(repository / "infra")
    Path("policies/app.json").write_text(json.dumps(document("*", "*")))
    assert [each["actions"] for each in diff(capsys, "HEAD")["permissions"]] == [["*"]]
    commit()

    assert [each["actions"] for each in diff(capsys, "HEAD~1..HEAD")["permissions"]] == [["*"]]


def test_a_name_that_is_a_file_and_a_revision_is_neither(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: a pull request with a file `main`, which was compared in place of the branch."""
    (repository / "main").write_text((repository / "Pulumi.prod.yaml").read_text())

    assert main(["diff", "main", "HEAD"]) == 2
    assert "main is a file and a revision: ./main is the file" in capsys.readouterr().err
    assert main(["diff", "./main", "Pulumi.prod.yaml"]) == 0


@pytest.mark.parametrize("name", ["Pulumi.x y.yaml", "Pulumi.a\nb.yaml", "Pulumi.-.yaml.yaml", "Pulumi.dir.yaml"])
def test_names_of_stack_files(name: str, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: a name that is no stack's, or a folder of that name, ends the comparison with a traceback."""
    if "dir" in name:
        (repository / name).mkdir()
        (repository / name / "x").write_text("")
    else:
        (repository / name).write_text((repository / "Pulumi.prod.yaml").read_text())
    commit()

    for arguments in (["HEAD~1..HEAD"], ["HEAD"]):
        code, printed = main(["diff", *arguments]), capsys.readouterr()
        assert "unexpected" not in printed.err
        assert code == (0 if name in ("Pulumi.-.yaml.yaml", "Pulumi.dir.yaml") else 2)


def test_a_file_with_errors_hides_no_other_stack(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: one broken stack file in a pull request, and no stack was compared."""
    stack_file(repository, {"app": {"serviceAccount": {"name": "APP"}}}, name="Pulumi.broken.yaml")
    (repository / "policies" / "app.json").write_text(json.dumps(document("*", "*")))
    commit()

    assert main(["diff", "HEAD~1..HEAD"]) == 2
    printed = capsys.readouterr()
    assert "app gains * on *" in printed.out
    assert "HEAD:Pulumi.broken.yaml:" in printed.err


def test_many_stacks_leave_room_for_the_dangerous_one(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: decoys fill the summary, and the stack that matters does not fit in."""
    (repository / "policies" / "app.json").write_text(json.dumps(document("*", "*")))
    for number in range(30):
        bindings = {f"b{each}": {"serviceAccount": {"name": f"b{each}"}, "policyArns": []} for each in range(40)}
        stack_file(repository, bindings, name=f"Pulumi.aaa{number}.yaml")
    commit()

    assert main(["diff", "HEAD~1..HEAD", "--markdown", "-"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("### irsa diff: stack `prod`")
    assert len(text) <= 65_000
    assert "`irsa diff 'HEAD~1..HEAD' --stack aaa0`" in text


def test_nothing_of_a_revision_runs(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: programs, hooks and filters that come with a pull request."""
    trace = repository.parent / "ran"
    (repository / "Pulumi.yaml").write_text(f"{PROJECT}main: evil.py\n")
    (repository / "evil.py").write_text(f"open({str(trace)!r}, 'w')")
    (repository / "__main__.py").write_text(f"open({str(trace)!r}, 'w')")
    (repository / "sitecustomize.py").write_text(f"open({str(trace)!r}, 'w')")
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    commit()

    assert main(["diff", "HEAD~1..HEAD"]) == 0
    assert not trace.exists()
    assert "no changes" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["app", "APP"], ids=["good", "with an error"])
def test_the_summary_of_a_pull_request(name: str, repository: Path) -> None:
    """Protects a fork's pull request: the step of compare.yml runs on its merge commit; main has gone on meanwhile."""
    git("checkout", "-q", "-b", "fork")
    binding = {"serviceAccount": {"name": name}, "policy": {"document": document("*", "*")}}
    stack_file(repository, {"app": binding})
    commit()
    git("checkout", "-q", "main")
    (repository / "policies" / "app.json").write_text(json.dumps(document("s3:PutObject")))
    commit()
    git("merge", "-q", "--no-ff", "--no-edit", "fork")
    (step,) = [
        each for each in workflow("compare.yml")["jobs"]["compare"]["steps"] if "irsa diff" in each.get("run", "")
    ]
    (repository / ".venv").symlink_to(Path(sys.prefix))
    summary = repository.parent / "summary.md"
    variables = {**os.environ, "GITHUB_STEP_SUMMARY": str(summary)}
    answer = subprocess.run([*BASH, step["run"]], env=variables, check=False, capture_output=True)

    if name == "APP":
        assert (answer.returncode, "    irsa diff: " in summary.read_text()) == (2, True)
    else:
        assert answer.returncode == 0, answer.stderr
        assert "**permissions:** `app gains * on * (assumed by default/app)`" in summary.read_text()
        assert "PutObject" not in summary.read_text()


# --- samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--markdown", "-"]], ids=["text", "json", "markdown"])
def test_no_sample_is_shown(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects readers from an AWS account that is not theirs: what is not known is shown as its variable."""
    clusters = {key: {"name": key, "kubernetes": {"context": key}} for key in ("blue", "green")}
    settings = {"irsa:clusters": clusters, "irsa:accounts": {"data": {"profile": "x"}}, "aws:region": "eu-west-1"}
    binding = {
        "serviceAccount": {"name": "app"},
        "role": {"name": "app", "path": "/a/"},
        "policyArns": ["arn:${partition}:iam::${account}:policy/shared"],
        "policy": {"name": "p", "document": document("s3:GetObject", "arn:${partition}:s3:::${account}-${region}/*")},
    }
    other = {**binding, "account": "data", "serviceAccount": {"name": "other"}}
    bindings = {"app": binding, "data": other}
    for each in (settings, {key: value for key, value in settings.items() if key != "aws:region"}):
        old = stack_file(tmp_path / "old", {"app": {**binding, "role": {"name": "before"}}}, each)
        new = stack_file(tmp_path / "new", bindings, each)
        if "aws:region" not in each:
            for file in (old, new):
                file.write_text(file.read_text().replace("  aws:region: us-west-2\n", ""))
        assert main(["diff", str(old), str(new), *arguments]) == 0
        text = capsys.readouterr().out

        assert "iam::${account}:role/a/app" in text
        assert "iam::${account of data}:role/a/app" in text
        assert "${issuer of blue}" in text
        assert re.findall(r"\d{12}|aws-iso|zz-none|/id/", text) == []


def test_what_one_file_says_holds_for_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects from noise: the issuer of the same cluster is written down, and that is the question that is left."""
    bindings = {"app": {"serviceAccount": {"name": "app"}, "role": {"name": "app"}, "policyArns": []}}
    issuer = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
    known = {"irsa:cluster": {"name": "my-cluster", "oidcIssuer": issuer}, "aws:allowedAccountIds": ["111122223333"]}
    old, new = stack_file(tmp_path / "old", bindings), stack_file(tmp_path / "new", bindings, known)

    found = diff(capsys, str(old), str(new))
    assert (found["bindings"], found["other"]) == ([], [])
    assert [each.split(":")[0] for each in found["cannotCompare"]] == [
        "the AWS account",
        "the issuer of the cluster my-cluster",
    ]
    assert main(["diff", str(old), str(new), "--fail-on", "gains"]) == 1


PROD = {"aws:profile": "prod"}
OTHER_CONTEXT = {"irsa:clusters": {"k": {"name": "aa", "kubernetes": {"context": "other"}}}}
EVIL = {"irsa:cluster": {"name": "my-cluster", "oidcIssuer": "https://evil.example"}}


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (
            ONE,
            {"irsa:cluster": {"name": "my-cluster", "oidcIssuer": "https://evil.example"}},
            "the issuer of the cluster",
        ),
        (ONE, {**ONE, "aws:allowedAccountIds": ["999999999999"]}, "the AWS account: 999999999999"),
        (ONE, {**ONE, **PROD}, "aws:profile differs"),
        (ONE, {**ONE, "kubernetes:context": "other"}, "kubernetes:context differs"),
        ({"irsa:clusters": {"k": {"name": "aa"}}}, OTHER_CONTEXT, "`kubernetes` of the cluster k"),
    ],
)
def test_what_may_lead_elsewhere_is_no_silence(
    before: Any, after: Any, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attack: another issuer, AWS account or cluster, which only one version names, was "no changes"."""
    bindings = {"app": {"serviceAccount": {"name": "app"}, "role": {"name": "app"}, "policyArns": []}}
    old, new = (stack_file(tmp_path / f"{n}", bindings, each) for n, each in enumerate((before, after)))

    for files in ((old, new), (new, old)):
        found = diff(capsys, *map(str, files))
        assert [each for each in found["cannotCompare"] if each.startswith(what)], found["cannotCompare"]
        assert main(["diff", *map(str, files), "--fail-on", "permissions"]) == 1
        assert capsys.readouterr().out.startswith("~ cannot compare: ")


def test_a_change_beside_a_secret_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: one secret variable in a document hid every other change of it."""
    secret = {**ONE, "irsa:variables": {"bucket": {"secure": "v1:aaaa"}}}
    read = document("s3:GetObject", "arn:aws:s3:::${bucket}/*")
    both = {**read, "Statement": [*read["Statement"], *document("*", "*")["Statement"]]}
    old, new = (
        stack_file(
            tmp_path / f"{n}", {"app": {"serviceAccount": {"name": "app"}, "policy": {"document": each}}}, secret
        )
        for n, each in enumerate((read, both))
    )

    found = diff(capsys, str(old), str(new))
    assert [each["actions"] for each in found["permissions"]] == [["*"]]
    assert diff(capsys, str(new), str(new))["bindings"] == []
    assert "v1:aaaa" not in json.dumps(found)


def test_no_text_of_the_user_is_taken_for_a_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects what is written: the number of nobody's AWS account may be in it, or part of another number."""
    names = ["1000000000000000", "logs-000000000000-zz-none-0", "aws-iso-f"]
    old = stack_file(tmp_path / "old", {})
    binding = {"serviceAccount": {"name": "app"}, "policyArns": [], "role": {"name": "app"}}
    tags = {f"t{number}": name for number, name in enumerate(names)}
    new = stack_file(tmp_path / "new", {"app": {**binding, "role": {"name": "app", "tags": tags}}})

    text = json.dumps(diff(capsys, str(old), str(new)))
    assert all(f'"{name}"' in text for name in names)


def test_a_lint_rule_that_is_silenced_beside_its_cause_is_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attack: a pull request that allows everything, and silences the rule that main makes an error."""
    lint: dict[str, Any] = {
        "errors": ["write-everything"],
        "silence": {"write-everything": {"bindings": ["app"], "reason": "x"}},
    }
    binding = {"serviceAccount": {"name": "app"}, "policy": {"document": document("s3:PutObject")}}
    old = stack_file(tmp_path / "old", {"app": binding})
    wide = {**binding, "policy": {"document": document("s3:PutObject", "*")}}
    new = stack_file(tmp_path / "new", {"app": wide}, {**ONE, "irsa:lint": lint})

    warnings = diff(capsys, str(old), str(new))["warnings"]
    assert any(each.startswith("[write-everything] irsa:bindings.app") and "silenced (x)" in each for each in warnings)
    assert diff(capsys, str(new), str(new))["warnings"] == []


def test_stacks_that_change_come_first(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects the first line: it is about what changes, not about the first stack by name."""
    stack_file(repository, {"web": {"serviceAccount": {"name": "web"}, "policyArns": []}}, name="Pulumi.a.yaml")
    commit()
    stack_file(repository, {"app": {"serviceAccount": {"name": "other"}, "policy": {"file": "policies/app.json"}}})
    commit()

    assert main(["diff", "HEAD~1..HEAD"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("gains: default/other -> app")
    assert lines[-1] == "stack a: no changes; 3 resources stay as they are"


def test_another_secret_is_another_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects from "no changes": encrypted alike they are alike, and else what they are in changes."""
    files = []
    resource = "arn:aws:s3:::${bucket}"
    for value in ("v1:aaaa", "v1:bbbb"):
        binding = {"serviceAccount": {"name": "app"}, "policy": {"document": document("s3:GetObject", resource)}}
        settings = {**ONE, "irsa:variables": {"bucket": {"secure": value}}}
        files.append(str(stack_file(tmp_path / value[-4:], {"app": binding}, settings)))

    found = diff(capsys, *files)
    assert [(each["change"], each["resources"]) for each in found["permissions"]] == [
        ("gains", ["arn:aws:s3:::[secret]"]),
        ("loses", ["arn:aws:s3:::[secret]"]),
    ]
    assert diff(capsys, files[0], files[0])["bindings"] == []


def test_a_secret_that_a_rule_needs_is_not_taken_for_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects gates: a boundary in a variable is another one where its encrypted value is, and that cannot be told."""
    files = []
    for value in ("v1:aaaa", "v1:bbbb"):
        role = {"name": "app", "permissionsBoundary": "${boundary}"}
        settings = {**ONE, "irsa:variables": {"boundary": {"secure": value}}}
        binding = {"serviceAccount": {"name": "app"}, "policyArns": [], "role": role}
        files.append(str(stack_file(tmp_path / value[-4:], {"app": binding}, settings)))

    assert diff(capsys, files[0], files[0])["cannotCompare"] == []
    assert len(diff(capsys, *files)["cannotCompare"]) == 1
    assert main(["diff", *files, "--fail-on", "permissions"]) == 1


# --- what two attackers and a reviewer found --------------------------------------------------------------------------

APP = {"app": {"serviceAccount": {"name": "app"}, "role": {"name": "app"}, "policyArns": []}}
ISSUER_OF_EVIL = "https://oidc.eks.us-west-2.amazonaws.com/id/EVIL"


def with_cluster(**settings: Any) -> dict[str, Any]:
    return {"irsa:cluster": {"name": "my-cluster", **settings}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (with_cluster(oidcIssuer=ISSUER), with_cluster(oidcIssuer=ISSUER_OF_EVIL)),
        *(
            ({**ONE, "aws:allowedAccountIds": [each]}, {**ONE, "aws:allowedAccountIds": [other]})
            for each, other in (("111122223333", "444455556666"), ("444455556666", "111122223333"))
        ),
        ({**ONE, "aws:region": "us-west-2"}, {**ONE, "aws:region": "eu-west-1"}),
        (with_cluster(region="eu-west-1"), with_cluster(account="eu-west-1")),
    ],
    ids=["issuer", "account", "account back", "region", "region and account"],
)
def test_two_values_that_differ_are_not_one(
    before: Any, after: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attack: both versions say where they lead, and the one's answer was taken for the other's."""
    accounts = {"irsa:accounts": {"eu-west-1": {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}}}
    files = [str(stack_file(tmp_path / f"{n}", APP, {**each, **accounts})) for n, each in enumerate((before, after))]

    assert main(["diff", *files, "--fail-on", "gains"]) == 1
    assert not capsys.readouterr().out.startswith("gains: nobody; loses: nobody\n")


def secret_boundary(variables: Any, subject: str) -> tuple[dict[str, Any], dict[str, Any]]:
    role = {"name": "app", "permissionsBoundary": "${boundary}"}
    binding = {"serviceAccount": {"name": "app"}, "role": role, "policyArns": [], "trust": {"subjects": [subject]}}
    return {"app": binding}, {**ONE, "irsa:variables": variables}


def test_what_is_not_known_in_both_is_not_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: one secret that a rule needs makes all of them markers, and two markers were equal."""
    variables = {"boundary": {"secure": "v1:aaaa"}}
    old, new = (
        str(stack_file(tmp_path / f"{n}", *secret_boundary(variables, each))) for n, each in enumerate(("x:y", "a:*"))
    )

    assert main(["diff", old, new, "--fail-on", "gains"]) == 1
    assert main(["diff", old, old, "--fail-on", "gains"]) == 0


def test_no_text_stands_for_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: a bucket that is named as irsa names the secret, by what everybody sees of it."""
    binding = {
        "serviceAccount": {"name": "app"},
        "policy": {"document": document("s3:PutObject", "arn:aws:s3:::${b}/*")},
    }
    name = f"secret-{hashlib.sha256(b'v1:aaaa').hexdigest()[:16]}"
    settings = [{**ONE, "irsa:variables": {"b": each}} for each in ({"secure": "v1:aaaa"}, name)]
    files = [str(stack_file(tmp_path / f"{n}", {"app": binding}, each)) for n, each in enumerate(settings)]

    assert main(["diff", *files, "--fail-on", "permissions"]) == 1


STYLES = [
    *('b: {secure: "v1:aaaa"}', "b: {secure: v1:aaaa}  # why", "b:\n      secure: v1:aaaa"),
    *("b:\n      # why\n      secure: 'v1:aaaa'", "b: &x {secure: v1:aaaa}", "b:\n      secure: >-\n        v1:aaaa"),
    *("b:\n      ? secure\n      : v1:aaaa", 'b: {"secur\\x65": v1:aaaa}'),
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("other", ["v1:aaaa", "v1:bbbb"])
def test_however_a_secret_is_written(
    style: str, other: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects gates: the same value is no change, another value or an action more is one, in every form of YAML."""
    text = f"config:\n  aws:region: us-west-2\n  irsa:cluster: {{name: my-cluster}}\n  irsa:variables:\n    {style}\n"
    files = []
    for number, (action, value) in enumerate((("s3:GetObject", "v1:aaaa"), ("s3:GetObject", other), ("*", "v1:aaaa"))):
        written = document(action, "arn:aws:s3:::${b}/*")
        bindings = {"app": {"serviceAccount": {"name": "app"}, "policy": {"document": written}}}
        file = stack_file(tmp_path / f"{number}", {})
        file.write_text(text.replace("v1:aaaa", value) + f"  irsa:bindings: {json.dumps(bindings)}\n")
        files.append(str(file))

    expected = 0 if other == "v1:aaaa" else 1
    assert main(["diff", files[0], files[1], "--fail-on", "permissions"]) == expected
    assert main(["diff", files[0], files[2], "--fail-on", "permissions"]) == 1
    assert "v1:" not in capsys.readouterr().out


@pytest.mark.parametrize("place", ["a string", "Pulumi.yaml"])
def test_wherever_a_policy_file_is_named(place: str, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who writes bindings as JSON, or for all stacks: their policy files are of the revision, too."""
    bindings = {"app": {"serviceAccount": {"name": "app"}, "policy": {"file": "policies/app.json"}}}
    config: dict[str, Any] = {"aws:region": "us-west-2", **ONE}
    if place == "a string":
        config["irsa:bindings"] = json.dumps(bindings)
    else:
        (repository / "Pulumi.yaml").write_text(
            PROJECT + yaml.safe_dump({"config": {"irsa:bindings": {"value": bindings}}})
        )
    (repository / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
    (repository / "policies" / "app.json").write_text(json.dumps(document("*", "*")))
    commit()

    assert [each["actions"] for each in diff(capsys, "HEAD~1..HEAD")["permissions"]] == [["*"]]


def test_a_stack_file_that_is_fixed_is_compared(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who fixes an error: what the file declares then is shown, and that nothing can be compared with it."""
    good = (repository / "Pulumi.prod.yaml").read_text()
    (repository / "Pulumi.prod.yaml").write_text(good.replace("serviceAccount", "serviceAccout"))
    commit()
    (repository / "Pulumi.prod.yaml").write_text(good)
    commit()

    found = diff(capsys, "HEAD~1..HEAD")
    assert found["cannotCompare"] == ["the earlier version has errors, so all of this one is shown as new"]
    assert [each["role"] for each in found["gains"]] == ["app"]


def test_what_the_other_version_says_refuses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects a valid file: the AWS account that the other one allows is no rule of this one."""
    policies = {"app": {**APP["app"], "policyArns": ["arn:aws:iam::999999999999:policy/x"]}}
    old = stack_file(tmp_path / "old", APP, {**ONE, "aws:allowedAccountIds": ["111122223333"]})
    new = stack_file(tmp_path / "new", policies)

    assert len(diff(capsys, str(old), str(new))["cannotCompare"]) == 1


def test_a_role_that_loses_its_name_is_no_renamed_binding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects from advice that does not fix: the key is the same, and `formerly` brings no name back."""
    old = stack_file(tmp_path / "old", APP)
    new = stack_file(tmp_path / "new", {"app": {key: each for key, each in APP["app"].items() if key != "role"}})

    assert diff(capsys, str(old), str(new))["renamed"] == []


def test_many_secrets_take_no_more_than_their_number(tmp_path: Path) -> None:
    """The attack: two hundred thousand secrets in a valid file took minutes."""
    text = "a:\n" + "".join(f"  - {{secure: v1:{number}}}\n" for number in range(20_000))
    named, names = _with_secrets_named(text)

    assert (len(set(names)), named.count('"secret-'), "secure" in named) == (20_000, 20_000, False)


def test_another_version_of_an_add_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who takes a newer version: what the role gains is said, which is what upstream added.

    https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/v3.5.0/docs/install/iam_policy.json
    """
    files = [
        stack_file(tmp_path / each, {"app": {"policies": [{"addOn": "aws-load-balancer-controller", "version": each}]}})
        for each in ("v2.11.0", "v3.5.0")
    ]
    found = diff(capsys, *map(str, files))["permissions"]

    assert {each["change"] for each in found} == {"gains"}
    assert {action for each in found for action in each["actions"]} == {
        *("ec2:DescribeIpamPools", "ec2:DescribeRouteTables"),
        *("elasticloadbalancing:ModifyIpPools", "elasticloadbalancing:SetRulePriorities"),
    }
