"""Names against the limits that AWS and Kubernetes document.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from irsa.rules import names
from irsa.rules.mistakes import Mistake, path_of
from irsa.rules.names import (
    POLICY,
    POLICY_PREFIX,
    REGION,
    ROLE_NAMES,
    ROLE_PREFIX,
    NameRule,
    automatic_name_prefix,
    check_name,
    role_tags_mistakes,
)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (names.ROLE_NAMES, ["a", "x" * 64, "A_b+c=d,e.f@g-h"], ["", "x" * 65, "a/b", "a b", "ä"]),
        (names.POLICY, ["x" * 128], ["x" * 129, "a:b"]),
        (names.ROLE_PREFIX, ["x" * 38], ["x" * 39]),
        (names.NAMESPACE, ["a", "1", "a-b", "x" * 63], ["", "x" * 64, "a.b", "A", "-a", "a-", "a_b"]),
        (names.SERVICE_ACCOUNT_NAMES, ["a", "a.b", "x" * 253], ["", "x" * 254, "A", "a..b", ".a", "a_b"]),
        (
            names.ROLE_PATH,
            ["/", "/a/", "/a/b/", "/" + "x" * 510 + "/"],
            ["", "a", "/a", "a/", "/a b/", f"/{'x' * 511}/"],
        ),
        (
            names.MANAGED_POLICY_PATH,
            ["/", "/a/b/", "/" + "x" * 510 + "/"],
            ["/a//b/", "/a!/", "a/", "/" + "x" * 511 + "/"],
        ),
        (names.POLICY_PREFIX, ["x" * 102], ["", "x" * 103, "a/b"]),
        (names.INLINE_POLICY, ["x" * 128, "A_b+c=d,e.f@g-h"], ["", "x" * 129, "a b", "ä"]),
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html
        (names.DESCRIPTION, ["", "x" * 1000, "a\tb\n\r", "é ü ÿ ¡"], ["x" * 1001, "日本", "\x00", "\x7f", "\xa0"]),
        # API_Tag; no key or value begins with the reserved aws: (IAM User Guide, id_tags.html)
        (
            names.TAG_KEY,
            ["a", "x" * 128, "日本", "a b_.:/=+-@"],
            ["", "x" * 129, "a,b", "a*", "aws:x", "AWS:x", "aWs:"],
        ),
        (
            names.TAG_VALUE,
            ["", "x" * 256, "日本", "a aws:x", "a b_.:/=+-@"],
            ["x" * 257, "a,b", "a\tb", "aws:x", "Aws:cloudformation:stack-name"],
        ),
        # labels/#syntax-and-character-set
        (
            names.KUBERNETES_KEY,
            ["a", "x" * 63, "A_b.c-9", "example.com/a", f"{'x' * 253}/{'y' * 63}"],
            ["", "x" * 64, f"{'x' * 254}/a", "-a", "a-", "a b", "/a", "a/", "a/b/c", "Example.com/a", "ä", "a..b/c"],
        ),
        (names.LABEL_VALUE, ["", "a", "x" * 63, "A_b.c-9"], ["x" * 64, "-a", "a.", "a/b", "ä"]),
        (names.SECRET, ["a", "a.b", "x" * 253], ["", "x" * 254, "A", "a_b", "-a"]),
        # API_CreateCluster of EKS
        (names.CLUSTER, ["a", "A1_-b", "x" * 100], ["", "x" * 101, "-a", "_a", "a.b", "ä"]),
        (names.REGION, ["us-west-2", "us-gov-west-1", "eusc-de-east-1"], ["", "us-west", "usw2", "US-WEST-2"]),
        # API_CreateOpenIDConnectProvider: a client ID
        (names.AUDIENCE, ["sts.amazonaws.com", "x" * 255], ["", "x" * 256]),
        # Ours: the first part of a resource's name; @ stands between that and a child's part
        (names.KEY, ["my-app", "x" * 100, "A_b+c=d,e.f-g"], ["", "x" * 101, "a@b", "a b", "a/b", "a:b", "ä"]),
        # Ours: part of a URN, in which Pulumi keeps :: to itself
        (names.ATTACHMENT_KEY, ["a", "arn:aws:iam", "a@b/c"], ["", "a::b", "a:", ":a", "a b", "x" * 641]),
    ],
)
def test_limits_of_names(kind: NameRule, good: list[str], bad: list[str]) -> None:
    for name in good:
        assert check_name(name, kind) == name
    for name in bad:
        with pytest.raises(Mistake):
            check_name(name, kind)


@pytest.mark.parametrize(
    ("kind", "wrong", "meant"),
    [
        (names.NAMESPACE, "Team-A", "team-a"),
        (names.SERVICE_ACCOUNT_NAMES, "my_app", "my-app"),
        (names.SERVICE_ACCOUNT_NAMES, "My_App", "my-app"),
        (names.ROLE_PATH, "team", "/team/"),
        (names.MANAGED_POLICY_PATH, "team/app", "/team/app/"),
        (names.ROLE_NAMES, "my role", "my-role"),
    ],
)
def test_the_name_that_is_meant(kind: NameRule, wrong: str, meant: str) -> None:
    with pytest.raises(Mistake) as error:
        check_name(wrong, kind)
    assert repr(meant) in error.value.fix
    assert check_name(meant, kind) == meant


@pytest.mark.parametrize("kind", [names.NAMESPACE, names.SERVICE_ACCOUNT_NAMES, names.ROLE_NAMES])
@pytest.mark.parametrize("name", ["team-*", "?"])
def test_a_wildcard_in_an_exact_name_leads_to_the_subjects(kind: NameRule, name: str) -> None:
    with pytest.raises(Mistake) as error:
        check_name(name, kind)
    assert error.value.arguments == ((("trust", "subjects"),) if kind != names.ROLE_NAMES else ())


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200))
def test_a_long_logical_name_gets_a_prefix_that_fits(name: str) -> None:
    """Protects eksctl#7703, #5614: names found too long late; 64 characters hold the name, a dash and 7 more."""
    prefix = automatic_name_prefix(name, ROLE_NAMES, ROLE_PREFIX)

    assert (prefix is None) == (len(name) + 8 <= 64)
    assert prefix is None or len(prefix) <= 38


@given(st.text("aZ9+=,.@_-", min_size=1, max_size=8), st.integers(100, 160))
def test_a_prefix_is_made_of_what_iam_takes(part: str, length: int) -> None:
    """Protects the deployment: what is cut from a legal name is a legal prefix, with room for 26 characters.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, API_CreatePolicy.html
    """
    name = (part * length)[:length]
    for rule, prefix_rule, longest in ((ROLE_NAMES, ROLE_PREFIX, 64), (POLICY, POLICY_PREFIX, 128)):
        prefix = automatic_name_prefix(name, rule, prefix_rule)
        assert prefix is None or (check_name(prefix, prefix_rule) == prefix and len(prefix) + 26 <= longest)


@given(st.text("ab-", max_size=40), st.text("ab-", max_size=40))
def test_two_long_names_have_two_prefixes(one: str, other: str) -> None:
    assume(one != other)
    for first, second in ((f"{'x' * 60}{one}", f"{'x' * 60}{other}"), (f"{one}{'x' * 60}", f"{other}{'x' * 60}")):
        assert automatic_name_prefix(first, ROLE_NAMES, ROLE_PREFIX) != automatic_name_prefix(
            second, ROLE_NAMES, ROLE_PREFIX
        )


@given(st.lists(st.text(st.sampled_from("aAbB-"), min_size=1, max_size=3), unique=True))
def test_keys_that_differ_in_case_only(keys: list[str]) -> None:
    found = [part for part, _ in role_tags_mistakes(keys)]

    assert found == [(key,) for index, key in enumerate(keys) if key.lower() in {each.lower() for each in keys[:index]}]


@pytest.mark.parametrize("rule", [each for each in vars(names).values() if isinstance(each, NameRule)])
def test_no_rule_takes_a_line_break_at_the_end(rule: NameRule) -> None:
    r"""The attack: `$` in a pattern lets one line break pass, which begins a line of its own wherever it is printed."""
    for name in ("a", "/a/", "us-west-2", "aws:a"):
        if rule not in (names.DESCRIPTION, names.AUDIENCE):
            with pytest.raises(Mistake):
                check_name(f"{name}\n", rule)


@pytest.mark.parametrize(
    ("text", "rule", "fix"),
    [
        ("us-west2", REGION, "did you mean 'us-west-2'?"),
        ("us-wst-2", REGION, "did you mean 'us-west-2'?"),
        ("US_West_2", REGION, "did you mean 'us-west-2'?"),
        ("eu central 1", REGION, "did you mean 'eu-central-1'?"),
        ("Oregon", REGION, "write a region of AWS"),
        ("team/my-app", ROLE_NAMES, "write the name my-app, and role.path: /team/"),
        ("/team/data/my-app", ROLE_NAMES, "write the name my-app, and role.path: /team/data/"),
        ("te:am/my-app", ROLE_NAMES, "remove the characters that are not allowed"),
    ],
)
def test_advice_that_can_be_followed(text: str, rule: NameRule, fix: str) -> None:
    with pytest.raises(Mistake) as raised:
        check_name(text, rule)

    assert raised.value.spelled(path_of).fix == fix


def test_the_regions_of_aws() -> None:
    """https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html, and other partitions."""
    regions = "us-east-1 ap-northeast-3 ap-southeast-7 ca-west-1 sa-east-1 il-central-1 mx-central-1 me-south-1"
    regions += " cn-north-1 cn-northwest-1 us-gov-west-1 us-iso-east-1 us-isob-east-1 us-isof-south-1 eusc-de-east-1"
    assert [check_name(each, REGION) for each in regions.split()] == regions.split()
