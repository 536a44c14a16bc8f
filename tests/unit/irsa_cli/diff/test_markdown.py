"""A diff as Markdown, read by a CommonMark parser."""

import re

import pytest
from hypothesis import given
from markdown_it import MarkdownIt

from irsa_cli.diff.changes import BindingChange, PropertyChange
from irsa_cli.diff.markdown import LONGEST, code, markdown
from irsa_cli.diff.output import Diff
from irsa_cli.diff.rights import Right
from tests.unit.irsa_cli.diff.previews import ISSUER, diff
from tests.unit.irsa_cli.diff.test_lines import DIFFS, WORKER, change

COMMAND = "irsa diff --stack dev"
# "Maximum is 65536 characters": what GitHub's API answers to a longer comment.
GITHUB = 65_536
OWN_WORDS = re.compile(
    r"irsa diff: stack|\d[\d,]* more lines|\d[\d,]* of \d[\d,]* sections|are not shown|shows them\.|nobody|[;:.\s]|"
    r"(gains|loses|may gain|may lose|cannot tell|other principals|permissions):|</?details( open)?>|</?summary>"
)


def outside_of_code(text: str) -> str:
    """Return what a reader of the Markdown gets as text, or as HTML: all but code spans and code blocks."""
    every = [
        each for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text) for each in token.children or [token]
    ]
    # HTML blocks are ours, and escape what is within <code>.
    return "\n".join(
        re.sub(r"<code>[^<]*</code>", "", each.content) for each in every if each.type not in {"code_inline", "fence"}
    )


@given(DIFFS)
def test_any_text_stays_in_code(found: Diff) -> None:
    text = markdown(found, COMMAND)
    outside = outside_of_code(text)

    assert OWN_WORDS.sub("", outside) == "", outside
    assert outside.count("<details") == outside.count("</details>")
    assert len(text) <= LONGEST


def test_the_form() -> None:
    resource = change(settings=(PropertyChange("tags.team", "a", "b"),))
    found = markdown(diff(gains=[WORKER], bindings=[BindingChange("my-app", (resource,))]), COMMAND)

    assert (
        found
        == """\
### irsa diff: stack `dev`

**gains:** `team-a/worker -> my-role`; **loses:** nobody

<details open><summary><code>my-app</code></summary>

```diff
~ role my-role: update
-   tags.team: a
+   tags.team: b
```

</details>

```diff
~ not seen: policies that others put on its roles (`irsa verify` reads them)
```


`stack dev: 1 binding changes; resources: 1 update, 0 unchanged`
"""
    )


def test_what_does_not_fit_is_counted() -> None:
    rights = [Right(f"team-{index}/app", "my-role", "", ISSUER) for index in range(5_000)]
    resource = change(settings=tuple(PropertyChange(f"tags.t{index}", "a", "b") for index in range(100)))
    bindings = [BindingChange(f"app-{index}", (resource,)) for index in range(1_000)]
    text = markdown(diff(gains=rights, bindings=bindings), COMMAND)

    shown = len(re.findall("^\\+ team-", text, re.MULTILINE))
    assert 0 < shown < 5_000
    assert f"**{5_000 - shown:,} more lines are not shown**: `{COMMAND}` shows them." in text
    opened = text.count("<details")
    assert 0 < opened < 1_000
    assert f"**{1_000 - opened:,} of 1,000 sections are not shown**: `{COMMAND}` shows them." in text
    assert len(text) + 200 <= GITHUB


def test_one_line_that_is_too_long() -> None:
    resource = change(settings=tuple(PropertyChange("x" * 9_000 + str(index), "a", "b") for index in range(50)))
    text = markdown(diff(bindings=[BindingChange("app", (resource,))], warnings=["y" * 90_000]), COMMAND)

    assert "more characters)" in text
    assert "more lines are not shown" in text
    assert len(text) + 200 <= GITHUB


@pytest.mark.parametrize("text", ["a", "`", "``a`", " ", "a`b``c", "\\`"])
def test_a_code_span_has_the_text(text: str) -> None:
    """Protects names with backticks: https://spec.commonmark.org/0.31.2/#code-spans."""
    (paragraph,) = [each for each in MarkdownIt().parse(code(text)) if each.type == "inline"]

    assert [(each.type, each.content.strip() or " ") for each in paragraph.children or ()] == [
        ("code_inline", text.strip() or " ")
    ]
