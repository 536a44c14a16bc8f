"""How the arguments of one component are read: what is plain at once, what holds an output when that is known."""

from enum import Enum
from typing import Any

import pulumi
import pytest

from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.read import ArgumentMistakes, Arguments, is_output
from irsa.rules.mistakes import Place, path_of
from irsa.rules.policies import DEEPEST
from irsa.rules.unknown import SECRET, WRONG, has_unknown, without_missing
from irsa.spec import read, read_again

ROLE = "arn:aws:iam::111122223333:role/r"


def output(value: Any) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value)


def places(arguments: Arguments) -> list[Place]:
    return [place for place, _ in arguments.found]


@pytest.mark.parametrize(
    ("args", "fix"),
    [
        ({"service_account": "c"}, "set service_account.name to 'c'"),
        ({"service_account": {"name": "c", "audience": "a"}}, "move it to audience"),
        ({"policies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}, "write the ARNs under policy_arns"),
        ({"policies": [{"add_on": "cert-manager", "hostedZones": []}]}, "did you mean 'hosted_zones'?"),
        ({"policies": ["velero"]}, "set policies[0].add_on to 'velero'"),
        # A role and a service account have names, too.
        ({"policies": [{"add_on": "velero", "name": "mine"}]}, "move it to policy.name"),
        ({"inline_policies": {"a": {"Version": "x"}}}, "write the policy document under inline_policies.a.document"),
        ({"role": {"permisions_boundary": "r"}}, "did you mean 'permissions_boundary'?"),
    ],
)
def test_a_misplaced_argument_is_told_where_it_belongs(args: Any, fix: str) -> None:
    arguments = Arguments("my-app")
    arguments.read(args, ServiceAccountRoleKeys)

    assert fix in [mistake.fix for _, mistake in arguments.found]


@pytest.mark.parametrize("args", [None, [], "x", output({"role": {"arn": ROLE}})])
def test_arguments_that_are_no_mapping_stop_at_once(args: Any) -> None:
    arguments = Arguments("my-app")
    assert arguments.read(args, ServiceAccountRoleKeys) == ServiceAccountRoleKeys.of({})
    assert places(arguments) == [()]


@pytest.mark.parametrize("value", [[], "x", output({})])
@pytest.mark.parametrize("argument", ["service_account", "role", "trust", "policy", "policy_arns", "inline_policies"])
def test_a_mapping_whose_keys_decide_is_plain(argument: str, value: Any) -> None:
    arguments = Arguments("my-app")
    arguments.read({argument: value}, ServiceAccountRoleKeys)
    assert places(arguments)[0] == (argument,)
    assert ("it decides which resources exist" in arguments.found[0][1].allowed) is is_output(value)


def test_an_output_without_a_value_is_reported() -> None:
    name = output("x")
    arguments = Arguments("my-app", known={id(name): None})
    arguments.read({"role": {"name": name}}, ServiceAccountRoleKeys)
    assert [(place, mistake.found) for place, mistake in arguments.found] == [
        (("role", "name"), "an output without a value")
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"x-{output('a')}",
        "Calling [toString] on an [Output<T>] is not supported.",
        "<pulumi_aws.iam.role.Role object at 0x7f0000000000>",
        "a-[object Object]",
        "\ud800",
    ],
)
@pytest.mark.parametrize("place", [("role", "description"), ("role", "tags", "a")])
def test_a_string_that_no_string_should_be(text: str, place: tuple[str, ...]) -> None:
    arguments = Arguments("my-app")
    value: Any = text
    for key in reversed(place):
        value = {key: value}
    arguments.read(value, ServiceAccountRoleKeys)
    assert places(arguments) == [place]


def test_a_member_of_an_enum_is_its_value() -> None:
    class Colour(str, Enum):  # noqa: UP042 (as Pulumi generates them)
        RED = "red"

    arguments = Arguments("my-app")
    tags = arguments.read({"role": {"tags": {"colour": Colour.RED}}}, ServiceAccountRoleKeys).role.tags
    assert tags == {"colour": "red"}
    assert type(tags["colour"]) is str


@pytest.mark.parametrize(("levels", "found"), [(DEEPEST - 1, False), (DEEPEST + 1, True)])
def test_a_value_is_bounded_in_depth(levels: int, found: bool) -> None:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    arguments = Arguments("my-app")
    arguments.read({"trust": {"subjects": value}}, ServiceAccountRoleKeys)
    assert any("deep" in mistake.found for _, mistake in arguments.found) is found


class Array:
    """A value that compares by its items, as NumPy's arrays do."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


@pytest.mark.parametrize("value", [Array(), 10**5_000], ids=["an array", "a number of 5,000 digits"])
@pytest.mark.parametrize(
    ("place", "args"),
    [
        (("role", "tags", "a"), lambda value: {"role": {"tags": {"a": value}}}),
        (("role", "max_session_duration"), lambda value: {"role": {"max_session_duration": value}}),
        (("policy", "document", "Id"), lambda value: {"policy": {"document": {"Id": value, "Statement": STATEMENT}}}),
        (
            ("trust", "conditions", "NumericEquals", "aws:x"),
            lambda value: {"trust": {"conditions": {"NumericEquals": {"aws:x": value}}}},
        ),
    ],
)
def test_a_value_that_python_does_not_compare_or_write(place: Place, args: Any, value: Any) -> None:
    """The attack: an array, or a number of 5,000 digits, as an argument, which ended in a traceback."""
    arguments = Arguments("my-app")
    arguments.read(args(value), ServiceAccountRoleKeys)

    assert place in places(arguments)


@pytest.mark.parametrize(
    "args",
    [
        lambda value: {"service_account": value},
        lambda value: {"policy_arns": value},
        lambda value: {"role": {"tags": value}},
    ],
)
def test_an_output_as_a_key(args: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: an output as a key, whose text is an essay of the SDK, or an error where its setting says so."""
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")
    arguments = Arguments("my-app")
    arguments.read(args({output("x"): "y"}), ServiceAccountRoleKeys)

    assert "an output as a key" in [mistake.found for _, mistake in arguments.found]
    assert "Calling" not in str([path_of(place) for place in places(arguments)])


PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"


@pytest.mark.parametrize(
    ("arguments", "value", "place"),
    [
        (lambda later: {"assume_role_arns": later}, [], ("assume_role_arns",)),
        (
            lambda later: {"policies": [{"add_on": "external-dns", "hosted_zones": later}]},
            [f"Z{number:020}" for number in range(300)],
            ("policies", 0),
        ),
    ],
)
def test_an_output_decides_no_number_of_resources(arguments: Any, value: Any, place: Place) -> None:
    """The attack: an output by which there would be more resources, or fewer, than the preview has."""
    later = output("x")
    spec, mistakes = read(
        "my-app", {"service_account": {"name": "my-app"}, "oidc_provider_arns": [PROVIDER], **arguments(later)}
    )
    assert mistakes == []
    with pytest.raises(ArgumentMistakes) as refusal:
        read_again(spec.reading, {id(later): value}, False)
    assert [at for at, _ in refusal.value.mistakes] == [place]


def test_what_is_right_stays_beside_what_is_wrong() -> None:
    documents = {"a": {"document": {"Statement": [{**STATEMENT, "Effect": "allow"}]}}}
    role = Arguments("my-app").read(
        {"trust": {"subjects": ["a:b", "x"]}, "inline_policies": documents}, ServiceAccountRoleKeys
    )
    assert role.trust.subjects == ["a:b", WRONG]
    document = role.at(("inline_policies", "a", "document"))
    # The key that is missing is no value, and takes no room.
    assert without_missing(document.content) == {"Statement": [{**STATEMENT, "Effect": WRONG}]}
    assert has_unknown(document)


def test_an_argument_may_be_within_one_that_is_not_known() -> None:
    role = Arguments("my-app").read({"role": SECRET, "policy_arns": SECRET, "nmae": 1}, ServiceAccountRoleKeys)
    for place in (("role", "name"), ("policy_arns", "a")):
        assert (role.may_have(place), role.has(place)) == (True, False)
    assert not role.may_have(("service_account",))
    without_name = Arguments("my-app").read({"service_account": {"namespace": "a"}}, ServiceAccountRoleKeys)
    assert not without_name.may_have(("service_account", "name"))
