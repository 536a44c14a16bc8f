"""What to write where a text is not YAML: libyaml says what it expected, and often of a line after the mistake."""

import re

import yaml

from irsa.rules.mistakes import Mistake, shortened
from irsa.rules.policies import TOO_DEEP
from irsa_config.nodes import LIBYAML_TOO_DEEP, composed, without_quotes

KEY_WITHOUT_BLANK = re.compile(r"([\w.-]+):(\S.*)")
NO_BLANK = "a blank after the colon of a key"
NOT_CLOSED = Mistake(
    "a quote that is not closed", "a quote before and after a value", "write the same quote at the end of the value"
)
# A larger text is not read again to try advice.
TRIED = 2**20


def not_yaml(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int]:  # noqa: PLR0911 (one for each kind)
    """Return what is wrong with a text that is not YAML, and the line of it."""
    mark, problem = error.problem_mark or error.context_mark, error.problem or error.context or ""
    line = mark.line + 1 if mark else 1
    if problem in (TOO_DEEP, LIBYAML_TOO_DEEP):
        return Mistake(TOO_DEEP, "a YAML file", "write it less deep"), line
    if mistake := without_quotes(error, text):
        return mistake, line
    if error.context == "while scanning a quoted scalar" and error.context_mark:
        return NOT_CLOSED, error.context_mark.line + 1
    lines = text.splitlines()
    # The next quote closes it, and what is between is no YAML.
    before = lines[: mark.line + 1] if mark and not isinstance(error, yaml.composer.ComposerError) else []
    odd = [at for at, each in enumerate(before) if each.replace(r"\"", "").count('"') % 2 and _is_content(each)]
    if len(odd) % 2:
        return NOT_CLOSED, odd[-1] + 1
    if problem == "could not find expected ':'" and error.context_mark:
        return _no_key(lines, error.context_mark.line), error.context_mark.line + 1
    if problem.startswith("mapping values are not allowed") and mark and mark.line < len(lines):
        above = next((at for at in reversed(range(mark.line)) if _is_content(lines[at])), None)
        if above is not None and ":" not in lines[above] and _is_content(lines[mark.line]):
            return _no_key(lines, above), above + 1
        if above is not None and KEY_WITHOUT_BLANK.fullmatch(lines[above].strip(" -")):
            return _no_key(lines, above), above + 1
    if mark and before and (blanks := _blanks_at(text, lines, mark.line)) is not None:
        has = _width(lines[mark.line])
        found = f"{shortened(lines[mark.line].strip())} after {has} blanks, below no key that begins there"
        return Mistake(found, "keys of one mapping below each other", f"write {blanks} blanks before it"), line
    fix = "fix that line: indentation, quotes, colons and brackets"
    return Mistake(f"not YAML: {problem}", "a YAML file", fix), line


def _no_key(lines: list[str], at: int) -> Mistake:
    written = lines[at].strip().removeprefix("- ") if at < len(lines) else ""
    if key := KEY_WITHOUT_BLANK.fullmatch(written):
        return Mistake(shortened(written), NO_BLANK, f"write `{key[1]}: {key[2]}`")
    return Mistake(
        f"{shortened(written)}, a key without a colon", "a colon after each key", "write a colon after the key"
    )


def _blanks_at(text: str, lines: list[str], at: int) -> int | None:
    """Return with how many blanks before a line the text is YAML beyond that line; None where none help."""
    if at >= len(lines) or not _is_content(lines[at]) or len(text) > TRIED:
        return None
    has = _width(lines[at])
    above = {_width(each) for each in lines[max(0, at - 1_000) : at] if _is_content(each)}
    below = next((_width(each) for each in lines[at + 1 :] if _is_content(each)), 0)
    is_outer = lines[at].rstrip().endswith(":")
    # A key is to keep what is below it.
    for width in sorted(above - {has}, key=lambda each: (is_outer and below <= each, abs(each - has), -each))[:10]:
        try:
            composed("\n".join([*lines[:at], " " * width + lines[at].lstrip(), *lines[at + 1 :]]))
        except yaml.MarkedYAMLError as error:
            if error.problem_mark and error.problem_mark.line > at + 1:
                return width
        except (Mistake, yaml.YAMLError, RecursionError):
            return None
        else:
            return width
    return None


def _is_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
