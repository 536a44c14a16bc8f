"""The settings of the stack's default providers, `aws:...` and `kubernetes:...`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from irsa.rules.mistakes import Mistake, kind_of
from irsa.rules.names import REGION, check_name
from irsa.rules.unknown import Unknown
from irsa_config.located_mistake import LocatedMistake
from irsa_config.scalars import parsed

PROVIDERS = ("aws", "kubernetes")
ACCOUNT_LISTS = ("allowedAccountIds", "forbiddenAccountIds")


def provider_mistakes(providers: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield what is wrong with the region, and with the AWS accounts that the AWS provider is to accept and to refuse.

    011112222333 without quotes is another number: an AWS account that is to be refused never would be. Both lists at
    once are what the provider refuses, and calls a conflict.
    """
    try:
        region_in(providers)
    except Mistake as mistake:
        yield LocatedMistake(("aws:region",), mistake)
    written = {name: providers.get(name) for name in (f"aws:{each}" for each in ACCOUNT_LISTS)}
    lists = {name: parsed(each) if isinstance(each, str) else each for name, each in written.items()}
    for name, values in lists.items():
        if values is not None and not isinstance(values, list | Unknown):
            found = f"{kind_of(values)} as {name}"
            yield LocatedMistake((name,), Mistake(found, 'a list: ["111122223333"]', "write it as a list"))
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if not isinstance(value, Unknown) and not is_account_id(value):
                is_number = isinstance(value, int | float)
                fix = "put it in quotes, as it is in the file" if is_number else "write the AWS account ID"
                found = f"{kind_of(value)} in {name}"
                yield LocatedMistake((name, index), Mistake(found, "AWS account IDs: strings of 12 digits", fix))
    if all(lists.values()):
        first, second = lists
        fix = f"remove {second}: no AWS account is accepted that the other list does not have"
        yield LocatedMistake((second,), Mistake(f"{first} and {second}", "one of the two", fix))


def is_account_id(value: object) -> bool:
    """Return whether a value is the ID of an AWS account."""
    return isinstance(value, str) and re.fullmatch("[0-9]{12}", value) is not None


def region_in(providers: Mapping[str, Any]) -> str | Unknown | None:
    """Return `aws:region`; None where it is missing or empty, `SECRET` where it is secret.

    The engine turns any value into a string, and the AWS provider refuses it later, without naming the key.

    Raises:
        Mistake: It is not a region.
    """
    value = providers.get("aws:region")
    if value is None or value == "" or isinstance(value, Unknown):
        return value or None
    if isinstance(value, str):
        return check_name(value, REGION)
    raise Mistake(f"{kind_of(value)} as aws:region", f"a string: {REGION.words}", "write the region's name")
