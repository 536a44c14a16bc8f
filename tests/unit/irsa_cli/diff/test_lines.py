"""A diff as lines of text."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from irsa.rules.mistakes import visible
from irsa_cli.diff.changes import BindingChange, PropertyChange, ResourceChange
from irsa_cli.diff.lines import headline, rows_of
from irsa_cli.diff.output import Diff
from irsa_cli.diff.permissions import PermissionChange
from irsa_cli.diff.rights import Right, Undecided
from irsa_cli.diff.statements import Element, StatementChange
from tests.unit.irsa_cli.diff.previews import ISSUER, OTHER_ISSUER, diff

ARN = "arn:aws:iam::111122223333:role/my-role"
WORKER = Right("team-a/worker", "my-role", ARN, ISSUER)


def text(found: Diff) -> str:
    return "\n".join(line for row in rows_of(found) for line in row.lines)


def change(**values: Any) -> ResourceChange:
    return ResourceChange(
        **{
            "operation": "update",
            "word": "update",
            "kind": "role",
            "name": "my-role",
            "cluster": "",
            "urn": "",
            **values,
        }
    )


def test_what_is_not_certain() -> None:
    unknown = change(settings=(PropertyChange("description", None, None, unknown=True),))
    found = diff(
        bindings=[BindingChange("app", (unknown,))],
        may_gain=[WORKER],
        cannot_tell=[Undecided("other-role", "", "its trust policy is not known until `pulumi up`")],
        other_principals=["third-role"],
    )
    lines = text(found).splitlines()

    assert lines[:2] == [
        "gains: nobody; loses: nobody; may gain: 1 (below); cannot tell: 1 (below); other",
        "    principals: 1 (below)",
    ]
    assert "~ may gain: team-a/worker -> my-role" in lines
    assert "+   description: (not known until `pulumi up`)" in lines
    assert "~ cannot tell: other-role: its trust policy is not known until `pulumi up`" in lines
    assert "~ other principals: third-role" in lines


def test_a_role_of_the_name_nobody() -> None:
    """The attack: `other principals: nobody`, of a role that is called so and trusts somebody else."""
    undecided = [Undecided("nobody", "", "its trust policy is a secret")]
    found = diff(other_principals=["nobody"], cannot_tell=undecided)

    assert dict(headline(found)) == {
        "gains": "nobody",
        "loses": "nobody",
        "cannot tell": '"nobody"',
        "other principals": '"nobody"',
    }


def test_a_pattern_has_examples() -> None:
    names = tuple(f"a/{index}" for index in range(7))
    found = text(diff(gains=[Right("a/*", "my-role", ARN, ISSUER, names), Right("*/*", "my-role", ARN, ISSUER)]))

    assert "+ a/* -> my-role (such as a/0, a/1, a/2, a/3, a/4, and 2 more)\n" in found
    assert "+ every service account -> my-role\n" in found


def test_clusters_and_accounts_are_told_apart() -> None:
    other = ARN.replace("111122223333", "444455556666")
    rights = [WORKER, Right("team-a/worker", "my-role", other, OTHER_ISSUER)]
    found = text(diff(gains=rights, clusters={ISSUER: "blue"}))

    assert f"+ team-a/worker in blue -> {ARN}\n" in found
    assert f"+ team-a/worker in {OTHER_ISSUER} -> {other}\n".replace("\n", "") in re.sub(r"\n\+     ", " ", found)


# Some take no column or two, and some do so beside others: https://www.unicode.org/reports/tr11/
CHARACTERS = st.characters(codec="utf-8") | st.sampled_from("\u1161\u0301\u6f22\ufe0f\u200d\u00a9#[\x1b ")
# The attack: names and policies that mention people, close our elements, or become HTML, links or images.
HOSTILE = [
    *("@octocat", "<img src=x onerror=alert(1)>", "</details></code><b>", "a|b|c", "`@octocat`", "``` @octocat"),
    *("```\n\n# @octocat", "````", "![x](https://example.org/x.png)", "[x](javascript:alert(1))"),
    *("https://example.org/#1", "&lt;b&gt; &#64;octocat", "-->", "x\n\n<b>@octocat</b>\n", "\\`@octocat\\`"),
]
TEXTS = st.text(CHARACTERS, min_size=1, max_size=200) | st.sampled_from(HOSTILE)
ELEMENTS = st.lists(st.builds(Element, TEXTS, TEXTS), max_size=3).map(tuple)
STATEMENTS = st.builds(
    StatementChange,
    TEXTS,
    st.sampled_from(["Allow", "Deny"]),
    st.sampled_from(["added", "removed", "changed"]),
    ELEMENTS,
    ELEMENTS,
)
SETTINGS = st.builds(PropertyChange, TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.booleans(), st.booleans())
RESOURCES = st.builds(
    ResourceChange,
    *[TEXTS] * 6,
    st.booleans(),
    st.lists(TEXTS, max_size=3).map(tuple),
    TEXTS,
    st.lists(STATEMENTS, max_size=2).map(tuple),
    st.lists(SETTINGS, max_size=2).map(tuple),
)
RIGHTS = st.lists(st.builds(Right, TEXTS, TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=7).map(tuple)), max_size=3)
DIFFS = st.builds(
    Diff,
    TEXTS,
    RIGHTS,
    RIGHTS,
    RIGHTS,
    RIGHTS,
    st.lists(st.builds(Undecided, TEXTS, TEXTS, TEXTS), max_size=2),
    st.lists(TEXTS, max_size=2),
    st.just({}),
    st.lists(st.builds(BindingChange, TEXTS, st.lists(RESOURCES, max_size=2).map(tuple)), max_size=3),
    st.lists(RESOURCES, max_size=2),
    st.integers(0, 10**6),
    st.lists(TEXTS, max_size=2),
    st.lists(TEXTS, max_size=2),
    permissions=st.lists(
        st.builds(
            PermissionChange,
            TEXTS,
            TEXTS,
            st.sampled_from(["gains", "loses"]),
            st.lists(TEXTS, max_size=7).map(tuple),
            st.lists(TEXTS, max_size=7).map(tuple),
            st.sampled_from(["all", "some", "cannot tell"]),
            st.just("") | TEXTS,
        ),
        max_size=3,
    ),
    permissions_cannot_tell=st.lists(st.builds(Undecided, TEXTS, TEXTS, TEXTS), max_size=2),
)


@given(DIFFS)
def test_lines_of_any_text(found: Diff) -> None:
    for row in rows_of(found):
        assert row.lines
        for line in row.lines:
            assert line.isprintable()
            # No line has two pieces and more than 80 columns: what is after its indentation is one of the pieces.
            assert cell_len(line) <= 80 or line.lstrip("+-~ ") in {visible(each).lstrip("+-~ ") for each in row.pieces}
            assert not row.sign or line.startswith(f"{row.sign} ")
