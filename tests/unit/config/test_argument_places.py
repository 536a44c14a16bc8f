"""Where the component's arguments stand in a binding of a stack file."""

from collections.abc import Iterator
from typing import Any

import pytest

from config.argument_places import arguments_of, place_of, spelled
from config.models import Binding
from config.pydantic_errors import keys_at
from irsa.fields import OF_A_ROLE, Group, Keyed, Listed, Node
from irsa.rules.mistakes import Place
from irsa.rules.unknown import WRONG


def arguments(node: Node = OF_A_ROLE, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each argument, those in other arguments too."""
    if isinstance(node, Group):
        for name, each in node.fields.items():
            yield (*place, name)
            yield from arguments(each, (*place, name))
    elif isinstance(node, Keyed | Listed):
        yield from arguments(node.item, (*place, 0 if isinstance(node, Listed) else "a_b"))


@pytest.mark.parametrize("argument", [*arguments()], ids=lambda place: ".".join(map(str, place)))
def test_every_argument_has_its_place_in_a_binding(argument: Place) -> None:
    """Protects messages of the stack file: an argument that a rule names leads to a key that the models have."""
    *parents, key = place_of(argument)
    assert key in keys_at((*(() if argument[0] == "quotas" else ("bindings", "my-app")), *parents))


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (("role", "name"), "role.name"),
        (("trust", "any_service_account"), "trust.anyServiceAccount"),
        (("service_account", "token_expiration"), "serviceAccount.tokenExpiration"),
        (("policy", "name"), "policy.name"),
        (("policy_arns", 1), "policyArns[1]"),
        (("import_", 0), "import[0]"),
        (("quotas", "trust_policy_size"), "irsa:quotas.trustPolicySize"),
        (("quotas", "attached_policies"), "irsa:quotas.attachedPolicies"),
        (("policy", "tags", "a_b"), "policy.tags.a_b"),
        (("inline_policies", "a_b", "document"), "inlinePolicies.a_b.document"),
        ((), ""),
    ],
)
def test_a_stack_files_own_spelling(argument: Place, text: str) -> None:
    """Protects the reader: the words of docs/stack-file.md, also below a key, where the user's own keys stay."""
    assert spelled(argument) == text


ROLE_ARN, TAGS = "arn:aws:iam::111122223333:role/a", {"a_b": "c"}
DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
STATEMENT = {"Effect": "Allow", "Principal": {"AWS": ROLE_ARN}, "Action": "sts:AssumeRole"}
POLICY_ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"
BINDING: dict[str, Any] = {
    "serviceAccount": {"name": "a", "tokenExpiration": 600, "labels": TAGS, "createNamespace": True, "create": True},
    "identity": "both",
    "podIdentity": {"sessionTags": False, "policy": {"document": DOCUMENT}, "importIds": {"a_b": "a-12345678"}},
    "role": {"namePrefix": "a-", "permissionsBoundary": POLICY_ARN, "tags": TAGS},
    "policy": {"file": "a", "name": "a"},
    "policies": [{"addOn": "external-dns", "hostedZones": ["Z1"]}],
    "policyArns": [POLICY_ARN],
    "inlinePolicies": {"a_b": {"document": DOCUMENT}},
    "assumeRoleArns": [ROLE_ARN],
    "trust": {"subjects": ["*:*"], "anyServiceAccount": True, "statements": [STATEMENT]},
    "audience": "a",
    "import": ["role"],
    "retainOnDelete": True,
    "account": "a",
    "clusters": ["a"],
    "protect": True,
    "formerly": "b",
}
EXPECTED: dict[str, Any] = {
    "service_account": {"name": "a", "token_expiration": 600, "labels": TAGS},
    "identity": "both",
    "pod_identity": {"session_tags": False, "policy": {"document": DOCUMENT}, "import_ids": {"a_b": "a-12345678"}},
    "role": {"name_prefix": "a-", "permissions_boundary": POLICY_ARN, "tags": TAGS},
    "policy": {"name": "a"},
    "policies": [{"add_on": "external-dns", "hosted_zones": ["Z1"]}],
    "policy_arns": [POLICY_ARN],
    "inline_policies": {"a_b": {"document": DOCUMENT}},
    "assume_role_arns": [ROLE_ARN],
    "trust": {"subjects": ["*:*"], "any_service_account": True, "statements": [STATEMENT]},
    "audience": "a",
    "import_": ["role"],
    "retain_on_delete": True,
}


def test_the_keys_of_a_binding_are_its_arguments() -> None:
    """Protects the rules between arguments: each key of a binding reaches them, and nothing else does."""
    assert arguments_of(Binding.model_validate(BINDING)) == EXPECTED
    assert OF_A_ROLE.fields.keys() - EXPECTED.keys() == {"oidc_provider_arns", "cluster_arns", "quotas"}


@pytest.mark.parametrize("argument", EXPECTED)
def test_a_key_that_is_wrong_is_not_known(argument: str) -> None:
    """Protects from a traceback: what is wrong with the shape is reported by the models."""
    unknown: dict[str, Any] = {argument: WRONG}
    assert arguments_of(Binding.model_construct(**unknown)) == unknown
