"""Texts of a diff in place of others: names that only look as if they were chosen."""

from typing import Any

from irsa_cli.diff.rights import Right
from irsa_cli.diff.texts import with_texts, without_suffixes
from tests.unit.irsa_cli.diff.previews import ROLE, diff, preview, resource, step, trust


def test_a_suffix_that_the_deployment_chooses_anew_is_not_shown() -> None:
    """Protects who copies a role's name: each preview makes up another end of an automatic name."""
    inputs: dict[str, Any] = {"name": "app-1a2b3c4", "__defaults": ["name"], "assumeRolePolicy": trust("a:b")}
    named = {**inputs, "name": "own-1a2b3c4", "__defaults": []}
    found = preview(*(step("create", None, resource(ROLE, each["name"], each, "")) for each in (inputs, named)))
    text_for = without_suffixes(found.steps)
    right = Right("a/b", "app-1a2b3c4", "arn:aws:iam::111122223333:role/app-1a2b3c4", "")

    changed = with_texts(diff(gains=[right], cannot_tell=[]), text_for).gains[0]
    assert (changed.role, changed.role_arn) == ("app-...", "arn:aws:iam::111122223333:role/app-...")
    assert text_for("own-1a2b3c4") == "own-1a2b3c4"
    assert text_for("other-app-1a2b3c4 app-1a2b3c45 app-1a2b3c4x") == "other-app-1a2b3c4 app-1a2b3c45 app-1a2b3c4x"
