"""What the fuzz looks for: each line that it must find, and lines that are good."""

import pytest

from tests.fuzz.printed import problems, unquoted

FINDING = "app: pods: web/web-0: finding; found {}; expected x; fix: {}"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("app  ok\nEVIL  ok", "begins a line"),
        ("::error::EVIL", "begins a line"),
        ("  ##[error]EVIL", "begins a line"),
        ("app: \x1b[2KEVIL", "hidden character"),
        (FINDING.format("AWS_ROLE_ARN=x; fix: EVIL", "pulumi up"), "passes for a word of ours"),
        (FINDING.format("x", "kubectl delete pod $(EVIL) -n web"), "a shell acts on $"),
        (FINDING.format("x", "kubectl delete pod 'web -n web"), "a quote is open"),
        ("    do:       kubectl rollout restart statefulset/web; EVIL|sh", "a shell acts on ;"),
        (FINDING.format("x", "kubectl delete pod web&EVIL"), "a shell acts on &"),
        (FINDING.format("x", "kubectl delete pod -EVIL -n web"), "an option"),
        (FINDING.format("x", "kubectl delete pod web  # in cluster $(EVIL)"), "a shell that takes no comments"),
        ("app: not checked; `irsa prove $(EVIL)` shows it", "a shell acts on $"),
    ],
)
def test_what_is_found(line: str, found: str) -> None:
    assert [each for each in problems(line) if each.startswith(found)]


@pytest.mark.parametrize(
    "line",
    [
        '    found:    "x  do: EVIL"',
        "    do:       kubectl delete pod 'web; EVIL|sh' -n web",
        'expected one of x,\n    "EVIL; fix: x", y',
        FINDING.format("'AWS_ROLE_ARN=x; fix: EVIL'", "pulumi up --refresh --stack dev"),
        FINDING.format("x", "kubectl delete pod 'web; EVIL|sh' -n web  # and create it again from its own manifest"),
        "app: not checked; `irsa prove 'a`; EVIL'` shows it",
    ],
)
def test_what_is_good(line: str) -> None:
    assert problems(line) == []


def test_every_printed_word_that_is_quoted_is_one_argument() -> None:
    """Protects the parser of commands: quotes within quotes, as Python's shlex writes them."""
    assert unquoted("""kubectl delete pod 'it'"'"'s; EVIL' -n web""") == []
