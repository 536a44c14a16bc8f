"""The arguments that depend on the AWS account of the role, as far as that is known."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from irsa.fields import Found
from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.read import Arguments
from irsa.role.add_ons import add_ons_of
from irsa.rules.arns import PARTITIONS
from irsa.rules.grammar import partition_mistakes, wrong_partition
from irsa.rules.leaves import leaves
from irsa.rules.mistakes import Located, Mistake, Place
from irsa.rules.policies import Document
from irsa.rules.unknown import Value, checked_with, has_unknown, is_there, known_or, text_of


class PartialAwsAccount(NamedTuple):
    """The AWS account of an ARN or of a role, as far as it is known."""

    partition: str | None = None
    account_id: str | None = None


def account_in(arn: object) -> PartialAwsAccount:
    """Return the AWS account in an ARN, as far as that is written; an AWS managed policy is in every one."""
    _, partition, _, _, account_id, *_ = [*text_of(arn).split(":"), *5 * [""]]
    return PartialAwsAccount(
        partition if partition in PARTITIONS else None, account_id if account_id.isdecimal() else None
    )


def _first_known(aws_accounts: Iterable[PartialAwsAccount]) -> PartialAwsAccount:
    several = list(aws_accounts)
    partitions, account_ids = ([each[index] for each in several if each[index]] for index in (0, 1))
    return PartialAwsAccount(next(iter(partitions), None), next(iter(account_ids), None))


def aws_account_of(binding: ServiceAccountRoleKeys, found: Found) -> PartialAwsAccount:
    """Return the AWS account in which the role is created.

    It is that of the OIDC providers, and for Pod Identity that of the clusters: all must be in one.
    """
    provider_arns, cluster_arns = known_or(binding.oidc_provider_arns, []), known_or(binding.cluster_arns, {})
    known = [*map(account_in, provider_arns)]
    first = _first_known([*known, *map(account_in, cluster_arns.values())])
    found += clusters_elsewhere(cluster_arns, first)
    for index, each in enumerate(known):
        if _is_elsewhere(each, first):
            where = f"the AWS account {each.account_id or '?'} ({each.partition or '?'})"
            found_here = f"a provider in {where}: {provider_arns[index]}"
            allowed = f"providers in the role's AWS account; the first one is in {first.account_id}"
            fix = f"create a provider for this issuer in {first.account_id}, or one component per AWS account"
            found.append((("oidc_provider_arns", index), Mistake(found_here, allowed, fix)))
    return first


def clusters_elsewhere(cluster_arns: Mapping[str, Value[str]], of_role: PartialAwsAccount) -> Iterator[Located]:
    """Yield the clusters that EKS lets no Pod have the role in: an association's role is in the cluster's AWS account.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    for key, arn in cluster_arns.items():
        of_cluster = account_in(arn)
        if _is_elsewhere(of_cluster, of_role):
            found = f"a cluster in the AWS account {of_cluster.account_id or '?'}: {arn}"
            allowed = f"a cluster in the role's AWS account, {of_role.account_id}"
            fix = f"create the role in {of_cluster.account_id}, and set {{}} to one in {of_role.account_id}"
            yield ("cluster_arns", key), Mistake(found, allowed, fix, ("pod_identity", "target_role_arn"))


def _is_elsewhere(one: PartialAwsAccount, other: PartialAwsAccount) -> bool:
    return any(part and known and part != known for part, known in zip(one, other, strict=True))


def _check_policy_arn(arn: object, place: Place, aws_account: PartialAwsAccount) -> Iterator[Located]:
    """Yield what is wrong with the ARN of a policy that is attached to a role in this AWS account."""
    of_policy, text = account_in(arn), text_of(arn)
    partition = wrong_partition(text, of_policy.partition, aws_account.partition) if of_policy.partition else None
    if partition:
        yield place, partition
    elif of_policy.account_id and aws_account.account_id and of_policy.account_id != aws_account.account_id:
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html
        found = f"{text!r}, a policy in the AWS account {of_policy.account_id}"
        allowed = f"an AWS managed policy, or a policy in the role's AWS account {aws_account.account_id}"
        yield place, Mistake(found, allowed, f"create the policy in {aws_account.account_id}")


def _check_partition(value: object, place: Place, aws_account: PartialAwsAccount) -> Iterator[Located]:
    """Yield the ARNs of another partition, where no role of this AWS account can reach anything.

    A parameter of an add-on may have a name or an ID in place of an ARN, which is in no partition.
    """
    for at, text in ((at, text_of(leaf)) for at, leaf in leaves(value, place)):
        if text.startswith("arn:"):
            partition = wrong_partition(text, text.split(":")[1], aws_account.partition)
            yield from [(at, partition)] if partition else []


def _check_document(document: object, place: Place, aws_account: PartialAwsAccount) -> Iterator[Located]:
    if aws_account.partition and isinstance(document, Document):
        for part, mistake in partition_mistakes(document.content, aws_account.partition):
            yield place + part, mistake


AwsAccountRule = Callable[[object, Place, PartialAwsAccount], Iterator[Located]]


def _places_in_account(binding: ServiceAccountRoleKeys) -> Iterator[tuple[Place, AwsAccountRule]]:
    """Yield the place of each value that depends on the role's AWS account, and its rule."""
    yield ("role", "permissions_boundary"), _check_policy_arn
    for key in known_or(binding.policy_arns, {}):
        yield ("policy_arns", key), _check_policy_arn
    yield ("assume_role_arns",), _check_partition
    yield ("pod_identity", "target_role_arn"), _check_partition
    for place, settings, each in add_ons_of(binding):
        yield from (((*place, name), _check_partition) for name in settings.written() if name in each.parameters)
    inline = [("inline_policies", key) for key in known_or(binding.inline_policies, {})]
    for place in (("policy",), ("pod_identity", "policy"), *inline):
        yield (*place, "document"), _check_document


def in_aws_account(arguments: Arguments, binding: ServiceAccountRoleKeys) -> ServiceAccountRoleKeys:
    """Return the arguments, of which those that depend on the role's AWS account are checked with it.

    Plain values stay plain, so that a preview shows them: where only the AWS account is known later, the trust policy,
    which needs it too, is read again with them. Until then, what names one AWS account speaks for the others.
    """
    every = [(place, binding.at(place), rule) for place, rule in _places_in_account(binding)]
    in_account = [each for each in every if is_there(each[1])]
    arns = [value for _, value, rule in in_account if rule is _check_policy_arn]
    of_both = aws_account_of(binding, arguments.found)
    aws_account = _first_known([of_both, *map(account_in, arns)])
    for place, value, rule in in_account:
        # Beside what is wrong in a value, the rest of it is judged.
        arguments.found += rule(value, place, aws_account)
        if has_unknown(value):
            binding = binding.put(place, checked_with(value, binding.oidc_provider_arns, binding.cluster_arns))
    return binding
