import pytest

from irsa.rules.mistakes import Mistake
from irsa.rules.subjects import check_subject, is_pattern, subject_claim


@pytest.mark.parametrize("subject", ["default:my-service-account", "a:*", "*:a", "team-?:w*rker", "a:b.c"])
def test_subjects_that_can_match(subject: str) -> None:
    """Protects every form of the AWS page: one account, a namespace's accounts, several namespaces."""
    assert check_subject(subject) == subject


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


def test_the_claim_of_a_subject() -> None:
    """Protects the token's `sub`, as Kubernetes writes it: the prefix once, whatever the subject.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens
    """
    assert subject_claim("default:my-service-account") == "system:serviceaccount:default:my-service-account"


@pytest.mark.parametrize(
    ("subject", "expected"), [("a:b", False), ("a:*", True), ("?:b", True), ("a.b-c:d", False), ("", False)]
)
def test_a_wildcard_makes_a_pattern(subject: str, expected: bool) -> None:
    assert is_pattern(subject) is expected
