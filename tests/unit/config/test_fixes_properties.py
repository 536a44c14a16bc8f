"""What `irsa check --fix` writes in files of every style of YAML, read by PyYAML's own parser."""

import json
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.fixes import fixed
from program.check import Examined, examined, report_of
from tests.unit.config.test_fixes import GOOD

FILE = Path("Pulumi.dev.yaml")
RIGHT: dict[str, Any] = yaml.safe_load(GOOD)
# Without the first one nothing is a setting; the second one is a name that the file itself gives.
KEPT = {"config", "data"}
COMMENTS = ("", "", "", "  # 😀 é 日本", "  # 'name: \"x", "  #", f"  # {'long ' * 400}")


def misspelled(text: str, chance: random.Random) -> str:
    """Return a key or a value in another letter case, without one of its letters, or with one twice."""
    prefix, colon, word = text.rpartition(":")
    place = chance.randrange(len(word) or 1)
    return (
        prefix
        + colon
        + chance.choice(
            (
                word.upper(),
                word.swapcase(),
                word.title(),
                word[:place] + word[place + 1 :],
                word[:place] + word[place:][:1] + word[place:],
            )
        )
    )


def damaged(value: Any, chance: random.Random) -> Any:
    """Return a value with errors in some of its keys and scalars, in the same order."""
    if isinstance(value, dict):
        wrong = {key: misspelled(key, chance) if chance.random() < 0.1 and key not in KEPT else key for key in value}
        names = wrong if len({*wrong.values()}) == len(wrong) else dict(zip(value, value, strict=True))
        return {names[key]: damaged(item, chance) for key, item in value.items()}
    if isinstance(value, list):
        return [damaged(item, chance) for item in value]
    if chance.random() < 0.9:
        return value
    if isinstance(value, bool):
        return chance.choice(("no", "Off", "false", "maybe"))
    return str(value) if isinstance(value, int) else misspelled(value, chance) or "x"


def scalar(value: Any, chance: random.Random, in_flow: bool) -> str:
    """Return a scalar in one of the styles that it can have."""
    if not isinstance(value, str):
        return json.dumps(value)
    quoted = [json.dumps(value), json.dumps(value, ensure_ascii=False), "'" + value.replace("'", "''") + "'"]
    if re.fullmatch(r"[\w/.-]+" if in_flow else r"[\w/.-]+(:+[\w/.-]+)*", value):
        quoted += [value] * 3
    anchor = f"&a{chance.randrange(10**6)} " if chance.random() < 0.02 else ""
    return anchor + chance.choice(quoted)


def flow(value: Any, chance: random.Random) -> str:
    """Return a value in flow style, at times over several lines."""
    if isinstance(value, dict):
        joint = chance.choice((", ", ",\n            ", " , "))
        return f"{{{joint.join(f'{scalar(key, chance, True)}: {flow(item, chance)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[ {', '.join(flow(item, chance) for item in value)},]"
    return scalar(value, chance, True)


def block(value: Any, chance: random.Random, indent: int = 0) -> list[str]:
    """Return a value as lines in block style, whose deeper parts may be in flow style."""
    lines, start = [], " " * indent
    for key, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        if chance.random() < 0.1:
            lines += ["", f"{' ' * chance.randrange(6)}# name: no key 😀"]
        lead = f"{start}-" if key is None else f"{start}{scalar(key, chance, False)}{chance.choice(('', ' '))}:"
        if key is not None and chance.random() < 0.05:
            lead = f"{start}? {scalar(key, chance, False)}\n{start}:"
        if isinstance(item, dict | list) and item and (indent == 0 or chance.random() < 0.7):
            anchor = f" &m{chance.randrange(10**6)}" if chance.random() < 0.05 else ""
            lines += [f"{lead}{anchor}{chance.choice(COMMENTS)}", *block(item, chance, indent + chance.randint(1, 4))]
        else:
            lines.append(f"{lead} {flow(item, chance)}{chance.choice(COMMENTS)}")
    return lines


def parts(text: str) -> tuple[list[Any], list[str], list[str], list[str]]:
    """Return the structure of a YAML text, its scalars as they are written and as they are read, and all between."""
    structure, written, read, between, end = [], [], [], [], 0
    events: Iterable[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
    for event in events:
        structure.append((type(event), getattr(event, "anchor", None), getattr(event, "tag", None)))
        if hasattr(event, "value"):
            between.append(text[end : event.start_mark.index])
            written.append(text[event.start_mark.index : event.end_mark.index])
            read.append(event.value)
            end = event.end_mark.index
    return structure, written, read, [*between, text[end:]]


@given(st.integers(0, 2**32), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_any_style_only_errors_change_and_become_what_was_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, ending: str, mark: str
) -> None:
    """Protects files: a fix is what was written before the error, all else stays byte for byte, and no fix is left.

    The error: a fix at a place that was counted in other characters, or one that changes the meaning of its neighbour.
    """
    monkeypatch.chdir(tmp_path)
    Path("Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    wrong = damaged(RIGHT, random.Random(seed))
    text = "\n".join([*block(wrong, random.Random(seed)), ""]).replace("\n", ending)
    right = parts("\n".join(block(RIGHT, random.Random(seed))))[2]
    FILE.write_bytes((mark + text).encode())
    fixes = report_of(FILE, fix=True).fixes
    once = FILE.read_bytes()
    structure, written, read, between = parts(text)
    after = parts(once.decode().removeprefix(mark))

    assert once.startswith(mark.encode())
    assert (after[0], after[3]) == (structure, between)
    changed = [index for index, each in enumerate(written) if each != after[1][index]]
    assert [(fix.old, fix.new) for fix in fixes] == [(written[index], after[1][index]) for index in changed]
    # Of an error that got quotes, the text stays; every other change is what was there before the error.
    assert [i for i in changed if after[2][i] not in {read[i], right[i]}] == []
    assert report_of(FILE, fix=True).fixes == []
    assert FILE.read_bytes() == once


@pytest.mark.parametrize("seed", range(3))
def test_many_mistakes_need_few_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Protects who waits: what is below a misspelled key is not tried anew for each mistake beside that key.

    The error: 142 checks of 100 bindings, each of the whole file, and more with each level of keys.
    """
    monkeypatch.chdir(tmp_path)
    Path("Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    chance = random.Random(seed)
    binding = RIGHT["config"]["irsa:bindings"]["my-app"]
    bindings = {}
    for number in range(60):
        # A tag that IAM refuses, which comes to light where `tags` was misspelled.
        role = {"name": f"role-{number}", "tags": {"a": "x", "b: c": "# no"}}
        names = {"serviceAccount": {**binding["serviceAccount"], "name": f"app-{number}"}, "role": role}
        own = {**binding, **names, "policy": {**binding["policy"], "name": f"policy-{number}"}}
        bindings[f"app-{number}"] = damaged(own, chance)
    FILE.write_text(json.dumps({"config": {**RIGHT["config"], "irsa:bindings": bindings}}))
    checked = []

    def counted(text: str) -> Examined:
        checked.append(text)
        return examined(FILE, text)

    assert len(fixed(examined(FILE), counted)[1]) > 60
    assert len(checked) < 30
