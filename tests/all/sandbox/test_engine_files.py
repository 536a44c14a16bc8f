"""Each way by which the engine finds its files, with the real engine: irsa reads the same, or refuses in words."""

import itertools
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from irsa_config.engine_files import WAYS
from irsa_config.project_file import project_settings
from irsa_config.stack_file import StackFile
from tests.output_schemas import check_output
from tests.sandbox.project import ROOT, Project, empty_state

pytestmark = pytest.mark.sandbox

PROJECT = "name: irsa\nruntime: python\n"
JSON = '{"name": "irsa", "runtime": "python"}'


def stack(*keys: str) -> str:
    bindings = {key: {"serviceAccount": {"name": key}} for key in keys}
    return f"config: {json.dumps({'irsa:cluster': {'name': 'cc'}, 'irsa:bindings': bindings})}\n"


ONE, TWO = stack("a"), stack("a", "b")
LOCAL = {"Pulumi.yaml": PROJECT, "Pulumi.prod.yaml": ONE}
CONFIG = ("config", "--json")


class Case(NamedTuple):
    """A way of `WAYS`; how many bindings the engine reads by it, or what it says that it reads none."""

    way: str
    files: Mapping[str, str]
    engine: int | str
    where: str = "."
    engine_arguments: tuple[str, ...] = CONFIG
    files_of_check: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}
    not_checked: str = ""


# The file that irsa would judge by its name has one binding where it is not what the engine reads.
CASES = (
    Case("a folder above", {**LOCAL, "below/deeper/x": ""}, 1, "below/deeper"),
    Case("a folder above", {"Pulumi.yaml": PROJECT, "Pulumi.prod.yaml": TWO, "below/Pulumi.yaml": PROJECT}, 0, "below"),
    Case("a link to the working directory", {**LOCAL, "other/Pulumi.yaml": PROJECT, "other/real/x": ""}, 1, "link"),
    Case("a folder that is named as a project file", {**LOCAL, "Pulumi.json/x": ""}, 1),
    Case("stackConfigDir", {"Pulumi.yaml": f"{PROJECT}stackConfigDir: in\n", "in/Pulumi.prod.yaml": ONE}, 1),
    Case("the folder in config", {"Pulumi.yaml": f"{PROJECT}config: in\n", "in/Pulumi.prod.yaml": ONE}, 1),
    Case("--config-file", {**LOCAL, "o.yaml": TWO}, 2, ".", (*CONFIG, "--config-file", "o.yaml"), ("o.yaml",)),
    Case("environment", {**LOCAL, "Pulumi.prod.yaml": f"{ONE}environment: [e]\n"}, "environments", not_checked="ESC"),
    Case("PULUMI_OPTION_*", {**LOCAL, "o.yaml": TWO}, 2, variables={"PULUMI_OPTION_CONFIG_FILE": "o.yaml"}),
    Case("Pulumi.json", {**LOCAL, "Pulumi.json": JSON}, 0),
    Case("Pulumi.json", {"Pulumi.json": JSON, "Pulumi.prod.json": json.dumps({"config": {}}), **LOCAL}, 0),
    Case("Pulumi.json", {**LOCAL, "Pulumi.json": "{"}, "could not unmarshal"),
    Case("Pulumi.yml", {"Pulumi.yml": PROJECT, "Pulumi.prod.yaml": ONE}, 0),
    Case("Pulumi.yml", {"Pulumi.yml": PROJECT, "Pulumi.prod.yml": TWO}, 2),
    Case(
        "both folders",
        {"Pulumi.yaml": f"{PROJECT}config: c\nstackConfigDir: d\n", "d/Pulumi.prod.yaml": ONE},
        "both config and stackConfigDir",
    ),
    Case("another file", {"Pulumi.yaml": PROJECT, "Pulumi.prod.yml": ONE}, 0),
    Case("another file", {"Pulumi.yaml": PROJECT, "Pulumi.prod.json": ONE}, 0),
    Case("another file", {**LOCAL, "o/Pulumi.prod.yaml": TWO}, 1, "o", files_of_check=("Pulumi.prod.yaml",)),
    Case(
        "another file",
        {**LOCAL, "Pulumi.yaml": f"{PROJECT}stackConfigDir: d\n", "d/Pulumi.prod.yaml": TWO},
        2,
        files_of_check=("Pulumi.prod.yaml",),
    ),
    *(
        Case("merge", {**LOCAL, "Pulumi.prod.yaml": f"{ONE}{key}: {{environment: [e]}}\n"}, "environments")
        for key in ("<<", "!!merge '<<'")
    ),
    Case("merge", {**LOCAL, "Pulumi.prod.yaml": f"{ONE[:-2]}, <<: {{c: d}}}}\n"}, 1),
    Case("tag", {**LOCAL, "Pulumi.prod.yaml": f"{ONE}!!binary ZW52aXJvbm1lbnQ=: [e]\n"}, "environments"),
    Case("tag", {**LOCAL, "Pulumi.prod.yaml": ONE.replace('"a"', '"a": {}, !!binary YWI=', 1)}, 2),
    *(
        Case("key", {**LOCAL, "Pulumi.prod.yaml": f"{ONE[:-2]}, {key}: {{}}}}\n"}, f"could not parse {key}")
        for key in ("irsa:config:config:bindings", "config:irsa:bindings", "a::b")
    ),
    Case(
        "name",
        {**LOCAL, "Pulumi.yaml": PROJECT.replace("irsa", "other")},
        "not found",
        engine_arguments=("config", "get", "bindings"),
    ),
    Case(
        "runtime",
        {**LOCAL, "Pulumi.yaml": "name: irsa\nruntime: yaml\nresources: {}\n"},
        "pulumi-language-yaml",
        engine_arguments=("preview",),
    ),
)
OF_PROGRAMS = {"main", "PULUMI_CONFIG"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.way)
def test_a_way_to_a_file(cloud: Any, tmp_path: Path, case: Case) -> None:
    for name, text in case.files.items():
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_text(text)
    (tmp_path / "p" / "link").symlink_to(tmp_path / "p" / "other" / "real")
    for project in ("irsa", "other"):
        empty_state(tmp_path / "state", project, "prod")
    folder = tmp_path / "p" / case.where
    where = {"PWD": str(folder), "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}", **case.variables}
    told = cloud.pulumi(folder, *case.engine_arguments, "--stack", "prod", **where)
    checked = cloud.run("irsa", "check", "--json", *case.files_of_check, folder=folder, **where)

    if isinstance(case.engine, str):
        assert told.returncode
        assert case.engine in told.stderr + told.stdout
    else:
        read = json.loads(told.stdout).get("irsa:bindings", {"objectValue": {}})
        assert len(read["objectValue"]) == case.engine
    words = re.split("{.*?}", (WAYS[case.way] or ("",))[0])
    if case.way == "PULUMI_OPTION_*":
        assert checked.returncode == 3
        assert all(each in checked.stderr for each in words)
        return
    if not checked.stdout:
        # There is nothing to judge.
        assert (case.engine, checked.returncode) == (0, 3)
        return
    files = check_output("check", checked.stdout)["files"]
    if WAYS[case.way] is None:
        (file,) = files
        assert (file["errors"], checked.returncode, file["bindings"]) == ([], 0, 1 if case.not_checked else case.engine)
        assert any(case.not_checked in each for each in file["notChecked"]) == bool(case.not_checked)
    else:
        found = [[mistake["found"] for mistake in file["errors"]] for file in files]
        assert all(any(all(each in text for each in words) for text in texts) for texts in found), found


def test_the_key_of_a_setting(cloud: Any, tmp_path: Path) -> None:
    parts = ("irsa", "config", "aws", "region")
    keys = {":".join(each) for number in (1, 2, 3) for each in itertools.product(parts, repeat=number)}
    keys = {key for key in keys if key.count(":") < 2 or key.split(":")[1] == "config"}
    values = {key: {"value": "x"} for key in keys}
    (tmp_path / "Pulumi.yaml").write_text(f"{PROJECT}config: {json.dumps(values)}\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(f"config: {json.dumps(dict.fromkeys(keys, 'x'))}\n")
    empty_state(tmp_path / "state", "irsa", "prod")
    where = {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}"}

    def read(settings: Any, providers: Any) -> set[str]:
        return {*(f"irsa:{each}" for each in settings), *providers}

    def of_engine() -> set[str]:
        told = cloud.pulumi(tmp_path, "config", "--json", "--stack", "prod", **where)
        assert not told.returncode, told.stderr
        return {key for key in json.loads(told.stdout) if key.startswith(("irsa:", "aws:"))}

    file, project = StackFile(tmp_path / "Pulumi.prod.yaml"), project_settings(tmp_path)
    assert read(file.settings, file.providers) == of_engine()
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    assert read(project.settings, project.providers) == of_engine()
    twice = "the key 'aws:region' twice"
    assert all(any(twice in each.mistake.found for each in side.mistakes) for side in (file, project))


def test_each_way_is_tried() -> None:
    assert {case.way for case in CASES} | OF_PROGRAMS == WAYS.keys()


def test_what_a_program_is_told(deploy: Callable[..., Project]) -> None:
    """Protects files in paths, and the settings: the program may be in another folder, and a shell may have a variable.

    https://www.pulumi.com/docs/iac/concepts/projects/project-file/: main.
    """
    policy = {"name": "p", "file": "beside/p.json"}
    project = deploy({"bindings": {"main": {"serviceAccount": {"name": "main"}, "policy": policy}}})
    (project.folder / "beside").mkdir()
    shutil.copy(ROOT / "policies" / "my-policy.json", project.folder / "beside" / "p.json")
    (project.folder / "program").mkdir()
    (project.folder / "__main__.py").rename(project.folder / "program" / "__main__.py")
    with (project.folder / "Pulumi.yaml").open("a") as file:
        file.write("main: program\n")
    project.variables["PULUMI_CONFIG"] = json.dumps({"irsa:quotas": {"none": 1}, "irsa:bindings": {}})
    checked = project.cloud.run("irsa", "check", folder=project.folder, **project.variables)

    assert checked.returncode == 0, checked.stdout
    assert "policy/p" in project.pulumi("preview", "--json")
