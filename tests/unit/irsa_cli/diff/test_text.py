"""A diff as lines of text and as Markdown, read by a CommonMark parser; and the example of docs/commands/diff.md."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

from irsa_cli.diff.render import lines_of, markdown
from irsa_cli.diff.rows import Diff, Row, in_order
from irsa_cli.main import main
from tests.unit.irsa_cli.diff.previews import (
    POLICY,
    digest,
    resource,
    role,
    step,
    trust,
    update,
    without_outputs,
)

COMMAND = "irsa diff --stack dev"
# "Maximum is 65536 characters": what GitHub's API answers to a longer comment.
GITHUB = 65_536
OWN_WORDS = re.compile(r"irsa diff: stack|\d[\d,]* more lines|are not shown|shows them\.|[;:.\s]")
ONE = trust("team-a:app")


def test_a_role_of_the_name_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: `cannot tell: who may assume nobody`, of a role that is called so."""
    (tmp_path / "preview.json").write_text(digest([update(role(ONE, "nobody"), role("x", "nobody"))]))
    main(["diff", "--preview", str(tmp_path / "preview.json")])

    assert 'who may assume "nobody"' in capsys.readouterr().out


# --- whatever text there is -------------------------------------------------------------------------------------------

# Some take no column or two, and some do so beside others: https://www.unicode.org/reports/tr11/
CHARACTERS = st.characters(codec="utf-8") | st.sampled_from("\u1161\u0301\u6f22\ufe0f\u200d\u00a9#[\x1b ")
# The attack: names and policies that mention people, close our elements, or become HTML, links or images.
HOSTILE = [
    *("@octocat", "<img src=x onerror=alert(1)>", "</details></code><b>", "a|b|c", "`@octocat`", "``` @octocat"),
    *("```\n\n# @octocat", "````", "![x](https://example.org/x.png)", "[x](javascript:alert(1))"),
    *("https://example.org/#1", "&lt;b&gt; &#64;octocat", "-->", "x\n\n<b>@octocat</b>\n", "\\`@octocat\\`"),
]
TEXTS = st.text(CHARACTERS, min_size=1, max_size=200) | st.sampled_from(HOSTILE)


ROWS = st.builds(
    Row,
    st.sampled_from(["unread", "session", "principals", "permission", "guard", "resource", "note"]),
    st.sampled_from(["gains", "loses", "changes", "delete", "replace"]),
    TEXTS,
    st.sampled_from(["certain", "may", "cannot tell"]),
    st.lists(TEXTS, max_size=2),
    st.sampled_from(["", "dangerous", "may be dangerous"]),
)
DIFFS = st.builds(Diff, TEXTS, st.lists(ROWS, max_size=4), st.dictionaries(TEXTS, st.integers(0, 9), max_size=2))


def outside_of_code(text: str) -> str:
    """Return what a reader of the Markdown gets as text, or as HTML: all but code spans and code blocks."""
    every = [
        each for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text) for each in token.children or [token]
    ]
    return "\n".join(each.content for each in every if each.type not in {"code_inline", "fence"})


@given(DIFFS)
def test_any_text_stays_in_its_line_and_in_code(found: Diff) -> None:
    signed = [each.text for each in lines_of(found) if each.style != "bold"]
    for text in (each.text for each in lines_of(found)):
        assert text.isprintable()
    assert all(re.match("[+~-] ", each) for each in signed)
    comment = markdown(found, COMMAND)
    outside = outside_of_code(comment)

    assert OWN_WORDS.sub("", outside) == "", outside
    assert len(comment) + 200 <= GITHUB


@given(st.lists(st.from_regex("[a-z]{1,30}", fullmatch=True), min_size=1))
def test_a_line_has_80_columns(words: list[str]) -> None:
    found = Diff("dev", [Row("session", "gains", " ".join(words), details=[" ".join(words)])])

    assert all(cell_len(each.text) <= 80 for each in lines_of(found))


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_what_may_be_dangerous_is_not_cut() -> None:
    """The attack: so many harmless gains that the one that matters is among what the comment does not show."""
    many = [Row("session", "gains", f"team-{index}/app -> my-role") for index in range(4_000)]
    last = [
        Row("permission", "gains", "admin gains * on *", danger="dangerous"),
        Row("guard", "loses", "more may avoid it", danger="dangerous"),
        Row("permission", "changes", "what secret-role may do", "cannot tell", ["a policy is a secret"]),
    ]
    comment = markdown(Diff("dev", in_order([*many, *last])), COMMAND)

    assert comment.partition("\n\n")[2].startswith("`dangerous: admin gains * on *, and 1 more; gains: team-0/app")
    block = comment.partition("```diff")[2]
    assert all(each in block for each in ("admin gains * on *", "more may avoid it", "what secret-role may do"))
    (cut,) = re.findall(r"\*\*([\d,]+) more lines are not shown\*\*: `irsa diff --stack dev` shows them.", comment)
    assert int(cut.replace(",", "")) + block.count("\n+ team-") == 4_000
    assert len(comment) + 200 <= GITHUB


# --- the example of docs/commands/diff.md ----------------------------------------------------------------------------

PAGE = Path(__file__).parents[4] / "docs" / "commands" / "diff.md"


def policy(actions: list[str], *buckets: str) -> dict[str, Any]:
    arns = [f"arn:aws:s3:::{each}/*" for each in buckets]
    statement = {"Sid": "Read", "Effect": "Allow", "Action": actions, "Resource": arns}
    inputs = {"name": "reports", "policy": {"Version": "2012-10-17", "Statement": [statement]}}
    return resource(POLICY, "reports", inputs, "reports")


def named(name: str, subject: str, **tags: str) -> dict[str, Any]:
    found = role(trust(subject), name, name, component=name)
    return {**found, "inputs": {**found["inputs"], "tags": tags}}


def test_the_example_is_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    after = without_outputs(named("reports", "team-a:*", team="payments"))
    steps = [
        step("update", named("reports", "team-a:reports"), after),
        step("update", policy(["s3:GetObject"], "a", "drafts"), policy(["s3:GetObject", "s3:ListBucket"], "a")),
    ]
    warning = {"severity": "warning", "message": "warning: 'team-a:*' trusts all service accounts of team-a"}
    preview = digest(steps, diagnostics=[warning], changeSummary={"same": 40})
    monkeypatch.setattr("irsa_cli.diff.work.previewed", lambda *_: (preview.replace("pulumi:dev", "pulumi:prod"), ""))
    monkeypatch.setattr("irsa_cli.diff.work.exported_state", lambda _: [])

    assert main(["diff", "--stack", "prod"]) == 0
    example = PAGE.read_text().partition("$ irsa diff --stack prod\n")[2].partition("```")[0]
    assert capsys.readouterr().out == example
