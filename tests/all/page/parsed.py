"""An HTML page as a parser sees it."""

from html.parser import HTMLParser


class Parsed(HTMLParser):
    """The elements of a page with their attributes, and the text of each kind of element, in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._last = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._last = tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._last, data))

    @property
    def text(self) -> str:
        """What a reader may read."""
        return "".join(data for tag, data in self.texts if tag not in ("script", "style"))

    def only(self, wanted: str) -> str:
        """Return the text of the only element of this kind."""
        (text,) = (data for tag, data in self.texts if tag == wanted and data.strip())
        return text
