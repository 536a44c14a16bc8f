"""What users read has the words of AWS, Kubernetes and Pulumi: docs, messages, and the help in reference/command.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = (
    "components/irsa",
    "config",
    "cli/irsa_cli",
    "cli/irsa_world",
    "policy-pack",
    "program",
    "bench",
    "docs/generate",
    "sandbox",
)
# What not to write, as a pattern in which a space may be the end of a line, and what to write.
WRITE = {
    r"[Vv]erbs?": "subcommand, or the command's name",
    r"(?<![/.])(mistakes?|Mistakes)": "error",
    r"the page(?! [A-Z])": "AWS's page, or its title",
    # "your account" is STS's own text, and what stands after "allowed:" are keys.
    r"(?<= )(?<!ervice )(?<!AWS )(?<!your )(?<!(Google|Amazon|Pulumi) )(?<!Facebook )(?<!allowed: )accounts?(?!:)": (
        "service account, or AWS account"
    ),
    r"told|tells? apart": "says, reports, compares",
    r"loud|sound": "what it is: `redacted`, `exact`",
    r"of (yours|ours|theirs|one's own)": "your own; irsa's",
    r"anew": "recreates; again",
    r"(take|takes|took) back": "destroy",
    r"key of before": "previous key of this binding",
    r"what the binding made": "its resources",
    r"(admits?|admitted) the audience|client ids": "lists the audience; is not in the client ID list",
    r"half of a character": "unpaired surrogate",
    r"alias inside": "recursive alias",
    r"a text|whole numbers?|no map|map of keys": "a string, an integer, not a mapping",
    r"mend(s|ed|ing)?|put right": "fix",
    r"is also of": "is already used by",
    r"counter-?proofs?": "negative check",
    r"slips?( of the pen)?": "common error",
    r"held (against|to the)|laid (under|over)": "checked against, merged into",
    r"could not (be )?look(ed)?": "not checked: no permission, or no answer",
    r"by its schema": "(JSON schema)",
    r"others wrote|stands? in double quotes": "text from AWS or the cluster is quoted",
    r"is no [\"']no": "does not mean refused",
    r"(is|are) said|nothing is said": "is reported; says",
    r"nobody named": "that only a pattern matches",
    r"as it is declared": "Pulumi refuses an import that differs",
    r"lets? go|Terraform rests": "stops managing it; pause Terraform",
    r"without a word": "silently",
    r"(look|looks) every night": "nightly drift check",
    r"Earlier key|Keep it:": "Previous key; if you remove it, ...",
    r"\| without \|": "how to avoid it",
    r"[Ww]ho gains and": "who gains or loses access",
    r"is chance": "differences up to 5% are noise",
}
PATTERNS = {re.compile(rf"(?<!\w)(?:{text})(?!\w)".replace(" ", r"\s")): write for text, write in WRITE.items()}
ALLOWED = {
    "docs/generate/sections.py": {"verbs": "the verbs of Kubernetes RBAC"},
    "config/irsa_config/limits.py": {"account": "the key of a binding"},
}


def read_by_users() -> Iterator[tuple[str, int, str]]:
    """Yield each text: its file, its first line, itself."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/reference/*.json")]
    for path in sorted([*pages, *ROOT.glob("components/*.md"), *ROOT.glob("tests/golden/*.txt"), ROOT / "Makefile"]):
        # Of CHANGELOG.md, what was released stays.
        parts = path.read_text().split("\n## ")[: 2 if path.stem == "CHANGELOG" else None]
        yield str(path.relative_to(ROOT)), 1, "\n## ".join(parts)
    for path in (each for folder in PRODUCT for each in sorted((ROOT / folder).rglob("*.py"))):
        nodes = [*ast.walk(ast.parse(path.read_text()))]
        docstrings = {each.value for each in nodes if isinstance(each, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                yield str(path.relative_to(ROOT)), node.lineno, node.value


def wrong_words(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield what not to write: its line, counted from 0, itself, and what to write."""
    # The indentation of a line is none of its words.
    text = re.sub(r"\n[ >#]+", "\n", text)
    for pattern, write in PATTERNS.items():
        yield from ((text.count("\n", 0, found.start()), found[0], write) for found in pattern.finditer(text))


def test_what_users_read_has_the_words_of_the_field() -> None:
    found = [
        f"{file}:{first + line}: {word!r}: write {write}"
        for file, first, text in read_by_users()
        for line, word, write in wrong_words(text)
        if word not in ALLOWED.get(file, ())
    ]
    assert not found, "\n".join(found)


def test_an_advised_command_of_pulumi_names_the_stack() -> None:
    """The attack: the advice about one stack, pasted where another one is selected, changes that one."""
    advised = re.compile(r"\brun `pulumi (up|refresh|destroy|import|state|config)(?![^`]* --stack)")
    code = ("components/", "config/", "cli/", "program/")
    texts = [each for each in read_by_users() if each[0].startswith(code) and each[0].endswith(".py")]
    assert [(file, line) for file, line, text in texts if advised.search(text)] == []
