"""What roles may do afterwards that they could not before, and what no more: over all documents of the stack. Pure."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, Literal, NamedTuple

from irsa.evaluation.permissions import gives
from irsa.rules.arns import Arn
from irsa.rules.mistakes import named
from irsa.rules.unknown import Unknown
from irsa_cli.diff.dangerous import is_dangerous, is_dangerous_policy
from irsa_cli.diff.gains import Gain, gains
from irsa_cli.diff.rows import CANNOT_TELL, CERTAIN, DANGEROUS, Row, some
from irsa_cli.diff.tags import TagReader, changed_keys, changed_tags, policy_name, role_tag_reasons
from irsa_cli.diff.trust import changed_roles
from irsa_world.model import known_arn, role_name
from irsa_world.sessions import Sessions
from irsa_world.state.planned import CHANGES_UNREAD, NOT_THERE, OTHER_UNKNOWN, UNREAD
from irsa_world.state.preview import Step
from irsa_world.trusts.chains import NAMED, Document
from irsa_world.trusts.provider_trust import allowed_principals

UNKNOWN = "one of its policies is a secret, is not a policy, or is known only at `pulumi up`"
ELSEWHERE = "no role of the stack has this policy both before and afterwards: `irsa inventory` shows who has it"
SESSION_POLICY = "the session policy of"


# Cluster, service account, and whether there are session tags.
Session = tuple[str, str, bool]


class Permits(NamedTuple):
    """What decides what a role may do.

    Attributes:
        documents: The documents of its policies, as far as they were read.
        attached: ARNs of the managed policies of others.
        boundary: ARN of its permissions boundary; empty without one.
        limits: The document of that; None without one.
        tags: Its tags.
        sessions: Who has sessions of it by EKS Pod Identity, and that tokens have some.
        read: Those of the policies of others that were read.
    """

    documents: Sequence[Document] = ()
    attached: frozenset[str] = frozenset()
    boundary: str = ""
    limits: Document | None = None
    tags: Mapping[str, Any] = {}
    sessions: frozenset[Session] = frozenset()
    read: frozenset[str] = frozenset()

    @property
    def known(self) -> list[Mapping[str, Any]]:
        """The documents that were read."""
        return [each for each in self.documents if isinstance(each, Mapping)]

    @property
    def boundary_document(self) -> Document | None:
        """The document of its permissions boundary; None where that was not read."""
        return self.limits if isinstance(self.limits, Mapping) else None


NO_PERMITS = Permits()


def permits(sessions: Sessions, own: Set[str]) -> dict[str, Permits]:
    """Return what decides what each role may do, by ARN; the managed policies of the stack are its own."""
    documents = sessions.documents
    by_pods: dict[str, set[Session]] = {}
    for each in (one for those in sessions.world.associations.values() for one in those):
        # The session of a target role has the tags of the first one, too.
        for arn in each.role_arns:
            by_pods.setdefault(arn, set()).add((each.cluster_arn, each.subject, each.session_tags))
    found = {}
    for arn, role in sessions.roles.items():
        trusted = allowed_principals(sessions.policies[arn].parsed[1]) if arn in sessions.policies else ()
        tokens = [("a token", "", False)] if any(type_ == "Federated" for type_, _ in trusted) else []
        others, boundary = frozenset(role.attached_policies) - own, role.permissions_boundary
        unread = CHANGES_UNREAD if boundary == OTHER_UNKNOWN else UNREAD
        found[arn] = Permits(
            [*role.inline_policies.values(), *(documents[e] for e in role.attached_policies if e in documents)],
            others,
            boundary,
            documents.get(boundary, unread) if boundary else None,
            role.tags,
            frozenset({*by_pods.get(arn, ()), *tokens}),
            others & documents.keys(),
        )
    return found


def own_policies(before: Sessions, after: Sessions) -> set[str]:
    """Return the ARNs of the managed policies that the stack has, before others are read."""
    return {*before.documents, *after.documents}


def permission_rows(
    both: tuple[Sessions, Sessions],
    permitted: Sequence[Mapping[str, Permits]],
    not_read: Mapping[str, str],
    text: Callable[[str], str],
    readers: Callable[[], Sequence[TagReader]],
) -> Iterator[Row]:
    """Yield what the roles of a stack gain and lose; and of which that cannot be told.

    What a permissions boundary that is not read leaves of it is not looked at.

    Args:
        both: The stack before and afterwards.
        permitted: What decides what each role may do, before and afterwards.
        not_read: Why a managed policy was not read, by its ARN.
        text: What a role is called, by its ARN.
        readers: Returns the documents that ask for tags, which only a change of tags needs.
    """
    before, after = both
    compared: dict[str, list[list[Gain]]] = {}
    changed = changed_permits(*permitted)
    letting_in = _letting_in(*both) if changed else {}
    for arn, (old, new) in changed.items():
        row = functools.partial(Row, role=role_name(arn), role_arn=known_arn(arn))
        # That a role may assume itself gives nobody anything.
        others = sorted((letting_in.get(arn, set()) | letting_in.get("*", set())) - {arn})
        sides = [(side.known, side.boundary_document) for side in (old, new)]
        # The roles of one add-on often say the same.
        said = repr((sides, others))
        if said not in compared:
            compared[said] = _gained_and_lost(sides, others)
        for change, those, more in zip(CHANGES, compared[said], (new, old), strict=True):
            less = old if more is new else new
            yield from (_gain(row, text(arn), change, each) for each in those)
            if arns := sorted(more.attached - less.attached):
                is_risky = change == "gains" and any(map(is_dangerous_policy, {*arns} - more.read))
                said_ = f"{text(arn)} {change} {'policy' if len(arns) == 1 else 'policies'} {some(arns)}"
                yield row("permission", change, said_, danger=DANGEROUS if is_risky else "", policies=arns)
        sessions = after if arn in after.roles else before
        reasons = [sessions.problems[arn]] if sessions.roles[arn].trust is NOT_THERE else []
        reasons += _open_questions(arn, old, new, readers, not_read)
        if reasons:
            yield row("permission", "changes", f"what {text(arn)} may do", CANNOT_TELL, reasons)


CHANGES: Sequence[Literal["gains", "loses"]] = ("gains", "loses")


def _letting_in(before: Sessions, after: Sessions) -> dict[str, set[str]]:
    """Return the roles whose trust policies name a principal at both times, by that.

    In one AWS account, a role that is named needs no Allow of its own: it gains the session when a Deny goes.
    """
    sides = [
        {
            (name, arn)
            for arn, policy in each.policies.items()
            for type_, name in allowed_principals(policy.parsed[1])
            if type_ in ("AWS", "*")
        }
        for each in (before, after)
    ]
    found: dict[str, set[str]] = {}
    for name, arn in sides[0] & sides[1]:
        found.setdefault(name, set()).add(arn)
    return found


def _gained_and_lost(
    sides: Sequence[tuple[Sequence[Document], Document | None]], letting_in: Sequence[str]
) -> list[list[Gain]]:
    """Return what policies give afterwards and not before, and the other way round; also on roles that let it in."""
    named_by = {"Statement": {**NAMED["Statement"], "Resource": [*letting_in]}}
    found: list[set[Gain]] = [set(), set()]
    for more in ([], [named_by]) if letting_in else ([],):
        was, becomes = (gives([*documents, *more], boundary) for documents, boundary in sides)
        found[0].update(gains(was, becomes))
        found[1].update(gains(becomes, was))
    return [sorted(each) for each in found]


def _gain(row: Callable[..., Row], role: str, change: Literal["gains", "loses"], gain: Gain) -> Row:
    words = [role, change if gain.certain else f"may {change.removesuffix('s')}"]
    words += [some(gain.actions), "on", some(gain.resources)]
    words += [f"(depends on {some(gain.keys)})"] if gain.keys else []
    is_risky = change == "gains" and is_dangerous(gain.actions, gain.resources)
    return row(
        "permission",
        change,
        " ".join(words),
        CERTAIN if gain.certain else "may",
        danger=DANGEROUS if is_risky else "",
        actions=gain.actions,
        resources=gain.resources,
        keys=gain.keys,
    )


def policies_of_no_role(before: Sessions, after: Sessions) -> Iterator[Row]:
    """Yield the policies of the stack that change, and that no role of it has both before and afterwards.

    One that is new nobody has, and IAM deletes none that somebody has:
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html.
    """
    in_use = [
        {arn for each in sessions.roles.values() for arn in (*each.attached_policies, each.permissions_boundary)}
        for sessions in (before, after)
    ]
    for arn in sorted((before.documents.keys() & after.documents.keys()) - (in_use[0] & in_use[1])):
        if before.documents[arn] != after.documents[arn]:
            name = Arn.name_in(arn)
            said = f"what policy {named(name)} newly allows, and to whom"
            yield Row("permission", "changes", said, CANNOT_TELL, [ELSEWHERE], role=name, role_arn=known_arn(arn))


def session_policies(before: Sessions, after: Sessions, text: Callable[[str], str]) -> Iterator[Row]:
    """Yield the associations whose session policy changes or is removed, also of roles that are not the stack's."""
    new = {(each.cluster_arn, each.subject): each for those in after.world.associations.values() for each in those}
    for old in (each for those in before.world.associations.values() for each in those if each.policy):
        there = new.get((old.cluster_arn, old.subject))
        if there and there.policy != old.policy:
            who, arn = named(old.subject.replace(":", "/", 1)), there.role_arn
            said = f"what {who} may do with {text(arn)}"
            reason = f"{SESSION_POLICY} {who} changes or is removed"
            yield Row(
                "permission", "changes", said, CANNOT_TELL, [reason], role=role_name(arn), role_arn=known_arn(arn)
            )


def _open_questions(
    arn: str, old: Permits, new: Permits, readers: Callable[[], Sequence[TagReader]], not_read: Mapping[str, str]
) -> Iterator[str]:
    """Yield why what a role may do cannot be told in full; policies of other roles may ask for its tags, too."""
    if any(isinstance(each, Unknown) for each in (*old.documents, *new.documents)):
        yield UNKNOWN
    # A role that goes gains nothing, and one that is new has had nothing.
    there = [side for side in (old, new) if side is not NO_PERMITS and new is not NO_PERMITS]
    unread = {policy for side in there for policy in side.attached - side.read}
    unread |= {side.boundary for side in there if isinstance(side.limits, Unknown)}
    for policy in sorted(unread):
        yield f"{policy_name(policy)} was not read{f': {why}' if (why := not_read.get(policy)) else ''}"
    # A session of EKS Pod Identity has tags of its own, one of IRSA has none.
    tags, has_other_sessions = changed_keys(old.tags, new.tags), bool(new.sessions - old.sessions)
    if len(there) > 1 and (tags or has_other_sessions):
        yield from role_tag_reasons(readers(), arn, tags, has_other_sessions)


def policies_to_read(before: Sessions, after: Sessions, steps: Sequence[Step]) -> list[str]:
    """Return the ARNs of policies and boundaries that are not the stack's, of the roles that change.

    Where a tag changes, the policies of every role can ask for it.
    """
    own = own_policies(before, after)
    sides = permits(before, own), permits(after, own)
    changes = changed_permits(*sides)
    changed = {*changes, *changed_roles(before, after)}
    if any(map(changed_tags, steps)) or any(
        changed_keys(old.tags, new.tags) or new.sessions - old.sessions for old, new in changes.values()
    ):
        changed = {*sides[0], *sides[1]}
    those = (each[arn] for each in sides for arn in changed & each.keys())
    arns = {arn for each in those for arn in (*each.attached, *filter(known_arn, [each.boundary]))}
    return sorted(arns - own)


def changed_permits(before: Mapping[str, Permits], after: Mapping[str, Permits]) -> dict[str, tuple[Permits, Permits]]:
    """Return what decides what the roles may do at both times, where that changes."""
    sides = ((arn, before.get(arn, NO_PERMITS), after.get(arn, NO_PERMITS)) for arn in sorted({*before, *after}))
    return {arn: (old, new) for arn, old, new in sides if old != new}
