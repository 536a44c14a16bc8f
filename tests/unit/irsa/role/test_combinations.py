from typing import Any

import pytest

from irsa.rules.mistakes import Place, path_of
from irsa.rules.unknown import OUTPUT
from irsa.spec import read
from tests.places import put
from tests.unit.irsa.test_fields import DOCUMENT, PROVIDER

ACCOUNT: dict[str, Any] = {"service_account": {"name": "app"}}
NEW: dict[str, Any] = {"oidc_provider_arns": [PROVIDER], "role": {}, "trust": {}}
EXISTING = {**ACCOUNT, "role": {"arn": "arn:aws:iam::111122223333:role/r"}, "trust": {}}


def mistakes(args: dict[str, Any]) -> list[tuple[Place, str]]:
    return [(place, f"{mistake.found}; {mistake.allowed}; {mistake.fix}") for place, mistake in read("app", args)[1]]


@pytest.mark.parametrize(
    "args",
    [
        {**NEW, "trust": {"subjects": OUTPUT}},
        {**NEW, **ACCOUNT, "trust": {"subjects": []}},
        {**NEW, "service_account": {"name": "app", "create": True, "labels": {}, "take_over": False}},
        {**NEW, "service_account": {"name": "app", "create": False, "take_over": True}},
        {**EXISTING, "service_account": {"name": "app", "labels": {}}, "audience": "a", "retain_on_delete": True},
        {**EXISTING, "import_": ["serviceAccount"]},
        {**NEW, **ACCOUNT, "role": {"name": "r"}, "import_": ["role", "attachments", "inlinePolicies"]},
    ],
)
def test_what_goes_together(args: dict[str, Any]) -> None:
    assert mistakes(args) == []


# Inputs of CreateRole, of the policies that are attached or put into a role, and of its trust policy.
OF_A_CREATED_ROLE: dict[Place, Any] = {
    **{("role", name): "x" for name in ("description", "name", "name_prefix")},
    **{("role", name): OUTPUT for name in ("max_session_duration", "path", "permissions_boundary", "tags")},
    ("role", "force_detach_policies"): False,
    **{("trust", name): [] for name in ("subjects", "statements")},
    ("trust", "any_service_account"): False,
    ("trust", "conditions"): {},
    ("policy",): {"document": DOCUMENT},
    ("policy_arns",): {},
    ("inline_policies",): {},
    ("quotas",): {},
    ("oidc_provider_arns",): [PROVIDER],
}


@pytest.mark.parametrize("argument", OF_A_CREATED_ROLE, ids=path_of)
def test_an_existing_role_is_never_changed(argument: Place) -> None:
    """Protects roles of others: no argument that would change one goes together with its ARN, whatever the value.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    found = mistakes(put(EXISTING, argument, OF_A_CREATED_ROLE[argument]))
    assert [place for place, text in found if f"role.arn together with {path_of(argument)};" in text] == [
        ("role", "arn")
    ]


CREATE, TAKE_OVER = ("service_account", "create"), ("service_account", "take_over")
KEPT = {"labels": {}, "image_pull_secrets": [], "automount_service_account_token": True}


@pytest.mark.parametrize(
    ("args", "place", "words"),
    [
        ({"role": EXISTING["role"]}, (), "role.arn without service_account"),
        (NEW, (), "no service account may assume"),
        ({**NEW, "trust": {"subjects": []}}, (), "no service account may assume"),
        *(({**NEW, "service_account": {"name": "a", "create": False, key: KEPT[key]}}, CREATE, key) for key in KEPT),
        ({**NEW, "service_account": {"name": "a", "take_over": True}}, TAKE_OVER, "irsa creates"),
        ({**NEW, "service_account": {"name": "a", "take_over": True, "create": True}}, TAKE_OVER, "irsa creates"),
    ],
)
def test_what_does_not(args: dict[str, Any], place: Place, words: str) -> None:
    ((found, text),) = mistakes(args)
    assert found == place
    assert words in text


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        *((kind, ("role", "name")) for kind in ("role", "attachments", "inlinePolicies")),
        ("policy", ("policy", "name")),
        ("serviceAccount", ("service_account", "name")),
    ],
)
def test_what_is_adopted_is_found_by_its_plain_name(kind: str, argument: tuple[str, str]) -> None:
    """Protects adoption: an import has the resource's name as its ID, which must be known before the deployment.

    Source: the "Import" section of aws.iam.Role, Policy, RolePolicyAttachment, RolePolicy and kubernetes.core/v1
    ServiceAccount in https://www.pulumi.com/registry/.
    """
    others = {**NEW, "trust": {"subjects": ["a:b"]}, "import_": [kind]}
    group: dict[str, Any] = {"document": DOCUMENT} if argument[0] == "policy" else {}
    named: dict[str, Any] = {argument[0]: {**group, argument[1]: "x"}}
    unnamed: dict[str, Any] = {argument[0]: group} if group else {}
    assert mistakes({**others, **named}) == []
    for more, says in ((unnamed, f"add {path_of(argument)}"), (put(named, argument, OUTPUT), "a plain")):
        assert [place for place, text in mistakes({**others, **more}) if says in text] == [("import_", 0)]
