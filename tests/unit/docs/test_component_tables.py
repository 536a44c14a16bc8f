import re
import types
from pathlib import Path
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pulumi
import pytest

import irsa.args
from irsa.args import AddOnArgs

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "component.md").read_text(encoding="utf-8")
TITLES = {"ServiceAccountRoleArgs": "Arguments"}


def takes_outputs(hint: Any) -> str:
    """What the page says of an annotation: yes, inside or no."""
    parts = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType) and any(get_origin(part) is pulumi.Output for part in parts):
        return "yes"
    if is_typeddict(hint) or any(takes_outputs(part) != "no" for part in parts):
        return "inside"
    return "no"


@pytest.mark.parametrize(
    ("title", "arguments"),
    [
        (TITLES.get(name, name.removesuffix("Args")), each)
        for name, each in vars(irsa.args).items()
        if is_typeddict(each)
    ],
)
def test_the_page_says_where_outputs_may_stand(title: str, arguments: Any) -> None:
    (section,) = re.findall(rf"^#+ {title}\n(.*?)(?:^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `(\w+)`.*? \| (yes|inside|no) \| .*\.", section, re.MULTILINE)
    expected = []
    for name, hint in get_type_hints(arguments, None, vars(pulumi.output), include_extras=True).items():
        plain = get_args(hint)[0] if get_origin(hint) is NotRequired else hint
        if title == "Policy" and name != "add_on" and name in AddOnArgs.__annotations__:
            continue  # the reference has them once
        expected.append((name, takes_outputs(plain)))
    assert rows == expected
