"""A resource's properties as the engine sends them, in which secrets and what is not known stay recognizable.

Source: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from irsa.rules.leaves import leaves
from irsa.rules.unknown import OUTPUT, Unknown

SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
# A boolean, a number, a string, a list, an asset, an archive or a mapping that is not known.
UNKNOWN = re.compile(
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7|3eeb2bf0-c639-47a8-9e75-3b44932eb421|04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    "|6a19a0b0-7e62-4c92-b797-7f8e31da9cc2|030794c1-ac77-496b-92df-f27374a8bd58|e48ece36-62e2-4504-bad9-02848725956a"
    "|dd056dcd-154b-4c76-9bd3-c8f88648b5ff"
)
# What `pulumi policy analyze --file` has in place of a secret.
REDACTED, NOT_DECRYPTED = "[secret]", Unknown("a secret, which the file does not tell")


class SecretText(str):
    """A text that no message may quote."""


def read(sent: Mapping[str, Any], _secrets: bool = False) -> Mapping[str, Any]:
    """Return properties, as no dict, which the SDK would wrap; it calls this in place of its own reader."""
    return MappingProxyType({key: known(each) for key, each in sent.items()})


def known(sent: Any, *, secret: bool = False) -> Any:
    """Return a value with markers in place of what is not known, and of secrets what is no plain text."""
    if isinstance(sent, dict):
        is_one = sent.get(SIGNATURE) == SECRET
        inner = {key: known(each, secret=secret or is_one) for key, each in sent.items()}
        return inner.get("value") if is_one else inner
    if isinstance(sent, list):
        return [known(each, secret=secret) for each in sent]
    if isinstance(sent, str) and (sent == REDACTED or UNKNOWN.fullmatch(sent)):
        return NOT_DECRYPTED if sent == REDACTED else OUTPUT
    return SecretText(sent) if secret and isinstance(sent, str) else sent


def is_secret(value: object) -> bool:
    """Return whether a secret is in a value."""
    return any(isinstance(leaf, SecretText) for _, leaf in leaves(value))
