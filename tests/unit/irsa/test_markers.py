"""Markers in the arguments of a component: no mistake that only one causes, and none lost that a plain value shows.

The rule is stated here without the code's own words for what a mistake depends on: by its place, and for the rules over
several arguments by a table.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from irsa.add_ons.catalog import add_on
from irsa.fields import OF_A_ROLE, Field, KeyGroup, group_of, node_at
from irsa.keys.binding import AddOnKeys
from irsa.read import ArgumentMistakes
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Located, Mistake, Place, path_of
from irsa.rules.unknown import OUTPUT, SECRET, WRONG, Unknown, later
from irsa.spec import read, read_again
from tests.places import at, copied, places, put
from tests.program.test_both_doors import values
from tests.unit.irsa.test_fields import CLUSTER_ARN
from tests.unit.irsa.test_fields import VALUES as OF_FIELDS

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"
OF_ANOTHER = PROVIDER.replace("111122223333", "444455556666")
IN_CHINA = "arn:aws-cn:iam::111122223333:policy/p"
RESOURCE = "arn:aws:s3:::my-bucket"
STATEMENT = {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:List*"], "Resource": RESOURCE}
DENY = {
    "Sid": "Deny",
    "Effect": "Deny",
    "NotAction": "s3:*",
    "NotResource": [RESOURCE, f"{RESOURCE}/*"],
    "Condition": {"StringNotEquals": {"aws:ResourceTag/team": ["a", "b"]}, "Bool": {"aws:SecureTransport": "false"}},
}
DOCUMENT = {"Version": "2012-10-17", "Id": "x", "Statement": [STATEMENT, DENY]}
TRUSTED = {
    "Sid": "Role",
    "Effect": "Allow",
    "Principal": {"AWS": ["arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/b"]},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
}
# Of what exists, of an add-on in place of a document, and what excludes another argument.
OTHERWISE = {"arn", "create", "take_over", "name_prefix", "any_service_account", *group_of(AddOnKeys).fields}
# Every argument of a role that is created, and of one that exists.
CREATED: dict[str, Any] = {
    **{name: good for name, (good, _) in OF_FIELDS.items() if "." not in name},
    **{
        outer: {
            name: OF_FIELDS[f"{outer}.{name}"][0]
            for name, each in group.fields.items()
            if name not in OTHERWISE and isinstance(each, Field)
        }
        for outer, group in OF_A_ROLE.fields.items()
        if isinstance(group, KeyGroup)
    },
    "policies": [
        {"add_on": "external-dns", "hosted_zones": ["Z123", "Z456"]},
        {"add_on": "external-secrets", "version": add_on("external-secrets").newest, "find": True}
        | {name: OF_FIELDS[f"policies.{name}"][0] for name in ("secrets", "ssm_parameters", "kms_keys")},
        {"add_on": "ebs-csi", "scope": "*"},
    ],
    "policy_arns": {"a": "arn:aws:iam::aws:policy/ReadOnlyAccess", "b": "arn:aws:iam::111122223333:policy/team/b"},
    "inline_policies": {"first": {"document": DOCUMENT}, "second": {"document": {**DOCUMENT, "Statement": DENY}}},
    "oidc_provider_arns": [PROVIDER, PROVIDER.replace("/A", "/B")],
    "cluster_arns": {"blue": CLUSTER_ARN, "green": CLUSTER_ARN.replace("my-cluster", "other")},
    "import_": ["role", "policy", "attachments", "inlinePolicies", "serviceAccount"],
}
CREATED["trust"]["statements"] = [TRUSTED, {**TRUSTED, "Sid": "Other", "Principal": {"Service": "ec2.amazonaws.com"}}]
CREATED["policy"]["document"] = DOCUMENT
CREATED["pod_identity"]["policy"] = {"document": OF_FIELDS["pod_identity.policy.document"][0]}
CREATED["service_account"]["create"] = True
NOT_ADOPTED = {name: value for name, value in CREATED.items() if name != "import_"}
NOT_ADOPTED["pod_identity"] = {name: each for name, each in CREATED["pod_identity"].items() if name != "import_ids"}
EXISTING: dict[str, Any] = {
    "role": {"arn": "arn:aws:iam::111122223333:role/r"},
    "service_account": {"name": "my-app", "namespace": "a", "create": False, "take_over": True},
    "audience": "x",
    "retain_on_delete": False,
}
# What several arguments, or parts of them, say together.
TOGETHER: Sequence[Any] = (
    *({place: "x"} for place in (("role", "name_prefix"), ("polices",), ("nmae",), ("trust", "nmae"))),
    {("role", "arn"): "arn:aws:iam::111122223333:role/r"},
    {("trust", "any_service_account"): True, ("trust", "subjects"): ["*:*"]},
    {("trust", "subjects"): ["a:b", "*:*"]},
    {("trust", "subjects"): [f"{letter}*:*" for letter in "abcdefghijklmnopqrstuvwxyz"]},
    {("trust", "subjects"): [f"ns-{number}:{'x' * 50}" for number in range(40)]},
    {("trust", "subjects"): []},
    {("oidc_provider_arns",): [PROVIDER, OF_ANOTHER, OF_ANOTHER, PROVIDER]},
    {("oidc_provider_arns",): [IN_CHINA.replace("policy/p", "oidc-provider/a/id")]},
    {("policy_arns", "a"): IN_CHINA, ("role", "permissions_boundary"): "arn:aws:iam::444455556666:policy/p"},
    {("policy_arns",): {str(number): "arn:aws:iam::aws:policy/A" for number in range(10)}},
    {("policy_arns", "my-app-2"): "arn:aws:iam::aws:policy/A"},
    {("policy", "document", "Statement", 0, "Resource"): [f"{RESOURCE}/{'x' * 1000}"] * 5},
    {("policy", "document", "Statement"): [{**STATEMENT, "Sid": f"s{n}", "Resource": RESOURCE * 60} for n in range(9)]},
    {("policy", "document", "Statement", 1, "Sid"): "Read"},
    {("policy", "document", "Statement", 1, "NotResource"): "arn:aws-cn:s3:::b"},
    {("policy", "name"): "x" * 127},
    {("policy", "tags"): {f"t{number}": "" for number in range(51)}},
    {("inline_policies", "first", "document", "Statement", 0, "Resource"): [f"{RESOURCE}/{'x' * 1000}"] * 10},
    {("inline_policies", "assume-roles"): {"document": DOCUMENT}},
    {("inline_policies", "first", "document"): '{"Version": "2012-10-17", "Statement": []}'},
    {("trust", "statements", 1, "Sid"): "Role"},
    {("trust", "statements", 1, "Principal"): {"AWS": ["x*", ""]}},
    {("trust", "statements", 0, "Condition"): {"StringEquals": {"x:sub": ["a*", 5]}, "Nothing": {"a": []}}},
    {("trust", "conditions"): {"StringEquals": {"x:sub": "a*"}, "StringLike": {"x:AUD": "b", "aws:x": [5, "y"]}}},
    {("trust", "conditions"): {"StringEquals": {f"aws:{number}": "x" * 40 for number in range(50)}}},
    {("role", "tags"): {"a": 10**30, "aws:x": "y"}},
    {("policy", "document"): {**DOCUMENT, "Version": "x", "Id": {1}}},
    {("role", "tags"): {"Team": "a", "team": "b", "TEAM": "c"}},
    {("role", "tags"): {f"t{number}": "" for number in range(51)}},
    {("cluster_arns", "blue"): CLUSTER_ARN, ("pod_identity", "import_ids", "blue"): "a-1"},
    {("service_account", "create"): False},
    {("service_account", "create"): False, ("service_account", "labels"): {}, ("service_account", "take_over"): True},
    {("service_account", "take_over"): True},
)
# Over what several parts say: what is found or allowed, and the parts. With less known of these, such a mistake may go.
SUBJECTS: Place = ("trust", "subjects")
OF_WAYS: list[Place] = [("identity",), ("pod_identity",), ("cluster_arns",), SUBJECTS, ("service_account",)]
TRUST = ("trust", "oidc_provider_arns", "audience", "service_account")
IN_AWS_ACCOUNT = ("oidc_provider_arns", "policy_arns", "policy", "inline_policies", "cluster_arns")
SEVERAL: Mapping[str, Sequence[Place]] = {
    "characters of the trust policy": [*OF_WAYS, *((name,) for name in TRUST), ("quotas", "trust_policy_size")],
    "^statement .* alone": [("policy", "document")],
    "characters of all inline policies": [("inline_policies",), ("assume_role_arns",)],
    "managed policies of the role": [("policy_arns",), ("policy",), ("quotas", "attached_policies")],
    "name of a part of the split policy": [("policy", "document")],
    "too many for an IAM policy name": [("policy", "document")],
    "tags of the role": [("role", "tags")],
    "tags of the policy": [("policy", "tags")],
    "in the partition|in the AWS account": [("role", "permissions_boundary"), *((name,) for name in IN_AWS_ACCOUNT)],
    "every service account of the cluster": [SUBJECTS, ("trust", "any_service_account")],
    # An add-on may have a usual service account, which is then trusted.
    "no service account may assume": [SUBJECTS, ("policy", "add_on")],
    "for a service account that irsa creates": [("service_account", "create")],
    "'serviceAccount', together with": [("service_account", "create")],
    "'serviceAccount' without": [("service_account",)],
    "'policy' without": [("policy",)],
    "'(role|attachments|inlinePolicies)' without": [("role", "name")],
    # Only with nothing known of the mapping, which may be empty.
    "role.arn together with": [("trust", "")],
    "role.arn without|of an existing role": [("role", "")],
    "without (Pod Identity|IRSA)$|no role$|wildcards|^Pod Identity without|key of a cluster|session policy": OF_WAYS,
    "no request|^neither role.arn": [*OF_WAYS, ("role", "")],
}  # fmt: skip
# These are found in the first place that differs from others, or hide others: a marker may move one among its parts.
MOVES = "in the partition|in the AWS account|every service account of the cluster"
# Places of values that are judged as a whole: those of a condition's key, and of a kind of principal.
WHOLE = "compares as a string|compares . and|a string, or a list of strings|wildcard in a part"

# An argument that must be plain is refused as a whole where it is an output.
ONLY_PLAIN = "a plain|decides which resources exist"

UNKNOWN = st.sampled_from([SECRET, WRONG, OUTPUT])
# Of any kind; the last ones are wrong for every argument, and what is beside them is judged all the same.
ODD = st.sampled_from(
    [5, True, 2.5, "x", "*", "", [], {}, [5], {"a": 5}, "日本", "a b", "arn:aws:x", DENY]
) | st.sampled_from([{5: "a"}, 10**30, float("nan"), {"a"}, "<pulumi.Output object at 0x1f>"])


def without(value: dict[str, Any], place: Place) -> dict[str, Any]:
    result: dict[str, Any] = copied(value)
    del at(result, place[:-1])[place[-1]]
    return result


# Those that have a value, but not those below a key of the caller's.
ARGUMENTS = [place for name in OF_FIELDS if isinstance(node_at(place := tuple(name.split("."))), Field)]


@st.composite
def cases(draw: st.DrawFn, bases: Sequence[dict[str, Any]], most: int) -> tuple[dict[str, Any], Place]:
    """Arguments with some changes, of which most are mistakes, and a place in them: often one that was changed."""
    args, changed = copied(draw(st.sampled_from(bases))), []
    for _ in range(draw(st.integers(0, most))):
        kind = draw(st.sampled_from(["together", "argument", "part", "fewer"]))
        place = draw(st.sampled_from(ARGUMENTS if kind == "argument" else [*places(args)][1:]))
        if kind == "together":
            changes = draw(st.sampled_from(TOGETHER))
        elif kind == "argument":
            bad = st.sampled_from(OF_FIELDS[".".join(map(str, place))][1])
            changes = {place: draw(bad | values(place))}
        else:
            changes = {place: draw(ODD)} if kind == "part" else {}
            args = args if changes else without(args, place)
        for place, value in changes.items():
            args = put(args, place, value)
        changed += changes
    args = args or {"trust": {"subjects": []}}
    every = [*places(args)][1:]
    near = [place[:length] for place in changed for length in range(1, len(place) + 1)]
    return args, draw(st.sampled_from([place for place in near if place in every] or every) | st.sampled_from(every))


CASES = cases([CREATED, NOT_ADOPTED, EXISTING], 3)


def plain_argument(place: Place) -> Place:
    """Return the argument of a place, where that can't be an output; else the place."""
    outer = (place[:length] for length in range(1, len(place)))
    return next((each for each in outer if getattr(node_at(each), "plain", "")), place)


def mistakes(args: dict[str, Any]) -> Sequence[Located]:
    return read("my-app", args)[1]


def parts_of(mistake: Mistake) -> Iterator[Place]:
    """Yield the parts of arguments over which a rule finds a mistake."""
    for pattern, parts in SEVERAL.items():
        if re.search(pattern, mistake.found):
            yield from parts


def within(place: Place, outer: Place) -> bool:
    """Return whether a place is in another one; a key that is no string is its text in a mistake's place."""
    return [*map(str, place)][: len(outer)] == [*map(str, outer)]


def may_go(args: dict[str, Any], located: Located, replaced: Place) -> bool:
    """Return whether a mistake may go when a part of the arguments is not known."""
    place, mistake = located
    # What the parameters of an add-on mean, the add-on says.
    if within(place, replaced[:-1] if replaced[-1] == "add_on" else replaced):
        return True
    parts = [*parts_of(mistake)]
    if re.search(WHOLE, f"{mistake.found} {mistake.allowed}"):
        parts.append(place)
    if any(within(replaced, part) or within(part, replaced) for part in parts):
        return True
    if place[-1:] == ("Sid",) and "already has" in mistake.found:
        return any(within((*place[:-2], index, "Sid"), replaced) for index in range(place[-2]))  # type: ignore[arg-type]
    # It is on an operator's keys, and their values do not matter.
    return "which irsa writes itself" in mistake.found and len(replaced) == len(place) + 1 and within(replaced, place)


def not_only_plain(found: Sequence[Located]) -> Sequence[Located]:
    return [each for each in found if not re.search(ONLY_PLAIN, each[1].allowed)]


def assert_none_appears(before: Sequence[Located], after: Sequence[Located]) -> None:
    moving = any(re.search(MOVES, mistake.found) for _, mistake in before)
    known = {place for place, _ in before}
    new = [each for each in after if each[0] not in known and not (moving and re.search(MOVES, each[1].found))]
    assert not new


def assert_beside_a_marker(args: dict[str, Any], place: Place, unknown: Unknown) -> None:
    """Assert that a marker causes no mistake, and hides none of those that are not about it.

    Only an argument that must be plain may not be an output.
    """
    before, after = mistakes(args), mistakes(put(args, place, unknown))
    if unknown is OUTPUT:
        place = plain_argument(place)
    told = {(where, mistake.allowed) for where, mistake in after}
    lost = [each for each in before if (each[0], each[1].allowed) not in told and not may_go(args, each, place)]
    assert not lost
    assert_none_appears(before, not_only_plain(after) if unknown is OUTPUT else after)


@settings(max_examples=150)
@given(case=CASES, unknown=UNKNOWN)
def test_a_marker_causes_no_mistake_and_hides_none(case: tuple[dict[str, Any], Place], unknown: Unknown) -> None:
    args, place = case
    # With an existing role, what is of a created one is a mistake already, and judged no further.
    assume(place != ("role",) or "arn" not in mapping_of(args.get("role")))
    assert_beside_a_marker(args, place, unknown)


@pytest.mark.parametrize("secrets", [["x"], [5], SECRET, [OUTPUT]], ids=str)
def test_each_parameter_of_an_add_on_is_judged(secrets: Any) -> None:
    key = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    of_add_on = {"add_on": "external-secrets", "secrets": secrets, "kms_keys": [key]}
    args = {"oidc_provider_arns": [PROVIDER.replace("arn:aws:", "arn:aws-cn:")], "policies": [of_add_on]}
    assert [mistake.fix for at, mistake in mistakes(args) if at[2:3] == ("kms_keys",)] == ["write aws-cn instead"]


@pytest.mark.parametrize("changes", TOGETHER, ids=lambda changes: " ".join(map(path_of, changes)))
def test_a_marker_in_what_is_said_together(changes: Mapping[Place, Any]) -> None:
    args = CREATED
    for place, value in changes.items():
        args = put(args, place, value)
    for changed, value in changes.items():
        parts = [changed[:length] for length in range(1, len(changed))]
        for part in [*parts, *(changed + inner for inner in [*places(value)][:3])]:
            for unknown in (SECRET, OUTPUT):
                assert_beside_a_marker(args, part, unknown)


@settings(max_examples=60)
@example(
    case=(
        put(NOT_ADOPTED, ("trust", "statements"), [{**TRUSTED, "Principal": {"AWS": [10**30]}}]),
        ("trust", "statements"),
    )
)
@example(case=({**EXISTING, "pod_identity": {"tags": {"team": "a"}}}, ("pod_identity", "tags")))
@given(case=cases([NOT_ADOPTED, EXISTING], 1))
def test_what_an_output_hides_is_found_when_it_is_known(case: tuple[dict[str, Any], Place]) -> None:
    args, place = case
    value = at(args, place)
    before = mistakes(args)
    later_known = pulumi.Output.from_input(None)
    spec, after = read("my-app", put(args, place, later_known))
    if after:
        assert_none_appears(before, not_only_plain(after))
        return

    refused: list[Located] = []
    try:
        read_again(spec.reading, {id(later_known): value}, False)
    except ArgumentMistakes as error:
        refused += error.mistakes
    assert_none_appears(before, not_only_plain(refused))
    assert bool(not_only_plain(refused)) == bool(not_only_plain(before))


@settings(max_examples=60)
@given(case=CASES)
def test_what_is_looked_up_later_causes_no_mistake_and_hides_none(case: tuple[dict[str, Any], Place]) -> None:
    args, place = case
    text = at(args, place)
    if isinstance(text, str):
        assert_beside_a_marker(args, place, later(text))
