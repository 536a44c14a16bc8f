"""`irsa add-ons`: the table, and the data file of one with what to write."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from irsa_cli.main import main
from irsa_program.check_report import report_of

TEXTS = {
    each.name.removesuffix(".yaml"): each.read_text("utf-8")
    for each in files("irsa.add_ons").iterdir()
    if each.name.endswith(".yaml")
}
DATA: Mapping[str, Mapping[str, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
CLUSTER = {
    "name": "my-cluster",
    "oidcIssuer": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
    "oidcProviderArn": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
}


def test_the_table_has_a_row_for_each_add_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-ons"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines if line.split()[:1] and line.split()[0] in DATA}

    assert first.startswith(f"{len(DATA)} add-on")
    assert [*rows] == sorted(DATA)
    for name, data in DATA.items():
        one_of = data.get("requireOneOf", [])
        for parameter, settings in data.get("parameters", {}).items():
            needed = settings.get("required") and parameter != "clusterNames"
            said_as = parameter if needed else "|".join(one_of) if parameter in one_of else f"[{parameter}]"
            assert said_as in rows[name].split(), name
        assert next(iter(data["versions"])) in rows[name].split()


@pytest.mark.parametrize("name", sorted(DATA))
def test_the_file_of_one_is_printed_and_what_it_says_to_write_is_accepted(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add-ons", name]) == 0
    first, _, text = capsys.readouterr().out.partition("\n\n")
    binding = yaml.safe_load(first.removeprefix("# In a binding: "))
    settings = {"aws:region": "us-west-2", "irsa:cluster": CLUSTER, "irsa:bindings": {name: binding}}
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": settings}))

    assert text == TEXTS[name]
    assert binding["policies"][0]["addOn"] == name
    assert report_of(file).mistakes == []


def test_an_earlier_version_is_an_error_with_its_line(tmp_path: Path) -> None:
    entry = {"addOn": "aws-load-balancer-controller", "version": "v2.11.0", "clusterNames": ["my-cluster"]}
    binding = {"policies": [entry]}
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(
        yaml.safe_dump(
            {"config": {"aws:region": "us-west-2", "irsa:cluster": CLUSTER, "irsa:bindings": {"x": binding}}}
        )
    )
    mistake = next(each for each in report_of(file).mistakes if each.place[-1] == "version")

    assert file.read_text().splitlines()[(mistake.line or 0) - 1].strip() == "version: v2.11.0"
    assert mistake.mistake.found.startswith("'v2.11.0', for which there is no policy of aws-load-balancer-controller")


# The second is what `aws eks describe-addon-versions` calls it, the third a flag of terraform-aws-iam without its verb.
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("externaldns", "external-dns"),
        ("aws-ebs-csi-driver", "ebs-csi"),
        ("load_balancer_controller", "aws-load-balancer-controller"),
    ],
)
def test_an_unknown_name_has_near_ones(written: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["add-ons", written])

    assert ended.value.code == 2
    assert f"there is no add-on {written!r}: did you mean {meant!r}?" in capsys.readouterr().err
