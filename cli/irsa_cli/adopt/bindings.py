"""From what was found to the bindings of a stack file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from irsa.evaluation import Decision
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import listed, named
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.variables import reference
from irsa.ways import IRSA, POD_IDENTITY, SHORT, TRUSTED, USED
from irsa_cli.adopt.items import AdoptedBinding, Adoption, Candidate, Choice, Fate, Item
from irsa_cli.adopt.owners import owners_of_role
from irsa_cli.adopt.taken import (
    TakenRole,
    TakenServiceAccount,
    about_service_account,
    owners_of,
    take_role,
    take_service_account,
)
from irsa_cli.adopt.task import Clusters, Declared, Task, Ways, attempt, unique_key
from irsa_cli.adopt.trust import Settings
from irsa_world.exits import CouldNotLookError
from irsa_world.model import ServiceAccount
from irsa_world.sessions import Associated, Sessions
from irsa_world.verdict import NO_SERVICE_ACCOUNT

THE_OTHER_WINS = "EKS Pod Identity gives its Pods that role, whatever the annotation says: remove one of the two"
_USUAL = {"identity": IRSA.key, "audience": DEFAULT_AUDIENCE}


def adopt(sessions: Sessions, choice: Choice, ways: Ways, declared: Declared, aws_account: str) -> Adoption:
    """Return the bindings for what was found and chosen, in a stable order.

    Args:
        sessions: Those of what was found.
        choice: What is chosen.
        ways: How it is adopted.
        declared: What the stack file has.
        aws_account: Number of the stack's AWS account.

    Raises:
        CouldNotLookError: A part of the choice chooses nothing.
    """
    live = next(each for each in sessions.world.aws_accounts if each.number == aws_account)
    clusters = Clusters(sessions.world, live, declared, ways.region)
    variables = mapping_of(declared.settings.get("variables"))
    dollar = "dollar"
    while variables.get(dollar, "$") != "$":
        dollar += "_"
    policies = {each.arn: each for each in live.policies}
    task = Task(sessions, live, ways, declared, clusters, policies, dollar)
    candidates = [*_candidates(task)]
    without_effect = [*choice.without_effect(candidates)]
    if without_effect:
        raise CouldNotLookError(
            f"nothing that was found is chosen by {listed(without_effect)}: see `irsa inventory` for what there is"
        )
    bindings: dict[str, Mapping[str, Any]] = {}
    items, used = list[Item](), {*declared.bindings}
    for candidate in filter(choice.has, candidates):
        for each in _adopted(task, candidate, choice):
            if isinstance(each, Item):
                items.append(each)
            else:
                key = unique_key(each.names, used)
                used.add(key)
                bindings[key] = each.settings
                items += [item._replace(key=key) for item in each.items]
    uses_dollar = reference(dollar) in json.dumps(bindings) and dollar not in variables
    additions = {
        **({"clusters": clusters.new} if clusters.several else clusters.new),
        "variables": {dollar: "$"} if uses_dollar else {},
        "bindings": bindings,
    }
    return Adoption(additions, items)


def _candidates(task: Task) -> Iterator[Candidate]:
    """Yield the roles that a service account has, and those that trust a cluster, or one that is gone; by ARN."""
    sessions = task.sessions
    roles = {role.arn: role for role in task.aws_account.roles}
    users: dict[str, dict[ServiceAccount, Associated | None]] = {}
    for cluster, each in sessions.world.annotated:
        users.setdefault(each.role_arn, {})[each] = sessions.associated_with.get((cluster.issuer, each.subject))
    for one in sessions.associated:
        # One that does not exist has no annotations.
        place = one.association.namespace, one.association.service_account
        service_account = one.service_account or ServiceAccount(one.cluster.name, *place)
        users.setdefault(one.association.role_arn, {})[service_account] = one
    trusting = {each.policy.role.arn for each in sessions.trusts if each.provider_arn in task.clusters.providers}
    for arn in sorted({*users, *(trusting & roles.keys())}):
        yield Candidate(arn, roles.get(arn), users.get(arn, {}))


def _adopted(task: Task, candidate: Candidate, choice: Choice) -> Iterator[AdoptedBinding | Item]:
    """Yield the bindings of a role and of those of its service accounts that are chosen, and what is left of them."""
    arn, ready = candidate.role_arn, list[TakenServiceAccount]()
    those = candidate.service_accounts
    refused = {each: _refused(task, arn, each, associated) for each, associated in those.items()}
    for each in filter(choice.has_service_account, those):
        associated = those[each]
        of_role = associated if associated and associated.association.role_arn == arn else None
        owners = owners_of(task, each, of_role)
        take = partial(take_service_account, task, each, of_role, owners, refused[each])
        found = attempt(about_service_account(each), owners, take)
        if isinstance(found, Item):
            yield found
        else:
            ready.append(found)
    admitted = {each: associated for each, associated in those.items() if not refused[each]}
    with_role: Sequence[TakenServiceAccount] = ()
    if role := candidate.role:
        has_right = choice.has(candidate._replace(service_accounts=admitted))
        owners = task.stacks_of(arn) or owners_of_role(role, those)
        taken = attempt(f"role {named(arn)}", owners, partial(take_role, task, role, owners, has_right=has_right))
        if isinstance(taken, Item):
            yield taken
        else:
            with_role = _with_role(task, taken, ready)
            yield _of_role(task, taken, with_role)
    yield from (_annotating(task, arn, each) for each in ready if each not in with_role)


def _refused(task: Task, arn: str, found: ServiceAccount, associated: Associated | None) -> str:
    """Return why a service account gets no session of a role: a stack with it would be broken; empty if it may."""
    about = f"{'annotated' if found.role_arn == arn else 'associated'} with {named(arn)}"
    other = associated.association.role_arn if associated else ""
    if other and found.role_arn not in ("", other):
        return f"annotated with {named(found.role_arn)}, and associated with {named(other)}: {THE_OTHER_WINS}"
    if associated and associated.service_account is None:
        return f"{about}: {NO_SERVICE_ACCOUNT}"
    if found.role_arn == arn:
        session = task.sessions.of_token(arn, task.clusters.by_name[found.cluster], found)
    else:
        (session, *_) = associated.sessions if associated else ()
    if session.missing:
        return f"{about}: {session.verdict.found}"
    is_refused = session.verdict.decision is Decision.DENIED
    return f"{about}, which does not admit it: {session.verdict.details}" if is_refused else ""


def _with_role(task: Task, taken: TakenRole, ready: Sequence[TakenServiceAccount]) -> Sequence[TakenServiceAccount]:
    """Return the service account that is declared with its role, once for each cluster; none if there are several.

    With the role, it is trusted in all of the binding's clusters, as an exact subject, and nothing else may change: a
    statement that stays as it is may let an association in, beside which irsa would write another one; a role with a
    target gets a policy for that; and an association without tags those of its role.
    """
    settings = taken.trust.settings
    if len({each.common for each in ready}) != 1:
        return []
    first = ready[0]
    pods = first.pod_identity
    fits = (
        first.found.subject in settings.subjects
        and {each.found.cluster for each in ready} == {*task.clusters.of_trust(settings)}
        and (not first.found.role_arn or first.found.audience == settings.audience)
        and (pods is None or (bool(settings.cluster_arns) and "targetRoleArn" not in pods))
        and (pods is None or "tags" in pods or "tags" not in taken.settings["role"])
    )
    return ready if fits else []


def _identity(first: TakenServiceAccount | None, settings: Settings | None) -> dict[str, Any]:
    """Return how Pods get a role, by its service account and its trust policy, as far as the binding has them."""
    irsa, pods = first is None or bool(first.found.role_arn), first is not None and first.pod_identity is not None
    trusts_irsa, trusts_pods = (settings.oidc_provider_arns, settings.cluster_arns) if settings else (irsa, pods)
    uses = {IRSA.key: USED if irsa else TRUSTED} if trusts_irsa else {}
    uses |= {POD_IDENTITY.key: USED if pods else TRUSTED} if trusts_pods else {}
    short = next((word for word, identity in SHORT.items() if identity.recorded == uses), None)
    return {"identity": short or uses}


def _of_service_account(ready: Sequence[TakenServiceAccount], settings: Settings | None) -> dict[str, Any]:
    """Return what a binding has of a service account, which is the same in each cluster."""
    first = ready[0]
    ids = {each.key: each.association_id for each in ready if each.association_id}
    pods = {} if first.pod_identity is None else {"podIdentity": {**first.pod_identity, "importIds": ids}}
    return {"serviceAccount": first.settings, **_identity(first, settings), **pods}


def _of_role(task: Task, taken: TakenRole, ready: Sequence[TakenServiceAccount]) -> AdoptedBinding:
    """Return the binding of a role, with its service account or by itself."""
    trusted, trust = taken.trust.settings, taken.settings["trust"]
    about = Item(
        Fate.EXACT if taken.trust.is_exact else Fate.REWRITTEN,
        f"role {named(taken.role.arn)}",
        notes=taken.notes,
        owners=taken.owners,
    )
    if ready:
        subject, imported = ready[0].found.subject, ["serviceAccount"] * ready[0].whole
        beside, names = _of_service_account(ready, trusted), [_key_of(ready[0].found)]
    else:
        # Its trust policy asks for session tags otherwise, which its associations do not have.
        without_tags = trusted.cluster_arns and not trusted.session_tags
        subject, imported, names = "", [], [taken.role.name]
        beside = _identity(None, trusted) | ({"podIdentity": {"sessionTags": False}} if without_tags else {})
    trust = {**trust, "subjects": [each for each in trust["subjects"] if each != subject]}
    settings = {
        **beside,
        **taken.settings,
        "trust": {name: value for name, value in trust.items() if value},
        "import": [*taken.imported, *imported],
    }
    return _binding(task, names, settings, [about, *(each.item() for each in ready)])


def _annotating(task: Task, arn: str, each: TakenServiceAccount) -> AdoptedBinding:
    """Return the binding of a service account whose role exists, or is in another binding."""
    settings = {
        **_of_service_account([each], None),
        "role": {"arn": arn},
        **({"audience": each.found.audience} if each.found.role_arn else {}),
        **task.clusters.setting([each.found.cluster]),
        "import": ["serviceAccount"] * each.whole,
    }
    key, how = _key_of(each.found), "annotated" if each.found.role_arn else "associated"
    names = [key, f"{key}-{each.found.cluster}"]
    return _binding(task, names, settings, [each.item(f"{how} with {named(arn)}")])


def _binding(task: Task, names: Sequence[str], settings: Mapping[str, Any], items: Sequence[Item]) -> AdoptedBinding:
    said = task.said({name: each for name, each in settings.items() if each}, _USUAL)
    # What was there before the stack outlives a mistake in it.
    return AdoptedBinding(names, {**said, "protect": True}, items)


def _key_of(found: ServiceAccount) -> str:
    return f"{found.namespace}-{found.name}"
