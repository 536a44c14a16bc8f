import re

from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import check_subject

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
