"""The guard's data: every declared service account once, in ConfigMaps that the API server takes."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.guard import rules
from irsa.guard.policies import bindings
from irsa.guard.rules import (
    GuardEntry,
    GuardSettings,
    config_map_data,
    is_wide_prefix,
    mode_in,
    namespaces_of,
    parsed_data,
    stack_key,
)
from irsa.guard_spec import read_guard
from irsa.rules.mistakes import Mistake
from irsa.rules.unknown import has_unknown

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/: a DNS subdomain, as policies are named, and
# bindings; https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/: a label's value.
PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN, VALUE = rf"(?=.{{1,253}}$){PART}(\.{PART})*", r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?"
# What Pulumi allows in names of projects and stacks: https://www.pulumi.com/docs/iac/concepts/stacks/
NAMES, SHORT = st.from_regex(r"\A[a-zA-Z0-9_.-]{1,60}\Z"), st.from_regex(r"\A[a.-]{1,3}\Z")
# https://kubernetes.io/docs/concepts/configuration/configmap/: keys of `data`.
KEY = r"[-._a-zA-Z0-9]{1,253}"
# An audience is free text of Latin-1 (irsa.rules.names.AUDIENCE).
AUDIENCES = st.text(st.sampled_from("ab- .:/\n\t\xe9"), min_size=1, max_size=6)
ARNS = st.from_regex(r"\Aarn:aws(-cn)?:iam::[0-9]{12}:role/[a-z+=,.@/-]{0,9}[a-z]\Z")


@st.composite
def accounts(draw: st.DrawFn) -> list[GuardEntry]:
    label, name = st.sampled_from(["a", "b", "a-b", "kube-system"]), st.from_regex(r"\A[a-z]([-.]?[a-z0-9])?\Z")
    pairs = draw(st.lists(st.tuples(label, name), unique=True, max_size=30))
    found = []
    for namespace, each in pairs:
        ways = draw(st.sampled_from(list(rules.WAYS)))
        audience = "" if ways == "podIdentity" else draw(AUDIENCES)
        found.append(GuardEntry(namespace, each, draw(ARNS), ways, audience))
    return found


@given(accounts(), st.integers(8, 40), st.randoms())
def test_each_account_is_declared_once(declared: list[GuardEntry], most: int, order: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "MOST_ACCOUNTS", most)
        settings = GuardSettings("s", "deny")
        try:
            data = config_map_data(settings, declared)
        except Mistake:
            return
        again = list(declared)
        order.shuffle(again)
        assert data == config_map_data(settings, again)
    assert sorted(each for part in data for each in parsed_data(_known(part))) == sorted(declared)
    assert all(re.fullmatch(KEY, key) for part in data for key in part)
    assert all(len(part) <= most for part in data)
    # Each binding is for the namespaces of one part.
    divided = [namespace for part in data for namespace in namespaces_of(part)]
    assert sorted(divided) == sorted({each.namespace for each in declared})


def test_the_longest_entries_fit_into_a_config_map() -> None:
    """The limits of IAM, EKS and Kubernetes for each part of an entry, and etcd's 1 MiB for the object."""
    arn = f"arn:aws-us-gov:iam::111122223333:role/{'p' * 510}/{'r' * 64}"
    many = [GuardEntry("n" * 63, f"{number:0189}", arn, "irsa", "\xe9" * 255) for number in range(rules.MOST_ACCOUNTS)]
    [data] = config_map_data(GuardSettings("s", "deny"), many)
    assert sum(len(f"{key}{value}".encode()) for key, value in data.items()) + rules.LONGEST_LISTS < 1_000_000


def _known(data: Any) -> dict[str, str]:
    assert not has_unknown(data)
    return dict(data)


@given(st.text(max_size=80) | NAMES | st.builds("{}/{}".format, NAMES, NAMES))
def test_names_of_stacks(name: str) -> None:
    key = stack_key(name)
    assert re.fullmatch(SUBDOMAIN, f"x-{key}-x")
    assert re.fullmatch(VALUE, key)
    assert len(key) <= 40
    assert stack_key(f"{name}x") != key
    assert stack_key(name.upper()) != key or name.upper() == name


@given(st.lists(st.tuples(SHORT, SHORT), unique=True, max_size=40))
def test_two_stacks_have_two_names(stacks: list[tuple[str, str]]) -> None:
    assert len({stack_key(f"{project}/{stack}") for project, stack in stacks}) == len(stacks)
    assert (stack_key("a-b/c"), stack_key("a/b-c")) == ("a-b.c", "a.b-c")


@pytest.mark.parametrize("role", ["arn:a\x1b[31m", "arn:a\u202eb", "arn:a\nb", "arn:", "role"])
def test_a_role_that_is_none(role: str) -> None:
    assert parsed_data({"a.b": f"irsa sts.amazonaws.com {role}"}) == []


def test_a_key_that_is_too_long() -> None:
    longest = GuardEntry("n" * 63, "x" * (253 - 64), "arn:aws:iam::1:role/r")
    [data] = config_map_data(GuardSettings("s", "deny"), [longest])
    assert [len(key) for key in data] == [253]
    with pytest.raises(Mistake, match=r"have 253 characters.*namespaces: {n+: off}"):
        config_map_data(GuardSettings("s", "deny"), [longest._replace(name=longest.name + "x")])


def test_a_namespace_that_is_too_large_is_named() -> None:
    many = [GuardEntry("big", f"x-{number}", "arn:aws:iam::1:role/r") for number in range(rules.MOST_ACCOUNTS + 1)]
    with pytest.raises(Mistake, match=r"601 service accounts in the namespace big.*namespaces: {big: off}"):
        config_map_data(GuardSettings("s", "deny"), many)
    assert config_map_data(GuardSettings("s", "deny", namespaces={"big": "off"}), many) == []


@pytest.mark.parametrize(
    ("of_many", "one"),
    [
        # https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
        ("arn:aws:sts::111122223333:assumed-role/", "deploy/session"),
        ("arn:aws-cn:iam::111122223333:user/", "alice"),
        # https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
        ("system:serviceaccount:ci:", "deployer"),
        ("", "deployer"),
    ],
)
def test_wide_prefixes(of_many: str, one: str) -> None:
    name = of_many + one
    for cut in range(1, len(name) + 1):
        assert is_wide_prefix(name[:cut]) == (cut <= len(of_many)), name[:cut]


WARN, DENY = ["Warn", "Audit"], ["Deny", "Audit"]


@pytest.mark.parametrize(
    ("mode", "namespaces", "found"),
    [
        ("warn", {}, {"identity": (WARN, ["a", "b"]), "identity-kube-system": (WARN, ["kube-system"])}),
        ("deny", {}, {"identity": (DENY, ["a", "b"]), "identity-kube-system": (WARN, ["kube-system"])}),
        (
            "deny",
            {"kube-system": "deny", "b": "off"},
            {"identity": (DENY, ["a"]), "identity-kube-system": (DENY, ["kube-system"])},
        ),
        (
            "deny",
            {"b": "warn", "kube-system": "off"},
            {"identity": (DENY, ["a"]), "identity-warn": (WARN, ["b"])},
        ),
        ("off", {"b": "deny"}, {"identity-deny": (DENY, ["b"])}),
    ],
)
def test_modes(mode: str, namespaces: dict[str, str], found: dict[str, Any]) -> None:
    settings = GuardSettings("s", mode, namespaces=namespaces)
    data = config_map_data(
        settings, [GuardEntry(each, "x", "arn:aws:iam::1:role/x") for each in ("a", "b", "kube-system")]
    )
    written = {
        each["metadata"]["name"].removeprefix("irsa-guard-s-"): (
            each["spec"]["validationActions"],
            each["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0]["values"],
        )
        for each in bindings(settings, [namespaces_of(each) for each in data], ["map"] * len(data))
    }
    role = written.pop("role", (WARN, []))
    assert written == found
    assert role == (WARN, sorted(namespace for _, inside in found.values() for namespace in inside))
    assert {namespace for part in data for namespace in namespaces_of(part)} == set(role[1])
    assert mode_in(settings, "kube-system") in ("off", "warn") or "kube-system" in namespaces


@pytest.mark.parametrize(
    ("identity", "ways"),
    [
        (None, "irsa"),
        ("podIdentity", "podIdentity"),
        ({"irsa": "trusted", "podIdentity": "used"}, "podIdentity"),
        ({"irsa": "used", "podIdentity": "trusted"}, "irsa"),
        ({"irsa": "used", "podIdentity": "used"}, "both"),
        # Only running Pods have the role: new ones get none, and `deny` would refuse each.
        ({"irsa": "trusted"}, None),
        ({"podIdentity": "trusted"}, None),
    ],
)
def test_the_ways_that_new_pods_get_the_role(identity: Any, ways: str | None) -> None:
    account = {"name": "a", "role_arn": "arn:aws:iam::111122223333:role/a"}
    written = {"name": "b", "role_arn": "arn:aws:iam::111122223333:role/b", "identity": identity}
    accounts = [{key: value for key, value in written.items() if value is not None}, account]
    spec, mistakes = read_guard("guard", {"mode": "deny", "service_accounts": accounts}, "irsa/dev")
    found = {
        each.name: each.ways
        for part in spec.parts
        for each in parsed_data({key: str(value) for key, value in part.data.items()})
    }
    assert (mistakes, found) == ([], {"a": "irsa"} | ({"b": ways} if ways else {}))
    assert [part.indexes for part in spec.parts] == [[1, 0] if ways else [1]]
