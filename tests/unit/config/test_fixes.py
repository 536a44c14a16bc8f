"""What `irsa check --fix` writes, and what it leaves."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import fixes
from irsa.add_ons.catalog import add_on
from irsa_cli.main import main
from tests.output_schemas import check_output

GOOD = """\
# The team's bindings: do not sort.
config:
  aws:region: us-west-2
  aws:allowedAccountIds: ["011112222333"]  # ours
  irsa:cluster: {name: my-cluster}   # one
  irsa:accounts:
    data: {profile: data}
  irsa:lint:
    errors: [wide-trust]
  irsa:bindings:
    my-app:
      serviceAccount:
        name: "42"
        create: false
        tokenExpiration: 7200
        annotations: {'example.com/Owner': "true"}

      account: data
      import: [role]
      role: {name: my-role, tags: {Cost: "0815"}}   # kept
      trust:
        conditions: {StringEquals: {"aws:PrincipalAccount": "011112222333"}}
      policy:
        name: my-policy
        document:
          Version: "2012-10-17"
          Statement:
          - Effect: Allow
            Action: s3:GetObject
            Resource: "arn:aws:s3:::my-bucket/*"
    # The last one.
    other: {serviceAccount: {name: other, namespace: team-a}, policyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
"""
# Common errors, by what is right: each is fixed to that, byte for byte.
ERRORS = {
    '["011112222333"]': "[011112222333]",
    "irsa:cluster:": "irsa:Cluster:",
    "irsa:accounts:": "irsa:Accounts:",
    "irsa:lint:": "irsa:lints:",
    "[wide-trust]": "[Wide-Trust]",
    'name: "42"': "name: 42",
    "create: false": 'create: "no"',
    "tokenExpiration: 7200": "tokenExpiration: '7200'",
    "        tokenExpiration": "        tokenexpiration",
    '"true"': "true",
    "account: data": "account: Data",
    "[role]": "[Role]",
    "{name: my-role": "{Name: my-role",
    '"0815"': "0815",
    "conditions:": "Conditions:",
    "{StringEquals:": "{stringEquals:",
    '"2012-10-17"': "2012-10-17",
    "Version:": "version:",
    "- Effect": "- effect",
    ": Allow": ": allow",
    "namespace: team-a": "namspace: team-a",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project, which is the working directory."""
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "Pulumi.dev.yaml"


def check(*arguments: str) -> int:
    return main(["check", *arguments])


def test_the_base_is_good(project: Path) -> None:
    """Protects the tests below: what they make wrong is right before."""
    project.write_text(GOOD)

    assert check("--fix") == 0
    assert project.read_text() == GOOD


@pytest.mark.parametrize("right", ERRORS)
def test_each_common_error_is_fixed(project: Path, right: str) -> None:
    """Protects the promise of --fix: letter case, quotes and a misspelled key become what was meant."""
    assert GOOD.count(right) == 1
    project.write_text(GOOD.replace(right, ERRORS[right]))

    assert check() == 1
    assert check("--fix") == 0
    assert project.read_text() == GOOD


@given(
    st.sets(st.sampled_from([*ERRORS]), min_size=1), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"])
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_errors_together_are_fixed_and_all_else_stays(
    project: Path, rights: set[str], ending: str, byte_order_mark: str
) -> None:
    """Protects comments, order, line endings and the mark of Windows' editors: the fixed file is the right one."""
    text = GOOD
    for right in rights:
        # Where two are of one word, only one is made.
        text = text.replace(right, ERRORS[right]) if right in text else text
    project.write_bytes((byte_order_mark + text.replace("\n", ending)).encode())

    assert check("--fix") == 0
    assert project.read_bytes() == (byte_order_mark + GOOD.replace("\n", ending)).encode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # What is not certain: two keys are near, nothing is near, or there are words for another meaning.
        ("name: my-policy", "nam3s: my-policy"),
        ("policyArns: [", "polices: ["),
        ("policyArns: [", "policyarns: [], policyArns: ["),
        ("policyArns: [", "policyarns: [], policyARNs: ["),
        # A value with an anchor, which may stand elsewhere too, and one with a tag.
        ("role: {name: my-role", "role: {name: &a 12"),
        ("create: false", "create: !!str no"),
        # Encrypted, and JSON in a string.
        ("irsa:lint:\n    errors: [wide-trust]", 'irsa:lint: \'{"errors": ["Wide-Trust"]}\''),
        # Other mistakes come to light.
        ("other: {serviceAccount: {name: other,", "other: {serviceAcount: {name: A b,"),
        ("tokenExpiration: 7200", 'tokenExpiration: "010"'),
        ("tokenExpiration: 7200", "tokenExpiration: 60"),
        ("create: false", 'create: "maybe"'),
    ],
)
def test_what_is_not_certain_is_left(project: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects from a guess: the file stays as it is, byte for byte, and the mistake is reported."""
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    project.write_text(text)

    assert check("--fix") == 1
    assert project.read_text() == text
    assert "fixed" not in capsys.readouterr().out


UNITS = {"s": 1, " seconds": 1, "m": 60, " minutes": 60, "h": 3600, " hours": 3600, "d": 86400}
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html (MaxSessionDuration), and
# https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/: at least 10 minutes
LIMITS = {"tokenExpiration": (600, 10**9), "maxSessionDuration": (3_600, 43_200)}


@given(st.sampled_from([*LIMITS]), st.integers(1, 3000), st.sampled_from([*UNITS]), st.sampled_from(['"', "'", ""]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_duration_becomes_its_seconds(project: Path, key: str, number: int, unit: str, quote: str) -> None:
    """Protects who writes 2h: it becomes that many seconds where the limit allows them, or stays."""
    least, most = LIMITS[key]
    seconds = number * UNITS[unit]
    new = f"{key}: {seconds}"
    place = "tokenExpiration: 7200" if key == "tokenExpiration" else "role: {name: my-role"
    written, right = (
        (f"{key}: {quote}{number}{unit}{quote}", new)
        if place.startswith(key)
        else (f"role: {{{key}: {quote}{number}{unit}{quote}, name: my-role", f"role: {{{new}, name: my-role")
    )
    text = GOOD.replace(place, written)
    project.write_text(text)
    check("--fix")

    assert project.read_text() == (GOOD.replace(place, right) if least <= seconds <= most else text)


@pytest.mark.parametrize("written", ["'7,200'", '"7_200"', "'7 200'", "7,200", '"7200"'])
def test_digits_in_groups_become_a_number(project: Path, written: str) -> None:
    """Protects who writes a number as people read it."""
    project.write_text(GOOD.replace("tokenExpiration: 7200", f"tokenExpiration: {written}"))
    check("--fix")

    assert project.read_text() == GOOD


def test_what_was_fixed_and_what_is_left_is_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who runs it: each change with its line, then the mistakes that are left, for people and for programs."""
    text = GOOD.replace("create: false", "create: 'no'").replace("profile: data", "profle: data, x: 1")
    project.write_text(text)
    assert check() == 1
    before = capsys.readouterr().out
    assert check("--json") == 1
    marked = check_output("check", capsys.readouterr().out)["files"][0]["errors"]
    assert check("--fix", "--json") == 1
    fixed = check_output("check", capsys.readouterr().out)["files"][0]
    project.write_text(text)
    assert check("--fix") == 1
    after = capsys.readouterr().out

    assert "Pulumi.dev.yaml:14  irsa:bindings.my-app.serviceAccount.create  fixable with --fix\n" in before
    assert before.startswith("Pulumi.dev.yaml: 4 errors, 3 fixable with --fix, 2 bindings\n\n")
    # Without a profile that is spelled right, the AWS account has neither of two keys.
    assert [each["path"] for each in marked if each.get("fixable")] == [
        "irsa:accounts.data",
        "irsa:accounts.data.profle",
        "irsa:bindings.my-app.serviceAccount.create",
    ]
    assert fixed["fixed"] == [
        {"line": 7, "path": "irsa:accounts.data.profle", "old": "profle", "new": "profile"},
        {"line": 14, "path": "irsa:bindings.my-app.serviceAccount.create", "old": "'no'", "new": "false"},
    ]
    first = "fixed: Pulumi.dev.yaml:7  irsa:accounts.data.profle: profle -> profile"
    assert after.startswith(f"Pulumi.dev.yaml: 2 fixed, 1 error, 2 bindings\n\n{first}\nfixed: ")
    assert "irsa:accounts.data.x" in after


def test_a_file_that_cannot_be_written_is_said(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects from a false `fixed`: the mistakes are reported as they are, with the reason."""
    text = GOOD.replace("create: false", "create: 'no'")
    project.write_text(text)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    assert check("--fix") == 1
    said = capsys.readouterr()

    assert said.err == "irsa check: cannot write Pulumi.dev.yaml: No space left on device\n"
    assert said.out.startswith("Pulumi.dev.yaml: 1 error, 1 fixable with --fix, 2 bindings\n")
    assert project.read_text() == text
    assert [each.name for each in project.parent.iterdir() if each.name.endswith(".new")] == []


def test_a_file_that_was_changed_meanwhile_is_left(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects what an editor saves while the file is checked."""
    project.write_text(GOOD.replace("create: false", "create: 'no'"))

    def save_and_fix(*arguments: Any, **options: Any) -> Any:
        project.write_text("saved")
        return fixes.fixed(*arguments, **options)

    monkeypatch.setattr("program.check.fixed", save_and_fix)

    assert check("--fix") == 1
    assert capsys.readouterr().err == "irsa check: Pulumi.dev.yaml was changed meanwhile: run it again\n"
    assert project.read_text() == "saved"


@pytest.mark.parametrize("saved", [b"\xff", None], ids=["not UTF-8", "removed"])
def test_whatever_became_of_the_file_meanwhile_is_said(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, saved: bytes | None
) -> None:
    """Protects from a traceback: the file is no text any more, or gone."""
    project.write_text(GOOD.replace("create: false", "create: 'no'"))

    def save_and_fix(*arguments: Any, **options: Any) -> Any:
        project.unlink() if saved is None else project.write_bytes(saved)
        return fixes.fixed(*arguments, **options)

    monkeypatch.setattr("program.check.fixed", save_and_fix)

    assert check("--fix") == 1
    assert capsys.readouterr().err.startswith("irsa check: Pulumi.dev.yaml ")
    assert (project.read_bytes() if project.exists() else None) == saved


# An add-on in each style, with what --fix adds to it.
ADD_ONS = """\
config:
  irsa:cluster: {name: my-cluster}
  irsa:bindings:
    flow: {policies: [{addOn: external-dns<, version: VERSION>, hostedZones: [Z0123456789ABCDEFGHIJ]}]}  # one
    json:
      trust: {"subjects": ["a:b"]}
      policy: {"addOn": "external-dns"<, "version": "VERSION">, "hostedZones": ["Z0123456789ABCDEFGHIJ"]}
    block:
      trust: {subjects: ["a:c"]}
      policies:
      - addOn: external-dns   # of the team<
        version: VERSION>
        hostedZones: [Z0123456789ABCDEFGHIJ]
    pinned:
      trust: {subjects: ["a:d"]}
      policies: [{version: VERSION, addOn: external-dns, hostedZones: [Z0123456789ABCDEFGHIJ]}]
    last:
      trust: {subjects: ["a:e"]}
      policy:
        hostedZones: [Z0123456789ABCDEFGHIJ]
        addOn: external-dns<
        version: VERSION>"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_version_of_an_add_on_is_added(project: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    """Protects the promise of the warning, in every style of YAML: a key is added, and all else stays as it is."""
    text = ADD_ONS.replace("VERSION", add_on("external-dns").newest).replace("\n", ending)
    project.write_bytes(re.sub("<[^>]*>", "", text).encode())

    assert check() == 0
    assert project.read_bytes() == re.sub("<[^>]*>", "", text).encode()
    assert check("--fix") == 0
    assert project.read_bytes() == re.sub("[<>]", "", text).encode()
    added = f"irsa:bindings.flow.policies[0].addOn: added version: {add_on('external-dns').newest}\n"
    assert added in capsys.readouterr().out
    assert check("--fix") == 0
    assert project.read_bytes() == re.sub("[<>]", "", text).encode()


@pytest.mark.parametrize("lint", ["", "  irsa:lint: {errors: [add-on-version]}\n"], ids=["warning", "error"])
@pytest.mark.parametrize(
    ("written", "after"),
    [
        # A misspelled version is not absent, and what is below another key comes to light with that.
        ("{addOn: external-dns, Version: NEWEST, ZONES}", "{addOn: external-dns, version: NEWEST, ZONES}"),
        ("{addon: external-dns, ZONES}", "{addOn: external-dns, version: NEWEST, ZONES}"),
        # What has an anchor, or is elsewhere, is left.
        ("&a {addOn: external-dns, ZONES}", "&a {addOn: external-dns, ZONES}"),
        ("{<<: {addOn: external-dns}, ZONES}", "{<<: {addOn: external-dns}, ZONES}"),
    ],
)
def test_a_version_beside_other_errors(project: Path, written: str, after: str, lint: str) -> None:
    """Protects from a key twice, and from a change of what other places share."""
    base = f"config:\n  irsa:cluster: {{name: my-cluster}}\n{lint}  irsa:bindings: {{app: {{policies: [POLICY]}}}}\n"
    values = {"ZONES": "hostedZones: [Z0123456789ABCDEFGHIJ]", "NEWEST": add_on("external-dns").newest}
    texts = [
        base.replace("POLICY", re.sub("ZONES|NEWEST", lambda name: values[name[0]], each)) for each in (written, after)
    ]
    project.write_text(texts[0])

    assert check("--fix") == (1 if lint and "version" not in after else 0)
    assert project.read_text() == texts[1]


def test_a_silenced_version_is_not_added(project: Path) -> None:
    """Protects who wants the newest policy of each release, and says so."""
    silence = "\n  irsa:lint: {silence: {add-on-version: {reason: reviewed with each release}}}\n"
    text = re.sub("<[^>]*>", "", ADD_ONS).replace("VERSION", add_on("external-dns").newest) + silence
    project.write_text(text)

    assert check("--fix") == 0
    assert project.read_text() == text


def test_a_pipe_is_not_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects who pipes a stack file in: a pipe that was read is not read again, which would never end."""
    os.mkfifo(project)
    text = GOOD.replace("create: false", "create: 'no'")
    with ThreadPoolExecutor() as threads:
        written = threads.submit(project.write_text, text)

        assert check("--fix", str(project)) == 1
        assert written.result() == len(text)
    assert capsys.readouterr().err == f"irsa check: {project} is not a file, so nothing is written\n"


def test_what_was_fixed_is_said_of_a_file_without_settings(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects from a silent change: what stops the check of the settings hides no fix of what is beside them."""
    rest = "  irsa:cluster: &a {name: *a}\n"
    project.write_text(f"config:\n  aws:allowedAccountIds: [011112222333]\n{rest}")

    assert check("--fix") == 1
    assert project.read_text() == f'config:\n  aws:allowedAccountIds: ["011112222333"]\n{rest}'
    assert 'fixed: Pulumi.dev.yaml:2  011112222333 -> "011112222333"' in capsys.readouterr().out.splitlines()


def test_a_policy_file_and_the_project_stay_as_they_are(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects other files: --fix writes the stack file alone."""
    document = json.dumps({"version": "2012-10-17", "Statement": []})
    (project.parent / "p.json").write_text(document)
    settings = "name: irsa\nruntime: python\nconfig:\n  irsa:lint: {errors: [Wide-Trust]}\n"
    (project.parent / "Pulumi.yaml").write_text(settings)
    bindings = "bindings: {a: {serviceAccount: {name: a}, policy: {file: p.json}}}"
    text = f"config:\n  irsa:cluster: {{name: c}}\n  irsa:{bindings}\n"
    project.write_text(text)

    assert check("--fix") == 1
    assert "fixable" not in capsys.readouterr().out
    assert project.read_text() == text
    assert ((project.parent / "p.json").read_text(), (project.parent / "Pulumi.yaml").read_text()) == (
        document,
        settings,
    )
