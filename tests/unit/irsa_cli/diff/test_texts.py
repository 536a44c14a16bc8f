"""Texts of a diff in place of others: names that only look as if they were chosen."""

from typing import Any

from irsa_cli.diff.rights import Right
from irsa_cli.diff.texts import without_suffixes
from tests.unit.irsa_cli.diff.previews import ROLE, diff, preview, resource, step, trust


def test_a_suffix_that_the_deployment_chooses_anew_is_not_shown() -> None:
    inputs: dict[str, Any] = {"name": "app-1a2b3c4", "__defaults": ["name"], "assumeRolePolicy": trust("a:b")}
    named = {**inputs, "name": "own-1a2b3c4", "__defaults": []}
    found = preview(*(step("create", None, resource(ROLE, each["name"], each, "")) for each in (inputs, named)))
    right = Right("a/b", "app-1a2b3c4", "arn:aws:iam::111122223333:role/app-1a2b3c4", "")
    stay = ("own-1a2b3c4", "other-app-1a2b3c4 app-1a2b3c45 app-1a2b3c4x")

    changed = without_suffixes(diff(gains=[right], cannot_tell=[], warnings=stay), found.steps)
    assert (changed.gains[0].role, changed.gains[0].role_arn) == ("app-...", "arn:aws:iam::111122223333:role/app-...")
    assert changed.warnings == stay
