import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi_aws
import pulumi_kubernetes
import pytest

from irsa.rules.unknown import SECRET
from irsa_config.project_file import project_settings
from irsa_config.provider_settings import KINDS, provider_mistakes
from irsa_config.stack_file import StackFile

TYPES = {"bool": "true or false", "int": "an integer", "str": "a string"}


@pytest.mark.parametrize(("provider", "sdk"), [("aws", pulumi_aws), ("kubernetes", pulumi_kubernetes)])
def test_the_table_is_that_of_the_installed_plugins(provider: str, sdk: ModuleType) -> None:
    """The inputs of a provider are its settings, which the SDK's config module has in camelCase."""
    inputs = inspect.signature(sdk.Provider._internal_init).parameters
    names = {name: str(each.annotation) for name, each in inputs.items() if "Awaitable" in str(each.annotation)}
    kinds = {
        re.sub("_(.)", lambda letter: letter[1].upper(), name): next(
            (kind for type_, kind in TYPES.items() if annotation.startswith(f"typing.Union[{type_},")),
            "a list" if annotation.startswith("typing.Union[typing.Sequence") else "a mapping",
        )
        for name, annotation in names.items()
    }

    assert len(kinds) > 10
    assert {key: kind for key, kind in KINDS.items() if key.startswith(f"{provider}:")} == {
        f"{provider}:{name}": kind for name, kind in kinds.items()
    }


WRONG: list[tuple[str, Any, str]] = [
    ("aws:regoin", "us-west-2", "did you mean aws:region?"),
    ("aws:Region", "us-west-2", "did you mean aws:region?"),
    ("aws:allowedAccountsIds", ["111122223333"], "did you mean aws:allowedAccountIds?"),
    ("aws:allowedAccountIds[0]", "111122223333", "did you mean aws:allowedAccountIds?"),
    ("kubernetes:contxt", "production", "did you mean kubernetes:context?"),
    ("kubernetes:qqq", "production", "remove it"),
    ("aws:region", "us-wst-2", "did you mean 'us-west-2'?"),
    ("aws:region", "us-west2", "did you mean 'us-west-2'?"),
    ("aws:region", "us_west_2", "did you mean 'us-west-2'?"),
    ("aws:region", "ap-southeas-1", "did you mean 'ap-southeast-1'?"),
    ("aws:region", "oregon", "write a region of AWS"),
    ("aws:maxRetries", "many", "write an integer, or remove it"),
    ("aws:skipRegionValidation", "yes", "write true or false, or remove it"),
    ("aws:defaultTags", "team-a", "write a mapping, or remove it"),
]


@pytest.mark.parametrize("is_of_project", [False, True])
@pytest.mark.parametrize(("key", "value", "fix"), WRONG)
def test_a_setting_that_the_plugin_does_not_read(
    tmp_path: Path, key: str, value: Any, fix: str, is_of_project: bool
) -> None:
    """In place of a context that it does not read, the plugin takes kubectl's; without a list, any AWS account."""
    config = f"config:\n  irsa:sandbox: true\n  {key}: {value}\n"
    (tmp_path / "Pulumi.yaml").write_text(f"name: irsa\nruntime: python\n{config}")
    (tmp_path / "Pulumi.dev.yaml").write_text(config)
    project = project_settings(tmp_path)
    providers = project.providers if is_of_project else StackFile(tmp_path / "Pulumi.dev.yaml").providers

    (mistake,) = provider_mistakes(providers)
    assert (mistake.place, mistake.mistake.fix) == ((key,), fix)


RIGHT = {
    "aws:region": "eusc-de-east-1",
    "aws:maxRetries": "5",
    "aws:skipRegionValidation": "true",
    "aws:defaultTags": '{"tags": {"a": "b"}}',
    "aws:assumeRoles": [{"roleArn": "arn:aws:iam::111122223333:role/r"}],
    "aws:version": "7.0.0",
    "aws:token": SECRET,
    "kubernetes:context": "production",
    "kubernetes:kubeconfig": {"clusters": []},
    "kubernetes:deleteUnreachable": SECRET,
}


def test_settings_that_the_plugins_read() -> None:
    assert [*provider_mistakes(RIGHT)] == []


def test_the_settings_of_other_namespaces_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  irsa:sandbox: true\n  gcp:regoin: a\n  pulumi:tags: {a: b}\n")
    file = StackFile(tmp_path / "Pulumi.dev.yaml")

    assert (file.providers, file.mistakes) == ({}, [])
