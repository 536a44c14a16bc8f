"""The names of policies whose documents are divided over several, which no key of the stack file says."""

from collections.abc import Iterator

from config.located_mistake import LocatedMistake
from config.models import Stack
from config.policy_sources import PolicySources
from irsa.rules.mistakes import Mistake, Place, path_of
from irsa.rules.names import POLICY, check_name
from irsa.rules.policies import policy_part_name


def divided_policy_mistakes(stack: Stack, sources: PolicySources) -> Iterator[LocatedMistake]:
    """Yield the policies of which a part has a name that is too long, or another binding's; IAM ignores case."""
    named = [
        (key, stack.account_id(binding.aws_account), binding.policy.name, binding.policy.document)
        for key, binding in stack.bindings.items()
        if binding.policy and binding.policy.name and binding.policy.document
    ]
    owners = {(aws_account, name.lower()): key for key, aws_account, name, _ in named}
    for key, aws_account, name, document in named:
        place: Place = ("bindings", key, "policy")
        try:
            parts = sources.parts(place, document)
        except Mistake:
            continue  # reported with the document
        for index in range(1, parts):
            part = policy_part_name(name, index)
            try:
                check_name(part, POLICY)
            except Mistake as mistake:
                yield LocatedMistake((*place, "name"), mistake)
                break
            other = owners.setdefault((aws_account, part.lower()), key)
            if other != key:
                used = f"{part!r} is already used by irsa:{path_of(('bindings', other))}"
                found = f"a document divided over {parts} policies, and {used}"
                yield LocatedMistake((*place, "name"), Mistake(found, "one binding each", "rename one of them"))
