"""AWS accounts as a World of what a stack declares: by name, with the least rights; what has no answer is `Unread`."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from irsa import types
from irsa.rules.arns import Arn, provider_of_role
from irsa.rules.mistakes import Mistake
from irsa.rules.names import snake
from irsa.rules.trust import federated_providers
from irsa.ways import IRSA
from irsa_world.exits import CouldNotLookError, NoPermissionError, Unread
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.iam import OWN, QUESTIONS_OF_A_DOCUMENT, AwsAccountClient, with_details
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.live.once import MANY
from irsa_world.live.service import CONCURRENT
from irsa_world.model import OTHERS, AwsAccount, ManagedPolicy, Role, World
from irsa_world.state.declared import DeclaredBinding

NOT_ASKED = Unread(CouldNotLookError("it was not read"))


@dataclass
class Wanted:
    """What is read of one AWS account with one provider's credentials.

    Attributes:
        roles: The inline policies whose documents are read, by the ARN of their role; None for a role alone.
        assuming: The roles all of whose policies are read: whether they may assume another one is asked.
        policies: The ARNs of the managed policies whose documents are read.
        providers: The ARNs of IAM OIDC providers.
    """

    roles: dict[str, set[str] | None] = field(default_factory=dict)
    assuming: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    providers: set[str] = field(default_factory=set)

    def add(self, binding: DeclaredBinding, providers: Iterable[str]) -> None:
        """Add what is declared of a binding's role."""
        if binding.role:
            of_role = self.roles.get(binding.role_arn) or set()
            self.roles[binding.role_arn] = of_role | {*binding.role.inline_policies}
        else:
            self.roles.setdefault(binding.role_arn)
        self.assuming |= {each.role_arn for each in binding.associations if each.target_role_arn}
        self.policies |= {*binding.documents}
        self.providers |= {*providers}

    @property
    def questions(self) -> tuple[int, int]:
        """How many questions there are about roles and policies."""
        # The role, its attached policies, the names of its inline ones, their documents; of one that is named, itself.
        roles = sum(1 if names is None else 3 + len(names) for names in self.roles.values())
        return roles, QUESTIONS_OF_A_DOCUMENT * len(self.policies)


def read_world(aws_accounts: AwsAccountClients, clusters: ClusterClients, bindings: Iterable[DeclaredBinding]) -> World:
    """Return the AWS accounts of which there are credentials, as far as bindings declare something of them."""
    wanted: dict[str, dict[AwsAccountClient, Wanted]] = {}

    def of(aws_account: AwsAccountClient) -> Wanted:
        return wanted.setdefault(aws_account.number, {}).setdefault(aws_account, Wanted())

    for binding in bindings:
        # What is wrong is said where it is asked for.
        with contextlib.suppress(CouldNotLookError, Mistake):
            if binding.role_arn and (own := aws_accounts.of_binding(binding)):
                of(own).add(binding, _providers(binding, clusters))
        for each in binding.associations:
            with contextlib.suppress(CouldNotLookError, Mistake):
                if each.target_role_arn and (other := aws_accounts.of_arn(each.target_role_arn)):
                    of(other).roles.setdefault(each.target_role_arn)
    with ThreadPoolExecutor() as pool:
        return World((), tuple(pool.map(read_aws_account, wanted.values())))


def _providers(binding: DeclaredBinding, clusters: ClusterClients) -> Iterator[str]:
    yield from federated_providers(binding.trust or {})
    if binding.role is None and IRSA in binding.identity.trusted:
        for each in binding.service_accounts:
            with contextlib.suppress(CouldNotLookError, Mistake):
                yield provider_of_role(binding.role_arn, clusters.of(each.cluster).issuer)


def read_aws_account(wanted: Mapping[AwsAccountClient, Wanted]) -> AwsAccount:
    """Return one AWS account, as far as it is wanted of those who have credentials of it."""
    # One role may be of several providers.
    roles, policies = (sum(each) for each in zip(*(each.questions for each in wanted.values()), strict=True))
    # Those of another provider may be allowed to, where IAM denies it to these credentials.
    listed = next(filter(None, (_listed(each, roles, policies) for each in wanted)), Listed({}, False, {}))
    with ThreadPoolExecutor(CONCURRENT) as pool:

        def each_of(ask: Callable[[AwsAccountClient, str], Any], asked: Iterable[tuple[AwsAccountClient, str]]) -> Any:
            """Return the answers by what is asked about; of several, one that is none is no answer."""
            questions = [*asked]
            answers = pool.map(lambda each: _answer(lambda: ask(*each)), questions)
            by_name = sorted(zip(questions, answers, strict=True), key=lambda each: not isinstance(each[1], Unread))
            return {name: answer for (_, name), answer in by_name}

        found = each_of(
            lambda client, arn: _role(client, arn, wanted[client], listed),
            [(client, arn) for client, each in wanted.items() for arn in each.roles],
        )
        there: list[Role] = [each for each in found.values() if each]
        documents = [
            (client, arn) for client, each in wanted.items() for arn in {*each.policies, *_further(each, there)}
        ]
        managed = each_of(lambda client, arn: listed.documents.get(arn) or client.document(arn), documents)
        client_ids = each_of(
            lambda client, arn: client.client_ids(arn),
            [(client, arn) for client, each in wanted.items() for arn in each.providers],
        )
    client = next(iter(wanted))
    return AwsAccount(
        client.number,
        tuple(there),
        {arn: each for arn, each in client_ids.items() if each is not None},
        policies=tuple(ManagedPolicy(arn, each) for arn, each in managed.items() if each is not None),
        place=client.place,
    )


class Listed(NamedTuple):
    """What lists of the whole AWS account have. What they lack is asked by itself: a list never says "missing".

    Attributes:
        details: Roles with their policies, by name.
        has_settings: Whether they have their descriptions and longest sessions, too.
        documents: The documents of the AWS account's own managed policies, by ARN.
    """

    details: Mapping[str, Role]
    has_settings: bool
    documents: Mapping[str, Any]


def _listed(client: AwsAccountClient, roles: int, policies: int) -> Listed | None:
    """Return what lists have, of what there are MANY questions about; None where IAM denies them."""
    questions = (client.listed_roles, client.role_details) if roles > MANY else (list, list)
    with ThreadPoolExecutor(3) as pool:
        of_policies = partial(client.policy_details, OWN) if policies > MANY else list
        settings, details, documents = pool.map(_answer, (*questions, of_policies))
    if any(isinstance(each, Unread) and isinstance(each.error, NoPermissionError) for each in (details, documents)):
        return None
    # Only ListRoles has the description and the longest session. Of a role that was made again in between, neither list
    # is relied on.
    has_settings, known = not isinstance(settings, Unread), [] if isinstance(details, Unread) else details
    whole = with_details(settings, known) if has_settings else known
    return Listed(
        {each.name: each for each in whole if each.has_details},
        has_settings,
        {} if isinstance(documents, Unread) else {each.arn: each.document for each in documents},
    )


def _further(wanted: Wanted, roles: Iterable[Role]) -> set[str]:
    """Return the managed policies, boundaries included, of the roles that are asked whether they may assume another."""
    those = [each for each in roles if each.arn in wanted.assuming]
    attached = (arn for each in those if each.has_details for arn in each.attached_policies)
    boundaries = (each.permissions_boundary for each in those if isinstance(each.permissions_boundary, str))
    return {*attached, *filter(None, boundaries)}


def _role(client: AwsAccountClient, arn: str, wanted: Wanted, listed: Listed) -> Role | None:
    """Return a role as it is wanted; None where it does not exist."""
    name, names = Arn.name_in(arn), wanted.roles[arn]
    details = listed.details.get(name)
    role = details if details and listed.has_settings else _answer(lambda: client.role(name))
    if isinstance(role, Unread):
        unread: Any = role
        role = Role(arn, unread, **{snake(each): unread for each in types.ROLE_SETTINGS})
    if role is None or role is details or (names is None and arn not in wanted.assuming):
        return role
    if details:
        return replace(
            role, attached_policies=details.attached_policies, inline_policies=details.inline_policies, has_details=True
        )
    attached, has = (_answer(partial(ask, name)) for ask in (client.attached_policies, client.inline_policies))
    inline: dict[str, Any] = {OTHERS: has} if isinstance(has, Unread) else dict.fromkeys(has or (), NOT_ASKED)
    # What is declared is asked for, whether the list was read or not.
    for each in {*(names or ()), *(inline if arn in wanted.assuming else ())} - {OTHERS}:
        document = _answer(partial(client.inline_document, name, each))
        inline |= {} if document is None else {each: document}
    is_known = not isinstance(attached, Unread)
    return replace(
        role,
        attached_policies=tuple(attached or ()) if is_known else attached,
        inline_policies=inline,
        has_details=is_known,
    )


def _answer(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception as error:
        # Whatever it is, the next question is asked too.
        return Unread(error)
