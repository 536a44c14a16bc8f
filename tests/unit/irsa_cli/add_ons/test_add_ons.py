"""`irsa add-ons`: everything that the data files have is said, and what it says to write is accepted."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from irsa_cli.main import main
from irsa_program.check_report import report_of
from tests.output_schemas import check_output

DATA: Mapping[str, Mapping[str, Any]] = {
    each.name.removesuffix(".yaml"): yaml.safe_load(each.read_text("utf-8"))
    for each in files("irsa.add_ons").iterdir()
    if each.name.endswith(".yaml")
}
CLUSTER = {
    "name": "my-cluster",
    "oidcIssuer": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
    "oidcProviderArn": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE",
}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["add-ons", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    # A URL or an ARN stays whole.
    assert [line for line in lines if len(line) > 100 and max(map(len, line.split())) < 60] == []
    return lines


def test_the_table_has_a_row_for_each_add_on(capsys: pytest.CaptureFixture[str]) -> None:
    first, *lines = said(capsys)
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
def test_everything_of_one_is_said_and_what_it_says_to_write_is_accepted(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heading, example, known = "\n".join(said(capsys, name)).split("\n\n")
    found, pasted, data = yaml.safe_load(known), yaml.safe_load(example), DATA[name]
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2", "irsa:cluster": CLUSTER, **pasted}}))

    assert pasted["irsa:bindings"][name]["policies"][0]["addOn"] == name
    assert report_of(file).mistakes == []
    assert " ".join(heading.split()) == f"{name}: {data['about']}"
    same = ("serviceAccount", "chart", "eksAddOn", "requireOneOf", "helmValues")
    assert {key: found.get(key) for key in same} == {key: data.get(key) for key in same}
    assert found.get('scope: "*"') == data.get("scope")
    parameters = {each["name"]: each for each in found.get("parameters", ())}
    assert parameters.keys() == data.get("parameters", {}).keys()
    for parameter, settings in data.get("parameters", {}).items():
        needed = {key: value for key, value in settings.items() if parameter != "clusterNames" or key != "required"}
        assert needed.items() <= parameters[parameter].items()
    newest, *older = data["versions"]
    assert [*found["versions"]] == [newest, *older]
    assert found["versions"][newest] == data["versions"][newest]
    for each in older:
        assert {"date", "source"} <= found["versions"][each].keys()
        assert found["versions"][each].items() <= data["versions"][each].items()


@pytest.mark.parametrize("words", [[], ["external-dns"]])
def test_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-ons", "--json", *words]) == 0
    found = check_output("add-ons", capsys.readouterr().out)

    assert [each["name"] for each in found["addOns"]] == (words or sorted(DATA))
    (external_dns,) = (each for each in found["addOns"] if each["name"] == "external-dns")
    assert [each["name"] for each in external_dns["parameters"] if each["required"]] == ["hostedZones"]
    assert external_dns["versions"] == [*DATA["external-dns"]["versions"]]


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
