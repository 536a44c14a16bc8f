"""What `irsa check` finds, as `pulumi preview` tells it with the real engine."""

import shutil
from collections.abc import Callable

import pytest

from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
BAD = {
    "bindings": {
        "my-app": {"serviceAccont": {"name": "my-app"}, "policy": {"file": "policies/my-polcy.json"}},
        "other": {"serviceAccount": {"name": "other"}, "policyArns": ["arn:aws-cn:iam::aws:policy/ReadOnlyAccess"]},
        "dated": {
            "serviceAccount": {"name": "dated"},
            "inlinePolicies": {"p": {"document": {"Version": "2008-10-17", "Statement": []}}},
        },
    }
}


def line_of(project: Project, words: str) -> int:
    lines = (project.folder / "Pulumi.test.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if words in line)


def test_every_mistake_with_its_line_in_one_error(deploy: Deploy) -> None:
    """Protects the promise of one clean engine error: all mistakes, each with file and line, before any provider."""
    project = deploy(BAD)
    said = project.refused("preview")

    for words, path in (
        ("serviceAccont", "irsa:bindings.my-app.serviceAccont"),
        ("my-polcy.json", "irsa:bindings.my-app.policy.file"),
        ("aws-cn", "irsa:bindings.other.policyArns[0]"),
        ("2008-10-17", "irsa:bindings.dated.inlinePolicies.p.document.Version"),
    ):
        assert f"Pulumi.test.yaml:{line_of(project, words)}  {path}" in said
    assert "did you mean 'serviceAccount'?" in said
    assert "did you mean 'my-policy.json'?" in said
    assert said.partition("Diagnostics:")[2].count("error: ") == 1


def test_a_config_file_elsewhere_has_paths_without_lines(deploy: Deploy) -> None:
    """Protects --config-file: a line of the file beside Pulumi.yaml would be a wrong one."""
    project = deploy(BAD)
    elsewhere = project.folder / "elsewhere.yaml"
    shutil.copy(project.folder / "Pulumi.test.yaml", elsewhere)
    project.set({"bindings": {}})
    said = project.refused("preview", "--config-file", str(elsewhere))

    assert "irsa:bindings.my-app.serviceAccont" in said
    assert "Pulumi.test.yaml:" not in said


def test_a_warning_is_shown_and_stops_nothing(deploy: Deploy) -> None:
    """Protects the lint in a preview: a warning on the stack with its line, and the preview goes on."""
    project = deploy({"bindings": {"wide": {"trust": {"subjects": ["team-a:*"]}}}})
    said = project.pulumi("preview")

    assert f"warning: Pulumi.test.yaml:{line_of(project, 'team-a:*')}  irsa:bindings.wide.trust.subjects[0]" in said
    assert "[wide-trust]" in said
