from typing import Any

import pytest

from irsa.keys.binding import Keys, Policy, Role, ServiceAccount, ServiceAccountRole, Trust
from irsa.role.combinations import OF_A_CREATED_SERVICE_ACCOUNT, combination_mistakes
from irsa.rules.mistakes import Located, Place, path_of
from irsa.rules.unknown import OUTPUT

ACCOUNT: dict[Place, Any] = {("service_account", "name"): "app"}
EXISTING_ROLE: dict[Place, Any] = {("role", "arn"): "arn:aws:iam::111122223333:role/r", **ACCOUNT}


MODELS: dict[str, type[Keys]] = {"service_account": ServiceAccount, "role": Role, "trust": Trust, "policy": Policy}


def mistakes(given: dict[Place, Any]) -> list[Located]:
    args: dict[Any, Any] = {}
    for (name, *inner), value in given.items():
        args[name] = {**args.get(name, {}), inner[0]: value} if inner else value
    of_models = {name: MODELS[name].of(each) if isinstance(each, dict) else each for name, each in args.items()}
    return [*combination_mistakes(ServiceAccountRole.of(of_models), path_of)]


def found(given: dict[Place, Any]) -> list[tuple[Place, str]]:
    return [(place, mistake.found) for place, mistake in mistakes(given)]


@pytest.mark.parametrize(
    "given",
    [
        ACCOUNT,
        {("trust", "subjects"): OUTPUT},
        {**ACCOUNT, ("trust", "subjects"): []},
        {**ACCOUNT, ("service_account", "create"): True, ("service_account", "labels"): {}},
        {**EXISTING_ROLE, ("service_account", "labels"): {}, ("audience",): "a", ("retain_on_delete",): True},
        {**EXISTING_ROLE, ("import_",): ["serviceAccount"]},
        {**ACCOUNT, ("role", "name"): "r", ("import_",): ["role", "attachments", "inlinePolicies"]},
        {**ACCOUNT, ("import_",): []},
    ],
)
def test_what_goes_together(given: dict[Place, Any]) -> None:
    assert found(given) == []


# Inputs of CreateRole, of the policies that are attached or put into a role, and of its trust policy.
OF_A_CREATED_ROLE = [
    *(("role", name) for name in ("description", "max_session_duration", "path", "permissions_boundary", "tags")),
    *(("role", name) for name in ("name", "name_prefix", "force_detach_policies")),
    *(("trust", name) for name in ("subjects", "any_service_account", "conditions", "statements")),
    *((name,) for name in ("policy", "policy_arns", "inline_policies", "quotas", "oidc_provider_arns")),
]


@pytest.mark.parametrize("argument", OF_A_CREATED_ROLE, ids=path_of)
def test_an_existing_role_is_never_changed(argument: Place) -> None:
    """Protects roles of others: no argument that would change one goes together with its ARN, whatever the value.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    values: tuple[Any, ...] = ("x", [], OUTPUT)
    for value in values:
        together = f"role.arn together with {path_of(argument)}"
        assert found({**EXISTING_ROLE, argument: value}) == [(("role", "arn"), together)]


def test_an_existing_role_needs_an_account() -> None:
    assert found({("role", "arn"): "arn:aws:iam::111122223333:role/r"}) == [((), "role.arn without service_account")]


@pytest.mark.parametrize("given", [{}, {("trust", "subjects"): []}, {("role", "name"): "r"}])
def test_a_role_needs_somebody_who_may_assume_it(given: dict[Place, Any]) -> None:
    assert found(given) == [((), "no service account may assume the role")]


@pytest.mark.parametrize("argument", OF_A_CREATED_SERVICE_ACCOUNT, ids=path_of)
def test_an_existing_account_keeps_what_it_has(argument: Place) -> None:
    given = {**ACCOUNT, ("service_account", "create"): False, argument: {}}
    ((place, words),) = found(given)
    assert place == ("service_account", "create")
    assert path_of(argument) in words


@pytest.mark.parametrize("create", [{}, {("service_account", "create"): True}])
def test_only_an_existing_account_is_taken_over(create: dict[Place, Any]) -> None:
    given = {**ACCOUNT, ("service_account", "take_over"): True}
    ((place, words),) = found({**given, **create})
    assert place == ("service_account", "take_over")
    assert "irsa creates" in words
    assert found({**given, ("service_account", "create"): False}) == []
    assert found({**ACCOUNT, **create, ("service_account", "take_over"): False}) == []


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("role", ("role", "name")),
        ("attachments", ("role", "name")),
        ("inlinePolicies", ("role", "name")),
        ("policy", ("policy", "name")),
        ("serviceAccount", ("service_account", "name")),
    ],
)
def test_what_is_adopted_is_found_by_its_plain_name(kind: str, argument: Place) -> None:
    """Protects adoption: an import has the resource's name as its ID, which must be known before the deployment.

    Source: the "Import" section of aws.iam.Role, Policy, RolePolicyAttachment, RolePolicy and kubernetes.core/v1
    ServiceAccount in https://www.pulumi.com/registry/.
    """
    others: dict[Place, Any] = {("trust", "subjects"): ["a:b"], ("import_",): [kind]}
    named = {**others, argument: "x"}
    assert found(named) == []
    ((place, mistake),) = mistakes(others)
    assert place == ("import_", 0)
    assert mistake.fix == f"add {path_of(argument)}"
    ((place, mistake),) = mistakes({**named, argument: OUTPUT})
    assert place == ("import_", 0)
    assert path_of(argument) in mistake.allowed
