"""Who gains and who loses the right to assume a role: the sessions of one World less those of another. Pure.

The right is AWS's: the role exists, the IAM OIDC provider of the cluster exists and lists the audience of some token,
and the trust policy allows it; or an association of EKS Pod Identity gives the role, and the trust policy allows that.
What runs in the cluster makes no difference: who can create a service account of that name, or a token of it, has the
right. Who has a role by IRSA at one time and by EKS Pod Identity at the other changes the way: neither gains nor loses,
if it is one cluster, which only EKS can tell.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import chain
from typing import NamedTuple

from irsa.evaluation import Decision
from irsa.rules.mistakes import named
from irsa.ways import IRSA, POD_IDENTITY
from irsa_cli.diff.powers import NOT_KNOWN, Power
from irsa_cli.diff.rows import CANNOT_TELL, CERTAIN, DANGEROUS, Danger, Row, some
from irsa_cli.diff.trust import ANY, ComparedTrust, Side, own_roles, takes_more_audiences
from irsa_world.issuers import eks_region
from irsa_world.model import UNNAMED, known_arn, role_name
from irsa_world.sessions import ORDER, Sessions
from irsa_world.trusts.changes import GAINS, LOSES, changes

UNDECIDED = "its trust policy has conditions, policy variables or patterns that irsa cannot evaluate: read it"
NOT_LISTED = "the audiences that it accepts change, and only AWS knows the client IDs of"
NOT_KNOWN_YET = "an association of it is not known until `pulumi up`"
OUTSIDE = "outside the stack's AWS accounts"
OUTCOMES = {Decision.ALLOWED: True, Decision.DENIED: False}
EVERYBODY = "*:*"
CHANGES_WAY = "changes way"
SAME_CLUSTER = "EKS alone knows whether the issuer and the ARN are those of one cluster: compare them"


class About(NamedTuple):
    """What is known of roles and clusters.

    Attributes:
        text: What a role is called, by its ARN.
        places: What clusters are called, by issuer or ARN; those that need no name are not here.
        powers: What each role may do afterwards, by its ARN.
        aws_accounts: The stack's AWS accounts before: one of which it newly has a role is not its own by that.
    """

    text: Callable[[str], str]
    places: Mapping[str, str]
    powers: Callable[[str], Power]
    aws_accounts: Set[str]


class _Cell(NamedTuple):
    """A service account, how it has a role, in which cluster (issuer or ARN), and the ARN of a target role."""

    subject: str
    way: str
    where: str
    then: str = ""


class _SessionChange(NamedTuple):
    """Who gains or loses a role."""

    cell: _Cell
    change: str
    certain: bool
    but: Sequence[str] = ()


def session_rows(both: tuple[Sessions, Sessions], compared: Mapping[str, ComparedTrust], about: About) -> Iterator[Row]:
    """Yield who gains and who loses the right to assume a role of the stack, or one of which it has associations.

    Compared are the roles whose trust changes, by their ARNs.
    """
    of_stack = {arn for each in both for arn in own_roles(each)}
    others = sorted({arn for each in both for arn in each.world.associations} - of_stack)
    for arn, each in (*compared.items(), *((arn, None) for arn in others)):
        row = partial(Row, role=role_name(arn), role_arn=known_arn(arn))
        reasons = [each.problem] if each and each.problem else []
        if not reasons:
            pods = _by_pods(arn, both)
            by_tokens, is_open = _by_tokens(each) if each else ([], False)
            is_open |= each is not None and _changes_undecided_pods(arn, both, pods, each)
            for change in (*_changed(pods), *by_tokens):
                yield _session(row, arn, change, CHANGES_WAY if _moves(change, pods, each) else change.change, about)
            reasons += [] if all(all(cell.subject.split(":")) for cell in chain(*pods)) else [NOT_KNOWN_YET]
            if each:
                yield from _principals(row, each, arn, about)
                reasons += _undecided(each, is_open)
        if reasons:
            is_harmless = each and not each.problem and about.powers(arn) == ""
            danger: Danger = "" if is_harmless else "may be dangerous"
            yield row("session", "changes", f"who may assume {about.text(arn)}", CANNOT_TELL, reasons, danger)


def _by_tokens(compared: ComparedTrust) -> tuple[list[_SessionChange], bool]:
    """Return what changes for the tokens of each OIDC provider, and whether that cannot be told of all of them."""
    found: list[_SessionChange] = []
    is_open = False
    for arn, issuer in compared.issuers.items():
        those, undecided = changes(*(each.grants(arn) for each in compared.sides))
        found += [_SessionChange(_Cell(of.subject, IRSA.key, issuer), of.change, of.certain, of.but) for of in those]
        said = [side.said_to_tokens(arn) for side in compared.sides]
        is_open |= undecided and said[0] != said[1]
    return found, is_open


def _changes_undecided_pods(
    arn: str, both: Sequence[Sessions], pods: Sequence[Mapping[_Cell, bool | None]], compared: ComparedTrust
) -> bool:
    """Return whether what decides an association changes, of which irsa cannot tell at both times who has the role."""
    undecided = [cell for cell in pods[0].keys() & pods[1].keys() if pods[0][cell] is pods[1][cell] is None]
    has_other_trust = compared.sides[0].said_to_pods != compared.sides[1].said_to_pods
    tags = [
        {
            (of.cluster_arn, of.subject, of.target_role_arn, of.session_tags)
            for of in each.world.associations.get(arn, ())
        }
        for each in both
    ]
    return bool(undecided) and (has_other_trust or tags[0] != tags[1])


def _by_pods(arn: str, both: Sequence[Sessions]) -> tuple[dict[_Cell, bool | None], ...]:
    """Return who has a role by associations, before and afterwards; of one that was not read, nobody can tell.

    Pods have credentials of their target role alone:
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    is_read = any(arn in each.roles for each in both)
    found: tuple[dict[_Cell, bool | None], ...] = {}, {}
    for cells, sessions in zip(found, both, strict=True):
        for each in sessions.world.associations.get(arn, ()):
            decisions = [one.verdict.decision for one in sessions.of_association(each)]
            held = OUTCOMES.get(min(decisions, key=ORDER.index)) if is_read else None
            cell = _Cell(each.subject, POD_IDENTITY.key, each.cluster_arn, each.target_role_arn)
            cells[cell] = held if arn in sessions.roles or not is_read else False
    return found


def _changed(pods: Sequence[Mapping[_Cell, bool | None]]) -> Iterator[_SessionChange]:
    before, after = pods
    for cell in dict.fromkeys((*before, *after)):
        had, has = before.get(cell, False), after.get(cell, False)
        if had != has and all(cell.subject.split(":")):
            yield _SessionChange(cell, GAINS if has or had is False else LOSES, None not in (had, has))


def _moves(of: _SessionChange, pods: Sequence[Mapping[_Cell, bool | None]], compared: ComparedTrust | None) -> bool:
    """Return whether who gains or loses a role has it by the other way at the other time, perhaps in one cluster."""
    cell, at = of.cell, int(of.change == LOSES)
    if not of.certain or cell.then:
        return False
    if cell.way == IRSA.key:
        held = (each for each, is_held in pods[at].items() if is_held and not each.then)
        return any(each.subject == cell.subject and _may_be_one(each.where, cell.where) for each in held)
    if compared is None:
        return False
    those = (arn for arn, issuer in compared.issuers.items() if _may_be_one(cell.where, issuer))
    several = map(compared.sides[at].grants, those)
    return any(each.answer(cell.subject).given for each in several if each)


def _may_be_one(cluster: str, issuer: str) -> bool:
    """Return whether a cluster, by its ARN, may have an issuer: only EKS says which one it has."""
    region, known = eks_region(issuer), cluster.split(":")[3:4] if cluster.startswith("arn:") else []
    return bool(region) and known in ([], [region])


def _session(row: Callable[..., Row], arn: str, of: _SessionChange, change: str, about: About) -> Row:
    cell, is_move = of.cell, change == CHANGES_WAY
    who, but_not = cell.subject.replace(":", "/", 1), tuple(each.replace(":", "/", 1) for each in of.but)
    words = ["every service account" if cell.subject == EVERYBODY else named(who)]
    words += [f"in {named(about.places[cell.where])}"] if cell.where in about.places else []
    words += ["by EKS Pod Identity"] if cell.way == POD_IDENTITY.key and not is_move else []
    words += ["changes its way"] if is_move else []
    words += ["->", about.text(arn), *(["->", named(cell.then)] if cell.then else [])]
    words += [f"(but not {some(but_not)})"] if but_not else []
    danger, reason = _danger(about.powers(cell.then or arn)) if change != LOSES else ("", ())
    return row(
        "session",
        change,
        " ".join([*words, *reason]),
        CANNOT_TELL if is_move else CERTAIN if of.certain else "may",
        (SAME_CLUSTER,) if is_move else (),
        "may be dangerous" if danger and is_move else danger,
        who=who,
        but_not=but_not,
        way=cell.way,
        where=cell.where.partition(UNNAMED)[0],
        then=cell.then,
    )


def _danger(power: Power) -> tuple[Danger, Sequence[str]]:
    """Return how dangerous it is that somebody gains a role, and why in brackets."""
    if power == "":
        return "", ()
    return DANGEROUS if power else "may be dangerous", [f"({power or NOT_KNOWN})"]


def _principals(row: Callable[..., Row], compared: ComparedTrust, arn: str, about: About) -> Iterator[Row]:
    """Yield that a role trusts others than service accounts otherwise than before, and whom it newly trusts."""
    old, new = (each.said_to_others(compared.issuers) for each in compared.sides)
    if old.keys() == new.keys():
        return
    gone = [each for said, each in old.items() if said not in new]
    is_denied_less = bool(compared.roles[1]) and any(each.effect == "Deny" for each in gone)
    is_all_new = is_denied_less or compared.sides[0].parsed[0] != compared.sides[1].parsed[0]
    further = [each for said, each in new.items() if each.effect == "Allow" and (is_all_new or said not in old)]
    principals = sorted({one for each in further for one in each.principals})
    if not principals:
        yield row("principals", "loses", f"{about.text(arn)} trusts fewer than before")
        return
    own = {*about.aws_accounts, arn.split(":")[4]} - {""}
    is_outside = any(_is_outside(each, own) for each in principals)
    danger, reason = _danger(OUTSIDE if is_outside else about.powers(arn))
    said = f"{about.text(arn)} trusts {some(name for _, name in principals)}"
    yield row("principals", "gains", " ".join([said, *reason]), danger=danger)


def _is_outside(principal: tuple[str, str], aws_accounts: Set[str]) -> bool:
    """Return whether a principal may be outside of AWS accounts: who signs in elsewhere, too."""
    kind, name = principal
    number = name if name.isdecimal() else [*name.split(":"), *[""] * 5][4]
    return kind != "Service" and (kind != "AWS" or number not in aws_accounts)


def _undecided(compared: ComparedTrust, is_open: bool) -> Iterator[str]:
    """Yield why others may gain or lose the right than those who are told."""
    old, new = compared.sides
    if is_open:
        yield UNDECIDED
    if unlisted := [arn for arn in compared.issuers if _changes_audiences(old, new, arn)]:
        yield f"{NOT_LISTED} {some(sorted(unlisted))}"


def _changes_audiences(old: Side, new: Side, provider_arn: str) -> bool:
    """Return whether the audiences of somebody change, where nobody knows which client IDs the provider lists."""
    was, becomes = old.unlisted(provider_arn), new.unlisted(provider_arn)
    if not was or not becomes:
        return False
    pairs = old.pairs_of(was), new.pairs_of(becomes)
    # Fewer audiences, too: only the provider says which of them there are.
    asked = [{(each.allows, each.audience) for each in side if each.allows or each.audience != ANY} for side in pairs]
    return (all(asked) and asked[0] != asked[1]) or takes_more_audiences(was, pairs)
