"""What others wrote can't pass for the words of `irsa check`: as text, on a terminal and in JSON."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake, listed, named, visible, visible_json
from irsa_program.check_report import FileReport, as_json, report_of, sections
from irsa_world.report.text import plain

EVIL = "EVIL"
PAYLOADS = [
    f"\n    found:   {EVIL}",
    f"\r\n::error::{EVIL}",
    f"::error::{EVIL}",
    f"  ::add-mask::{EVIL}",
    f"x ##[error]{EVIL}",
    f"\x1b[2J{EVIL}",
    f"\x9b2J{EVIL}",
    f"\u2028do: {EVIL}",
    f"\u2029\x85\v\f{EVIL}",
    f"\u202e\u2066{EVIL}",
    f"x; do: {EVIL}",
    f"x'; do: {EVIL}",
    f'x"; do: {EVIL}\'"',
    f"a:1  irsa:{EVIL}",
    f"${{{EVIL} x}}",
    f"\x00{EVIL}",
]
HOSTILE = st.one_of(
    st.sampled_from(PAYLOADS),
    st.text(
        st.sampled_from([*"\n\r\t\x1b\x7f\x85\xa0\u200b\u2028\u202e\ufeff:#[]'\"\\;` aé日${}*"]),
        min_size=1,
        max_size=12,
    ).map(lambda text: f"{text}{EVIL}"),
)
WORD = re.compile(r"(?!:)[\w.,:/@+=~*${}-]+")
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
STATEMENT: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def binding(**keys: Any) -> dict[str, Any]:
    return {"bindings": {"app": {"serviceAccount": {"name": "app"}, **keys}}}


def document(**elements: Any) -> dict[str, Any]:
    return binding(policy={"document": {"Version": "2012-10-17", "Statement": [{**STATEMENT, **elements}]}})


def trust(**keys: Any) -> dict[str, Any]:
    return binding(trust=keys)


# Where somebody else's words may stand in a stack file.
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "a setting": lambda text: {text: 1},
    "a binding": lambda text: {"bindings": {text: {"serviceAccount": {"name": "app"}}}},
    "a binding twice": lambda text: {
        "bindings": {text: {"serviceAccount": {"name": "a"}}, "b": {"serviceAccount": {"name": "a"}}}
    },
    "a key of a binding": lambda text: binding(**{text: 1}),
    "a key of a key": lambda text: binding(role={text: {text: text}}),
    "a value of a wrong type": lambda text: binding(policyArns=text, role=[text], protect=text, trust={text: text}),
    "keys in place of a value": lambda text: binding(audience={text: text}),
    "a name": lambda text: binding(serviceAccount={"name": text, "namespace": text}, role={"name": text, "path": text}),
    "an ARN": lambda text: binding(policyArns=[text, f"arn:{text}:iam::{text}:policy/{text}"]),
    "a partition": lambda text: document(Resource=f"arn:{text}:s3:::b"),
    "a tag": lambda text: binding(role={"tags": {text: text}}),
    "a label": lambda text: binding(serviceAccount={"name": "a", "labels": {text: text}}),
    "an annotation": lambda text: binding(serviceAccount={"name": "a", "annotations": {text: text}}),
    "an annotation like the webhook's": lambda text: binding(
        serviceAccount={"name": "a", "annotations": {f"eks.amazonaws.com/{text}": text}}
    ),
    "a subject": lambda text: trust(subjects=[text, f"{text}:a", f"system:serviceaccount:{text}"]),
    "an operator of the trust": lambda text: trust(conditions={text: {"x:sub": text}}),
    "a condition": lambda text: trust(conditions={"StringEquals": {f"{text}:sub": "a*", text: 1}}),
    "a statement": lambda text: trust(statements=[{text: text, "Principal": {text: text}, "Sid": text}]),
    "an element": lambda text: document(**{text: text}),
    "an effect": lambda text: document(Effect=text, Action=[text], Sid=text),
    "a resource": lambda text: document(Resource=[text]),
    "an operator": lambda text: document(Condition={text: {text: text}}),
    "a variable": lambda text: {"variables": {text: text}},
    "a variable that is used": lambda text: document(Resource=f"arn:aws:s3:::${{{text}}}"),
    "a file": lambda text: binding(policy={"file": text}),
    "clusters": lambda text: {
        "clusters": {text: {"oidcIssuer": text}, "b": {text: text}},
        **binding(clusters=[text, "none"], account=text, **{"import": [text]}),
    },
    "a cluster": lambda text: {"cluster": {"name": text, "stack": text, "oidcProviderArn": text, "account": text}},
    "a cluster with few keys": lambda text: {"cluster": {text: text}},
    "a lint rule": lambda text: {
        "lint": {"errors": [text], "silence": {text: {"reason": text}, "near-limit": {"bindings": [text]}}}
    },
    "a reason": lambda text: {
        **trust(subjects=["team-a:*"]), "lint": {"silence": {"wide-trust": {"reason": text}}}
    },
    "a secret": lambda text: binding(role={text: {"secure": "v1:x"}}),
    "the policy's file": lambda text: binding(policy={"file": "p.json"}, inlinePolicies={text: {"file": "p.json"}}),
}  # fmt: skip


def written(folder: Path, values: dict[str, Any], text: str) -> Path:
    """Write a stack file with these settings, and a policy that is hostile too."""
    own = {"cluster": {"name": "cc"}, **binding(), **values}
    if "clusters" in own:
        del own["cluster"]
    file = folder / "Pulumi.dev.yaml"
    file.write_text(
        yaml.safe_dump({"config": {f"irsa:{key}": value for key, value in own.items()}, text: 1}, allow_unicode=False)
    )
    (folder / "p.json").write_text(
        json.dumps({text: text, "Version": text, "Statement": [{text: text, "Effect": text, "Action": text}]})
    )
    return file


def check_quoted(line: str, text: str) -> None:
    """State that the attacker's words stand in quotes, but for one word, which says nothing by itself."""
    if not WORD.fullmatch(text):
        assert EVIL not in QUOTED.sub("", line), line


def check_lines(report: FileReport, text: str) -> None:
    """State what a report in text is: a line on the file, then a place and three lines for each mistake or warning."""
    summary, *lines = "\n".join(plain(sections([report]))).splitlines()
    each = len(report.mistakes) + len(report.warnings)
    assert len(lines) == 5 * each + (len(report.not_checked) + 1 if report.not_checked else 0)
    for index, label in ((1, "    found:   "), (2, "    allowed: "), (3, "    do:      ")):
        assert all(line.startswith(label) for line in lines[index + 1 : 5 * each : 5]), lines
    for line in (summary, *lines):
        assert line.isprintable()
        assert "##[" not in line
        assert not line.lstrip().startswith("::")
        check_quoted(line, text)
    for mistake in report.mistakes:
        assert "\n" not in mistake.where
    assert len("\n".join(map(str, report.mistakes)).splitlines()) == 4 * len(report.mistakes)


def check_json(text: str) -> None:
    """State what a report for programs is: JSON in which no string begins a line, or drives what shows it."""
    again = json.dumps(json.loads(text), indent=2, ensure_ascii=True)
    assert len(text.splitlines()) == len(again.splitlines())
    assert text.replace("\n", "").isprintable()
    assert "##[" not in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(sorted(PLACES)), text=HOSTILE)
@example("a key of a binding", "\n::error::EVIL")
@example("an operator of the trust", "x; do: EVIL")
@example("a cluster with few keys", "x; do: EVIL")
@example("a key of a key", "\u202eEVIL")
def test_no_value_forges_a_line(tmp_path: Path, place: str, text: str) -> None:
    report = report_of(written(tmp_path, PLACES[place](text), text))

    check_lines(report, text)
    check_json(as_json([report]))


@pytest.mark.parametrize("name", [text.replace("/", "") for text in PAYLOADS if "\0" not in text])
def test_no_file_name_forges_a_line(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = written(Path(), binding(policy={"file": f"{name}.json"}), "x")
    Path("p.json").rename(f"{name}.json")
    hostile = Path(f"{name}.yaml")
    file.rename(hostile)
    report = report_of(hostile)

    assert len(report.mistakes) > 2
    check_lines(report, name)
    check_json(as_json([report]))
    assert json.loads(as_json([report]))["files"][0]["file"] == str(hostile)
    check_json(as_json([FileReport(str(hostile), 0, [], could_not_read="no", not_checked=["x"])]))


@given(HOSTILE)
def test_the_words_for_a_text(text: str) -> None:
    for safe in (visible(text), named(text), listed([text]), Mistake(text, text, text).found):
        assert safe.isprintable()
        assert "##[" not in safe
    for is_ascii in (False, True):
        assert json.loads(visible_json(json.dumps(text, ensure_ascii=is_ascii))) == text
    assert visible("my-app 日本 é a 'b' \\ \"c\"") == "my-app 日本 é a 'b' \\ \"c\""


def test_a_long_list_is_cut() -> None:
    assert listed([f"n{n}" for n in range(10_000)]).endswith("n19, and 9,980 more")
    assert listed(["a", "b c"]) == 'a, "b c"'
