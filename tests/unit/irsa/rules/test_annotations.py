"""Annotations of service accounts, against the README of the EKS Pod identity webhook.

https://github.com/aws/amazon-eks-pod-identity-webhook#eks-walkthrough
"""

import pytest

from irsa.rules.annotations import POD_ONLY, WRITTEN_FROM, check_annotation_key, webhook_annotations
from irsa.rules.mistakes import Mistake

ROLE = "arn:aws:iam::111122223333:role/team/my-role"


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("eks.amazon.com/role-arn", "eks.amazonaws.com/role-arn"),
        ("eks.amazonaws.com/rolearn", "eks.amazonaws.com/role-arn"),
        ("eks.amazonaws.com/role-arn", "irsa writes it"),
        ("eks.amazonaws.com/role-arn", "your own annotations; remove it"),
        ("eks.amazonaws.com/skip-containers", "has no effect on a service account"),
        ("eks.amazonaws.com/skip-containers", "Pod template"),
        ("eks.amazonaws.com/sts-regional-endpoint", "service_account.sts_regional_endpoints"),
    ],
)
def test_annotation_keys_that_do_nothing(key: str, word: str) -> None:
    """Protects amazon-eks-pod-identity-webhook#200 and #123: keys typed wrong, and a Pod's key on an account."""
    with pytest.raises(Mistake, match=word):
        check_annotation_key(key)


@pytest.mark.parametrize(
    "key", ["example.com/owner", "helm.sh/chart", "owner", "meta.helm.sh/release-name", "eks.amazonaws.com"]
)
def test_annotation_keys_of_others(key: str) -> None:
    """Protects annotations that are none of our business."""
    assert check_annotation_key(key) == key


@pytest.mark.parametrize("key", ["eks.amazonaws.com/role-arn", "eks.amazonaws.com/audience"])
def test_an_annotation_that_irsa_writes_is_not_the_callers(key: str) -> None:
    """Protects from two owners of one annotation: the caller's value would be replaced, or replace the role."""
    with pytest.raises(Mistake) as error:
        check_annotation_key(key)
    assert (
        error.value.arguments
        == {
            "eks.amazonaws.com/role-arn": (),
            "eks.amazonaws.com/audience": (("audience",),),
        }[key]
    )


@pytest.mark.parametrize(
    ("key", "argument", "advice"),
    [
        (
            "eks.amazonaws.com/sts-regional-endpoints",
            ("service_account", "sts_regional_endpoints"),
            "remove it, and set ARGUMENT",
        ),
        ("eks.amazonaws.com/token-expiration", ("service_account", "token_expiration"), "remove it, and set ARGUMENT"),
        (
            "eks.amazonaws.com/token-expirations",
            ("service_account", "token_expiration"),
            "irsa writes it from ARGUMENT",
        ),
        ("eks.amazonaw.com/audience", ("audience",), "irsa writes it from ARGUMENT"),
    ],
)
def test_the_advice_names_the_argument_that_writes_it(key: str, argument: tuple[str, ...], advice: str) -> None:
    """Protects the advice for a key of the webhook, also a misspelled one: the argument, as the caller spells it."""
    with pytest.raises(Mistake) as error:
        check_annotation_key(key)
    assert error.value.arguments == (argument,)
    assert advice in error.value.spelled(lambda _: "ARGUMENT").fix


@pytest.mark.parametrize("key", ["eks.amazonaws.com/skip-container", "eks.amazonaws.com/skip-pod-identity-webhok"])
def test_a_misspelled_key_of_pods_leads_to_the_pod_template(key: str) -> None:
    """Protects from the advice to write a key of Pods on a service account, where it does nothing."""
    with pytest.raises(Mistake, match="Pod template"):
        check_annotation_key(key)


def test_the_keys_of_the_webhook_are_all_known() -> None:
    """Protects the list itself: every annotation of the README, those of service accounts and those of Pods."""
    assert set(WRITTEN_FROM) == {
        "eks.amazonaws.com/role-arn",
        "eks.amazonaws.com/audience",
        "eks.amazonaws.com/sts-regional-endpoints",
        "eks.amazonaws.com/token-expiration",
    }
    assert "eks.amazonaws.com/skip-containers" in POD_ONLY


def test_only_the_role_is_written_where_nothing_else_is_set() -> None:
    """Protects the walkthrough's account: one annotation, and no default of ours that the webhook has itself."""
    assert webhook_annotations(ROLE) == {"eks.amazonaws.com/role-arn": ROLE}
    assert webhook_annotations(ROLE, "sts.amazonaws.com") == {"eks.amazonaws.com/role-arn": ROLE}


@pytest.mark.parametrize(
    ("settings", "annotation"),
    [
        ({"audience": "sts.amazonaws.com.cn"}, ("audience", "sts.amazonaws.com.cn")),
        ({"sts_regional_endpoints": True}, ("sts-regional-endpoints", "true")),
        ({"sts_regional_endpoints": False}, ("sts-regional-endpoints", "false")),
        ({"token_expiration": 86_400}, ("token-expiration", "86400")),
    ],
)
def test_each_setting_is_one_annotation(settings: dict[str, object], annotation: tuple[str, str]) -> None:
    """Protects the values as the README spells them: strings, in lower case, and a False that is not left out."""
    key, value = annotation
    assert webhook_annotations(ROLE, **settings) == {  # type: ignore[arg-type]
        "eks.amazonaws.com/role-arn": ROLE,
        f"eks.amazonaws.com/{key}": value,
    }
