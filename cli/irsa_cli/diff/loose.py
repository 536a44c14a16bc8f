"""Managed policies of the stack that no role of it has: who has them elsewhere is not known. Pure."""

from collections.abc import Iterator, Mapping

from irsa.evaluation.gains import gains
from irsa.evaluation.permissions import gives
from irsa.rules.arns import Arn
from irsa.rules.grammar import VERSION
from irsa_cli.diff.rights import Undecided
from irsa_cli.diff.world import World
from irsa_world.trusts.chains import Document

ELSEWHERE = "no role of the stack has this policy, which may allow more than before: who has it elsewhere is not known"
# Beside it, a Deny that goes is a gain.
EVERYTHING: Document = {"Version": VERSION, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def loose_policies(before: World, after: World) -> Iterator[Undecided]:
    """Yield the policies that may allow more than before, of which no role of the stack has both versions.

    One that is new nobody has, and IAM deletes none that somebody has:
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html.
    """
    for arn in sorted(before.documents.keys() & after.documents.keys() - (before.in_use & after.in_use)):
        if _allows_more(before.documents[arn], after.documents[arn]):
            yield Undecided(Arn.name_in(arn), arn, ELSEWHERE)


def _allows_more(old: Document, new: Document) -> bool:
    if old == new:
        return False
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return True
    return any(gains(gives([old, *beside]), gives([new, *beside])) for beside in ([], [EVERYTHING]))
