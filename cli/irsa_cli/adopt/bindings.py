"""From what was found to the bindings of a stack file."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from irsa.evaluation import Decision, PodIdentityRequest, WebIdentityRequest
from irsa.evaluation.document import parse
from irsa.rules.arns import parse_iam_arn, provider_of_role
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.subjects import subject_claim
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.ways import IRSA, POD_IDENTITY, SHORT, TRUSTED, USED
from irsa_cli.adopt.associations import (
    THE_OTHER_WINS,
    Associated,
    TakenAssociation,
    associated_by_role,
    pod_identity,
    pods_of,
    take_association,
)
from irsa_cli.adopt.choice import Candidate, Choice, Ways
from irsa_cli.adopt.clusters import Clusters
from irsa_cli.adopt.declared import Declared
from irsa_cli.adopt.documents import Documents
from irsa_cli.adopt.names import unique_key
from irsa_cli.adopt.outcomes import Adoption, Outcome
from irsa_cli.adopt.roles import TakenRole, clusters_of, take_role
from irsa_cli.adopt.service_accounts import TakenServiceAccount, about_service_account, take_service_account
from irsa_cli.adopt.task import Task
from irsa_cli.adopt.trust import Settings
from irsa_world.exits import CouldNotLookError
from irsa_world.model import Association, Discovery, Role, ServiceAccount
from irsa_world.verdict import NO_ROLE, AskedRole, verdict

# A binding's keys, in their order in the file.
_KEYS = (
    "serviceAccount",
    "identity",
    "podIdentity",
    "role",
    "policy",
    "policyArns",
    "inlinePolicies",
    "trust",
    "audience",
    "clusters",
)


def adopt(discovery: Discovery, choice: Choice, ways: Ways, declared: Declared) -> Adoption:
    """Return the bindings for what was found and chosen, in a stable order.

    Raises:
        CouldNotLookError: A part of the choice chooses nothing.
    """
    aws_account = next(each for each in discovery.aws_accounts if each.number == ways.aws_account)
    clusters = Clusters(discovery, aws_account, declared, ways)
    documents = Documents(mapping_of(declared.settings.get("variables")))
    adoption = Adoption(clusters.new, clusters.several, variables=documents.variables)
    task = Task(aws_account, ways, declared, clusters, documents, adoption)
    roles = {role.arn: role for role in aws_account.roles}
    annotated: dict[str, list[ServiceAccount]] = {}
    for _, each in discovery.annotated:
        annotated.setdefault(each.role_arn, []).append(each)
    associated = associated_by_role(discovery)
    trusting = (arn for arn, role in roles.items() if clusters.trusts_one(role))
    candidates = {}
    for arn in sorted({*annotated, *associated, *trusting}):
        tags = roles[arn].tags if arn in roles else None
        of_associations = (each.service_account for each in associated.get(arn, ()))
        candidates[arn] = Candidate(arn, tags, [*dict.fromkeys((*annotated.get(arn, ()), *of_associations))])
    without_effect = [*choice.without_effect(candidates.values())]
    if without_effect:
        raise CouldNotLookError(
            f"nothing that was found is chosen by {listed(without_effect)}: see `irsa inventory` for what there is"
        )
    for arn, candidate in candidates.items():
        if choice.has(candidate):
            _add_chosen(task, candidate, roles.get(arn), choice, associated)
    return adoption


def _add_chosen(
    task: Task,
    candidate: Candidate,
    role: Role | None,
    choice: Choice,
    associated: Mapping[str, Sequence[Associated]],
) -> None:
    """Add a role and those of its service accounts that are chosen."""
    arn, those = candidate.role_arn, associated.get(candidate.role_arn, ())
    associations = {one.service_account: one.association for of_role in associated.values() for one in of_role}
    refused = {each: _refused(task, arn, role, each, associations.get(each)) for each in candidate.service_accounts}
    chosen = [each for each in candidate.service_accounts if choice.has_service_account(each)]
    own = {each.service_account: take_association(task, each) for each in those if each.service_account in chosen}
    ready = []
    for each in chosen:
        association = own.get(each)
        # An association that is left says why.
        if not association and (each in own or each.role_arn != arn):
            continue
        if service_account := take_service_account(task, each, refused[each]):
            owners = {*service_account.owners, *(association.owners if association else ())}
            ready.append(service_account._replace(association=association, owners=tuple(sorted(owners))))
    if role is None:
        _add_annotating(task, arn, ready, taken=False)
        return
    admitted = [each for each in candidate.service_accounts if not refused[each]]
    taken = take_role(
        task,
        role,
        candidate.service_accounts,
        # Who writes an annotation may have no right to the role.
        only_annotated=not choice.has(candidate._replace(service_accounts=admitted)),
        users=[each.found for each in ready] or admitted,
        pods=pods_of(task.aws_account, those),
    )
    with_role = _with_role(task, taken, ready) if taken else []
    if taken:
        _add_role(task, taken, with_role)
    _add_annotating(task, arn, [each for each in ready if each not in with_role], taken=taken is not None)


def _refused(
    task: Task,
    arn: str,
    role: Role | None,
    each: ServiceAccount,
    association: Association | None,
) -> str:
    """Return why a service account gets no session of a role: a stack with it would be broken; empty if it may."""
    about = f"{'annotated' if each.role_arn == arn else 'associated'} with {named(arn)}"
    if association and association.role_arn != arn:
        return f"{about}, and associated with {named(association.role_arn)}: {THE_OTHER_WINS}"
    request: WebIdentityRequest | PodIdentityRequest
    try:
        if role is None:
            is_elsewhere = parse_iam_arn(arn, "role").account_id != task.aws_account.number
            return "" if is_elsewhere else f"{about}: {NO_ROLE}"
        if association and each.role_arn != arn:
            request = association.request
        else:
            issuer = task.clusters.by_name[each.cluster].issuer
            provider, subject = provider_of_role(arn, issuer), subject_claim(each.subject)
            request = WebIdentityRequest(issuer, provider, subject, each.audience)
        answer = verdict(AskedRole(parse(role.trust), task.aws_account.client_ids), request)
    except Mistake as mistake:
        return f"{about}: {mistake.found}"
    return f"{about}, which does not admit it: {answer.details}" if answer.decision is Decision.DENIED else ""


def _with_role(task: Task, taken: TakenRole, ready: Sequence[TakenServiceAccount]) -> list[TakenServiceAccount]:
    """Return the service account that is declared with its role, once for each cluster; none if there are several.

    With the role, it is trusted in all of the binding's clusters, as an exact subject.
    """
    names = {str(each.found) for each in ready}
    if len(names) != 1:
        return []
    settings, first = taken.trust.settings, ready[0]
    fits = (
        first.found.subject in settings.subjects
        and {each.found.cluster for each in ready} == {*clusters_of(task, settings)}
        and len({_common(each) for each in ready}) == 1
        and (not first.found.role_arn or {each.audience for each in ready} == {settings.audience})
        and (first.association is None or _fits(first.association, taken))
    )
    return list(ready) if fits else []


def _fits(association: TakenAssociation, taken: TakenRole) -> bool:
    """Return whether an association can be declared with its role so that nothing else changes.

    A statement that stays as it is lets the association in, and irsa would write another one beside it. A role with a
    target gets a policy for that, and an association without tags those of its role.
    """
    adds = "targetRoleArn" in association.settings or (
        "tags" in taken.settings["role"] and "tags" not in association.settings
    )
    return bool(taken.trust.settings.cluster_arns) and not adds


def _common(each: TakenServiceAccount) -> str:
    """Return what the service accounts of one binding have in common."""
    association = each.association.settings if each.association else None
    return json.dumps([each.settings, each.whole, bool(each.found.role_arn), association], sort_keys=True)


def _identity(each: TakenServiceAccount | None, settings: Settings | None) -> dict[str, Any]:
    """Return how Pods get a role, by its service account and its trust policy, as far as the binding has them."""
    irsa, pods = (each is None or bool(each.found.role_arn)), bool(each and each.association)
    trusts_irsa, trusts_pods = (settings.oidc_provider_arns, settings.cluster_arns) if settings else (irsa, pods)
    uses = {IRSA.key: USED if irsa else TRUSTED} if trusts_irsa else {}
    uses |= {POD_IDENTITY.key: USED if pods else TRUSTED} if trusts_pods else {}
    short = next((word for word, identity in SHORT.items() if identity.recorded == uses), None)
    return {"identity": short or uses}


def _pod_identity(ready: Sequence[TakenServiceAccount]) -> dict[str, Any]:
    those = [each.association for each in ready if each.association]
    return {"podIdentity": pod_identity(those)} if those else {}


def _add_role(task: Task, taken: TakenRole, with_role: Sequence[TakenServiceAccount]) -> None:
    settings, imported = dict(taken.settings), list(taken.settings["import"])
    trust = dict(settings["trust"])
    if with_role:
        service_account = with_role[0].found
        trust["subjects"] = [each for each in trust["subjects"] if each != service_account.subject]
        imported += ["serviceAccount"] if with_role[0].whole else []
        settings = {"serviceAccount": with_role[0].settings, **settings, **_pod_identity(with_role)}
        key = _key(task, _key_of(service_account))
    else:
        key = _key(task, taken.role.name)
        trusted = taken.trust.settings
        # Its trust policy asks for session tags otherwise, which its associations do not have.
        settings |= {"podIdentity": {"sessionTags": False}} if trusted.cluster_arns and not trusted.session_tags else {}
    settings["trust"] = {name: value for name, value in trust.items() if value}
    settings |= _identity(with_role[0] if with_role else None, taken.trust.settings)
    _add(task, key, settings, imported)
    change = taken.trust.change
    notes = (*filter(None, [change]), *taken.trust.afterwards, *taken.notes)
    outcome = Outcome.REWRITTEN if change else Outcome.EXACT
    task.adoption.say(outcome, f"role {named(taken.role.arn)}", key, notes, owners=taken.owners)
    for each in with_role:
        _say_taken(task, each, key)


def _add_annotating(task: Task, arn: str, ready: Sequence[TakenServiceAccount], *, taken: bool) -> None:
    """Add bindings that annotate service accounts with a role that exists."""
    for each in ready:
        settings: dict[str, Any] = {"serviceAccount": each.settings, "role": {"arn": arn}}
        settings |= _identity(each, None) | _pod_identity([each])
        if each.found.role_arn and (each.audience != DEFAULT_AUDIENCE or "audience" in task.declared.defaults):
            settings["audience"] = each.audience
        settings |= task.clusters.setting([task.clusters.keys[each.found.cluster]])
        key = _key(task, _key_of(each.found), f"{_key_of(each.found)}-{each.found.cluster}")
        _add(task, key, settings, ["serviceAccount"] if each.whole else [])
        # A role that another binding declares may be rewritten there.
        unchanged = "" if taken else ", which is not changed"
        how = "annotated with" if each.found.role_arn else "associated with"
        _say_taken(task, each, key, f"{how} {named(arn)}{unchanged}")


def _add(task: Task, key: str, settings: Mapping[str, Any], imported: Sequence[str]) -> None:
    # What is the default need not be said.
    said = {name: each for name, each in settings.items() if (name, each) != ("identity", IRSA.key)}
    if "identity" in task.declared.defaults:
        said = {**settings}
    binding = {name: said[name] for name in _KEYS if said.get(name)}
    # What was there before the stack outlives a mistake in it.
    adopted = {"import": list(imported)} if imported else {}
    task.adoption.bindings[key] = {**binding, **adopted, "protect": True}


def _key_of(found: ServiceAccount) -> str:
    return f"{found.namespace}-{found.name}"


def _key(task: Task, *names: str) -> str:
    return unique_key(names, lambda key: key in task.adoption.bindings or key in task.declared.bindings)


def _say_taken(task: Task, each: TakenServiceAccount, key: str, note: str = "") -> None:
    outcome = Outcome.IMPORTED if each.whole else Outcome.ANNOTATED
    pods = [f"with its association {each.association.association.association_id}"] if each.association else []
    notes = (*each.notes, *([note] if note else ()), *pods)
    task.adoption.say(outcome, about_service_account(each.found), key, notes, owners=each.owners)
