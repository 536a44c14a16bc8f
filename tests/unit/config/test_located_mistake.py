import pytest

from irsa.rules.mistakes import Mistake
from irsa_config.located_mistake import LocatedMistake

MISTAKE = Mistake("F", "A", "D")
PLACE = ("bindings", "my-app", "policyArns", 1)


@pytest.mark.parametrize(
    ("located", "where"),
    [
        (LocatedMistake(PLACE, MISTAKE), "irsa:bindings.my-app.policyArns[1]"),
        (LocatedMistake(PLACE, MISTAKE, "P.yaml"), "P.yaml  irsa:bindings.my-app.policyArns[1]"),
        (LocatedMistake(PLACE, MISTAKE, "P.yaml", 7), "P.yaml:7  irsa:bindings.my-app.policyArns[1]"),
        (LocatedMistake((), MISTAKE, "P.yaml", 7), "P.yaml:7"),
        (LocatedMistake((), MISTAKE), "the settings of the stack"),
        (
            LocatedMistake(("bindings", "a", "policy", "file"), MISTAKE, "p.json", 2, ("Statement", 0)),
            "p.json:2  Statement[0] (irsa:bindings.a.policy.file)",
        ),
    ],
)
def test_file_line_and_path(located: LocatedMistake, where: str) -> None:
    assert located.where == where
    assert str(located).splitlines()[0] == where
    assert [line.split()[1] for line in str(located).splitlines()[1:]] == ["F", "A", "D"]
