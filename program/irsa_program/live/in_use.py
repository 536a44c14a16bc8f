"""What exists already under the name of what is planned."""

from collections.abc import Iterator
from typing import NamedTuple

from irsa import types
from irsa.resources import DeclaredResource
from irsa.rules.mistakes import Place, named
from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.changes import CORRECTED_ISSUER
from irsa_program.lookups import live_rules
from irsa_program.lookups.live_rules import finding
from irsa_program.plan import PlannedComponent
from irsa_world.state.resource import Resource

ONE_ASSOCIATION = "one association for each service account of a cluster"


class NameConflict(NamedTuple):
    """What is said of a type of resource.

    Attributes:
        rule: The rule for one that exists.
        place: Where it is named.
        word: Its word in `import`; empty for what is imported by its ID.
        instead: What to do in place of creating it.
        kept: What to do where the stack's state has it under another logical name, so that it goes.
        free: What may be created.
    """

    rule: str
    place: Place
    word: str
    instead: str
    kept: str
    free: str = "a name that is not in use"


OTHER_NAME = "write another name, also with import; or leave the name out where it is automatic"
NAME_CONFLICTS = {
    types.ROLE: NameConflict(
        live_rules.ROLE_EXISTS,
        ("role", "name"),
        "role",
        "write another name; or name it in role.arn, if it stays another stack's",
        OTHER_NAME,
    ),
    types.POLICY: NameConflict(
        live_rules.POLICY_EXISTS,
        ("policy", "name"),
        "policy",
        "write another name; or name its ARN in policyArns to attach it",
        OTHER_NAME,
    ),
    types.SERVICE_ACCOUNT: NameConflict(
        live_rules.SERVICE_ACCOUNT_EXISTS,
        ("serviceAccount", "name"),
        "serviceAccount",
        "set create: false to annotate it",
        CORRECTED_ISSUER,
    ),
    types.POD_IDENTITY_ASSOCIATION: NameConflict(
        live_rules.ASSOCIATION_EXISTS,
        ("identity",),
        "",
        "adopt it, and its Pods get this role",
        "keep what names it: the cluster and the service account; or first remove it, in a change of its own",
        ONE_ASSOCIATION,
    ),
}


def name_conflicts(
    planned: PlannedComponent, created: DeclaredResource, about: str, there: str | None, other: Resource | None
) -> Iterator[LocatedMistake]:
    """Yield what is wrong with what the state does not have: it is created, or imported.

    What is imported is compared with what is declared by `pulumi preview`, not here.

    Args:
        planned: Its component.
        created: What is declared of it.
        about: What it is, for messages.
        there: The ID, or the ARN, of what has its name; None where nothing has.
        other: What has the name in this stack's state, and is to be deleted.
    """
    kind = NAME_CONFLICTS[created.type]
    place = planned.place(*kind.place)
    if there and other:
        found = (
            f"{about} is in this stack's state already, as {named(other.name)}, which goes at the end of `pulumi up`"
        )
        yield finding(kind.rule, place, found, kind.free, kind.kept)
    elif there and not created.import_id:
        found = f"{about} exists already{planned.where}, and this stack did not create it"
        by_id = f": podIdentity: {{importIds: {{{planned.cluster or ''}: {named(there)}}}}}"
        adopted = f"; or import: [{kind.word}] to adopt it" if kind.word else by_id
        yield finding(kind.rule, place, found, kind.free, f"{kind.instead}{adopted}")
