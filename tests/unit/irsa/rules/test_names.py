"""Names, subjects and ARNs against the limits that AWS and Kubernetes document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.annotations import check_annotation_key
from irsa.rules.arns import issuer_host_path, oidc_provider_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake
from irsa.rules.names import ROLE, ROLE_PREFIX, RULES, automatic_name_prefix, check_name
from irsa.rules.subjects import check_subject


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("role", ["a", "x" * 64, "A_b+c=d,e.f@g-h"], ["", "x" * 65, "a/b", "a b", "ä"]),
        ("policy", ["x" * 128], ["x" * 129, "a:b"]),
        ("role prefix", ["x" * 38], ["x" * 39]),
        ("namespace", ["a", "1", "a-b", "x" * 63], ["", "x" * 64, "a.b", "A", "-a", "a-", "a_b"]),
        ("service account", ["a", "a.b", "x" * 253], ["", "x" * 254, "A", "a..b", ".a", "a_b"]),
        ("role path", ["/", "/a/", "/a/b/"], ["", "a", "/a", "a/", "/a b/", "/" + "x" * 511 + "/"]),
        ("policy path", ["/", "/a/b/"], ["/a//b/", "/a!/", "a/"]),
    ],
)
def test_limits_of_names(kind: str, good: list[str], bad: list[str]) -> None:
    """Protects the limits of the IAM API reference and of Kubernetes' object names, at their edges."""
    for name in good:
        assert check_name(name, RULES[kind]) == name
    for name in bad:
        with pytest.raises(Mistake):
            check_name(name, RULES[kind])


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200))
def test_a_long_logical_name_gets_a_prefix_that_fits(name: str) -> None:
    """Protects eksctl#7703, #5614: names found too long late; 64 characters hold the name, a dash and 7 more."""
    prefix = automatic_name_prefix(name, ROLE, ROLE_PREFIX)

    assert (prefix is None) == (len(name) + 8 <= 64)
    assert prefix is None or len(prefix) <= 38


def test_two_long_names_never_share_a_prefix() -> None:
    """Protects against ol-infrastructure's cut at 63 characters, which makes two roles collide."""
    first, second = "x" * 100 + "1", "x" * 100 + "2"

    assert automatic_name_prefix(first, ROLE, ROLE_PREFIX) != automatic_name_prefix(second, ROLE, ROLE_PREFIX)


@pytest.mark.parametrize("subject", ["default:my-service-account", "a:*", "*:a", "team-?:w*rker", "a:b.c"])
def test_subjects_that_can_match(subject: str) -> None:
    """Protects every form of the AWS page: one account, a namespace's accounts, several namespaces."""
    assert check_subject(subject) == subject


@pytest.mark.parametrize(
    ("subject", "word"),
    [
        ("default", "is not namespace:name"),
        ("default/my-service-account", "default:my-service-account"),
        ("a:b:c", "is not namespace:name"),
        ("system:serviceaccount:a:b", "'a:b'"),
        ("Team:a", "namespace"),
        ("a:B", "service account"),
        (":a", "namespace"),
        ("*", "is not namespace:name"),
    ],
)
def test_subjects_that_never_match(subject: str, word: str) -> None:
    """Protects DNXLabs/terraform-aws-eks-lb-controller#34: a doubled prefix, and other subjects that trust nobody."""
    with pytest.raises(Mistake, match=word):
        check_subject(subject)


PARTITION_ISSUERS = [
    ("aws", "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"),
    ("aws-cn", "oidc.eks.cn-north-1.amazonaws.com.cn/id/EXAMPLE"),
    ("aws-us-gov", "oidc.eks.us-gov-west-1.amazonaws.com/id/EXAMPLE"),
    ("aws-eusc", "oidc-eks.eusc-de-east-1.api.amazonwebservices.eu/id/EXAMPLE"),
    ("aws", "oidc-eks.us-west-2.api.aws/id/EXAMPLE"),
]


@pytest.mark.parametrize(("partition", "issuer"), PARTITION_ISSUERS)
def test_provider_arns_of_every_partition(partition: str, issuer: str) -> None:
    """Protects partitions and dual-stack issuers: the ARN ends with the issuer's host and path, whatever the host."""
    arn = oidc_provider_arn(partition, "111122223333", f"https://{issuer}")

    assert arn == f"arn:{partition}:iam::111122223333:oidc-provider/{issuer}"
    assert issuer_host_path(f"https://{issuer}/") == issuer


@pytest.mark.parametrize(
    ("arn", "kind", "word"),
    [
        ("my-policy", "policy", "six parts"),
        ("arn:aws:iam::12:policy/x", "policy", "'12', not 12 digits"),
        ("arn:aws:iam::aws:role/x", "role", "12 digits"),
        ("arn:aws-xx:iam::111122223333:role/x", "role", "partition"),
        ("arn:aws:s3::111122223333:role/x", "role", "service"),
        ("arn:aws:iam:us-west-2:111122223333:role/x", "role", "region"),
        ("arn:aws:iam::111122223333:user/x", "role", "'user'"),
        ("arn:aws:iam::111122223333:role/", "role", "no name"),
        ("arn:aws:iam::111122223333:role/a*", "role", "wildcard"),
    ],
)
def test_what_part_of_an_arn_is_wrong(arn: str, kind: str, word: str) -> None:
    """Protects the error text: it says which of the ARN's parts is wrong."""
    with pytest.raises(Mistake, match=word):
        parse_iam_arn(arn, kind)


def test_parts_of_an_arn_with_a_path() -> None:
    """Protects roles with a path: the annotation must carry it, the name must not."""
    arn = parse_iam_arn("arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy", "policy")

    assert (arn.account_id, arn.resource, arn.name) == (
        "aws",
        "service-role/AmazonEBSCSIDriverPolicy",
        "AmazonEBSCSIDriverPolicy",
    )
    assert str(arn) == "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("eks.amazon.com/role-arn", "eks.amazonaws.com/role-arn"),
        ("eks.amazonaws.com/rolearn", "eks.amazonaws.com/role-arn"),
        ("eks.amazonaws.com/role-arn", "which irsa writes itself"),
        ("eks.amazonaws.com/skip-containers", "Pod template"),
        ("eks.amazonaws.com/sts-regional-endpoint", "service_account.sts_regional_endpoints"),
    ],
)
def test_annotation_keys_that_do_nothing(key: str, word: str) -> None:
    """Protects amazon-eks-pod-identity-webhook#200 and #123: keys typed wrong, and a Pod's key on an account."""
    with pytest.raises(Mistake, match=word):
        check_annotation_key(key)


@pytest.mark.parametrize("key", ["example.com/owner", "helm.sh/chart", "owner", "meta.helm.sh/release-name"])
def test_annotation_keys_of_others(key: str) -> None:
    """Protects annotations that are none of our business."""
    assert check_annotation_key(key) == key
