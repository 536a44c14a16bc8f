"""A diff as lines of text and as Markdown, read by a CommonMark parser; and the example of docs/commands/diff.md."""

import dataclasses
import re
from dataclasses import replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

from irsa.rules.mistakes import visible
from irsa_cli.diff.changes import Line, ResourceChange
from irsa_cli.diff.dangers import DangerousGain
from irsa_cli.diff.guards import Avoider, GuardChange
from irsa_cli.diff.lines import headline, rows_of
from irsa_cli.diff.markdown import code, markdown
from irsa_cli.diff.output import Diff
from irsa_cli.diff.permissions import PermissionChange
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.who import Right
from irsa_cli.main import main
from tests.unit.irsa_cli.diff.previews import (
    ISSUER,
    OTHER_ISSUER,
    POLICY,
    diff,
    digest,
    resource,
    role,
    step,
    trust,
    without_outputs,
)

ARN = "arn:aws:iam::111122223333:role/my-role"
WORKER = Right("team-a/worker", "my-role", ARN, ISSUER)
COMMAND = "irsa diff --stack dev"
# "Maximum is 65536 characters": what GitHub's API answers to a longer comment.
GITHUB = 65_536
OWN_WORDS = re.compile(
    r"irsa diff: stack|\d[\d,]* more lines|are not shown|shows them\.|nobody|[;:.\s]|"
    r"(gains|loses|may gain|may lose|changes its way|cannot tell|other principals|permissions|dangerous):"
)


def text(**found: Any) -> list[str]:
    return [" ".join(filter(None, (row.sign, *row.pieces))) for row in rows_of(diff(**found))]


def change(*settings: str, lines: tuple[Line, ...] = (), operation: str = "update") -> ResourceChange:
    document = "trust policy" if lines else ""
    return ResourceChange(operation, "role", "my-role", "a::b::c::d", document, lines, settings)


UNDECIDED = Undecided("other-role", "", "its trust policy is not known until `pulumi up`")
MANY = tuple(f"a/{index}" for index in range(7))
ELSEWHERE = ARN.replace("111122223333", "444455556666")
BUCKET = "arn:aws:s3:::a/*"
READS = PermissionChange("r", "", "gains", ("s3:GetObject",), (BUCKET,), keys=("aws:SourceVpc",))
EVERYTHING = PermissionChange("r", "", "gains", ("*",), ("*",), dangerous=True, service_accounts=("team-a/app",))
IN_GREEN, AVOIDING = ("a/x", "a/y"), (Avoider("group", "system:authenticated"), Avoider("user", "x -> y"))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"may_gain": [WORKER]}, "~ may gain: team-a/worker -> my-role"),
        ({"cannot_tell": [UNDECIDED]}, "~ cannot tell: other-role: its trust policy is not known until `pulumi up`"),
        ({"other_principals": ["third-role"]}, "~ other principals: third-role"),
        ({"gains": [Right("*/*", "my-role", ARN, ISSUER, MANY)]},
         "+ every service account -> my-role (but not a/0, a/1, a/2, a/3, a/4, and 2 more)"),
        ({"changes_way": [WORKER]},
         "~ changes its way: team-a/worker -> my-role (cannot tell whether it is the same cluster)"),
        ({"gains": [WORKER, replace(WORKER, role_arn=ELSEWHERE, issuer=OTHER_ISSUER)], "clusters": {ISSUER: "blue"}},
         f"+ team-a/worker in blue -> {ARN}"),
        ({"permissions": [EVERYTHING]}, "+ r gains * on * (assumed by team-a/app)"),
        ({"permissions": [READS]}, "+ r gains s3:GetObject on arn:aws:s3:::a/* (where aws:SourceVpc)"),
        ({"permissions": [replace(READS, extent="cannot tell")]},
         "~ r may gain s3:GetObject on arn:aws:s3:::a/* (depends on aws:SourceVpc)"),
        ({"guard": [GuardChange("green", "pods", "off", "deny", IN_GREEN)]},
         "+ guard: Pods without the identity of a/x, a/y are refused (deny) in green"),
        ({"guard": [GuardChange("", "pods", "deny", "warn", ("a/x",))]},
         "- guard: Pods without the identity of a/x get a warning (warn, was deny)"),
        ({"guard": [GuardChange("green", "exceptions", "deny", "deny", who=AVOIDING, dangerous=True)]},
         '+ guard: more may avoid it in green: group system:authenticated, user "x -> y"'),
        ({"resources": [change("tags", "path", operation="replace"), change(operation="delete")]},
         "- delete: role my-role"),
        ({"resources": [change("tags", "path"), change("tags")]},
         "~ other settings (`pulumi preview --diff`): tags, path"),
    ],
)  # fmt: skip
def test_a_line(found: Any, expected: str) -> None:
    assert expected in text(**found)


def test_a_role_of_the_name_nobody() -> None:
    """The attack: `other principals: nobody`, of a role that is called so and trusts somebody else."""
    undecided = [Undecided("nobody", "", "its trust policy is a secret")]
    parts = dict(headline(diff(other_principals=["nobody"], cannot_tell=undecided)))

    assert (parts["cannot tell"], parts["other principals"]) == ('"nobody"', '"nobody"')


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


def any_of(kind: Any, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return values of a type that have any text where they have a string."""
    arguments = get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return st.builds(kind, **{name: any_of(each) for name, each in get_type_hints(kind).items()} | known)
    if get_origin(kind) is Literal:
        return st.sampled_from(arguments)
    if get_origin(kind) is UnionType:
        return st.none() | any_of(arguments[0])
    if arguments == (str, str):
        return st.tuples(TEXTS, TEXTS)
    if arguments:
        return st.lists(any_of(arguments[0]), max_size=2).map(tuple)
    return {str: TEXTS, bool: st.booleans(), int: st.integers(0, 10**6)}[kind]


# What a guard does is one of a few words.
DIFFS = any_of(Diff, guard=st.just(()), clusters=st.just({}))


def outside_of_code(text: str) -> str:
    """Return what a reader of the Markdown gets as text, or as HTML: all but code spans and code blocks."""
    every = [
        each for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text) for each in token.children or [token]
    ]
    return "\n".join(each.content for each in every if each.type not in {"code_inline", "fence"})


@given(DIFFS)
def test_any_text_stays_in_its_line_and_in_code(found: Diff) -> None:
    for row in rows_of(found):
        assert row.lines
        for line in row.lines:
            assert line.isprintable()
            # No line has two pieces and more than 80 columns: what is after its indentation is one of the pieces.
            assert cell_len(line) <= 80 or line.lstrip("+-~ ") in {visible(each).lstrip("+-~ ") for each in row.pieces}
            assert not row.sign or line.startswith(f"{row.sign} ")
    comment = markdown(found, COMMAND)
    outside = outside_of_code(comment)

    assert OWN_WORDS.sub("", outside) == "", outside
    assert len(comment) + 200 <= GITHUB


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_what_may_be_dangerous_is_not_cut() -> None:
    """The attack: so many harmless gains that the one that matters is among what the comment does not show."""
    many = [Right(f"team-{index}/app", "my-role", "", ISSUER) for index in range(2_000)]
    reads = [PermissionChange("my-role", "", "gains", ("s3:GetObject",), (str(index),)) for index in range(2_000)]
    gains = [*reads, PermissionChange("admin", "", "gains", ("*",), ("*",), dangerous=True)]
    guards = [*(GuardChange(str(index), "pods", "off", "deny") for index in range(2_000))]
    guards.append(GuardChange("blue", "pods", "deny", "off", dangerous=True))
    dangerous = [DangerousGain("999988887777", "admin", "", "", "outside the stack's AWS accounts")]
    undecided = [Undecided("secret-role", "", "a policy of it is a secret")]
    found = diff(gains=many, permissions=gains, guard=guards, dangerous=dangerous, permissions_cannot_tell=undecided)
    comment = markdown(found, COMMAND)

    assert "**dangerous:** `999988887777 -> admin`;" in comment
    rows = [
        "+ dangerous: 999988887777 -> admin",
        "+ admin gains * on *",
        "in blue",
        "~ secret-role permissions: cannot",
    ]
    assert [each for each in rows if each not in comment.partition("```diff")[2]] == []
    shown = len(re.findall("^. (team-|my-role|admin|secret-role|guard:|dangerous:)", comment, re.MULTILINE))
    (cut,) = re.findall(r"\*\*([\d,]+) more lines are not shown\*\*: `irsa diff --stack dev` shows them.", comment)
    assert int(cut.replace(",", "")) >= 6_004 - shown > 0
    assert len(comment) + 200 <= GITHUB


def test_one_line_that_is_too_long() -> None:
    resource = change(lines=tuple(Line("+", "x" * 9_000 + str(index)) for index in range(50)))
    found = markdown(diff(resources=[resource], warnings=["y" * 90_000]), COMMAND)

    assert "more characters)" in found
    assert "more lines are not shown" in found
    assert len(found) + 200 <= GITHUB


@pytest.mark.parametrize("text", ["a", "`", "``a`", " ", "a`b``c", "\\`"])
def test_a_code_span_has_the_text(text: str) -> None:
    """Protects names with backticks: https://spec.commonmark.org/0.31.2/#code-spans."""
    (paragraph,) = [each for each in MarkdownIt().parse(code(text)) if each.type == "inline"]
    (span,) = paragraph.children or []

    assert (span.type, span.content.strip() or " ") == ("code_inline", text.strip() or " ")


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
