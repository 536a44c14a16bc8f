"""Stack files as a newcomer damages them: the first error names the line, and a fix after which the file is good.

Each damage is a piece of a good file, what stands there in its place, and the advice. The advice was
written from the good file, and says how to return to it.
"""

import json
from pathlib import Path

import pytest

from irsa_cli.main import main

HEAD = """config:
  aws:region: us-west-2
  kubernetes:context: production
  irsa:cluster: {name: "my-cluster"}
  irsa:bindings:
"""
BINDING = """    KEY:
      serviceAccount:
        name: KEY
        namespace: data
      role:
        name: KEY-role
        path: /team/
      policy:
        document:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Action: "s3:GetObject"
              Resource: "arn:aws:s3:::my-bucket/*"
"""
GOOD = HEAD + "".join(BINDING.replace("KEY", key) for key in ("api", "worker"))

OF_THE_FILE = {
    "a region without its second dash": ("us-west-2", "us-west2", "did you mean 'us-west-2'?"),
    "a region with a letter less": ("us-west-2", "us-wst-2", "did you mean 'us-west-2'?"),
    "a region with underscores": ("us-west-2", "us_west_2", "did you mean 'us-west-2'?"),
    "a setting of aws": ("aws:region", "aws:regoin", "did you mean aws:region?"),
    "a setting of kubernetes": ("kubernetes:context", "kubernetes:contxt", "did you mean kubernetes:context?"),
    "misspelled bindings": ("irsa:bindings", "irsa:bindngs", "did you mean 'bindings'?"),
    "misspelled cluster": ("irsa:cluster", "irsa:clustr", "did you mean 'cluster'?"),
    "a capital letter": ("irsa:bindings", "Irsa:bindings", "did you mean irsa:bindings?"),
    "a swapped namespace": ("irsa:bindings", "isra:bindings", "did you mean irsa:bindings?"),
    "misspelled config": ("config:", "confg:", "did you mean config instead of confg?"),
    "no quote at the end": ('"my-cluster"}', '"my-cluster}', "write the same quote at the end of the value"),
    "no blank after a colon": ("{name: ", "{name:", "write a blank after the colon"),
    "a tab": ("  irsa:cluster", "\tirsa:cluster", "write blanks in place of the tab"),
}
OF_A_BINDING = {
    "no blank after the first key's colon": ("        name: KEY\n", "        name:KEY\n", "write `name: KEY`"),
    "no blank after a later key's colon": ("namespace: data", "namespace:data", "write `namespace: data`"),
    "no colon": ("      serviceAccount:", "      serviceAccount", "write a colon after the key"),
    "no colon after role": ("      role:", "      role", "write a colon after the key"),
    "no colon after policy": ("      policy:", "      policy", "write a colon after the key"),
    "one blank more": ("      role:", "       role:", "write 6 blanks before it"),
    "one blank less": ("      role:", "     role:", "write 6 blanks before it"),
    "a key's blank more": ("        namespace", "         namespace", "write 8 blanks before it"),
    "a key's blank less": ("        namespace", "       namespace", "write 8 blanks before it"),
    "a path's blank more": ("        path", "         path", "write 8 blanks before it"),
    "a path's blank less": ("        path", "       path", "write 8 blanks before it"),
    "no quote at the end of an ARN": ('my-bucket/*"', "my-bucket/*", "write the same quote at the end of the value"),
    "no quote at the end of an action": ('GetObject"', "GetObject", "write the same quote at the end of the value"),
    "a misspelled key": ("serviceAccount:", "serviceAcount:", "did you mean 'serviceAccount'?"),
    "a key with a capital letter": ("        namespace", "        Namespace", "did you mean 'namespace'?"),
    "a misspelled element": ("Effect:", "Efect:", "did you mean 'Effect'?"),
    "a misspelled effect": ("Allow", "Alow", "did you mean 'Allow'?"),
    "a path in the role's name": (
        "name: KEY-role\n        path: /team/\n",
        "name: team/KEY-role\n",
        "write the name KEY-role, and role.path: /team/",
    ),
    "typographic quotes": (
        'Version: "2012-10-17"',
        "Version: \u201c2012-10-17\u201d",
        "remove the typographic quotes, or write plain ones",
    ),
    "a policy two blanks to the left": (
        BINDING[BINDING.index("      policy:") :],
        BINDING[BINDING.index("      policy:") :].replace("\n  ", "\n").removeprefix("  "),
        "indent lines {first} to {last}",
    ),
    "the keys of a binding two blanks to the left": (
        BINDING,
        BINDING.replace("\n      ", "\n    "),
        "indent lines {second} to {last}",
    ),
}


def damaged(old: str, new: str, binding: str = "") -> tuple[str, int]:
    """Return the file with a damage in the file or in a binding, and the line at which the piece begins."""
    old, new = old.replace("KEY", binding), new.replace("KEY", binding)
    start = GOOD.index(f"    {binding}:\n") if binding else 0
    at = GOOD.index(old, start)
    return GOOD[:at] + new + GOOD[at + len(old) :], GOOD[:at].count("\n") + 1


KINDS = [
    *(pytest.param(each[:2], "", each[2], id=name) for name, each in OF_THE_FILE.items()),
    *(
        pytest.param(each[:2], key, each[2], id=f"{name}, {key}")
        for name, each in OF_A_BINDING.items()
        for key in ("api", "worker")
    ),
]


def first_error(capsys: pytest.CaptureFixture[str], folder: Path, text: str) -> tuple[int, str]:
    (folder / "Pulumi.dev.yaml").write_text(text)
    main(["check", "--json", str(folder / "Pulumi.dev.yaml")])
    errors = json.loads(capsys.readouterr().out)["files"][0]["errors"]
    return (errors[0].get("line", 0), errors[0]["fix"]) if errors else (0, "")


@pytest.mark.parametrize(("damage", "key", "fix"), KINDS)
def test_the_first_error_says_where_and_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: tuple[str, str], key: str, fix: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    text, at = damaged(*damage, key)
    last = at + damage[0].count("\n") - 1
    wanted = fix.replace("KEY", key).format(first=at, second=at + 1, last=last)

    assert first_error(capsys, tmp_path, GOOD) == (0, "")
    assert first_error(capsys, tmp_path, text) == (at, wanted)


def test_bindings_as_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")

    assert first_error(
        capsys, tmp_path, GOOD.replace("    api:", "  - api:").replace("    worker:", "  - worker:")
    ) == (
        5,
        "remove the dash (-) before each key",
    )


def test_no_config_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    without = GOOD.removeprefix("config:\n").replace("\n  ", "\n").removeprefix("  ")

    assert first_error(capsys, tmp_path, without) == (1, "write `config:` above it, and indent lines 1 to 32")
