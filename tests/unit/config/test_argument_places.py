"""Where the component's arguments stand in a binding of a stack file."""

from typing import Any

import pytest

from config.argument_places import PLACES, QUOTAS, arguments_of, place_of, spelled
from config.pydantic_errors import keys_at
from irsa.args import PolicyArgs, ServiceAccountArgs, ServiceAccountRoleArgs
from irsa.rules.mistakes import Place

ARGUMENTS: list[Place] = [
    *((name,) for name in ServiceAccountRoleArgs.__annotations__),
    *(("service_account", name) for name in ServiceAccountArgs.__annotations__),
    *(("policy", name) for name in PolicyArgs.__annotations__),
]


@pytest.mark.parametrize("argument", ARGUMENTS, ids=".".join)
def test_every_argument_has_its_place_in_a_binding(argument: Place) -> None:
    """Protects messages of the stack file: an argument that a rule names leads to a key that the models have."""
    if argument in QUOTAS:
        setting, quota = QUOTAS[argument].removeprefix("irsa:").split(".")
        assert quota in keys_at((setting,))
        return
    *parents, key = place_of(argument)
    assert key in keys_at(("bindings", "my-app", *parents))


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (("role_name",), "role.name"),
        (("any_service_account",), "trust.anyServiceAccount"),
        (("service_account", "token_expiration"), "serviceAccount.tokenExpiration"),
        (("policy", "name"), "policy.name"),
        (("policy_arns", 1), "policyArns[1]"),
        (("import_existing", 0), "import[0]"),
        (("trust_policy_size_quota",), "irsa:quotas.trustPolicySize"),
        (("attached_policies_quota",), "irsa:quotas.attachedPolicies"),
        (("policy", "tags", "a_b"), "policy.tags.a_b"),
        ((), ""),
    ],
)
def test_a_stack_files_own_spelling(argument: Place, text: str) -> None:
    """Protects the reader: the words of docs/stack-file.md, also below a key, where the user's own keys stay."""
    assert spelled(argument) == text


@pytest.mark.parametrize("argument", [each for each in PLACES if each not in (("service_account",), ("policy",))])
def test_a_key_of_a_binding_is_its_argument(argument: Place) -> None:
    """Protects the rules between arguments: each key of a binding reaches them, and nothing else does."""
    binding: Any = "the value"
    for key in reversed(PLACES[argument]):
        binding = {key: binding}
    assert arguments_of(binding) == {argument: "the value"}


def test_keys_below_are_arguments_too() -> None:
    """Protects the rules about a service account and a policy, whose keys are arguments of their own."""
    found = arguments_of({"serviceAccount": {"name": "a", "tokenExpiration": 600, 5: "x"}, "policy": {"file": "p"}})
    assert found[("service_account", "token_expiration")] == 600
    assert found[("policy", "file")] == "p"
    assert set(found) == {
        ("service_account",),
        ("service_account", "name"),
        ("service_account", "token_expiration"),
        ("policy",),
        ("policy", "file"),
    }


def test_account_counts_without_an_argument() -> None:
    """Protects existing roles: `account` would change one, though no argument has its name."""
    assert set(arguments_of({"assumeRoleArns": [], "account": "a"})) == {("assume_role_arns",), ("account",)}


@pytest.mark.parametrize("binding", [{}, {"role": None}, {"role": "x", "trust": []}, {"serviceAccountt": {}}])
def test_values_of_any_shape(binding: dict[str, Any]) -> None:
    """Protects from a traceback: what is wrong with the shape is reported by the models."""
    assert arguments_of(binding) == {}
