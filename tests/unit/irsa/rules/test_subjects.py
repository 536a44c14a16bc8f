import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.evaluation.patterns import matches
from irsa.rules.mistakes import Mistake
from irsa.rules.strangers import stranger
from irsa.rules.subjects import check_any_service_account, check_subject

BEGINNINGS = string.ascii_lowercase + string.digits
EVERY_BEGINNING = [f"{character}*:*" for character in BEGINNINGS]

parts = st.text("abxyz*?[", min_size=1, max_size=6)
patterns = st.lists(st.builds("{}:{}".format, parts, parts), min_size=1, max_size=6)


@given(patterns)
def test_nobody_named_a_stranger(subjects: list[str]) -> None:
    found = stranger(subjects)

    assert found is None or not any(matches(found, subject) for subject in subjects)


@pytest.mark.parametrize(
    "subjects",
    [["*:*"], ["**:*", "a:b"], ["?*:*?"], ["??*:??*"], EVERY_BEGINNING, ["a:b", *EVERY_BEGINNING],
     [f"*{c}:*" for c in BEGINNINGS],
     [f"{'?' * length}:*" for length in range(1, 64)], [f"{c}*:{d}*" for c in BEGINNINGS for d in BEGINNINGS]],
)  # fmt: skip
def test_everybody_however_spelled(subjects: list[str]) -> None:
    """The attack: `*:*` is refused, and `a*:*` to `z*:*` and `0*:*` to `9*:*` together let in the same accounts."""
    assert stranger(subjects) is None
    with pytest.raises(Mistake, match="every service account of the cluster") as error:
        check_any_service_account(subjects)
    assert error.value.arguments == (("trust", "any_service_account"),)


@pytest.mark.parametrize(
    "subjects",
    [["team-a:*"], ["*:app"], ["team-?:*"], EVERY_BEGINNING[:25], [f"{c}*:app" for c in BEGINNINGS], ["*[a-z]:*"]],
)
def test_wide_and_yet_not_everybody(subjects: list[str]) -> None:
    assert stranger(subjects) is not None
    check_any_service_account(subjects)
    check_any_service_account([])


def test_a_namespace_is_asked_about_alone() -> None:
    assert stranger(["team-a:?*"], "team-a") is None
    assert stranger(["team-a:?*"], "team-b") is not None
    assert stranger([f"team-a:{c}*" for c in BEGINNINGS], "team-a") is None
    assert stranger(["team-a:app-*", "team-a:*-worker"], "team-a") is not None


def test_many_ways_to_match_have_an_answer() -> None:
    """The attack: patterns whose ways to match double with each character would keep `irsa check` busy for ever."""
    assert stranger([f"{f'*{letter}?' * 20}:*" for letter in string.ascii_lowercase])


@pytest.mark.parametrize(
    ("subject", "word"),
    [
        ("default/my-service-account", "default:my-service-account"),
        ("system:serviceaccount:a:b", "'a:b'"),
        ("Team:a", "namespace"),
        ("a:B", "service account"),
        *((each, "write the namespace, one colon and the name") for each in ("a", "a:b:c", "a/b/c", "*", "*/*")),
    ],
)
def test_subjects_that_never_match(subject: str, word: str) -> None:
    """Protects DNXLabs/terraform-aws-eks-lb-controller#34: a doubled prefix, and other subjects that trust nobody."""
    with pytest.raises(Mistake) as error:
        check_subject(subject)
    assert word in f"{error.value.found}; {error.value.fix}"


# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ : RFC 1123 labels, and subdomains of them.
LABEL = r"[a-z0-9?*]([a-z0-9?*-]{0,61}[a-z0-9?*])?"
SUBJECT = re.compile(
    rf"{LABEL}:(?=.{{1,253}}\Z)[a-z0-9?*]([a-z0-9?*-]*[a-z0-9?*])?(\.[a-z0-9?*]([a-z0-9?*-]*[a-z0-9?*])?)*"
)
NAMES = st.one_of(st.text("a1-*?.", min_size=1, max_size=6), st.integers(60, 256).map("x".__mul__))
NEARLY = st.builds("{}:{}".format, NAMES, NAMES)


@given(st.one_of(NEARLY, st.text("ab1-.:*?_A/", max_size=12), st.text(max_size=8)))
def test_a_subject_is_two_names_with_wildcards(subject: str) -> None:
    try:
        check_subject(subject)
    except Mistake:
        assert not SUBJECT.fullmatch(subject)
    else:
        assert SUBJECT.fullmatch(subject)
