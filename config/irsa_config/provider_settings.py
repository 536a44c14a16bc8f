"""The settings of the stack's default providers, `aws:...` and `kubernetes:...`."""

import re
from collections.abc import Iterator
from typing import Any

from irsa.rules.mistakes import Mistake, Place, kind_of
from irsa.rules.names import REGION, check_name
from irsa.rules.unknown import Unknown
from irsa_config.scalars import parsed

PROVIDERS = ("aws", "kubernetes")
ACCOUNT_LISTS = ("allowedAccountIds", "forbiddenAccountIds")


def account_id_mistakes(setting: str, values: Any) -> Iterator[tuple[Place, Mistake]]:
    """Yield the items of a provider's list of AWS accounts that are no account IDs, each with its place in the list.

    011112222333 without quotes is another number: an AWS account that is to be refused never would be.
    """
    if values is not None and not isinstance(values, list | Unknown):
        mistake = Mistake(f"{kind_of(values)} as aws:{setting}", 'a list: ["111122223333"]', "write it as a list")
        yield (), mistake
    for index, value in enumerate(values if isinstance(values, list) else ()):
        if not isinstance(value, Unknown) and not (isinstance(value, str) and re.fullmatch("[0-9]{12}", value)):
            fix = (
                "put it in quotes, as it is in the file"
                if isinstance(value, int | float)
                else "write the AWS account ID"
            )
            found = f"{kind_of(value)} in aws:{setting}"
            yield (index,), Mistake(found, "AWS account IDs: strings of 12 digits", fix)


def lists_mistake(allowed: Any, forbidden: Any) -> Mistake | None:
    """Return that both lists of AWS accounts are set: the AWS provider refuses that, and calls it a conflict."""
    if not all(parsed(each) if isinstance(each, str) else each for each in (allowed, forbidden)):
        return None
    found, one = "aws:allowedAccountIds and aws:forbiddenAccountIds", "remove aws:forbiddenAccountIds"
    return Mistake(found, "one of the two", f"{one}: no AWS account is accepted that the other list does not have")


def region_of(value: Any) -> str | Unknown | None:
    """Return the value of `aws:region`; None where it is empty.

    The engine turns any value into a string, and the AWS provider refuses it later, without naming the key.

    Raises:
        Mistake: It is not a region.
    """
    if value is None or value == "" or isinstance(value, Unknown):
        return value or None
    if isinstance(value, str):
        return check_name(value, REGION)
    raise Mistake(f"{kind_of(value)} as aws:region", f"a string: {REGION.words}", "write the region's name")
