"""AWS accounts as a World of what a stack declares: by name, with the least rights; what has no answer is `Unread`."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from irsa import types
from irsa.rules.arns import Arn, provider_of_role
from irsa.rules.mistakes import Mistake
from irsa.rules.names import snake
from irsa.rules.trust import federated_providers
from irsa.rules.unknown import known_or
from irsa.ways import IRSA
from irsa_world.exits import CouldNotLookError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.iam import OWN, QUESTIONS_OF_A_DOCUMENT, AwsAccountClient, with_details
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.live.once import MANY
from irsa_world.live.service import CONCURRENT
from irsa_world.model import OTHERS, AwsAccount, ManagedPolicy, Role, World
from irsa_world.state.declared import DeclaredBinding
from irsa_world.unread import Unread

# In place of the names of inline policies: all that there are.
ALL = (OTHERS,)
NOT_ASKED = Unread(CouldNotLookError("it was not read"))


@dataclass
class Wanted:
    """What is read of one AWS account, each with the credentials with which it is asked.

    Attributes:
        roles: By the ARN of a role, of which of its inline policies the documents are read; None for the role alone.
        assuming: The roles all of whose policies are read: whether they may assume another one is asked.
        policies: The managed policies whose documents are read, by ARN.
        providers: The IAM OIDC providers, by ARN.
    """

    roles: dict[str, tuple[AwsAccountClient, Collection[str] | None]] = field(default_factory=dict)
    assuming: set[str] = field(default_factory=set)
    policies: dict[str, AwsAccountClient] = field(default_factory=dict)
    providers: dict[str, AwsAccountClient] = field(default_factory=dict)


def read_world(aws_accounts: AwsAccountClients, clusters: ClusterClients, bindings: Iterable[DeclaredBinding]) -> World:
    """Return the AWS accounts of which there are credentials, as far as bindings declare something of them."""
    wanted: dict[str, Wanted] = {}
    for binding in bindings:
        # What is wrong is said where it is asked for.
        with contextlib.suppress(CouldNotLookError, Mistake):
            if binding.role_arn and (own := aws_accounts.of_binding(binding)):
                of_account = wanted.setdefault(own.number, Wanted())
                if binding.role or binding.role_arn not in of_account.roles:
                    of_account.roles[binding.role_arn] = own, binding.role.inline_policies if binding.role else None
                of_account.assuming |= {each.role_arn for each in binding.associations if each.target_role_arn}
                of_account.policies |= dict.fromkeys(binding.documents, own)
                of_account.providers |= dict.fromkeys(_providers(binding, clusters), own)
        for each in binding.associations:
            with contextlib.suppress(CouldNotLookError, Mistake):
                if each.target_role_arn and (other := aws_accounts.of_arn(each.target_role_arn)):
                    wanted.setdefault(other.number, Wanted()).roles.setdefault(each.target_role_arn, (other, None))
    with ThreadPoolExecutor() as pool:
        return World((), tuple(pool.map(read_aws_account, wanted.values())))


def _providers(binding: DeclaredBinding, clusters: ClusterClients) -> Iterator[str]:
    yield from federated_providers(binding.trust or {})
    if binding.role is None and IRSA in binding.identity.trusted:
        for each in binding.service_accounts:
            with contextlib.suppress(CouldNotLookError, Mistake):
                yield provider_of_role(binding.role_arn, clusters.of(each.provider).issuer)


def read_aws_account(wanted: Wanted) -> AwsAccount:
    """Return one AWS account, as far as it is wanted."""
    clients = [*dict.fromkeys(client for client, _ in wanted.roles.values())]
    # The role, its attached policies, the names of its inline ones, their documents; of one that is named, itself.
    roles = sum(1 if names is None else 3 + len(names) for _, names in wanted.roles.values())
    policies = QUESTIONS_OF_A_DOCUMENT * len(wanted.policies)
    listed, documents = _listed(clients[0], roles, policies)

    def role(arn: str) -> Any:
        client, names = wanted.roles[arn]
        return listed.get(Arn.name_in(arn)) or _role(client, arn, ALL if arn in wanted.assuming else names)

    with ThreadPoolExecutor(CONCURRENT) as pool:
        there = [each for each in pool.map(role, wanted.roles) if each]
        for each in (each for each in there if each.arn in wanted.assuming):
            further = (*(each.attached_policies if each.has_details else ()), known_or(each.permissions_boundary, ""))
            wanted.policies |= dict.fromkeys(filter(None, further), wanted.roles[each.arn][0])
        asked = [each for each in wanted.policies if each not in documents]
        answers = pool.map(lambda arn: _answer(partial(wanted.policies[arn].document, arn)), asked)
        documents |= zip(asked, answers, strict=True)
        providers = wanted.providers
        client_ids = pool.map(lambda arn: _answer(partial(providers[arn].client_ids, arn)), providers)
        return AwsAccount(
            clients[0].number,
            tuple(there),
            {arn: each for arn, each in zip(providers, client_ids, strict=True) if each is not None},
            policies=tuple(ManagedPolicy(arn, each) for arn, each in documents.items() if each is not None),
            place=clients[0].place,
        )


def _listed(client: AwsAccountClient, roles: int, policies: int) -> tuple[dict[str, Role], dict[str, Any]]:
    """Return roles by name, and documents of the AWS account's own policies, from lists where there are MANY questions.

    What they lack is asked by itself, since a list never says "missing"; so is all where a list has no answer.
    """
    questions = (client.listed_roles, client.role_details) if roles > MANY else (list, list)
    with ThreadPoolExecutor(3) as pool:
        of_policies = partial(client.policy_details, OWN) if policies > MANY else list
        answers = pool.map(_answer, (*questions, of_policies))
        settings, details, documents = ([] if isinstance(each, Unread) else each for each in answers)
    # Only ListRoles has the description and the longest session. Of a role that was made again in between, neither list
    # is relied on.
    whole = with_details(settings, details)
    return {each.name: each for each in whole if each.has_details}, {each.arn: each.document for each in documents}


def _role(client: AwsAccountClient, arn: str, names: Collection[str] | None) -> Any:
    """Return a role as it is wanted, with its policies by their names; None where there is none."""
    name = Arn.name_in(arn)
    role = _answer(partial(client.role, name))
    if isinstance(role, Unread):
        unread: Any = dict.fromkeys(("trust", *map(snake, types.ROLE_SETTINGS)), role)
        role = Role(arn, **unread)
    if role is None or names is None:
        return role
    arns, has = (_answer(partial(ask, name)) for ask in (client.attached_policies, client.inline_policies))
    found: dict[str, Any] = {OTHERS: has} if isinstance(has, Unread) else dict.fromkeys(has or (), NOT_ASKED)
    # What is declared is asked for, whether the list was read or not.
    for each in {*(found if names is ALL else names)} - {OTHERS}:
        document = _answer(partial(client.inline_document, name, each))
        found |= {} if document is None else {each: document}
    is_known = not isinstance(arns, Unread)
    attached = tuple(arns or ()) if is_known else arns
    return replace(role, attached_policies=attached, inline_policies=found, has_details=is_known)


def _answer(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception as error:
        # Whatever it is, the next question is asked too.
        return Unread(error)
