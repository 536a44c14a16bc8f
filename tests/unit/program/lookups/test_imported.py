from typing import Any

import pytest

from irsa.later import parsed
from irsa.spec import read
from irsa_program.lookups.imported import LiveImport, import_differences
from tests.unit.irsa_cli.adopt.scene import BLUE, statement
from tests.unit.program.live.scene import DOCUMENT
from tests.world import document

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ARGUMENTS: dict[str, Any] = {
    "oidc_provider_arns": [BLUE],
    "trust": {"subjects": ["team-a:app"]},
    "role": {"name": "app"},
    "policy_arns": {"read": READ_ONLY},
    "inline_policies": {"own": {"document": DOCUMENT}},
    "policy": {"name": "shared", "document": DOCUMENT},
    "import_": ["role", "policy", "attachments", "inlinePolicies"],
}
SHARED = "arn:aws:iam::111122223333:policy/shared"
ROLE = {"assumeRolePolicy": document(statement("team-a:app")), "maxSessionDuration": 3600, "path": "/"}
POLICY = {"policy": DOCUMENT, "path": "/", "description": ""}
AS_DECLARED = LiveImport(ROLE, [READ_ONLY, SHARED], ["own"], {SHARED: POLICY})


def found(there: LiveImport, aws: dict[str, Any] | None = None, **arguments: Any) -> list[tuple[str, str, str]]:
    mistakes = import_differences("app", parsed(read, "app", {**ARGUMENTS, **arguments}), there, aws or {})
    return [(each.rule, ".".join(map(str, each.place)), each.mistake.found) for each in mistakes]


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (AS_DECLARED._replace(inline=["own", "x; fix: y"]), 'not declared in inlinePolicies: "x; fix: y"'),
        (AS_DECLARED._replace(policies={SHARED: {**POLICY, "description": "x"}}), f"the policy {SHARED} differs"),
        # What was not read, or is not there, is said elsewhere.
        (LiveImport(), ""),
    ],
)
def test_what_differs(there: LiveImport, says: str) -> None:
    differs = found(there)

    assert [each[:2] for each in differs] == [("error", "bindings.app.import")] * bool(says)
    assert all(says in text for _, _, text in differs)


@pytest.mark.parametrize(
    ("aws", "differs"),
    [
        ({}, True),
        ({"defaultTags": {"tags": {"cost": 3, "more": "1"}}}, False),
        ({"defaultTags": '{"tags": {"cost": "3"}}'}, False),
        ({"defaultTags": {"tags": {"cost": "2"}}}, True),
        ({"ignoreTags": {"keys": ["cost"]}}, False),
        ({"ignoreTags": '{"keyPrefixes": ["co"]}'}, False),
        ({"ignoreTags": {"keyPrefixes": ["other/"]}}, True),
    ],
)
def test_tags_of_the_provider(aws: dict[str, Any], differs: bool) -> None:
    """A default tag that takes the place of one that is there is a difference: statements may ask for it.

    https://www.pulumi.com/registry/packages/aws/api-docs/provider/
    """
    there = AS_DECLARED._replace(role={**ROLE, "tagsAll": {"cost": "3"}})

    assert bool(found(there, aws)) == differs
    assert found(there, aws, role={"name": "app", "tags": {"cost": "4"}})
