"""What others did by hand, and `pulumi up` takes back: only outputs have it, and the provider's `detailedDiff`.

After a refresh, Pulumi's bridge keeps of the inputs the keys and the number of items that they had before
(`extractInputs`, https://github.com/pulumi/pulumi-terraform-bridge/blob/main/pkg/tfbridge/schema.go).
"""

import json
from typing import Any

import pytest

from tests import world
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ISSUER,
    POLICY,
    READ_ONLY,
    SECRET,
    association,
    inline,
    oidc_provider,
    resource,
    role,
    rows,
    statement,
    step,
    trust,
    update,
    with_inputs,
)
from tests.world import document

AUDIENCE = "sts.amazonaws.com"
TRUST, OF_OTHER = trust("team-a:app"), trust("team-a:app", audience="other")
ROLE, OF_PODS = role(TRUST), role(document(world.PODS))
STAYS, OTHER_STAYS = update(ROLE, ROLE), update(role(OF_OTHER), role(OF_OTHER))
DENIES = {**TRUST["Statement"][0], "Effect": "Deny"}
ALL, SAME, NARROW = (
    json.dumps(document(each)) for each in (statement("s3:*"), statement("s3:*", Sid="A"), statement("s3:GetObject"))
)
OWN, HAND = {"name": "own", "policy": ALL}, {"name": "z", "policy": json.dumps(document(statement(effect="Deny")))}
INLINE = inline(statement("s3:*"))
MANAGED = resource(POLICY, "app", {"name": "app", "policy": ALL})
BY_TAG = inline(statement("s3:*", Condition={"StringNotEquals": {"aws:PrincipalTag/by hand": "x"}}))
ASKS = update(BY_TAG, BY_TAG)
CANNOT_TELL = "permissionsCannotTell"
GATES = {"loses": "", "gains": "gains", "permission": "permissions", CANNOT_TELL: "permissions"}
OLD_TAG, NEW_TAG, HANDED = {"a": "b"}, {"a": "c"}, {"by hand": "x"}
TAGS, BESIDE = {**OLD_TAG, **HANDED}, update(INLINE, INLINE)
TAGGED, OF_SECRET_TAG = with_inputs(ROLE, tags=OLD_TAG, tagsAll=OLD_TAG), with_inputs(ROLE, tags={"a": SECRET})
SECRET_OWN = {**OWN, "policy": SECRET}
OF_OWN, NEW_HIDDEN = ([{**each, "name": "new"}] for each in (OWN, SECRET_OWN))
WITH_OWN, HIDDEN = (with_inputs(ROLE, inlinePolicies=[each]) for each in (OWN, SECRET_OWN))
OF_SECRET_BOUNDARY, OF_SECRETS = (
    with_inputs(ROLE, permissionsBoundary=SECRET),
    with_inputs(ROLE, managedPolicyArns=SECRET),
)
X = ["arn:aws:iam::aws:policy/x"]
WITH_X, LISTS = with_inputs(ROLE, managedPolicyArns=X), oidc_provider(AUDIENCE)
LIMITED, PODS_STAY = association(disableSessionTags=True), update(OF_PODS, OF_PODS)
MORE = [AUDIENCE, "more"]
# The resource as it is declared; where the provider says that it differs; what the cloud has there; what the stack
# declares from now on, so that the inputs differ, too; where that is told; the rest of the preview.
BY_HAND: dict[str, tuple[Any, str, Any, Any, str, Any]] = {
    "tag": (ROLE, 'tags["by hand"]', HANDED, {"team": "a"}, CANNOT_TELL, ASKS),
    "tag beside one": (TAGGED, "tags.by hand", TAGS, NEW_TAG, CANNOT_TELL, ASKS),
    "tag beside a secret one": (OF_SECRET_TAG, 'tags["by hand"]', TAGS, NEW_TAG, CANNOT_TELL, ASKS),
    "Deny": (ROLE, "assumeRolePolicy", json.dumps(document(*TRUST["Statement"], DENIES)), TRUST, "gains", STAYS),
    "boundary": (ROLE, "permissionsBoundary", READ_ONLY, "", CANNOT_TELL, BESIDE),
    "secret boundary": (OF_SECRET_BOUNDARY, "permissionsBoundary", SECRET, SECRET, CANNOT_TELL, BESIDE),
    "policy within": (WITH_OWN, "inlinePolicies[1]", [OWN, HAND], OF_OWN, "permission", STAYS),
    "secret policy within": (HIDDEN, "inlinePolicies[1].policy", [OWN, HAND], NEW_HIDDEN, CANNOT_TELL, STAYS),
    "secret policies attached": (OF_SECRETS, "managedPolicyArns[0]", [READ_ONLY], SECRET, CANNOT_TELL, STAYS),
    "managed policy": (MANAGED, "policy", NARROW, SAME, "permission", STAYS),
    "inline policy": (INLINE, "policy", NARROW, SAME, "permission", STAYS),
    "session policy": (LIMITED, "policy", NARROW, "", CANNOT_TELL, PODS_STAY),
    "client ID gone": (LISTS, "clientIdLists[0]", ["other"], MORE, "gains", STAYS),
    "client ID": (LISTS, "clientIdLists[1]", [AUDIENCE, "other"], MORE, "loses", OTHER_STAYS),
    "policy attached": (WITH_X, "managedPolicyArns[1]", [*X, READ_ONLY], X, "permission", STAYS),
}


@pytest.mark.parametrize("differs", [False, True])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("what", BY_HAND)
def test_what_somebody_did_by_hand(what: str, named: bool, differs: bool, diff_json: DiffJson) -> None:
    declared, path, live, from_now_on, told, beside = BY_HAND[what]
    name = path.partition(".")[0].partition("[")[0]
    old = {**declared, "outputs": {**declared["outputs"], name: live}}
    new = with_inputs(declared, **{name: from_now_on}) if differs else declared
    reasons = [name] if named else []
    kind = {"kind": "delete", "inputDiff": False}
    steps = [update(old, new, detailedDiff={path: kind}, diffReasons=reasons)]
    steps += [beside] if beside["urn"] != old["urn"] else []
    found = diff_json(*steps, gate=GATES[told])

    assert rows(found, told)
    assert found["good"] is (told == "loses")


def test_no_boundary(diff_json: DiffJson) -> None:
    """Real provider code has an empty text in the outputs of a role without one."""
    new = with_inputs(ROLE, permissionsBoundary=READ_ONLY)
    read = {**new, "outputs": {**ROLE["outputs"], "permissionsBoundary": ""}}
    imported = [step("import", None, new), step("update", read, new, diffReasons=["permissionsBoundary"])]
    empty = with_inputs(ROLE, permissionsBoundary="")

    assert not diff_json(*imported, gate="permissions")["good"]
    assert diff_json(update(ROLE, empty), update(INLINE, INLINE), gate="permissions")["good"]


def test_what_was_created_and_not_read(diff_json: DiffJson) -> None:
    """Its outputs are null: the provider of the trust policy's tokens is known by its ID, the role by its inputs."""
    provider = oidc_provider(AUDIENCE)
    nothing = {**provider, "id": provider["outputs"]["arn"], "outputs": {"arn": None, "clientIdLists": None}}
    more = update(nothing, with_inputs(nothing, clientIdLists=[AUDIENCE, "other"]), diffReasons=["clientIdLists"])
    of_other = {**role(OF_OTHER), "outputs": {"arn": None, "name": None, "tags": None}}
    found = diff_json(more, update(of_other, of_other), gate="gains")

    assert [(each["role"], each["where"]) for each in rows(found, "gains")] == [("my-role", ISSUER)]
