from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from irsa.rules.commands import ClusterPlace
from irsa.types import (
    OIDC_PROVIDER,
    POD_IDENTITY_ASSOCIATION,
    POLICY,
    ROLE,
    SERVICE_ACCOUNT,
    SERVICE_ACCOUNT_PATCH,
)
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Stack
from irsa_program.examine import examine
from irsa_program.live.changes import pod_losses
from irsa_program.live.held import Held, held_by
from irsa_program.live.look import conflicts
from irsa_program.live.planned import PlannedStack
from irsa_program.live.reads import AwsReads, ClusterReads
from irsa_program.lookups.values import AwsIdentity, Lookups, ResolvedCluster, needs_of, unanswered
from irsa_program.plan import plan
from irsa_world.model import Role, ServiceAccount
from irsa_world.pods import by_service_account
from irsa_world.state.resource import parse_resource
from tests.world import document

ROOT = Path(__file__).parents[4]
NUMBER = "111122223333"
HOST = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
OTHER_HOST = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE22222222222222222222GREEN"
ISSUERS = {"cluster": HOST, "blue": HOST, "green": OTHER_HOST}
ROLE_ARN = "eks.amazonaws.com/role-arn"
DOCUMENT = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
S3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def cluster_arn(name: str) -> str:
    return f"arn:aws:eks:us-west-2:{NUMBER}:cluster/{name}"


def arn(kind: str, name: str, number: str = NUMBER) -> str:
    return f"arn:aws:iam::{number}:{kind}/{name}"


def stack_of(values: Mapping[str, Any]) -> Stack:
    clusters = {} if "clusters" in values else {"cluster": {"name": "my-cluster"}}
    stack = examine({**clusters, **values}, ROOT).stack
    assert stack is not None
    return stack


def lookups_of(stack: Stack) -> Lookups:
    """What is looked up of the stack: every cluster has its issuer, every AWS account a number of its own."""
    keys = [None, *stack.aws_accounts]
    numbers = {key: NUMBER if key is None else f"44445555666{index}" for index, key in enumerate(keys)}
    return Lookups(
        region="us-west-2",
        aws_accounts={key: AwsIdentity(number, "aws") for key, number in numbers.items()},
        clusters={
            key: ResolvedCluster(f"https://{ISSUERS[key]}", cluster_arn(cluster.name or ""))
            for key, cluster in stack.clusters_by_key.items()
        },
        oidc_providers={
            pair: arn("oidc-provider", ISSUERS[pair[0]], numbers[pair[1]])
            for pair in needs_of(stack, plan(stack, unanswered(stack, None)).bindings).audiences
        },
    )


def account(
    roles: Iterable[str | Role] = (),
    policies: Iterable[str] = (),
    **more: Any,
) -> AwsReads:
    """What an AWS account has: AWS's own policies are always there."""
    own = {S3: True, "arn:aws:iam::aws:policy/AdministratorAccess": True}
    known = {**own, **dict.fromkeys(policies, True)}
    found = [each if isinstance(each, Role) else Role(each, {}) for each in roles]
    return AwsReads(NUMBER, found, known, more.pop("providers", frozenset()), **more)


def cluster(
    service_accounts: Mapping[str, ServiceAccount] | None = None,
    namespaces: Iterable[str] = ("default", "team-a"),
    ending: Iterable[str] = (),
    pods: Iterable[Mapping[str, Any]] = (),
    **more: Any,
) -> ClusterReads:
    """What a cluster has: service accounts by `namespace/name`."""
    found = {tuple(name.split("/", 1)): each for name, each in (service_accounts or {}).items()}
    by_name = by_service_account(pods)
    more = {"place": ClusterPlace("blue"), **more}
    return ClusterReads({each: each in [*ending] for each in namespaces}, found, by_name, **more)  # type: ignore[arg-type]


def live(role: str | None = None, *managers: str) -> ServiceAccount:
    """A service account that exists; with a role, who wrote its annotation."""
    annotations = {} if role is None else {ROLE_ARN: role}
    of_annotation: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{ROLE_ARN}": {}}}}
    managed = [{"manager": each, "fieldsV1": of_annotation} for each in managers] or [{"manager": "status"}]
    return ServiceAccount("cluster", "team-a", "app", annotations, {}, {"metadata": {"managedFields": managed}})


def whole(
    values: Mapping[str, Any],
    state: Iterable[Mapping[str, Any]] = (),
    aws_account: AwsReads | None = None,
    clusters: Mapping[str, ClusterReads] = {},
) -> PlannedStack:
    """Return what a stack is going to be, where this exists, and its state holds this."""
    stack = stack_of(values)
    lookups = lookups_of(stack)
    there = {key: clusters.get(key) or cluster() for key in stack.clusters_by_key}
    in_iam = {key: aws_account or account() for key in lookups.aws_accounts}
    planned = plan(stack, lookups)
    return PlannedStack(stack, planned.components, planned.guards, lookups, in_iam, there, held(state), "dev")


def found(
    values: Mapping[str, Any],
    aws_account: AwsReads | None = None,
    in_cluster: ClusterReads | None = None,
    state: Iterable[Mapping[str, Any]] | None = (),
) -> list[LocatedMistake]:
    """Return the conflicts of a stack of one cluster."""
    clusters = {"cluster": in_cluster} if in_cluster else {}
    return conflicts(whole(values, state or (), aws_account, clusters), state is not None)


def lost(values: Mapping[str, Any], state: Iterable[Mapping[str, Any]]) -> list[LocatedMistake]:
    """Return what Pods lose when a stack of this state gets these settings."""
    return list(pod_losses(whole(values, state)))


def held(resources: Iterable[Mapping[str, Any]]) -> Held:
    return held_by(parse_resource(each, "state") for each in resources)


def rules(mistakes: Iterable[LocatedMistake]) -> list[tuple[str, str]]:
    """Return the rule and the place of each, the place without `irsa:`."""
    return [(mistake.rule, mistake.where.removeprefix("irsa:")) for mistake in mistakes]


# Resources of a state, as the engine exports them.


def _resource(kind: str, name: str, outputs: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:prod::irsa::irsa:index:ServiceAccountRole${kind}::{name}"
    return {"urn": urn, "type": kind, "custom": True, "inputs": {}, "outputs": dict(outputs), **more}


def held_role(logical_name: str, name: str, **more: Any) -> dict[str, Any]:
    outputs = {"arn": arn("role", name), "name": name, "path": "/"}
    return _resource(ROLE, logical_name, outputs, **more)


def held_policy(logical_name: str, name: str, **more: Any) -> dict[str, Any]:
    return _resource(POLICY, logical_name, {"arn": arn("policy", name), "name": name, "path": "/"}, **more)


def held_provider(logical_name: str, provider_arn: str) -> dict[str, Any]:
    return _resource(OIDC_PROVIDER, logical_name, {"arn": provider_arn})


def held_service_account(
    logical_name: str, namespace: str, name: str, created: bool = True, manager: str = "pulumi-kubernetes-5217e6ec"
) -> dict[str, Any]:
    """As recorded from the official plugin: __fieldManager is an output."""
    metadata = {"namespace": namespace, "name": name}
    kind = SERVICE_ACCOUNT if created else SERVICE_ACCOUNT_PATCH
    return _resource(kind, logical_name, {"metadata": metadata, "__fieldManager": manager})


def held_association(logical_name: str, association_id: str, **more: Any) -> dict[str, Any]:
    namespace, _, name = logical_name.partition("@")[0].partition("/")
    recorded = {"namespace": namespace, "serviceAccount": name, "associationId": association_id}
    return _resource(POD_IDENTITY_ASSOCIATION, logical_name, {**recorded, **more})


def held_component(
    logical_name: str,
    role_arn: str,
    service_account: str | None = None,
    key: str | None = None,
    identity: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The component's outputs; without Pod Identity there is no `identity`."""
    namespace, name = service_account.split("/") if service_account else (None, None)
    recorded: dict[str, Any] = {"roleArn": role_arn, "namespace": namespace, "serviceAccountName": name}
    urn = f"urn:pulumi:prod::irsa::irsa:index:ServiceAccountRole::{logical_name}"
    further = {"key": key, "identity": identity}
    recorded |= {name: value for name, value in further.items() if value}
    return {"urn": urn, "type": "irsa:index:ServiceAccountRole", "outputs": recorded}
