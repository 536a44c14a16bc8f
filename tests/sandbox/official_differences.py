"""Where the official Kubernetes plugin of January 2026 does otherwise than the tests ask.

They ask what was recorded of 4.34, which wins, or where nothing was recorded what the stand-in does. With
OFFICIAL=built each of these tests must fail, and in this way: a difference that has gone fails too.
"""

from typing import NamedTuple

RECORDED, STAND_IN = "recorded of 4.34", "the stand-in alone"


class Difference(NamedTuple):
    """A test that fails with the plugin of January 2026: what that does, and the failure as a regular expression."""

    test: str
    asked: str
    source: str
    built: str
    failure: str


DIFFERENCES: tuple[Difference, ...] = (
    *(
        Difference(
            test,
            "the preview of a replacement under the same name succeeds: a creation that is refused is expected there",
            STAND_IN,
            "it applies beside the old object, whose actions the API server merges, and fails",
            failure,
        )
        for test, failure in (
            ("test_from_mode_to_mode", "Expecting value"),
            ("test_a_guard", "must not contain both"),
        )
    ),
    Difference(
        "test_two_teams_with_one_name",
        "`pulumi up` refuses the policies of a guard that exist",
        RECORDED,
        "takes them over",
        "assert 0 != 0",
    ),
    Difference(
        "test_states_are_those_of_the_official_plugin",
        "what is created belongs to the manager `pulumi-kubernetes`, by an update",
        RECORDED,
        "it belongs to `pulumi-kubernetes-<8 hex>`, by an apply; a namespace without labels belongs to nobody",
        "managedFields",
    ),
    *(
        Difference(
            test,
            f"{change}: the service account is updated in place",
            STAND_IN,
            "it is deleted and created: the engine asks what an unknown `metadata` would do, and it replaces",
            failure,
        )
        for test, change, failure in (
            (
                "test_the_page_has_what_a_change_does[path]",
                "a role gets another path",
                "Change the path of a role",
            ),
            (
                "test_the_page_has_what_other_defaults_do[defaultnamed]",
                "named roles get another default path",
                "Change `path` of `irsa:defaults`",
            ),
        )
    ),
)


def expected_difference(test: str) -> Difference | None:
    """Return the difference that a test is about, None for one that must pass."""
    return next((each for each in DIFFERENCES if each.test == test), None)
