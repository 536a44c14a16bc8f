"""The trust of the roles that change, before and after: what is said to tokens, Pods and others. Pure."""

import functools
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation import PodIdentityRequest
from irsa.evaluation.document import Condition, Parsed, Statement
from irsa.evaluation.grants import Grants, grants, is_of_subject, is_within, subjects_of_claim
from irsa.evaluation.normal_form import normal
from irsa.evaluation.patterns import covers
from irsa.rules.arns import oidc_provider_arn
from irsa.rules.quotas import OF_TRUST_POLICY_SIZE
from irsa.rules.subjects import EVERY_SERVICE_ACCOUNT, WILDCARDS, is_pattern
from irsa.rules.trust import NAMESPACE_TAG, SERVICE_ACCOUNT_TAG
from irsa.rules.unknown import Unknown
from irsa_world.issuers import eks_region
from irsa_world.model import Association, Role, World
from irsa_world.sessions import Sessions
from irsa_world.state.planned import NOT_THERE
from irsa_world.trusts.provider_trust import ANYBODY, allowed_principals, is_of_kubernetes, trusts_of

PODS = PodIdentityRequest.principal
# The tags by which a statement is for one service account alone, of whichever cluster.
OF_POD = (NAMESPACE_TAG, SERVICE_ACCOUNT_TAG)
# Every audience, or every service account's claim.
ANY = "*"
# The operators whose values say all that a claim can be.
PLAIN = frozenset({"StringEquals", "StringLike"})
# What a trust policy says that is none.
NOTHING: Parsed = ("", ())
NO_CLIENT_IDS = "the client IDs of its OIDC provider are not known until `pulumi up`"


class Pair(NamedTuple):
    """An audience that a trust policy takes or refuses from service accounts.

    Attributes:
        allows: Whether the Effect is Allow.
        audience: The audience, or a pattern.
        subject: A `namespace:name` pattern.
        others: The other conditions of the statement.
    """

    allows: bool
    audience: str
    subject: str
    others: frozenset[Condition]

    def is_within(self, other: "Pair") -> bool:
        """Return whether another pair applies whenever this one does."""
        return (
            self.allows is other.allows
            and covers(other.audience, self.audience)
            and is_within(self.subject, [other.subject])
            and other.others <= self.others
        )


def takes_more_audiences(before: Grants, pairs: Sequence[set[Pair]]) -> bool:
    """Return whether somebody who had the role before gains an audience: pairs of both times are given.

    Whoever did not have the role before is reported as somebody who gains the role.
    """
    old, new = pairs
    allowed = (each for each in new - old if each.allows and before.answer(each.subject).given)
    # What a Deny takes of all audiences, the other rows tell.
    denied = (
        each
        for each in old - new
        if not each.allows
        and each.audience != ANY
        and (is_pattern(each.subject) or before.answer(each.subject).given is not False)
    )
    return _has_one_outside(allowed, old) or _has_one_outside(denied, new)


def _has_one_outside(pairs: Iterable[Pair], others: Iterable[Pair]) -> bool:
    # Of pairs without a pattern, the sets are compared already.
    wider = [other for other in others if other.audience == ANY or is_pattern(f"{other.audience}{other.subject}")]
    literal: dict[tuple[bool, str, str], list[Pair]] = {}
    for other in others:
        literal.setdefault(other[:3], []).append(other)
    return any(not any(map(each.is_within, (*literal.get(each[:3], ()), *wider))) for each in pairs)


def _values_of(conditions: Sequence[Condition]) -> tuple[Sequence[str], Sequence[Condition]]:
    """Return the values, as patterns, of which a claim must match one; and conditions that do not say just that."""
    if not conditions:
        return [ANY], ()
    is_plain = len(conditions) == 1 and conditions[0].operator in PLAIN
    is_plain &= not any("${" in value for value in conditions[0].wanted)
    if not is_plain or (conditions[0].comparison == "Equals" and any(map(is_pattern, conditions[0].wanted))):
        return [ANY], conditions
    return conditions[0].wanted, ()


def _in_one_form(condition: Condition) -> Condition:
    return Condition(condition.operator, condition.key.lower(), tuple(sorted({*condition.wanted})))


class Side(NamedTuple):
    """A role at one time.

    Attributes:
        parsed: Version and statements of its trust policy.
        said: The statements in their normal form.
        audiences: What the OIDC providers of clusters in its AWS account list, by ARN; None where that is not known.
        client_ids: What the other OIDC providers of the stack list, by ARN.
    """

    parsed: Parsed
    said: Sequence[str]
    audiences: Mapping[str, Collection[str] | None]
    client_ids: Mapping[str, Collection[str]]

    @property
    def said_to_pods(self) -> set[str]:
        """The statements that can apply to EKS Pod Identity."""
        return self._versioned(
            place
            for place, statement in enumerate(self.parsed[1])
            if ANYBODY & {*statement.principals} or any(type_ == PODS[0] for type_, _ in statement.principals)
        )

    def said_to_tokens(self, provider_arn: str) -> tuple[set[str], Collection[str] | None]:
        """Return the statements that can apply to tokens of an OIDC provider, and the audiences that it lists."""
        of = self.grants(provider_arn)
        said = self._versioned(statement.place for statement in (of.statements if of else ()))
        return said, self.audiences.get(provider_arn, ())

    def _versioned(self, places: Iterable[int]) -> set[str]:
        """Return statements with the version: in another one, those with policy variables say something else."""
        return {f"{self.parsed[0]} {self.said[place]}" for place in places}

    def grants(self, provider_arn: str) -> Grants | None:
        """Return what is said to the tokens of an OIDC provider; None where STS takes none of it."""
        ids = self.audiences.get(provider_arn, ())
        return grants(self.parsed, provider_arn, ids) if ids is None or ids else None

    def unlisted(self, provider_arn: str) -> Grants | None:
        """Return what is said to tokens, where nobody knows which client IDs the OIDC provider lists; else None."""
        return self.grants(provider_arn) if self.audiences.get(provider_arn, ()) is None else None

    def pairs_of(self, of: Grants) -> set[Pair]:
        """Return which audiences statements take or refuse from which service accounts."""
        found = set()
        for statement in of.statements:
            audiences, asked_of_aud = _values_of(statement.aud)
            claims, asked_of_sub = _values_of(statement.sub)
            several = [None] if asked_of_sub else [*map(subjects_of_claim, claims)]
            subjects = [subject for one in several for subject in one or ()]
            if None in several:
                asked_of_sub = statement.sub
                named_by = of.named.items() if statement.allows else ()
                subjects = [name for name, places in named_by if statement.place in places] or [EVERY_SERVICE_ACCOUNT]
            others = {*self.parsed[1][statement.place].conditions} - {*statement.aud, *statement.sub}
            asked = frozenset(map(_in_one_form, (*asked_of_aud, *asked_of_sub, *others)))
            found |= {Pair(statement.allows, *of_both, asked) for of_both in itertools.product(audiences, subjects)}
        return found

    def said_to_others(self, issuers: Mapping[str, str]) -> dict[tuple[str, frozenset[str]], Statement]:
        """Return the statements that are not for service accounts, or not for them alone.

        By their text, and the client IDs of the OIDC providers of no cluster that they name; of all providers,
        where they allow everybody. One for EKS Pod Identity that names no service account is for whoever may create an
        association.
        """
        found = {}
        for said, each in zip(self.said, self.parsed[1], strict=True):
            names_pods = each.effect == "Allow" and all(_names(each.conditions, tag) for tag in OF_POD)
            principals = {*each.principals} - ({PODS} if names_pods else set())
            arns = {arn for _, arn in principals}
            if not {("Federated", arn) for arn in issuers} >= principals or any(
                _is_for_others(each, issuers[arn]) for arn in arns
            ):
                is_for_all = each.effect == "Allow" and principals & ANYBODY
                providers = self.client_ids if is_for_all else arns
                ids = frozenset(f"{arn} {one}" for arn in providers for one in self.client_ids.get(arn, ()))
                # A policy variable is one in the newer version alone.
                version = self.parsed[0] if "${" in said else ""
                found[f"{version}{said}", ids] = each
        return found


def _names(conditions: Iterable[Condition], tag: str) -> bool:
    """Return whether a condition has the plain value of a tag: no wildcard, and no policy variable."""
    return any(
        each.key.lower() == tag.lower()
        and each.operator in {"StringEquals", "StringLike"}
        and each.wanted
        and not any(WILDCARDS.search(value) or "${" in value for value in each.wanted)
        for each in conditions
    )


def _is_for_others(statement: Statement, issuer: str) -> bool:
    """Return whether a statement asks for claims that no token of a service account has: its issuer may be no cluster.

    Of these tokens, IAM has `aud` and `sub` alone:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    for each in statement.conditions:
        prefix, _, claim = each.key.lower().rpartition(":")
        # No service account has upper case in its name. Null has values of its own.
        operator = each.operator.lower()
        values = (value.lower() if "ignorecase" in operator else value for value in each.wanted)
        is_theirs = claim == "sub" and (operator == "null" or all(map(is_of_subject, values)))
        if prefix == issuer.lower() and claim != "aud" and not is_theirs:
            return True
    return False


class ComparedTrust(NamedTuple):
    """A role that changes.

    Attributes:
        roles: The role before and afterwards; None where it is not there.
        problem: Why nobody can tell who may assume it; empty where irsa can.
        issuers: The issuers of the OIDC providers of clusters that it names, by the provider's ARN.
        sides: Its trust at both times; none with a problem.
    """

    roles: tuple[Role | None, Role | None]
    problem: str
    issuers: Mapping[str, str] = {}
    sides: Sequence[Side] = ()


@functools.lru_cache(maxsize=4)
def own_roles(sessions: Sessions) -> dict[str, Role]:
    """Return the roles of the stack, by ARN; of others it may have policies and associations."""
    return {arn: each for arn, each in sessions.roles.items() if each.trust is not NOT_THERE}


def client_ids_of(world: World) -> dict[str, Any]:
    """Return what the OIDC providers list, by ARN; Unknown where that is not known."""
    return {arn: each for aws_account in world.aws_accounts for arn, each in aws_account.client_ids.items()}


def changed_roles(before: Sessions, after: Sessions) -> list[str]:
    """Return the ARNs of the roles whose sessions may change: trust, an OIDC provider, or an association; sorted."""
    old, new = (client_ids_of(each.world) for each in (before, after))
    providers = [arn for arn in {**old, **new} if old.get(arn, ()) != new.get(arn, ())]
    of_stack = own_roles(before), own_roles(after)
    pods = before.world.associations, after.world.associations

    def may_change(arn: str) -> bool:
        was, becomes = (each.get(arn) for each in of_stack)
        sessions = [{_session(one) for one in each.get(arn, ())} for each in pods]
        if was is None or becomes is None or was.trust != becomes.trust or sessions[0] != sessions[1]:
            return True
        return bool(providers) and arn in after.policies and _trusts_any(after.policies[arn].parsed[1], providers)

    return sorted(arn for arn in {**of_stack[0], **of_stack[1]} if may_change(arn))


def _session(of: Association) -> tuple[Any, ...]:
    return of.cluster_arn, of.subject, of.session_tags, of.target_role_arn


def _trusts_any(statements: Iterable[Statement], provider_arns: Collection[str]) -> bool:
    principals = allowed_principals(statements)
    return any(("Federated", arn) in principals or principals & ANYBODY for arn in provider_arns)


def compared_roles(before: Sessions, after: Sessions) -> dict[str, ComparedTrust]:
    """Return the roles that change, by their ARNs, sorted."""
    both = before, after
    client_ids = [client_ids_of(each.world) for each in both]
    found = {}
    for arn in changed_roles(before, after):
        roles = own_roles(before).get(arn), own_roles(after).get(arn)
        unlisted = itertools.starmap(_unlisted, _of(arn, both, client_ids))
        problems = (each.problems.get(arn) for each in both)
        problem = next(filter(None, (*problems, *map(_too_long, roles), *unlisted)), "")
        issuers, sides = ({}, []) if problem else _sides(arn, both, client_ids)
        found[arn] = ComparedTrust(roles, problem, issuers, sides)
    return found


def _too_long(role: Role | None) -> str:
    """Return that IAM takes no trust policy of this size; empty if it can. To compare one takes minutes."""
    trust = role.trust if role and isinstance(role.trust, Mapping) else {}
    size, most = len(json.dumps(trust, separators=(",", ":"), default=str)), OF_TRUST_POLICY_SIZE.most
    return f"its trust policy has {size:,} characters, and IAM takes at most {most:,}" if most and size > most else ""


def _of(arn: str, both: Iterable[Sessions], client_ids: Iterable[Any]) -> Iterator[tuple[Parsed, Any]]:
    """Yield what the trust policy of a role says at both times, with the client IDs of then."""
    for each, ids in zip(both, client_ids, strict=True):
        yield each.policies[arn].parsed if arn in each.policies else NOTHING, ids


def _unlisted(parsed: Parsed, client_ids: Mapping[str, Any]) -> str:
    unknown = [arn for arn, each in client_ids.items() if isinstance(each, Unknown)]
    return NO_CLIENT_IDS if _trusts_any(parsed[1], unknown) else ""


def _sides(
    arn: str, both: Sequence[Sessions], client_ids: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, str], list[Side]]:
    """Return the issuers of the OIDC providers of clusters that a role names, by the provider's ARN, and both sides."""
    _, partition, _, _, number, _ = arn.split(":", 5)
    own = functools.partial(oidc_provider_arn, partition, number)
    managed = {each for ids in client_ids for each in ids if _is_own(each, arn)}
    known = {*filter(eks_region, (each.partition(":oidc-provider/")[2] for each in managed))}
    trusts = [
        each
        for parsed, _ in _of(arn, both, client_ids)
        for each in trusts_of(parsed, partition, number, dict.fromkeys(map(own, known), ()), known)
    ]
    # Where one side names service accounts, the issuer is a cluster's for the other side too, which may name nobody,
    # or anybody.
    clusters = {each.issuer for each in trusts if each.issuer in known or is_of_kubernetes(each)}
    of_clusters = {each.provider_arn: each.issuer for each in trusts if each.issuer in clusters}
    of_clusters |= {own(each): each for each in clusters if number}
    of_its_account = [each for each in of_clusters if _is_own(each, arn)]
    spelling: dict[str, str] = {}
    return of_clusters, [
        Side(
            parsed,
            normal(sessions.roles[arn].trust, spelling).texts if parsed is not NOTHING else [],
            # Those that the stack does not create may list any.
            {each: _listed(ids.get(each, ())) if each in managed else None for each in of_its_account},
            {each: _listed(ids[each]) or () for each in ids if each not in of_its_account},
        )
        for sessions, (parsed, ids) in zip(both, _of(arn, both, client_ids), strict=True)
    ]


def _listed(client_ids: Any) -> Collection[str] | None:
    return None if isinstance(client_ids, Unknown) else client_ids


def _is_own(provider_arn: str, role_arn: str) -> bool:
    """Return whether an OIDC provider is of the role's own AWS account: STS takes no other one."""
    provider, role = (each.split(":") for each in (provider_arn, role_arn))
    return not role[4] or (provider[1], provider[4]) == (role[1], role[4])
