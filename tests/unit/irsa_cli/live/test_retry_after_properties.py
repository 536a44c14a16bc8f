"""Whatever a gateway writes into Retry-After is a pause of 0 to 10 seconds."""

from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.live.kubernetes import _pause

PARTS = st.sampled_from(
    [
        *("Wed,", "25", "Nov", "2026", "10:00:00", "GMT", "-0000", "+9959", ":", "-", ",", "(", "99999", "٣", "²"),
        *("-1", "1e9"),
    ]
)
HEADERS = st.one_of(
    st.text(max_size=30),
    st.lists(PARTS, max_size=8).map(" ".join),
    st.integers().map(str),
    st.datetimes().map(format_datetime),
)


@given(HEADERS)
def test_every_header_is_a_pause(said: str) -> None:
    """Protects a question that a busy server put off: it is asked again, and never fails over this header."""
    assert 0 <= _pause(said) <= 10


@given(st.integers(min_value=0))
def test_a_number_of_seconds_is_kept_up_to_ten(seconds: int) -> None:
    """Protects a server that asks for a short pause: it gets the one that it asks for."""
    assert _pause(str(seconds)) == min(seconds, 10)
