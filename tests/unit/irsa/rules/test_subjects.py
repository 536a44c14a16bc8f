import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import check_subject


@pytest.mark.parametrize(
    ("subject", "word"),
    [
        ("default", "not namespace:name"),
        ("default", "'default:*'"),
        ("a/b/c", "'a/b/c:*'"),
        ("a/b:c:d", "not namespace:name"),
        ("default/my-service-account", "default:my-service-account"),
        ("a:b:c", "write one colon, after the namespace"),
        ("system:serviceaccount:a:b", "'a:b'"),
        ("Team:a", "namespace"),
        ("a:B", "service account"),
        (":a", "namespace"),
        ("*", "not namespace:name"),
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
