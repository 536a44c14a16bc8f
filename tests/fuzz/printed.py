"""What may stand in a line that irsa prints: no line, no word of ours and no command that somebody else wrote."""

import re
from collections.abc import Iterator

from tests.fuzz.hidden import hidden_in
from tests.fuzz.live_states import MARK

PROGRAMS = ("aws", "curl", "eksctl", "irsa", ".venv/bin/irsa", "kubectl", "pulumi")
# Between two commands of ours; nothing else that a shell would act on stands outside of quotes.
JOINS = ("&&",)
SHELL = frozenset("$`;&|<>(){}*?[]!~\\")
# Colors are ours on a terminal.
COLOR = re.compile(r"\x1b\[[0-9;]*m")
# The words that divide a finding's line, before text of somebody else: a fix is believed in any line.
LABEL = r"(?:found|expected|allowed|reason|where|about|do)"
FORGED = re.compile(rf"; fix: ?{MARK}|: finding; .*; (?:expected|found) ?{MARK}|\S +{LABEL}: *{MARK}")
# A name of somebody else without quotes: one word, in which nothing ends it, a sentence or a part of our line.
NAME = re.compile(r"""[^\s"'\\;|<>&`!#()[\]^%?]*[^\s"'\\;|<>&`!#()[\]^%?:]""")
# What we write behind a name.
PUNCTUATION = ",.;:)"
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')


def problems(text: str) -> list[str]:
    """Return what is wrong with the lines of a report."""
    lines = COLOR.sub("", text).split("\n")
    found = [f"hidden character: {line!r}" for line in hidden_in(lines)]
    for line in lines:
        # A line that is indented may continue one of ours, with a name alone that somebody else wrote.
        if re.match(rf"{MARK}|\s*(?:::|##\[)", line) or (
            (first := re.match(rf"\s+({MARK}\S*)", line)) and not NAME.fullmatch(first[1].rstrip(PUNCTUATION))
        ):
            found.append(f"begins a line: {line!r}")
        if FORGED.search(QUOTED.sub("", line)):
            found.append(f"passes for a word of ours: {line!r}")
        found += [f"{wrong}: {command!r} in {line!r}" for command in commands_in(line) for wrong in unquoted(command)]
    return found


def commands_in(line: str) -> Iterator[str]:
    """Yield each command of a line: after `do:` or `fix: `, alone in its line, and between backticks."""
    found = re.match(r" {4}do: +(.*)", line) or re.match(r".*; fix: (.*)", line)
    found = found or re.match(r" {4}((?:aws|eksctl|kubectl|pulumi) .*)", line)
    if found and found[1].startswith(PROGRAMS):
        yield found[1]
    for start in re.finditer(rf"`(?={'|'.join(map(re.escape, PROGRAMS))})", line):
        yield line[start.end() : _end(line, start.end())]


def _end(line: str, start: int) -> int:
    """Return where the backtick stands that ends a command: the first one outside of quotes."""
    quoted = ""
    for place in range(start, len(line)):
        if quoted:
            quoted = "" if line[place] == quoted else quoted
        elif line[place] in "'\"":
            quoted = line[place]
        elif line[place] == "`":
            return place
    return len(line)


def unquoted(command: str) -> list[str]:
    """Return what a shell would act on in a command, its note behind the # included: not every shell skips that."""
    wrong: list[str] = []
    words: list[str] = []
    quoted = word = ""
    body, note, text = command.partition("  # ")
    for each in body:
        if quoted:
            quoted = "" if each == quoted else quoted
            word += each
        elif each in "'\"":
            quoted, word = each, word + each
        elif each.isspace():
            words, word = [*words, word], ""
        else:
            word += each
            if each in SHELL and each != "&":
                wrong.append(f"a shell acts on {each}")
    words.append(word)
    if quoted:
        wrong.append("a quote is open")
    wrong += ["a shell acts on &" for word in words if "&" in QUOTED.sub("", word) and word not in JOINS]
    if note and any(each in SHELL for each in text):
        wrong.append("a shell that takes no comments acts on the note")
    # What begins with a hyphen would be an option of the program.
    wrong += [f"an option: {word}" for word in words if re.match(rf"['\"]?-+{MARK}", word)]
    return wrong
