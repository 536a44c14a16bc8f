"""Tags as IAM takes them: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules import names
from irsa.rules.mistakes import Mistake
from irsa.rules.names import NameRule, check_name, role_tags_mistakes


@given(st.lists(st.text(st.sampled_from("aAbB-"), min_size=1, max_size=3), unique=True))
def test_keys_that_differ_in_case_only(keys: list[str]) -> None:
    found = [part for part, _ in role_tags_mistakes(keys)]

    assert found == [(key,) for index, key in enumerate(keys) if key.lower() in {each.lower() for each in keys[:index]}]


@pytest.mark.parametrize("kind", [names.TAG_KEY, names.TAG_VALUE])
@pytest.mark.parametrize("text", ["aws:x", "AWS:x", "Aws:cloudformation:stack-name", "aWs:"])
def test_what_aws_keeps_to_itself(kind: NameRule, text: str) -> None:
    with pytest.raises(Mistake, match="not starting with aws:"):
        check_name(text, kind)
