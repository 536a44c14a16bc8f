"""What exists already under the name of what is planned, or is to be imported and does not exist."""

from collections.abc import Iterator

from irsa import types
from irsa.rules.mistakes import Place, named
from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.planned import Planned, finding
from irsa_program.lookups import rules as live_rules
from irsa_world.state.resource import Resource

# The rule for what exists, where it is named, what to do instead, and its word in `import`.
KINDS = {
    types.ROLE: (
        live_rules.ROLE_EXISTS,
        ("role", "name"),
        "write another name; or name it in role.arn, if it stays another stack's",
        "role",
    ),
    types.POLICY: (
        live_rules.POLICY_EXISTS,
        ("policy", "name"),
        "write another name; or name its ARN in policyArns to attach it",
        "policy",
    ),
    types.INLINE_POLICY: (
        live_rules.INLINE_POLICY_EXISTS,
        ("inlinePolicies",),
        "write another name: this one overwrites it",
        "inlinePolicies",
    ),
    types.ATTACHMENT: ("", (), "", "attachments"),
    types.SERVICE_ACCOUNT: (
        live_rules.SERVICE_ACCOUNT_EXISTS,
        ("serviceAccount", "name"),
        "set create: false to annotate it",
        "serviceAccount",
    ),
    types.POD_IDENTITY_ASSOCIATION: (
        live_rules.ASSOCIATION_EXISTS,
        ("identity",),
        "adopt it, and its Pods get this role",
        "",
    ),
}


def taken(  # noqa: PLR0917 (what is planned, and what has its name)
    planned: Planned, type_: str, about: str, there: str | None, wanted: str | None, other: Resource | None = None
) -> Iterator[LocatedMistake]:
    """Yield what is wrong with what the state does not have: it is created, or imported.

    Args:
        planned: Its component.
        type_: Its type.
        about: What it is, for messages.
        there: The ID of what has its name; None where nothing has.
        wanted: The ID to import; None where it is created.
        other: What has the name in this stack's state, and is to be deleted.
    """
    rule, place, instead, word = KINDS[type_]
    key = planned.component.cluster or ""
    imported: Place = ("import",) if word else ("podIdentity", "importIds", key)
    if there and other:
        found = (
            f"{about} is in this stack's state already, as {named(other.name)}, which goes at the end of `pulumi up`"
        )
        allowed = "a name of its own, also with import: what goes is deleted by its name"
        fix = "write another name, or leave it out where it is automatic; or first remove the other, in its own change"
        yield finding(rule, planned.place(*place), found, allowed, fix)
    elif wanted and there != wanted:
        found = f"{about} does not exist{planned.where}{f'; there is {named(there)}' if there else ''}"
        what = f"remove {word} from import" if word else f"remove {key} from podIdentity.importIds"
        fix = f"write {named(there)}" if there else f"{what}: then irsa creates it"
        yield finding(live_rules.IMPORT_MISSING, planned.place(*imported), found, "what exists, to import it", fix)
    elif there and not wanted:
        found = f"{about} exists already{planned.where}, and this stack did not create it"
        adopted = f"; or import: [{word}] to adopt it" if word else f": podIdentity: {{importIds: {{{key}: {there}}}}}"
        fix = f"{instead}{adopted}"
        yield finding(rule, planned.place(*place), found, "a name that is not in use", fix)
