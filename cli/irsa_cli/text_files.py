"""Files of text that users pass, as their shells write them."""

import codecs
from collections.abc import Callable

from irsa_world.exits import CouldNotLookError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_of(read: Callable[[], bytes], source: str) -> str:
    """Return the text of a file, or of a stream.

    Windows PowerShell writes UTF-16, and a byte order mark:
    https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_character_encoding

    Args:
        read: Reads its bytes.
        source: What messages call it.

    Raises:
        CouldNotLookError: It cannot be read, or is no text.
    """
    try:
        content = read()
        return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except OSError as error:
        raise CouldNotLookError(f"cannot read {source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CouldNotLookError(f"{source} is not UTF-8 text") from error
