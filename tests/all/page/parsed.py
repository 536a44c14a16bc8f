"""An HTML page as a parser sees it."""

import base64
import hashlib
import json
from html.parser import HTMLParser
from typing import Any


class Parsed(HTMLParser):
    """Elements of a page in their order, and the text of its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, dict[str, str], str]] = []
        self._open: tuple[str, dict[str, str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag in ("script", "style"):
            self._open = (tag, attributes)
            self.texts.append((tag, attributes, ""))

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag == self._open[0]:
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            tag, attributes, text = self.texts.pop()
            self.texts.append((tag, attributes, text + data))

    def text_of(self, wanted: str, **attributes: str) -> str:
        """Return the text of the only such element that has these attributes, and `type` only where it is asked for."""
        (text,) = [
            text
            for tag, its, text in self.texts
            if tag == wanted and ("type" in its) == ("id" in attributes) and attributes.items() <= its.items()
        ]
        return text

    def hash_of(self, tag: str) -> str:
        """Return the hash of the only style, or of the only script that runs, as a policy names it."""
        digest = hashlib.sha256(self.text_of(tag).encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    def data(self) -> Any:
        """Return what the script reads."""
        return json.loads(self.text_of("script", id="data"))


def parsed(text: str) -> Parsed:
    """Return a page as a parser sees it."""
    parser = Parsed()
    parser.feed(text)
    parser.close()
    return parser
