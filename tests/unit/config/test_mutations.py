"""A thousand ways to damage a stack file, and what is said about it."""

import functools
import random
import re
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.check import report_of
from config.check_report import as_json, plain, sarif
from config.located_mistake import LocatedMistake
from config.pydantic_errors import keys_at
from tests.places import at, places
from tests.unit.config.yaml_lines import line_of

ROOT = Path(__file__).parents[3]
DUMP = functools.partial(
    yaml.dump, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True
)
MUTATIONS, SEED = 2_000, 20_121_017
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 3.5, 10**30, "", " ", "x", "*", "*:*", "a:b:c", "x" * 3000, "ä", "日本"),
    *([], [[]], [None], {}, {"secure": "v1:abc"}, {"x": {"y": {"z": 1}}}, [{"a": 1}], "${", "${}", "${x}", "${aws:x}"),
    *(
        "arn:",
        "arn:aws:iam::111122223333:policy/p",
        "arn:aws:iam::1:role/",
        "2012-10-17",
        "policies/none.json",
        "policies",
    ),
    *({"Version": "2012-10-17", "Statement": []}, {"Statement": "x"}, {"Version": "2012-10-17", "Statement": [1]}),
    *({"file": 3}, {"document": []}, {"file": "../../../etc/hostname"}, {"name": {}}, "/", "https://x?y", "a/b/c"),
)


def misspell(container: Any, key: Any) -> None:
    if isinstance(container, dict):
        container[str(key)[1:] + "x"] = container.pop(key)


def add(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    else:
        container.append(value)


def mutated(document: Any, chance: random.Random) -> Any:
    """Return a copy with one to three changes that know the structure."""
    document = deepcopy(document)
    config = document["config"]
    for _ in range(chance.randint(1, 3)):
        every = [place for place in places(config) if place]
        place, other = chance.choice(every), deepcopy(at(config, chance.choice(every)))
        value = deepcopy(chance.choice(VALUES))
        known = chance.choice(
            keys_at((str(place[0]).removeprefix("irsa:"), *place[1:-1])) or keys_at(("bindings", "x"))
        )
        container, key = at(config, place[:-1]), place[-1]
        match chance.choice(("set", "set", "move", "remove", "misspell", "add")):
            case "set":
                container[key] = value
            case "move":
                container[key] = other
            case "remove":
                del container[key]
            case "misspell":
                misspell(container, key)
            case "add":
                add(container, known, value)
    return document


def scratched(text: str, chance: random.Random) -> str:
    """Return the text with some characters lost or one put in, as a typing error does."""
    start = chance.randrange(len(text))
    return (
        text[:start]
        + chance.choice(("", "\t", "{", "]", ":", "'", "&a ", "*a", "\n", "- "))
        + text[start + chance.randrange(4) :]
    )


def expected_line(mistake: LocatedMistake, name: str, text: str) -> int | None:
    """Return the line that a mistake must have; what is about the file as a whole is taken as it is."""
    if not mistake.place:
        return mistake.line
    if mistake.file != name:
        return line_of((ROOT / str(mistake.file)).read_text(), mistake.within)
    # A key without a namespace is the project's own; a setting that is not in the file at all has no line.
    there = re.search(rf"^  ((irsa:)?{re.escape(str(mistake.place[0]))})\s*:", text, re.MULTILINE)
    return line_of(text, ["config", there[1], *mistake.place[1:]]) if there else None


def test_no_mutation_gives_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the promise: whatever is in the file, it is accepted, or refused with a place and all four parts."""
    text = (ROOT / "Pulumi.showcase.yaml").read_text()
    showcase = yaml.safe_load(text)
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    file = Path("Pulumi.showcase.yaml")
    chance = random.Random(SEED)
    accepted = refused = 0
    for number in range(MUTATIONS):
        damaged = scratched(text, chance) if number % 5 == 0 else str(DUMP(mutated(showcase, chance)))
        file.write_text(damaged)
        try:
            report = report_of(file)
            as_json([report])
            sarif([report])
            list(plain([report]))
        except Exception as error:
            pytest.fail(f"mutation {number}: {error!r}\n{file.read_text()}")
        for mistake in report.mistakes:
            parts = (mistake.mistake.found, mistake.mistake.allowed, mistake.mistake.fix)
            assert mistake.line == expected_line(mistake, file.name, damaged), (number, mistake)
            assert all(parts), (number, mistake)
            assert not any("Traceback" in part or "pydantic" in part for part in parts), (number, mistake)
        refused += bool(report.mistakes)
        accepted += not report.mistakes

    # Both happen, or the mutations would be too weak or too wild to show anything.
    assert accepted > MUTATIONS / 50
    assert refused > MUTATIONS / 2
