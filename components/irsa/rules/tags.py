"""The tags of a role, whose keys IAM compares without case.

The keys of a policy's tags are case-sensitive.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html ("Rules for tagging in IAM and AWS STS").
"""

from collections.abc import Iterable, Iterator

from irsa.rules.mistakes import Located, Mistake


def role_tags_mistakes(keys: Iterable[str]) -> Iterator[Located]:
    """Yield the keys that differ from an earlier one in case only: IAM refuses the role, or drops one of the tags."""
    first: dict[str, str] = {}
    for key in keys:
        other = first.setdefault(key.lower(), key)
        if other != key:
            found = f"the tag keys {other!r} and {key!r}, which are one for IAM"
            yield (key,), Mistake(found, "keys that differ not in case alone", "remove one of them")
