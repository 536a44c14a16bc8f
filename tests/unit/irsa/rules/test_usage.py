"""What a role uses of IAM's quotas (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""

from irsa.rules.policies import document_usage, role_usages, tags_usage, trust_usage


def test_tags_are_counted_per_resource() -> None:
    for what in ("role", "policy"):
        usage = tags_usage(what, {"a": "1", "b": "2"})
        assert (usage.used, usage.quota, usage.setting) == (2, 50, None)
        assert what in usage.what


def test_a_trust_policy_is_counted_without_white_space() -> None:
    usage = trust_usage('{ "a":\n "b" }')
    assert (usage.used, usage.quota, usage.setting) == (len('{"a":"b"}'), 2048, ("quotas", "trust_policy_size"))
    assert trust_usage("{}", 4096).quota == 4096


def test_a_managed_policy_is_counted_without_white_space() -> None:
    usage = document_usage('{ "a": "b" }')
    assert (usage.used, usage.quota, usage.setting) == (len('{"a":"b"}'), 6144, None)


def test_created_and_existing_policies_count_together() -> None:
    (place, attached), _ = role_usages(7, [])
    assert (place, attached.used, attached.quota) == (("policy_arns",), 7, 10)
    assert attached.setting == ("quotas", "attached_policies")
    (_, raised), _ = role_usages(7, [], 20)
    assert raised.quota == 20


def test_inline_policies_share_one_quota() -> None:
    _, (place, inline) = role_usages(0, ['{ "a": 1 }', "{}"])
    assert (place, inline.used, inline.quota) == (("inline_policies",), len('{"a":1}') + 2, 10240)
    assert inline.setting is None
