import pytest

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
