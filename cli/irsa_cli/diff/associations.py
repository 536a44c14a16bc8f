"""What associations of EKS Pod Identity may give beyond the stack's own, and their session policies. Pure."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from irsa.evaluation.document import Condition, Statement
from irsa.evaluation.gains import gains
from irsa.evaluation.patterns import covers
from irsa.evaluation.permissions import gives
from irsa.rules.arns import Arn
from irsa.rules.grammar import split_operator
from irsa.rules.subjects import subject_of
from irsa.rules.trust import (
    ASSUME_ROLE,
    CLUSTER_TAG,
    NAMESPACE_TAG,
    SERVICE_ACCOUNT_TAG,
    SOURCE_ARN,
    TAG_SESSION,
)
from irsa.rules.unknown import Unknown
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.rights import Right, Rights, written
from irsa_cli.diff.sides import PODS, Compared, Side
from irsa_cli.diff.world import UNKNOWN_ARN, World, place_of
from irsa_world.trusts.chains import Document
from irsa_world.trusts.trust import ANYBODY

# Operators by which a condition names its values.
NAMING = frozenset({"StringEquals", "StringLike", "ArnEquals", "ArnLike"})
NO_TOKENS = "does not limit its sessions by IRSA"


class _Admitted(NamedTuple):
    """Whom a statement admits by an association: patterns, and what else of it decides.

    Attributes:
        cluster: ARN of the cluster.
        namespace: The namespace.
        name: Name of the service account.
        otherwise: Its other conditions, and whether it allows session tags.
    """

    cluster: str
    namespace: str
    name: str
    otherwise: frozenset[Condition | bool]

    def includes(self, other: "_Admitted") -> bool:
        """Return whether it admits all whom another one does."""
        patterns = zip(self[:3], other[:3], strict=True)
        return self.otherwise == other.otherwise and all(itertools.starmap(covers, patterns))


def add_associations(
    found: Rights, compared: Iterable[Compared], before: World, after: World, eks_issuers: Mapping[str, str]
) -> None:
    """Add who may gain a role by an association that is not in the stack, or one of a role that is not."""
    for each in (one for one in compared if not one.problem):
        found.may_gain.extend(_by_trust_alone(each, eks_issuers))
        found.may_gain.extend(_by_another_target(each, eks_issuers))
    old, new = map(_of_other_roles, (before, after))
    found.may_gain.extend(_of_other_role(*each) for each in sorted(new - old))
    found.may_lose.extend(_of_other_role(*each) for each in sorted(old - new))


def _by_trust_alone(compared: Compared, eks_issuers: Mapping[str, str]) -> Iterator[Right]:
    """Yield who may gain a role by an association that is not in the stack: its trust policy allows more than before.

    Who has such an association afterwards is told by that; who has the role by IRSA before is nobody else.
    """
    role, (before, after) = compared.role, compared.sides
    providers = compared.providers(eks_issuers)
    declared = {(each.cluster_arn, each.subject) for each in after.associations}
    for cluster, subject in _newly_admitted(before, after):
        if (cluster, subject) not in declared and not before.admits(providers.get(cluster, ""), subject):
            right = Right(written(subject), role.name, role.arn, "", way="podIdentity", if_associated=True)
            yield replace(right, cluster_arn="" if cluster == "*" else cluster)


def _by_another_target(compared: Compared, eks_issuers: Mapping[str, str]) -> Iterator[Right]:
    """Yield whose association had a target role and has another one, or none: Pods have credentials of that alone.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    role, (before, after), providers = compared.role, compared.sides, compared.providers(eks_issuers)
    targets = {(place_of(each), each.subject): each.target_role_arn for each in before.associations}
    for each in after.associations:
        place, target = (place_of(each), each.subject), each.target_role_arn
        changes = targets.get(place, "") not in ("", target) and after.held_by_pods(place[0])[each.subject] is not False
        if changes and not before.admits(providers.get(place[0], ""), each.subject):
            right = Right(written(each.subject), role.name, role.arn, "", then=target, if_trusted=bool(target))
            yield replace(right, way="podIdentity", cluster_arn=each.cluster_arn)


def _newly_admitted(before: Side, after: Side) -> list[tuple[str, str]]:
    """Return clusters and service accounts, each a pattern, that a statement admits and none before did."""
    old, new = ([*itertools.chain.from_iterable(map(_admitted, side.parsed[1]))] for side in (before, after))
    denying = [{each for each in side.parsed[1] if each.effect == "Deny"} for side in (before, after)]
    if not denying[0] - denying[1] and before.parsed[0] == after.parsed[0]:
        new = [each for each in new if not any(one.includes(each) for one in old)]
    return sorted({(each.cluster, subject_of(each.namespace, each.name)) for each in new})


def _admitted(statement: Statement) -> Iterator[_Admitted]:
    """Yield whom an allowing statement admits by associations; `*` is anybody."""
    is_for_pods = {PODS, *ANYBODY} & {*statement.principals} and statement.covers(ASSUME_ROLE)
    if statement.effect != "Allow" or not is_for_pods:
        return
    values: dict[str, Sequence[str]] = {}
    others: set[Condition | bool] = {statement.covers(TAG_SESSION)}
    for each in statement.conditions:
        operator = split_operator(each.operator)
        key = {SOURCE_ARN.lower(): CLUSTER_TAG.lower()}.get(each.key.lower(), each.key.lower())
        is_plain = operator and operator.name in NAMING and not operator.if_exists and not operator.of_set
        is_naming = is_plain and key in PLACES and not any("${" in value for value in each.wanted)
        if not (is_naming and values.setdefault(key, each.wanted) == each.wanted):
            others.add(each)
    for cluster, namespace, name in itertools.product(*(values.get(key, ("*",)) for key in PLACES)):
        yield _Admitted(cluster, namespace, name, frozenset(others))


PLACES = tuple(each.lower() for each in (CLUSTER_TAG, NAMESPACE_TAG, SERVICE_ACCOUNT_TAG))


# --- roles that are not in the stack, and session policies -----------------------------------------------------------


def _of_other_roles(world: World) -> set[tuple[str, str, str, str, str]]:
    return {
        (role.arn, place_of(each), each.cluster_arn, each.subject, each.target_role_arn)
        for role in world.others.values()
        for each in role.associations
    }


def _of_other_role(arn: str, _: str, cluster: str, subject: str, target: str) -> Right:
    name = Arn.name_in(arn) or UNKNOWN_ARN
    return Right(written(subject), name, arn, "", then=target, if_trusted=True, way="podIdentity", cluster_arn=cluster)


def session_policy_changes(
    before: World, after: World, compared: Mapping[str, Compared], eks_issuers: Mapping[str, str]
) -> list[Undecided]:
    """Return the roles of whose associations one has no session policy any more, or one that limits less."""
    found = []
    there = after.every
    for key, role in before.every.items():
        new = there.get(key, role)
        stays = {(place_of(each), each.subject) for each in new.associations} if key in there else ()
        for each in role.associations:
            place = place_of(each), each.subject
            if (old := role.session_policies.get(place)) is None:
                continue
            changes = [_widening(old, new.session_policies.get(place))] if place in stays else []
            changes += [NO_TOKENS] if key in compared and _by_irsa_too(compared[key], *place, eks_issuers) else []
            for change in filter(None, changes):
                reason = f"the session policy that limited {written(each.subject)} in {each.cluster_arn} {change}"
                found.append(Undecided(new.name, new.arn, reason))
    return found


def _by_irsa_too(compared: Compared, place: str, subject: str, eks_issuers: Mapping[str, str]) -> bool:
    """Return whether a service account of a cluster gets the role by IRSA, or may."""
    if compared.problem:
        return False
    # Where EKS did not say which issuer is that of the cluster, each one may be.
    known = [compared.providers(eks_issuers).get(place, "")] if place in eks_issuers else compared.issuers
    held = ([side.admits(arn, subject) for side in compared.sides] for arn in known)
    return any(was != becomes and becomes is not False for was, becomes in held)


def _widening(old: Document, new: Document | None) -> str:
    """Return how a session policy limits less than before; empty where it does not."""
    if new is None:
        return "is removed"
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return "changes, and what it says is not known until `pulumi up`"
    return "allows more than before" if gains(gives([old]), gives([new])) else ""
