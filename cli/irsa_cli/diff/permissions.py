"""What roles may do afterwards that they could not before, and what no more: over all documents of the stack. Pure."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from irsa.evaluation.patterns import overlap
from irsa.evaluation.permissions import gives
from irsa.rules.arns import Arn
from irsa.rules.grammar import VERSION
from irsa.rules.leaves import leaves
from irsa.rules.mistakes import named
from irsa.rules.trust import ASSUME_ROLE, SESSION_TAGS
from irsa.rules.unknown import Unknown
from irsa_cli.diff.gains import Gain, gains
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.ranks import HARMLESS, rank, rank_of_policy
from irsa_cli.diff.who import Rights, who_has
from irsa_world.model import UNNAMED, known_arn, role_name
from irsa_world.sessions import Sessions
from irsa_world.state.planned import ANY_TAG, CHANGES_UNREAD, NOT_THERE, OTHER_UNKNOWN, UNREAD
from irsa_world.trusts.chains import Document
from irsa_world.trusts.provider_trust import allowed_principals

TAGS_CHANGE = "tags of the role or its sessions change, on which"
UNKNOWN = "a policy of it is a secret, no policy, or not known until `pulumi up`"
ELSEWHERE = "no role of the stack has this policy, which may allow more than before: who has it elsewhere is not known"
# Beside it, a Deny that goes is a gain.
EVERYTHING: Document = {"Version": VERSION, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SESSION_POLICY = "the session policy that limited"


@dataclass(frozen=True)
class PermissionChange:
    """Permissions that a role gains or loses.

    Attributes:
        role: Name of the role; of a role whose name IAM is going to choose, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        change: Whether it gains or loses them.
        actions: Actions, and patterns of actions; none where `policy` has them.
        resources: Resources, and patterns of resources.
        extent: Whether that is all of them, on every one of the resources (of a gain: afterwards); some; or whether
            irsa cannot tell if any is.
        keys: The condition keys and policy variables that decide: of a gain or loss, whether a request has it; of what
            irsa cannot tell, whether any is one.
        policy: ARN of a managed policy that is attached or detached and not the stack's own.
        read: Whether that policy was read, so that what it gives is among the other changes.
        service_accounts: Of what is dangerous, who may assume the role, as NAMESPACE/NAME, or a pattern for several.
        dangerous: Whether that gives access to everything, or lets the role give itself more.
    """

    role: str
    role_arn: str
    change: Literal["gains", "loses"]
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    extent: Literal["all", "some", "cannot tell"] = "all"
    keys: tuple[str, ...] = ()
    policy: str = ""
    read: bool = False
    service_accounts: tuple[str, ...] = ()
    dangerous: bool = False

    @property
    def rank(self) -> int:
        """How much it is to be looked at: 0 comes first."""
        if self.policy:
            return HARMLESS if self.read else rank_of_policy(self.policy)
        return rank(self.actions, self.resources)

    @property
    def may_be_dangerous(self) -> bool:
        """Whether it is a dangerous gain, or one of a policy that was not read."""
        return self.change == "gains" and (self.dangerous or bool(self.policy and not self.read))

    @property
    def may_assume(self) -> bool:
        """Whether it is a gain by which the role may assume another one, or a policy that was not read."""
        assumes = any(overlap(each.lower(), f"{ASSUME_ROLE.lower()}*") for each in self.actions)
        return self.change == "gains" and (assumes or bool(self.policy and not self.read))


class Permits(NamedTuple):
    """What decides what a role may do.

    Attributes:
        documents: The documents of its policies, as far as they were read.
        attached: ARNs of the managed policies of others.
        boundary: ARN of its permissions boundary; empty without one.
        limits: The document of that; None without one.
        tags: Its tags.
        sessions: Who has sessions of it by EKS Pod Identity, and whether these have tags; and that tokens have some.
        read: Those of the policies of others that were read.
    """

    documents: Sequence[Document] = ()
    attached: frozenset[str] = frozenset()
    boundary: str = ""
    limits: Document | None = None
    tags: Mapping[str, Any] = {}
    sessions: frozenset[tuple[str, str, bool]] = frozenset()
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
    by_pods: dict[str, set[tuple[str, str, bool]]] = {}
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


def permission_changes(
    before: Sessions, after: Sessions, permitted: Sequence[Mapping[str, Permits]]
) -> tuple[list[PermissionChange], list[Undecided]]:
    """Return what the roles of a stack gain and lose, what is dangerous first; and of which that cannot be told.

    What decides that is permitted, before and afterwards; what a permissions boundary that is not read leaves of it is
    not looked at.
    """
    found: list[PermissionChange] = []
    compared: dict[str, tuple[Sequence[Gain], Sequence[Gain]]] = {}
    undecided: list[Undecided] = []
    tags = functools.cache(lambda: _of_tags(_documents_of(before, after)))
    for arn, (old, new) in changed_permits(*permitted).items():
        role, sessions = (after.roles[arn], after) if arn in after.roles else (before.roles[arn], before)
        change = functools.partial(PermissionChange, role.name, known_arn(arn))
        undecide = functools.partial(Undecided, role.name, known_arn(arn))
        undecided += [undecide(sessions.problems[arn])] if role.trust is NOT_THERE else []
        undecided += [undecide(reason) for reason in _open_questions(old, new, tags)]
        both = [(side.known, side.boundary_document) for side in (old, new)]
        # The roles of one add-on often say the same.
        said = repr(both)
        if said not in compared:
            was, becomes = (gives(*each) for each in both)
            compared[said] = gains(was, becomes), gains(becomes, was)
        gained, lost = compared[said]
        of_role = [change("gains", *each) for each in gained] + [change("loses", *each) for each in lost]
        of_role += [change("gains", policy=each, read=each in new.read) for each in new.attached - old.attached]
        of_role += [change("loses", policy=each, read=each in old.read) for each in old.attached - new.attached]
        dangerous = any(each.rank < HARMLESS for each in of_role)
        who = who_has(sessions, role) if dangerous else ()
        found += [
            replace(each, service_accounts=tuple(sorted(who)), dangerous=True) if each.rank < HARMLESS else each
            for each in of_role
        ]
    return sorted(found, key=lambda each: (each.change, each.rank, each.role, each.policy)), undecided


def policies_of_no_role(before: Sessions, after: Sessions) -> Iterator[Undecided]:
    """Yield the policies of the stack that may allow more than before, of which no role of it has both versions.

    One that is new nobody has, and IAM deletes none that somebody has:
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html.
    """
    in_use = [
        {arn for each in sessions.roles.values() for arn in (*each.attached_policies, each.permissions_boundary)}
        for sessions in (before, after)
    ]
    for arn in sorted((before.documents.keys() & after.documents.keys()) - (in_use[0] & in_use[1])):
        old, new = before.documents[arn], after.documents[arn]
        if old != new and any(_allows_more([old, *beside], [new, *beside]) for beside in ([], [EVERYTHING])):
            yield Undecided(Arn.name_in(arn), known_arn(arn), ELSEWHERE)


def session_policy_changes(before: Sessions, after: Sessions, found: Rights) -> Iterator[Undecided]:
    """Yield the roles of whose associations one had a session policy that changes or goes, or limits no new token."""
    new = {(each.cluster_arn, each.subject): each for those in after.world.associations.values() for each in those}
    every = (*found.gains, *found.may_gain, *found.changes_way)
    by_tokens = {e.role_arn for e in every if not e.then and (e.way == "irsa" or e in found.changes_way)}
    for old in (each for those in before.world.associations.values() for each in those if each.policy):
        there, arn = new.get((old.cluster_arn, old.subject)), known_arn(old.role_arn)
        change = "is another one, or none" if there and there.policy != old.policy else "does not limit its tokens"
        if arn in by_tokens or (there and there.policy != old.policy):
            yield Undecided(role_name(old.role_arn), arn, f"{SESSION_POLICY} {named(str(old))} {change}")


def _open_questions(old: Permits, new: Permits, of_stack: Callable[[], str]) -> Iterator[str]:
    """Yield why what a role may do cannot be told in full; with the documents of the stack, which may ask for tags."""
    if any(isinstance(each, Unknown) for each in (*old.documents, *new.documents)):
        yield UNKNOWN
    if NO_PERMITS in (old, new):
        return
    not_read = (old.attached & new.attached) - old.read
    if (old.boundary, old.limits) != (new.boundary, new.limits):
        was, becomes = (named(each.boundary.partition(UNNAMED)[0] or "none") for each in (old, new))
        if any(isinstance(each.limits, Unknown) for each in (old, new)):
            change = f"from {was} to {becomes}" if was != becomes else "in what it says"
            yield f"its permissions boundary, which was not read, changes {change}"
        if not_read and old.boundary and _allows_more([old.limits], [new.limits]):
            yield f"its permissions boundary allows more of {_names(not_read)}, which was not read"
    detached = old.attached - new.attached - old.read if new.documents or new.attached else ()
    if detached:
        yield f"{_names(detached)}, which was not read, is detached: it may have denied something"
    depending = not_read | ({new.boundary.partition(UNNAMED)[0]} if isinstance(new.limits, Unknown) else set())
    if depending and (old.tags != new.tags or new.sessions - old.sessions):
        yield f"{TAGS_CHANGE} {_names(depending)} may depend, which was not read"
    tags = {name for name in {*old.tags, *new.tags} if old.tags.get(name) != new.tags.get(name)}
    # A session of EKS Pod Identity has tags of its own, one of IRSA has none.
    of_session = SESSION_TAGS if new.sessions - old.sessions else ()
    asking = [each for each in tags if _asks_for(each, of_stack())]
    own = _of_tags((*old.known, *new.known, old.limits, new.limits)) if of_session else ""
    asking += [each for each in of_session if _asks_for(each, own)]
    if asking:
        yield f"{TAGS_CHANGE} statements depend: {_names(asking)}"


def _asks_for(tag: str, texts: str) -> bool:
    """Return whether there is a condition or a variable about a tag in the texts of `_of_tags`, or may be."""
    written = "" if tag == ANY_TAG else rf"{re.escape(tag)}([}},\n]|$)"
    return bool(re.search(rf"(Principal|Resource)Tag/({written}|[^}},\n]*[*?$])", texts, re.IGNORECASE))


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(named, sorted(names)))


def _allows_more(old: Sequence[Document | None], new: Sequence[Document | None]) -> bool:
    """Return whether documents allow more than others, or may."""
    known = [[each for each in side if isinstance(each, Mapping)] for side in (old, new)]
    return known != [[*old], [*new]] or bool(gains(*map(gives, known)))


def _documents_of(before: Sessions, after: Sessions) -> Iterator[Document]:
    """Yield all documents of a stack."""
    for each in (before, after):
        for role in each.roles.values():
            yield from (role.trust, *role.inline_policies.values())
        yield from each.documents.values()


def _of_tags(documents: Iterable[Document | None]) -> str:
    """Return the condition keys and values in documents that name tags, each once in a line.

    Those are tags of who asks, and of what is asked for:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html
    """
    every = (text for each in documents if isinstance(each, Mapping) for _, text in leaves(each))
    return "\n".join({text for text in every if isinstance(text, str) and "tag/" in text.lower()})


def policies_of_others(before: Sessions, after: Sessions) -> list[str]:
    """Return the ARNs of policies and boundaries that are not the stack's, of the roles whose permissions change."""
    own = own_policies(before, after)
    changed = changed_permits(permits(before, own), permits(after, own))
    sides = (side for both in changed.values() for side in both)
    arns = {arn for side in sides for arn in (*side.attached, *filter(known_arn, [side.boundary]))}
    return sorted(arns - own)


def changed_permits(before: Mapping[str, Permits], after: Mapping[str, Permits]) -> dict[str, tuple[Permits, Permits]]:
    """Return what decides what the roles may do at both times, where that changes."""
    sides = ((arn, before.get(arn, NO_PERMITS), after.get(arn, NO_PERMITS)) for arn in sorted({*before, *after}))
    return {arn: (old, new) for arn, old, new in sides if old != new}
